//! `ganbench compare` of two `eval`s against the same real images, whose noise both share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use ganbench_metrics::bootstrap::FEWEST;
use ganbench_metrics::{
    Bootstrap, Deviations, EvaluationInput, ExtractorId, Features, Labels, Measurement,
    MetricValue, RealReference, Reals, bare_name, difference_intervals, metric,
};
use serde::Deserialize;
use serde_json::Value;

use super::compare::{Line, Sample, belongs_to_another, line_of};
use crate::measure::{Asked, Cache, Keep, Side, Sought};

/// Resamplings where neither side asked for any.
const REPLICATES: usize = 200;

/// What is known of the noise of the reals that two results share.
pub(super) enum SharedReals {
    /// They share none, or nothing says that they do.
    None,
    /// Half of the interval of each difference, by the metric's name.
    Joint(BTreeMap<String, f64>),
    /// They do, but their features are not at hand.
    CountedTwice,
}

impl SharedReals {
    /// Says what would have been needed, where anything was compared.
    pub(super) fn tell(&self) {
        if matches!(self, Self::CountedTwice) {
            tell!(
                "note: both sets were measured against the same real images, but their features are \
                 not (or no longer) in the cache (--cache); eval of both with --bootstrap keeps them"
            );
        }
    }

    /// The line of a difference with what is known put in.
    pub(super) fn line(&self, line: Line, (a, b): (&Sample, &Sample)) -> Line {
        let mut line = line;
        match self {
            Self::Joint(halves) => {
                if let Some(half) = halves.get(&line.metric) {
                    line = line_of(&line.metric, (a, b), Some(*half));
                    line.shared_reals = Some("the reals were drawn once for both sides");
                }
            }
            Self::CountedTwice => {
                let looks = metric(&line.metric).is_ok_and(|metric| metric.looks_at_reals());
                if looks && line.ci_low.is_some() {
                    let text = "both share their reals, whose noise counts twice here: the interval is too wide";
                    line.shared_reals = Some(text);
                }
            }
            Self::None => {}
        }
        line
    }
}

/// What an `eval`'s JSON says of where its numbers come from.
#[derive(Deserialize)]
struct Origin {
    real_sha256: Option<String>,
    fake_sha256: Option<String>,
    extractor: Option<Extractor>,
    asked: Option<Asked>,
    repeats: Option<usize>,
    n_real: Option<usize>,
    n_fake: Option<usize>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(PartialEq, Eq, Deserialize)]
struct Extractor {
    name: String,
    sha256: String,
    exact: bool,
}

/// Draws the reals that two `eval`s share once for both, from the features that these kept.
///
/// # Errors
/// If features that are there cannot be measured.
pub(super) fn shared_reals(paths: [&Path; 2], cache: Option<&PathBuf>) -> Result<SharedReals> {
    let [Some(a), Some(b)] = paths.map(Origin::read) else {
        return Ok(SharedReals::None);
    };
    if a.real_sha256.is_none() || a.real_sha256 != b.real_sha256 {
        return Ok(SharedReals::None);
    }
    let found = a.features_with(&b, Cache::find(cache.cloned()));
    let Some((asked, [real, of_a, of_b])) = found else {
        return Ok(SharedReals::CountedTwice);
    };
    joint([&a, &b], asked, real, [of_a, of_b]).map(SharedReals::Joint)
}

impl Origin {
    /// None of what no `eval` printed; the caller says so.
    fn read(path: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(path).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// The features of the reals and of both sets of fakes, where both were measured alike and all
    /// are kept.
    fn features_with(&self, other: &Self, cache: Option<Cache>) -> Option<(&Asked, [Side; 3])> {
        let (asked, of_other) = (self.asked.as_ref()?, other.asked.as_ref()?);
        let alike = |asked: &Asked| Asked { bootstrap: 0, ..asked.clone() };
        let extractor = self.extractor.as_ref().filter(|e| Some(*e) == other.extractor.as_ref())?;
        let single = [self, other].iter().all(|origin| origin.repeats.unwrap_or(1) == 1);
        let counts = self.n_real == other.n_real && self.n_fake == other.n_fake;
        if alike(asked) != alike(of_other) || !single || !counts {
            return None;
        }
        let cache = cache?;
        let side = |content_sha256: &Option<String>| {
            cache.find_features(&Sought {
                content_sha256: content_sha256.as_deref()?,
                extractor: &extractor.name,
                weights_sha256: &extractor.sha256,
                exact: extractor.exact,
                device: &asked.device,
                keep: Keep::Rows,
            })
        };
        let real = side(&self.real_sha256)?;
        Some((asked, [real, side(&self.fake_sha256)?, side(&other.fake_sha256)?]))
    }

    /// The values of metrics that look at reals. (IS alone does not: its two sides are
    /// independent.)
    fn values(&self) -> Vec<MetricValue> {
        let value = |(name, value): (&String, &Value)| {
            let card = metric(name).ok()?;
            let known = card.has_intervals() && card.looks_at_reals();
            let std = self.rest.get(&format!("{name}_std")).and_then(Value::as_f64);
            known.then_some(MetricValue {
                metric: name.clone(),
                value: value.as_f64()?,
                std,
                n_real: self.n_real.unwrap_or_default(),
                n_fake: self.n_fake.unwrap_or_default(),
            })
        };
        let belongs = |name: &str| belongs_to_another(name, |base| self.rest.contains_key(base));
        self.rest.iter().filter(|(name, _)| !belongs(name)).filter_map(value).collect()
    }
}

/// Half of the interval of each difference.
fn joint(
    origins: [&Origin; 2],
    asked: &Asked,
    mut real: Side,
    fakes: [Side; 2],
) -> Result<BTreeMap<String, f64>> {
    let values = origins.map(Origin::values);
    let names: Vec<&str> = values[0].iter().map(|v| bare_name(&v.metric)).collect();
    let deviations = Deviations {
        nearest_k: asked.nearest_k,
        kid_subset: asked.kid_subset,
        ..Deviations::default()
    };
    let settings = Measurement::new(&asked.protocol, &deviations)?.settings;
    let Some(features) = real.features.take() else { return Ok(BTreeMap::new()) };
    let reference = RealReference::whole(features, real.labels.clone())?;
    let empty = Features::empty(reference.dim(), 0);
    // The extractor's part of the names is that of the values.
    let id = origins[0].extractor.as_ref();
    let name = values[0].first().and_then(|v| v.metric.split_once('@')).map(|(_, name)| name);
    let extractor = match (name, id) {
        (Some(name), Some(id)) => ExtractorId { name, weights_sha256: &id.sha256 },
        (None, Some(id)) => ExtractorId { name: &id.name, weights_sha256: &id.sha256 },
        (_, None) => ExtractorId::UNKNOWN,
    };
    let inputs = fakes.each_ref().map(|side| EvaluationInput {
        real: &reference,
        fake: side.features.as_ref().unwrap_or(&empty),
        extractor,
        metrics: Some(&names),
        settings,
        labels: real
            .labels
            .as_deref()
            .zip(side.labels.as_deref())
            .map(|(real, fake)| Labels { real, fake }),
    });
    let request = Bootstrap {
        replicates: if asked.bootstrap < FEWEST { REPLICATES } else { asked.bootstrap },
        seed: 0,
        reals: if asked.hold_reals { Reals::Held } else { Reals::Drawn },
    };
    let [a, b] = inputs.each_ref();
    let found = difference_intervals([a, b], [&values[0], &values[1]], request)?;
    Ok(found.into_iter().map(|(name, i)| (name, (i.high - i.low) / 2.0)).collect())
}
