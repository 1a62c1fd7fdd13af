//! What `SRC` means on the command line: the sources of `ganbench_baselines`, and runs of our own.

use std::path::Path;

use anyhow::Result;
use candle_core::Device;
use ganbench_baselines::networks::BatchNormIn;
use ganbench_baselines::train::{LoadedGenerator, SampleRequest};
use ganbench_data::images::ImageBatch;
use ganbench_data::sources::{self, BatchSource, ImageSource, Skipped, SourceRequest};
use ganbench_data::{IMAGE_EXTENSIONS, hex};
use ganbench_metrics::Sampling;
use ganbench_metrics::protocol::LabelRule;
use sha2::{Digest as _, Sha256};

use crate::plan::Plan;
use crate::progress::Progress;
use crate::run::folder::{PLAN_NAME, RunFolder};
use crate::run::generators::{generator_file, load_generator};

/// Which images, and what is needed to make them where `text` is a run's folder.
#[derive(Clone, Copy)]
pub struct Images<'a> {
    /// Which images, and how they are read.
    pub request: &'a SourceRequest,
    /// How many a run is asked for, unless the request limits them.
    pub n: usize,
    /// Seed of the latents of a run's generator.
    pub seed: u64,
    /// Where a run's generator works.
    pub device: &'a Device,
    /// Whether no progress is shown.
    pub quiet: bool,
}

/// Opens `SRC`: what [`sources::open`] reads, or the folder of a run, whose last checkpoint is
/// sampled. All images are looked through, so that a damaged one is found before the long work.
///
/// # Errors
/// If there is no such source, or it or an image of it cannot be read.
pub fn open_images(images: Images<'_>) -> Result<Box<dyn ImageSource>> {
    let text = &images.request.text;
    if is_run(text) {
        return Ok(Box::new(RunSource::open(images)?.sample(images.seed, None)?));
    }
    let mut bar: Option<Progress> = None;
    let mut source = sources::open(images.request, &mut |p| {
        let bar =
            bar.get_or_insert_with(|| Progress::new(text, p.total.max(1) as f64, images.quiet));
        bar.set(p.done as f64, &format!("{}/{}", p.done, p.total));
    })?;
    if let Some(bar) = bar {
        bar.finish(&format!("{} images", source.len()));
    }
    let mut bar: Option<Progress> = None;
    source.check(&mut |p| {
        let label = || format!("check {text}");
        let bar =
            bar.get_or_insert_with(|| Progress::new(label(), p.total.max(1) as f64, images.quiet));
        bar.set(p.done as f64, &format!("{}/{}", p.done, p.total));
    })?;
    if let Some(bar) = bar {
        bar.finish(&format!("{} images", source.len()));
    }
    let reading = source.reading();
    // Whatever the result says of them, the user is to see that these are not in it.
    let others = reading.left_out.iter().filter(|(kind, _)| *kind != "hidden");
    let others: Vec<String> = others.map(|(kind, n)| format!("{n} {kind}")).collect();
    if !others.is_empty() {
        log::info!(
            "note: {text} holds files that are no images by their endings and were left out: {}; images are {}",
            others.join(", "),
            endings()
        );
    }
    tell_skipped(text, &reading.skipped);
    Ok(source)
}

/// Says on stderr, whatever else is quiet, which images of a set are left out.
pub fn tell_skipped(set: &str, skipped: &Skipped) {
    if skipped.count > 0 {
        let named = skipped.named.join("; ");
        log::warn!("{} damaged images of {set} are left out: {named}", skipped.count);
    }
}

/// `.png, .jpg and .tiff`.
fn endings() -> String {
    let [others @ .., last] = IMAGE_EXTENSIONS.map(|extension| format!(".{extension}"));
    format!("{} and {last}", others.join(", "))
}

/// Two sides that were opened, or what is wrong with either of them.
///
/// # Errors
/// If one cannot be read; of both where both cannot.
pub fn both<T>(real: Result<T>, fake: Result<T>) -> Result<(T, T)> {
    match (real, fake) {
        (Ok(real), Ok(fake)) => Ok((real, fake)),
        (Err(real), Err(fake)) => {
            log::error!("{}", crate::message::with_causes(&real));
            Err(fake)
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// Whether `SRC` is the folder of a run.
pub fn is_run(text: &str) -> bool {
    Path::new(text).join(PLAN_NAME).is_file()
}

/// The averaged generator of a run's last checkpoint.
pub struct RunSource {
    name: String,
    plan: Plan,
    generator: LoadedGenerator,
    n: usize,
    quiet: bool,
}

impl RunSource {
    /// # Errors
    /// If the folder is that of no run, or of one without a last checkpoint.
    pub fn open(images: Images<'_>) -> Result<Self> {
        let name = images.request.text.clone();
        let folder = RunFolder::open(Path::new(&name))?;
        crate::run::integrity::check(folder.path())?;
        let plan = folder.plan()?;
        let path = generator_file(&folder, &plan, "last", "ema")?;
        let generator = load_generator(&plan, &path, images.device)?;
        let n = images.request.limit.unwrap_or(images.n);
        Ok(Self { name, plan, generator, n, quiet: images.quiet })
    }

    /// Images of a sample.
    pub fn len(&self) -> usize {
        self.n
    }

    /// One set of images, all made at once: they are small. `class_counts`: how often the data set
    /// has each class, where classes are to be drawn as often.
    ///
    /// # Errors
    /// If the generator fails.
    pub fn sample(&self, seed: u64, class_counts: Option<Vec<u64>>) -> Result<BatchSource> {
        let (name, n) = (&self.name, self.n);
        let mut bar = Progress::new(format!("sample {name}"), n as f64, self.quiet);
        let sampler = match class_counts {
            None => self.generator.sampler(),
            Some(counts) => self.generator.sampler().with_class_counts(counts),
        };
        let request = SampleRequest { n, seed, class: None };
        let images =
            sampler.sample(request, &mut |done| bar.set(done as f64, &format!("{done}/{n}")))?;
        bar.finish(&format!("{n} images"));
        let content_sha256 = content_sha256(&images);
        Ok(BatchSource::new(name.clone(), images, content_sha256))
    }

    /// How it is sampled: classes by `rule` where the real images' are uneven.
    pub fn sampling(&self, rule: LabelRule, uneven: bool) -> Sampling<'static> {
        let train = &self.plan.train;
        let style = self.generator.sampler().generator().has_style();
        let batch_norm = train.network.options().batch_norm == BatchNormIn::Default && !style;
        Sampling {
            statistics: batch_norm.then(|| self.plan.evaluation.statistics.name()),
            labels: (train.parts.conditional() && uneven).then_some(rule),
        }
    }
}

fn content_sha256(images: &ImageBatch) -> String {
    let mut hash = Sha256::new();
    hash.update(b"ganbench-run-samples-1\0");
    hash.update(images.size.to_string());
    hash.update(&images.pixels);
    for label in images.labels.iter().flatten() {
        hash.update(label.to_le_bytes());
    }
    hex(hash)
}
