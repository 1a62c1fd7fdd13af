//! How parameters start.

use ganbench_data::rng::Stream;

use crate::kernels::orthogonal::orthonormalise;

/// How a parameter starts. The fan-in of a tensor `[a, b, …]` is b times the product of the rest,
/// the fan-out a times that product, as PyTorch counts them for every kind of layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Every value starts at 0.
    Zeros,
    /// Every value starts at 1.
    Ones,
    /// Gaussian of this mean and deviation.
    Normal {
        /// Mean of the Gaussian.
        mean: f64,
        /// Standard deviation, ≥ 0.
        std: f64,
    },
    /// Uniform in ±bound.
    Uniform {
        /// Largest absolute value, ≥ 0.
        bound: f64,
    },
    /// Orthonormal rows of the tensor read as `[a, everything else]`, or columns where there are
    /// more rows than columns. Saxe et al. 2014, arXiv:1312.6120; PyTorch's `orthogonal_`.
    Orthogonal,
    /// U(±√(6 / (fan-in + fan-out))). Glorot and Bengio 2010; PyTorch's `xavier_uniform_`.
    Xavier,
    /// What a PyTorch layer starts with by itself: weight and bias U(±1/√fan-in of the weight)
    /// (`kaiming_uniform_` with a = √5), an embedding N(0, 1).
    TorchDefault,
}

impl Init {
    /// N(0, std²).
    pub const fn normal(std: f64) -> Self {
        Self::Normal { mean: 0.0, std }
    }

    /// PyTorch's default for linear and convolution layers: U(±1/√fan_in).
    pub fn fan_in(fan_in: usize) -> Self {
        Self::Uniform { bound: 1.0 / (fan_in.max(1) as f64).sqrt() }
    }

    pub(crate) fn values(self, stream: &mut Stream, shape: &[usize]) -> Vec<f32> {
        let n = shape.iter().product();
        let rows = shape.first().copied().unwrap_or(1);
        let fan_in = shape.iter().skip(1).product();
        match self {
            Self::Zeros => vec![0.0; n],
            Self::Ones => vec![1.0; n],
            Self::Normal { mean, std } => {
                stream.normal(n).iter().map(|&x| (mean + std * f64::from(x)) as f32).collect()
            }
            Self::Uniform { bound } => stream.uniforms(n, -bound, bound),
            Self::Orthogonal => orthogonal(&stream.normal(n), rows, fan_in),
            Self::Xavier => {
                let taps: usize = shape.iter().skip(2).product();
                let fan_out = rows * taps;
                let bound = (6.0 / (fan_in + fan_out).max(1) as f64).sqrt();
                stream.uniforms(n, -bound, bound)
            }
            Self::TorchDefault => Self::fan_in(fan_in).values(stream, shape),
        }
    }
}

/// `rows` × `columns` numbers with the shorter side orthonormal.
fn orthogonal(gaussian: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    if gaussian.is_empty() {
        return Vec::new();
    }
    let wide = rows <= columns;
    let (n, length) = if wide { (rows, columns) } else { (columns, rows) };
    let place = |vector: usize, i: usize| if wide { vector * length + i } else { i * n + vector };
    let mut vectors = vec![0.0; n * length];
    for (vector, x) in vectors.chunks_exact_mut(length).enumerate() {
        x.iter_mut().enumerate().for_each(|(i, x)| *x = f64::from(gaussian[place(vector, i)]));
    }
    orthonormalise(&mut vectors, length);
    let mut out = vec![0.0; n * length];
    for (vector, x) in vectors.chunks_exact(length).enumerate() {
        x.iter().enumerate().for_each(|(i, &x)| out[place(vector, i)] = x as f32);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(init: Init, shape: &[usize]) -> Vec<f32> {
        init.values(&mut Stream::new(1, "test"), shape)
    }

    /// Aᵀ·A of rows of `columns`, or A·Aᵀ.
    fn products(x: &[f32], columns: usize, of_rows: bool) -> Vec<f64> {
        let rows = x.len() / columns;
        let at = |r: usize, c: usize| f64::from(x[r * columns + c]);
        let n = if of_rows { rows } else { columns };
        let one = |i: usize, j: usize| -> f64 {
            if of_rows {
                (0..columns).map(|c| at(i, c) * at(j, c)).sum()
            } else {
                (0..rows).map(|r| at(r, i) * at(r, j)).sum()
            }
        };
        (0..n * n).map(|k| one(k / n, k % n)).collect()
    }

    #[test]
    fn orthogonal_weights_have_orthonormal_rows_or_columns() {
        for (shape, of_rows) in [(vec![6, 5, 3, 3], true), (vec![40, 7], false), (vec![5, 5], true)]
        {
            let columns = shape[1..].iter().product();
            let x = values(Init::Orthogonal, &shape);
            let n = if of_rows { shape[0] } else { columns };
            for (k, product) in products(&x, columns, of_rows).into_iter().enumerate() {
                let expected = f64::from(u8::from(k / n == k % n));
                assert!((product - expected).abs() < 1e-6, "{shape:?}: {product}");
            }
        }
    }

    #[test]
    fn orthogonal_weights_prefer_no_sign() {
        // The first entry of 300 random 2x2 rotations and reflections; mean 0 ± 0.71/√300 a
        // standard error.
        let mut stream = Stream::new(5, "test");
        let first = |_| f64::from(Init::Orthogonal.values(&mut stream, &[2, 2])[0]);
        let mean = (0..300).map(first).sum::<f64>() / 300.0;
        assert!(mean.abs() < 5.0 * 0.71 / 300f64.sqrt(), "{mean}");
    }

    #[test]
    fn uniform_weights_fill_the_bounds_of_their_fans() {
        let largest = |init, shape: &[usize]| {
            values(init, shape).iter().fold(0.0f32, |m, x| m.max(x.abs())) as f64
        };
        // Xavier of [64, 32, 3, 3]: fan-in 288, fan-out 576. PyTorch's own: fan-in 288.
        let shape = [64, 32, 3, 3];
        let (xavier, own) = ((6.0f64 / 864.0).sqrt(), 1.0 / 288f64.sqrt());
        assert!(
            largest(Init::Xavier, &shape) <= xavier
                && largest(Init::Xavier, &shape) > 0.99 * xavier
        );
        assert!(largest(Init::TorchDefault, &shape) <= own);
        assert!(largest(Init::TorchDefault, &shape) > 0.99 * own);
    }
}
