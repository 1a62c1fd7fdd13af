//! Parts of the world of `shapes` that are never shown.

use ganbench_data::images::ImageBatch;
use ganbench_data::shapes::{KIND_COUNTS, MODES as ALL_MODES, ShapeFactors};

use super::world::{BACKGROUND, HUE, TEXTURE, kinds_of_mode, true_kinds, true_places};
use super::{Fault, Kind, Making, Unit, Worlds};

const fn fault(
    name: &'static str,
    title: &'static str,
    level: &'static str,
    unit: Unit,
    levels: &'static [f64],
    make: fn(&mut Making<'_>) -> ImageBatch,
) -> Fault {
    Fault { name, title, kind: Kind::Variety, level, unit, levels, worlds: Worlds::Shapes, make }
}

pub(super) const HUES: Fault = fault(
    "hues",
    "Hues left out",
    "number of hues of 6 that are left",
    Unit::Number(" hues"),
    &[5.0, 4.0, 3.0, 2.0, 1.0],
    |making| of_some_kinds(making, HUE),
);

pub(super) const BACKGROUNDS: Fault = fault(
    "backgrounds",
    "Backgrounds left out",
    "number of backgrounds of 4 that are left",
    Unit::Number(" grounds"),
    &[3.0, 2.0, 1.0],
    |making| of_some_kinds(making, BACKGROUND),
);

pub(super) const TEXTURES: Fault = fault(
    "textures",
    "Textures left out",
    "number of textures of 3 that are left",
    Unit::Number(" textures"),
    &[2.0, 1.0],
    |making| of_some_kinds(making, TEXTURE),
);

pub(super) const MODES: Fault = fault(
    "modes",
    "Modes left out at random",
    "number of modes of 720 that are left",
    Unit::Number(" modes"),
    &[648.0, 540.0, 360.0, 180.0, 80.0, 20.0],
    |making| {
        let mut kept = making.stream.permutation(ALL_MODES);
        kept.truncate(making.level as usize);
        making.of_kinds(|stream| kinds_of_mode(kept[stream.below(kept.len() as u64) as usize]))
    },
);

pub(super) const POSITIONS: Fault = fault(
    "positions",
    "Narrower positions",
    "share of the range of x and y that is left, around the middle",
    Unit::Share,
    &[0.9, 0.75, 0.5, 0.25, 0.0],
    |making| {
        let factors: Vec<ShapeFactors> = (0..making.n)
            .map(|_| {
                let kinds = true_kinds(&mut making.stream);
                let mut places = true_places(&mut making.stream);
                places[..2].iter_mut().for_each(|place| *place *= making.level);
                ShapeFactors::from_kinds(kinds, places)
            })
            .collect();
        making.rendered(&factors)
    },
);

/// Images that show as many kinds of one factor as the level says, drawn at random among all.
fn of_some_kinds(making: &mut Making<'_>, factor: usize) -> ImageBatch {
    let mut kept = making.stream.permutation(KIND_COUNTS[factor]);
    kept.truncate(making.level as usize);
    making.of_kinds(|stream| {
        let mut kinds = true_kinds(stream);
        kinds[factor] = kept[stream.below(kept.len() as u64) as usize];
        kinds
    })
}
