//! Budgets and what a run spent of every unit.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What a budget counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Generator updates.
    GSteps,
    /// Thousands of real images shown to D; views of one image count once.
    RealKimg,
    /// Thousands of images through D, in the steps of D and of G.
    DKforwards,
    /// 10¹² floating-point operations of convolutions and linear layers, see [`super::flops`].
    Tflops,
    /// Seconds of processors, those of all threads added up; evaluation does not count.
    CpuS,
    /// Minutes of training; the clock stops during evaluation.
    TrainMinutes,
}

impl Unit {
    /// All units, in the order of messages.
    pub const ALL: [Self; 6] = [
        Self::GSteps,
        Self::RealKimg,
        Self::DKforwards,
        Self::Tflops,
        Self::CpuS,
        Self::TrainMinutes,
    ];

    /// Whether it is a clock, so that a repeat comes to other numbers of steps.
    pub fn is_clock(self) -> bool {
        matches!(self, Self::CpuS | Self::TrainMinutes)
    }

    /// All names, for messages.
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// As in plans, on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::GSteps => "g_steps",
            Self::RealKimg => "real_kimg",
            Self::DKforwards => "d_kforwards",
            Self::Tflops => "tflops",
            Self::CpuS => "cpu_s",
            Self::TrainMinutes => "train_minutes",
        }
    }
}

/// `UNIT=AMOUNT`: a run stops at the first step that reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// What is counted.
    pub unit: Unit,
    /// How much of it, above 0.
    pub amount: f64,
}

/// A budget that cannot be kept.
#[derive(Debug, Error, PartialEq)]
// Each variant's message says what its fields are.
#[allow(missing_docs)]
pub enum BudgetError {
    #[error("budget \"{0}\" is not UNIT=AMOUNT; units: {names}", names = Unit::names())]
    Form(String),
    #[error("unknown budget unit \"{0}\"; known: {names}", names = Unit::names())]
    Unit(String),
    #[error("budget amount \"{0}\" is not a number above 0")]
    Amount(String),
}

impl std::str::FromStr for Budget {
    type Err = BudgetError;

    fn from_str(text: &str) -> Result<Self, BudgetError> {
        let (unit, amount) =
            text.split_once('=').ok_or_else(|| BudgetError::Form(text.to_string()))?;
        let unit = Unit::ALL
            .into_iter()
            .find(|u| u.name() == unit)
            .ok_or_else(|| BudgetError::Unit(unit.to_string()))?;
        let budget = amount.parse().map(|amount| Self { unit, amount });
        budget
            .ok()
            .filter(|b| b.amount.is_finite() && b.amount > 0.0)
            .ok_or_else(|| BudgetError::Amount(amount.to_string()))
    }
}

impl std::fmt::Display for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}", self.unit.name(), self.amount)
    }
}

/// What a run spent, in every unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// Steps of the generator.
    pub g_steps: u64,
    /// Steps of the discriminator.
    pub d_steps: u64,
    /// Views of one image count once.
    pub real_images: u64,
    /// Images through D in discriminator steps.
    pub d_image_forwards: u64,
    /// Images through D in generator steps.
    pub d_image_forwards_g_step: u64,
    /// Images through G, in both kinds of steps.
    pub g_image_forwards: u64,
    /// Wall clock of the steps alone.
    pub train_s: f64,
    /// Floating-point operations of convolutions and linear layers, see [`super::flops`].
    #[serde(default)]
    pub flops: f64,
    /// Seconds of processors in the steps, those of all threads added up. Work of the process
    /// beside the steps counts too, of which there is none while a run trains.
    #[serde(default)]
    pub cpu_s: f64,
}

impl Spent {
    /// The amount spent of one unit.
    pub fn amount(&self, unit: Unit) -> f64 {
        match unit {
            Unit::GSteps => self.g_steps as f64,
            Unit::RealKimg => self.real_images as f64 / 1e3,
            Unit::DKforwards => (self.d_image_forwards + self.d_image_forwards_g_step) as f64 / 1e3,
            Unit::Tflops => self.flops / 1e12,
            Unit::CpuS => self.cpu_s,
            Unit::TrainMinutes => self.train_s / 60.0,
        }
    }

    /// Share of the budget, 1 or more once it is reached.
    pub fn share(&self, budget: &Budget) -> f64 {
        self.amount(budget.unit) / budget.amount
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_reads_as_it_prints() {
        for text in ["g_steps=200", "d_kforwards=3", "tflops=0.5", "cpu_s=60", "train_minutes=0.5"]
        {
            assert_eq!(text.parse::<Budget>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_share_is_of_the_budgets_own_unit() {
        let spent = Spent {
            g_steps: 3,
            real_images: 500,
            d_image_forwards: 1000,
            d_image_forwards_g_step: 500,
            train_s: 30.0,
            flops: 3e12,
            cpu_s: 8.0,
            ..Spent::default()
        };
        let share = |text: &str| spent.share(&text.parse().unwrap());
        assert_eq!(share("g_steps=4"), 0.75);
        assert_eq!(share("real_kimg=1"), 0.5);
        assert_eq!(share("d_kforwards=1"), 1.5);
        assert_eq!(share("train_minutes=2"), 0.25);
        assert_eq!((share("tflops=4"), share("cpu_s=4")), (0.75, 2.0));
    }

    #[test]
    fn wrong_budgets_are_named() {
        let error = |text: &str| text.parse::<Budget>().unwrap_err().to_string();
        assert_eq!(error("real_kimg=0"), "budget amount \"0\" is not a number above 0");
        assert_eq!(error("real_kimg=NaN"), "budget amount \"NaN\" is not a number above 0");
        assert!(error("images=3").starts_with("unknown budget unit \"images\""));
        assert!(error("12").starts_with("budget \"12\" is not UNIT=AMOUNT"));
    }
}
