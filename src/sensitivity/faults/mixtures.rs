//! Images that have nothing to do with the data set, among real ones.

use ganbench_data::images::ImageBatch;

use super::{Fault, Kind, Making, Unit, Worlds};

const SHARES: &[f64] = &[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];

pub(super) const NOISE_IMAGES: Fault = Fault {
    name: "noise_images",
    title: "Images of noise among others",
    kind: Kind::Strangers,
    level: "share of images whose values are uniform noise",
    unit: Unit::Share,
    levels: SHARES,
    worlds: Worlds::Any,
    make: |making| mixed(making, |making| making.stream.below(256) as u8),
};

pub(super) const GREY_IMAGE: Fault = Fault {
    name: "grey_image",
    title: "One grey image among others",
    kind: Kind::Strangers,
    level: "share of images that are grey 128 throughout",
    unit: Unit::Share,
    levels: SHARES,
    worlds: Worlds::Any,
    make: |making| mixed(making, |_| 128),
};

/// Real images, the first of which are replaced.
fn mixed(making: &mut Making<'_>, mut value: impl FnMut(&mut Making<'_>) -> u8) -> ImageBatch {
    let mut images = making.nameless_others();
    let end = making.share() * making.size().bytes();
    images.pixels[..end].iter_mut().for_each(|v| *v = value(making));
    images
}
