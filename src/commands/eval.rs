//! `ganbench eval`: two sets of images in, numbers out.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};
use candle_core::Device;
use clap::Args;
use ganbench_baselines::data::Alpha;
use ganbench_baselines::data::sources::{ImageSource, SourceRequest};
use ganbench_metrics::bootstrap::FEWEST;
use ganbench_metrics::protocol::{self, LabelRule, Protocol, RealCount};
use ganbench_metrics::{
    Deviations, Done, Extractor, ExtractorId, ExtractorOptions, ImageCounts, Measurement, Settings,
    WithInterval, extractor, inception, load_with, metric,
};
use ganbench_reports::short_hash;

use super::metrics::FilePair;
use crate::evaluation::{
    Cache, ClassValue, Collect, ExtractorUsed, Images, Keep, Key, Kind, Measured, Opened, Origin,
    Outcome, RealSide, Request, Seconds, Side, Sides, both, collect, computable, is_of_extractor,
    measure,
};
use crate::machine::{self, UsageError};
use crate::pipeline::{mean, sample_seeds};
use crate::session::weights_source;

/// SRC is a folder of PNG, JPEG, WebP, BMP or TIFF files (at any depth), an .npz with uint8 `arr_0` [N,H,W,3], an
/// .npy or .safetensors of the same, a .parquet of encoded images, `dataset:NAME:SPLIT`, or the folder of
/// a run, whose last checkpoint is sampled; or features or statistics, as `ganbench metrics` reads them. Of an
/// .npz with `arr_0` and with `mu` and `sigma`, `--protocol adm` takes FID from the latter.
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
    /// pytorch-fid's --dims: the extractor inception-pytorch-fid (2048) or an earlier layer of it
    #[arg(long, value_name = "N", conflicts_with = "extractor", value_parser = ["64", "192", "768", "2048"])]
    pub dims: Option<String>,
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
    if args.n == Some(0) {
        return Err(UsageError::new("--n is 0, expected at least 1").into());
    }
    if [&args.real, &args.fake].iter().all(|text| Kind::probe(text) == Kind::Numbers) {
        machine::set_threads(args.extractor.threads)?;
        let pair = FilePair { real: args.real.as_ref(), fake: args.fake.as_ref(), logits: None };
        return super::metrics::measure_files(pair, &measurement, &args.metrics);
    }
    let (protocol, settings) = (measurement.protocol, measurement.settings);
    let mut names = measurement.metric_names();
    let default = protocol.extractor.as_deref().unwrap_or(extractor::PUBLISHED);
    let ready = args.extractor.ready(default)?;
    ready.announce()?;
    // Intervals draw the rows again.
    let few = names == ["fid"] && args.metrics.bootstrap == 0;
    let keep = if few { Keep::Statistics } else { Keep::Rows };
    // Both before the long work on either.
    let n_real = protocol.n_real.and_then(|n| match n {
        RealCount::Exactly(n) => Some(n),
        RealCount::Whole(_) => None,
    });
    let real = open(args, &args.real, n_real, &ready, protocol);
    let len = real.as_ref().ok().and_then(Opened::len);
    let n_fake = protocol.n_fake.and_then(|n| n.count(len));
    let (real, fake) = both(real, open(args, &args.fake, n_fake, &ready, protocol))?;
    let used = ExtractorId::from_extractor(ready.extractor.as_ref());
    let known = is_known(&args.real, &real, used)? & is_known(&args.fake, &fake, used)?;
    let id = if known { used } else { ExtractorId::UNKNOWN };
    let stored = is_known_beside_images(&args.real, &real, used, protocol)
        & is_known_beside_images(&args.fake, &fake, used, protocol);
    let stored_extractor = if stored { id } else { ExtractorId::UNKNOWN };
    if args.metrics.metrics.is_some() {
        check_named(&names, &ready, [&real, &fake], &settings)?;
    }
    let [real_used, fake_used] = [&real, &fake].map(Opened::used);
    let mut real = numbers_of(&real, args.seed, None, keep, &ready)?;
    let counts = uneven_class_counts(real.side.labels.as_deref());
    let sampling = match &fake {
        Opened::Run(run) => Some(run.sampling(protocol.labels, counts.is_some())),
        _ => None,
    };
    let counts = counts.filter(|_| protocol.labels == LabelRule::Data);
    // Images that lie there are one set.
    let repeats = if sampling.is_some() { protocol.repeats.max(1) } else { 1 };
    let mut seeds = sample_seeds(args.seed, repeats);
    let set = |seed| {
        let mut set = numbers_of(&fake, seed, counts.clone(), keep, &ready)?;
        let bias = ready.extractor.logit_bias().filter(|_| known && measurement.protocol.is_bias);
        if let (Some(features), Some(bias)) = (&mut set.side.features, bias) {
            features.add_to_logits(bias)?;
        }
        anyhow::Ok(set)
    };
    let mut first = set(seeds.next().unwrap_or(args.seed))?;
    if args.real == args.fake || real.sha256.is_some() && real.sha256 == first.sha256 {
        tell!("warning: --real and --fake are the same images; every distance will be about 0");
    }
    let mut missing = Vec::new();
    if args.metrics.metrics.is_none() && keep == Keep::Rows {
        let found = computable(names, id, &real.side, &first.side, settings);
        (names, missing) = (found.names, found.missing);
    }
    warn_of_few(&real.side, &first.side, ready.extractor.feature_dim(), &names);
    let (n_real, n_fake) = (real.side.n, first.side.n);
    let images_read = Sides { real: real.side.images.take(), fake: first.side.images.take() };
    images_read.tell_hints();
    let label = measurement.label(&Done {
        extractor: id.name,
        weights_sha256: id.weights_sha256,
        // A name may hold colons itself (folder:PATH).
        split: args.real.strip_prefix("dataset:").and_then(|text| text.rsplit(':').next()),
        whole_split: args.real.starts_with("dataset:").then_some(args.n.is_none()),
        n_real,
        n_fake,
        repeats,
        is_bias: known && measurement.is_bias(ready.extractor.as_ref()),
        metrics: &names,
        sampling,
        further: &images_read.differences(),
    });
    let mut sets = Sets::default();
    sets.seconds.add("load", real.side.load_s);
    sets.seconds.add("extract", real.side.extract_s);
    let (real_sha256, fake_sha256) = (real.sha256, first.sha256);
    let real = RealSide::new(real.side)?;
    let mut measure_set = |fake: &Side| {
        let bootstrap = args.metrics.bootstrap;
        let (real, metrics) = (&real, names.as_slice());
        sets.add(measure(Request {
            real,
            fake,
            extractor: id,
            stored_extractor,
            metrics,
            settings,
            bootstrap,
        })?);
        anyhow::Ok(())
    };
    measure_set(&first.side)?;
    drop(first.side);
    for seed in seeds {
        measure_set(&set(seed)?.side)?;
    }
    let measured = sets.mean();
    let outcome = Outcome {
        values: measured.values,
        classes: measured.classes,
        fid_error: measured.fid_error,
        missing,
        n_real,
        n_fake,
        repeats,
        real_used,
        fake_used,
        real_sha256,
        fake_sha256,
        images_read,
        extractor: known.then(|| ExtractorUsed {
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

/// Whether a side's features come from the extractor in use.
///
/// # Errors
/// If a file says that they come from another one.
fn is_known(name: &str, opened: &Opened, extractor: ExtractorId<'_>) -> Result<bool> {
    match opened {
        Opened::Numbers(file) => {
            is_of_extractor(Origin { name, meta: file.meta.as_ref() }, extractor)
        }
        Opened::Images { .. } | Opened::Run(_) => Ok(true),
    }
}

/// Whether `mu` and `sigma` beside images come from the extractor in use. They do not say, but the protocol
/// that takes them does.
fn is_known_beside_images(
    name: &str,
    opened: &Opened,
    extractor: ExtractorId<'_>,
    protocol: &Protocol,
) -> bool {
    let Opened::Images { statistics: Some(_), .. } = opened else { return true };
    let known = protocol.extractor.as_deref() == Some(extractor.name);
    match known {
        true => tell!(
            "note: mu and sigma of {name} are taken for those of {}, as protocol {} has it",
            extractor.name,
            protocol.name
        ),
        false => tell!(
            "note: nothing says that mu and sigma of {name} are of {}; fid is named fid@unknown",
            extractor.name
        ),
    }
    known
}

/// Refuses metrics that were asked for by name and cannot be had, before the long work.
fn check_named(
    names: &[&str],
    ready: &Ready,
    [real, fake]: [&Opened; 2],
    settings: &Settings,
) -> Result<()> {
    let fault = [real, fake].into_iter().find_map(Opened::label_fault);
    if let (true, Some(fault)) = (names.contains(&"intra_fid"), fault) {
        bail!("intra_fid needs the class of each image: {fault}");
    }
    let of_file = matches!(fake, Opened::Numbers(_));
    if names.contains(&"is") && ready.extractor.classes() == 0 && !of_file {
        bail!(
            "is needs class logits, which {} does not have; choose another extractor",
            ready.extractor.name()
        );
    }
    if let (Some(real), Some(fake)) = (real.len(), fake.len()) {
        for name in names {
            metric(name)?.check_counts(ImageCounts { real, fake }, settings)?;
        }
    }
    Ok(())
}

/// How many images there are of each class, where the classes are uneven.
fn uneven_class_counts(labels: Option<&[u32]>) -> Option<Vec<u64>> {
    let mut counts: Vec<u64> = Vec::new();
    for &class in labels? {
        let class = class as usize;
        counts.resize(counts.len().max(class + 1), 0);
        counts[class] += 1;
    }
    (counts.iter().min() != counts.iter().max()).then_some(counts)
}

/// A side with the hash of its images, where they are images.
struct Numbers {
    side: Side,
    sha256: Option<String>,
}

/// The features of a side. `seed` and `class_counts` are of a run's samples.
fn numbers_of(
    opened: &Opened,
    seed: u64,
    class_counts: Option<Vec<u64>>,
    keep: Keep,
    ready: &Ready,
) -> Result<Numbers> {
    let (side, sha256) = match opened {
        Opened::Numbers(file) => return Ok(Numbers { side: file.side.clone(), sha256: None }),
        Opened::Run(run) => features_of(&mut run.sample(seed, class_counts)?, keep, ready)?,
        Opened::Images { source, statistics, .. } => {
            let (mut side, sha256) = features_of(source.borrow_mut().as_mut(), keep, ready)?;
            if let Some(statistics) = statistics {
                side.statistics = Some(statistics.clone());
                side.stored_statistics = true;
            }
            (side, sha256)
        }
    };
    Ok(Numbers { side, sha256: Some(sha256) })
}

/// Measurements of several sets of fakes.
#[derive(Default)]
struct Sets {
    values: Vec<Vec<WithInterval>>,
    classes: Vec<Vec<ClassValue>>,
    fid_error: f64,
    seconds: Seconds,
}

impl Sets {
    fn add(&mut self, measured: Measured) {
        self.values.push(measured.values);
        self.classes.push(measured.classes);
        self.fid_error = self.fid_error.max(measured.fid_error);
        self.seconds.extend(&measured.seconds);
    }

    fn mean(self) -> Measured {
        let n = self.classes.len() as f64;
        let mut classes = self.classes.first().cloned().unwrap_or_default();
        for (i, class) in classes.iter_mut().enumerate() {
            class.value = self.classes.iter().map(|set| set[i].value).sum::<f64>() / n;
        }
        let values = mean(self.values);
        Measured { values, classes, fid_error: self.fid_error, seconds: self.seconds }
    }
}

/// One `SRC`.
fn open(
    args: &EvalArgs,
    text: &str,
    wanted: Option<usize>,
    ready: &Ready,
    protocol: &Protocol,
) -> Result<Opened> {
    let mut request = args.images.request(text);
    request.root = args.extractor.data.clone();
    request.limit = args.n;
    let images = Images {
        request: &request,
        n: wanted.unwrap_or(10_000),
        seed: args.seed,
        device: &ready.device,
        quiet: ready.quiet,
    };
    Opened::open(images, protocol.stored_statistics)
}

/// Features of a source, from the cache where they are there; and the hash of the images.
///
/// # Errors
/// If the images cannot be read or the extractor cannot take them. A cache that cannot be written to is a
/// note.
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
