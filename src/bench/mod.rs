//! How fast it is: training steps, single ops, and both beside another program.

pub mod compare;
pub mod eval;
pub mod ops;
pub mod process;
pub mod record;
pub mod spread;
pub mod train_step;

use std::time::Instant;

use anyhow::Result;
use ganbench_nn::profile::{self, OpTime};

/// How often something is repeated.
#[derive(Clone, Copy, Debug)]
pub struct Repeats {
    /// Untimed, before.
    pub warmup: usize,
    /// Timed repetitions.
    pub timed: usize,
}

/// Milliseconds of each repetition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Times(pub Vec<f64>);

impl Times {
    /// Of an even number, the mean of the two in the middle, as Python's `statistics.median`.
    pub fn median(&self) -> f64 {
        spread::median(&self.0)
    }

    /// The fastest repetition; infinity where there is none.
    pub fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

/// Times each of `variants` variants of some work in turn, in rotating order, so that a machine
/// that becomes slower does so for all of them.
///
/// # Errors
/// If the work fails.
pub fn alternate(
    variants: usize,
    repeats: Repeats,
    run: &mut dyn FnMut(usize) -> Result<()>,
    told: &mut dyn FnMut(usize),
) -> Result<Vec<Times>> {
    let mut times = vec![Times::default(); variants];
    for round in 0..repeats.warmup + repeats.timed {
        for k in 0..variants {
            let variant = (round + k) % variants;
            let started = Instant::now();
            run(variant)?;
            let ms = started.elapsed().as_secs_f64() * 1e3;
            if round >= repeats.warmup {
                times[variant].0.push(ms);
            }
            told(round * variants + k + 1);
        }
    }
    Ok(times)
}

/// Where the time of some work went.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Self times, the slowest first.
    pub ops: Vec<OpTime>,
    /// Seconds of all steps on the clock.
    pub wall_s: f64,
    /// How many steps were run.
    pub steps: usize,
}

impl Profile {
    /// Runs the work `steps` times with the op timers on.
    ///
    /// # Errors
    /// If the work fails.
    pub fn measure(steps: usize, run: &mut dyn FnMut() -> Result<()>) -> Result<Self> {
        profile::start();
        let started = Instant::now();
        let outcome = (0..steps).try_for_each(|_| run());
        let wall_s = started.elapsed().as_secs_f64();
        let ops = profile::stop();
        outcome?;
        Ok(Self { ops, wall_s, steps })
    }

    /// Wall time that no timer saw.
    pub fn rest_s(&self) -> f64 {
        (self.wall_s - self.ops.iter().map(|op| op.seconds).sum::<f64>()).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_take_turns_at_being_first_and_warm_up_is_not_timed() {
        let mut order = Vec::new();
        let repeats = Repeats { warmup: 1, timed: 2 };
        let mut run = |variant| {
            order.push(variant);
            Ok(())
        };
        let times = alternate(2, repeats, &mut run, &mut |_| {}).unwrap();
        assert_eq!(order, [0, 1, 1, 0, 0, 1]);
        assert_eq!(times.iter().map(|t| t.0.len()).collect::<Vec<_>>(), [2, 2]);
    }

    #[test]
    fn the_rest_of_a_profile_is_what_no_timer_saw() {
        let op = |seconds| OpTime { name: "op", calls: 1, seconds };
        let profile = Profile { ops: vec![op(0.5), op(0.25)], wall_s: 1.0, steps: 1 };
        assert_eq!(profile.rest_s(), 0.25);
    }
}
