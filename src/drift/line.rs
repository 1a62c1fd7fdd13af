//! One value of the baseline beside the candidate's: what is known of it.

use serde::Serialize;

use super::collapse::Collapses;
use super::noise::Noise;
use super::value::{GuardedValue, Key, Layer};

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
    /// Not the same bits, though the same build made both on the same kind of machine.
    Irreproducible,
    /// Moved by more, or diverged on one side only.
    Drift,
}

impl Verdict {
    /// What the program ends with. Drift comes before what could not be compared: it is known, and
    /// may be why the other is missing.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Identical | Self::Within => 0,
            Self::Drift | Self::Irreproducible => 3,
            Self::NotComparable => 4,
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Identical => "identical",
            Self::Within => "within",
            Self::NotComparable => "not comparable",
            Self::Irreproducible => "NOT REPRODUCED",
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
    /// The least move of this value alone that would be called drift, relative to the baseline's
    /// value. Empty where that value is 0 or nothing was judged.
    pub least_move: Option<f64>,
    pub verdict: Verdict,
    /// Why it is not comparable, not reproduced or not judged.
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

/// By what a difference is judged.
#[derive(Clone, Copy)]
pub enum Rule {
    Relative {
        tolerance: f64,
    },
    /// `alpha`: the chance of a false alarm; none where many values are judged together and this
    /// one is only shown.
    Noise {
        noise: Option<Noise>,
        alpha: Option<f64>,
    },
    /// Most seeds of the baseline have the same value.
    Usual,
}

/// A build that does not know its commit.
const UNKNOWN: &str = "unknown";

const NO_NOISE: &str = "the baseline holds no noise to judge by: one seed and no interval, or no spread at all. \
                        Give it more seeds, ci_low and ci_high, or a tolerance";

const USUAL: &str = "most seeds of the baseline have the same value, so that there is no noise to judge by; how many \
                        runs leave it is counted";

const NOT_REPRODUCED: &str = "version, commit, processor and instruction set are the same, so the bits should be: either \
                              one of the two builds has changes that are not committed, or something is not \
                              deterministic";

/// Two rows of one key.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    pub baseline: &'a GuardedValue,
    pub candidate: Option<&'a GuardedValue>,
}

impl Pair<'_> {
    pub fn line(&self, rule: Rule, collapses: &Collapses) -> Line {
        let (a, b) = (self.baseline, self.candidate);
        let mut line = empty(a.key(), rule);
        (line.baseline, line.candidate) = (a.value, b.and_then(|b| b.value));
        if let Some(reason) = self.obstacle() {
            line.verdict = Verdict::NotComparable;
            line.reason = Some(reason);
            return line;
        }
        match (a.value, line.candidate) {
            (Some(x), Some(y)) => {
                line.judge(Values { baseline: x, candidate: y }, rule);
                self.count_apart(&mut line, collapses);
                if line.verdict == Verdict::Within && self.is_of_one_build() {
                    line.verdict = Verdict::Irreproducible;
                    line.reason = Some(NOT_REPRODUCED.into());
                }
            }
            // A run that diverges on both sides is the same run.
            (None, None) => line.verdict = Verdict::Identical,
            _ => line.verdict = Verdict::Drift,
        }
        line
    }

    /// The final scores of a run that collapsed say that it collapsed and nothing else.
    fn count_apart(&self, line: &mut Line, collapses: &Collapses) {
        let why = collapses.why(self.baseline, self.candidate);
        if let Some(why) = why.filter(|_| line.verdict != Verdict::Identical) {
            line.verdict = Verdict::Within;
            line.reason = Some(why);
            line.least_move = None;
        }
    }

    /// Whether the same build made both on the same kind of machine. The number of threads is left
    /// out: no result may depend on it.
    fn is_of_one_build(&self) -> bool {
        let Some(candidate) = self.candidate else { return false };
        let (a, b) = (&self.baseline.provenance, &candidate.provenance);
        let texts = [
            (&a.version, &b.version),
            (&a.commit, &b.commit),
            (&a.cpu, &b.cpu),
            (&a.simd, &b.simd),
        ];
        let known = |text: &str| !text.is_empty() && text != UNKNOWN;
        self.baseline.layer != Layer::Own && texts.iter().all(|(a, b)| a == b && known(a))
    }

    /// Why the two are no measurements of the same.
    pub fn obstacle(&self) -> Option<String> {
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
            Rule::Noise { .. } | Rule::Usual => Unit::StandardErrors,
        },
        least_move: None,
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
        let (size, allowed, unit) = match rule {
            Rule::Relative { tolerance } => {
                let magnitude = baseline.abs().max(self.layer.floor());
                (difference.abs() / magnitude, tolerance, magnitude)
            }
            Rule::Noise { noise: Some(noise), alpha } => {
                let error = noise.of_difference(self.seeds);
                let allowed = alpha.map_or(f64::NAN, |alpha| noise.allowed(alpha));
                (difference.abs() / error, allowed, error)
            }
            Rule::Noise { noise: None, .. } | Rule::Usual => (f64::NAN, f64::NAN, f64::NAN),
        };
        (self.size, self.allowed) =
            (Some(size).filter(|v| v.is_finite()), Some(allowed).filter(|v| v.is_finite()));
        self.least_move = Some(allowed * unit / baseline.abs()).filter(|v| v.is_finite());
        self.verdict = if baseline.to_bits() == candidate.to_bits() {
            Verdict::Identical
        } else if matches!(rule, Rule::Usual) && difference.is_finite() {
            self.reason = Some(USUAL.into());
            Verdict::Within
        } else if matches!(rule, Rule::Noise { alpha: None, .. }) && difference.is_finite() {
            Verdict::Within
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
pub fn mean(key: Key<'_>, pairs: &[Pair<'_>], rule: Rule, collapses: &Collapses) -> Option<Line> {
    let both: Vec<(f64, f64)> = pairs
        .iter()
        .filter(|pair| pair.baseline.tolerance.is_none() && pair.obstacle().is_none())
        .filter(|pair| collapses.why(pair.baseline, pair.candidate).is_none())
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
