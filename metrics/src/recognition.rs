//! What an image shows of the world of `shapes`.

use ganbench_data::shapes::{FACTORS, KIND_COUNTS, ShapeFactors};

/// The factors that an image shows, and how well it shows them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recognition {
    /// Of the closest image that the data set can hold, found by the network and refined.
    pub factors: ShapeFactors,
    /// Pixel difference to the rendering of the factors, in units of the 99 % quantile of what the
    /// network reads of real test images.
    pub misfit: f32,
    /// The same, in units of the 99 % quantile of real test images with refined factors.
    pub real_misfit: f32,
}

impl Recognition {
    /// Number of values in a row.
    pub(crate) const VALUES: usize = FACTORS.len() + 2;

    /// Whether the image looks like what it is taken for: it lies as close to what its factors draw
    /// as the network reads real images.
    pub fn is_recognised(&self) -> bool {
        self.misfit <= 1.0
    }

    /// Whether the image lies as close to the data set as 99 % of its own images are found to.
    pub fn is_faithful(&self) -> bool {
        self.real_misfit <= 1.0
    }

    /// The factors in the order of [`FACTORS`], then the misfits.
    pub(crate) fn values(&self) -> [f32; Self::VALUES] {
        let [shape, hue, background, x, y, size, rotation, texture] = self.factors.values();
        let (misfit, real_misfit) = (self.misfit, self.real_misfit);
        [shape, hue, background, x, y, size, rotation, texture, misfit, real_misfit]
    }

    /// The inverse of [`Self::values`]; None where they name no kind.
    pub(crate) fn from_values(values: &[f32; Self::VALUES]) -> Option<Self> {
        let (factors, [misfit, real_misfit]) = values.split_first_chunk()? else { return None };
        let factors = ShapeFactors::from_values(factors);
        let are_kinds = factors.kinds().iter().zip(KIND_COUNTS).all(|(kind, count)| *kind < count);
        are_kinds.then_some(Self { factors, misfit: *misfit, real_misfit: *real_misfit })
    }
}

/// What samples of the true distribution show.
#[cfg(test)]
pub(crate) fn recognitions_of_the_truth(purpose: &str, n: usize) -> Vec<Recognition> {
    let mut stream = ganbench_data::rng::Stream::new(0, purpose);
    let draws = std::iter::repeat_with(|| ShapeFactors::draw(&mut stream)).take(n);
    draws.map(|factors| Recognition { factors, misfit: 0.5, real_misfit: 0.5 }).collect()
}
