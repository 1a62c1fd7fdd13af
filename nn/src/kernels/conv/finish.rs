//! What follows the sums of a convolution, while they are still in the cache.

use super::super::activation::{Activation, by_activation};
use super::super::real::Real;

/// `activation(y + bias)`.
#[derive(Clone, Copy)]
pub struct Finish<'a, T> {
    /// One value a channel; empty for none.
    pub bias: &'a [T],
    pub activation: Activation,
}

impl<T: Real> Finish<'_, T> {
    pub const NOTHING: Self = Finish { bias: &[], activation: Activation::None };

    /// Channels from `first` on, each of `plane` values.
    #[inline(always)]
    pub fn channels(&self, first: usize, plane: usize, y: &mut [T]) {
        if self.bias.is_empty() && self.activation == Activation::None {
            return;
        }
        for (c, y) in y.chunks_exact_mut(plane).enumerate() {
            let bias = self.bias.get(first + c).copied().unwrap_or_default();
            by_activation!(self.activation, T, |f| y.iter_mut().for_each(|y| *y = f(*y + bias)));
        }
    }

    /// All channels of one image.
    pub fn image(&self, y: &mut [T], plane: usize) {
        self.channels(0, plane, y);
    }
}
