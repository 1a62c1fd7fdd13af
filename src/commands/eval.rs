//! `ganbench eval`: two sets of images in, numbers out.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};
use candle_core::Device;
use clap::Args;
use ganbench_baselines::data::Alpha;
use ganbench_baselines::data::sources::{ImageSource, SourceRequest};
use ganbench_metrics::bootstrap::FEWEST;
use ganbench_metrics::protocol::{self, RealCount};
use ganbench_metrics::{
    Deviations, Done, Extractor, ExtractorId, ExtractorOptions, ImageCounts, Measurement,
    extractor, load_with, metric,
};

use crate::evaluation::{
    Cache, Collect, ExtractorUsed, Images, Keep, Key, Outcome, Request, Side, Sides, both, collect,
    computable, measure, open_images,
};
use crate::machine::{self, UsageError};
use crate::session::weights_source;

/// SRC is a folder of PNG, JPEG, WebP, BMP or TIFF files (at any depth), an .npz with uint8 `arr_0` [N,H,W,3], an
/// .npy or .safetensors of the same, a .parquet of encoded images, `dataset:NAME:SPLIT`, or the folder of
/// a run, whose last checkpoint is sampled.
///
/// Numbers go to stdout, progress to stderr. `ganbench list protocols` and `list metrics` tell the names.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// The real images
    #[arg(long, value_name = "SRC")]
    pub real: String,
    /// The generated images
    #[arg(long, value_name = "SRC")]
    pub fake: String,
    /// How to measure: extractor, conventions and metrics of published numbers
    #[arg(long, default_value = protocol::DEFAULT)]
    pub protocol: String,
    #[command(flatten)]
    pub extractor: ExtractorArgs,
    #[command(flatten)]
    pub metrics: MetricArgs,
    #[command(flatten)]
    pub images: ImageArgs,
    /// Only N images of each side, drawn (of each class its share); of a run, how many are made [default: all; of a run the
    /// protocol's count, else 10000]
    #[arg(long, value_name = "N")]
    pub n: Option<usize>,
    /// Seed of a run's samples
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// The network, and where and how it works.
#[derive(Debug, Args)]
pub struct ExtractorArgs {
    /// Feature extractor: see `ganbench list extractors` [default: the protocol's]
    #[arg(long, value_name = "NAME")]
    pub extractor: Option<String>,
    /// Its weights: a file (.pth, .safetensors), or made:SEED for tests [default: $GANBENCH_WEIGHTS, the
    /// hub]
    #[arg(long, value_name = "FILE")]
    pub weights: Option<String>,
    /// Images that go through the network together; changes no result [default: by threads]
    #[arg(long, value_name = "N")]
    pub batch: Option<usize>,
    /// Inception without Winograd's convolution: features differ by about 1e-5, and take half as long again
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
pub struct ImageArgs {
    /// What becomes of transparent pixels of files: pil drops the alpha channel, as pytorch-fid, clean-fid and
    /// torch-fidelity do; white puts the image on white; refuse is an error
    #[arg(long, value_name = "RULE", default_value_t = Alpha::Pil)]
    pub alpha: Alpha,
    /// Leave damaged images of folders and Parquet files out, and count them in the result, which then differs from
    /// its protocol
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
pub struct MetricArgs {
    /// Metrics by comma: see `ganbench list metrics` [default: the protocol's]
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

impl ExtractorArgs {
    /// Sets the threads and loads the extractor: the one named, else `default`.
    ///
    /// # Errors
    /// If a name, the device or the weights cannot be used.
    pub fn ready(&self, default: &str) -> Result<Ready> {
        let name = self.extractor.as_deref().unwrap_or(default);
        // Before any file is looked at.
        if self.batch == Some(0) {
            return Err(UsageError::new("--batch is 0, expected at least 1").into());
        }
        let entry = extractor::entry(name)?;
        let threads = machine::set_threads(self.threads)?;
        let device = machine::device(&self.device)?;
        let source = weights_source(self.weights.as_deref())?;
        if let (Some(file), true) = (entry.published, source.is_hub()) {
            super::fetch::weights(file, name, self.quiet)?;
        }
        let options = ExtractorOptions {
            device: device.clone(),
            // A few images a thread: weights are read once for all of them.
            batch: self.batch.unwrap_or((4 * threads).max(16)),
            exact: self.exact,
        };
        let extractor = load_with(name, &source, &options)?;
        let cache = if self.no_cache { None } else { Cache::find(self.cache.clone()) };
        Ok(Ready { extractor, device, cache, exact: self.exact, quiet: self.quiet })
    }
}

impl MetricArgs {
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
        let deviations = Deviations {
            metrics: self.metrics.clone(),
            nearest_k: self.k,
            kid_subset: self.kid_subset,
            ..Deviations::default()
        };
        Ok(Measurement::new(protocol, &deviations)?)
    }
}

/// # Errors
/// If the images or the weights cannot be had, or a metric cannot be computed from them.
pub fn run(args: &EvalArgs) -> Result<()> {
    let measurement = args.metrics.measurement(&args.protocol)?;
    let (protocol, settings) = (measurement.protocol, measurement.settings);
    let mut names = measurement.metric_names();
    if args.n == Some(0) {
        return Err(UsageError::new("--n is 0, expected at least 1").into());
    }
    let default = protocol.extractor.as_deref().unwrap_or(extractor::PUBLISHED);
    let ready = args.extractor.ready(default)?;
    let id = ExtractorId::from_extractor(ready.extractor.as_ref());
    // Intervals draw the rows again.
    let few = names == ["fid"] && args.metrics.bootstrap == 0;
    let keep = if few { Keep::Statistics } else { Keep::Rows };
    // Both before the long work on either.
    let n_real = protocol.n_real.and_then(|n| match n {
        RealCount::Exactly(n) => Some(n),
        RealCount::Whole(_) => None,
    });
    let real = open(args, &args.real, n_real, args.seed, &ready);
    let len = real.as_ref().ok().map(|real| real.len());
    let n_fake = protocol.n_fake.and_then(|n| n.count(len));
    let (mut real, mut fake) = both(real, open(args, &args.fake, n_fake, args.seed, &ready))?;
    let n = ImageCounts { real: real.len(), fake: fake.len() };
    if args.metrics.metrics.is_some() {
        let fault = [&real, &fake].into_iter().find_map(|source| source.label_fault());
        if let (true, Some(fault)) = (names.contains(&"intra_fid"), fault) {
            bail!("intra_fid needs the class of each image: {fault}");
        }
        if names.contains(&"is") && ready.extractor.classes() == 0 {
            bail!(
                "is needs class logits, which {} does not have; choose another extractor",
                ready.extractor.name()
            );
        }
        for name in &names {
            metric(name)?.check_counts(n, &settings)?;
        }
    }
    // The cache does not keep labels, which intra-class FID and the draw of a part need.
    let n_fake = settings.n_nearest_fake(n.fake);
    let part = settings.n_nearest_real(n.real, n.fake) < n.real || n_fake < n.fake;
    let cached = !names.contains(&"intra_fid") && !part;
    let (mut real, real_sha256) = features_of(real.as_mut(), keep, &ready, cached)?;
    let (mut fake, fake_sha256) = features_of(fake.as_mut(), keep, &ready, cached)?;
    if args.real == args.fake || real_sha256 == fake_sha256 {
        tell!("warning: --real and --fake are the same images; every distance will be about 0");
    }
    let is_bias = measurement.is_bias(ready.extractor.as_ref());
    if let (true, Some(bias)) = (is_bias, ready.extractor.logit_bias()) {
        for side in [&mut real, &mut fake] {
            if let Some(features) = &mut side.features {
                features.add_to_logits(bias)?;
            }
        }
    }
    let mut missing = Vec::new();
    if args.metrics.metrics.is_none() && keep == Keep::Rows {
        let found = computable(names, id, &real, &fake, settings);
        (names, missing) = (found.names, found.missing);
    }
    warn_of_few(&real, &fake, ready.extractor.feature_dim(), &names);
    let repeats = sets_of_fakes(args, protocol.repeats);
    let images_read = Sides { real: real.images.take(), fake: fake.images.take() };
    images_read.tell_hints();
    let label = measurement.label(&Done {
        extractor: id.name,
        weights_sha256: id.weights_sha256,
        // A name may hold colons itself (folder:PATH).
        split: args.real.strip_prefix("dataset:").and_then(|text| text.rsplit(':').next()),
        whole_split: args.real.starts_with("dataset:").then_some(args.n.is_none()),
        n_real: real.n,
        n_fake: fake.n,
        repeats,
        is_bias,
        metrics: &names,
        sampling: None,
        further: &images_read.differences(),
    });
    let (n_real, n_fake) = (real.n, fake.n);
    let bootstrap = args.metrics.bootstrap;
    let request = Request { real, fake, extractor: id, metrics: names, settings, bootstrap };
    let measured = measure(request)?;
    let outcome = Outcome {
        values: measured.values,
        missing,
        n_real,
        n_fake,
        real_sha256: Some(real_sha256),
        fake_sha256: Some(fake_sha256),
        images_read,
        extractor: Some(ExtractorUsed {
            name: id.name.into(),
            sha256: id.weights_sha256.into(),
            exact: ready.exact,
        }),
        label,
        seconds: measured.seconds,
        peak_rss_mb: machine::peak_rss_mb(),
    };
    outcome.print(args.metrics.json)
}

/// Sets of fakes that are measured: images that lie there are one set.
fn sets_of_fakes(_args: &EvalArgs, _of_protocol: usize) -> usize {
    1
}

/// The images of one `SRC`.
fn open(
    args: &EvalArgs,
    text: &str,
    wanted: Option<usize>,
    seed: u64,
    ready: &Ready,
) -> Result<Box<dyn ImageSource>> {
    let mut request = args.images.request(text);
    request.root = args.extractor.data.clone();
    request.limit = args.n;
    open_images(Images {
        request: &request,
        n: wanted.unwrap_or(10_000),
        seed,
        device: &ready.device,
        quiet: ready.quiet,
    })
}

/// Features of a source, from the cache where they are there and that is allowed; and the hash of the
/// images.
///
/// # Errors
/// If the images cannot be read or the extractor cannot take them. A cache that cannot be written to is a
/// note.
pub fn features_of(
    source: &mut dyn ImageSource,
    keep: Keep,
    ready: &Ready,
    cached: bool,
) -> Result<(Side, String)> {
    let extractor = ready.extractor.as_ref();
    let how = Collect { extractor, keep, quiet: ready.quiet };
    let started = Instant::now();
    let content_sha256 = source.content_sha256()?;
    let Some(cache) = ready.cache.as_ref().filter(|_| cached) else {
        let load_s = started.elapsed().as_secs_f64();
        let mut side = collect(source, how)?;
        side.load_s += load_s;
        return Ok((side, content_sha256));
    };
    let device = ready.device.location();
    let key = Key { content_sha256: &content_sha256, extractor, exact: ready.exact, device, keep };
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
        let mut side = Side { load_s, n: Some(source.len()), ..side };
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
    // Where images turned out to be damaged only when they were decoded, the hash is that of more images.
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
