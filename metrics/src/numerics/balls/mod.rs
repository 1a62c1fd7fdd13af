//! Which images lie in whose balls, exactly, at the price of f32 matrix products (see
//! [`crate::estimates`]).

use ganbench_nn::kernels::Real;
use ganbench_nn::kernels::packed::RowProducts;
use rayon::prelude::*;

use crate::numerics::estimates::{
    Frame, RowEstimates, Scaled, TILE, UNDERFLOW, for_each_product, squared_distance,
};
use crate::numerics::rows::Rows;

/// Two sets with the squared radius of each row's ball.
pub(crate) struct Balls<'a, T> {
    pub(crate) real: Rows<'a, T>,
    pub(crate) fake: Rows<'a, T>,
    pub(crate) radii_real: &'a [f64],
    pub(crate) radii_fake: &'a [f64],
    pub(crate) inside: Inside,
}

/// When an image lies in a ball.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inside {
    /// Its distance is below the radius.
    Strictly,
    /// Its distance is below the radius, or equal.
    OrOn,
}

impl Inside {
    pub(crate) fn holds(self, distance: f64, radius: f64) -> bool {
        match self {
            Self::Strictly => distance < radius,
            Self::OrOn => distance <= radius,
        }
    }
}

/// Who lies inside whose ball.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Membership {
    /// For each fake, how many real balls hold it.
    pub(crate) real_balls: Vec<u32>,
    /// For each real image, how many fake balls hold it.
    pub(crate) fake_balls: Vec<u32>,
    /// For each real image, how many fakes its ball holds.
    pub(crate) occupants: Vec<u32>,
}

impl Membership {
    /// Share of fakes in any real ball.
    pub(crate) fn precision(&self) -> f64 {
        share_of_any(&self.real_balls)
    }

    /// Share of real images in any fake ball.
    pub(crate) fn recall(&self) -> f64 {
        share_of_any(&self.fake_balls)
    }

    /// Share of real balls that hold any fake.
    pub(crate) fn coverage(&self) -> f64 {
        share_of_any(&self.occupants)
    }

    /// Real balls that hold a fake, on average.
    pub(crate) fn mean_balls(&self) -> f64 {
        let balls: u64 = self.real_balls.iter().map(|b| u64::from(*b)).sum();
        balls as f64 / self.real_balls.len() as f64
    }
}

fn share_of_any(others: &[u32]) -> f64 {
    others.iter().filter(|count| **count > 0).count() as f64 / others.len() as f64
}

/// Decides every pair in f64.
pub(crate) fn membership<T: Real>(balls: &Balls<'_, T>) -> Membership {
    let Balls { real, fake, radii_real, radii_fake, inside: rule } = *balls;
    let frame = Frame::around(&[real, fake]);
    let (x, y) = (Scaled::new(real, &frame), Scaled::new(fake, &frame));
    let error = x.error();
    // Rounded up, so that the quick test in f32 never drops a pair, not even one on the ball.
    let limits = |radii: &[f64]| -> Vec<f32> {
        radii.iter().map(|&r| (frame.squared(r) as f32).next_up()).collect()
    };
    let (limit_real, limit_fake) = (limits(radii_real), limits(radii_fake));
    let per_tile = |products: &mut Vec<f32>, tile: usize, found: Found<'_>| {
        let (first, rows) = (tile * TILE, found.occupants.len());
        let mut real_balls = vec![0u32; fake.len()];
        for column in (0..fake.len()).step_by(TILE) {
            let columns = column..fake.len().min(column + TILE);
            let (left, right, rows) = (&x.packed, &y.packed, first..first + rows);
            let tile = RowProducts { left, right, rows, columns: columns.clone(), upper: false };
            for_each_product(tile, products, |r, products| {
                let i = first + r;
                let (norm, norms) = (x.norms[i], &y.norms[columns.clone()]);
                let row = RowEstimates { products, norm, norms, error };
                row.for_each_open(limit_real[i], &limit_fake[columns.clone()], |c| {
                    let (j, other) = (column + c, norms[c]);
                    if row.lower(c) >= limit_real[i].max(limit_fake[j]) {
                        return;
                    }
                    let sum = f64::from(norm + other);
                    let slack = f64::from(error) * sum + f64::from(UNDERFLOW);
                    let mut pair = Pair {
                        estimate: f64::from(norm) + f64::from(other) - 2.0 * f64::from(products[c]),
                        slack,
                        exact: None,
                        rule,
                    };
                    let mut exact = || squared_distance(real.row(i), fake.row(j));
                    if pair.is_within(radii_real[i], &frame, &mut exact) {
                        real_balls[j] += 1;
                        found.occupants[r] += 1;
                    }
                    if pair.is_within(radii_fake[j], &frame, &mut exact) {
                        found.fake_balls[r] += 1;
                    }
                });
            });
        }
        real_balls
    };
    let mut fake_balls = vec![0u32; real.len()];
    let mut occupants = fake_balls.clone();
    let real_balls = fake_balls
        .par_chunks_mut(TILE)
        .zip(occupants.par_chunks_mut(TILE))
        .enumerate()
        .map_init(Vec::new, |products, (tile, (fake_balls, occupants))| {
            per_tile(products, tile, Found { fake_balls, occupants })
        })
        .reduce(
            || vec![0u32; fake.len()],
            |mut a, b| {
                a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
                a
            },
        );
    Membership { real_balls, fake_balls, occupants }
}

/// What is found of a tile's real images.
struct Found<'a> {
    fake_balls: &'a mut [u32],
    occupants: &'a mut [u32],
}

/// A pair whose estimate is near a radius, with its exact distance once that was needed.
struct Pair {
    estimate: f64,
    slack: f64,
    exact: Option<f64>,
    rule: Inside,
}

impl Pair {
    fn is_within(&mut self, radius: f64, frame: &Frame, exact: &mut impl FnMut() -> f64) -> bool {
        let limit = frame.squared(radius);
        if self.exact.is_none() {
            if self.estimate + self.slack < limit {
                return true;
            }
            if self.estimate - self.slack > limit {
                return false;
            }
        }
        self.rule.holds(*self.exact.get_or_insert_with(exact), radius)
    }
}

#[cfg(test)]
mod tests;
