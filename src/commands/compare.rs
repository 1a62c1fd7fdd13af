//! `ganbench compare`: whether two results differ by more than chance.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use ganbench_metrics::metric;
use ganbench_reports::{ResultRow, student_t_975};
use serde::Serialize;
use serde_json::Value;

use crate::cards;
use crate::results::read_rows;

/// A and B are results of runs (a folder, results.parquet or results.csv), or JSON of `ganbench eval`.
/// Only numbers of the same protocol, extractor, weights and counts are compared, and of runs the same data;
/// of JSON it is for you to know that the real images were the same.
#[derive(Debug, Args)]
pub struct CompareArgs {
    pub a: PathBuf,
    pub b: PathBuf,
    /// Which checkpoint of runs: last or best
    #[arg(long, default_value = "last")]
    pub checkpoint: String,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Half of a 95 % interval in standard errors: the 97.5 % point of the normal distribution.
const NORMAL_975: f64 = 1.959_963_984_540_054;

/// What two numbers must share to be compared: shown where they do not.
type Measure = BTreeMap<&'static str, String>;

/// One metric of one side.
#[derive(Clone, Debug)]
struct Sample {
    /// One value a seed.
    values: Vec<f64>,
    /// Standard error, where the numbers bring one of their own (bootstrap intervals).
    error: Option<f64>,
    measure: Measure,
}

/// A difference and what is known of it.
#[derive(Debug, Serialize)]
struct Line {
    what: String,
    metric: String,
    a: f64,
    b: f64,
    /// a − b
    difference: f64,
    /// 95 % interval of the difference.
    ci_low: Option<f64>,
    ci_high: Option<f64>,
    n_a: usize,
    n_b: usize,
    verdict: String,
}

/// # Errors
/// If a file cannot be read, or the two have nothing in common that may be compared.
pub fn run(args: &CompareArgs) -> Result<()> {
    let (a, b) = (read(&args.a, args)?, read(&args.b, args)?);
    let mut lines = Vec::new();
    let mut refused = Vec::new();
    for ((what, name), sample) in &a {
        let Some((_, other)) =
            b.iter().find(|((other, n), _)| n == name && (other == what || single(&a, &b)))
        else {
            continue;
        };
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
            lines.push(line(what, name, sample, other));
        } else {
            refused.push(format!("{name} of {what}: {}", differing.join(", ")));
        }
    }
    for text in &refused {
        tell!("not compared: {text}");
    }
    if lines.is_empty() {
        bail!(
            "{} and {} have no number in common that was measured alike",
            args.a.display(),
            args.b.display()
        );
    }
    for line in lines {
        if args.json {
            println!("{}", serde_json::to_string(&line)?);
        } else {
            println!("{}", text(&line));
        }
    }
    Ok(())
}

const REAL_IMAGES: &str = "real images";

/// `metrics` knows features only.
fn both_known(a: &Sample, b: &Sample) -> bool {
    [a, b].iter().all(|s| s.measure.get(REAL_IMAGES).is_some_and(|hash| !hash.is_empty()))
}

type Samples = BTreeMap<(String, String), Sample>;

/// Whether each side holds one thing only: then these are compared, whatever they are called.
fn single(a: &Samples, b: &Samples) -> bool {
    let things = |s: &Samples| {
        let mut things: Vec<String> = s.keys().map(|(what, _)| what.clone()).collect();
        things.dedup();
        things.len()
    };
    things(a) == 1 && things(b) == 1
}

fn read(path: &Path, args: &CompareArgs) -> Result<Samples> {
    if path.extension().is_some_and(|e| e == "json") {
        return of_json(path);
    }
    let mut samples = Samples::new();
    for row in read_rows(path)? {
        let (Some(value), true) = (row.value, row.checkpoint == args.checkpoint) else { continue };
        let measure = measure_of(&row);
        let what = format!("{} on {}", row.method, row.dataset);
        let key = (what.clone(), row.metric.clone());
        let sample = samples.entry(key).or_insert_with(|| Sample {
            values: Vec::new(),
            error: None,
            measure: measure.clone(),
        });
        if sample.measure != measure {
            bail!(
                "{} holds {} of {what} measured in two ways; keep one of them in the file",
                path.display(),
                row.metric
            );
        }
        sample.values.push(value);
    }
    if samples.is_empty() {
        bail!("{} holds no {} checkpoint with values", path.display(), args.checkpoint);
    }
    Ok(samples)
}

fn measure_of(row: &ResultRow) -> Measure {
    BTreeMap::from([
        ("protocol", row.protocol.clone()),
        ("differences", row.protocol_differences.clone()),
        ("extractor", row.extractor.clone()),
        ("weights", row.extractor_sha256.clone()),
        ("data", format!("{} {}", row.dataset_sha256, row.split)),
        ("n_real", row.n_real.to_string()),
        ("n_fake", row.n_fake.to_string()),
        ("budget", format!("{} {}", row.budget_amount, row.budget_unit)),
    ])
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
    // `fid@pixels_std` is no metric of an extractor `pixels_std`.
    let belongs_to_another = |name: &str| {
        let ends = ["_std", "_ci_low", "_ci_high", "_error_at_most"];
        ends.iter().any(|end| name.strip_suffix(end).is_some_and(|base| object.contains_key(base)))
    };
    let mut samples = Samples::new();
    for (name, value) in object.iter().filter(|(name, _)| !belongs_to_another(name)) {
        let (Ok(_), Some(value)) = (metric(name), value.as_f64()) else { continue };
        let bound = |end: &str| object.get(&format!("{name}_ci_{end}")).and_then(Value::as_f64);
        let interval = bound("high").zip(bound("low"));
        let error = interval.map(|(high, low)| (high - low) / 2.0 / NORMAL_975);
        let sample = Sample { values: vec![value], error, measure: measure.clone() };
        samples.insert(("images".into(), name.clone()), sample);
    }
    Ok(samples)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Squared standard error of the mean, and its degrees of freedom.
fn variance(sample: &Sample) -> Option<(f64, Option<f64>)> {
    let n = sample.values.len() as f64;
    if sample.values.len() > 1 {
        let middle = mean(&sample.values);
        let spread =
            sample.values.iter().map(|v| (v - middle) * (v - middle)).sum::<f64>() / (n - 1.0);
        return Some((spread / n, Some(n - 1.0)));
    }
    sample.error.map(|error| (error * error, None))
}

/// Half of the 95 % interval of a difference of means: Welch 1947, with the normal distribution where an
/// error comes from a bootstrap.
fn half_interval(a: &Sample, b: &Sample) -> Option<f64> {
    let ((va, dfa), (vb, dfb)) = (variance(a)?, variance(b)?);
    let sum = va + vb;
    let share = |v: f64, df: Option<f64>| df.map_or(0.0, |df| v * v / df);
    let t = match share(va, dfa) + share(vb, dfb) {
        d if d > 0.0 => student_t_975(((sum * sum / d).floor() as u64).max(1)),
        _ => NORMAL_975,
    };
    Some(t * sum.sqrt())
}

fn line(what: &str, name: &str, a: &Sample, b: &Sample) -> Line {
    let (ma, mb) = (mean(&a.values), mean(&b.values));
    let difference = ma - mb;
    let half = half_interval(a, b);
    Line {
        what: what.into(),
        metric: name.into(),
        a: ma,
        b: mb,
        difference,
        ci_low: half.map(|half| difference - half),
        ci_high: half.map(|half| difference + half),
        n_a: a.values.len(),
        n_b: b.values.len(),
        verdict: verdict(name, difference, half, (a, b)),
    }
}

fn verdict(name: &str, difference: f64, half: Option<f64>, (a, b): (&Sample, &Sample)) -> String {
    let Some(half) = half else {
        return "undecided: one number a side says nothing of chance; more seeds, or --bootstrap, would"
            .into();
    };
    if difference.abs() > half {
        let Some(card) = cards::card(name) else {
            let larger = if difference > 0.0 { "A" } else { "B" };
            return format!("{larger} is larger; which way is better is not known of {name}");
        };
        let better = if (difference > 0.0) == card.higher_is_better { "A" } else { "B" };
        return format!("{better} is better");
    }
    if a.values.len() + b.values.len() < 3 || difference == 0.0 {
        return "undecided".into();
    }
    // The interval shrinks as the root of the number of seeds.
    let seeds = a.values.len().max(b.values.len()) as f64 * (half / difference).powi(2);
    match seeds.ceil() {
        n if n <= 1000.0 => {
            format!("undecided: about {n} seeds a side would decide a difference of this size")
        }
        _ => "undecided: no difference worth more than 1000 seeds".into(),
    }
}

fn text(line: &Line) -> String {
    let interval = match (line.ci_low, line.ci_high) {
        (Some(low), Some(high)) => format!(" (95 % interval {low:.4} to {high:.4})"),
        _ => String::new(),
    };
    format!(
        "{}, {}: {:.4} against {:.4} ({} and {} values), difference {:+.4}{interval}: {}",
        line.what, line.metric, line.a, line.b, line.n_a, line.n_b, line.difference, line.verdict
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: &[f64], error: Option<f64>) -> Sample {
        Sample { values: values.to_vec(), error, measure: Measure::new() }
    }

    #[test]
    fn the_interval_of_a_difference_is_welchs() {
        // Variances of the means 1/3 each, 4 degrees of freedom: t = 2.7764, √(2/3) = 0.8165.
        let (a, b) = (sample(&[1.0, 2.0, 3.0], None), sample(&[5.0, 6.0, 7.0], None));
        assert!((half_interval(&a, &b).unwrap() - 2.776_445 * 0.816_497).abs() < 1e-5);
        let line = line("gan", "fid", &a, &b);
        assert_eq!((line.difference, line.verdict.as_str()), (-4.0, "A is better"));
    }

    #[test]
    fn what_chance_may_explain_is_undecided_with_the_seeds_that_would_decide() {
        let (a, b) = (sample(&[1.0, 2.0, 3.0], None), sample(&[2.0, 3.0, 4.0], None));
        // (2.267 / 1)² · 3 = 15.4
        let text = line("gan", "fid", &a, &b).verdict;
        assert_eq!(text, "undecided: about 16 seeds a side would decide a difference of this size");
        let (a, b) = (sample(&[1.0], None), sample(&[2.0], None));
        assert!(line("x", "fid", &a, &b).verdict.starts_with("undecided: one number a side"));
        let (a, b) = (sample(&[1.0], Some(0.1)), sample(&[2.0], Some(0.1)));
        assert_eq!(line("x", "is", &a, &b).verdict, "B is better");
    }

    #[test]
    fn the_better_side_of_every_metric_is_the_one_that_its_card_says() {
        let (a, b) = (sample(&[1.0], Some(0.1)), sample(&[2.0], Some(0.1)));
        let verdict = |name: &str| line("gan", name, &a, &b).verdict;
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
}
