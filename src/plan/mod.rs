//! What decides a run's results, every default explicit, and its identity.

mod dataset;
mod evaluation;
mod network;
pub mod recipe;
pub mod request;
mod selection;

pub use dataset::DatasetPlan;
use evaluation::least_fakes;
pub use evaluation::{EvaluationPlan, ReferenceSplit};
use ganbench_baselines::methods::{self, METHODS};
use ganbench_baselines::train::{TrainError, TrainPlan, Unit, check_sizes};
use ganbench_data::{Split, hex, plain_name};
use ganbench_metrics::version::agrees;
use ganbench_metrics::{ExtractorError, MetricError};
pub use network::PlannedExtractor;
pub use selection::SelectionPlan;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// Version of the plan's form. A field added later is left out of the hash at its neutral value, so
/// that old ids stay; a changed meaning raises this number.
pub const FORMAT: u32 = 1;

/// Of plans whose budget counts images through D: in those of [`FORMAT`] it left out the steps of
/// G.
pub const D_KFORWARDS_FORMAT: u32 = 2;

/// What [`Plan::changed_content`] calls the network that measures.
pub const EXTRACTOR: &str = "the extractor";

/// Hash of the weights that selected the images; empty without a selection.
fn selecting(plan: &Plan) -> &str {
    plan.dataset.selection.as_ref().map_or("", |selection| &selection.extractor_sha256)
}

/// A line of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowPlan {
    /// What the results call it.
    pub name: String,
    /// As printed.
    pub title: String,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`FORMAT`] or [`D_KFORWARDS_FORMAT`].
    pub format: u32,
    /// Name of the table that the run belongs to, such as `table1`.
    pub table: String,
    /// Name of the method, as in `ganbench list methods`.
    pub method: String,
    /// The table's line that the run belongs to, where that is not the method as its preset has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<RowPlan>,
    /// The real images.
    pub dataset: DatasetPlan,
    /// How the networks are made and trained.
    pub train: TrainPlan,
    /// How the run is measured.
    pub evaluation: EvaluationPlan,
}

/// A plan that cannot be made or used.
#[derive(Debug, Error)]
// Each variant's message says what its fields are.
#[allow(missing_docs)]
pub enum PlanError {
    #[error("{place} is not TOML: {source}")]
    Toml { place: String, source: toml::de::Error },
    #[error("{place} does not make a plan: {what}")]
    Form { place: String, what: String },
    #[error("--set {0} is not KEY=VALUE, such as train.batch=32")]
    Assignment(String),
    #[error("unknown method \"{name}\"; known: {known}")]
    Method { name: String, known: String },
    #[error(
        "the plan has format {got}, this ganbench reads format {FORMAT}; use the version in the run's provenance.toml"
    )]
    Format { got: u32 },
    #[error("{field} is {got}, expected {expected}")]
    Value { field: &'static str, got: String, expected: String },
    #[error("evaluation: {0}")]
    Measurement(#[from] MetricError),
    #[error(transparent)]
    Extractor(#[from] ExtractorError),
    #[error(transparent)]
    Training(#[from] TrainError),
}

impl Plan {
    /// What results and tables call the run: its row, or else its method.
    pub fn row_name(&self) -> &str {
        self.row.as_ref().map_or(&self.method, |row| &row.name)
    }

    /// As tables print it.
    pub fn row_title(&self) -> &str {
        let of_method = || methods::method(&self.method).map_or(self.method.as_str(), |m| m.title);
        self.row.as_ref().map_or_else(of_method, |row| &row.title)
    }

    /// The plan without what says nothing of which run it is: what a budget of minutes came to.
    pub fn asked(&self) -> Self {
        let mut plan = self.clone();
        plan.train.replay = None;
        plan
    }

    /// [`Plan::asked`] before the data and the weights are known.
    fn without_content(&self) -> Self {
        let mut plan = self.asked();
        plan.dataset.name = plan.dataset.without_path();
        plan.dataset.sha256.clear();
        plan.evaluation.extractor_sha256.clear();
        plan.evaluation.reference_sha256.clear();
        if let Some(selection) = &mut plan.dataset.selection {
            selection.extractor_sha256.clear();
        }
        plan
    }

    /// Whether this is a run that `asked` asks for, which does not know its data and weights yet
    /// but for versions of extractors that it pins.
    pub fn is_asked_for_by(&self, asked: &Self) -> bool {
        let pinned = &asked.evaluation.extractor_sha256;
        if !agrees(&self.evaluation.extractor_sha256, pinned)
            || !agrees(selecting(self), selecting(asked))
        {
            return false;
        }
        let (mut own, asked) = (self.without_content(), asked.without_content());
        let d = &mut own.dataset;
        for (own, asked) in [
            (&mut d.channels, asked.dataset.channels),
            (&mut d.image_size, asked.dataset.image_size),
            (&mut d.classes, asked.dataset.classes),
            (&mut d.damaged, asked.dataset.damaged),
        ] {
            if asked == 0 {
                *own = 0;
            }
        }
        if asked.dataset.fit.is_none() {
            own.dataset.fit = None;
        }
        if asked.evaluation.extractor.is_empty() {
            own.evaluation.extractor.clear();
        }
        own == asked
    }

    /// What changed where this plan and a later one agree in all but hashes: its name, its hash
    /// then and now.
    pub fn changed_content<'a>(
        &'a self,
        now: &'a Self,
    ) -> Option<(&'static str, &'a str, &'a str)> {
        let hashes = [
            ("the data", self.dataset.sha256.as_str(), now.dataset.sha256.as_str()),
            (
                EXTRACTOR,
                self.evaluation.extractor_sha256.as_str(),
                now.evaluation.extractor_sha256.as_str(),
            ),
            ("the extractor of dataset.selection", selecting(self), selecting(now)),
            (
                "the reference images",
                self.evaluation.reference_sha256.as_str(),
                now.evaluation.reference_sha256.as_str(),
            ),
        ];
        let changed = hashes.into_iter().find(|(_, then, now)| then != now)?;
        (self.without_content() == now.without_content())
            .then_some((changed.0, changed.1, changed.2))
    }

    /// The first 16 hex digits of the SHA-256 of the plan as JSON. Threads, paths and commit are
    /// not in the plan.
    pub fn run_id(&self) -> String {
        let mut plan = self.asked();
        plan.dataset.name = plan.dataset.without_path();
        let json = serde_json::to_vec(&plan).unwrap_or_default();
        hex(Sha256::new_with_prefix(json))[..16].to_string()
    }

    /// The real images that samples are compared with: the plan's own choice, else the split that
    /// the protocol names, else the split of training.
    pub fn reference_split(&self) -> ReferenceSplit {
        let named = || {
            let measurement = self.evaluation.measurement().ok()?;
            measurement.protocol.split.as_ref()?.parse().ok().map(ReferenceSplit::Of)
        };
        let own = self.evaluation.reference_split.or_else(named);
        own.unwrap_or(ReferenceSplit::Of(self.dataset.split))
    }

    /// That no count is so large that nothing could hold or end it.
    fn check_counts(&self) -> Result<(), PlanError> {
        let e = &self.evaluation;
        let (epochs, batch) = e.linear.as_ref().map_or((0, 0), |l| (l.epochs, l.batch));
        for (field, n, most) in [
            ("dataset.image_size", self.dataset.image_size, 4_096),
            ("dataset.limit", self.dataset.limit, 1_000_000_000),
            ("evaluation.n_fake", e.n_fake, 10_000_000),
            ("evaluation.n_fake_curve", e.n_fake_curve, 10_000_000),
            ("evaluation.curve_points", e.curve_points, 100_000),
            ("evaluation.grid_images", e.grid_images, 10_000),
            ("evaluation.nearest_k", e.nearest_k.unwrap_or(1), 10_000),
            ("evaluation.is_splits", e.is_splits.unwrap_or(1), 100_000),
            ("evaluation.kid_subset", e.kid_subset.unwrap_or(2), 1_000_000),
            ("evaluation.bootstrap", e.bootstrap, 1_000_000),
            ("evaluation.linear.epochs", epochs, 1_000_000),
            ("evaluation.linear.batch", batch, 1_000_000),
        ] {
            if n > most {
                let (got, expected) = (n.to_string(), format!("at most {most}"));
                return Err(PlanError::Value { field, got, expected });
            }
        }
        Ok(())
    }

    /// That the row's name can be part of a folder's: runs are called by it.
    fn check_row(&self) -> Result<(), PlanError> {
        let Some(row) = &self.row else { return Ok(()) };
        let plain = plain_name(&row.name);
        if plain == row.name && !plain.is_empty() {
            return Ok(());
        }
        let got = format!("\"{}\"", row.name);
        let expected = format!("a name that can be a file's, such as \"{plain}\"");
        Err(PlanError::Value { field: "row.name", got, expected })
    }

    fn check_reference(&self) -> Result<(), PlanError> {
        let Some(ReferenceSplit::HeldOut { held_out }) = self.evaluation.reference_split else {
            return Ok(());
        };
        let wrong = |got: String, expected: &str| {
            let (field, expected) = ("evaluation.reference_split", expected.into());
            Err(PlanError::Value { field, got, expected })
        };
        if !(held_out > 0.0 && held_out < 1.0) {
            return wrong(format!("held_out = {held_out}"), "a share above 0 and below 1");
        }
        if self.dataset.split != Split::Train {
            return wrong(
                "held_out".into(),
                "a share of the training split: dataset.split = train",
            );
        }
        if self.dataset.selection.is_some() {
            return wrong("held_out".into(), "train or test beside dataset.selection");
        }
        Ok(())
    }

    /// As `plan.toml` holds it.
    pub fn to_toml(&self) -> Result<String, PlanError> {
        toml::to_string(self)
            .map_err(|e| PlanError::Form { place: "plan".into(), what: e.to_string() })
    }

    /// # Errors
    /// If a value is out of its range.
    pub fn check(&self) -> Result<(), PlanError> {
        if ![FORMAT, D_KFORWARDS_FORMAT].contains(&self.format) {
            return Err(PlanError::Format { got: self.format });
        }
        let counts_d = self.train.budget.unit == Unit::DKforwards;
        if counts_d != (self.format == D_KFORWARDS_FORMAT) {
            return Err(PlanError::Value {
                field: "format",
                got: format!("{} with budget {}", self.format, self.train.budget),
                expected: format!(
                    "{D_KFORWARDS_FORMAT} for d_kforwards, which counts the steps of G too since ganbench 0.2, else \
                     {FORMAT}"
                ),
            });
        }
        check_sizes(&self.train)?;
        self.check_counts()?;
        self.check_row()?;
        self.dataset.check_called()?;
        let e = &self.evaluation;
        let wrong = |field, got: usize, expected: String| {
            Err(PlanError::Value { field, got: got.to_string(), expected })
        };
        let measurement = e.measurement()?;
        let least = least_fakes(&measurement);
        for (field, n) in
            [("evaluation.n_fake", e.n_fake), ("evaluation.n_fake_curve", e.n_fake_curve)]
        {
            if n < least {
                return wrong(field, n, format!("at least {least} for the metrics"));
            }
        }
        if let Some(percent) = self.dataset.selection.as_ref().map(|s| s.retention_percent)
            && !(percent > 0.0 && percent <= 100.0)
        {
            return Err(PlanError::Value {
                field: "dataset.selection.retention_percent",
                got: percent.to_string(),
                expected: "above 0, at most 100".into(),
            });
        }
        if e.curve_points < 3 {
            return wrong("evaluation.curve_points", e.curve_points, "at least 3".into());
        }
        if !measurement.metric_names().contains(&"fid") {
            return Err(PlanError::Value {
                field: "evaluation.metrics",
                got: measurement.metric_names().join(", "),
                expected: "fid among them, which chooses the best checkpoint".into(),
            });
        }
        if measurement.protocol.repeats > 1 && e.bootstrap > 0 {
            let (protocol, n) = (&measurement.protocol.name, measurement.protocol.repeats);
            let expected = format!("0, since protocol {protocol} reports the mean of {n} sets");
            return wrong("evaluation.bootstrap", e.bootstrap, expected);
        }
        if let Some(few @ ..=1) = e.kid_subset {
            return wrong("evaluation.kid_subset", few, "at least 2".into());
        }
        self.check_reference()?;
        let images = self.train.batch as f64 * self.train.n_dis as f64;
        let steps = match self.train.budget.unit {
            Unit::GSteps => self.train.budget.amount,
            Unit::RealKimg => self.train.budget.amount * 1e3 / images.max(1.0),
            _ => f64::INFINITY,
        };
        if steps < e.curve_points as f64 {
            return Err(PlanError::Value {
                field: "the budget",
                got: format!("{} ({steps:.1} steps)", self.train.budget),
                expected: format!("a step for each of the {} points of the curve", e.curve_points),
            });
        }
        for (field, n) in [
            ("evaluation.nearest_k", e.nearest_k.unwrap_or(1)),
            ("evaluation.is_splits", e.is_splits.unwrap_or(1)),
            ("evaluation.max_real", e.max_real.unwrap_or(1)),
            ("evaluation.grid_images", e.grid_images),
        ] {
            if n == 0 {
                return wrong(field, n, "at least 1".into());
            }
        }
        if let Some(linear) = &e.linear {
            for (field, n) in [
                ("evaluation.linear.epochs", linear.epochs),
                ("evaluation.linear.batch", linear.batch),
            ] {
                if n == 0 {
                    return wrong(field, n, "at least 1".into());
                }
            }
            if !linear.lr.is_finite() || linear.lr <= 0.0 {
                return Err(PlanError::Value {
                    field: "evaluation.linear.lr",
                    got: linear.lr.to_string(),
                    expected: "a number above 0".into(),
                });
            }
            if self.dataset.split != Split::Train {
                return Err(PlanError::Value {
                    field: "dataset.split",
                    got: self.dataset.split.to_string(),
                    expected: "train, since linear evaluation is on the test split".into(),
                });
            }
        }
        // One resampling beyond either end of a 95 % interval.
        if (1..40).contains(&e.bootstrap) {
            return wrong("evaluation.bootstrap", e.bootstrap, "0 for none, or at least 40".into());
        }
        Ok(())
    }
}

/// Puts `changes` over `base`, table by table.
pub fn merge(base: &mut toml::Table, changes: &toml::Table) {
    for (key, value) in changes {
        match (base.get_mut(key), value) {
            (Some(toml::Value::Table(base)), toml::Value::Table(changes))
                // A part of another kind replaces the whole part: its constants have no meaning
                // here.
                if changes.get("kind").is_none_or(|kind| base.get("kind") == Some(kind))
                    && changes.get("rule").is_none_or(|rule| base.get("rule") == Some(rule)) =>
            {
                merge(base, changes);
            }
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

/// `a.b.c=value` as nested tables; the value is read as TOML, or else as a string.
///
/// # Errors
/// If there is no `=` or no key.
pub fn assignment(text: &str) -> Result<toml::Table, PlanError> {
    let (key, value) = text.split_once('=').ok_or_else(|| PlanError::Assignment(text.into()))?;
    if key.split('.').any(|part| part.trim().is_empty()) {
        return Err(PlanError::Assignment(text.into()));
    }
    let value = format!("v = {value}").parse::<toml::Table>().ok().and_then(|mut t| t.remove("v"));
    let value = value.unwrap_or_else(|| toml::Value::String(text[key.len() + 1..].into()));
    let mut parts = key.rsplit('.');
    let last = parts.next().unwrap_or(key).trim().to_string();
    let mut table = toml::Table::from_iter([(last, value)]);
    for part in parts {
        table = toml::Table::from_iter([(part.trim().to_string(), toml::Value::Table(table))]);
    }
    Ok(table)
}

/// A plan from tables: the method's preset of parts under whatever the table says of them.
///
/// # Errors
/// If a key is missing, unknown or of the wrong type, or the method is unknown.
pub fn resolve(mut plan: toml::Table, place: &str) -> Result<Plan, PlanError> {
    let form = |what: String| PlanError::Form { place: place.into(), what };
    let name = match plan.get("method") {
        Some(toml::Value::String(name)) => name.clone(),
        Some(other) => return Err(form(format!("method is {other}, expected a name"))),
        None => return Err(form("the key method is missing".into())),
    };
    let preset = methods::method(&name).ok_or_else(|| PlanError::Method {
        name: name.clone(),
        known: METHODS.iter().map(|m| m.name).collect::<Vec<_>>().join(", "),
    })?;
    let parts = toml::Table::try_from((preset.parts)()).map_err(|e| form(e.to_string()))?;
    let mut base = toml::Table::new();
    let unit = plan.get("train").and_then(|train| train.get("budget")?.get("unit")?.as_str());
    let counts_d = unit == Some(Unit::DKforwards.name());
    let format = if counts_d { D_KFORWARDS_FORMAT } else { FORMAT };
    base.insert("format".into(), toml::Value::Integer(format.into()));
    let train = toml::Table::from_iter([("parts".to_string(), toml::Value::Table(parts))]);
    base.insert("train".into(), toml::Value::Table(train));
    merge(&mut base, &std::mem::take(&mut plan));
    let mut plan: Plan = base
        .try_into()
        .map_err(|e: toml::de::Error| form(e.to_string().trim().replace('\n', " ")))?;
    if plan.train.network.head_hidden == 0 {
        plan.train.network.head_hidden = plan.train.network.width.saturating_mul(8);
    }
    // Of all images there is nothing to draw.
    if plan.dataset.limit == 0 {
        plan.dataset.draw_seed = None;
    }
    plan.evaluation.extractor().settle()?;
    if let Some(selection) = &mut plan.dataset.selection {
        selection.extractor().settle()?;
    }
    plan.check()?;
    Ok(plan)
}

#[cfg(test)]
mod tests;
