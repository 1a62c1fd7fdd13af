//! Whether the runs of a table compare: their plans and machines against one another, their parts
//! against the methods' presets. Unlike runs are never averaged, and what differs stands in the
//! table's notes.

mod fields;

use std::collections::{BTreeMap, BTreeSet};

use ganbench_baselines::methods;
use ganbench_metrics::protocol::LabelRule;
use ganbench_reports::{Keys, MethodLabel, ResultRow, TableKey, TableNote, row_of};

use self::fields::{Fields, differing};
pub use self::fields::{differing as differing_fields, fields, value};
use crate::plan::Plan;
use crate::plan::recipe::{Recipe, place_of};
use crate::run::folder::RunFolder;

/// A run of a table, as far as its comparison needs it.
pub struct Compared<'a> {
    /// The run's resolved plan.
    pub plan: &'a Plan,
    /// The run's rows.
    pub rows: &'a [ResultRow],
    /// As [`machines`].
    pub machines: BTreeSet<String>,
    /// Images of the smallest and of the largest class, where the classes are uneven.
    pub uneven_classes: Option<[u64; 2]>,
}

/// How the tables call the runs, and what their readers must know.
pub struct Comparison {
    /// The method of each run: `gan`, or `gan (2)` where the table holds runs of gan under several
    /// plans.
    pub methods: Vec<String>,
    /// In table order.
    pub labels: Vec<MethodLabel>,
    /// What the captions say: unequal plans, machines and class counts.
    pub notes: Vec<TableNote>,
}

impl Comparison {
    /// The printed name of the `i`th run's method.
    pub fn label_of(&self, i: usize) -> &str {
        let method = &self.methods[i];
        let label = self.labels.iter().find(|l| l.method == *method);
        label.map_or(method.as_str(), |l| l.label.as_str())
    }
}

/// Fields of a plan that no result depends on, that differ between any two runs, or that are in the
/// table's key (the content's hash stands for the data set).
fn is_compared(field: &str) -> bool {
    let passed_over = [
        "format",
        "table",
        "method",
        "row.name",
        "row.title",
        "train.seed",
        "train.log_every_steps",
        "train.checkpoint_kimg",
        "evaluation.grid_images",
    ];
    let of_data = field.starts_with("dataset.") && !field.starts_with("dataset.selection.");
    !passed_over.contains(&field) && !of_data
}

/// The runs of one row under one plan, seeds aside.
struct Variant {
    /// The row's name: a method's, or one that the table gave it.
    method: String,
    title: String,
    /// The method whose preset it claims to be; none where the table's recipe says what the row is.
    preset: Option<String>,
    /// Position among the method's variants, from 1; 0 where there is one only.
    number: usize,
    fields: Fields,
    runs: Vec<usize>,
}

impl Variant {
    fn numbered(&self, name: &str) -> String {
        if self.number == 0 { name.to_string() } else { format!("{name} ({})", self.number) }
    }

    fn label(&self) -> String {
        self.numbered(&self.title)
    }
}

/// Compares the runs of each table. Runs without rows are in none.
pub fn compare(runs: &[Compared<'_>]) -> Comparison {
    let mut tables: Vec<(TableKey, Vec<usize>)> = Vec::new();
    for (i, run) in runs.iter().enumerate() {
        let first = run.rows.first().map(|row| Keys::new(run.rows).key(row));
        let Some(key) = first else { continue };
        match tables.iter_mut().find(|(other, _)| *other == key) {
            Some((_, table)) => table.push(i),
            None => tables.push((key, vec![i])),
        }
    }
    let mut methods: Vec<String> = runs.iter().map(|run| run.plan.row_name().to_string()).collect();
    let mut labels: Vec<MethodLabel> = Vec::new();
    let mut notes = Vec::new();
    for (key, table) in tables {
        let variants = variants(runs, &table);
        for variant in &variants {
            let name = variant.numbered(&variant.method);
            let label = MethodLabel::new(&name, &variant.label());
            if !labels.contains(&label) {
                labels.push(label);
            }
            variant.runs.iter().for_each(|&i| methods[i].clone_from(&name));
        }
        let texts = unlike_fields(&variants)
            .chain(unlike_presets(&variants, &key.table))
            .chain(tuning(&variants))
            .chain(our_constants(runs, &table))
            .chain(selection(runs, &table))
            .chain(damaged_images(runs, &table))
            .chain(uneven_classes(runs, &table))
            .chain(unlike_machines(runs, &variants));
        notes.extend(texts.map(|text| TableNote { key: key.clone(), text }));
    }
    // Rows of a table's own stand in its order.
    let own = runs.iter().find(|run| run.plan.row.is_some()).map(|run| &run.plan.table);
    let place = |label: &MethodLabel| {
        let name = row_of(&label.method);
        match own {
            Some(table) => place_of(table, name),
            None => methods::METHODS.iter().position(|m| m.name == name).unwrap_or(usize::MAX),
        }
    };
    labels.sort_by_cached_key(|label| (place(label), label.method.clone()));
    Comparison { methods, labels, notes }
}

/// What the runs were trained on, where that is not all that they are measured against.
fn selection(runs: &[Compared<'_>], table: &[usize]) -> Option<String> {
    let of = |&i: &usize| runs[i].plan.dataset.selection.as_ref();
    let s = table.iter().find_map(of)?;
    Some(format!(
        "instance selection: trained on the {} % of each class that are likeliest under a Gaussian of {}'s features, \
         measured against all images",
        s.retention_percent, s.extractor
    ))
}

/// Which methods have constants that were chosen on this harness's own metric: nobody else had a
/// second trial.
fn our_constants(runs: &[Compared<'_>], table: &[usize]) -> Option<String> {
    let mut told: Vec<String> = Vec::new();
    for plan in table.iter().map(|&i| runs[i].plan) {
        let Some(method) = methods::method(&plan.method) else { continue };
        let is_preset = (method.parts)().adversarial == plan.train.parts.adversarial;
        let text = method.our_constants.map(|ours| format!("{} has {ours}", plan.row_title()));
        told.extend(text.filter(|text| is_preset && !told.contains(text)));
    }
    (!told.is_empty()).then(|| told.join("; "))
}

/// How many images of a folder were left out of the training.
fn damaged_images(runs: &[Compared<'_>], table: &[usize]) -> Option<String> {
    let n = table.iter().map(|&i| runs[i].plan.dataset.damaged).find(|&n| n > 0)?;
    Some(format!("{n} damaged images of the data set were left out"))
}

/// How conditional generators are asked for classes, where that matters.
fn uneven_classes(runs: &[Compared<'_>], table: &[usize]) -> Option<String> {
    let conditional = |&&i: &&usize| runs[i].plan.train.parts.conditional();
    let run = &runs[*table.iter().find(conditional)?];
    let [least, most] = run.uneven_classes?;
    let rule = run.plan.evaluation.measurement().ok()?.protocol.labels;
    let asked = match rule {
        LabelRule::Uniform => "for each class equally often",
        LabelRule::Data => "for each class as often as the data set has it",
    };
    Some(format!(
        "the classes are uneven ({least} to {most} images each); conditional generators were asked {asked}"
    ))
}

fn variants(runs: &[Compared<'_>], table: &[usize]) -> Vec<Variant> {
    let mut variants: Vec<Variant> = Vec::new();
    for &i in table {
        let plan = runs[i].plan;
        let method = plan.row_name();
        let mut fields = fields(&plan.asked());
        fields.retain(|name, _| is_compared(name));
        match variants.iter_mut().find(|v| v.method == method && v.fields == fields) {
            Some(variant) => variant.runs.push(i),
            None => variants.push(Variant {
                method: method.to_string(),
                title: plan.row_title().to_string(),
                preset: plan.row.is_none().then(|| plan.method.clone()),
                number: 0,
                fields,
                runs: vec![i],
            }),
        }
    }
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for i in 0..variants.len() {
        let method = variants[i].method.clone();
        if variants.iter().filter(|v| v.method == method).count() > 1 {
            let number = seen.entry(method).or_default();
            *number += 1;
            variants[i].number = *number;
        }
    }
    variants
}

fn unlike_fields(variants: &[Variant]) -> impl Iterator<Item = String> {
    let shared = |name: &str| !name.starts_with("train.parts.");
    let all: Vec<(String, &Fields)> = variants.iter().map(|v| (v.label(), &v.fields)).collect();
    fields::unlike(&all, shared).into_iter()
}

fn unlike_presets(variants: &[Variant], table: &str) -> impl Iterator<Item = String> {
    // The head that a table gives to all of its rows needs no note in each.
    let head = Recipe::by_name(table).ok().and_then(|recipe| recipe.table.head);
    let head = head.and_then(|head| serde_json::to_value(head).ok()?.as_str().map(str::to_string));
    let is_tables = move |name: &str, own: &Fields| {
        name == "adversarial.head" && head.as_deref() == own.get(name).map(String::as_str)
    };
    variants.iter().filter_map(move |variant| {
        let preset = fields(&(methods::method(variant.preset.as_ref()?)?.parts)());
        let own: Fields = variant
            .fields
            .iter()
            .filter_map(|(name, value)| {
                Some((name.strip_prefix("train.parts.")?.into(), value.clone()))
            })
            .collect();
        let each: Vec<String> = differing([&own, &preset].into_iter())
            .into_iter()
            .filter(|name| !is_tables(name, &own))
            .map(|name| format!("{name} {}, preset {}", value(&own, name), value(&preset, name)))
            .collect();
        let text = format!("{} is not its preset: {}", variant.label(), each.join("; "));
        (!each.is_empty()).then_some(text)
    })
}

/// In what a method's variants differ, and how many runs each method had to choose from.
fn tuning(variants: &[Variant]) -> impl Iterator<Item = String> {
    let mut methods: Vec<Vec<&Variant>> = Vec::new();
    for variant in variants {
        match methods.iter_mut().find(|m| m[0].method == variant.method) {
            Some(method) => method.push(variant),
            None => methods.push(vec![variant]),
        }
    }
    let tuned: Vec<&Vec<&Variant>> = methods.iter().filter(|m| m.len() > 1).collect();
    let mut notes = Vec::new();
    for method in &tuned {
        let names = differing(method.iter().map(|v| &v.fields));
        let each = method.iter().map(|variant| {
            let values =
                names.iter().map(|name| format!("{name} {}", value(&variant.fields, name)));
            format!("{} has {}", variant.label(), values.collect::<Vec<_>>().join(", "))
        });
        notes.push(each.collect::<Vec<_>>().join("; "));
    }
    if !tuned.is_empty() {
        let each = methods.iter().map(|method| {
            let runs: usize = method.iter().map(|v| v.runs.len()).sum();
            let title = &method[0].title;
            format!("{title} {} in {}", count(method.len(), "plan"), count(runs, "run"))
        });
        notes.push(format!(
            "tuning: {}; the best of several plans is picked by these scores",
            each.collect::<Vec<_>>().join(", ")
        ));
    }
    notes.into_iter()
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn unlike_machines(runs: &[Compared<'_>], variants: &[Variant]) -> impl Iterator<Item = String> {
    let mut machines: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for variant in variants {
        for machine in variant.runs.iter().flat_map(|&i| &runs[i].machines) {
            machines.entry(machine).or_default().insert(variant.label());
        }
    }
    let each: Vec<String> = machines
        .iter()
        .map(|(machine, labels)| {
            format!("{machine}: {}", labels.iter().cloned().collect::<Vec<_>>().join(", "))
        })
        .collect();
    (each.len() > 1)
        .then(|| format!("the runs were made on unlike machines ({})", each.join("; ")))
        .into_iter()
}

/// What a run was made on, and where it went on; empty where its folder does not say.
pub fn machines(run: &RunFolder) -> BTreeSet<String> {
    run.provenances().map(|p| format!("{}, {}, {}", p.cpu, p.simd, p.device)).collect()
}

#[cfg(test)]
mod tests;
