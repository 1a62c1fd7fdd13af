//! From finished runs to the report: rows, curves and sample grids gathered for `ganbench_reports`.

pub mod cards;
pub mod comparison;
pub mod fairness;
pub mod stability;

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result};
use candle_core::Device;
use fairness::{Compared, Comparison};
use ganbench_baselines::methods;
use ganbench_baselines::train::{SampleRequest, StepRecord};
use ganbench_reports::plot::{CurvePoint, Curves, SampleBlock, SampleGrid, Term};
use ganbench_reports::{Anchor, MethodLabel, Report, ReportInput, ResultRow};
use stability::{Stability, SteadyRun};

use crate::plan::Plan;
use crate::plan::recipe::place_of;
use crate::results;
use crate::run::folder::RunFolder;
use crate::run::generators::load_generator;
use crate::run::samples;

/// Characters a line of the tables on stdout.
const TEXT_WIDTH: usize = 140;

/// What a report is asked for beside its runs.
#[derive(Clone, Copy, Default)]
pub struct How<'a> {
    /// The command that makes it again.
    pub command: Option<&'a str>,
    /// The row that the others are compared with; left out: the first.
    pub reference: Option<&'a str>,
    /// Those of other measurements are not shown.
    pub anchors: &'a [Anchor],
}

/// What a report consists of.
pub struct Made {
    /// The rows that the tables are made of.
    pub rows: Vec<ResultRow>,
    /// The tables as text for a terminal.
    pub text: String,
}

impl Made {
    /// The rows of last and best checkpoints.
    pub fn final_rows(&self) -> impl Iterator<Item = &ResultRow> {
        self.rows.iter().filter(|r| !r.is_curve_point())
    }
}

/// Writes tables, plots and the page of `runs` to `out`.
///
/// # Errors
/// If a run's files are damaged or `out` cannot be written.
pub fn write(runs: &[RunFolder], out: &Path, how: How<'_>) -> Result<Made> {
    let mut plans = Vec::new();
    for run in runs {
        plans.push((run.plan()?, run));
    }
    if plans.iter().any(|(plan, _)| plan.row.is_some()) {
        plans.sort_by_cached_key(|(plan, _)| place_of(&plan.table, plan.row_name()));
    }
    let scores = plans.iter().map(|(_, run)| run.scores()).collect::<Result<Vec<_>>>()?;
    let compared = plans.iter().zip(&scores).map(|((plan, run), rows)| Compared {
        plan,
        rows,
        machines: fairness::machines(run),
        uneven_classes: run.provenances().find_map(|p| p.uneven_classes),
    });
    let comparison = fairness::compare(&compared.collect::<Vec<_>>());
    let mut rows = Vec::new();
    let (mut losses, mut gradient_norms, mut d_outputs) = (Vec::new(), Vec::new(), Vec::new());
    let mut all_records: Vec<Vec<StepRecord>> = Vec::new();
    let several = several_networks(plans.iter().map(|(plan, _)| plan));
    for (i, (plan, run)) in plans.iter().enumerate() {
        let method = &comparison.methods[i];
        let group = if several { plan.train.network.architecture.as_str() } else { "" };
        // Rows from before a folder had a name call it "folder".
        let dataset = plan.dataset.label();
        let of_table = |row: &ResultRow| ResultRow {
            method: method.clone(),
            dataset: dataset.clone(),
            ..row.clone()
        };
        rows.extend(scores[i].iter().map(of_table));
        let records = run.records()?;
        // Not every step has every term.
        let names: BTreeSet<String> =
            records.iter().flat_map(|r| r.losses.keys()).cloned().collect();
        let names = names.into_iter().filter(|name| !name.ends_with("_loss"));
        let loss_terms =
            names.map(|name| term(&name.clone(), &records, |r| r.losses.get(&name).copied()));
        losses.push(curves(method, group, plan, loss_terms.collect()));
        let norms = vec![
            term("D", &records, |r| Some(r.d_grad_norm)),
            term("G", &records, |r| Some(r.g_grad_norm)),
            term("D's class table", &records, |r| r.d_class_grad_norm),
            term("features of reals (length)", &records, |r| r.d_feature_norm),
        ];
        gradient_norms.push(curves(method, group, plan, norms));
        let outputs =
            vec![term("real", &records, |r| r.d_real), term("fake", &records, |r| r.d_fake)];
        d_outputs.push(curves(method, group, plan, outputs));
        all_records.push(records);
    }
    let imported = results::imported_rows(out)?;
    rows.extend(imported);
    let grids = grids(&plans, &comparison)?;
    let stability = stability(&plans, &comparison, &scores, &all_records);
    let title = plans.first().map_or("runs", |(plan, _)| plan.table.as_str());
    // Rows do not name the content of a reference of another split.
    let has_reference = |anchor: &&Anchor| {
        let of_run = |(plan, _): &(Plan, _)| {
            plan.evaluation.reference_sha256 == anchor.measured.reference_sha256
        };
        plans.iter().any(of_run)
    };
    let anchors: Vec<Anchor> = how.anchors.iter().filter(has_reference).cloned().collect();
    let report = Report::new(&ReportInput {
        title,
        rows: &rows,
        methods: &comparison.labels,
        cards: cards::for_reports(),
        notes: &comparison.notes,
        anchors: &anchors,
        losses: &losses,
        gradient_norms: &gradient_norms,
        d_outputs: &d_outputs,
        grids: &grids,
        reference: how.reference,
        sections: &[stability],
        command: how.command,
    })?;
    report.write(out)?;
    Ok(Made { rows: scores.into_iter().flatten().collect(), text: report.text(TEXT_WIDTH) })
}

/// Tables and score curves of rows alone, as a results file holds them.
///
/// # Errors
/// If the rows make no table or `out` cannot be written.
pub fn write_rows(rows: &[ResultRow], out: &Path, how: How<'_>) -> Result<Made> {
    std::fs::create_dir_all(out)
        .with_context(|| format!("cannot make the folder {}", out.display()))?;
    let title = rows.first().map_or("results", |row| row.table.as_str());
    let labels: Vec<MethodLabel> =
        methods::METHODS.iter().map(|m| MethodLabel::new(m.name, m.title)).collect();
    let report = Report::new(&ReportInput {
        title,
        rows,
        methods: &labels,
        cards: cards::for_reports(),
        notes: &[],
        anchors: how.anchors,
        losses: &[],
        gradient_norms: &[],
        d_outputs: &[],
        grids: &[],
        reference: how.reference,
        sections: &[],
        command: how.command,
    })?;
    report.write(out)?;
    Ok(Made { rows: rows.to_vec(), text: report.text(TEXT_WIDTH) })
}

/// The section on how steadily each row trained, on each pair of networks.
fn stability(
    plans: &[(Plan, &RunFolder)],
    comparison: &Comparison,
    scores: &[Vec<ResultRow>],
    records: &[Vec<StepRecord>],
) -> String {
    let several = several_networks(plans.iter().map(|(plan, _)| plan));
    let label = |i: usize| {
        let label = comparison.label_of(i);
        match several {
            true => format!("{label}, {}", plans[i].0.train.network.architecture),
            false => label.to_string(),
        }
    };
    let mut rows: Vec<(String, Vec<SteadyRun<'_>>)> = Vec::new();
    for i in 0..plans.len() {
        let run = SteadyRun { rows: &scores[i], records: &records[i] };
        match rows.iter_mut().find(|(other, _)| *other == label(i)) {
            Some((_, runs)) => runs.push(run),
            None => rows.push((label(i), vec![run])),
        }
    }
    let rows: Vec<Stability> =
        rows.iter().map(|(label, runs)| Stability::from_runs(label, runs)).collect();
    stability::markdown(&rows)
}

/// Whether the runs are of more than one pair of networks: then each has figures of its own.
fn several_networks<'a>(plans: impl Iterator<Item = &'a Plan>) -> bool {
    let names: BTreeSet<&str> = plans.map(|p| p.train.network.architecture.as_str()).collect();
    names.len() > 1
}

fn term(name: &str, records: &[StepRecord], value: impl Fn(&StepRecord) -> Option<f64>) -> Term {
    let points =
        records.iter().filter_map(|r| Some(CurvePoint { kimg: r.real_kimg, value: value(r)? }));
    Term { name: name.into(), points: points.collect() }
}

fn curves(method: &str, group: &str, plan: &Plan, terms: Vec<Term>) -> Curves {
    let terms = terms.into_iter().filter(|t| !t.points.is_empty()).collect();
    let (group, method) = (group.to_string(), method.to_string());
    Curves { group, method, seed: plan.train.seed, terms }
}

/// One grid a data set and seed: every method's averaged generator at the same noise, the first
/// seed only.
fn grids(plans: &[(Plan, &RunFolder)], comparison: &Comparison) -> Result<Vec<SampleGrid>> {
    let mut grids: Vec<SampleGrid> = Vec::new();
    let Some((first, _)) = plans.first() else { return Ok(grids) };
    let several = several_networks(plans.iter().map(|(plan, _)| plan));
    let key = |plan: &Plan| (plan.dataset.sha256.clone(), plan.train.network.architecture.clone());
    let mut done: Vec<(String, String)> = Vec::new();
    for (plan, _) in plans {
        if done.contains(&key(plan)) {
            continue;
        }
        done.push(key(plan));
        let mut blocks = Vec::new();
        for (i, (other, run)) in plans.iter().enumerate() {
            if key(other) != key(plan) || other.train.seed != first.train.seed {
                continue;
            }
            if let Some(block) =
                block(comparison.label_of(i), other, run, plan.evaluation.grid_images)?
            {
                blocks.push(block);
            }
        }
        if !blocks.is_empty() {
            let title = format!(
                "{} on {}{}, seed {}, last checkpoint",
                plan.table,
                plan.dataset.label(),
                if several {
                    format!(", {}", plan.train.network.architecture)
                } else {
                    String::new()
                },
                first.train.seed
            );
            grids.push(SampleGrid { title, blocks, columns: 4 });
        }
    }
    Ok(grids)
}

/// A run's samples at its end: those on its own page, or where it diverged those of the last
/// generator that was kept. None where neither is there.
fn block(label: &str, plan: &Plan, run: &RunFolder, n: usize) -> Result<Option<SampleBlock>> {
    if let Some(images) = samples::read(run, plan, n)? {
        return Ok(Some(SampleBlock { label: label.to_string(), images }));
    }
    let rows = run.scores()?;
    let kimg = rows.iter().filter_map(|r| Some((r.checkpoint.parse::<f64>().ok()?, &r.checkpoint)));
    let Some((_, name)) = kimg.max_by(|a, b| a.0.total_cmp(&b.0)) else { return Ok(None) };
    let path = run.checkpoints().join(format!("ema-{name}.safetensors"));
    if !path.is_file() {
        return Ok(None);
    }
    let generator = load_generator(plan, &path, &Device::Cpu)?;
    let request = SampleRequest { n, seed: plan.train.seed, class: None };
    let images = generator.sampler().sample(request, &mut |_| {})?;
    let diverged = rows.iter().any(|r| r.value.is_none());
    let label = if diverged { format!("{label} (before it diverged)") } else { label.to_string() };
    Ok(Some(SampleBlock { label, images }))
}
