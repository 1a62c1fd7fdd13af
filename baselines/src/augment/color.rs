//! Colour jitter and grey, as in ContraD's `augment/color_jitter.py`: contrast around each
//! channel's spatial mean, and a change of hue, saturation and value whose backward pass is the
//! identity.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor, bail};
use ganbench_data::rng::Stream;
use ganbench_nn::kernels::{Real, cpu_slice, with_cpu_slice};
use rayon::prelude::*;

use super::SimClr;

/// One image's draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColorDraw {
    /// None: this image is not jittered.
    pub jitter: Option<Jitter>,
    /// Whether the image turns grey, after the jitter.
    pub grey: bool,
}

/// The factors of one image's jitter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jitter {
    /// Deviations from each channel's mean are multiplied by this.
    pub contrast: f64,
    /// Added to the hue, in turns.
    pub hue: f64,
    /// The saturation is multiplied by this.
    pub saturation: f64,
    /// The value of HSV, the largest of red, green and blue, is multiplied by this.
    pub value: f64,
    /// Contrast before hue, saturation and value; the same for a whole batch.
    pub contrast_first: bool,
}

/// Luma weights of the official code.
const GREY: [f64; 3] = [0.299, 0.587, 0.114];

pub(super) fn draw(n: usize, a: &SimClr, stream: &mut Stream) -> Vec<ColorDraw> {
    let contrast_first = stream.chance(0.5);
    let (low, high) = ((1.0 - a.jitter_strength).max(0.0), 1.0 + a.jitter_strength);
    (0..n)
        .map(|_| {
            let jitter = Jitter {
                contrast: stream.range(low, high),
                hue: stream.range(-a.jitter_hue, a.jitter_hue) * 255.0 / 360.0,
                saturation: stream.range(low, high),
                value: stream.range(low, high),
                contrast_first,
            };
            let (jittered, grey) = (stream.chance(a.jitter_p), stream.chance(a.grey_p));
            ColorDraw { jitter: jittered.then_some(jitter), grey }
        })
        .collect()
}

/// Applies one draw an image: x `[n, 3, h, w]` in [0, 1], as the result.
///
/// # Errors
/// If there is not one draw an image, or the images are not RGB.
pub fn jitter(x: &Tensor, draws: Vec<ColorDraw>) -> Result<Tensor> {
    let y =
        x.to_device(&candle_core::Device::Cpu)?.contiguous()?.apply_op1(ColorJitter { draws })?;
    y.to_device(x.device())
}

struct ColorJitter {
    draws: Vec<ColorDraw>,
}

/// Hue (in turns, by the angle in the chromatic plane), saturation and value of a colour in [0, 1].
fn to_hsv([r, g, b]: [f64; 3]) -> [f64; 3] {
    let (max, min) = (r.max(g).max(b), r.min(g).min(b));
    let turns = libm::atan2(3f64.sqrt() * (g - b), 2.0 * r - g - b) / std::f64::consts::TAU;
    let saturation = if max > 0.0 { (max - min) / max } else { 0.0 };
    [turns - turns.floor(), saturation, max]
}

fn from_hsv([hue, saturation, value]: [f64; 3]) -> [f64; 3] {
    [5.0, 3.0, 1.0].map(|n| {
        let k = (n + hue * 6.0) % 6.0;
        value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0)
    })
}

fn shift_hsv<T: Real>(image: &mut [T], j: &Jitter) {
    let plane = image.len() / 3;
    for i in 0..plane {
        let [hue, saturation, value] = to_hsv([0, 1, 2].map(|c| image[c * plane + i].f64()));
        let hue = hue + j.hue;
        let hsv = [
            hue - hue.floor(),
            (saturation * j.saturation).clamp(0.0, 1.0),
            (value * j.value).clamp(0.0, 1.0),
        ];
        for (c, v) in from_hsv(hsv).into_iter().enumerate() {
            image[c * plane + i] = T::nearest(v);
        }
    }
}

fn mean<T: Real>(channel: &[T]) -> f64 {
    channel.iter().map(|v| v.f64()).sum::<f64>() / channel.len() as f64
}

fn contrast<T: Real>(image: &mut [T], factor: f64) {
    let plane = image.len() / 3;
    for channel in image.chunks_exact_mut(plane) {
        let mean = mean(channel);
        for v in channel {
            *v = T::nearest(((v.f64() - mean) * factor + mean).clamp(0.0, 1.0));
        }
    }
}

/// The adjoint of [`contrast`] at its `input`; the clamp passes gradients where it does not act.
fn contrast_gradient<T: Real>(input: &[T], g: &mut [T], factor: f64) {
    let plane = input.len() / 3;
    for (x, g) in input.chunks_exact(plane).zip(g.chunks_exact_mut(plane)) {
        let m = mean(x);
        for (x, g) in x.iter().zip(g.iter_mut()) {
            if !(0.0..=1.0).contains(&((x.f64() - m) * factor + m)) {
                *g = T::default();
            }
        }
        let through_mean = (1.0 - factor) * mean(g);
        for g in g.iter_mut() {
            *g = T::nearest(factor * g.f64() + through_mean);
        }
    }
}

fn forward_image<T: Real>(image: &mut [T], draw: &ColorDraw) {
    if let Some(j) = &draw.jitter {
        if j.contrast_first {
            contrast(image, j.contrast);
            shift_hsv(image, j);
        } else {
            shift_hsv(image, j);
            contrast(image, j.contrast);
        }
    }
    if draw.grey {
        let plane = image.len() / 3;
        for i in 0..plane {
            let luma = T::nearest((0..3).map(|c| GREY[c] * image[c * plane + i].f64()).sum());
            (0..3).for_each(|c| image[c * plane + i] = luma);
        }
    }
}

fn backward_image<T: Real>(input: &[T], g: &mut [T], draw: &ColorDraw) {
    let plane = g.len() / 3;
    if draw.grey {
        for i in 0..plane {
            let sum: f64 = (0..3).map(|c| g[c * plane + i].f64()).sum();
            (0..3).for_each(|c| g[c * plane + i] = T::nearest(GREY[c] * sum));
        }
    }
    if let Some(j) = &draw.jitter {
        if j.contrast_first {
            contrast_gradient(input, g, j.contrast);
        } else {
            let mut shifted = input.to_vec();
            shift_hsv(&mut shifted, j);
            contrast_gradient(&shifted, g, j.contrast);
        }
    }
}

impl ColorJitter {
    fn image_len(&self, dims: &[usize]) -> Result<usize> {
        match *dims {
            [n, 3, h, w] if n == self.draws.len() => Ok(3 * h * w),
            _ => bail!("{} colour draws do not fit images of shape {dims:?}", self.draws.len()),
        }
    }

    fn forward<T: Real>(&self, x: &[T], image: usize) -> Vec<T> {
        let mut y = x.to_vec();
        y.par_chunks_mut(image).zip(&self.draws).for_each(|(y, draw)| forward_image(y, draw));
        y
    }

    fn backward<T: Real>(&self, x: &Tensor, g: &Tensor) -> Result<Tensor> {
        let image = self.image_len(x.dims())?;
        let dx = with_cpu_slice::<T, _>(x, |x| {
            with_cpu_slice::<T, _>(g, |g| {
                let mut dx = g.to_vec();
                let work = dx.par_chunks_mut(image).zip(x.par_chunks(image)).zip(&self.draws);
                work.for_each(|((dx, x), draw)| backward_image(x, dx, draw));
                dx
            })
        })??;
        Tensor::from_vec(dx, x.shape(), x.device())
    }
}

impl CustomOp1 for ColorJitter {
    fn name(&self) -> &'static str {
        "color-jitter"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let image = self.image_len(layout.dims())?;
        let y = match x.dtype() {
            DType::F64 => f64::storage(self.forward::<f64>(cpu_slice(x, layout)?, image)),
            _ => f32::storage(self.forward::<f32>(cpu_slice(x, layout)?, image)),
        };
        Ok((y, layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        let g = g.contiguous()?;
        Ok(Some(match g.dtype() {
            DType::F64 => self.backward::<f64>(x, &g)?,
            _ => self.backward::<f32>(x, &g)?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ganbench_nn::kernels::finite_difference::{check, normal};

    const STILL: Jitter =
        Jitter { contrast: 1.0, hue: 0.0, saturation: 1.0, value: 1.0, contrast_first: true };

    fn colour(rgb: [f64; 3], j: Jitter) -> Vec<f64> {
        let x =
            Tensor::new(&rgb, &candle_core::Device::Cpu).unwrap().reshape((1, 3, 1, 1)).unwrap();
        let draws = vec![ColorDraw { jitter: Some(j), grey: false }];
        jitter(&x, draws).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    fn near(a: &[f64], b: &[f64]) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12)
    }

    #[test]
    fn hue_turned_by_a_third_makes_red_green() {
        assert!(near(
            &colour([1.0, 0.0, 0.0], Jitter { hue: 1.0 / 3.0, ..STILL }),
            &[0.0, 1.0, 0.0]
        ));
        assert!(near(&colour([0.8, 0.8, 0.2], STILL), &[0.8, 0.8, 0.2]));
        assert!(near(&colour([0.8, 0.4, 0.4], Jitter { saturation: 0.0, ..STILL }), &[0.8; 3]));
        assert!(near(&colour([0.8, 0.4, 0.4], Jitter { value: 0.5, ..STILL }), &[0.4, 0.2, 0.2]));
    }

    #[test]
    fn contrast_and_grey_have_the_gradients_of_finite_differences() {
        // With hue, saturation and value left alone the straight-through backward pass is the true
        // one.
        let x =
            ((normal(1, &[2, 3, 4, 4]) * 0.3).unwrap() + 0.5).unwrap().clamp(0.02, 0.98).unwrap();
        let draws = vec![
            ColorDraw { jitter: Some(Jitter { contrast: 1.4, hue: 0.0, ..STILL }), grey: false },
            ColorDraw { jitter: None, grey: true },
        ];
        // The hue by angle is not the hexagon's inverse, so it is taken out of the way by greys.
        let grey =
            x.mean_keepdim(1).unwrap().broadcast_as((2, 3, 4, 4)).unwrap().contiguous().unwrap();
        check(&[grey], |v| {
            jitter(&v[0].mean_keepdim(1)?.broadcast_as((2, 3, 4, 4))?, draws.clone())
        });
    }

    #[test]
    fn images_that_are_not_rgb_are_refused() {
        let error = jitter(&normal(1, &[1, 1, 2, 2]), vec![ColorDraw { jitter: None, grey: true }]);
        assert!(error.unwrap_err().to_string().contains("do not fit images of shape [1, 1, 2, 2]"));
    }
}
