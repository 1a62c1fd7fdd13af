//! Differentiable augmentation (DiffAug): colour, translation and cutout, affine in the pixels.
//!
//! Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training",
//! arXiv:2006.10738; formulas of its official code (mit-han-lab/data-efficient-gans,
//! `DiffAugment_pytorch.py`), which ContraD's `diffaug` uses on images in [−1, 1] too
//! (jh-jeong/ContraD, `third_party/diffaug.py`).
//!
//! In this order, every part with a draw of its own an image; results may leave [−1, 1], as there:
//! brightness +U(−½, ½), saturation ×U(0, 2) about the pixel's mean over channels, contrast ×U(½,
//! 3/2) about the image's mean, translation by whole pixels with zeros moving in, a hole of zeros.
//! On one channel the saturation changes nothing, brightness and contrast are as on three.

use candle_core::{Result, Tensor, bail};
use ganbench_data::rng::Stream;
use ganbench_nn::kernels::Real;
use serde::{Deserialize, Serialize};

use super::Augment;
use super::affine::{self, Affine, Planes};
use crate::part::{Field, Part};

/// A policy. Parts that are off draw nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiffAug {
    /// Whether brightness, saturation and contrast change.
    pub color: bool,
    /// Largest translation as a share of the side, rounded to whole pixels; 0 is off.
    pub translation: f64,
    /// Side of the hole as a share of the image's, rounded to whole pixels; 0 is off.
    pub cutout: f64,
}

impl DiffAug {
    /// `color,cutout`: ContraD's.
    pub const COLOR_CUTOUT: Self = Self { color: true, translation: 0.0, cutout: 0.5 };
    /// `translation,cutout`: that of data-efficient-gans on CIFAR with BigGAN.
    pub const TRANSLATION_CUTOUT: Self = Self { color: false, translation: 0.125, cutout: 0.5 };
    /// `color,translation,cutout`: its strongest, and PyTorch-StudioGAN's.
    pub const COLOR_TRANSLATION_CUTOUT: Self = Self { color: true, ..Self::TRANSLATION_CUTOUT };

    fn draw(&self, sides: [usize; 2], stream: &mut Stream) -> Draw {
        let pixels = |share: f64, side: usize| (side as f64 * share + 0.5) as usize;
        Draw {
            color: self.color.then(|| Color {
                brightness: stream.range(-0.5, 0.5),
                saturation: stream.range(0.0, 2.0),
                contrast: stream.range(0.5, 1.5),
            }),
            shift: sides.map(|side| match pixels(self.translation, side) {
                0 => 0,
                most => stream.below(2 * most as u64 + 1) as isize - most as isize,
            }),
            hole: (self.cutout > 0.0).then(|| {
                sides.map(|side| {
                    let hole = pixels(self.cutout, side);
                    // The middle may lie on either edge, so that the hole is cut off there.
                    let middle = stream.below((side + 1 - hole % 2) as u64) as usize;
                    let start = middle.saturating_sub(hole / 2);
                    [start, (middle + hole - hole / 2).min(side)]
                })
            }),
        }
    }
}

impl Default for DiffAug {
    fn default() -> Self {
        Self::COLOR_TRANSLATION_CUTOUT
    }
}

impl Part for DiffAug {
    fn fields(&self) -> Vec<Field> {
        vec![
            Field::switch("color", self.color, "brightness, saturation and contrast"),
            Field::probability("translation", self.translation, "largest share of the side"),
            Field::probability("cutout", self.cutout, "side of the hole as a share"),
        ]
    }
}

impl Augment for DiffAug {
    fn apply(&self, x: &Tensor, stream: &mut Stream) -> Result<Tensor> {
        for (name, share) in [("translation", self.translation), ("cutout", self.cutout)] {
            if !(0.0..=1.0).contains(&share) {
                bail!("expected augmentation.{name} within 0..=1, got {share}");
            }
        }
        let (n, _, height, width) = x.dims4()?;
        let draws = (0..n).map(|_| self.draw([height, width], stream)).collect();
        affine::apply(x, draws)
    }
}

/// One image's draw.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Draw {
    pub color: Option<Color>,
    /// Rows and columns by which the read position is moved: y[i] = x[i + shift].
    pub shift: [isize; 2],
    /// Rows and columns of zeros, [start, end).
    pub hole: Option<[[usize; 2]; 2]>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Color {
    pub brightness: f64,
    pub saturation: f64,
    pub contrast: f64,
}

impl Color {
    /// The three in one: with m the pixel's mean over channels and M the image's,
    /// c·s·x + c·(1 − s)·m + (1 − c)·M + b. Without b it is its own transpose.
    fn change<T: Real>(&self, image: &mut [T], size: Planes, offset: bool) {
        let (c, s) = (self.contrast, self.saturation);
        let mean = image.iter().map(|v| v.f64()).sum::<f64>() / image.len() as f64;
        let base = T::nearest((1.0 - c) * mean + if offset { self.brightness } else { 0.0 });
        let (gain, of_mean) = (T::nearest(c * s), T::nearest(c * (1.0 - s) / size.channels as f64));
        let plane = size.pixels();
        for i in 0..plane {
            let sum: T = (0..size.channels).map(|k| image[k * plane + i]).sum();
            let base = base + of_mean * sum;
            (0..size.channels)
                .for_each(|k| image[k * plane + i] = gain * image[k * plane + i] + base);
        }
    }
}

impl Draw {
    /// Calls `f` with each row of the result that shows something: its place and that of the row it
    /// shows, both from the first pixel of a channel, and their common length.
    fn rows(&self, size: Planes, mut f: impl FnMut(usize, usize, usize)) {
        let seen = |side: usize, shift: isize| {
            let end = (side as isize - shift).clamp(0, side as isize) as usize;
            (-shift).clamp(0, side as isize) as usize..end
        };
        let (rows, columns) = (seen(size.height, self.shift[0]), seen(size.width, self.shift[1]));
        for i in rows {
            let from = i.wrapping_add_signed(self.shift[0]) * size.width;
            let from = (from + columns.start).wrapping_add_signed(self.shift[1]);
            f(i * size.width + columns.start, from, columns.len());
        }
    }

    fn cut<T: Real>(&self, image: &mut [T], size: Planes) {
        let Some([rows, columns]) = self.hole else { return };
        for plane in image.chunks_exact_mut(size.pixels()) {
            for row in plane.chunks_exact_mut(size.width).take(rows[1]).skip(rows[0]) {
                row[columns[0]..columns[1]].fill(T::default());
            }
        }
    }
}

impl Affine for Draw {
    const NAME: &'static str = "diffaug";

    fn forward<T: Real>(&self, x: &[T], y: &mut [T], size: Planes, offset: bool) {
        let mut coloured = Vec::new();
        let x = match &self.color {
            None => x,
            Some(color) => {
                coloured.extend_from_slice(x);
                color.change(&mut coloured, size, offset);
                &coloured
            }
        };
        for (y, x) in y.chunks_exact_mut(size.pixels()).zip(x.chunks_exact(size.pixels())) {
            self.rows(size, |to, from, n| y[to..to + n].copy_from_slice(&x[from..from + n]));
        }
        self.cut(y, size);
    }

    fn transposed<T: Real>(&self, g: &[T], dx: &mut [T], size: Planes) {
        let mut seen = g.to_vec();
        self.cut(&mut seen, size);
        for (dx, g) in dx.chunks_exact_mut(size.pixels()).zip(seen.chunks_exact(size.pixels())) {
            self.rows(size, |to, from, n| dx[from..from + n].copy_from_slice(&g[to..to + n]));
        }
        if let Some(color) = &self.color {
            color.change(dx, size, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::affine::tests::check_map;
    use super::*;
    use candle_core::{DType, Device};
    use ganbench_nn::kernels::finite_difference::normal;

    const PLAIN: Draw = Draw { color: None, shift: [0, 0], hole: None };

    fn changed(x: &[f64], channels: usize, draw: Draw) -> Vec<f64> {
        let x = Tensor::from_slice(x, (1, channels, 1, x.len() / channels), &Device::Cpu).unwrap();
        affine::apply(&x, vec![draw]).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn colour_shift_and_hole_on_paper() {
        let color = |brightness, saturation, contrast| Draw {
            color: Some(Color { brightness, saturation, contrast }),
            ..PLAIN
        };
        // One pixel of three channels with mean 3.
        assert_eq!(changed(&[1.0, 2.0, 6.0], 3, color(0.25, 1.0, 1.0)), [1.25, 2.25, 6.25]);
        assert_eq!(changed(&[1.0, 2.0, 6.0], 3, color(0.0, 0.0, 1.0)), [3.0, 3.0, 3.0]);
        assert_eq!(changed(&[1.0, 2.0, 6.0], 3, color(0.0, 1.0, 0.5)), [2.0, 2.5, 4.5]);
        // On one channel there is no saturation: mean 2, half of the contrast.
        assert_eq!(changed(&[1.0, 3.0], 1, color(0.0, 0.0, 0.5)), [1.5, 2.5]);
        let four = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(changed(&four, 1, Draw { shift: [0, 1], ..PLAIN }), [2.0, 3.0, 4.0, 0.0]);
        assert_eq!(changed(&four, 1, Draw { shift: [0, -3], ..PLAIN }), [0.0, 0.0, 0.0, 1.0]);
        assert_eq!(changed(&four, 1, Draw { shift: [1, 0], ..PLAIN }), [0.0; 4]);
        let hole = Some([[0, 1], [1, 3]]);
        assert_eq!(changed(&four, 1, Draw { hole, ..PLAIN }), [1.0, 0.0, 0.0, 4.0]);
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        for (channels, shift) in [(3, [1, -2]), (1, [-2, 0])] {
            check_map(Planes { channels, height: 6, width: 5 }, || Draw {
                color: Some(Color { brightness: 0.3, saturation: 1.6, contrast: 0.7 }),
                shift,
                hole: Some([[3, 6], [0, 2]]),
            });
        }
    }

    #[test]
    fn a_policy_moves_by_up_to_an_eighth_and_cuts_at_most_a_quarter() {
        let mut stream = Stream::new(0, "augment");
        let (mut moves, mut cut) = ([false; 9], 0);
        for _ in 0..500 {
            let draw = DiffAug::TRANSLATION_CUTOUT.draw([32, 32], &mut stream);
            assert_eq!(draw.color, None);
            moves[(draw.shift[0] + 4) as usize] = true;
            let [rows, columns] = draw.hole.unwrap().map(|[start, end]| end - start);
            assert!((8..=16).contains(&rows) && (8..=16).contains(&columns));
            cut = cut.max(rows * columns);
        }
        assert_eq!((moves, cut), ([true; 9], 256));
        let draw = DiffAug::COLOR_CUTOUT.draw([32, 32], &mut stream);
        assert!(draw.color.is_some() && draw.shift == [0, 0]);
    }

    #[test]
    fn a_share_above_the_whole_is_refused() {
        let wide = DiffAug { cutout: 1.5, ..DiffAug::COLOR_CUTOUT };
        let error = wide.apply(&normal(1, &[1, 3, 4, 4]), &mut Stream::new(0, "augment"));
        let error = error.unwrap_err().to_string();
        assert!(error.contains("expected augmentation.cutout within 0..=1, got 1.5"), "{error}");
    }

    #[test]
    fn the_mean_of_an_image_moves_by_the_brightness_alone() {
        let x = normal(1, &[4, 3, 8, 8]);
        let color = DiffAug { cutout: 0.0, ..DiffAug::COLOR_CUTOUT };
        let means = |x: &Tensor| x.flatten_from(1).unwrap().mean(1).unwrap().to_vec1().unwrap();
        let draws = (0..4).map(|_| color.draw([8, 8], &mut Stream::new(3, "augment"))).collect();
        let brightness =
            color.draw([8, 8], &mut Stream::new(3, "augment")).color.unwrap().brightness;
        let y: Vec<f64> = means(&affine::apply(&x, draws).unwrap());
        for (x, y) in means(&x).iter().zip(y) {
            assert!((y - x - brightness).abs() < 1e-12);
        }
        let single = color.apply(&x.to_dtype(DType::F32).unwrap(), &mut Stream::new(3, "augment"));
        assert_eq!(single.unwrap().dims(), [4, 3, 8, 8]);
    }
}
