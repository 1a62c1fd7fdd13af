//! `ganbench compare`: whether two results differ by more than chance.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use ganbench_metrics::bootstrap::NORMAL_975;
use ganbench_metrics::metric;
use serde::Serialize;
use serde_json::Value;

use super::compare_jointly::shared_reals;
use crate::report::cards;
use crate::report::comparison;

/// A and B are results of runs (a run, a folder of runs, the folder of a sweep, results.parquet or
/// results.csv), or JSON of `ganbench eval`. Only numbers of the same protocol, extractor, weights
/// and counts are compared, and of runs the same data, networks, batch and budget; of JSON it is
/// for you to know that the real images were the same. Runs are compared by the rule of tables:
/// over seeds, with variances that the rows lend one another, collapsed runs apart.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The first result: JSON of `eval`, a results file, or a folder of runs
    pub a: PathBuf,
    /// [default: A, whose rows are compared with its row --reference]
    #[arg(required_unless_present = "reference")]
    pub b: Option<PathBuf>,
    /// Compare every other row of A with this one
    #[arg(long, value_name = "ROW", conflicts_with = "b")]
    pub reference: Option<String>,
    /// Which checkpoint of runs: last or best
    #[arg(long, default_value = "last")]
    pub checkpoint: String,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Where the features of two `eval`s were kept [default: $GANBENCH_CACHE, ~/.cache/ganbench]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

/// What two numbers must share to be compared: shown where they do not.
type Measure = BTreeMap<&'static str, String>;

/// One metric of one side.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    value: f64,
    /// Standard error, where there is a bootstrap interval.
    error: Option<f64>,
    measure: Measure,
}

/// A difference and what is known of it.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    what: &'static str,
    pub(super) metric: String,
    a: f64,
    b: f64,
    /// a − b
    difference: f64,
    /// 95 % interval of the difference.
    pub(super) ci_low: Option<f64>,
    ci_high: Option<f64>,
    verdict: String,
    /// Of two sets against the same real images: what became of the noise that both share.
    pub(super) shared_reals: Option<&'static str>,
}

/// # Errors
/// If a file cannot be read, or the two have nothing in common that may be compared.
pub fn run(args: &CompareArgs) -> Result<()> {
    let is_json = |path: &Path| path.extension().is_some_and(|e| e == "json");
    let path_b = match args.b.as_deref() {
        Some(b) if is_json(&args.a) && is_json(b) => b,
        Some(b) if is_json(&args.a) || is_json(b) => bail!(
            "one of {} and {} is JSON of eval and the other is results of runs; add the images to the results with \
             eval --append and compare their row",
            args.a.display(),
            b.display()
        ),
        _ => return runs(args),
    };
    let (a, b) = (of_json(&args.a)?, of_json(path_b)?);
    let shared = shared_reals([&args.a, path_b], args.cache.as_ref())?;
    let mut lines = Vec::new();
    let mut refused = Vec::new();
    for (name, sample) in &a {
        let Some(other) = b.get(name) else { continue };
        let keys: BTreeSet<_> = sample.measure.keys().chain(other.measure.keys()).collect();
        let differing: Vec<String> = keys
            .into_iter()
            .filter(|key| sample.measure.get(*key) != other.measure.get(*key))
            .filter(|key| **key != REAL_IMAGES || both_known(sample, other))
            .map(|key| {
                let of = |sample: &Sample| match sample.measure.get(key).map(String::as_str) {
                    None | Some("") => "unknown".to_string(),
                    Some(value) => value.to_string(),
                };
                format!("{key} {} against {}", of(sample), of(other))
            })
            .collect();
        if differing.is_empty() {
            lines.push(shared.line(line(name, sample, other), (sample, other)));
        } else {
            refused.push(format!("{name} of {IMAGES}: {}", differing.join(", ")));
        }
    }
    tell_refused(&refused, lines.is_empty(), [&args.a, path_b])?;
    shared.tell();
    print(&lines, args.json, text)
}

/// Says what was not compared.
///
/// # Errors
/// If nothing was.
fn tell_refused(refused: &[String], is_nothing: bool, [a, b]: [&Path; 2]) -> Result<()> {
    refused.iter().for_each(|text| tell!("not compared: {text}"));
    if is_nothing {
        bail!(
            "{} and {} have no number in common that was measured alike",
            a.display(),
            b.display()
        );
    }
    Ok(())
}

fn print<L: Serialize>(lines: &[L], json: bool, text: impl Fn(&L) -> String) -> Result<()> {
    for line in lines {
        match json {
            true => crate::cli::tell::json(line)?,
            false => say!("{}", text(line)),
        }
    }
    Ok(())
}

/// What lines call the things that two `eval`s measured.
const IMAGES: &str = "images";

const REAL_IMAGES: &str = "real images";

/// `metrics` knows features only.
fn both_known(a: &Sample, b: &Sample) -> bool {
    [a, b].iter().all(|s| s.measure.get(REAL_IMAGES).is_some_and(|hash| !hash.is_empty()))
}

/// By the metric's name.
type Samples = BTreeMap<String, Sample>;

/// Runs on both sides, or the rows of A among themselves.
fn runs(args: &CompareArgs) -> Result<()> {
    let a = comparison::read(&args.a)?;
    let made = match (&args.b, &args.reference) {
        (Some(path), _) => {
            let b = comparison::read(path)?;
            comparison::two_results([&a, &b], [&args.a, path], &args.checkpoint)?
        }
        (None, Some(row)) => comparison::within(&a, row, &args.a, &args.checkpoint)?,
        (None, None) => bail!("compare needs a second result, or --reference ROW"),
    };
    let b = args.b.as_ref().unwrap_or(&args.a);
    tell_refused(&made.refused, made.lines.is_empty(), [&args.a, b])?;
    print(&made.lines, args.json, comparison::Line::text)
}

/// The JSON that `ganbench eval` printed.
fn of_json(path: &Path) -> Result<Samples> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let json: Value = serde_json::from_str(&text)
        .with_context(|| format!("{} is no JSON of ganbench eval", path.display()))?;
    let Some(object) = json.as_object().filter(|o| o.contains_key("protocol")) else {
        bail!("{} is no JSON of ganbench eval: it has no protocol", path.display());
    };
    let shown = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(value) => value.to_string(),
    };
    let extractor = object.get("extractor");
    let measure = Measure::from([
        ("protocol", shown(object.get("protocol"))),
        ("nearest protocol", shown(object.get("nearest_protocol"))),
        ("differences", shown(object.get("protocol_differences"))),
        ("extractor", shown(extractor.and_then(|e| e.get("name")))),
        ("weights", shown(extractor.and_then(|e| e.get("sha256")))),
        (REAL_IMAGES, shown(object.get("real_sha256"))),
        ("n_real", shown(object.get("n_real"))),
        ("n_fake", shown(object.get("n_fake"))),
    ]);
    let mut samples = Samples::new();
    for (name, value) in object
        .iter()
        .filter(|(name, _)| !belongs_to_another(name, |base| object.contains_key(base)))
    {
        let (Ok(_), Some(value)) = (metric(name), value.as_f64()) else { continue };
        let bound = |end: &str| object.get(&format!("{name}_ci_{end}")).and_then(Value::as_f64);
        let interval = bound("high").zip(bound("low"));
        let error = interval.map(|(high, low)| (high - low) / 2.0 / NORMAL_975);
        let sample = Sample { value, error, measure: measure.clone() };
        samples.insert(name.clone(), sample);
    }
    Ok(samples)
}

/// Whether a key is no metric but tells something of another one: `fid@pixels_std` is no metric of
/// an extractor `pixels_std`.
pub(super) fn belongs_to_another(name: &str, is_there: impl Fn(&str) -> bool) -> bool {
    let ends = ["_std", "_ci_low", "_ci_high", "_error_at_most"];
    ends.iter().any(|end| name.strip_suffix(end).is_some_and(&is_there))
}

/// Half of the 95 % interval of the difference of two numbers whose errors are independent and
/// normal.
fn half_interval(a: &Sample, b: &Sample) -> Option<f64> {
    Some(NORMAL_975 * a.error?.hypot(b.error?))
}

fn line(name: &str, a: &Sample, b: &Sample) -> Line {
    line_of(name, (a, b), half_interval(a, b))
}

/// A line with half of the difference's interval at hand.
pub(super) fn line_of(name: &str, (a, b): (&Sample, &Sample), half: Option<f64>) -> Line {
    let difference = a.value - b.value;
    Line {
        what: IMAGES,
        metric: name.into(),
        a: a.value,
        b: b.value,
        difference,
        ci_low: half.map(|half| difference - half),
        ci_high: half.map(|half| difference + half),
        verdict: verdict(name, difference, half),
        shared_reals: None,
    }
}

fn verdict(name: &str, difference: f64, half: Option<f64>) -> String {
    let Some(half) = half else {
        return "undecided: one number per side says nothing of chance; --bootstrap would".into();
    };
    if difference.abs() <= half {
        return "undecided".into();
    }
    let Some(card) = cards::card(name) else {
        let larger = if difference > 0.0 { "A" } else { "B" };
        return format!("{larger} is larger; which way is better is not known of {name}");
    };
    let better = if (difference > 0.0) == card.higher_is_better { "A" } else { "B" };
    format!("{better} is better")
}

fn text(line: &Line) -> String {
    let interval = match (line.ci_low, line.ci_high) {
        (Some(low), Some(high)) => format!(" (95 % interval {low:.4} to {high:.4})"),
        _ => String::new(),
    };
    let shared = line.shared_reals.map_or(String::new(), |text| format!("; {text}"));
    format!(
        "{}, {}: {:.4} against {:.4}, difference {:+.4}{interval}: {}{shared}",
        line.what, line.metric, line.a, line.b, line.difference, line.verdict
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(value: f64, error: Option<f64>) -> Sample {
        Sample { value, error, measure: Measure::new() }
    }

    #[test]
    fn the_better_side_of_every_metric_is_the_one_that_its_card_says() {
        let (a, b) = (sample(1.0, Some(0.1)), sample(2.0, Some(0.1)));
        let verdict = |name: &str| line(name, &a, &b).verdict;
        assert_eq!(verdict("linear_accuracy_percent"), "B is better");
        assert_eq!(verdict("linear_accuracy_cached4_percent"), "B is better");
        for card in ganbench_metrics::metrics() {
            let expected = if card.higher_is_better { "B is better" } else { "A is better" };
            assert_eq!(verdict(&format!("{}@small-shapes", card.name)), expected);
        }
        assert_eq!(
            verdict("my_metric"),
            "B is larger; which way is better is not known of my_metric"
        );
    }

    #[test]
    fn numbers_without_an_interval_decide_nothing() {
        let (a, b) = (sample(1.0, None), sample(2.0, None));
        assert!(line("fid", &a, &b).verdict.starts_with("undecided: one number per side"));
    }
}
