//! Images of the world of `shapes`, drawn from factors.

use ganbench_data::images::{Factors, ImageBatch};
use ganbench_data::rng::Stream;
use ganbench_data::shapes::{CONTINUOUS, FACTORS, KIND_COUNTS, Kinds, ShapeFactors};
use rayon::prelude::*;

use super::Making;

/// Places of the factors among [`Kinds`].
pub(super) const SHAPE: usize = 0;
pub(super) const HUE: usize = 1;
pub(super) const BACKGROUND: usize = 2;
pub(super) const TEXTURE: usize = 3;

impl Making<'_> {
    /// One image for each, with its factors.
    pub(super) fn rendered(&self, factors: &[ShapeFactors]) -> ImageBatch {
        let size = self.size();
        let mut pixels = vec![0; factors.len() * size.bytes()];
        pixels
            .par_chunks_exact_mut(size.bytes())
            .zip(factors)
            .for_each(|(image, factors)| factors.render(size.height, image));
        let labels = factors.iter().map(|factors| factors.shape).collect();
        let factors = Factors {
            names: FACTORS.map(str::to_owned).to_vec(),
            values: factors.iter().flat_map(ShapeFactors::values).collect(),
        };
        ImageBatch::new(size, pixels, Some(labels), Some(factors)).expect("whole images were drawn")
    }

    /// Images whose kinds come from `kinds` and whose other factors are as in truth.
    pub(super) fn of_kinds(&mut self, mut kinds: impl FnMut(&mut Stream) -> Kinds) -> ImageBatch {
        let stream = &mut self.stream;
        let factor = |_| {
            let kinds = kinds(stream);
            ShapeFactors::from_kinds(kinds, true_places(stream))
        };
        let factors: Vec<ShapeFactors> = (0..self.n).map(factor).collect();
        self.rendered(&factors)
    }

    /// As in truth.
    pub(super) fn true_factors(&mut self) -> Vec<ShapeFactors> {
        (0..self.n).map(|_| ShapeFactors::draw(&mut self.stream)).collect()
    }
}

/// Kinds as in truth: all alike.
pub(super) fn true_kinds(stream: &mut Stream) -> Kinds {
    KIND_COUNTS.map(|count| stream.below(count as u64) as usize)
}

/// Continuous factors as in truth: uniform over their supports.
pub(super) fn true_places(stream: &mut Stream) -> [f64; CONTINUOUS] {
    std::array::from_fn(|_| stream.range(-1.0, 1.0))
}

/// The inverse of [`ShapeFactors::mode`].
pub(super) fn kinds_of_mode(mode: usize) -> Kinds {
    let (mut rest, mut kinds) = (mode, [0; KIND_COUNTS.len()]);
    for (kind, count) in kinds.iter_mut().zip(KIND_COUNTS).rev() {
        *kind = rest % count;
        rest /= count;
    }
    kinds
}
