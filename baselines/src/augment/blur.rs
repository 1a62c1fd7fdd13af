//! Gaussian blur, the part that `simclr-hq` adds to SimCLR's augmentation at 128 pixels and above.

use std::sync::Arc;

use candle_core::{Result, Tensor, bail};
use ganbench_data::rng::Stream;
use ganbench_nn::kernels::Real;
use serde::{Deserialize, Serialize};

use super::affine::{self, Affine, Planes};
use super::taps::{Taps, mirrored};

/// Gaussian blur with mirrored borders.
///
/// jh-jeong/ContraD, `augment/__init__.py` (`GaussianBlur`): the width of the filter is height /
/// `height_per_tap`, rounded down to an odd number of taps in both directions (upwards where it is
/// even, as there), and its sigma is drawn once for a batch. Whether an image is blurred is its own
/// draw.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Blur {
    /// Probability that an image is blurred.
    pub p: f64,
    /// In pixels, [low, high).
    pub sigma: [f64; 2],
    /// The image's height divided by this is the width of the filter in pixels, before it is
    /// rounded.
    pub height_per_tap: usize,
}

impl Default for Blur {
    fn default() -> Self {
        Self { p: 0.5, sigma: [0.1, 2.0], height_per_tap: 10 }
    }
}

impl Blur {
    /// x `[n, c, h, w]`, as the result.
    ///
    /// # Errors
    /// If the filter is wider than twice the image, or sigma is not above 0.
    pub(super) fn apply(&self, x: &Tensor, stream: &mut Stream) -> Result<Tensor> {
        let (n, _, height, width) = x.dims4()?;
        let radius = height / self.height_per_tap.max(1) / 2;
        let sigma = stream.range(self.sigma[0], self.sigma[1]);
        if sigma.is_nan() || sigma <= 0.0 {
            bail!("expected a sigma above 0 in augmentation.blur.sigma, got {sigma}");
        }
        if radius >= height.min(width) {
            bail!("a blur of {} taps does not fit images of {height}x{width}", 2 * radius + 1);
        }
        let filter = Arc::new(Filter::new(sigma, radius, [height, width]));
        let draws =
            (0..n).map(|_| Blurred(stream.chance(self.p).then(|| Arc::clone(&filter)))).collect();
        affine::apply(x, draws)
    }
}

/// Down the columns and along the rows.
pub(super) struct Filter([Taps; 2]);

impl Filter {
    pub(super) fn new(sigma: f64, radius: usize, sides: [usize; 2]) -> Self {
        let weight = |k: usize| {
            let d = (k as f64 - radius as f64) / sigma;
            libm::exp(-0.5 * d * d)
        };
        let taps = 2 * radius + 1;
        let sum: f64 = (0..taps).map(weight).sum();
        Self(sides.map(|side| {
            Taps::new([side, side, taps], |i, k| {
                Some((mirrored((i + k) as isize - radius as isize, side), weight(k) / sum))
            })
        }))
    }
}

/// None: this image stays.
pub(super) struct Blurred(pub Option<Arc<Filter>>);

impl Affine for Blurred {
    const NAME: &'static str = "blur";

    fn forward<T: Real>(&self, x: &[T], y: &mut [T], size: Planes, _: bool) {
        let Some(filter) = &self.0 else { return y.copy_from_slice(x) };
        let [down, along] = &filter.0;
        for (y, x) in y.chunks_exact_mut(size.pixels()).zip(x.chunks_exact(size.pixels())) {
            y.copy_from_slice(&down.along_columns(&along.along_rows(x)));
        }
    }

    fn transposed<T: Real>(&self, g: &[T], dx: &mut [T], size: Planes) {
        let Some(filter) = &self.0 else { return dx.copy_from_slice(g) };
        let [down, along] = &filter.0;
        for (dx, g) in dx.chunks_exact_mut(size.pixels()).zip(g.chunks_exact(size.pixels())) {
            dx.copy_from_slice(&along.along_rows_transposed(&down.along_columns_transposed(g)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::affine::tests::check_map;
    use super::*;
    use candle_core::Device;
    use ganbench_nn::kernels::finite_difference::normal;

    #[test]
    fn a_point_becomes_the_filter() {
        // Three equal rows, so that nothing is seen of the columns' filter.
        let x = Tensor::new(&[[[[0f64, 0.0, 1.0, 0.0, 0.0]; 3]]], &Device::Cpu).unwrap();
        let filter = Filter::new(1.0, 1, [3, 5]);
        // e^(−1/2) beside 1.
        let (edge, sum) = ((-0.5f64).exp(), 1.0 + 2.0 * (-0.5f64).exp());
        let y = affine::apply(&x, vec![Blurred(Some(Arc::new(filter)))]).unwrap();
        let y: Vec<f64> = y.flatten_all().unwrap().to_vec1().unwrap();
        for (y, expected) in y.iter().zip([0.0, edge / sum, 1.0 / sum, edge / sum, 0.0]) {
            assert!((y - expected).abs() < 1e-15);
        }
    }

    #[test]
    fn a_flat_image_stays_and_about_half_of_the_others_do() {
        let blur = Blur::default();
        let flat = (Tensor::ones((2, 1, 20, 20), candle_core::DType::F64, &Device::Cpu).unwrap()
            * 0.3)
            .unwrap();
        let difference = |a: &Tensor, b: &Tensor| {
            (a - b)
                .unwrap()
                .abs()
                .unwrap()
                .flatten_from(1)
                .unwrap()
                .max(1)
                .unwrap()
                .to_vec1::<f64>()
                .unwrap()
        };
        let y = blur.apply(&flat, &mut Stream::new(0, "augment")).unwrap();
        assert!(difference(&y, &flat).iter().all(|d| *d < 1e-14));
        let x = normal(1, &[200, 1, 20, 20]);
        let y = blur.apply(&x, &mut Stream::new(0, "augment")).unwrap();
        let still = difference(&y, &x).iter().filter(|d| **d == 0.0).count();
        // Five standard errors of 200 fair coins.
        assert!((65..=135).contains(&still), "{still}");
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        check_map(Planes { channels: 2, height: 6, width: 5 }, || {
            Blurred(Some(Arc::new(Filter::new(1.3, 2, [6, 5]))))
        });
    }

    #[test]
    fn a_filter_wider_than_the_image_or_without_width_is_refused() {
        let error = Blur { height_per_tap: 1, ..Blur::default() }
            .apply(&normal(1, &[1, 1, 20, 8]), &mut Stream::new(0, "augment"))
            .unwrap_err();
        let first = error.to_string();
        assert!(first.contains("a blur of 21 taps does not fit images of 20x8"), "{first}");
        let error = Blur { sigma: [0.0, 0.0], ..Blur::default() }
            .apply(&normal(1, &[1, 1, 20, 20]), &mut Stream::new(0, "augment"))
            .unwrap_err();
        let expected = "expected a sigma above 0 in augmentation.blur.sigma, got 0";
        assert!(error.to_string().contains(expected), "{error}");
    }
}
