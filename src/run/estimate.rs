//! `--dry-run`: the plans, and what they will cost, from a few measured steps of each.

use std::fmt::Write as _;

use anyhow::Result;
use ganbench_baselines::train::{SampleRequest, Trainer, Unit};
use ganbench_data::Dataset;
use ganbench_metrics::Extractor;

use super::pipeline::{Fakes, label};
use super::reals::RealImages;
use super::session::Surroundings;
use crate::machine;
use crate::plan::Plan;
use crate::progress::duration;

/// Steps measured, after one that warms up.
const STEPS: usize = 3;
/// Images sampled and extracted to time evaluation.
const IMAGES: usize = 200;

/// What is done beside the runs.
#[derive(Clone, Copy, Debug)]
pub struct Also {
    /// Sets of known kind, as large as the final ones.
    pub anchors: bool,
}

/// Sets of images that are measured as anchors.
const ANCHORS: usize = 4;

/// Each plan as TOML, then a line of estimates per run and the sum. `needs`: of
/// [`crate::machine::memory::check`], one per plan.
///
/// # Errors
/// If a plan does not fit the data.
pub fn text(
    plans: &[Plan],
    needs: &[Option<f64>],
    dataset: &Dataset,
    real: &RealImages<'_>,
    extractor: &dyn Extractor,
    at: &Surroundings,
    also: Also,
) -> Result<String> {
    let mut text = String::new();
    let classes = dataset.class_names.len();
    let mut lines = Vec::new();
    let mut total_s = 0.0;
    let sample = dataset.images.take(IMAGES);
    let started = std::time::Instant::now();
    extractor.extract(&sample, &mut |_, _| {})?;
    let extract_s = started.elapsed().as_secs_f64() / sample.len() as f64;
    total_s += extract_s * real.n_images() as f64;
    if let Some(first) = plans.first().filter(|_| also.anchors) {
        let fakes = Fakes::at_the_end(first)?;
        total_s += extract_s * (ANCHORS * fakes.repeats * fakes.n) as f64;
    }
    for (plan, need) in plans.iter().zip(needs) {
        let _ = writeln!(
            text,
            "# {} seed {}: run {}\n{}",
            plan.row_name(),
            plan.train.seed,
            plan.run_id(),
            plan.to_toml()?
        );
        machine::reset_peak_rss();
        let mut trainer = Trainer::new(&plan.train, &dataset.images, classes, &at.device)?;
        let _ = trainer.step()?;
        let (before, share) = (*trainer.spent(), trainer.progress());
        for _ in 0..STEPS {
            let _ = trainer.step()?;
        }
        let step_s = (trainer.spent().train_s - before.train_s) / STEPS as f64;
        let step_share = (trainer.progress() - share) / STEPS as f64;
        let train_s = match plan.train.budget.unit {
            Unit::TrainMinutes => plan.train.budget.amount * 60.0,
            _ => (1.0 / step_share).ceil() * step_s,
        };
        let started = std::time::Instant::now();
        let request = SampleRequest { n: IMAGES, seed: 0, class: None };
        extractor.extract(&trainer.sampler(false).sample(request, &mut |_| {})?, &mut |_, _| {})?;
        let image_s = started.elapsed().as_secs_f64() / IMAGES as f64;
        let fakes = Fakes::at_the_end(plan)?;
        let label = label(plan, extractor, &real.reals(), &trainer.sampler(false), fakes)?;
        let _ = writeln!(
            text,
            "# protocol of {}: {}{}\n",
            plan.row_name(),
            label.protocol,
            match label.nearest {
                None => String::new(),
                Some(_) => format!(" ({})", label.differences_text()),
            }
        );
        let e = &plan.evaluation;
        let images = (e.curve_points + 1) * e.n_fake_curve + 2 * fakes.repeats * e.n_fake;
        let evaluate_s = images as f64 * image_s;
        total_s += train_s + evaluate_s;
        lines.push(format!(
            "{:<16} seed {:<4} train {:>12}  evaluate {:>12}  peak {:>6.0} MB  {:.0} ms a step{}",
            plan.row_name(),
            plan.train.seed,
            duration(train_s),
            duration(evaluate_s),
            machine::peak_rss_mb(),
            step_s * 1e3,
            need.map_or(String::new(), |mb| format!("  needs {mb:.0} MB in all"))
        ));
    }
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    let _ = writeln!(
        text,
        "{} runs, about {} in all on this machine (from {STEPS} measured steps each; real features included)",
        plans.len(),
        duration(total_s)
    );
    Ok(text)
}
