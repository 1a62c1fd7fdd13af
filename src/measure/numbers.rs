//! From two sides to numbers.

use std::time::Instant;

use anyhow::{Result, bail};
use ganbench_files::memory;
use ganbench_metrics::class_pairs::{ClassLabels, pair_classes};
use ganbench_metrics::fid::stored::fid_of_stored;
use ganbench_metrics::fid::{FidInput, fid_divided};
use ganbench_metrics::intra_fid::{ClassFidInput, class_fids};
use ganbench_metrics::{
    Bootstrap, EvaluationInput, ExtractorId, Features, ImageCounts, Labels, MetricError,
    MetricValue, RealReference, Reals, Settings, Side as Which, Statistics, WithInterval,
    evaluate_timed, metric, needs, with_intervals,
};

use super::collect::Side;
use super::outcome::Seconds;
use crate::machine::UsageError;

/// The real side, which serves any number of sets of fakes.
pub struct RealSide {
    /// None where there are statistics alone.
    reference: Option<RealReference>,
    /// The rest, without the features.
    side: Side,
}

impl RealSide {
    /// # Errors
    /// If a feature is not finite.
    pub fn new(mut side: Side) -> Result<Self> {
        let features = side.features.take();
        let whole = |features| RealReference::whole(features, side.labels.clone());
        let reference = features.map(whole).transpose()?;
        Ok(Self { reference, side })
    }

    fn statistics(&self) -> Result<&Statistics> {
        let of_rows = || self.reference.as_ref().map(RealReference::statistics);
        let statistics = self.side.statistics.as_ref().or_else(of_rows);
        statistics.ok_or_else(|| anyhow::anyhow!("a side without features and without statistics"))
    }
}

/// What to compute.
pub struct Request<'a> {
    /// The real images' side.
    pub real: &'a RealSide,
    /// The fakes' side.
    pub fake: &'a Side,
    /// What both features come from.
    pub extractor: ExtractorId<'a>,
    /// What stored statistics come from, which may be unknown beside images that are not.
    pub stored_extractor: ExtractorId<'a>,
    /// Bare names.
    pub metrics: &'a [&'a str],
    /// The conventions of the metrics.
    pub settings: Settings,
    /// Resamplings behind the intervals; 0 for none.
    pub bootstrap: usize,
    /// Whether intervals have the reals drawn again.
    pub reals: Reals,
}

/// Values with their intervals, and what each family took.
pub struct Measured {
    /// One for each metric.
    pub values: Vec<WithInterval>,
    /// Of intra-class FID.
    pub classes: Vec<ClassValue>,
    /// What rounding in stored statistics may have done to FID; 0 where they are sound.
    pub fid_error: f64,
    /// Time of each family of metrics.
    pub seconds: Seconds,
}

/// FID of one class.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ClassValue {
    /// As the real side numbers it.
    pub class: u32,
    /// Where the classes have names.
    pub name: Option<String>,
    /// FID of the real images and the fakes of the class.
    pub value: f64,
    /// Real images of the class.
    pub n_real: usize,
    /// Fakes of the class.
    pub n_fake: usize,
}

/// Seed of the bootstrap's resamplings.
const SEED: u64 = 0;

/// Computes the metrics.
///
/// # Errors
/// If one needs more than a side holds, or cannot be computed.
pub fn measure(request: Request<'_>) -> Result<Measured> {
    let Request { real, fake, extractor, stored_extractor, metrics, settings, .. } = request;
    let replicates = request.bootstrap;
    let mut seconds = Seconds::default();
    seconds.add("load", fake.load_s);
    seconds.add("extract", fake.extract_s);
    check_features(&request)?;
    check_dimensions(real, fake)?;
    let _held = ask_for_work(&request)?;
    let (mut values, mut classes, mut fid_error) = (Vec::new(), Vec::new(), 0.0);
    let rows = real.reference.is_some() && fake.features.is_some();
    let stored = real.side.stored_statistics || fake.stored_statistics;
    let apart = metrics.contains(&"fid") && (!rows || stored);
    if apart {
        let (mut value, error) = seconds.time("fid", || fid_of_statistics(real, fake, settings))?;
        value.metric = match stored {
            true => stored_extractor.reported_name("fid"),
            false => extractor.reported_name("fid"),
        };
        fid_error = error;
        if error > 0.0 {
            log::warn!(
                "a covariance of the stored statistics has eigenvalues below 0 or is not symmetric, as \
                 sums in f32 leave it; {} is off by at most {error:.3}, an upper bound that is mostly far above the \
                 error; statistics summed in f64 (ganbench features --stats, or numpy.cov of float64 features) have no \
                 such error",
                value.metric
            );
        }
        values.push((value, None));
    }
    let others: Vec<&str> = metrics
        .iter()
        .copied()
        .filter(|name| !(apart && *name == "fid" || *name == INTRA_FID))
        .collect();
    if let (false, Some(fake_rows)) = (others.is_empty(), &fake.features) {
        let none;
        let reference = match &real.reference {
            Some(reference) => reference,
            // The others look at fakes alone.
            None => {
                none = RealReference::whole(Features::empty(fake_rows.dim(), 0), None)?;
                &none
            }
        };
        let labels = real.side.labels.as_deref().zip(fake.labels.as_deref());
        let input = EvaluationInput {
            real: reference,
            fake: fake_rows,
            extractor,
            metrics: Some(&others),
            settings,
            labels: labels.map(|(real, fake)| Labels { real, fake }),
        };
        let evaluation = evaluate_timed(input)?;
        for (family, s) in &evaluation.seconds {
            seconds.add(family, *s);
        }
        let started = Instant::now();
        let bootstrap = Bootstrap { replicates, seed: SEED, reals: request.reals };
        values.extend(with_intervals(&input, evaluation.values, bootstrap)?);
        if replicates > 0 {
            seconds.add("bootstrap", started.elapsed().as_secs_f64());
        }
    }
    if metrics.contains(&INTRA_FID) {
        classes = seconds.time(INTRA_FID, || fid_of_classes(real, fake))?;
        let value = classes.iter().map(|class| class.value).sum::<f64>() / classes.len() as f64;
        let n = |n: fn(&ClassValue) -> usize| classes.iter().map(n).sum();
        let (n_real, n_fake) = (n(|class| class.n_real), n(|class| class.n_fake));
        let metric = extractor.reported_name(INTRA_FID);
        values.push((MetricValue { metric, value, std: None, n_real, n_fake }, None));
    }
    let measured = Measured { values, classes, fid_error, seconds };
    measured.check_finite()?;
    Ok(measured)
}

impl Measured {
    /// Refuses numbers that overflowed: JSON and tables have no place for them.
    fn check_finite(&self) -> Result<()> {
        let of_values = self.values.iter().flat_map(|(value, interval)| {
            let ends = interval.iter().flat_map(|interval| [interval.low, interval.high]);
            let numbers = [value.value].into_iter().chain(value.std).chain(ends);
            numbers.map(|number| (value.metric.as_str(), number))
        });
        let of_classes = self.classes.iter().map(|class| (INTRA_FID, class.value));
        let of_error = [("the error of fid", self.fid_error)];
        let mut all = of_values.chain(of_classes).chain(of_error);
        match all.find(|(_, number)| !number.is_finite()) {
            None => Ok(()),
            Some((name, number)) => bail!(
                "{name} is not finite ({number}): numbers of the features or of their mean and covariance are too \
                 large; scale both sides down by the same factor"
            ),
        }
    }
}

/// Both covariances, a root, and what decomposes them, where FID is computed from them.
const MATRICES: usize = 6;

/// Asks for what is computed beside the features: FID's matrices, which a few rows of many numbers
/// do not show, and a copy of the rows, packed for their neighbours.
fn ask_for_work(request: &Request<'_>) -> Result<memory::Held> {
    let Request { real, fake, metrics, .. } = request;
    let dim = dim_of(real).or_else(|| dim_of_side(fake)).unwrap_or(0);
    let n_real = real.reference.as_ref().map(RealReference::n);
    let n_fake = fake.features.as_ref().map(Features::len);
    let few = n_real.zip(n_fake).is_some_and(|(real, fake)| real < dim && fake < dim);
    let squares = if metrics.contains(&"fid") && !few { MATRICES * dim } else { 0 };
    let rows = if metrics.iter().any(|name| *name != "fid") {
        n_real.unwrap_or(0).saturating_add(n_fake.unwrap_or(0))
    } else {
        0
    };
    let numbers = squares.saturating_mul(size_of::<f64>()).saturating_add(rows * size_of::<f32>());
    let what = || format!("{} of features of {dim} dimensions", metrics.join(", "));
    Ok(memory::ask_for(dim, numbers, what)?)
}

fn dim_of(real: &RealSide) -> Option<usize> {
    let of_rows = real.reference.as_ref().map(RealReference::dim);
    of_rows.or_else(|| dim_of_side(&real.side))
}

fn dim_of_side(side: &Side) -> Option<usize> {
    let of_rows = side.features.as_ref().map(Features::dim);
    of_rows.or_else(|| side.statistics.as_ref().map(Statistics::dim))
}

/// Refuses sides of unlike dimensions before anything is made of either, which may be far larger
/// than both.
fn check_dimensions(real: &RealSide, fake: &Side) -> Result<()> {
    match dim_of(real).zip(dim_of_side(fake)) {
        Some((real, fake)) if real != fake => Err(MetricError::Dimensions { real, fake }.into()),
        _ => Ok(()),
    }
}

const INTRA_FID: &str = "intra_fid";

/// Refuses what takes features that a side does not have.
fn check_features(request: &Request<'_>) -> Result<()> {
    let Request { real, fake, metrics, bootstrap, .. } = request;
    for name in *metrics {
        let reals = real.reference.is_some() || !metric(name)?.looks_at_reals();
        let side = match (reals, fake.features.is_some()) {
            (true, true) => continue,
            (false, _) => Which::Real,
            (true, false) => Which::Fake,
        };
        if *name != "fid" {
            return Err(UsageError::new(format!(
                "the {side} side holds mean and covariance alone, which suffice for fid; {name} needs the \
                 features themselves"
            ))
            .into());
        }
        if *bootstrap > 0 {
            let text = "--bootstrap needs the features themselves, but a side holds mean and covariance \
                        alone";
            return Err(UsageError::new(text).into());
        }
    }
    let stored = real.side.stored_statistics || fake.stored_statistics;
    if stored && *bootstrap > 0 && metrics.contains(&"fid") {
        let text = "--bootstrap draws images again, but fid is computed from mu and sigma of a file; leave \
                    out --bootstrap, or fid from --metrics";
        return Err(UsageError::new(text).into());
    }
    Ok(())
}

/// FID where a side has no features, or its statistics count; and a bound of its error.
fn fid_of_statistics(
    real: &RealSide,
    fake: &Side,
    settings: Settings,
) -> Result<(MetricValue, f64)> {
    let of_fake;
    let fake_statistics = match (&fake.statistics, &fake.features) {
        (Some(statistics), _) => statistics,
        (None, Some(features)) => {
            of_fake = Statistics::from_rows(features.pool_rows())?;
            &of_fake
        }
        (None, None) => bail!("a side without features and without statistics"),
    };
    let input = FidInput { real: real.statistics()?, fake: fake_statistics };
    let (value, error) = match real.side.stored_statistics || fake.stored_statistics {
        true => {
            let fid = fid_of_stored(input, settings.fid_divisor)?;
            (fid.value, fid.error)
        }
        false => (fid_divided(input, settings.fid_divisor)?, 0.0),
    };
    let n = |n: Option<usize>| n.unwrap_or_default();
    let (n_real, n_fake) = (n(input.real.n()), n(input.fake.n()));
    Ok((MetricValue { metric: "fid".into(), value, std: None, n_real, n_fake }, error))
}

/// FID of each class, which are paired by name where both sides have names.
fn fid_of_classes(real: &RealSide, fake: &Side) -> Result<Vec<ClassValue>> {
    let no_labels = MetricError::NoLabels { metric: INTRA_FID };
    let (Some(of_real), Some(of_fake)) = (&real.side.labels, &fake.labels) else {
        return Err(no_labels.into());
    };
    let names = |side: &Side| side.class_names.clone();
    let (real_names, fake_names) = (names(&real.side), names(fake));
    let pairs = pair_classes(
        ClassLabels { labels: of_real, names: real_names.as_deref() },
        ClassLabels { labels: of_fake, names: fake_names.as_deref() },
    )?;
    let (Some(reference), Some(features)) = (&real.reference, &fake.features) else {
        return Err(no_labels.into());
    };
    let classes = class_fids(ClassFidInput {
        real: reference.require_all_rows()?,
        fake: features.pool_rows(),
        labels: Labels { real: &pairs.real, fake: &pairs.fake },
    })?;
    let value = |class: &ganbench_metrics::intra_fid::ClassFid| ClassValue {
        class: class.class,
        name: pairs.names.get(&class.class).cloned(),
        value: class.fid,
        n_real: class.n_real,
        n_fake: class.n_fake,
    };
    Ok(classes.iter().map(value).collect())
}

/// Which of the metrics that nobody asked for by name can be computed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Computable<'a> {
    pub names: Vec<&'a str>,
    /// The others, each with the reason.
    pub missing: Vec<Missing>,
}

/// A metric that could not be computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// As values are named: see [`ExtractorId::reported_name`].
    pub metric: String,
    pub reason: String,
}

/// Sorts the metrics of a protocol by whether these sides allow them.
pub fn computable<'a>(
    names: Vec<&'a str>,
    extractor: ExtractorId<'_>,
    real: &Side,
    fake: &Side,
    settings: Settings,
) -> Computable<'a> {
    let reason = |name: &str| -> Option<String> {
        // FID is never left out: its own error says what is missing.
        if name == "fid" {
            return None;
        }
        let reals = metric(name).is_ok_and(|metric| metric.looks_at_reals());
        let Some(fake) = fake.features.as_ref().filter(|_| !reals || real.features.is_some())
        else {
            return Some(format!("{name} needs the features themselves, not mean and covariance"));
        };
        if name == "is" && fake.logits().is_none() {
            return Some("is needs class logits, which these features do not have".into());
        }
        let n_real = real.features.as_ref().map_or(0, Features::len);
        let n = ImageCounts { real: n_real, fake: fake.len() };
        let enough = metric(name).and_then(|metric| metric.check_counts(n, &settings));
        enough.err().map(|error| error.to_string())
    };
    let mut found = Computable::default();
    let recognised = fake.features.as_ref().is_some_and(|fake| fake.recognitions().is_some());
    // Elsewhere than on shapes nobody misses the metrics of known truth.
    let names = names.into_iter().filter(|name| recognised || !needs(name).recognitions);
    for name in names {
        match reason(name) {
            None => found.names.push(name),
            Some(reason) => {
                let metric = extractor.reported_name(name);
                found.missing.push(Missing { metric, reason });
            }
        }
    }
    found
}
