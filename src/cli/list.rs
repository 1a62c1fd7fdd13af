//! `ganbench list`: what there is to choose from.

use anyhow::Result;
use clap::{Args, ValueEnum};
use ganbench_baselines::losses::registry;
use ganbench_baselines::methods::{METHODS, losses};
use ganbench_baselines::networks::ARCHITECTURES;
use ganbench_baselines::part::FieldValue;
use ganbench_data::datasets;
use ganbench_metrics::card::ProtocolField;
use ganbench_metrics::protocol::protocols;
use ganbench_metrics::{EXTRACTORS, FAMILIES, Metric, MetricFamily, Settings, metric};
use ganbench_reports::reported;
use serde_json::{Value, json};

use super::figure3;
use crate::plan::recipe::{FIGURE3, RECIPES, Recipe};

#[derive(Debug, Args)]
pub struct ListArgs {
    pub what: Listed,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Listed {
    Methods,
    Losses,
    Architectures,
    Datasets,
    Extractors,
    Metrics,
    Protocols,
    Tables,
    /// What papers and repositories print, with its protocol
    Reported,
}

/// # Errors
/// If an embedded recipe is damaged.
pub fn run(args: &ListArgs) -> Result<()> {
    let entries = entries(args.what)?;
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_string();
    let width = entries.iter().map(|entry| text(entry, "name").len()).max().unwrap_or(0);
    for entry in &entries {
        if args.json {
            crate::cli::tell::json(entry)?;
        } else {
            say!("{:<width$}  {}", text(entry, "name"), text(entry, "summary"));
            if let (Listed::Metrics, Ok(card)) = (args.what, metric(&text(entry, "name"))) {
                say!("{:<width$}  {}", "", details(card));
            }
            print_arguments(entry);
        }
    }
    Ok(())
}

/// Arrays and settings of an entry that takes such, a line each.
fn print_arguments(entry: &Value) {
    let list = |key: &str| entry[key].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
    for array in list("arrays") {
        let shape: Vec<String> =
            array["shape"].as_array().into_iter().flatten().map(text).collect();
        let optional = if array["optional"] == true { " (optional)" } else { "" };
        let (name, dtype) = (text(&array["name"]), text(&array["dtype"]));
        let (shape, summary) = (shape.join(", "), text(&array["summary"]));
        say!("    {name} [{shape}] {dtype}{optional}: {summary}");
    }
    for setting in list("settings") {
        let (name, default) = (text(&setting["name"]), text(&setting["default"]));
        say!("    --set {name}={default}: {}", text(&setting["summary"]));
    }
}

fn loss(entry: &registry::Entry) -> Value {
    let arrays = entry.arrays.iter().map(|a| {
        json!({"name": a.name, "shape": a.shape, "dtype": a.dtype_text(), "summary": a.summary,
               "optional": a.optional_with.is_some(), "with": a.optional_with.unwrap_or_default()})
    });
    let settings = entry.settings().into_iter().map(|s| {
        let known = match &s.value {
            FieldValue::Choice { known, .. } => Some(*known),
            _ => None,
        };
        json!({"name": s.name, "default": super::loss::json_value(&s.value), "known": known,
               "summary": s.summary})
    });
    json!({"name": entry.name, "summary": entry.summary, "source": entry.source,
           "arrays": arrays.collect::<Vec<_>>(), "settings": settings.collect::<Vec<_>>()})
}

/// The cards of a family's metrics. An infinite end of a range is null. The counts of the least
/// images are those of the default settings.
fn cards_of_family(family: &MetricFamily) -> impl Iterator<Item = Value> {
    family.metrics.iter().map(|card| {
        let least = card.least_images.counts(&Settings::default());
        let end = |end: f64| end.is_finite().then_some(end);
        let fields: Vec<&str> =
            ProtocolField::ALL.iter().filter(|f| card.reads(**f)).map(|f| f.name()).collect();
        json!({
            "name": card.name,
            "summary": format!("{} {}", card.arrow(), card.description),
            "title": card.title,
            "higher_is_better": card.higher_is_better,
            "decimals": card.decimals,
            "scale": card.scale.name(),
            "range": [end(card.range.low), end(card.range.high)],
            "least_images": {"rule": card.least_images.to_string(), "real": least.real, "fake": least.fake},
            "intervals": card.has_intervals(),
            "needs_logits": family.needs.logits,
            "needs_labels": family.needs.labels,
            "protocol_fields": fields,
        })
    })
}

/// What the text says of a card behind its description.
fn details(card: &Metric) -> String {
    let intervals = if card.has_intervals() { "" } else { ", no bootstrap intervals" };
    let fields = match card.fields {
        [] => String::new(),
        fields => {
            let names: Vec<&str> = fields.iter().map(|field| field.name()).collect();
            format!(", depends on {}", names.join(", "))
        }
    };
    format!(
        "{} in {}, compared by {}, from {} images{fields}{intervals}",
        card.title,
        card.range,
        card.scale.name(),
        card.least_images,
    )
}

/// One object an entry, with `name` and `summary` at least.
fn entries(what: Listed) -> Result<Vec<Value>> {
    Ok(match what {
        Listed::Methods => METHODS
            .iter()
            .map(|m| {
                json!({"name": m.name, "title": m.title, "summary": m.summary, "source": m.source,
                       "conditional": m.conditional()})
            })
            .collect(),
        Listed::Losses => losses().into_iter().map(loss).collect(),
        Listed::Architectures => ARCHITECTURES
            .iter()
            .map(|a| json!({"name": a.name, "summary": a.summary, "image_sizes": a.image_sizes}))
            .collect(),
        Listed::Datasets => datasets()
            .iter()
            .map(|d| {
                json!({"name": d.name, "summary": d.summary, "source": d.source, "licence": d.licence,
                       "classes": d.class_names, "default_extractor": d.default_extractor})
            })
            .collect(),
        Listed::Extractors => EXTRACTORS
            .iter()
            .map(|e| {
                json!({"name": e.name, "summary": e.description, "feature_dim": e.feature_dim,
                       "classes": e.classes})
            })
            .collect(),
        Listed::Metrics => FAMILIES.iter().flat_map(cards_of_family).collect(),
        Listed::Protocols => protocols()
            .iter()
            .map(|p| Ok(serde_json::to_value(p)?))
            .collect::<Result<_>>()?,
        Listed::Tables => RECIPES
            .iter()
            .map(|(name, _)| {
                let recipe = Recipe::by_name(name)?;
                let rows: Vec<String> = recipe.rows().into_iter().map(|row| row.name).collect();
                let summary = match recipe.table.summary.as_str() {
                    "" => rows.join(", "),
                    summary => summary.to_string(),
                };
                Ok(json!({"name": name, "summary": summary, "methods": rows}))
            })
            .chain(std::iter::once(Ok(json!({"name": FIGURE3, "summary": figure3::SUMMARY,
                                             "methods": []}))))
            .collect::<Result<_>>()?,
        Listed::Reported => reported_models()?,
    })
}

/// One entry per trained model of a source.
fn reported_models() -> Result<Vec<Value>> {
    let numbers = reported::all()?;
    let entry = |model: &reported::Model<'_>| {
        let first = model.first;
        let values: Vec<String> =
            model.values.iter().map(|r| format!("{} {}", r.metric, r.with_std())).collect();
        let summary = format!(
            "{}; {}, {}; protocol {}; {}, {}",
            values.join(", "),
            first.dataset,
            first.architecture,
            first.protocol,
            first.source,
            first.table
        );
        let values: Vec<Value> = model
            .values
            .iter()
            .map(|r| {
                json!({"metric": r.metric, "value": r.value, "std": r.std, "printed": r.with_std(),
                       "n_real": r.n_real, "n_fake": r.n_fake})
            })
            .collect();
        let tables: Vec<&str> = first.our_tables.split(';').filter(|t| !t.is_empty()).collect();
        json!({"name": first.method, "summary": summary, "source": first.source,
               "table": first.table, "architecture": first.architecture, "dataset": first.dataset,
               "split": first.split, "extractor": first.extractor, "protocol": first.protocol,
               "batch": first.batch, "g_steps": first.g_steps, "note": first.note,
               "our_tables": tables, "our_row": first.our_row, "values": values})
    };
    Ok(reported::models(&numbers).iter().map(entry).collect())
}
