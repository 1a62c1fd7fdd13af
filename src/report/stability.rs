//! How steadily runs trained: what the spread of scores over seeds does not show.

use std::fmt::Write as _;

use ganbench_baselines::train::StepRecord;
use ganbench_reports::ResultRow;
use ganbench_reports::escape::escape_markdown;
use ganbench_reports::statistics::typical::{FALLEN, collapsed, fid_curve};

/// One run.
pub struct SteadyRun<'a> {
    /// The scores of its checkpoints, curve points included.
    pub rows: &'a [ResultRow],
    /// What was logged of its training steps.
    pub records: &'a [StepRecord],
}

/// One row of the table over its runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stability {
    /// As printed.
    pub label: String,
    /// Number of runs, those that diverged included.
    pub runs: usize,
    /// Runs that stopped at a NaN or an infinity.
    pub diverged: usize,
    /// Of those that did not diverge, as [`failed`] has it.
    pub failed: usize,
    /// As [`variation`], mean over the runs that have it.
    pub fid_variation: Option<f64>,
    /// Norms of the discriminator's gradients; None where none is finite.
    pub d_grad_norm: Option<Norms>,
    /// Norms of the generator's gradients; None where none is finite.
    pub g_grad_norm: Option<Norms>,
}

/// Of all logged steps of all runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Norms {
    /// The least finite norm.
    pub least: f64,
    /// The middle finite norm; of an even number, the upper of the two in the middle.
    pub median: f64,
    /// The largest finite norm.
    pub largest: f64,
}

impl Norms {
    fn from_values(mut values: Vec<f64>) -> Option<Self> {
        values.retain(|value| value.is_finite());
        values.sort_by(f64::total_cmp);
        let (least, largest) = (*values.first()?, *values.last()?);
        Some(Self { least, median: values[values.len() / 2], largest })
    }
}

fn diverged(run: &SteadyRun<'_>) -> bool {
    run.rows.iter().any(|row| row.value.is_none())
}

/// Whether the run collapsed.
pub fn failed(run: &SteadyRun<'_>) -> bool {
    collapsed(&fid_curve(run.rows))
}

/// Standard deviation of ln FID around its straight line over the points of the curve's second
/// half: a run that goes on improving is as steady as one that stands still. None for fewer than
/// three points, or a FID that is not above 0.
pub fn variation(run: &SteadyRun<'_>) -> Option<f64> {
    let curve = fid_curve(run.rows);
    let half: Vec<f64> = curve[curve.len() / 2..].iter().map(|fid| fid.ln()).collect();
    let n = half.len() as f64;
    if half.len() < 3 || half.iter().any(|ln_fid| !ln_fid.is_finite()) {
        return None;
    }
    let (middle, mean) = ((n - 1.0) / 2.0, half.iter().sum::<f64>() / n);
    let from_middle = |i: usize| i as f64 - middle;
    let sum = |of: &dyn Fn(usize) -> f64| (0..half.len()).map(of).sum::<f64>();
    let slope = sum(&|i| from_middle(i) * half[i]) / sum(&|i| from_middle(i).powi(2));
    let squares = sum(&|i| (half[i] - mean - slope * from_middle(i)).powi(2));
    Some((squares / (n - 2.0)).sqrt())
}

impl Stability {
    /// Of the runs of one row.
    pub fn from_runs(label: &str, runs: &[SteadyRun<'_>]) -> Self {
        let variations: Vec<f64> =
            runs.iter().filter(|run| !diverged(run)).filter_map(variation).collect();
        let norms = |of: fn(&StepRecord) -> f64| {
            Norms::from_values(runs.iter().flat_map(|run| run.records.iter().map(of)).collect())
        };
        Self {
            label: label.to_string(),
            runs: runs.len(),
            diverged: runs.iter().filter(|run| diverged(run)).count(),
            failed: runs.iter().filter(|run| !diverged(run) && failed(run)).count(),
            fid_variation: (!variations.is_empty())
                .then(|| variations.iter().sum::<f64>() / variations.len() as f64),
            d_grad_norm: norms(|r| r.d_grad_norm),
            g_grad_norm: norms(|r| r.g_grad_norm),
        }
    }
}

/// A section of the report.
pub fn markdown(rows: &[Stability]) -> String {
    let mut text = format!(
        "## Stability\n\nFailed: the last FID of the curve is more than {FALLEN} times its best, or not below that of the \
         untrained generator. FID variation: standard deviation of ln FID around its straight line over the second \
         half of the curve. Gradient norms of all logged steps: least, median, largest.\n\n\
         | Method | runs | diverged | failed | FID variation | gradient of D | gradient of G |\n\
         |:--|--:|--:|--:|--:|--:|--:|\n"
    );
    let norms = |n: Option<Norms>| {
        n.map_or_else(
            || "–".to_string(),
            |n| format!("{:.2e}, {:.2e}, {:.2e}", n.least, n.median, n.largest),
        )
    };
    for row in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            escape_markdown(&row.label),
            row.runs,
            row.diverged,
            row.failed,
            row.fid_variation.map_or_else(|| "–".to_string(), |v| format!("{v:.3}")),
            norms(row.d_grad_norm),
            norms(row.g_grad_norm)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(fids: &[f64]) -> Vec<ResultRow> {
        let row = |(i, fid): (usize, &f64)| {
            let value = fid.is_finite().then_some(*fid);
            let status = if value.is_some() { "ok" } else { "diverged" };
            serde_json::from_value(serde_json::json!({
                "run_id": "r", "table": "t", "method": "m", "conditional": false, "architecture": "a", "width": 1,
                "dataset": "d", "dataset_sha256": "s", "split": "train", "seed": 0, "budget_unit": "g_steps",
                "budget_amount": 1.0, "batch": 1, "g_steps": i, "d_steps": i, "real_images": 0, "d_image_forwards": 0,
                "g_image_forwards": 0, "train_s": 0.0, "peak_rss_mb": 0.0, "checkpoint": format!("{i}"),
                "metric": "fid@small", "value": value, "ci_low": null, "ci_high": null, "n_real": 1, "n_fake": 1,
                "extractor": "small", "extractor_sha256": "", "protocol": "p", "status": status, "version": "",
                "commit": ""
            }))
            .unwrap()
        };
        fids.iter().enumerate().map(row).collect()
    }

    fn record(d_grad_norm: f64) -> StepRecord {
        serde_json::from_value(serde_json::json!({
            "g_step": 1, "real_kimg": 0.1, "losses": {}, "d_grad_norm": d_grad_norm, "g_grad_norm": 1.0
        }))
        .unwrap()
    }

    #[test]
    fn failure_divergence_and_variation_of_curves_on_paper() {
        // Second halves: 16, 8, 4, a line of logarithms; and e^(1, 2, 1)·10, off their line by (−1,
        // 2, −1)/3.
        let e = 1f64.exp();
        let (steady, fallen, idle, lost) = (
            rows(&[40.0, 20.0, 16.0, 8.0, 4.0]),
            rows(&[80.0, 10.0, 10.0 * e, 10.0 * e * e, 10.0 * e]),
            rows(&[40.0, 40.0]),
            rows(&[40.0, f64::NAN]),
        );
        let records = [record(1.0), record(5.0), record(3.0)];
        let run = |rows| SteadyRun { rows, records: &records };
        let found =
            Stability::from_runs("x", &[run(&steady), run(&fallen), run(&idle), run(&lost)]);
        assert_eq!((found.runs, found.diverged, found.failed), (4, 1, 2));
        let expected = (6f64 / 9.0).sqrt() / 2.0;
        assert!((found.fid_variation.unwrap() - expected).abs() < 1e-12);
        let norms = found.d_grad_norm.unwrap();
        assert_eq!((norms.least, norms.median, norms.largest), (1.0, 3.0, 5.0));
        let text = markdown(&[found]);
        assert!(text.contains("| x | 4 | 1 | 2 | 0.408"), "{text}");
    }
}
