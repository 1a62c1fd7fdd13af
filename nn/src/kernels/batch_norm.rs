//! Batch normalisation with its gain, bias and activation in one op.
//!
//! Ioffe and Szegedy 2015, arXiv:1502.03167. The gain and bias are shared (`[1, c]`) or, for
//! conditional batch norm (Dumoulin et al. 2017, arXiv:1610.07629), one row an image (`[n, c]`).

use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex};

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::profile::time;

use super::activation::{Activation, activate, by_activation, by_gradient};
use super::real::{PARTS, Real, build, by_type, cpu_slice, total, with_cpu_slice, with_cpu_slices};
use super::simd::vectorised;
use super::twice_differentiable;

/// Mean and biased variance of each channel, f64 `[c]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    /// The mean of each channel.
    pub mean: Vec<f64>,
    /// The mean squared deviation of each channel, divided by the count and not by one less.
    pub var: Vec<f64>,
}

/// The affine part.
pub struct GainBias<'a> {
    /// `[1, c]` or `[n, c]`.
    pub gain: &'a Tensor,
    /// As the gain.
    pub bias: &'a Tensor,
}

/// Normalises each channel of x `[n, c, …]`, then `activation(gain · x̂ + bias)`.
///
/// With `fixed` these moments are used (evaluation); without, the batch's own, which are returned
/// for the running averages.
///
/// # Errors
/// If the gain or bias fits neither the channels nor the images.
pub fn batch_norm(
    x: &Tensor,
    affine: GainBias<'_>,
    eps: f64,
    activation: Activation,
    fixed: Option<&Moments>,
) -> Result<(Tensor, Moments)> {
    if !x.device().is_cpu() || twice_differentiable() {
        return composed(x, affine, eps, activation, fixed);
    }
    let used = Arc::new(Mutex::new(Moments::default()));
    let op = BatchNorm { eps, activation, fixed: fixed.cloned(), used: used.clone() };
    let (gain, bias) = (affine.gain.contiguous()?, affine.bias.contiguous()?);
    let y = x.contiguous()?.apply_op3(&gain, &bias, op)?;
    let moments =
        used.lock().map_err(|_| candle_core::Error::msg("batch norm state is poisoned"))?.clone();
    Ok((y, moments))
}

/// The same from candle's own ops: for other devices, and the reference of the fused op.
pub fn composed(
    x: &Tensor,
    affine: GainBias<'_>,
    eps: f64,
    activation: Activation,
    fixed: Option<&Moments>,
) -> Result<(Tensor, Moments)> {
    let (n, c) = (x.dim(0)?, x.dim(1)?);
    let flat = x.reshape((n, c, ()))?;
    let (mean, var) = match fixed {
        Some(m) => {
            let of =
                |v: &[f64]| Tensor::new(v, x.device())?.to_dtype(x.dtype())?.reshape((1, c, 1));
            (of(&m.mean)?, of(&m.var)?)
        }
        None => {
            let mean = flat.mean_keepdim((0, 2))?;
            let var = flat.broadcast_sub(&mean)?.sqr()?.mean_keepdim((0, 2))?;
            (mean, var)
        }
    };
    let normal = flat.broadcast_sub(&mean)?.broadcast_div(&(var.clone() + eps)?.sqrt()?)?;
    let y = normal
        .broadcast_mul(&affine.gain.unsqueeze(2)?)?
        .broadcast_add(&affine.bias.unsqueeze(2)?)?
        .reshape(x.shape())?;
    let list = |t: &Tensor| t.detach().flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>();
    Ok((activate(&y, activation)?, Moments { mean: list(&mean)?, var: list(&var)? }))
}

struct BatchNorm {
    eps: f64,
    activation: Activation,
    fixed: Option<Moments>,
    used: Arc<Mutex<Moments>>,
}

#[derive(Clone, Copy)]
struct Sizes {
    n: usize,
    c: usize,
    inner: usize,
}

impl Sizes {
    fn from_dims(dims: &[usize]) -> Result<Self> {
        if dims.len() < 2 || dims.contains(&0) {
            bail!("batch norm needs a non-empty input of rank 2 or more, got shape {dims:?}")
        }
        Ok(Self { n: dims[0], c: dims[1], inner: dims[2..].iter().product() })
    }
}

vectorised! {
    /// Of each channel of one image: Σ (x − centre) or, with `square`, Σ (x − centre)².
    fn channel_sums<T: Real>(x: &[T], centre: &[f64], square: bool, sums: &mut [f64]) {
        let inner = x.len() / sums.len();
        for ((x, sum), &centre) in x.chunks_exact(inner).zip(sums).zip(centre) {
            let centre = T::nearest(centre);
            let value = |x: T| if square { (x - centre) * (x - centre) } else { x - centre };
            let mut parts = [T::default(); PARTS];
            let (x, rest) = x.as_chunks::<PARTS>();
            for x in x {
                for i in 0..PARTS {
                    parts[i] += value(x[i]);
                }
            }
            *sum = total(parts) + rest.iter().map(|&x| value(x).f64()).sum::<f64>();
        }
    }
}

/// Two passes: the mean, then the mean square distance from it. Images are summed in their order.
fn moments<T: Real>(x: &[T], s: Sizes) -> Moments {
    let count = (s.n * s.inner) as f64;
    let pass = |centre: &[f64], square: bool| {
        let mut parts = vec![0.0; s.n * s.c];
        let work = parts.par_chunks_mut(s.c).zip(x.par_chunks(s.c * s.inner));
        work.for_each(|(sums, x)| channel_sums(x, centre, square, sums));
        let mut means = vec![0.0; s.c];
        for sums in parts.chunks_exact(s.c) {
            means.iter_mut().zip(sums).for_each(|(m, s)| *m += s / count);
        }
        means
    };
    let mean = pass(&vec![0.0; s.c], false);
    let var = pass(&mean, true);
    Moments { mean, var }
}

/// What turns a channel of one image into its normalised form: y = activation(x · scale + shift).
#[derive(Clone, Copy)]
struct Affine<T> {
    scale: T,
    shift: T,
}

vectorised! {
    fn normalise_image<T: Real>(
        x: &[T],
        affine: &[Affine<T>],
        activation: Activation,
        y: &mut [MaybeUninit<T>],
    ) {
        let inner = x.len() / affine.len();
        let channels = y.chunks_exact_mut(inner).zip(x.chunks_exact(inner)).zip(affine);
        by_activation!(activation, T, |f| for ((y, x), a) in channels {
            for (y, &x) in y.iter_mut().zip(x) {
                y.write(f(x * a.scale + a.shift));
            }
        });
    }
}

/// One image on the way back: input, output and the gradient there.
#[derive(Clone, Copy)]
struct Back<'a, T> {
    x: &'a [T],
    y: &'a [T],
    g: &'a [T],
    activation: Activation,
}

vectorised! {
    /// Σ g′ and Σ g′·(x − mean) of each channel, g′ being the gradient before the activation.
    fn gradient_sums<T: Real>(v: Back<'_, T>, mean: &[f64], sums: &mut [(f64, f64)]) {
        let inner = v.x.len() / sums.len();
        by_gradient!(v.activation, T, |f| for (c, (sum, &mean)) in
            sums.iter_mut().zip(mean).enumerate()
        {
            let at = c * inner..(c + 1) * inner;
            let mean = T::nearest(mean);
            let mut parts = [[T::default(); PARTS]; 2];
            let (x, x_rest) = v.x[at.clone()].as_chunks::<PARTS>();
            let (y, y_rest) = v.y[at.clone()].as_chunks::<PARTS>();
            let (g, g_rest) = v.g[at].as_chunks::<PARTS>();
            for ((x, y), g) in x.iter().zip(y).zip(g) {
                for i in 0..PARTS {
                    let g = f(y[i], g[i]);
                    parts[0][i] += g;
                    parts[1][i] += g * (x[i] - mean);
                }
            }
            *sum = (total(parts[0]), total(parts[1]));
            for ((&x, &y), &g) in x_rest.iter().zip(y_rest).zip(g_rest) {
                let g = f(y, g);
                sum.0 += g.f64();
                sum.1 += (g * (x - mean)).f64();
            }
        });
    }
}

/// dx = scale·g′ + shift − slope·x of one channel of one image.
#[derive(Clone, Copy)]
struct Slopes<T> {
    scale: T,
    shift: T,
    slope: T,
}

vectorised! {
    fn input_gradient<T: Real>(v: Back<'_, T>, slopes: &[Slopes<T>], dx: &mut [MaybeUninit<T>]) {
        let inner = v.x.len() / slopes.len();
        by_gradient!(v.activation, T, |f| for (c, s) in slopes.iter().enumerate() {
            let at = c * inner..(c + 1) * inner;
            let (x, y, g) = (&v.x[at.clone()], &v.y[at.clone()], &v.g[at.clone()]);
            for (((dx, &x), &y), &g) in dx[at].iter_mut().zip(x).zip(y).zip(g) {
                dx.write(s.scale * f(y, g) + s.shift - s.slope * x);
            }
        });
    }
}

impl CustomOp3 for BatchNorm {
    fn name(&self) -> &'static str {
        "batch-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        gain: &CpuStorage,
        lg: &Layout,
        bias: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let _timer = time("batch norm");
        let s = Sizes::from_dims(lx.dims())?;
        if lg.dims() != lb.dims() || (lg.dims() != [1, s.c] && lg.dims() != [s.n, s.c]) {
            bail!(
                "batch norm of {:?} got a gain of {:?} and a bias of {:?}",
                lx.dims(),
                lg.dims(),
                lb.dims()
            )
        }
        let shared = lg.dims()[0] == 1;
        let y = by_type!(x, T, {
            let (x, gain, bias) =
                (cpu_slice::<T>(x, lx)?, cpu_slice::<T>(gain, lg)?, cpu_slice::<T>(bias, lb)?);
            let m = self.fixed.clone().unwrap_or_else(|| moments(x, s));
            if m.mean.len() != s.c || m.var.len() != s.c {
                bail!("batch norm of {} channels got moments of {}", s.c, m.mean.len())
            }
            let image = s.c * s.inner;
            let affine = |i: usize| -> Vec<Affine<T>> {
                let row = if shared { 0 } else { i * s.c };
                let one = |c: usize| {
                    let scale = gain[row + c].f64() / (m.var[c] + self.eps).sqrt();
                    let shift = bias[row + c].f64() - m.mean[c] * scale;
                    Affine { scale: T::nearest(scale), shift: T::nearest(shift) }
                };
                (0..s.c).map(one).collect()
            };
            // SAFETY: every image is written whole.
            let y = unsafe {
                build(x.len(), |y| {
                    let work = y.par_chunks_mut(image).zip(x.par_chunks(image)).enumerate();
                    work.for_each(|(i, (y, x))| {
                        normalise_image(x, &affine(i), self.activation, y);
                    });
                })
            };
            if let Ok(mut used) = self.used.lock() {
                *used = m;
            }
            T::storage(y)
        });
        Ok((y, lx.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gain: &Tensor,
        _: &Tensor,
        y: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let g = g.contiguous()?;
        let (dx, dgain, dbias) = by_type!(x, T, self.backward::<T>(x, gain, y, &g))?;
        Ok((Some(dx), Some(dgain), Some(dbias)))
    }
}

impl BatchNorm {
    fn backward<T: Real>(
        &self,
        x: &Tensor,
        gain: &Tensor,
        y: &Tensor,
        g: &Tensor,
    ) -> Result<(Tensor, Tensor, Tensor)> {
        let _timer = time("batch norm, gradient");
        let s = Sizes::from_dims(x.dims())?;
        let m = self
            .used
            .lock()
            .map_err(|_| candle_core::Error::msg("batch norm state is poisoned"))?
            .clone();
        let inv_std: Vec<f64> = m.var.iter().map(|v| 1.0 / (v + self.eps).sqrt()).collect();
        let shared = gain.dim(0)? == 1;
        let image = s.c * s.inner;
        let gains = with_cpu_slice::<T, _>(gain, <[T]>::to_vec)?;
        let (dx, dgain, dbias) = with_cpu_slices::<T, _, 3>([x, y, g], |[x, y, g]| {
            let of = |i: usize| {
                let at = i * image..(i + 1) * image;
                let (x, y, g) = (&x[at.clone()], &y[at.clone()], &g[at]);
                Back { x, y, g, activation: self.activation }
            };
            let mut sums = vec![(0.0f64, 0.0f64); s.n * s.c];
            sums.par_chunks_mut(s.c).enumerate().for_each(|(i, sums)| {
                gradient_sums(of(i), &m.mean, sums);
                sums.iter_mut().zip(&inv_std).for_each(|(sum, inv)| sum.1 *= inv);
            });
            let gain_of = |i: usize, c: usize| gains[if shared { c } else { i * s.c + c }].f64();
            let mut totals = vec![(0.0f64, 0.0f64); s.c];
            if self.fixed.is_none() {
                for i in 0..s.n {
                    for (c, total) in totals.iter_mut().enumerate() {
                        let (a, b) = sums[i * s.c + c];
                        total.0 += gain_of(i, c) * a;
                        total.1 += gain_of(i, c) * b;
                    }
                }
            }
            let count = (s.n * s.inner) as f64;
            // dx = inv_std · (gain·g′ − mean(gain·g′) − x̂ · mean(gain·g′·x̂))
            let slopes = |i: usize| -> Vec<Slopes<T>> {
                let one = |c: usize| {
                    let slope = totals[c].1 / count * inv_std[c] * inv_std[c];
                    Slopes {
                        scale: T::nearest(gain_of(i, c) * inv_std[c]),
                        shift: T::nearest(m.mean[c] * slope - totals[c].0 / count * inv_std[c]),
                        slope: T::nearest(slope),
                    }
                };
                (0..s.c).map(one).collect()
            };
            // SAFETY: every image is written whole.
            let dx = unsafe {
                build(x.len(), |dx| {
                    dx.par_chunks_mut(image)
                        .enumerate()
                        .for_each(|(i, dx)| input_gradient(of(i), &slopes(i), dx));
                })
            };
            let rows = if shared { 1 } else { s.n };
            let (mut dgain, mut dbias) = (vec![0.0; rows * s.c], vec![0.0; rows * s.c]);
            for (k, (a, b)) in sums.iter().enumerate() {
                let to = if shared { k % s.c } else { k };
                dbias[to] += a;
                dgain[to] += b;
            }
            let cast = |v: Vec<f64>| v.into_iter().map(T::nearest).collect::<Vec<T>>();
            (dx, cast(dgain), cast(dbias))
        })?;
        Ok((
            Tensor::from_vec(dx, x.shape(), x.device())?,
            Tensor::from_vec(dgain, gain.shape(), x.device())?,
            Tensor::from_vec(dbias, gain.shape(), x.device())?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::finite_difference::{check, normal};
    use super::*;

    fn fused(v: &[Tensor], act: Activation, fixed: Option<&Moments>) -> Result<Tensor> {
        Ok(batch_norm(&v[0], GainBias { gain: &v[1], bias: &v[2] }, 1e-3, act, fixed)?.0)
    }

    #[test]
    fn a_normalised_batch_has_mean_bias_and_deviation_gain() {
        // Two values −1 and 3: mean 1, variance 4, so x̂ = ∓1 and y = 5 ∓ 2.
        let device = candle_core::Device::Cpu;
        let t = |v: &[f64]| Tensor::from_vec(v.to_vec(), (v.len(), 1), &device).unwrap();
        let (gain, bias) = (t(&[2.0]), t(&[5.0]));
        let affine = GainBias { gain: &gain, bias: &bias };
        let (y, m) = batch_norm(&t(&[-1.0, 3.0]), affine, 0.0, Activation::None, None).unwrap();
        assert_eq!(y.flatten_all().unwrap().to_vec1::<f64>().unwrap(), [3.0, 7.0]);
        assert_eq!(m, Moments { mean: vec![1.0], var: vec![4.0] });
    }

    #[test]
    fn the_fused_op_equals_its_composed_twin_and_has_its_gradients() {
        let fixed = Moments { mean: vec![0.1, -0.2, 0.3], var: vec![0.5, 1.5, 2.5] };
        for (shape, rows) in [(vec![4, 3, 2, 5], 1), (vec![4, 3, 2, 5], 4), (vec![5, 3], 1)] {
            for act in [Activation::None, Activation::Relu, Activation::LeakyRelu(0.1)] {
                for fixed in [None, Some(&fixed)] {
                    let v = [normal(1, &shape), normal(2, &[rows, 3]), normal(3, &[rows, 3])];
                    let affine = GainBias { gain: &v[1], bias: &v[2] };
                    let (twin, _) = composed(&v[0], affine, 1e-3, act, fixed).unwrap();
                    let error = (fused(&v, act, fixed).unwrap() - twin).unwrap().abs().unwrap();
                    assert!(error.max_all().unwrap().to_scalar::<f64>().unwrap() < 1e-12);
                    check(&v, |v| fused(v, act, fixed));
                }
            }
        }
    }

    #[test]
    fn a_gain_of_the_wrong_shape_is_refused() {
        let v = [normal(1, &[4, 3]), normal(2, &[2, 3]), normal(3, &[2, 3])];
        let error = fused(&v, Activation::None, None).unwrap_err().to_string();
        assert!(error.contains("got a gain of [2, 3]"), "{error}");
    }
}
