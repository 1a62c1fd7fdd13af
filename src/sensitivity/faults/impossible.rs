//! Images that the world of `shapes` does not hold, among others that it does.

use ganbench_data::images::ImageBatch;
use ganbench_data::shapes::{HUES, ShapeFactors};

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
        kind: Kind::Strangers,
        level,
        unit: Unit::Share,
        levels: &[0.05, 0.1, 0.2, 0.5, 1.0],
        worlds: Worlds::Shapes,
        make,
    }
}

pub(super) const SIZE: Fault = fault(
    "wrong_size",
    "Shapes too small",
    "share of images whose shape has a radius of 0.2, where 0.3 is the least",
    |making| changed(making, |factors| factors.size = 0.2),
);

pub(super) const HUE: Fault = fault(
    "wrong_hue",
    "Hues between families",
    "share of images whose hue lies in the middle between two families",
    |making| {
        changed(making, |factors| {
            factors.hue = (factors.hue_family() as f32 + 0.5) / HUES.len() as f32;
        })
    },
);

pub(super) const BLEND: Fault = fault(
    "blends",
    "Two images in one",
    "share of images that are the mean of two images",
    |making| {
        let n = making.share();
        let (factors, others) = (making.true_factors(), making.true_factors());
        let mut images = making.rendered(&factors);
        let second = making.rendered(&others[..n]);
        for (value, other) in images.pixels.iter_mut().zip(second.pixels.iter()) {
            *value = u8::midpoint(*value, *other);
        }
        ImageBatch { labels: None, factors: None, ..images }
    },
);

/// Images as in truth, the first of which are drawn from changed factors.
fn changed(making: &mut Making<'_>, change: impl Fn(&mut ShapeFactors)) -> ImageBatch {
    let mut factors = making.true_factors();
    factors.iter_mut().take(making.share()).for_each(change);
    making.rendered(&factors)
}
