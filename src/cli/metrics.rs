//! `ganbench metrics`: features in, numbers out; no network is needed.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use ganbench_metrics::protocol;
use ganbench_metrics::{Done, ExtractorId, Features, Logits, Measurement, MetricError};

use super::extraction::{MetricArgs, warn_of_few};
use super::process;
use super::tell::show;
use crate::machine;
use crate::measure::{
    ExtractorUsed, NumbersFile, Origin, Outcome, RealSide, Request, Seconds, Side, Sides,
    computable, identity_of_files, measure, note_protocol,
};

/// FEATURES is an .npy [N,d], an .npz with `pool` and perhaps `logits`, or an .npz with `mu` and
/// `sigma` (TTUR, pytorch-fid, clean-fid, EDM; FID only).
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
    process::set_threads(args.threads)?;
    let logits = args.logits.as_deref();
    let pair = FilePair { real: &args.real, fake: &args.fake, logits };
    measure_files(pair, &measurement, &args.metrics)
}

/// Files of both sides.
#[derive(Clone, Copy)]
pub struct FilePair<'a> {
    pub real: &'a Path,
    pub fake: &'a Path,
    /// Of the fakes, in a file of their own.
    pub logits: Option<&'a Path>,
}

/// Measures features and statistics of files, and prints the outcome.
///
/// # Errors
/// If a file cannot be read, they come from unlike extractors, or a metric cannot be computed.
pub fn measure_files(
    pair: FilePair<'_>,
    measurement: &Measurement,
    args: &MetricArgs,
) -> Result<()> {
    let mut names = measurement.metric_names();
    let (real, mut fake) = (NumbersFile::read(pair.real)?, NumbersFile::read(pair.fake)?);
    if let Some(path) = pair.logits {
        add_logits(&mut fake.side, path)?;
    }
    let text = [pair.real, pair.fake].map(|path| path.display().to_string());
    let [of_real, of_fake] = [(&text[0], &real.meta), (&text[1], &fake.meta)]
        .map(|(name, meta)| Origin { name, meta: meta.as_ref() });
    let known = identity_of_files(of_real, of_fake)?;
    for file in [of_real, of_fake] {
        note_protocol(file, &measurement.protocol.name);
    }
    let extractor = known.unwrap_or(ExtractorId::UNKNOWN);
    let exact = real.meta.as_ref().is_some_and(|meta| meta.exact);
    let settings = measurement.settings;
    let mut missing = Vec::new();
    // Where nobody says which: those that the protocol has and the files allow.
    if !args.are_named() {
        let found = computable(names, extractor, &real.side, &fake.side, settings);
        (names, missing) = (found.names, found.missing);
    }
    let dim = |side: &Side| side.features.as_ref().map(Features::dim);
    let dim = dim(&real.side).or(dim(&fake.side)).unwrap_or(0);
    warn_of_few(&real.side, &fake.side, dim, &names);
    let (n_real, n_fake) = (real.side.n, fake.side.n);
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
    let mut seconds = Seconds::default();
    seconds.add("load", real.side.load_s);
    let (metrics, bootstrap) = (names.as_slice(), args.bootstrap);
    let (real, fake) = (&RealSide::new(real.side)?, &fake.side);
    let stored_extractor = extractor;
    let reals = args.reals();
    let request =
        Request { real, fake, extractor, stored_extractor, metrics, settings, bootstrap, reals };
    let measured = measure(request).map_err(|error| match error.downcast_ref() {
        Some(MetricError::Dimensions { .. }) => {
            error.context(format!("{} and {}", text[0], text[1]))
        }
        _ => error,
    })?;
    seconds.extend(&measured.seconds);
    let outcome = Outcome {
        values: measured.values,
        classes: measured.classes,
        fid_error: measured.fid_error,
        missing,
        n_real,
        n_fake,
        repeats: 1,
        real_used: None,
        fake_used: None,
        real_sha256: None,
        fake_sha256: None,
        images_read: Sides::default(),
        extractor: known.map(|id| ExtractorUsed {
            name: id.name.into(),
            sha256: id.weights_sha256.into(),
            exact,
        }),
        label,
        asked: None,
        seconds,
        peak_rss_mb: machine::peak_rss_mb(),
    };
    show(&outcome, args.json)
}

/// Puts logits of a file of their own beside the features.
fn add_logits(fake: &mut Side, path: &Path) -> Result<()> {
    let features = fake.features.take().with_context(|| {
        format!(
            "--logits {} needs features in --fake, which holds mean and covariance",
            path.display()
        )
    })?;
    let read = NumbersFile::read(path)?.side.features;
    let read = read.with_context(|| format!("{} holds no logits", path.display()))?;
    let logits = Some(Logits { classes: read.dim(), values: read.into_pool() });
    let features = Features::new(features.dim(), features.into_pool(), logits);
    fake.features = Some(features.with_context(|| format!("--logits {}", path.display()))?);
    Ok(())
}
