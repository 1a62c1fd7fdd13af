//! One run from its plan to its rows: train, measure at the points of the curve, measure the last
//! and the best checkpoint.
//!
//! A run may die at any moment. Whatever it comes to is first made, then kept, then measured: rows
//! follow the state that they belong to, and a point whose rows are missing is measured when the
//! run goes on.

mod measure;

use anyhow::{Context as _, Result, bail};
use candle_core::Device;
use ganbench_baselines::linear_evaluation::{LabelledSplits, LinearEvaluation};
use ganbench_baselines::train::{
    Diverged, LoadedGenerator, RunMark, SampleRequest, Spent, Trainer,
};
use ganbench_data::Dataset;
use ganbench_data::images::ImageBatch;
use ganbench_metrics::{Label, MetricValue};
use ganbench_reports::{ResultRow, Status, kimg_name};
#[cfg(test)]
pub use measure::{Facts, label_of_plan};
pub use measure::{
    Fakes, Measured, Noise, label, mean, measure, measure_set, row, sample_seeds, spent_up_to,
};
use thiserror::Error;

use crate::machine;
use crate::machine::OthersWork;
use crate::machine::memory;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::results::SCORES_NAME;
use crate::run::folder::{Provenance, RecordWriter, RunFolder};
use crate::run::generators::{generator_file, kept_points, load_generator};
use crate::run::samples;
use crate::run::selection;
use crate::run::session::{Evaluator, metric_names};
use crate::run::stop::{Interrupt, Interrupted};

/// What one run needs.
pub struct RunInput<'a> {
    /// The run's resolved plan.
    pub plan: &'a Plan,
    /// The training images.
    pub dataset: &'a Dataset,
    /// The test split, where the plan has a linear evaluation.
    pub test: Option<&'a ImageBatch>,
    /// The extractor and the real images that samples are compared with.
    pub evaluator: &'a Evaluator,
    /// Where the networks work.
    pub device: &'a Device,
    /// Where the run lies.
    pub folder: &'a RunFolder,
    /// How and with what the run is made, to be kept in its folder.
    pub provenance: &'a Provenance,
    /// Whether the run is asked to stop.
    pub interrupt: &'a Interrupt,
    /// Whether no progress is shown.
    pub quiet: bool,
}

/// A defect met in a run, which is kept up to its last checkpoint.
#[derive(Debug, Error)]
#[error(
    "ganbench itself failed ({what}); the run is kept up to its last checkpoint, and the same command goes on \
     from there; please report this"
)]
pub struct Panicked {
    what: String,
}

/// Trains and measures one run, going on from its last checkpoint where there is one. Nothing is
/// done where it is complete. The caller holds the folder's lock.
///
/// # Errors
/// If the plan does not fit the data, or a file cannot be written; [`Interrupted`] where a signal
/// ended it, [`Panicked`] for a panic. Divergence is a result, not an error.
pub fn run(input: &RunInput<'_>) -> Result<()> {
    if input.folder.is_done() {
        return Ok(());
    }
    let work = || {
        input.folder.create(input.plan, input.provenance)?;
        // Else the peak of this run would be that of the largest run before it.
        memory::release();
        machine::reset_peak_rss();
        let mut run = Run::start(input)?;
        let outcome = run.train()?;
        run.finish(outcome)
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let what = text.or_else(|| panic.downcast_ref().copied()).unwrap_or("a panic");
        Err(Panicked { what: what.to_string() }.into())
    })
}

struct Run<'a> {
    input: &'a RunInput<'a>,
    trainer: Trainer<'a>,
    rows: Vec<ResultRow>,
    records: RecordWriter,
    /// Step of the last state kept.
    kept_g_steps: Option<u64>,
    bar: Progress,
    /// Since this process took up the run, with what it had used itself by then.
    others: (OthersWork, Option<f64>),
}

impl<'a> Run<'a> {
    fn start(input: &'a RunInput<'a>) -> Result<Self> {
        let plan = input.plan;
        let mut trainer = selection::trainer(plan, input.dataset, input.device)?;
        let label = format!("{} seed {}", plan.row_name(), plan.train.seed);
        let mut bar = Progress::new(label, 1.0, input.quiet);
        let others = (OthersWork::from_now(), machine::cpu_s());
        let Some(loaded) = trainer.load_newest(&input.folder.checkpoints())? else {
            input.folder.keep_scores(&[])?;
            let records = input.folder.record_writer(0)?;
            let mut run =
                Self { input, trainer, rows: Vec::new(), records, kept_g_steps: None, bar, others };
            run.keep_point()?;
            run.measure_point()?;
            return Ok(run);
        };
        let steps = trainer.spent().g_steps;
        for error in &loaded.passed_over {
            log::warn!("{error}; going on from the one of step {steps}");
        }
        let mut rows = input.folder.scores()?;
        // Later points are reached and measured again.
        rows.retain(|row| row.g_steps <= steps && row.is_curve_point());
        input.folder.keep_scores(&rows)?;
        let records = input.folder.record_writer(steps)?;
        if records.sync()? < loaded.mark.records {
            bail!(
                "{} lacks records of the first {steps} steps, of which there were {}; put the file back, or \
                 delete the run's folder to start it again",
                input.folder.path().join("train.jsonl").display(),
                loaded.mark.records
            );
        }
        bar.skip_to(trainer.progress());
        let mut run =
            Self { input, trainer, rows, records, kept_g_steps: Some(steps), bar, others };
        run.measure_lost_points()?;
        if loaded.mark.at_point && !run.is_measured() {
            // Some of its rows may be there.
            let now = run.point_name();
            run.rows.retain(|row| row.checkpoint != now);
            run.input.folder.keep_scores(&run.rows)?;
            run.measure_point()?;
        }
        Ok(run)
    }

    fn train(&mut self) -> Result<Option<Diverged>> {
        let plan = self.input.plan;
        let points = plan.evaluation.curve_points;
        let started = std::time::Instant::now();
        let first = self.trainer.spent().real_images;
        let mut hold = self.input.interrupt.hold();
        while self.trainer.progress() < 1.0 {
            self.stop_if_asked()?;
            let before = self.trainer.points_reached(points);
            let shown = self.trainer.spent().real_images;
            let record = match self.trainer.step()? {
                Ok(record) => record,
                Err(diverged) => return Ok(Some(diverged)),
            };
            let spent = *self.trainer.spent();
            let at_point = self.trainer.points_reached(points) > before;
            if spent.g_steps % plan.train.log_every_steps == 1 % plan.train.log_every_steps
                || at_point
            {
                self.records.push(&record)?;
            }
            let rate = (spent.real_images - first) as f64 / started.elapsed().as_secs_f64();
            self.bar.set(self.trainer.progress().min(1.0), &format!("{rate:.0} img/s"));
            let kept = |images: u64| (images as f64 / 1e3 / plan.train.checkpoint_kimg).floor();
            if at_point || kept(spent.real_images) > kept(shown) {
                if let Some(diverged) = self.trainer.damage(&record)? {
                    return Ok(Some(diverged));
                }
                if at_point {
                    self.keep_point()?;
                    self.stop_if_asked()?;
                    drop(hold);
                    self.measure_point()?;
                    hold = self.input.interrupt.hold();
                } else {
                    self.keep(false)?;
                }
            }
        }
        Ok(None)
    }

    /// Where a signal came: keeps the state, unless it is kept, and ends the run.
    fn stop_if_asked(&mut self) -> Result<()> {
        let Some(signal) = self.input.interrupt.asked() else { return Ok(()) };
        let g_steps = self.trainer.spent().g_steps;
        if self.kept_g_steps != Some(g_steps) {
            self.keep(false)?;
        }
        Err(Interrupted { signal, g_steps }.into())
    }

    /// Keeps the state of now.
    fn keep(&mut self, at_point: bool) -> Result<()> {
        let mark = RunMark { records: self.records.sync()?, at_point };
        self.trainer.save(&self.input.folder.checkpoints(), mark)?;
        self.kept_g_steps = Some(self.trainer.spent().g_steps);
        Ok(())
    }

    /// Keeps the generators of a point of the curve, and the state.
    fn keep_point(&mut self) -> Result<()> {
        self.trainer.save_generators(&self.input.folder.checkpoints(), &self.point_name())?;
        self.keep(true)
    }

    fn point_name(&self) -> String {
        kimg_name(self.trainer.spent().real_images as f64 / 1e3)
    }

    /// Whether all rows of the point of now are there.
    fn is_measured(&self) -> bool {
        let name = self.point_name();
        let rows = self.rows.iter().filter(|row| row.checkpoint == name).count();
        self.metric_names().is_ok_and(|names| rows >= names.len())
    }

    /// Measures points before now again that lost some of their rows, with the generators that were
    /// kept.
    fn measure_lost_points(&mut self) -> Result<()> {
        let now = self.point_name();
        let kimg = |name: &str| name.parse::<f64>().unwrap_or(f64::INFINITY);
        let mut points = kept_points(&self.input.folder.checkpoints())?;
        points.retain(|name| kimg(name) < kimg(&now));
        let wanted = self.metric_names()?.len();
        let rows = |name: &str| self.rows.iter().filter(|row| row.checkpoint == name).count();
        points.retain(|name| rows(name) < wanted);
        if points.is_empty() {
            return Ok(());
        }
        // What a point had cost is in its rows alone.
        let spent = |name: &String| {
            self.rows.iter().find(|row| row.checkpoint == *name).map(spent_up_to).with_context(|| {
                format!(
                    "{} has lost all rows of the point {name}; put the file back, or delete the run's folder to start \
                     it again",
                    self.input.folder.path().join(SCORES_NAME).display()
                )
            })
        };
        let spent = points.iter().map(spent).collect::<Result<Vec<Spent>>>()?;
        for (name, spent) in points.iter().zip(spent) {
            let rows = self.rows_of_point(name, &spent)?;
            self.rows.retain(|row| row.checkpoint != *name);
            self.add(rows)?;
        }
        self.rows.sort_by_key(|row| row.g_steps);
        self.input.folder.keep_scores(&self.rows)
    }

    /// Bare names of the metrics of this run.
    fn metric_names(&self) -> Result<Vec<&'static str>> {
        let e = &self.input.plan.evaluation;
        Ok(metric_names(&e.measurement()?, e, self.input.evaluator.extractor.as_ref()))
    }

    fn measure_point(&mut self) -> Result<()> {
        let spent = *self.trainer.spent();
        let rows = self.rows_of_point(&self.point_name(), &spent)?;
        self.add(rows)
    }

    fn rows_of_point(&self, name: &str, spent: &Spent) -> Result<Vec<ResultRow>> {
        // A point of the curve is one set, whatever the protocol says of the final numbers.
        let n = self.input.plan.evaluation.n_fake_curve;
        let fakes = Fakes { n, repeats: 1, bootstrap: 0, noise: Noise::OfRun };
        Ok(self.rows_of(&self.measured(name, fakes)?, spent, name))
    }

    /// The averaged generator of a point, from its file: with the plan's statistics in its batch
    /// norms. `None` for the one at hand as it is.
    fn kept_generator(&self, point: &str) -> Result<Option<LoadedGenerator>> {
        let input = self.input;
        if input.plan.evaluation.statistics.is_running() && point == self.point_name() {
            return Ok(None);
        }
        let path = generator_file(input.folder, input.plan, point, "ema")?;
        load_generator(input.plan, &path, input.device).map(Some)
    }

    fn rows_of(&self, measured: &Measured, spent: &Spent, checkpoint: &str) -> Vec<ResultRow> {
        let row = |v| row(self.input.plan, spent, checkpoint, &measured.label, v);
        measured.values.iter().map(row).collect()
    }

    fn final_label(&self) -> Result<Label> {
        let (plan, evaluator) = (self.input.plan, self.input.evaluator);
        let (extractor, sampler) = (evaluator.extractor.as_ref(), self.trainer.sampler(false));
        label(plan, extractor, &evaluator.reals, &sampler, Fakes::at_the_end(plan)?)
    }

    fn measured(&self, point: &str, fakes: Fakes) -> Result<Measured> {
        let (plan, evaluator) = (self.input.plan, self.input.evaluator);
        match self.kept_generator(point)? {
            None => measure(plan, evaluator, &self.trainer.sampler(false), fakes),
            Some(generator) => measure(plan, evaluator, &generator.sampler(), fakes),
        }
    }

    fn add(&mut self, mut rows: Vec<ResultRow>) -> Result<()> {
        let (others, before) = &self.others;
        let other_cpu_s = others.cpu_s(machine::cpu_s().zip(*before).map(|(now, then)| now - then));
        rows.iter_mut().for_each(|row| row.other_cpu_s = other_cpu_s);
        self.input.folder.add_scores(&rows)?;
        self.rows.extend(rows);
        Ok(())
    }

    /// Writes what a budget of minutes came to into the plan: with it the run can be repeated.
    fn record_replay(&self, end_g_step: u64) -> Result<()> {
        let mut points: Vec<u64> =
            self.rows.iter().filter(|row| row.is_curve_point()).map(|row| row.g_steps).collect();
        points.push(end_g_step);
        points.retain(|&step| step > 0);
        points.sort_unstable();
        points.dedup();
        if let Some(replay) = self.trainer.replay(points) {
            let mut plan = self.input.plan.clone();
            plan.train.replay = Some(replay);
            self.input.folder.write_plan(&plan)?;
        }
        Ok(())
    }

    fn finish(mut self, outcome: Option<Diverged>) -> Result<()> {
        let input = self.input;
        let spent = *self.trainer.spent();
        self.record_replay(spent.g_steps)?;
        if let Some(diverged) = outcome {
            let (mut rows, label) = (Vec::new(), self.final_label()?);
            for checkpoint in ["last", "best"] {
                for name in self.metric_names()? {
                    let metric = input.evaluator.extractor_id().reported_name(name);
                    let (n_real, n_fake) = (0, 0);
                    let value = MetricValue { metric, value: f64::NAN, std: None, n_real, n_fake };
                    rows.push(ResultRow {
                        value: None,
                        status: Status::Diverged,
                        ..row(input.plan, &spent, checkpoint, &label, &(value, None))
                    });
                }
            }
            self.add(rows)?;
            input.folder.add_divergence(&diverged)?;
            input.folder.finish("diverged")?;
            self.bar.finish(&format!("diverged at step {} ({})", diverged.g_step, diverged.what));
            return Ok(());
        }
        let last_name = kimg_name(spent.real_images as f64 / 1e3);
        let (best_name, best_spent) = self.best().unwrap_or((last_name.clone(), spent));
        let e = &input.plan.evaluation;
        let last = self.measured(&last_name, Fakes::at_the_end(input.plan)?)?;
        // Also where the last one was chosen.
        let best = self.measured(&best_name, Fakes::of_the_chosen(input.plan)?)?;
        self.add(self.rows_of(&last, &spent, "last"))?;
        self.add(self.rows_of(&best, &best_spent, "best"))?;
        if let (Some(linear), Some(test)) = (&e.linear, input.test) {
            let value = self.linear_accuracy(linear, test)?;
            self.add(vec![row(input.plan, &spent, "last", &last.label, &(value, None))])?;
        }
        self.write_samples()?;
        input.folder.finish("ok")?;
        self.bar.finish(&format!("{last_name} kimg"));
        Ok(())
    }

    fn linear_accuracy(&self, linear: &LinearEvaluation, test: &ImageBatch) -> Result<MetricValue> {
        let input = self.input;
        let splits = LabelledSplits { train: &input.dataset.images, test };
        let mut bar = Progress::new("linear evaluation", 1.0, input.quiet);
        let d = self.trainer.discriminator();
        let seed = input.plan.train.seed;
        let value =
            linear.accuracy_percent(splits, seed, input.device, &|x| d.features(x), &mut |f| {
                bar.set(f.done as f64 / f.total as f64, &format!("{}/{}", f.done, f.total))
            })?;
        bar.finish(&format!("{value:.2} % right"));
        Ok(MetricValue { metric: linear.metric(), value, std: None, n_real: test.len(), n_fake: 0 })
    }

    /// Name and cost of the point with the lowest FID.
    fn best(&self) -> Option<(String, Spent)> {
        let fid = self.input.evaluator.extractor_id().reported_name("fid");
        let points = self.rows.iter().filter(|r| r.metric == fid && r.value.is_some());
        let best = points
            .min_by(|a, b| a.value.partial_cmp(&b.value).unwrap_or(std::cmp::Ordering::Equal))?;
        Some((best.checkpoint.clone(), spent_up_to(best)))
    }

    fn write_samples(&self) -> Result<()> {
        let seed = self.input.plan.train.seed;
        let request = SampleRequest { n: samples::IMAGES, seed, class: None };
        let images = match self.kept_generator(&self.point_name())? {
            None => self.trainer.sampler(false).sample(request, &mut |_| {})?,
            Some(generator) => generator.sampler().sample(request, &mut |_| {})?,
        };
        samples::write(self.input.folder, &images)
    }
}

#[cfg(test)]
mod tests;
