//! Which images lie in whose balls, exactly, at the price of f32 matrix products (see
//! [`crate::neighbours`]).

use ganbench_nn::kernels::Real;
use rayon::prelude::*;

use crate::neighbours::{Frame, Scaled, TILE_ROWS, UNDERFLOW, for_each_product, squared_distance};
use crate::rows::Rows;

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
    /// For each real image, whether it lies in any fake ball.
    pub(crate) real_inside: Vec<bool>,
    /// For each real image, whether its ball holds any fake.
    pub(crate) occupied: Vec<bool>,
}

impl Membership {
    /// Share of fakes in any real ball.
    pub(crate) fn precision(&self) -> f64 {
        self.real_balls.iter().filter(|&&balls| balls > 0).count() as f64
            / self.real_balls.len() as f64
    }

    /// Share of real images in any fake ball.
    pub(crate) fn recall(&self) -> f64 {
        share(&self.real_inside)
    }

    /// Share of real balls that hold any fake.
    pub(crate) fn coverage(&self) -> f64 {
        share(&self.occupied)
    }

    /// Real balls that hold a fake, on average.
    pub(crate) fn mean_balls(&self) -> f64 {
        let balls: u64 = self.real_balls.iter().map(|&b| u64::from(b)).sum();
        balls as f64 / self.real_balls.len() as f64
    }
}

fn share(flags: &[bool]) -> f64 {
    flags.iter().filter(|&&b| b).count() as f64 / flags.len() as f64
}

/// Decides every pair in f64.
pub(crate) fn membership<T: Real>(balls: &Balls<'_, T>) -> Membership {
    let Balls { real, fake, radii_real, radii_fake, inside: rule } = *balls;
    let frame = Frame::of(&[real, fake]);
    let (x, y) = (Scaled::new(real, &frame), Scaled::new(fake, &frame));
    let error = x.error();
    // Rounded up, so that the quick test in f32 never drops a pair, not even one on the ball.
    let limits = |radii: &[f64]| -> Vec<f32> {
        radii.iter().map(|&r| (frame.squared(r) as f32).next_up()).collect()
    };
    let (limit_real, limit_fake) = (limits(radii_real), limits(radii_fake));
    let per_tile = |products: &mut Vec<f32>, tile: usize, flags: Flags<'_>| {
        let Flags { inside, occupied } = flags;
        let (first, rows) = (tile * TILE_ROWS, inside.len());
        let mut real_balls = vec![0u32; fake.len()];
        for_each_product(&x, &y, first, rows, products, |r, column, products| {
            let i = first + r;
            let (norm, limit) = (x.norms[i], limit_real[i]);
            let others = y.norms[column..].iter().zip(&limit_fake[column..]);
            for (c, (product, (other, limit_fake))) in products.iter().zip(others).enumerate() {
                let sum = norm + other;
                let lower = sum * (1.0 - error) - 2.0 * product - UNDERFLOW;
                if lower >= limit.max(*limit_fake) {
                    continue;
                }
                let j = column + c;
                let slack = f64::from(error) * f64::from(sum) + f64::from(UNDERFLOW);
                let mut pair = Pair {
                    estimate: f64::from(norm) + f64::from(*other) - 2.0 * f64::from(*product),
                    slack,
                    exact: None,
                    rule,
                };
                let mut exact = || squared_distance(real.row(i), fake.row(j));
                if pair.is_within(radii_real[i], &frame, &mut exact) {
                    real_balls[j] += 1;
                    occupied[r] = true;
                }
                if !inside[r] && pair.is_within(radii_fake[j], &frame, &mut exact) {
                    inside[r] = true;
                }
            }
        });
        real_balls
    };
    let (mut real_inside, mut occupied) = (vec![false; real.len()], vec![false; real.len()]);
    let real_balls = real_inside
        .par_chunks_mut(TILE_ROWS)
        .zip(occupied.par_chunks_mut(TILE_ROWS))
        .enumerate()
        .map_init(Vec::new, |products, (tile, (inside, occupied))| {
            per_tile(products, tile, Flags { inside, occupied })
        })
        .reduce(
            || vec![0; fake.len()],
            |mut a, b| {
                a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
                a
            },
        );
    Membership { real_balls, real_inside, occupied }
}

/// What is found of a tile's real images.
struct Flags<'a> {
    inside: &'a mut [bool],
    occupied: &'a mut [bool],
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
#[path = "balls_tests.rs"]
mod tests;
