//! Horizontal flip and a shift of whole pixels.

use candle_core::{Result, Tensor};
use ganbench_data::rng::Stream;
use serde::{Deserialize, Serialize};

use super::Augment;
use super::geometry::{View, resample};
use crate::part::{Field, Part, Range};

/// Flip and shift, the augmentation of consistency regularisation on CIFAR.
///
/// `gan-recipes.md` §1.1 (`hfrt`): flip with probability 1/2, then a shift of up to ±`max_shift`
/// whole pixels, reflected at the border.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlipShift {
    /// Largest shift in pixels, in each direction.
    pub max_shift: u32,
}

impl Default for FlipShift {
    fn default() -> Self {
        Self { max_shift: 4 }
    }
}

impl Part for FlipShift {
    fn fields(&self) -> Vec<Field> {
        let most = u64::from(self.max_shift);
        vec![Field::count("max_shift", most, Range::Any, "largest shift in pixels")]
    }
}

impl Augment for FlipShift {
    fn apply(&self, x: &Tensor, stream: &mut Stream) -> Result<Tensor> {
        let (n, _, height, width) = x.dims4()?;
        let views = (0..n)
            .map(|_| {
                let flip = stream.chance(0.5);
                let mut shift = |size: usize| {
                    let span = u64::from(self.max_shift) * 2 + 1;
                    let pixels = stream.below(span) as f64 - f64::from(self.max_shift);
                    2.0 * pixels / size as f64
                };
                let (y, x) = (shift(height), shift(width));
                View { scale: [1.0, if flip { -1.0 } else { 1.0 }], offset: [y, x] }
            })
            .collect();
        resample(x, views)
    }
}
