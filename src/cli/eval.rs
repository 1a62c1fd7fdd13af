//! `ganbench eval`: two sets of images in, numbers out.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use ganbench_metrics::protocol::{self, LabelRule, Protocol, RealCount};
use ganbench_metrics::{Done, ExtractorId, ImageCounts, Settings, WithInterval, extractor, metric};

use super::extraction::{ExtractorArgs, ImageArgs, MetricArgs, Ready, features_of, warn_of_few};
use super::metrics::FilePair;
use super::process;
use super::tell::show;
use crate::machine::{self, UsageError};
use crate::measure::{
    Appended, ClassValue, ExtractorUsed, Images, Keep, Kind, Measured, Opened, Origin, Outcome,
    RealSide, Request, Seconds, Side, Sides, append, both, computable, is_of_extractor, measure,
    note_protocol,
};
use crate::run::pipeline::{mean, sample_seeds};
use crate::run::reals::uneven_class_counts;

/// SRC is a folder of PNG, JPEG, WebP, BMP or TIFF files (at any depth), an .npz with uint8 `arr_0`
/// [N,H,W,3], an .npy or .safetensors of the same, a .parquet of encoded images,
/// `dataset:NAME:SPLIT`, or the folder of a run, whose last checkpoint is sampled; or features or
/// statistics, as `ganbench metrics` reads them. Of an .npz with `arr_0` and with `mu` and `sigma`,
/// `--protocol adm` takes FID from the latter.
///
/// Numbers go to stdout, progress to stderr. `ganbench list protocols` and `list metrics` tell the
/// names.
#[derive(Debug, Args)]
pub struct EvalArgs {
    #[command(flatten)]
    pub sides: SideArgs,
    /// How to measure: extractor, conventions and metrics of published numbers
    #[arg(long, default_value = protocol::DEFAULT)]
    pub protocol: String,
    #[command(flatten)]
    pub extractor: ExtractorArgs,
    #[command(flatten)]
    pub metrics: MetricArgs,
    #[command(flatten)]
    pub images: ImageArgs,
    /// Only N images of each side, drawn (of each class its share); of a run, how many are made
    /// [default: all; of a run the protocol's count, else 10000]
    #[arg(long, value_name = "N")]
    pub n: Option<usize>,
    /// Seed of a run's samples; where no side is a run, of the draw of the images that --n leaves,
    /// which protocols draw with seed 0
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub append: AppendArgs,
}

/// The two sets of images. Each is given by its place, or by its flag as in former versions.
#[derive(Debug, Args)]
pub struct SideArgs {
    /// The real images
    #[arg(value_name = "REAL", required_unless_present = "real_flag")]
    pub real: Option<String>,
    /// The generated images
    #[arg(value_name = "FAKE", required_unless_present = "fake_flag")]
    pub fake: Option<String>,
    /// As REAL
    #[arg(
        id = "real_flag",
        long = "real",
        value_name = "SRC",
        conflicts_with = "real",
        hide = true
    )]
    pub real_flag: Option<String>,
    /// As FAKE
    #[arg(
        id = "fake_flag",
        long = "fake",
        value_name = "SRC",
        conflicts_with = "fake",
        hide = true
    )]
    pub fake_flag: Option<String>,
}

/// Where the numbers are added, and under which name.
#[derive(Debug, Args)]
#[command(next_help_heading = "Adding to results")]
pub struct AppendArgs {
    /// Add the numbers to these results of runs: a row METHOD with --seed joins their tables and
    /// comparisons. The data set, its split, the extractor, the protocol and the counts must be
    /// those of the file
    #[arg(long, value_name = "RESULTS", requires = "method")]
    pub append: Option<PathBuf>,
    /// What tables call the images of --append
    #[arg(long, value_name = "NAME", requires = "append")]
    pub method: Option<String>,
    /// Thousands of real images that the model of --append was shown [default: not known]
    #[arg(long, value_name = "KIMG", requires = "append")]
    pub kimg: Option<f64>,
}

impl EvalArgs {
    /// The real images, given in either way.
    fn real(&self) -> &str {
        self.sides.real.as_deref().or(self.sides.real_flag.as_deref()).unwrap_or_default()
    }

    /// The generated images, given in either way.
    fn fake(&self) -> &str {
        self.sides.fake.as_deref().or(self.sides.fake_flag.as_deref()).unwrap_or_default()
    }
}

/// # Errors
/// If the images or the weights cannot be had, or a metric cannot be computed from them.
pub fn run(args: &EvalArgs) -> Result<()> {
    let measurement = args.metrics.measurement(&args.protocol)?;
    if args.n == Some(0) {
        return Err(UsageError::new("--n is 0, expected at least 1").into());
    }
    if [args.real(), args.fake()].iter().all(|text| Kind::probe(text) == Kind::Numbers) {
        process::set_threads(args.extractor.threads)?;
        let pair =
            FilePair { real: args.real().as_ref(), fake: args.fake().as_ref(), logits: None };
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
    let real = open(args, args.real(), n_real, &ready, protocol);
    let len = real.as_ref().ok().and_then(Opened::n_images);
    let n_fake = protocol.n_fake.and_then(|n| n.count(len));
    let (real, fake) = both(real, open(args, args.fake(), n_fake, &ready, protocol))?;
    let used = ExtractorId::from_extractor(ready.extractor.as_ref());
    let known = is_known(args.real(), &real, used)? & is_known(args.fake(), &fake, used)?;
    for (name, opened) in [(args.real(), &real), (args.fake(), &fake)] {
        if let Opened::Numbers(file) = opened {
            note_protocol(Origin { name, meta: file.meta.as_ref() }, &protocol.name);
        }
    }
    let id = if known { used } else { ExtractorId::UNKNOWN };
    let stored = is_known_beside_images(args.real(), &real, used, protocol)
        & is_known_beside_images(args.fake(), &fake, used, protocol);
    let stored_extractor = if stored { id } else { ExtractorId::UNKNOWN };
    if args.metrics.are_named() {
        check_named(&names, &ready, [&real, &fake], &settings)?;
    }
    let [real_used, fake_used] = [&real, &fake].map(Opened::used);
    let real_opened = real;
    let mut real = numbers_of(&real_opened, args.seed, None, keep, &ready)?;
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
    if args.real() == args.fake() || real.sha256.is_some() && real.sha256 == first.sha256 {
        tell!("warning: --real and --fake are the same images; every distance will be about 0");
    }
    let mut missing = Vec::new();
    if !args.metrics.are_named() && keep == Keep::Rows {
        let found = computable(names, id, &real.side, &first.side, settings);
        (names, missing) = (found.names, found.missing);
    }
    warn_of_few(&real.side, &first.side, ready.extractor.feature_dim(), &names);
    let (n_real, n_fake) = (real.side.n, first.side.n);
    let images_read = Sides { real: real.side.images.take(), fake: first.side.images.take() };
    images_read.tell_hints();
    let mut further = images_read.differences();
    for (which, opened, n) in [("real", &real_opened, n_real), ("fake", &fake, n_fake)] {
        further.extend(drawn_otherwise(args, which, opened, n));
    }
    // A name may hold colons itself (folder:PATH).
    let split = args.real().strip_prefix("dataset:").and_then(|text| text.rsplit(':').next());
    let dataset_sha256 = match &real_opened {
        Opened::Images { source, .. } => source.borrow().dataset_sha256().map(str::to_string),
        Opened::Run(_) | Opened::Numbers(_) => None,
    };
    let label = measurement.label(&Done {
        extractor: id.name,
        weights_sha256: id.weights_sha256,
        split,
        whole_split: args.real().starts_with("dataset:").then_some(args.n.is_none()),
        n_real,
        n_fake,
        repeats,
        is_bias: known && measurement.is_bias(ready.extractor.as_ref()),
        metrics: &names,
        sampling,
        further: &further,
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
            reals: args.metrics.reals(),
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
        asked: Some(args.metrics.asked(&args.protocol, &ready.device)),
        seconds: measured.seconds,
        peak_rss_mb: machine::peak_rss_mb(),
    };
    show(&outcome, args.metrics.json)?;
    if let (Some(path), Some(method)) = (&args.append.append, &args.append.method) {
        let (seed, kimg) = (args.seed, args.append.kimg);
        append(&Appended { path, method, seed, kimg, dataset_sha256, split }, &outcome)?;
    }
    Ok(())
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

/// Whether `mu` and `sigma` beside images come from the extractor in use. They do not say, but the
/// protocol that takes them does.
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

/// Seed with which protocols draw a part of a set.
const DRAW_SEED: u64 = 0;

/// Seed of the draw of the images that `--n` leaves. Sets of samples of a run are to be compared
/// with the same real images, whatever the seed of the samples.
fn draw_seed(args: &EvalArgs) -> u64 {
    let is_of_run = [args.real(), args.fake()].iter().any(|text| Kind::probe(text) == Kind::Run);
    if is_of_run { DRAW_SEED } else { args.seed }
}

/// What to say of a side whose images were drawn with another seed than a protocol's. `n`: how many
/// there are.
fn drawn_otherwise(
    args: &EvalArgs,
    which: &str,
    opened: &Opened,
    n: Option<usize>,
) -> Option<String> {
    let Opened::Images { source, .. } = opened else { return None };
    // Fewer than asked for are all that there are, but for those that are damaged.
    let asked_for = Some(n? + source.borrow().reading().skipped.count);
    let seed = draw_seed(args);
    (seed != DRAW_SEED && args.n == asked_for)
        .then(|| format!("{which} images drawn with seed {seed} (expected {DRAW_SEED})"))
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
    if let (Some(real), Some(fake)) = (real.n_images(), fake.n_images()) {
        for name in names {
            metric(name)?.check_counts(ImageCounts { real, fake }, settings)?;
        }
    }
    Ok(())
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
    (request.limit, request.seed) = (args.n, draw_seed(args));
    let images = Images {
        request: &request,
        n: wanted.unwrap_or(10_000),
        seed: args.seed,
        device: &ready.device,
        quiet: ready.quiet,
    };
    Opened::open(images, protocol.stored_statistics)
}
