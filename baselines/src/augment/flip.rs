//! Horizontal flip.

use candle_core::{Result, Tensor};
use ganbench_data::rng::Stream;
use ganbench_nn::kernels::Real;
use serde::{Deserialize, Serialize};

use super::Augment;
use super::affine::{self, Affine, Planes};
use crate::part::{Field, Part};

/// Horizontal flip with probability `p`, the only augmentation of most recipes' data loaders
/// (`gan-recipes.md` §1.1 `cifar10_hflip`, §1.3 random flip).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Flip {
    /// Probability that an image is mirrored left to right.
    pub p: f64,
}

impl Default for Flip {
    fn default() -> Self {
        Self { p: 0.5 }
    }
}

impl Part for Flip {
    fn fields(&self) -> Vec<Field> {
        vec![Field::probability("p", self.p, "of a flip")]
    }
}

impl Augment for Flip {
    fn apply(&self, x: &Tensor, stream: &mut Stream) -> Result<Tensor> {
        let draws = (0..x.dims4()?.0).map(|_| Mirror(stream.chance(self.p))).collect();
        affine::apply(x, draws)
    }
}

/// Whether an image is mirrored left to right.
pub(super) struct Mirror(pub bool);

impl Affine for Mirror {
    const NAME: &'static str = "flip";

    fn forward<T: Real>(&self, x: &[T], y: &mut [T], size: Planes, _: bool) {
        y.copy_from_slice(x);
        if self.0 {
            y.chunks_exact_mut(size.width).for_each(<[T]>::reverse);
        }
    }

    fn transposed<T: Real>(&self, g: &[T], dx: &mut [T], size: Planes) {
        self.forward(g, dx, size, false);
    }
}

#[cfg(test)]
mod tests {
    use super::super::affine::tests::check_map;
    use super::*;
    use ganbench_nn::kernels::finite_difference::normal;

    #[test]
    fn a_flipped_row_is_reversed_and_about_half_are() {
        let x = normal(1, &[400, 1, 1, 3]);
        let y = Flip { p: 0.5 }.apply(&x, &mut Stream::new(0, "augment")).unwrap();
        let rows = |t: &Tensor| t.reshape((400, 3)).unwrap().to_vec2::<f64>().unwrap();
        let mut flipped = 0;
        for (x, y) in rows(&x).iter().zip(rows(&y)) {
            let reversed: Vec<f64> = x.iter().rev().copied().collect();
            assert!(y == *x || y == reversed);
            flipped += usize::from(y == reversed);
        }
        // Five standard errors of 400 fair coins.
        assert!((150..=250).contains(&flipped), "{flipped}");
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        check_map(Planes { channels: 2, height: 3, width: 5 }, || Mirror(true));
    }
}
