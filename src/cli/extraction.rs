//! What the commands that measure images share: their flags, an extractor that is ready, and
//! features through the cache.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use candle_core::Device;
use clap::Args;
use ganbench_data::Alpha;
use ganbench_data::sources::{ImageSource, SourceRequest};
use ganbench_metrics::bootstrap::FEWEST;
use ganbench_metrics::{
    ALL, Deviations, Extractor, ExtractorOptions, ExtractorRequest, Measurement, Reals, extractor,
    inception, load_asked, named_metrics,
};
use ganbench_reports::short_hash;

use super::process;
use crate::machine::{self, UsageError};
use crate::measure::{Asked, Cache, Collect, Keep, Key, Side, collect};
use crate::run::session::weights_source;

/// Resamplings behind an interval: the ends of one of 95 % hardly move beyond some thousands.
const MOST_REPLICATES: usize = 100_000;

/// The network, and where and how it works.
#[derive(Debug, Args)]
#[command(next_help_heading = "Extractor and machine")]
pub struct ExtractorArgs {
    /// Feature extractor: see `ganbench list extractors`; NAME:HASH pins the version whose weights'
    /// hash begins so [default: the protocol's]
    #[arg(long, value_name = "NAME")]
    pub extractor: Option<String>,
    /// pytorch-fid's --dims: the extractor inception-pytorch-fid (2048) or an earlier layer of it
    #[arg(long, value_name = "N", conflicts_with = "extractor", value_parser = ["64", "192", "768", "2048"])]
    pub dims: Option<String>,
    /// Its weights: a file (.pth, .safetensors), or made:SEED for tests [default:
    /// $GANBENCH_WEIGHTS, the hub]
    #[arg(long, value_name = "FILE")]
    pub weights: Option<String>,
    /// Images that go through the network together; changes no result [default: by threads]
    #[arg(long, value_name = "N")]
    pub batch: Option<usize>,
    /// Inception without Winograd's convolution: features differ by about 1e-5, and take half as
    /// long again
    #[arg(long)]
    pub exact: bool,
    /// cpu, cuda:N or metal
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Threads of the CPU; changes no result [default: all cores]
    #[arg(long)]
    pub threads: Option<usize>,
    /// Folder that holds <DATASET>/, for dataset:NAME:SPLIT
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where features are kept for the next time [default: $GANBENCH_CACHE, ~/.cache/ganbench]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Neither take features from the cache nor keep them
    #[arg(long, conflicts_with = "cache")]
    pub no_cache: bool,
    /// No progress on stderr
    #[arg(long)]
    pub quiet: bool,
}

/// How files of images are read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reading images")]
pub struct ImageArgs {
    /// What becomes of transparent pixels of files: pil drops the alpha channel, as pytorch-fid,
    /// clean-fid and torch-fidelity do; white puts the image on white; refuse is an error
    #[arg(long, value_name = "RULE", default_value_t = Alpha::Pil)]
    pub alpha: Alpha,
    /// Leave damaged images of folders and Parquet files out, and count them in the result, which
    /// then differs from its protocol
    #[arg(long)]
    pub skip_damaged: bool,
}

impl ImageArgs {
    /// All images of `text`, read by these rules.
    pub fn request(&self, text: &str) -> SourceRequest {
        let (alpha, skip_damaged) = (self.alpha, self.skip_damaged);
        SourceRequest { alpha, skip_damaged, ..SourceRequest::new(text) }
    }
}

/// What is computed from features.
#[derive(Debug, Args)]
#[command(next_help_heading = "Metrics")]
pub struct MetricArgs {
    /// Metrics by comma, also a family such as prdc, or all: see `ganbench list metrics`
    /// [default: the protocol's]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub metrics: Option<Vec<String>>,
    /// Neighbours of precision, recall, density and coverage [default: 5]
    #[arg(long)]
    pub k: Option<usize>,
    /// Images in each of KID's 100 subsets [default: 1000]
    #[arg(long, value_name = "N")]
    pub kid_subset: Option<usize>,
    /// 95 % intervals from N resamplings of the images
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub bootstrap: usize,
    /// Intervals say how far values move with other fakes against the same reals [default: with
    /// other reals too]
    #[arg(long, requires = "bootstrap")]
    pub hold_reals: bool,
    /// One flat JSON object
    #[arg(long)]
    pub json: bool,
}

/// An extractor that is ready, with the cache beside it.
pub struct Ready {
    pub extractor: Box<dyn Extractor>,
    pub device: Device,
    pub cache: Option<Cache>,
    pub exact: bool,
    pub quiet: bool,
}

impl Ready {
    /// Says which network is used.
    ///
    /// # Errors
    /// If the extractor is not in the table: a defect of ours.
    pub fn announce(&self) -> Result<()> {
        if !self.quiet {
            let (name, sha256) = (self.extractor.name(), self.extractor.weights_sha256());
            let description = extractor::entry(name)?.description;
            tell!("extractor {name} (weights {}): {description}", short_hash(sha256));
        }
        Ok(())
    }

    /// What decides the features of these images.
    pub fn key<'a>(&'a self, content_sha256: &'a str, keep: Keep) -> Key<'a> {
        let (extractor, device) = (self.extractor.as_ref(), self.device.location());
        Key { content_sha256, extractor, exact: self.exact, device, keep }
    }
}

impl ExtractorArgs {
    /// Sets the threads and loads the extractor: the one named, else `default`.
    ///
    /// # Errors
    /// If a name, the device or the weights cannot be used.
    pub fn ready(&self, default: &str) -> Result<Ready> {
        let dims = self.dims.as_deref().and_then(|dims| dims.parse().ok());
        let of_dims = dims.and_then(inception::of_pytorch_fid_dims);
        let name = self.extractor.as_deref().or(of_dims).unwrap_or(default);
        // Before any file is looked at.
        if self.batch == Some(0) {
            return Err(UsageError::new("--batch is 0, expected at least 1").into());
        }
        let request = ExtractorRequest::parse(name)?;
        let threads = process::set_threads(self.threads)?;
        let device = machine::device(&self.device)?;
        let source = weights_source(self.weights.as_deref())?;
        if source.is_hub() {
            // Before a download that would be of no use.
            request.known_version()?;
            if let Some(file) = request.entry()?.published {
                super::fetch::weights(file, request.name, None, self.quiet)?;
            }
        }
        let options = ExtractorOptions {
            device: device.clone(),
            // A few images a thread: weights are read once for all of them.
            batch: self.batch.unwrap_or((4 * threads).max(16)),
            exact: self.exact,
        };
        let extractor = load_asked(&request, &source, &options)?;
        let cache = if self.no_cache { None } else { Cache::find(self.cache.clone()) };
        Ok(Ready { extractor, device, cache, exact: self.exact, quiet: self.quiet })
    }
}

impl MetricArgs {
    /// Whether intervals have the reals drawn again.
    pub fn reals(&self) -> Reals {
        if self.hold_reals { Reals::Held } else { Reals::Drawn }
    }

    /// Whether metrics were asked for one by one, so that one that cannot be had is an error.
    pub fn are_named(&self) -> bool {
        let is_all = |name: &String| name.eq_ignore_ascii_case(ALL);
        self.metrics.as_ref().is_some_and(|names| !names.iter().any(is_all))
    }

    /// What the JSON keeps of these flags, so that `compare` can measure again.
    pub fn asked(&self, protocol: &str, device: &Device) -> Asked {
        Asked {
            protocol: protocol.into(),
            nearest_k: self.k,
            kid_subset: self.kid_subset,
            bootstrap: self.bootstrap,
            hold_reals: self.hold_reals,
            device: format!("{:?}", device.location()),
        }
    }

    /// The measurement of a protocol with the flags' deviations. Checks the flags, before hours of
    /// extraction.
    ///
    /// # Errors
    /// If the protocol or a metric is unknown, or a number cannot be.
    pub fn measurement(&self, protocol: &str) -> Result<Measurement> {
        let wrong = |text: String| Err(UsageError::new(text).into());
        if self.k == Some(0) {
            return wrong("--k is 0, expected at least 1".into());
        }
        if let Some(few @ ..=1) = self.kid_subset {
            return wrong(format!("--kid-subset is {few}, expected at least 2"));
        }
        if (1..FEWEST).contains(&self.bootstrap) {
            let few = self.bootstrap;
            return wrong(format!(
                "--bootstrap is {few}, expected at least {FEWEST}, or 0 for none"
            ));
        }
        if self.bootstrap > MOST_REPLICATES {
            let many = self.bootstrap;
            return wrong(format!("--bootstrap is {many}, expected at most {MOST_REPLICATES}"));
        }
        let deviations = Deviations {
            metrics: self.metrics.as_deref().map(named_metrics),
            nearest_k: self.k,
            kid_subset: self.kid_subset,
            ..Deviations::default()
        };
        Ok(Measurement::new(protocol, &deviations)?)
    }
}

/// Features of a source, from the cache where they are there; and the hash of the images.
///
/// # Errors
/// If the images cannot be read or the extractor cannot take them. A cache that cannot be written
/// to is a note.
pub fn features_of(
    source: &mut dyn ImageSource,
    keep: Keep,
    ready: &Ready,
) -> Result<(Side, String)> {
    let extractor = ready.extractor.as_ref();
    let how = Collect { extractor, keep, quiet: ready.quiet };
    let started = Instant::now();
    let content_sha256 = source.content_sha256()?;
    let Some(cache) = &ready.cache else {
        let load_s = started.elapsed().as_secs_f64();
        let mut side = collect(source, how)?;
        side.load_s += load_s;
        return Ok((side, content_sha256));
    };
    let key = ready.key(&content_sha256, keep);
    let hit = cache.get(&key);
    let load_s = started.elapsed().as_secs_f64();
    if let Some(side) = hit {
        if !ready.quiet {
            tell!(
                "{} of {}: {} images, kept from before",
                extractor.name(),
                source.name(),
                source.len()
            );
        }
        let class_names = source.class_names().map(<[String]>::to_vec);
        let mut side = Side { load_s, class_names, n: Some(source.len()), ..side };
        if let Some(images) = &mut side.images {
            let found = source.reading();
            images.reading.left_out = found.left_out;
            images.reading.skipped = found.skipped;
        }
        return Ok((side, content_sha256));
    }
    let expected = source.len();
    let mut side = collect(source, how)?;
    side.load_s += load_s;
    // Where images turned out to be damaged only when they were decoded, the hash is that of more
    // images.
    if side.n != Some(expected) {
        return Ok((side, content_sha256));
    }
    if let Err(error) = cache.put(&key, &side) {
        tell!("note: {error:#}; the features are not kept");
    }
    Ok((side, content_sha256))
}

/// Says where counts are too small for FID to mean what readers expect.
pub fn warn_of_few(real: &Side, fake: &Side, dim: usize, names: &[&str]) {
    let few = |side: &Side| side.n.is_some_and(|n| n < dim);
    if names.contains(&"fid") && (few(real) || few(fake)) {
        let n = |side: &Side| side.n.map_or("?".into(), |n: usize| n.to_string());
        tell!(
            "warning: FID of {} against {} images with {dim} features is far above what more images would \
             give; compare it only with FIDs of the same counts, or use kid or \
             fid_inf",
            n(real),
            n(fake)
        );
    }
}
