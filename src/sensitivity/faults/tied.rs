//! Factors of `shapes` that are tied to one another, while each by itself stays as it should be.

use ganbench_data::images::ImageBatch;
use ganbench_data::shapes::KIND_COUNTS;

use super::world::{BACKGROUND, HUE, SHAPE, TEXTURE, true_kinds};
use super::{Fault, Kind, Making, Unit, Worlds};

const fn fault(
    name: &'static str,
    title: &'static str,
    level: &'static str,
    make: fn(&mut Making<'_>) -> ImageBatch,
) -> Fault {
    Fault {
        name,
        title,
        kind: Kind::Ties,
        level,
        unit: Unit::Share,
        levels: &[0.1, 0.25, 0.5, 1.0],
        worlds: Worlds::Shapes,
        make,
    }
}

pub(super) const HUE_TO_SHAPE: Fault = fault(
    "hue_tied",
    "Hue tied to shape",
    "share of images whose hue follows from the shape, but for a neighbour",
    |making| tied(making, [SHAPE, HUE]),
);

pub(super) const TEXTURE_TO_BACKGROUND: Fault = fault(
    "texture_tied",
    "Texture tied to background",
    "share of images whose texture follows from the background, but for a neighbour",
    |making| tied(making, [BACKGROUND, TEXTURE]),
);

/// Of the tied images both kinds come from one number in [0, 1), cut into as many equal parts as
/// each factor has kinds. Both stay uniform, which a table from kind to kind could not give: 6 does
/// not divide 10.
fn tied(making: &mut Making<'_>, factors: [usize; 2]) -> ImageBatch {
    let level = making.level;
    making.of_kinds(|stream| {
        let mut kinds = true_kinds(stream);
        // Drawn at every level, so that levels differ by the tie alone.
        let (is_tied, common) = (stream.uniform() < level, stream.uniform());
        if is_tied {
            for factor in factors {
                kinds[factor] = (common * KIND_COUNTS[factor] as f64) as usize;
            }
        }
        kinds
    })
}
