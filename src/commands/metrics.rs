//! `ganbench metrics`: features in, numbers out; no network is needed.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::Args;
use ganbench_metrics::files::FeatureFile;
use ganbench_metrics::protocol;
use ganbench_metrics::{Done, ExtractorId, Features, Logits};

use super::eval::{MetricArgs, warn_of_few};
use crate::evaluation::{Outcome, Request, Side, Sides, computable, measure, side};
use crate::machine;

/// FEATURES is an .npy [N,d], an .npz with `pool` and perhaps `logits`, or an .npz with `mu` and `sigma`
/// (TTUR, pytorch-fid, clean-fid, EDM; FID only).
#[derive(Debug, Args)]
pub struct MetricsArgs {
    /// Features of the real images
    #[arg(long, value_name = "FEATURES")]
    pub real: PathBuf,
    /// Features of the generated images
    #[arg(long, value_name = "FEATURES")]
    pub fake: PathBuf,
    /// Logits of the generated images, .npy [N,classes], where --fake has none
    #[arg(long, value_name = "FILE")]
    pub logits: Option<PathBuf>,
    #[command(flatten)]
    pub metrics: MetricArgs,
    /// Threads of the CPU; changes no result [default: all cores]
    #[arg(long)]
    pub threads: Option<usize>,
}

/// # Errors
/// If a file cannot be read, or a metric cannot be computed from the features.
pub fn run(args: &MetricsArgs) -> Result<()> {
    let measurement = args.metrics.measurement(protocol::DEFAULT)?;
    let mut names = measurement.metric_names();
    machine::set_threads(args.threads)?;
    let started = Instant::now();
    let mut real = side(FeatureFile::read(&args.real)?)?;
    let mut fake = side(FeatureFile::read(&args.fake)?)?;
    if let Some(path) = &args.logits {
        add_logits(&mut fake, path)?;
    }
    real.load_s = started.elapsed().as_secs_f64();
    let settings = measurement.settings;
    let extractor = ExtractorId::UNKNOWN;
    let mut missing = Vec::new();
    // Where nobody says which: those that the default protocol has and the files allow.
    if args.metrics.metrics.is_none() {
        let found = computable(names, extractor, &real, &fake, settings);
        (names, missing) = (found.names, found.missing);
    }
    let dim = |side: &Side| side.features.as_ref().map(Features::dim);
    warn_of_few(&real, &fake, dim(&real).or(dim(&fake)).unwrap_or(0), &names);
    let (n_real, n_fake) = (real.n, fake.n);
    let label = measurement.label(&Done {
        extractor: extractor.name,
        weights_sha256: extractor.weights_sha256,
        split: None,
        whole_split: None,
        n_real,
        n_fake,
        repeats: 1,
        is_bias: false,
        metrics: &names,
        sampling: None,
        further: &[],
    });
    let bootstrap = args.metrics.bootstrap;
    let measured = measure(Request { real, fake, extractor, metrics: names, settings, bootstrap })?;
    let outcome = Outcome {
        values: measured.values,
        missing,
        n_real,
        n_fake,
        real_sha256: None,
        fake_sha256: None,
        images_read: Sides::default(),
        extractor: None,
        label,
        seconds: measured.seconds,
        peak_rss_mb: machine::peak_rss_mb(),
    };
    outcome.print(args.metrics.json)
}

/// Puts logits of a file of their own beside the features.
fn add_logits(fake: &mut Side, path: &Path) -> Result<()> {
    let features = fake.features.take().with_context(|| {
        format!(
            "--logits {} needs features in --fake, which holds mean and covariance",
            path.display()
        )
    })?;
    let read = side(FeatureFile::read(path)?)?.features;
    let read = read.with_context(|| format!("{} holds no logits", path.display()))?;
    let logits = Some(Logits { classes: read.dim(), values: read.into_pool() });
    let features = Features::new(features.dim(), features.into_pool(), logits);
    fake.features = Some(features.with_context(|| format!("--logits {}", path.display()))?);
    Ok(())
}
