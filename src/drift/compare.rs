//! Two sets of guarded values, value by value.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::noise::Noise;
use super::value::{GuardedValue, Key, Layer};

/// What is held against what.
#[derive(Clone, Copy)]
pub struct Sides<'a> {
    pub baseline: &'a [GuardedValue],
    pub candidate: &'a [GuardedValue],
}

/// What is known of a value after the comparison, the better first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The same bits.
    Identical,
    /// Moved by no more than is allowed.
    Within,
    /// Cannot be said.
    NotComparable,
    /// Moved by more, or diverged on one side only.
    Drift,
}

impl Verdict {
    /// What the program ends with. Drift comes before what could not be compared: it is known, and may be
    /// why the other is missing.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Identical | Self::Within => 0,
            Self::Drift => 3,
            Self::NotComparable => 4,
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Identical => "identical",
            Self::Within => "within",
            Self::NotComparable => "not comparable",
            Self::Drift => "DRIFT",
        }
    }
}

/// One value of the baseline, or the mean of one over seeds, beside the candidate's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    pub layer: Layer,
    pub dataset: String,
    pub method: String,
    /// None of a mean over seeds, and where there is no seed.
    pub seed: Option<u64>,
    /// Seeds behind a mean, else 1.
    pub seeds: usize,
    pub checkpoint: String,
    pub name: String,
    pub keys: String,
    /// Empty where it diverged.
    pub baseline: Option<f64>,
    pub candidate: Option<f64>,
    /// candidate − baseline
    pub difference: Option<f64>,
    /// |difference| in `unit`s, and how many are allowed.
    pub size: Option<f64>,
    pub allowed: Option<f64>,
    pub unit: Unit,
    pub verdict: Verdict,
    /// Why it is not comparable.
    pub reason: Option<String>,
}

/// What a difference is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Of the baseline's value (of the layer's floor where that is less).
    Relative,
    StandardErrors,
}

/// What [`compare`] found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    pub verdict: Verdict,
    /// In the order of keys, each mean behind its values.
    pub rows: Vec<Line>,
    /// What was left out, in words.
    pub notes: Vec<String>,
}

impl Comparison {
    pub fn count(&self, verdict: Verdict) -> usize {
        self.rows.iter().filter(|line| line.verdict == verdict).count()
    }
}

/// Compares by key. What the baseline holds of a data set, or of a seed, that the candidate has nothing of is left
/// out with a note; anything else that is missing is not comparable.
pub fn compare(sides: Sides<'_>) -> Comparison {
    let mut notes = Vec::new();
    let candidates: HashMap<Key<'_>, &GuardedValue> =
        sides.candidate.iter().map(|value| (value.key(), value)).collect();
    let baseline = to_compare(sides, &mut notes);
    let mut groups: BTreeMap<Key<'_>, Vec<&GuardedValue>> = BTreeMap::new();
    for value in sides.baseline {
        groups.entry(value.key().of_all_seeds()).or_default().push(value);
    }
    let noises: HashMap<Key<'_>, Option<Noise>> =
        groups.iter().map(|(key, values)| (*key, Noise::of(values))).collect();

    let mut pairs: BTreeMap<Key<'_>, Vec<Pair<'_>>> = BTreeMap::new();
    for value in baseline {
        let pair = Pair { baseline: value, candidate: candidates.get(&value.key()).copied() };
        pairs.entry(value.key().of_all_seeds()).or_default().push(pair);
    }
    // Means and values that noise judges, which share one chance of a false alarm.
    let judged = |pair: &&Pair<'_>| pair.baseline.tolerance.is_none();
    let count = |pairs: &Vec<Pair<'_>>| pairs.iter().filter(judged).count();
    let family = pairs.values().map(count).map(|n| n + usize::from(n > 1)).sum();

    let known: BTreeSet<Key<'_>> = sides.baseline.iter().map(GuardedValue::key).collect();
    let new = sides.candidate.iter().filter(|value| !known.contains(&value.key())).count();
    if new > 0 {
        notes.push(format!("{new} values are not in the baseline; --update takes them in"));
    }
    let mut rows = Vec::new();
    for (key, pairs) in &pairs {
        let by_noise = Rule::Noise { noise: noises.get(key).copied().flatten(), family };
        rows.extend(pairs.iter().map(|pair| match pair.baseline.tolerance {
            Some(tolerance) => pair.line(Rule::Relative { tolerance }),
            None => pair.line(by_noise),
        }));
        rows.extend(mean(*key, pairs, by_noise));
    }
    let verdict = rows.iter().map(|line| line.verdict).max().unwrap_or(Verdict::NotComparable);
    Comparison { verdict, rows, notes }
}

type Seeds = BTreeSet<Option<u64>>;

/// The baseline's values without those of data sets and seeds that the candidate never looked at.
fn to_compare<'a>(sides: Sides<'a>, notes: &mut Vec<String>) -> Vec<&'a GuardedValue> {
    let datasets = |values: &'a [GuardedValue]| -> BTreeSet<&'a str> {
        values.iter().map(|value| value.dataset.as_str()).collect()
    };
    let seeds = |values: &'a [GuardedValue], of: &GuardedValue| -> Seeds {
        let same = values.iter().filter(|v| v.layer == of.layer && v.dataset == of.dataset);
        same.map(|value| value.seed).collect()
    };
    let has = datasets(sides.candidate);
    let shared = datasets(sides.baseline).iter().any(|name| has.contains(name));
    let mut kept: Vec<&GuardedValue> = Vec::new();
    let mut left_out: BTreeMap<String, usize> = BTreeMap::new();
    // The candidate's, where it shares one with the baseline.
    let mut shared_seeds: HashMap<(Layer, &str), Option<Seeds>> = HashMap::new();
    for value in sides.baseline {
        if shared && !has.contains(value.dataset.as_str()) {
            *left_out.entry(format!("data set {}", value.dataset)).or_default() += 1;
            continue;
        }
        let there = shared_seeds.entry((value.layer, &value.dataset)).or_insert_with(|| {
            let there = seeds(sides.candidate, value);
            (!seeds(sides.baseline, value).is_disjoint(&there)).then_some(there)
        });
        match (value.seed, there) {
            (Some(seed), Some(there)) if !there.contains(&value.seed) => {
                let what = format!("seed {seed} of {} {}", value.layer.name(), value.dataset);
                *left_out.entry(what.trim_end().into()).or_default() += 1;
            }
            _ => kept.push(value),
        }
    }
    notes.extend(left_out.iter().map(|(what, n)| {
        format!("{what}: not in the candidate, the baseline's {n} values are left out")
    }));
    kept
}

/// By what a difference is judged.
#[derive(Clone, Copy)]
enum Rule {
    Relative { tolerance: f64 },
    Noise { noise: Option<Noise>, family: usize },
}

const NO_NOISE: &str = "the baseline holds no noise to judge by: one seed and no interval, or no spread at all. \
                        Give it more seeds, ci_low and ci_high, or a tolerance";

#[derive(Clone, Copy)]
struct Pair<'a> {
    baseline: &'a GuardedValue,
    candidate: Option<&'a GuardedValue>,
}

impl Pair<'_> {
    fn line(&self, rule: Rule) -> Line {
        let (a, b) = (self.baseline, self.candidate);
        let mut line = empty(a.key(), rule);
        (line.baseline, line.candidate) = (a.value, b.and_then(|b| b.value));
        if let Some(reason) = self.obstacle() {
            line.verdict = Verdict::NotComparable;
            line.reason = Some(reason);
            return line;
        }
        match (a.value, line.candidate) {
            (Some(x), Some(y)) => line.judge(Values { baseline: x, candidate: y }, rule),
            // A run that diverges on both sides is the same run.
            (None, None) => line.verdict = Verdict::Identical,
            _ => line.verdict = Verdict::Drift,
        }
        line
    }

    /// Why the two are no measurements of the same.
    fn obstacle(&self) -> Option<String> {
        let a = self.baseline;
        let Some(b) = self.candidate else { return Some("missing in the candidate".into()) };
        let texts = [
            ("dataset hash", &a.dataset_sha256, &b.dataset_sha256),
            ("protocol", &a.protocol, &b.protocol),
            ("extractor", &a.extractor, &b.extractor),
            ("extractor hash", &a.extractor_sha256, &b.extractor_sha256),
        ];
        let mut differing: Vec<String> = texts
            .iter()
            .filter(|(_, a, b)| a != b)
            .map(|(what, a, b)| format!("{what} {} against {}", short(a), short(b)))
            .collect();
        // A run that diverged was not measured and has no counts.
        if a.value.is_some() && b.value.is_some() {
            for (what, a, b) in [("n_real", a.n_real, b.n_real), ("n_fake", a.n_fake, b.n_fake)] {
                if a != b {
                    differing.push(format!("{what} {a} against {b}"));
                }
            }
        }
        if differing.is_empty() && a.run_id != b.run_id {
            differing.push("another plan (run_id)".into());
        }
        (!differing.is_empty()).then(|| differing.join(", "))
    }
}

/// Hashes are told by their first digits.
fn short(text: &str) -> &str {
    if text.is_empty() {
        "none"
    } else {
        text.get(..12).filter(|_| text.len() > 40).unwrap_or(text)
    }
}

fn empty(key: Key<'_>, rule: Rule) -> Line {
    Line {
        layer: key.layer,
        dataset: key.dataset.into(),
        method: key.method.into(),
        seed: key.seed,
        seeds: 1,
        checkpoint: key.checkpoint.into(),
        name: key.name.into(),
        keys: key.keys.into(),
        baseline: None,
        candidate: None,
        difference: None,
        size: None,
        allowed: None,
        unit: match rule {
            Rule::Relative { .. } => Unit::Relative,
            Rule::Noise { .. } => Unit::StandardErrors,
        },
        verdict: Verdict::NotComparable,
        reason: None,
    }
}

#[derive(Clone, Copy)]
struct Values {
    baseline: f64,
    candidate: f64,
}

impl Line {
    fn judge(&mut self, values: Values, rule: Rule) {
        let Values { baseline, candidate } = values;
        let difference = candidate - baseline;
        self.difference = Some(difference);
        let (size, allowed) = match rule {
            Rule::Relative { tolerance } => {
                let magnitude = baseline.abs().max(self.layer.floor());
                (difference.abs() / magnitude, tolerance)
            }
            Rule::Noise { noise: Some(noise), family } => {
                (difference.abs() / noise.of_difference(self.seeds), noise.allowed(family))
            }
            Rule::Noise { noise: None, .. } => (f64::NAN, f64::NAN),
        };
        (self.size, self.allowed) =
            (Some(size).filter(|v| v.is_finite()), Some(allowed).filter(|v| v.is_finite()));
        self.verdict = if baseline.to_bits() == candidate.to_bits() {
            Verdict::Identical
        } else if matches!(rule, Rule::Noise { noise: None, .. }) {
            self.reason = Some(NO_NOISE.into());
            Verdict::NotComparable
        } else if size <= allowed {
            Verdict::Within
        } else {
            // NaN too: it is never ≤.
            Verdict::Drift
        };
    }
}

/// The mean over the seeds that both sides have: its noise is that of one value over √seeds.
fn mean(key: Key<'_>, pairs: &[Pair<'_>], rule: Rule) -> Option<Line> {
    let both: Vec<(f64, f64)> = pairs
        .iter()
        .filter(|pair| pair.baseline.tolerance.is_none() && pair.obstacle().is_none())
        .filter_map(|pair| Some((pair.baseline.value?, pair.candidate?.value?)))
        .collect();
    let judged = matches!(rule, Rule::Noise { noise: Some(_), .. });
    if both.len() < 2 || !judged {
        return None;
    }
    let n = both.len() as f64;
    let mut line = Line { seeds: both.len(), ..empty(key, rule) };
    let baseline = both.iter().map(|(a, _)| a).sum::<f64>() / n;
    let candidate = both.iter().map(|(_, b)| b).sum::<f64>() / n;
    (line.baseline, line.candidate) = (Some(baseline), Some(candidate));
    line.judge(Values { baseline, candidate }, rule);
    Some(line)
}
