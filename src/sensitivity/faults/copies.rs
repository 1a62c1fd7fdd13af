//! Few images that come again and again, and images of the reference that come as fakes.

use ganbench_data::images::ImageBatch;

use super::pixels::add_noise;
use super::{Fault, Kind, Making, Unit, Worlds};

pub(super) const UNIQUE: Fault = Fault {
    name: "unique",
    title: "Few images, repeated",
    kind: Kind::Variety,
    level: "number of unlike images",
    unit: Unit::Number(" images"),
    levels: &[1000.0, 500.0, 200.0, 100.0, 50.0, 10.0, 1.0],
    worlds: Worlds::Any,
    make: |making| {
        let images = making.others();
        let unique = (making.level as usize).max(1);
        images.select(&(0..making.n).map(|i| i % unique).collect::<Vec<_>>())
    },
};

const fn fault(
    name: &'static str,
    title: &'static str,
    level: &'static str,
    make: fn(&mut Making<'_>) -> ImageBatch,
) -> Fault {
    Fault {
        name,
        title,
        kind: Kind::Memory,
        level,
        unit: Unit::Share,
        levels: &[0.05, 0.1, 0.2, 0.5, 1.0],
        worlds: Worlds::Any,
        make,
    }
}

pub(super) const EXACT: Fault = fault(
    "copies",
    "Copies of reals",
    "share of images that are images of the reference",
    |making| copied(making, |_, _| ()),
);

/// Standard deviation of the noise on copies, in grey levels.
const COPY_NOISE: f32 = 4.0;

pub(super) const NOISY: Fault = fault(
    "noisy_copies",
    "Copies with noise of σ 4",
    "share of images that are images of the reference with noise",
    |making| copied(making, |copies, making| add_noise(copies, COPY_NOISE, making)),
);

pub(super) const FLIPPED: Fault = fault(
    "flipped_copies",
    "Mirrored copies",
    "share of images that are images of the reference, mirrored",
    |making| copied(making, |copies, _| copies.flip(|_| true)),
);

/// Real images, the first of which are images of the reference after some change.
fn copied(
    making: &mut Making<'_>,
    change: impl FnOnce(&mut ImageBatch, &mut Making<'_>),
) -> ImageBatch {
    let mut images = making.nameless_others();
    let mut rows = making.stream.permutation(making.reals.reference.len());
    rows.truncate(making.share());
    let mut copies = making.reals.reference.select(&rows);
    change(&mut copies, making);
    images.pixels[..copies.pixels.len()].copy_from_slice(&copies.pixels);
    images
}
