//! Where a run stands in its budget, and what follows from that: its end, the points of the curve,
//! the warm-up of the learning rates.
//!
//! Every budget but a clock (minutes, seconds of processors) is a count, the same in each repeat.
//! What a budget of a clock came to is written into the run's plan as [`Replay`]; a plan that holds
//! one is trained by its counts.

use serde::{Deserialize, Serialize};

use super::Trainer;
use super::budget::Unit;

/// Steps after which the clock says how long a warm-up within a budget of a clock lasts.
const CLOCKED_STEPS: u64 = 8;
/// Of the learning rates, while a warm-up has hardly begun.
const LEAST_LR_SCALE: f64 = 1e-3;

/// What a budget of a clock came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// Generator steps over which the learning rates rose; 0 where they did not.
    pub warmup_g_steps: u64,
    /// Generator steps at the points of the curve; the run ends at the last.
    pub point_g_steps: Vec<u64>,
}

impl Trainer<'_> {
    /// Share of the budget spent; the run is over at 1.
    pub fn progress(&self) -> f64 {
        match self.plan.replay.as_ref().and_then(|replay| replay.point_g_steps.last()) {
            Some(&last) => self.spent.g_steps as f64 / last as f64,
            None => self.spent.share(&self.plan.budget),
        }
    }

    /// How many of the curve's `points` were reached, the untrained generator not counted.
    pub fn points_reached(&self, points: usize) -> usize {
        match &self.plan.replay {
            Some(replay) => {
                replay.point_g_steps.iter().filter(|&&step| step <= self.spent.g_steps).count()
            }
            None => (self.progress() * points as f64).floor() as usize,
        }
    }

    /// What a budget of a clock came to, with the points of the curve where they were reached;
    /// `None` for budgets that are counts.
    pub fn replay(&self, point_g_steps: Vec<u64>) -> Option<Replay> {
        let warmup_g_steps = self.warmup_g_steps.unwrap_or(0);
        self.plan.budget.unit.is_clock().then_some(Replay { warmup_g_steps, point_g_steps })
    }

    /// Of the step to be made, in [`LEAST_LR_SCALE`], 1.
    pub(super) fn lr_scale(&self) -> f64 {
        let share = self.plan.parts.lr_warmup_share;
        if share <= 0.0 {
            return 1.0;
        }
        // The step under way counts, so that the first one moves.
        let steps = self.spent.g_steps as f64;
        let budget = self.plan.budget;
        let risen = match budget.unit {
            unit if unit.is_clock() => {
                self.warmup_g_steps.map_or(0.0, |warmup| (steps + 1.0) / warmup as f64)
            }
            _ if steps > 0.0 => self.progress() * (1.0 + 1.0 / steps) / share,
            Unit::GSteps => 1.0 / budget.amount / share,
            Unit::RealKimg => {
                (self.plan.batch * self.plan.n_dis) as f64 / 1e3 / budget.amount / share
            }
            // Not known before the step is made.
            Unit::DKforwards | Unit::Tflops | Unit::CpuS | Unit::TrainMinutes => 0.0,
        };
        risen.clamp(LEAST_LR_SCALE, 1.0)
    }

    /// Fixes the warm-up within a budget of a clock, once the clock has seen some steps.
    pub(super) fn fix_warmup(&mut self) {
        let (share, budget) = (self.plan.parts.lr_warmup_share, self.plan.budget);
        if !budget.unit.is_clock()
            || share <= 0.0
            || self.warmup_g_steps.is_some()
            || self.spent.g_steps < CLOCKED_STEPS
        {
            return;
        }
        let steps = match &self.plan.replay {
            Some(replay) => replay.warmup_g_steps,
            None => {
                let of_step = self.spent.amount(budget.unit) / self.spent.g_steps as f64;
                (share * budget.amount / of_step).ceil() as u64
            }
        };
        self.warmup_g_steps = Some(steps.max(1));
    }
}
