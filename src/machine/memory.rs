//! What a run will take of memory, measured on small batches before it starts, and what there is.
//!
//! A step's peak is a part that every batch needs (weights, moments, the program itself) and a part
//! for each image. It is measured at batches that double, up to the one asked for and as long as
//! the next should fit; a straight line goes on from there.

use anyhow::{Result, bail};
use candle_core::Device;
use ganbench_baselines::train::{SampleRequest, TrainPlan, Trainer, network_weights};
use ganbench_data::Dataset;
use ganbench_files::memory as budget;
use ganbench_metrics::Extractor;

use crate::machine;
use crate::plan::Plan;
use crate::run::reals::kept_rows;
use crate::run::session::Surroundings;

/// The first two batches measured. A run of no larger batch than the second is not estimated.
const FIRST: [usize; 2] = [4, 8];
/// Steps of each: the optimisers' moments come with the first one's end.
const STEPS: usize = 3;
/// On what grows with the batch: the allocator's gaps, and losses over pairs of images.
const MARGIN: f64 = 1.04;
/// What a run takes beside its steps and its evaluation (result files, figures, gaps), in 2^20
/// bytes.
const BESIDE: f64 = 20.0;
/// Share of what is there that an advised batch fills, so that its own measurement does not refuse
/// it.
const SURE: f64 = 0.95;
const MB: f64 = (1 << 20) as f64;

/// Memory that the process may come to hold, in 2^20 bytes, and who says so.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Available {
    mb: f64,
    by: &'static str,
}

/// Peak resident memory of a step by its batch, in 2^20 bytes.
#[derive(Clone, Copy, Debug)]
struct Line {
    fixed: f64,
    per_image: f64,
}

impl Line {
    /// Through the last of the (batch, peak), each batch twice the one before, and the last but
    /// two: over a shorter way the allocator's moods would show.
    fn through(points: &[(usize, f64)]) -> Self {
        let (a, b) = (points[points.len().saturating_sub(3)], points[points.len() - 1]);
        let per_image = ((b.1 - a.1) / (b.0 - a.0) as f64).max(0.0);
        Self { fixed: b.1 - per_image * b.0 as f64, per_image }
    }

    fn at(&self, batch: usize) -> f64 {
        self.fixed + MARGIN * self.per_image * batch as f64
    }

    /// The largest batch that stays within `mb`.
    fn fit(&self, mb: f64) -> usize {
        ((mb - self.fixed) / (MARGIN * self.per_image).max(1e-9)).clamp(0.0, 1e9) as usize
    }
}

/// Peak of a plan's run outside its steps, and what lies beside the steps, in 2^20 bytes.
struct Evaluation {
    /// Before training, and at the points of the curve and the end.
    peak: f64,
    /// Beside the steps: what is kept of the real side, a checkpoint being written, and [`BESIDE`].
    kept: f64,
}

/// Refuses plans that would need more memory than there is, and says what each needs, in 2^20
/// bytes. None where that is not known: for small batches, on other devices than the CPU, on other
/// systems than Linux.
///
/// # Errors
/// If a plan needs too much: names the largest batch that all of them can use. Or if a step fails.
pub fn check(
    plans: &[&Plan],
    dataset: &Dataset,
    n_real: usize,
    extractor: &dyn Extractor,
    at: &Surroundings,
) -> Result<Vec<Option<f64>>> {
    for plan in plans {
        check_networks(plan, &at.device)?;
        check_samples(plan, &at.device)?;
    }
    let mut needs: Vec<Option<f64>> = Vec::new();
    let Some(available) = available().filter(|_| matches!(at.device, Device::Cpu)) else {
        return Ok(vec![None; plans.len()]);
    };
    let mut refused: Option<(usize, String)> = None;
    for (i, plan) in plans.iter().enumerate() {
        let same = |other: &&Plan| {
            TrainPlan { seed: plan.train.seed, ..other.train.clone() } == plan.train
        };
        if let Some(other) = plans[..i].iter().position(same) {
            needs.push(needs[other]);
            continue;
        }
        let batch = plan.train.batch;
        if batch <= FIRST[1] {
            needs.push(None);
            continue;
        }
        let Some(evaluation) = evaluation(plan, dataset, n_real, extractor)? else {
            needs.push(None);
            continue;
        };
        let line = steps(&plan.train, dataset, available.mb - evaluation.kept)?;
        let need = evaluation.peak.max(line.at(batch) + evaluation.kept);
        needs.push(Some(need));
        if need <= available.mb {
            continue;
        }
        let fit = round_down(line.fit(SURE * available.mb - evaluation.kept));
        let fits = evaluation.peak <= available.mb && fit >= 2;
        if refused.as_ref().is_none_or(|(least, _)| fit < *least) {
            let advice = if fits {
                format!("a batch of {fit} fits (--set train.batch={fit})")
            } else {
                "no batch fits; lower train.network.width, evaluation.max_real or evaluation.n_fake"
                    .into()
            };
            refused = Some((
                fit,
                format!(
                    "{} at batch {batch} needs about {need:.0} MB of memory, and {:.0} MB are there ({}); {advice}",
                    plan.row_name(),
                    available.mb,
                    available.by
                ),
            ));
        }
    }
    release();
    match refused {
        Some((_, message)) => bail!("{message}"),
        None => Ok(needs),
    }
}

/// Refuses a plan whose networks alone are more than there is of memory, before anything is made of
/// them. The data set's sizes are filled in. Nothing is known of other devices than the CPU and of
/// other systems than Linux.
///
/// # Errors
/// If they are, or a size is out of its range.
pub fn check_networks(plan: &Plan, device: &Device) -> Result<()> {
    let d = &plan.dataset;
    let [g, trunk] = network_weights(&plan.train, d.image_size, d.channels, d.classes)?;
    // Of each weight its value and gradient, of the generator's the average too.
    let need = 4.0 * (3 * g + 2 * trunk) as f64 / MB;
    let advice = "lower train.network.width or train.network.z_dim";
    refuse_above(plan, ("the networks", need, advice), device)
}

/// The same of the images that a plan's evaluation generates.
fn check_samples(plan: &Plan, device: &Device) -> Result<()> {
    let (d, e) = (&plan.dataset, &plan.evaluation);
    let image = (d.image_size * d.image_size * d.channels) as f64 / MB;
    let need = e.n_fake.max(e.n_fake_curve) as f64 * image;
    let advice = "lower evaluation.n_fake or evaluation.n_fake_curve";
    refuse_above(plan, ("the generated images", need, advice), device)
}

fn refuse_above(
    plan: &Plan,
    (what, need, advice): (&str, f64, &str),
    device: &Device,
) -> Result<()> {
    let Some(available) = available().filter(|_| matches!(device, Device::Cpu)) else {
        return Ok(());
    };
    if need > available.mb {
        bail!(
            "{what} of {} alone need {need:.0} MB of memory, and {:.0} MB are there ({}); {advice}",
            plan.row_name(),
            available.mb,
            available.by
        );
    }
    Ok(())
}

/// Down to three binary digits: 61 becomes 56, 1790 becomes 1536.
fn round_down(batch: usize) -> usize {
    let unit = 1 << batch.checked_ilog2().unwrap_or(0).saturating_sub(2);
    batch / unit * unit
}

/// Gives back what is free, so that the next peak is of what is used.
pub fn release() {
    ganbench_nn::kernels::release_scratch();
    machine::release_freed_memory();
}

/// Peak while `work` runs, and its result. None where the system does not tell.
fn peak<T>(work: impl FnOnce() -> Result<T>) -> Result<Option<(f64, T)>> {
    release();
    machine::reset_peak_rss();
    let before = machine::rss_mb();
    // Where the peak cannot be started anew it tells nothing.
    let known = before > 0.0 && machine::peak_rss_mb() < before + 8.0;
    let done = work()?;
    Ok(known.then(|| (machine::peak_rss_mb(), done)))
}

fn steps(plan: &TrainPlan, dataset: &Dataset, available: f64) -> Result<Line> {
    let measure = |batch: usize| -> Result<(usize, f64)> {
        let plan = TrainPlan { batch, n_dis: 1, ..plan.clone() };
        let classes = dataset.class_names.len();
        let work = || {
            let mut trainer = Trainer::new(&plan, &dataset.images, classes, &Device::Cpu)?;
            for _ in 0..STEPS {
                // That it diverges is for the run itself to find.
                let _ = trainer.step()?;
            }
            Ok(())
        };
        Ok((batch, peak(work)?.map_or(0.0, |(mb, ())| mb)))
    };
    let mut points = vec![measure(FIRST[0])?, measure(FIRST[1])?];
    let mut next = 2 * FIRST[1];
    loop {
        let line = Line::through(&points);
        // Nothing is measured that is not expected to fit.
        if next > plan.batch.min(line.fit(available)) {
            return Ok(line);
        }
        points.push(measure(next)?);
        next *= 2;
    }
}

/// None where the system does not tell.
fn evaluation(
    plan: &Plan,
    dataset: &Dataset,
    n_real: usize,
    extractor: &dyn Extractor,
) -> Result<Option<Evaluation>> {
    let train = TrainPlan { batch: 2, ..plan.train.clone() };
    let work = || {
        let trainer =
            Trainer::new(&train, &dataset.images, dataset.class_names.len(), &Device::Cpu)?;
        // A block of the sampler, and two of the extractor.
        let request = SampleRequest { n: 100, seed: 0, class: None };
        let images = trainer.sampler(false).sample(request, &mut |_| {})?;
        extractor.extract(&images.take(32), &mut |_, _| {})?;
        Ok(trainer.parameter_counts())
    };
    let Some((working, (g, d))) = peak(work)? else { return Ok(None) };
    // Two of four bytes a parameter.
    let moments = |parameters: usize| 8.0 * parameters as f64 / MB;
    let e = &plan.evaluation;
    let dim = extractor.feature_dim() as f64;
    let matrix = 8.0 * dim * dim / MB;
    let row = 4.0 * dim / MB;
    let kept = kept_rows(e, n_real)?.n.min(n_real) as f64;
    let n_fake = e.n_fake.max(e.n_fake_curve) as f64;
    let image = dataset.images.pixels.len() as f64 / dataset.images.len().max(1) as f64 / MB;
    // A state is a copy of weights, average and moments; half of that finds room in what the step
    // freed.
    let saving = (8 * g + 6 * d) as f64 / MB;
    // Covariance and its root; with the rows of the real side they stay.
    let kept_mb = kept * row + 3.0 * matrix + saving + BESIDE;
    // The rows that are kept, and the sums of products that the moments are made of.
    let real = kept * row + 4.0 * matrix;
    // Both sides packed for their neighbours, and FID's matrices.
    let fake = n_fake * (image + 2.0 * row) + kept * row + 4.0 * matrix;
    let working = working + moments(g + d);
    Ok(Some(Evaluation { peak: working + real.max(kept_mb + fake), kept: kept_mb }))
}

/// None where the system does not tell what the process holds.
fn available() -> Option<Available> {
    let there = budget::available().filter(|_| machine::rss_mb() > 0.0)?;
    Some(Available { mb: there.bytes as f64 / MB, by: there.by })
}

/// The bytes of `--memory-limit`: a number with a unit, or of 2^20 bytes.
///
/// # Errors
/// If it is none, or 0.
pub fn parse_limit(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, f64); 10] = [
        ("KiB", 1024.0),
        ("MiB", MB),
        ("GiB", 1024.0 * MB),
        ("TiB", 1024.0 * 1024.0 * MB),
        ("kB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("TB", 1e12),
        ("B", 1.0),
        ("", MB),
    ];
    let text = text.trim();
    let found = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)));
    let number = found.and_then(|(number, unit)| Some(number.trim().parse::<f64>().ok()? * unit));
    match number {
        Some(bytes) if bytes >= 1.0 && bytes < u64::MAX as f64 => Ok(bytes as u64),
        _ => {
            Err("expected an amount of memory above 0, such as 8GiB, 500MB or 4096 (of 2^20 bytes)"
                .into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_through_both_points_and_errs_high() {
        let line = Line::through(&[(4, 140.0), (8, 180.0)]);
        assert_eq!((line.fixed, line.per_image), (100.0, 10.0));
        assert_eq!(line.at(100), 100.0 + MARGIN * 1000.0);
        assert_eq!(line.fit(line.at(100)), 100);
        assert_eq!(line.fit(50.0), 0);
        let line = Line::through(&[(4, 0.0), (8, 180.0), (16, 290.0), (32, 420.0)]);
        assert_eq!((line.fixed, line.per_image), (100.0, 10.0));
    }

    #[test]
    fn batches_are_rounded_to_three_binary_digits() {
        let rounded = [0, 1, 7, 8, 61, 64, 1790].map(round_down);
        assert_eq!(rounded, [0, 1, 7, 8, 56, 64, 1536]);
    }

    #[test]
    fn a_limit_has_a_unit_or_is_of_mebibytes() {
        let limits = ["8GiB", "1.5 MiB", "500MB", "60", "1024B"].map(parse_limit);
        assert_eq!(limits, [8 << 30, 3 << 19, 500_000_000, 60 << 20, 1024].map(Ok));
        for wrong in ["", "0", "-1", "8G", "GiB", "nan", "1e30", "8 gib"] {
            let error = parse_limit(wrong).unwrap_err();
            assert!(error.starts_with("expected an amount of memory"), "{wrong}: {error}");
        }
    }
}
