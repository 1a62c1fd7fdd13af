//! What a transformer's block is made of. On the CPU each op works on rows of fixed pieces, so that
//! an image's numbers are the same to the bit for any number of threads and whatever it comes with;
//! on other devices candle's ops do the same up to rounding.

use candle_core::{D, Result, Tensor};
use ganbench_nn::kernels::gemm::{Mat, matmul};
use ganbench_nn::kernels::with_cpu_slices;
use rayon::prelude::*;

/// What follows a linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activation {
    None,
    /// x·Φ(x), by the error function (Hendrycks & Gimpel 2016, arXiv:1606.08415).
    Gelu,
    /// x·σ(1.702x), as OpenAI's CLIP has it.
    QuickGelu,
}

impl Activation {
    fn apply(self, x: f32) -> f32 {
        match self {
            Self::None => x,
            Self::Gelu => 0.5 * x * (1.0 + libm::erff(x * std::f32::consts::FRAC_1_SQRT_2)),
            Self::QuickGelu => x / (1.0 + libm::expf(-1.702 * x)),
        }
    }
}

/// x·Wᵀ + b.
pub(super) struct Linear {
    /// `[outputs, inputs]`
    pub(super) weight: Tensor,
    /// `[outputs]`
    pub(super) bias: Option<Tensor>,
}

/// Rows of one piece of a product: few enough that a handful of images keep many threads busy, and
/// enough that packing the weights for each costs little.
const PIECE: usize = 96;

impl Linear {
    /// x `[rows, inputs]`, of `tokens` rows an image, to `[rows, outputs]`.
    pub(super) fn apply(
        &self,
        x: &Tensor,
        tokens: usize,
        activation: Activation,
    ) -> Result<Tensor> {
        if !x.device().is_cpu() {
            return self.composed(x, activation);
        }
        let (rows, inputs) = x.dims2()?;
        let outputs = self.weight.dim(0)?;
        let bias = match &self.bias {
            Some(bias) => bias.to_vec1::<f32>()?,
            None => vec![0.0; outputs],
        };
        let mut y = vec![0f32; rows * outputs];
        with_cpu_slices([x, &self.weight], |[x, w]: [&[f32]; 2]| {
            // Cut within each image, never across two: an image's pieces are the same in any batch.
            let mut pieces = Vec::new();
            for (x, mut y) in x.chunks(tokens * inputs).zip(y.chunks_mut(tokens * outputs)) {
                for x in x.chunks(PIECE * inputs) {
                    let (piece, rest) = y.split_at_mut(x.len() / inputs * outputs);
                    pieces.push((x, piece));
                    y = rest;
                }
            }
            pieces.into_par_iter().for_each(|(x, y)| {
                let x = Mat::new(x, x.len() / inputs, inputs);
                matmul(y, x, Mat::new(w, outputs, inputs).t(), false);
                for row in y.chunks_exact_mut(outputs) {
                    row.iter_mut().zip(&bias).for_each(|(y, b)| *y = activation.apply(*y + b));
                }
            });
        })?;
        Tensor::from_vec(y, (rows, outputs), x.device())
    }

    fn composed(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        let mut y = x.matmul(&self.weight.t()?)?;
        if let Some(bias) = &self.bias {
            y = y.broadcast_add(bias)?;
        }
        match activation {
            Activation::None => Ok(y),
            Activation::Gelu => y.gelu_erf(),
            // x·σ(1.702x) = x / (1 + exp(−1.702x))
            Activation::QuickGelu => &y / ((&y * -1.702)?.exp()? + 1.0)?,
        }
    }
}

/// (x − mean)/√(variance + ε)·w + b over each row (Ba et al. 2016, arXiv:1607.06450).
pub(super) struct LayerNorm {
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
    pub(super) epsilon: f32,
}

impl LayerNorm {
    /// x `[rows, width]` to the same shape.
    pub(super) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        if !x.device().is_cpu() {
            return self.composed(x);
        }
        let (rows, width) = x.dims2()?;
        let mut y = vec![0f32; rows * width];
        with_cpu_slices([x, &self.weight, &self.bias], |[x, weight, bias]: [&[f32]; 3]| {
            y.par_chunks_exact_mut(width).zip(x.par_chunks_exact(width)).for_each(|(y, x)| {
                let n = width as f64;
                let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
                let squares = x.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>();
                let scale = 1.0 / (squares / n + f64::from(self.epsilon)).sqrt();
                for (((y, x), w), b) in y.iter_mut().zip(x).zip(weight).zip(bias) {
                    *y = ((f64::from(*x) - mean) * scale) as f32 * w + b;
                }
            });
        })?;
        Tensor::from_vec(y, (rows, width), x.device())
    }

    fn composed(&self, x: &Tensor) -> Result<Tensor> {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let scaled = centred.broadcast_div(&(variance + f64::from(self.epsilon))?.sqrt()?)?;
        scaled.broadcast_mul(&self.weight)?.broadcast_add(&self.bias)
    }
}

/// Queries, keys and values of `heads` side by side, each `[rows, width]` with `tokens` rows an
/// image.
pub(super) struct Attention<'a> {
    pub(super) query: &'a Tensor,
    pub(super) key: &'a Tensor,
    pub(super) value: &'a Tensor,
    pub(super) tokens: usize,
    pub(super) heads: usize,
}

impl Attention<'_> {
    /// softmax(q·kᵀ/√d)·v of each head and image (Vaswani et al. 2017, arXiv:1706.03762, eq. 1):
    /// `[rows, width]`.
    pub(super) fn apply(&self) -> Result<Tensor> {
        if !self.query.device().is_cpu() {
            return self.composed();
        }
        let (rows, width) = self.query.dims2()?;
        let (tokens, dim) = (self.tokens, width / self.heads);
        let parts: Vec<Vec<f32>> =
            with_cpu_slices([self.query, self.key, self.value], |[q, k, v]: [&[f32]; 3]| {
                let pairs = rows / tokens * self.heads;
                let head = |i: usize| {
                    let start = i / self.heads * tokens * width + i % self.heads * dim;
                    let part = |data| head_of(data, start, HeadSize { tokens, dim, width });
                    one_head(part(q), part(k), part(v))
                };
                (0..pairs).into_par_iter().map(head).collect()
            })?;
        let mut y = vec![0f32; rows * width];
        for (row, y) in y.chunks_exact_mut(width).enumerate() {
            let (image, token) = (row / tokens, row % tokens);
            for (h, y) in y.chunks_exact_mut(dim).enumerate() {
                y.copy_from_slice(&parts[image * self.heads + h][token * dim..][..dim]);
            }
        }
        Tensor::from_vec(y, (rows, width), self.query.device())
    }

    fn composed(&self) -> Result<Tensor> {
        let (rows, width) = self.query.dims2()?;
        let (images, dim) = (rows / self.tokens, width / self.heads);
        let split = |x: &Tensor| {
            x.reshape((images, self.tokens, self.heads, dim))?.transpose(1, 2)?.contiguous()
        };
        let (q, k, v) = (split(self.query)?, split(self.key)?, split(self.value)?);
        let scores = (q.matmul(&k.t()?.contiguous()?)? / (dim as f64).sqrt())?;
        let weights = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
        let weights = weights.broadcast_div(&weights.sum_keepdim(D::Minus1)?)?;
        weights.matmul(&v)?.transpose(1, 2)?.contiguous()?.reshape((rows, width))
    }
}

#[derive(Clone, Copy)]
struct HeadSize {
    tokens: usize,
    dim: usize,
    /// Between two rows.
    width: usize,
}

/// The columns of one head, from `start` on: `[tokens, dim]` within rows of `width`.
fn head_of(data: &[f32], start: usize, size: HeadSize) -> Mat<'_, f32> {
    let HeadSize { tokens, dim, width } = size;
    Mat { data: &data[start..], rows: tokens, cols: dim, row_stride: width, col_stride: 1 }
}

fn one_head(q: Mat<'_, f32>, k: Mat<'_, f32>, v: Mat<'_, f32>) -> Vec<f32> {
    let (tokens, dim) = (q.rows, q.cols);
    let scale = 1.0 / (dim as f32).sqrt();
    let mut scores = vec![0f32; tokens * tokens];
    matmul(&mut scores, q, k.t(), false);
    for row in scores.chunks_exact_mut(tokens) {
        let largest = row.iter().fold(f32::NEG_INFINITY, |m, v| m.max(*v));
        let mut sum = 0f64;
        for v in row.iter_mut() {
            *v = libm::expf((*v - largest) * scale);
            sum += f64::from(*v);
        }
        let share = (1.0 / sum) as f32;
        row.iter_mut().for_each(|v| *v *= share);
    }
    let mut y = vec![0f32; tokens * dim];
    matmul(&mut y, Mat::new(&scores, tokens, tokens), v, false);
    y
}

/// x + branch, the branch scaled channel by channel where there is a scale `[width]`.
pub(super) fn add_branch(x: &Tensor, branch: &Tensor, scale: Option<&Tensor>) -> Result<Tensor> {
    match scale {
        Some(scale) => x + branch.broadcast_mul(scale)?,
        None => x + branch,
    }
}

/// Every row divided by its length.
pub(super) fn unit_rows(x: &Tensor) -> Result<Tensor> {
    x.broadcast_div(&x.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?)
}

#[cfg(test)]
#[path = "ops_tests.rs"]
mod tests;
