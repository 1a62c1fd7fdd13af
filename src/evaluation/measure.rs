//! From two sides to numbers.

use std::time::Instant;

use anyhow::{Result, bail};
use ganbench_metrics::fid::{FewSamples, FidInput, fid_divided, fid_of_few_divided};
use ganbench_metrics::{
    Bootstrap, EvaluationInput, ExtractorId, Features, ImageCounts, Labels, MetricValue,
    RealReference, Settings, Side as Which, Statistics, WithInterval, evaluate_timed, metric,
    with_intervals,
};

use super::collect::Side;
use super::outcome::Seconds;
use crate::machine::UsageError;

/// What to compute.
pub struct Request<'a> {
    pub real: Side,
    pub fake: Side,
    /// What both features come from.
    pub extractor: ExtractorId<'a>,
    /// Bare names.
    pub metrics: Vec<&'a str>,
    pub settings: Settings,
    /// Resamplings behind the intervals; 0 for none.
    pub bootstrap: usize,
}

/// Values with their intervals, and what each family took.
pub struct Measured {
    pub values: Vec<WithInterval>,
    pub seconds: Seconds,
}

/// Seed of the bootstrap's resamplings.
const SEED: u64 = 0;

/// Computes the metrics.
///
/// # Errors
/// If one needs more than a side holds, or cannot be computed.
pub fn measure(request: Request<'_>) -> Result<Measured> {
    let Request { mut real, fake, extractor, metrics, settings, bootstrap: replicates } = request;
    let mut seconds = Seconds::default();
    seconds.add("load", real.load_s + fake.load_s);
    seconds.add("extract", real.extract_s + fake.extract_s);
    // Without intervals FID alone is had from less.
    let fid_alone = replicates == 0 && metrics == ["fid"];
    let whole = real.features.is_some() && fake.features.is_some() && !fid_alone;
    let real_rows = if whole { real.features.take() } else { None };
    let (Some(real_rows), Some(fake_rows)) = (real_rows, &fake.features) else {
        if let Some(other) = metrics.iter().find(|name| **name != "fid") {
            let side = if real.features.is_none() { Which::Real } else { Which::Fake };
            return Err(UsageError::new(format!(
                "the {side} side holds mean and covariance alone, which suffice for fid; {other} needs the \
                 features themselves"
            ))
            .into());
        }
        if replicates > 0 {
            let text = "--bootstrap needs the features themselves, but a side holds mean and covariance \
                        alone";
            return Err(UsageError::new(text).into());
        }
        let mut value = seconds.time("fid", || fid_of_sides(&real, &fake, settings))?;
        value.metric = extractor.reported_name("fid");
        return Ok(Measured { values: vec![(value, None)], seconds });
    };
    let labels = real.labels.as_deref().zip(fake.labels.as_deref());
    let reference = RealReference::whole(real_rows, real.labels.clone())?;
    let input = EvaluationInput {
        real: &reference,
        fake: fake_rows,
        extractor,
        metrics: Some(&metrics),
        settings,
        labels: labels.map(|(real, fake)| Labels { real, fake }),
    };
    let evaluation = evaluate_timed(input)?;
    for (family, s) in &evaluation.seconds {
        seconds.add(family, *s);
    }
    let started = Instant::now();
    let values = with_intervals(&input, evaluation.values, Bootstrap { replicates, seed: SEED })?;
    if replicates > 0 {
        seconds.add("bootstrap", started.elapsed().as_secs_f64());
    }
    Ok(Measured { values, seconds })
}

/// FID from whatever both sides hold.
fn fid_of_sides(real: &Side, fake: &Side, settings: Settings) -> Result<MetricValue> {
    let few = |side: &Side| side.features.as_ref().is_some_and(|f| f.len() < f.dim());
    let value = match (&real.features, &fake.features) {
        (Some(a), Some(b)) if few(real) && few(fake) => fid_of_few_divided(
            FewSamples { real: a.pool_rows(), fake: b.pool_rows() },
            settings.fid_divisor,
        )?,
        _ => {
            let (a, b) = (statistics(real)?, statistics(fake)?);
            fid_divided(FidInput { real: &a, fake: &b }, settings.fid_divisor)?
        }
    };
    let n = |side: &Side| side.n.unwrap_or_default();
    Ok(MetricValue { metric: "fid".into(), value, std: None, n_real: n(real), n_fake: n(fake) })
}

fn statistics(side: &Side) -> Result<Statistics> {
    match (&side.statistics, &side.features) {
        (Some(statistics), _) => Ok(statistics.clone()),
        (None, Some(features)) => Ok(Statistics::of(Features::pool_rows(features))?),
        (None, None) => bail!("a side without features and without statistics"),
    }
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
        let (Some(real), Some(fake)) = (&real.features, &fake.features) else {
            let text = format!("{name} needs the features themselves, not mean and covariance");
            return (name != "fid").then_some(text);
        };
        if name == "is" && fake.logits().is_none() {
            return Some("is needs class logits, which these features do not have".into());
        }
        // FID is never left out: its own error says what is missing.
        let n = ImageCounts { real: real.len(), fake: fake.len() };
        let enough = metric(name).and_then(|metric| metric.check_counts(n, &settings));
        enough.err().filter(|_| name != "fid").map(|error| error.to_string())
    };
    let mut found = Computable::default();
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
