//! From two sides to numbers.

use std::time::Instant;

use anyhow::{Result, bail};
use ganbench_metrics::fid::{FewSamples, FidInput, fid_divided, fid_of_few_divided};
use ganbench_metrics::{
    EvaluationInput, Features, ImageCounts, Interval, Labels, MetricValue, RealReference, Settings,
    Side as Which, Statistics, bootstrap, evaluate_timed, metric,
};

use super::collect::Side;
use super::outcome::Seconds;
use crate::machine::UsageError;

/// What to compute.
pub struct Request<'a> {
    pub real: Side,
    pub fake: Side,
    /// Name of the extractor, where it is known.
    pub extractor: &'a str,
    /// Bare names; none for all that the default says and the features allow.
    pub metrics: Option<Vec<&'a str>>,
    pub settings: Settings,
    /// Resamplings behind the intervals; 0 for none.
    pub bootstrap: usize,
}

/// Values with their intervals, and what each family took.
pub struct Measured {
    pub values: Vec<(MetricValue, Option<Interval>)>,
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
    let fid_alone = replicates == 0 && metrics.as_ref().is_some_and(|names| names == &["fid"]);
    let whole = real.features.is_some() && fake.features.is_some() && !fid_alone;
    let real_rows = if whole { real.features.take() } else { None };
    let (Some(real_rows), Some(fake_rows)) = (real_rows, &fake.features) else {
        let names = metrics.unwrap_or_else(|| vec!["fid"]);
        if let Some(other) = names.iter().find(|name| **name != "fid") {
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
        let value = seconds.time("fid", || fid_of_sides(&real, &fake, settings))?;
        return Ok(Measured { values: vec![(value, None)], seconds });
    };
    let labels = real.labels.as_deref().zip(fake.labels.as_deref());
    let reference = RealReference::of(real_rows)?;
    let input = EvaluationInput {
        real: &reference,
        fake: fake_rows,
        extractor,
        metrics: metrics.as_deref(),
        settings,
        labels: labels.map(|(real, fake)| Labels { real, fake }),
    };
    let evaluation = evaluate_timed(input)?;
    for (family, s) in &evaluation.seconds {
        seconds.add(family, *s);
    }
    let mut intervals = Vec::new();
    if replicates > 0 {
        let started = Instant::now();
        intervals = bootstrap::intervals(
            &input,
            &evaluation.values,
            bootstrap::Bootstrap { replicates, seed: SEED },
        )?;
        seconds.add("bootstrap", started.elapsed().as_secs_f64());
    }
    let interval = |name: &str| intervals.iter().find(|(of, _)| *of == name).map(|(_, i)| *i);
    let values = evaluation.values.into_iter().map(|v| {
        let found = interval(&v.metric);
        (v, found)
    });
    Ok(Measured { values: values.collect(), seconds })
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

/// Those of the metrics wanted by default that can be computed, with a note on the others.
pub fn possible<'a>(
    names: Vec<&'a str>,
    real: &Side,
    fake: &Side,
    settings: Settings,
) -> Vec<&'a str> {
    let (Some(real), Some(fake)) = (&real.features, &fake.features) else {
        if names != ["fid"] {
            tell!("note: mean and covariance suffice for fid alone");
        }
        return vec!["fid"];
    };
    let n = ImageCounts { real: real.len(), fake: fake.len() };
    let can = |name: &&str| {
        if *name == "is" && fake.logits().is_none() {
            tell!("note: is needs class logits, which these features do not have");
            return false;
        }
        // FID is never left out: its own error says what is missing.
        if *name == "fid" {
            return true;
        }
        let enough = metric(name).and_then(|metric| metric.check_counts(n, &settings));
        if let Err(error) = &enough {
            tell!("note: {error}");
        }
        enough.is_ok()
    };
    names.into_iter().filter(can).collect()
}
