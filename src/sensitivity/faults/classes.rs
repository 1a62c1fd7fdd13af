//! Classes that are left out, too frequent or uneven.

use ganbench_data::images::ImageBatch;

use super::{Fault, Kind, Making, Unit, Worlds};

const fn fault(
    name: &'static str,
    title: &'static str,
    level: &'static str,
    unit: Unit,
    levels: &'static [f64],
    make: fn(&mut Making<'_>) -> ImageBatch,
) -> Fault {
    Fault { name, title, kind: Kind::Variety, level, unit, levels, worlds: Worlds::Any, make }
}

pub(super) const DROPPED: Fault = fault(
    "classes",
    "Classes left out",
    "number of classes that are left",
    Unit::Number(" classes"),
    &[9.0, 8.0, 7.0, 5.0, 3.0, 2.0, 1.0],
    |making| {
        let kept = (making.level as usize).max(1);
        of_weights(making, |place, _| if place < kept { 1.0 } else { 0.0 })
    },
);

pub(super) const UNEVEN: Fault = fault(
    "uneven_classes",
    "Uneven classes",
    "ratio of the most to the least frequent class, the others geometrically between",
    Unit::Number(" : 1"),
    &[1.5, 2.0, 4.0, 8.0, 16.0, 64.0],
    |making| {
        let ratio = making.level;
        of_weights(making, |place, classes| {
            ratio.powf(-(place as f64) / (classes.max(2) - 1) as f64)
        })
    },
);

pub(super) const FREQUENT: Fault = fault(
    "frequent_class",
    "One class too frequent",
    "share of one class, the others evenly",
    Unit::Share,
    &[0.15, 0.2, 0.3, 0.5, 0.8],
    |making| {
        let share = making.level;
        of_weights(making, |place, classes| match place {
            0 => share,
            _ => (1.0 - share) / (classes.max(2) - 1) as f64,
        })
    },
);

/// Clean images, as many of each class as `weight` says by (place of the class in a random order,
/// number of classes); only the ratios of weights count.
fn of_weights(making: &mut Making<'_>, weight: impl Fn(usize, usize) -> f64) -> ImageBatch {
    let labels = making.reals.others.labels.as_deref().unwrap_or_default();
    let classes = labels.iter().max().map_or(0, |&most| most as usize + 1);
    let order = making.stream.permutation(classes);
    let mut weights = vec![0.0; classes];
    for (place, class) in order.iter().enumerate() {
        weights[*class] = weight(place, classes);
    }
    let mut left = shared_out(making.n, &weights);
    let rows = making.stream.permutation(labels.len());
    let mut taken = Vec::with_capacity(making.n);
    for row in rows {
        let left = &mut left[labels[row] as usize];
        if *left > 0 {
            *left -= 1;
            taken.push(row);
        }
    }
    making.reals.others.select(&taken)
}

/// Whole numbers that add up to `n`, in proportion to the weights: rounded down, and what is left
/// to the largest remainders, the first of equal ones.
fn shared_out(n: usize, weights: &[f64]) -> Vec<usize> {
    let sum: f64 = weights.iter().sum();
    let quotas: Vec<f64> = weights.iter().map(|weight| n as f64 * weight / sum).collect();
    let mut counts: Vec<usize> = quotas.iter().map(|quota| quota.floor() as usize).collect();
    let mut order: Vec<usize> = (0..weights.len()).filter(|&i| weights[i] > 0.0).collect();
    order.sort_by(|&a, &b| quotas[b].fract().total_cmp(&quotas[a].fract()));
    let left = n - counts.iter().sum::<usize>();
    order.iter().cycle().take(left).for_each(|&i| counts[i] += 1);
    counts
}
