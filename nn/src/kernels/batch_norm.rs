//! Batch normalisation with its gain, bias and activation in one op.
//!
//! Ioffe and Szegedy 2015, arXiv:1502.03167. The gain and bias are shared (`[1, c]`) or, for conditional
//! batch norm (Dumoulin et al. 2017, arXiv:1610.07629), one row an image (`[n, c]`).

use std::sync::{Arc, Mutex};

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::profile::time;

use super::activation::{Activation, activate};
use super::real::{Real, by_type, cpu_slice, with_cpu_slice};

/// Mean and biased variance of each channel, f64 `[c]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    pub mean: Vec<f64>,
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
    if !x.device().is_cpu() {
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

/// Channels handled by one task of the statistics.
const BLOCK: usize = 32;

#[derive(Clone, Copy)]
struct Sizes {
    n: usize,
    c: usize,
    inner: usize,
}

impl Sizes {
    fn of(dims: &[usize]) -> Result<Self> {
        if dims.len() < 2 || dims.contains(&0) {
            bail!("batch norm needs a non-empty input of rank 2 or more, got shape {dims:?}")
        }
        Ok(Self { n: dims[0], c: dims[1], inner: dims[2..].iter().product() })
    }
}

/// Two passes: the mean, then the mean square distance from it.
fn moments<T: Real>(x: &[T], s: Sizes) -> Moments {
    let count = (s.n * s.inner) as f64;
    let blocks: Vec<(Vec<f64>, Vec<f64>)> = (0..s.c.div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| {
            let channels = block * BLOCK..((block + 1) * BLOCK).min(s.c);
            let pass = |f: &dyn Fn(usize, &[T]) -> f64| {
                let mut sums = vec![0.0; channels.len()];
                for image in 0..s.n {
                    for (j, sum) in sums.iter_mut().enumerate() {
                        let start = (image * s.c + channels.start + j) * s.inner;
                        *sum += f(j, &x[start..start + s.inner]);
                    }
                }
                sums.iter_mut().for_each(|v| *v /= count);
                sums
            };
            let mean = pass(&|_, row| row.iter().map(|v| v.f64()).sum());
            let var = pass(&|j, row| row.iter().map(|v| (v.f64() - mean[j]).powi(2)).sum());
            (mean, var)
        })
        .collect();
    let mut all = Moments::default();
    for (mean, var) in blocks {
        all.mean.extend(mean);
        all.var.extend(var);
    }
    all
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
        let s = Sizes::of(lx.dims())?;
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
            let mut y = vec![T::default(); x.len()];
            let image = s.c * s.inner;
            y.par_chunks_mut(image).zip(x.par_chunks(image)).enumerate().for_each(|(i, (y, x))| {
                let row = if shared { 0 } else { i * s.c };
                for (c, (y, x)) in
                    y.chunks_exact_mut(s.inner).zip(x.chunks_exact(s.inner)).enumerate()
                {
                    let inv_std = 1.0 / (m.var[c] + self.eps).sqrt();
                    let scale = gain[row + c].f64() * inv_std;
                    let shift = T::of(bias[row + c].f64() - m.mean[c] * scale);
                    let scale = T::of(scale);
                    for (y, &x) in y.iter_mut().zip(x) {
                        *y = self.activation.apply(x * scale + shift);
                    }
                }
            });
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
        let s = Sizes::of(x.dims())?;
        let m = self
            .used
            .lock()
            .map_err(|_| candle_core::Error::msg("batch norm state is poisoned"))?
            .clone();
        let inv_std: Vec<f64> = m.var.iter().map(|v| 1.0 / (v + self.eps).sqrt()).collect();
        let shared = gain.dim(0)? == 1;
        let image = s.c * s.inner;
        let gains = with_cpu_slice::<T, _>(gain, <[T]>::to_vec)?;
        let act = self.activation;
        let (dx, dgain, dbias) = with_cpu_slice::<T, _>(x, |x| {
            with_cpu_slice::<T, _>(y, |y| {
                with_cpu_slice::<T, _>(g, |g| {
                    // Σ g′ and Σ g′·x̂ of each image's channel, g′ being the gradient before the activation.
                    let mut sums = vec![(0.0f64, 0.0f64); s.n * s.c];
                    sums.par_chunks_mut(s.c).enumerate().for_each(|(i, sums)| {
                        for (c, sum) in sums.iter_mut().enumerate() {
                            let at = i * image + c * s.inner;
                            let mean = m.mean[c];
                            for j in at..at + s.inner {
                                let g = act.gradient(y[j], g[j]).f64();
                                sum.0 += g;
                                sum.1 += g * (x[j].f64() - mean);
                            }
                            sum.1 *= inv_std[c];
                        }
                    });
                    let gain_of =
                        |i: usize, c: usize| gains[if shared { c } else { i * s.c + c }].f64();
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
                    let mut dx = vec![T::default(); x.len()];
                    dx.par_chunks_mut(image).enumerate().for_each(|(i, dx)| {
                        for (c, dx) in dx.chunks_exact_mut(s.inner).enumerate() {
                            let at = i * image + c * s.inner;
                            // dx = inv_std · (gain·g′ − mean(gain·g′) − x̂ · mean(gain·g′·x̂))
                            let slope = totals[c].1 / count * inv_std[c] * inv_std[c];
                            let scale = T::of(gain_of(i, c) * inv_std[c]);
                            let shift = T::of(m.mean[c] * slope - totals[c].0 / count * inv_std[c]);
                            let slope = T::of(slope);
                            for (k, dx) in dx.iter_mut().enumerate() {
                                let g = act.gradient(y[at + k], g[at + k]);
                                *dx = scale * g + shift - slope * x[at + k];
                            }
                        }
                    });
                    let rows = if shared { 1 } else { s.n };
                    let (mut dgain, mut dbias) = (vec![0.0; rows * s.c], vec![0.0; rows * s.c]);
                    for (k, (a, b)) in sums.iter().enumerate() {
                        let to = if shared { k % s.c } else { k };
                        dbias[to] += a;
                        dgain[to] += b;
                    }
                    let cast = |v: Vec<f64>| v.into_iter().map(T::of).collect::<Vec<T>>();
                    (dx, cast(dgain), cast(dbias))
                })
            })
        })???;
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
