//! Modulated convolution and noise injection of StyleGAN2 (Karras et al. 2020, "Analyzing and
//! improving the image quality of StyleGAN", arXiv:1912.04958, sections 2.2 and B).
//!
//! The paper scales the weights of each image. Scaling the maps before and after a convolution with
//! common weights is the same function, takes memory of the maps instead of a filter an image, and
//! leaves the convolution to the fast kernels.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::profile::time;

use super::conv::{Algorithm, Convolution, Geometry, conv_transpose2d, conv2d, conv2d_per_sample};
use super::real::{PARTS, Real, by_type, cpu_slice, total, with_cpu_slices};
use super::simd::vectorised;
use super::upfirdn::{UpFirDn, upfirdn2d};
use super::{for_backward, twice_differentiable};

/// Added under the root of the demodulation.
const EPS: f64 = 1e-8;

/// What a modulated convolution does beside modulating.
#[derive(Clone, Copy, Debug)]
pub struct Modulated {
    /// Twice the size, by a transposed convolution of stride 2 and the filter (1, 3, 3, 1).
    pub upsample: bool,
    /// What the output is multiplied with, after the demodulation.
    pub gain: f64,
    /// How the convolution is computed; results differ by rounding only.
    pub algorithm: Algorithm,
}

/// Modulated and demodulated convolution: output channel o of image n is x ∗ w'ₙₒ with
/// w'ₙₒᵢₖ = w·sₙᵢ / √(Σᵢₖ (w·sₙᵢ)² + 1e-8), eq. 1 and 3, where s are the styles divided by √fan_in.
///
/// x `[n, cin, h, w]`, styles `[n, cin]`, w `[cout, cin, k, k]` of odd k, or 3×3 `[cin, cout, 3,
/// 3]` where it upsamples.
///
/// # Errors
/// If the shapes do not fit or the types differ.
pub fn modulated_conv2d(x: &Tensor, w: &Tensor, styles: &Tensor, m: Modulated) -> Result<Tensor> {
    let (cin, size) = (x.dim(1)?, w.dim(3)?);
    let s = (styles / ((cin * size * size) as f64).sqrt())?;
    let squares = w.sqr()?.flatten_from(2)?.sum(2)?;
    let conv = |geometry| Convolution { geometry, algorithm: m.algorithm };
    let scaled = scale_channels(x, &s)?;
    let (y, squares) = if m.upsample {
        let y = conv_transpose2d(&scaled, w, conv(Geometry::square(2, 0)))?;
        (upfirdn2d(&y, &UpFirDn::after_upsampling())?, squares)
    } else {
        (conv2d(&scaled, w, conv(Geometry::square(1, size / 2)))?, squares.t()?)
    };
    let lengths = (s.sqr()?.matmul(&squares)? + EPS)?.sqrt()?;
    scale_channels(&y, &(lengths.recip()? * m.gain)?)
}

/// Modulated 1×1 convolution without demodulation, as the layers to pixels have it: so few output
/// channels that a filter an image is the cheaper way. Shapes as [`modulated_conv2d`].
///
/// # Errors
/// If the shapes do not fit or the types differ.
pub fn modulated_pixels(x: &Tensor, w: &Tensor, styles: &Tensor) -> Result<Tensor> {
    let (cout, cin, _, _) = w.dims4()?;
    let s = (styles / (cin as f64).sqrt())?;
    let filters = s.unsqueeze(1)?.broadcast_mul(&w.reshape((1, cout, cin))?)?;
    let filters = filters.reshape((x.dim(0)?, cout, cin, 1, 1))?;
    conv2d_per_sample(x, &filters, Geometry::square(1, 0))
}

/// Every channel of every image times its own factor: x `[n, c, …]`, factors `[n, c]`.
///
/// # Errors
/// If the shapes do not fit or the types are not both f32 or both f64.
pub fn scale_channels(x: &Tensor, factors: &Tensor) -> Result<Tensor> {
    if !x.device().is_cpu() {
        let mut shape = vec![1; x.rank()];
        shape[..2].copy_from_slice(factors.dims());
        return x.broadcast_mul(&factors.reshape(shape)?);
    }
    x.contiguous()?.apply_op2(&factors.contiguous()?, ScaleChannels)
}

/// Σ a·b over the pixels of every channel of every image: a, b `[n, c, …]` to `[n, c]`.
fn channel_products(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.contiguous()?.apply_op2(&b.contiguous()?, ChannelProducts)
}

vectorised! {
    /// y = x times the factor of its channel; `inner` values a channel.
    fn scaled<T: Real>(x: &[T], factors: &[T], inner: usize, y: &mut [T]) {
        for ((y, x), &factor) in y.chunks_exact_mut(inner).zip(x.chunks_exact(inner)).zip(factors) {
            for (y, &x) in y.iter_mut().zip(x) {
                *y = x * factor;
            }
        }
    }
}

vectorised! {
    /// Σ a·b.
    fn product<T: Real>(a: &[T], b: &[T]) -> f64 {
        let mut parts = [T::default(); PARTS];
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<PARTS>(), b.as_chunks::<PARTS>());
        for (a, b) in a.iter().zip(b) {
            for i in 0..PARTS {
                parts[i] += a[i] * b[i];
            }
        }
        total(parts) + a_rest.iter().zip(b_rest).map(|(a, b)| a.f64() * b.f64()).sum::<f64>()
    }
}

struct ScaleChannels;

impl CustomOp2 for ScaleChannels {
    fn name(&self) -> &'static str {
        "scale-channels"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        factors: &CpuStorage,
        lf: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let _timer = time("modulation");
        let dims = lx.dims();
        if dims.len() < 2 || lf.dims() != &dims[..2] {
            bail!("factors of shape {:?} do not fit an input of shape {dims:?}", lf.dims())
        }
        let (channels, inner) = (dims[1].max(1), dims[2..].iter().product::<usize>().max(1));
        let y = by_type!(x, T, {
            let (x, factors) = (cpu_slice::<T>(x, lx)?, cpu_slice::<T>(factors, lf)?);
            let mut y = vec![T::default(); x.len()];
            y.par_chunks_mut(channels * inner)
                .zip(x.par_chunks(channels * inner))
                .zip(factors.par_chunks(channels))
                .for_each(|((y, x), factors)| scaled(x, factors, inner, y));
            T::storage(y)
        });
        Ok((y, lx.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        factors: &Tensor,
        _: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dx = x.track_op().then(|| scale_channels(g, &for_backward(factors)));
        let df = factors.track_op().then(|| channel_products(&for_backward(x), g));
        Ok((dx.transpose()?, df.transpose()?))
    }
}

struct ChannelProducts;

impl CustomOp2 for ChannelProducts {
    fn name(&self) -> &'static str {
        "channel-products"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        la: &Layout,
        b: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let _timer = time("modulation, gradient");
        let dims = la.dims();
        if dims.len() < 2 || lb.dims() != dims {
            bail!("maps of shapes {dims:?} and {:?} have no products by channel", lb.dims())
        }
        let (n, c, inner) = (dims[0], dims[1], dims[2..].iter().product::<usize>().max(1));
        let y = by_type!(a, T, {
            let (a, b) = (cpu_slice::<T>(a, la)?, cpu_slice::<T>(b, lb)?);
            let channels = a.par_chunks(inner).zip(b.par_chunks(inner));
            T::storage(channels.map(|(a, b)| T::nearest(product(a, b))).collect())
        });
        Ok((y, (n, c).into()))
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let da = a.track_op().then(|| scale_channels(&for_backward(b), g));
        let db = b.track_op().then(|| scale_channels(&for_backward(a), g));
        Ok((da.transpose()?, db.transpose()?))
    }
}

/// x + strength · noise: x `[n, c, h, w]`, noise `[n, 1, h, w]`, the same for all channels, without
/// gradient; strength `[1]`.
///
/// # Errors
/// If the shapes do not fit or the types differ.
pub fn add_noise(x: &Tensor, noise: &Tensor, strength: &Tensor) -> Result<Tensor> {
    let (n, _, h, w) = x.dims4()?;
    if noise.dims() != [n, 1, h, w] || strength.dims() != [1] {
        bail!(
            "noise of shape {:?} of a strength of shape {:?} does not fit maps of shape {:?}",
            noise.dims(),
            strength.dims(),
            x.dims()
        )
    }
    let noise = noise.detach().contiguous()?;
    if !x.device().is_cpu() || twice_differentiable() {
        return x.broadcast_add(&noise.broadcast_mul(strength)?);
    }
    x.contiguous()?.apply_op2(strength, AddNoise { noise })
}

vectorised! {
    /// y = x + strength · noise of one image.
    fn noisy<T: Real>(x: &[T], noise: &[T], strength: T, y: &mut [T]) {
        let pixels = noise.len();
        for (y, x) in y.chunks_exact_mut(pixels).zip(x.chunks_exact(pixels)) {
            for ((y, &x), &noise) in y.iter_mut().zip(x).zip(noise) {
                *y = x + strength * noise;
            }
        }
    }
}

struct AddNoise {
    noise: Tensor,
}

impl CustomOp2 for AddNoise {
    fn name(&self) -> &'static str {
        "add-noise"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        strength: &CpuStorage,
        ls: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let _timer = time("noise");
        let (n, c, h, w) = lx.shape().dims4()?;
        let y = by_type!(x, T, {
            let (x, strength) = (cpu_slice::<T>(x, lx)?, cpu_slice::<T>(strength, ls)?[0]);
            let mut y = vec![T::default(); n * c * h * w];
            with_cpu_slices::<T, _, 1>([&self.noise], |[noise]| {
                y.par_chunks_mut((c * h * w).max(1))
                    .zip(x.par_chunks((c * h * w).max(1)))
                    .zip(noise.par_chunks((h * w).max(1)))
                    .for_each(|((y, x), noise)| noisy(x, noise, strength, y));
            })?;
            T::storage(y)
        });
        Ok((y, lx.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        strength: &Tensor,
        _: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let g = g.contiguous()?;
        let (_, c, h, w) = x.dims4()?;
        let d_strength = strength.track_op().then(|| {
            by_type!(g, T, {
                let sum = with_cpu_slices::<T, _, 2>([&self.noise, &g], |[noise, g]| {
                    let images =
                        noise.par_chunks((h * w).max(1)).zip(g.par_chunks((c * h * w).max(1)));
                    let of_image = |(noise, g): (&[T], &[T])| -> f64 {
                        g.chunks_exact(noise.len()).map(|g| product(g, noise)).sum()
                    };
                    // In the order of the images, whatever thread was first.
                    images.map(of_image).collect::<Vec<f64>>().iter().sum::<f64>()
                })?;
                Tensor::from_vec(vec![T::nearest(sum)], 1, g.device())
            })
        });
        Ok((x.track_op().then(|| g.clone()), d_strength.transpose()?))
    }
}

#[cfg(test)]
mod tests;
