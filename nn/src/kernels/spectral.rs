//! Spectral normalisation: a weight divided by its largest singular value.
//!
//! Miyato et al. 2018, "Spectral normalization for GANs", arXiv:1802.05957, algorithm 1; the
//! arithmetic of PyTorch's `torch.nn.utils.spectral_norm` (weight read as `[rows, everything
//! else]`, one power iteration a training forward pass, u and v constants of the gradient).

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use crate::profile::time;

use super::real::{Real, by_type, cpu_slice, with_cpu_slice};
use super::twice_differentiable;

/// The left and right singular vector estimates of one weight.
#[derive(Clone, Debug, PartialEq)]
pub struct SingularVectors {
    /// `[rows]`, of length 1.
    pub u: Vec<f64>,
    /// `[columns]`, of length 1.
    pub v: Vec<f64>,
}

/// Sum of products, in 16 partial sums so that it becomes vector code; the order is fixed.
fn dot<T: Real>(a: &[T], b: &[T]) -> f64 {
    let mut lanes = [T::default(); 16];
    let (ca, cb) = (a.chunks_exact(16), b.chunks_exact(16));
    let tail: f64 = ca.remainder().iter().zip(cb.remainder()).map(|(a, b)| a.f64() * b.f64()).sum();
    for (a, b) in ca.zip(cb) {
        for i in 0..16 {
            lanes[i] += a[i] * b[i];
        }
    }
    tail + lanes.iter().map(|l| l.f64()).sum::<f64>()
}

/// x to length 1, or divided by `eps` where it is shorter than that.
pub(crate) fn normalise(x: &mut [f64], eps: f64) {
    let norm = x.iter().map(|v| v * v).sum::<f64>().sqrt().max(eps);
    x.iter_mut().for_each(|v| *v /= norm);
}

/// W·v, `[rows]`.
fn times<T: Real>(w: &[T], v: &[f64], rows: usize) -> Vec<f64> {
    let v: Vec<T> = v.iter().map(|&x| T::nearest(x)).collect();
    let columns = w.len() / rows;
    w.par_chunks(columns).with_min_len(16).map(|row| dot(row, &v)).collect()
}

/// Wᵀ·u, `[columns]`.
fn transposed_times<T: Real>(w: &[T], u: &[f64], rows: usize) -> Vec<f64> {
    let columns = w.len() / rows;
    let mut out = vec![0.0; columns];
    out.par_chunks_mut(512).enumerate().for_each(|(block, out)| {
        let mut sums = vec![T::default(); out.len()];
        for (r, &u) in u.iter().enumerate() {
            let start = r * columns + block * 512;
            let u = T::nearest(u);
            for (sum, &w) in sums.iter_mut().zip(&w[start..start + out.len()]) {
                *sum += w * u;
            }
        }
        for (o, s) in out.iter_mut().zip(sums) {
            *o = s.f64();
        }
    });
    out
}

/// One power iteration: v ← Wᵀu, u ← Wv, both to length 1 (where longer than `eps`: PyTorch's guard
/// against a zero vector). w: `[rows, …]`; `vectors.v` may be empty before the first.
///
/// # Errors
/// If `u` has another length than the weight has rows.
pub fn power_iteration(w: &Tensor, vectors: &mut SingularVectors, eps: f64) -> Result<()> {
    let _timer = time("spectral norm, power iteration");
    let rows = w.dim(0)?;
    if vectors.u.len() != rows {
        candle_core::bail!(
            "a singular vector of {} does not fit a weight of {rows} rows",
            vectors.u.len()
        )
    }
    let w = w.to_device(&candle_core::Device::Cpu)?.contiguous()?;
    by_type!(
        w,
        T,
        with_cpu_slice::<T, _>(&w, |w| {
            vectors.v = transposed_times(w, &vectors.u, rows);
            normalise(&mut vectors.v, eps);
            vectors.u = times(w, &vectors.v, rows);
            normalise(&mut vectors.u, eps);
        })
    )
}

/// w / σ with σ = uᵀWv.
///
/// # Errors
/// If the vectors do not fit the weight.
pub fn spectral_normalise(w: &Tensor, vectors: &SingularVectors) -> Result<Tensor> {
    let _timer = time("spectral norm");
    let rows = w.dim(0)?;
    if vectors.u.len() != rows || vectors.v.len() * rows != w.elem_count() {
        candle_core::bail!(
            "singular vectors of {} and {} do not fit a weight of shape {:?}",
            vectors.u.len(),
            vectors.v.len(),
            w.dims()
        )
    }
    if w.device().is_cpu() && !twice_differentiable() {
        return w.contiguous()?.apply_op1(SpectralNormalise(vectors.clone()));
    }
    let of = |x: &[f64]| Tensor::new(x, w.device())?.to_dtype(w.dtype());
    let (u, v) = (of(&vectors.u)?, of(&vectors.v)?);
    let sigma = u.unsqueeze(0)?.matmul(&w.reshape((rows, ()))?)?.matmul(&v.unsqueeze(1)?)?;
    w.broadcast_div(&sigma.reshape(vec![1; w.rank()])?)
}

struct SpectralNormalise(SingularVectors);

impl SpectralNormalise {
    fn sigma<T: Real>(&self, w: &[T]) -> f64 {
        times(w, &self.0.v, self.0.u.len()).iter().zip(&self.0.u).map(|(a, b)| a * b).sum()
    }

    /// dW = (g − (Σ g⊙w) · u vᵀ) / σ, with w the normalised weight.
    fn backward<T: Real>(&self, x: &Tensor, w: &Tensor, g: &Tensor) -> Result<Tensor> {
        let _timer = time("spectral norm, gradient");
        let sigma = with_cpu_slice::<T, _>(x, |x| self.sigma(x))?;
        let columns = self.0.v.len();
        let dw = with_cpu_slice::<T, _>(w, |w| {
            with_cpu_slice::<T, _>(g, |g| {
                let parts: Vec<f64> = w
                    .par_chunks(columns)
                    .zip(g.par_chunks(columns))
                    .map(|(w, g)| dot(w, g))
                    .collect();
                let inner: f64 = parts.iter().sum();
                let v: Vec<T> = self.0.v.iter().map(|&v| T::nearest(v)).collect();
                let scale = T::nearest(1.0 / sigma);
                let mut dw = vec![T::default(); g.len()];
                let work = dw.par_chunks_mut(columns).zip(g.par_chunks(columns)).zip(&self.0.u);
                work.for_each(|((dw, g), &u)| {
                    let factor = T::nearest(inner * u / sigma);
                    for ((dw, &g), &v) in dw.iter_mut().zip(g).zip(&v) {
                        *dw = g * scale - v * factor;
                    }
                });
                dw
            })
        })??;
        Tensor::from_vec(dw, w.shape(), w.device())
    }
}

impl CustomOp1 for SpectralNormalise {
    fn name(&self) -> &'static str {
        "spectral-normalise"
    }

    fn cpu_fwd(&self, w: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let out = by_type!(w, T, {
            let w = cpu_slice::<T>(w, layout)?;
            let scale = T::nearest(1.0 / self.sigma(w));
            T::storage(w.iter().map(|&w| w * scale).collect())
        });
        Ok((out, layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        let g = g.contiguous()?;
        Ok(Some(by_type!(w, T, self.backward::<T>(x, w, &g))?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::finite_difference::{check, normal};
    use super::*;

    #[test]
    fn repeated_iterations_find_the_largest_singular_value() {
        // diag(3, 1) reached from (1, 1)/√2.
        let w = Tensor::new(&[[3.0f64, 0.0], [0.0, 1.0]], &candle_core::Device::Cpu).unwrap();
        let mut vectors = SingularVectors { u: vec![0.5f64.sqrt(); 2], v: vec![] };
        for _ in 0..30 {
            power_iteration(&w, &mut vectors, 1e-12).unwrap();
        }
        let y = spectral_normalise(&w, &vectors).unwrap().to_vec2::<f64>().unwrap();
        assert!((y[0][0] - 1.0).abs() < 1e-12 && (y[1][1] - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_vector_shorter_than_eps_is_divided_by_eps() {
        // Wᵀu = (1e-3, 0) divided by 1e-2; then W·(0.1, 0) = (1e-4, 0) by 1e-2.
        let w = Tensor::new(&[[1e-3f64, 0.0], [0.0, 0.0]], &candle_core::Device::Cpu).unwrap();
        let mut vectors = SingularVectors { u: vec![1.0, 0.0], v: vec![] };
        power_iteration(&w, &mut vectors, 1e-2).unwrap();
        assert!((vectors.v[0] - 0.1).abs() < 1e-15 && (vectors.u[0] - 0.01).abs() < 1e-15);
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences_with_u_and_v_constant() {
        let w = normal(1, &[5, 3, 2, 2]);
        let mut vectors = SingularVectors { u: vec![0.2f64.sqrt(); 5], v: vec![] };
        power_iteration(&w, &mut vectors, 1e-12).unwrap();
        check(&[w], |v| spectral_normalise(&v[0], &vectors));
    }
}
