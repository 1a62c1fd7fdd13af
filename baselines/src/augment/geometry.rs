//! Crops, flips and shifts as one bilinear resampling with reflection at the border.
//!
//! The coordinates are those of PyTorch's `affine_grid` and `grid_sample` with
//! `align_corners=False` and `padding_mode="reflection"`, for maps that keep the axes.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor, bail};
use ganbench_data::rng::Stream;
use ganbench_nn::kernels::{Real, cpu_slice, with_cpu_slice};
use rayon::prelude::*;

use super::SimClr;

/// Where an output coordinate t ∈ [−1, 1] reads the input: scale·t + offset, [vertical,
/// horizontal].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// The factor of t; a negative one mirrors.
    pub scale: [f64; 2],
    /// Where t = 0 reads the input, in [−1, 1] inside the image.
    pub offset: [f64; 2],
}

impl View {
    /// Mirrored left to right.
    pub fn flipped(self) -> Self {
        Self { scale: [self.scale[0], -self.scale[1]], ..self }
    }
}

/// One crop an image. Sizes are drawn ten times as often as needed and the ones that fit are used
/// in order; where too few fit, the whole image (as ContraD's `RandomResizeCropLayer`).
pub(super) fn random_resized_crops(
    n: usize,
    size: [usize; 2],
    a: &SimClr,
    stream: &mut Stream,
) -> Vec<View> {
    let [height, width] = size.map(|s| s as f64);
    let log_ratio = a.crop_ratio.map(libm::log);
    let mut fitting = Vec::with_capacity(n);
    for _ in 0..10 * n {
        let area = stream.range(a.crop_scale[0], a.crop_scale[1]) * height * width;
        let ratio = libm::exp(stream.range(log_ratio[0], log_ratio[1]));
        let (w, h) = (libm::rint((area * ratio).sqrt()), libm::rint((area / ratio).sqrt()));
        if fitting.len() < n && w > 0.0 && w <= width && h > 0.0 && h <= height {
            fitting.push((h, w));
        }
    }
    fitting.resize(n, (height, width));
    let mut offset = |crop: f64, full: f64| {
        let free = full - crop;
        (stream.below(2 * free as u64 + 1) as f64 - free) / full
    };
    fitting
        .into_iter()
        .map(|(h, w)| {
            let (x, y) = (offset(w, width), offset(h, height));
            View { scale: [h / height, w / width], offset: [y, x] }
        })
        .collect()
}

/// Each image seen through its view: x `[n, c, h, w]`, one view an image.
///
/// # Errors
/// If there is not one view an image.
pub fn resample(x: &Tensor, views: Vec<View>) -> Result<Tensor> {
    let cpu = candle_core::Device::Cpu;
    // Off the CPU the images travel: the augmentation is small beside the networks.
    let y = x.to_device(&cpu)?.contiguous()?.apply_op1(Resample { views })?;
    y.to_device(x.device())
}

struct Resample {
    views: Vec<View>,
}

/// The two input positions of one output position and the weight of the second.
#[derive(Clone, Copy)]
struct Tap {
    lo: usize,
    hi: usize,
    weight: f64,
}

/// Reflection about −1/2 and size − 1/2, then clipping, as `grid_sample`.
fn reflect(position: f64, size: usize) -> f64 {
    let span = size as f64;
    let from_edge = (position + 0.5).abs();
    let (flips, extra) = ((from_edge / span).floor(), from_edge % span);
    let inside = if flips % 2.0 == 0.0 { extra - 0.5 } else { span - extra - 0.5 };
    inside.clamp(0.0, span - 1.0)
}

fn taps(size: usize, scale: f64, offset: f64) -> Vec<Tap> {
    (0..size)
        .map(|i| {
            let t = (2 * i + 1) as f64 / size as f64 - 1.0;
            let position = ((scale * t + offset + 1.0) * size as f64 - 1.0) / 2.0;
            let position = reflect(position, size);
            let lo = position.floor() as usize;
            Tap { lo, hi: (lo + 1).min(size - 1), weight: position - lo as f64 }
        })
        .collect()
}

impl Resample {
    fn sizes(&self, dims: &[usize]) -> Result<[usize; 3]> {
        match *dims {
            [n, c, h, w] if n == self.views.len() => Ok([c, h, w]),
            _ => bail!("{} views do not fit images of shape {dims:?}", self.views.len()),
        }
    }

    fn forward<T: Real>(&self, x: &[T], [c, h, w]: [usize; 3]) -> Vec<T> {
        let mut y = vec![T::default(); x.len()];
        let image = c * h * w;
        let work = y.par_chunks_mut(image).zip(x.par_chunks(image)).zip(&self.views);
        work.for_each(|((y, x), view)| {
            let (ys, xs) =
                (taps(h, view.scale[0], view.offset[0]), taps(w, view.scale[1], view.offset[1]));
            for (y, x) in y.chunks_exact_mut(h * w).zip(x.chunks_exact(h * w)) {
                for (y, ty) in y.chunks_exact_mut(w).zip(&ys) {
                    let (top, bottom) = (&x[ty.lo * w..][..w], &x[ty.hi * w..][..w]);
                    let wy = T::nearest(ty.weight);
                    for (y, tx) in y.iter_mut().zip(&xs) {
                        let wx = T::nearest(tx.weight);
                        let a = top[tx.lo] + (top[tx.hi] - top[tx.lo]) * wx;
                        let b = bottom[tx.lo] + (bottom[tx.hi] - bottom[tx.lo]) * wx;
                        *y = a + (b - a) * wy;
                    }
                }
            }
        });
        y
    }

    fn backward<T: Real>(&self, g: &Tensor) -> Result<Tensor> {
        let [c, h, w] = self.sizes(g.dims())?;
        let dx = with_cpu_slice::<T, _>(g, |g| {
            let mut dx = vec![T::default(); g.len()];
            let image = c * h * w;
            let work = dx.par_chunks_mut(image).zip(g.par_chunks(image)).zip(&self.views);
            work.for_each(|((dx, g), view)| {
                let (ys, xs) = (
                    taps(h, view.scale[0], view.offset[0]),
                    taps(w, view.scale[1], view.offset[1]),
                );
                for (dx, g) in dx.chunks_exact_mut(h * w).zip(g.chunks_exact(h * w)) {
                    for (g, ty) in g.chunks_exact(w).zip(&ys) {
                        let wy = T::nearest(ty.weight);
                        for (&g, tx) in g.iter().zip(&xs) {
                            let wx = T::nearest(tx.weight);
                            let (top, bottom) = (g - g * wy, g * wy);
                            dx[ty.lo * w + tx.lo] += top - top * wx;
                            dx[ty.lo * w + tx.hi] += top * wx;
                            dx[ty.hi * w + tx.lo] += bottom - bottom * wx;
                            dx[ty.hi * w + tx.hi] += bottom * wx;
                        }
                    }
                }
            });
            dx
        })?;
        Tensor::from_vec(dx, g.shape(), g.device())
    }
}

impl CustomOp1 for Resample {
    fn name(&self) -> &'static str {
        "resample"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let sizes = self.sizes(layout.dims())?;
        let y = match x.dtype() {
            DType::F64 => f64::storage(self.forward::<f64>(cpu_slice(x, layout)?, sizes)),
            _ => f32::storage(self.forward::<f32>(cpu_slice(x, layout)?, sizes)),
        };
        Ok((y, layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        let g = g.contiguous()?;
        Ok(Some(match g.dtype() {
            DType::F64 => self.backward::<f64>(&g)?,
            _ => self.backward::<f32>(&g)?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use ganbench_nn::kernels::finite_difference::{check, normal};

    fn row(x: &[f64], view: View) -> Vec<f64> {
        let x = Tensor::from_slice(x, (1, 1, 1, x.len()), &Device::Cpu).unwrap();
        resample(&x, vec![view]).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn the_identity_a_flip_and_a_half_crop_on_paper() {
        let whole = View { scale: [1.0, 1.0], offset: [0.0, 0.0] };
        assert_eq!(row(&[1.0, 2.0, 3.0, 4.0], whole), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(row(&[1.0, 2.0, 3.0, 4.0], whole.flipped()), [4.0, 3.0, 2.0, 1.0]);
        // The middle half: positions 0.75, 1.25, 1.75, 2.25.
        let middle = View { scale: [1.0, 0.5], offset: [0.0, 0.0] };
        assert_eq!(row(&[0.0, 4.0, 8.0, 12.0], middle), [3.0, 5.0, 7.0, 9.0]);
        // Shifted right by one whole image width of 4: everything reflected.
        let next = View { scale: [1.0, 1.0], offset: [0.0, 2.0] };
        assert_eq!(row(&[1.0, 2.0, 3.0, 4.0], next), [4.0, 3.0, 2.0, 1.0]);
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let a = SimClr::default();
        let views = random_resized_crops(3, [6, 8], &a, &mut Stream::new(1, "augment"));
        check(&[normal(1, &[3, 2, 6, 8])], |v| resample(&v[0], views.clone()));
    }

    #[test]
    fn every_crop_lies_inside_the_image() {
        for v in
            random_resized_crops(500, [32, 32], &SimClr::default(), &mut Stream::new(0, "augment"))
        {
            for axis in 0..2 {
                assert!(
                    v.scale[axis] > 0.0 && v.scale[axis] + v.offset[axis].abs() <= 1.0 + 1e-12,
                    "{v:?}"
                );
            }
        }
    }
}
