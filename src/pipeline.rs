//! One run from its plan to its rows: train, measure at the points of the curve, measure the last and the
//! best checkpoint.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use candle_core::Device;
use ganbench_baselines::data::Dataset;
use ganbench_baselines::train::{
    Diverged, LoadedGenerator, SampleRequest, Sampler, Spent, Trainer,
};
use ganbench_metrics::bootstrap::{Bootstrap, intervals};
use ganbench_metrics::{
    EvaluationInput, Interval, MetricValue, Settings, default_metrics, evaluate, inception_score,
    reported_name,
};
use ganbench_reports::plot::{SampleSheet, samples_png};
use ganbench_reports::{ResultRow, Status, kimg_name, write_atomic};

use crate::machine;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::run_folder::{Provenance, RunFolder, commit};
use crate::session::Evaluator;

/// What one run needs.
pub struct RunInput<'a> {
    pub plan: &'a Plan,
    pub dataset: &'a Dataset,
    pub evaluator: &'a Evaluator,
    pub device: &'a Device,
    pub folder: &'a RunFolder,
    pub provenance: &'a Provenance,
    pub quiet: bool,
}

/// Trains and measures one run, going on from its last checkpoint where there is one. Nothing is done
/// where it is complete.
///
/// # Errors
/// If the plan does not fit the data, or a file cannot be written. Divergence is a result, not an error.
pub fn run(input: &RunInput<'_>) -> Result<()> {
    if input.folder.is_done() {
        return Ok(());
    }
    input.folder.create(input.plan, input.provenance)?;
    machine::reset_peak_rss();
    let mut run = Run::start(input)?;
    let outcome = run.train()?;
    run.finish(outcome)
}

struct Run<'a> {
    input: &'a RunInput<'a>,
    trainer: Trainer<'a>,
    rows: Vec<ResultRow>,
    bar: Progress,
}

impl<'a> Run<'a> {
    fn start(input: &'a RunInput<'a>) -> Result<Self> {
        let plan = input.plan;
        let classes = input.dataset.class_names.len();
        let mut trainer = Trainer::new(&plan.train, &input.dataset.images, classes, input.device)?;
        let label = format!("{} seed {}", plan.method, plan.train.seed);
        let mut bar = Progress::new(label, 1.0, input.quiet);
        let mut rows = Vec::new();
        if Trainer::has_checkpoint(&input.folder.state())? {
            trainer.load(&input.folder.state())?;
            let steps = trainer.spent().g_steps;
            rows = input.folder.scores()?;
            // Later points are measured again.
            rows.retain(|row| row.g_steps <= steps && row.is_curve_point());
            input.folder.keep_scores(&rows)?;
            bar.skip_to(trainer.progress());
        }
        Ok(Self { input, trainer, rows, bar })
    }

    fn train(&mut self) -> Result<Option<Diverged>> {
        let plan = self.input.plan;
        let points = plan.evaluation.curve_points as f64;
        if self.rows.is_empty() {
            self.point()?;
        }
        let mut records = self.input.folder.record_writer(self.trainer.spent().g_steps)?;
        let started = std::time::Instant::now();
        let first = self.trainer.spent().real_images;
        while self.trainer.progress() < 1.0 {
            let before = (self.trainer.progress() * points).floor();
            let shown = self.trainer.spent().real_images;
            let record = match self.trainer.step()? {
                Ok(record) => record,
                Err(diverged) => return Ok(Some(diverged)),
            };
            let spent = *self.trainer.spent();
            let progress = self.trainer.progress();
            let at_point = (progress * points).floor() > before;
            if spent.g_steps % plan.train.log_every_steps == 1 % plan.train.log_every_steps
                || at_point
            {
                records.push(&record)?;
            }
            let rate = (spent.real_images - first) as f64 / started.elapsed().as_secs_f64();
            self.bar.set(progress.min(1.0), &format!("{rate:.0} img/s"));
            let kept = |images: u64| (images as f64 / 1e3 / plan.train.checkpoint_kimg).floor();
            if at_point || kept(spent.real_images) > kept(shown) {
                if let Some(diverged) = self.trainer.damage()? {
                    return Ok(Some(diverged));
                }
                if at_point {
                    self.point()?;
                } else {
                    self.trainer.save(&self.input.folder.state())?;
                }
            }
        }
        Ok(None)
    }

    /// Measures the state of now, and keeps it.
    fn point(&mut self) -> Result<()> {
        let spent = *self.trainer.spent();
        let name = kimg_name(spent.real_images as f64 / 1e3);
        self.trainer.save_generators(&self.input.folder.checkpoints(), &name)?;
        let e = &self.input.plan.evaluation;
        let fakes = Fakes { n: e.n_fake_curve, bootstrap: 0 };
        let values = measure(self.input, &self.trainer.sampler(false), fakes)?;
        self.add(values.iter().map(|v| row(self.input, &spent, &name, v)).collect())?;
        // Last, so that a state never lies ahead of its scores; a point is measured again where it lies
        // behind, to the same values.
        Ok(self.trainer.save(&self.input.folder.state())?)
    }

    fn add(&mut self, rows: Vec<ResultRow>) -> Result<()> {
        self.input.folder.add_scores(&rows)?;
        self.rows.extend(rows);
        Ok(())
    }

    fn finish(mut self, outcome: Option<Diverged>) -> Result<()> {
        let input = self.input;
        let spent = *self.trainer.spent();
        if let Some(diverged) = outcome {
            let mut rows = Vec::new();
            for checkpoint in ["last", "best"] {
                for metric in default_metrics() {
                    let metric = reported_name(metric.name, &input.plan.evaluation.extractor);
                    let (n_real, n_fake) = (0, 0);
                    let value = MetricValue { metric, value: f64::NAN, std: None, n_real, n_fake };
                    rows.push(ResultRow {
                        value: None,
                        status: Status::Diverged,
                        ..row(input, &spent, checkpoint, &(value, None))
                    });
                }
            }
            self.add(rows)?;
            input.folder.finish(&serde_json::to_string(&diverged)?)?;
            self.bar.finish(&format!("diverged at step {} ({})", diverged.g_step, diverged.what));
            return Ok(());
        }
        let last_name = kimg_name(spent.real_images as f64 / 1e3);
        let (best_name, best_spent) = self.best().unwrap_or((last_name.clone(), spent));
        let e = &input.plan.evaluation;
        let fakes = Fakes { n: e.n_fake, bootstrap: e.bootstrap };
        let last = measure(input, &self.trainer.sampler(false), fakes)?;
        let best = if best_name == last_name {
            last.clone()
        } else {
            let generator = load_generator(input, &best_name)?;
            measure(input, &generator.sampler(), fakes)?
        };
        self.add(last.iter().map(|v| row(input, &spent, "last", v)).collect())?;
        self.add(best.iter().map(|v| row(input, &best_spent, "best", v)).collect())?;
        self.write_samples()?;
        input.folder.finish("ok")?;
        self.bar.finish(&format!("{last_name} kimg"));
        Ok(())
    }

    /// Name and cost of the point with the lowest FID.
    fn best(&self) -> Option<(String, Spent)> {
        let fid = reported_name("fid", &self.input.plan.evaluation.extractor);
        let points = self.rows.iter().filter(|r| r.metric == fid && r.value.is_some());
        let best = points
            .min_by(|a, b| a.value.partial_cmp(&b.value).unwrap_or(std::cmp::Ordering::Equal))?;
        let spent = Spent {
            g_steps: best.g_steps,
            d_steps: best.d_steps,
            real_images: best.real_images,
            d_image_forwards: best.d_image_forwards,
            d_image_forwards_g_step: best.d_image_forwards_g_step,
            g_image_forwards: best.g_image_forwards,
            train_s: best.train_s,
        };
        Some((best.checkpoint.clone(), spent))
    }

    fn write_samples(&self) -> Result<()> {
        let seed = self.input.plan.train.seed;
        let request = SampleRequest { n: 64, seed, class: None };
        let images = self.trainer.sampler(false).sample(request, &mut |_| {})?;
        let sheet = SampleSheet { images: &images, columns: 8, row_labels: None };
        Ok(write_atomic(&self.input.folder.path().join("samples.png"), &samples_png(&sheet)?)?)
    }
}

/// The averaged generator of a point of the curve.
fn load_generator(input: &RunInput<'_>, name: &str) -> Result<LoadedGenerator> {
    let path = input.folder.checkpoints().join(format!("ema-{name}.safetensors"));
    let size = input.dataset.images.size;
    let classes = input.dataset.class_names.len();
    LoadedGenerator::new(&input.plan.train, size, classes, &path, input.device)
        .with_context(|| format!("cannot use the checkpoint {}", path.display()))
}

/// How many fakes, and how many resamplings of them for intervals.
#[derive(Clone, Copy)]
struct Fakes {
    n: usize,
    bootstrap: usize,
}

type Measured = (MetricValue, Option<Interval>);

/// Samples with the run's seed, extracts, and computes every metric.
fn measure(input: &RunInput<'_>, sampler: &Sampler<'_>, fakes: Fakes) -> Result<Vec<Measured>> {
    let request = SampleRequest { n: fakes.n, seed: input.plan.train.seed, class: None };
    let images = sampler.sample(request, &mut |_| {})?;
    let fake = input.evaluator.extractor.extract(&images, &mut |_, _| {})?;
    let e = &input.plan.evaluation;
    let settings = Settings {
        inception_score: inception_score::Options { splits: e.is_splits, ..Default::default() },
        nearest_k: e.nearest_k,
        ..Settings::default()
    };
    let input = EvaluationInput {
        real: &input.evaluator.reference,
        fake: &fake,
        extractor: input.evaluator.extractor.name(),
        metrics: None,
        settings,
        labels: None,
    };
    let values = evaluate(input)?;
    if fakes.bootstrap == 0 {
        return Ok(values.into_iter().map(|value| (value, None)).collect());
    }
    let request = Bootstrap { replicates: fakes.bootstrap, seed: 0 };
    let intervals: HashMap<_, _> = intervals(&input, &values, request)?.into_iter().collect();
    let of = |value: MetricValue| {
        let interval = intervals.get(&value.metric).copied();
        (value, interval)
    };
    Ok(values.into_iter().map(of).collect())
}

/// A row of the results.
fn row(
    input: &RunInput<'_>,
    spent: &Spent,
    checkpoint: &str,
    (v, interval): &Measured,
) -> ResultRow {
    let (plan, train) = (input.plan, &input.plan.train);
    ResultRow {
        run_id: plan.run_id(),
        table: plan.table.clone(),
        method: plan.method.clone(),
        conditional: train.parts.conditional(),
        architecture: train.network.architecture.clone(),
        width: train.network.width as u64,
        dataset: plan.dataset.label().to_string(),
        dataset_sha256: plan.dataset.sha256.clone(),
        split: plan.dataset.split.to_string(),
        seed: train.seed,
        budget_unit: train.budget.unit.name().to_string(),
        budget_amount: train.budget.amount,
        batch: train.batch as u64,
        g_steps: spent.g_steps,
        d_steps: spent.d_steps,
        real_images: spent.real_images,
        d_image_forwards: spent.d_image_forwards,
        g_image_forwards: spent.g_image_forwards,
        train_s: spent.train_s,
        peak_rss_mb: machine::peak_rss_mb(),
        checkpoint: checkpoint.to_string(),
        metric: v.metric.clone(),
        value: Some(v.value),
        ci_low: interval.map(|i| i.low),
        ci_high: interval.map(|i| i.high),
        n_real: v.n_real as u64,
        n_fake: v.n_fake as u64,
        extractor: plan.evaluation.extractor.clone(),
        extractor_sha256: plan.evaluation.extractor_sha256.clone(),
        protocol: plan.evaluation.protocol.clone(),
        status: Status::Ok,
        version: env!("CARGO_PKG_VERSION").to_string(),
        commit: commit(),
        d_image_forwards_g_step: spent.d_image_forwards_g_step,
    }
}
