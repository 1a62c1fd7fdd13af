//! What an image shows of the world of `shapes`.

use ganbench_nn::shapes::{FACTORS, ShapeFactors};

/// The factors that an image shows, and how well it shows them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recognition {
    /// Of the closest image that the data set can hold, found by the network and refined.
    pub factors: ShapeFactors,
    /// Pixel difference to the rendering of the factors, in units of what 99 % of real test images
    /// do not exceed.
    pub misfit: f32,
}

impl Recognition {
    /// Number of values in a row.
    pub(crate) const VALUES: usize = FACTORS.len() + 1;

    /// Whether the image lies as close to what its factors draw as 99 % of real test images do.
    pub fn is_recognised(&self) -> bool {
        self.misfit <= 1.0
    }

    /// The factors in the order of [`FACTORS`], then the misfit.
    pub(crate) fn values(&self) -> [f32; Self::VALUES] {
        let factors = self.factors.values();
        std::array::from_fn(|i| factors.get(i).copied().unwrap_or(self.misfit))
    }

    /// The inverse of [`Self::values`].
    pub(crate) fn from_values(values: &[f32; Self::VALUES]) -> Self {
        let (misfit, factors) = values.split_last().expect("nine values");
        let factors = factors.try_into().expect("eight values");
        Self { factors: ShapeFactors::from_values(factors), misfit: *misfit }
    }
}
