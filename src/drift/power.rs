//! How large a move must be for the guard to see it.

use serde::Serialize;

use super::compare::Comparison;
use super::line::{Line, Verdict};
use super::show::what;

/// Exit code where nothing drifted and all was compared, but a move that is larger than asked could
/// have gone unseen.
pub const BLIND: u8 = 5;

/// The values whose least detectable move is larger than asked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Power {
    /// Relative.
    pub asked: f64,
    /// How many values there are, without those that have no least move.
    pub values: usize,
    /// Those values, the least sensitive first.
    pub blind: Vec<Blind>,
}

/// A value that could move by more than asked without being seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Blind {
    pub what: String,
    pub least_move: f64,
}

impl Power {
    /// Holds each value's least move against `asked`: the least one of all tests that the value
    /// takes part in. Values that were not judged, and such without a relative move (the baseline's
    /// is 0), are left out.
    pub fn new(comparison: &Comparison, asked: f64) -> Self {
        let singles = comparison.rows.iter().filter(|line| line.seeds == 1);
        let judged = singles.filter(|line| line.verdict != Verdict::NotComparable);
        let moves: Vec<(&Line, f64)> =
            judged.filter_map(|line| Some((line, least_move(comparison, line)?))).collect();
        let mut blind: Vec<Blind> = moves
            .iter()
            .filter(|(_, least_move)| *least_move > asked)
            .map(|(line, least_move)| Blind { what: what(line), least_move: *least_move })
            .collect();
        blind.sort_by(|a, b| b.least_move.total_cmp(&a.least_move));
        Self { asked, values: moves.len(), blind }
    }

    /// In words.
    pub fn text(&self) -> String {
        let (n, values, asked) = (self.blind.len(), self.values, 100.0 * self.asked);
        match self.blind.first() {
            None => format!("power: no value of {values} could move by more than {asked} % unseen"),
            Some(first) => format!(
                "POWER: {n} of {values} values could move by more than {asked} % unseen, such as {} (by {:.0} %); add \
                 seeds to both sides, or ask for less",
                first.what,
                100.0 * first.least_move
            ),
        }
    }
}

/// The least one of the value's own and of those of the pooled scores that it is part of.
fn least_move(comparison: &Comparison, line: &Line) -> Option<f64> {
    let pooled = comparison.pooled.iter().filter(|pooled| pooled.covers(line));
    let moves = pooled.filter_map(|pooled| pooled.least_move).chain(line.least_move);
    moves.min_by(f64::total_cmp)
}
