//! The findings as a page that is kept: `README.md`, `sensitivity.csv` and the figure.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use ganbench_files::write_atomic;
use ganbench_reports::plot::{Drawing, HeatCell, HeatKey, HeatLabel, HeatMap, HeatRow};

use super::answer::answer;
use super::faults::Kind;
use super::measure::{Findings, MetricFindings};
use super::table::{READING, caption, clean_markdown, groups, markdown};
use crate::csv_text::csv_text;

/// Writes the page into a folder, which is made where there is none. Each file is written whole.
///
/// # Errors
/// If a file cannot be written, or the figure cannot be drawn.
pub fn write(folder: &Path, findings: &Findings) -> Result<()> {
    let drawing = figure(findings)?;
    write_atomic(&folder.join("sensitivity.csv"), csv(findings)?.as_bytes())?;
    write_atomic(&folder.join("sensitivity.svg"), drawing.svg()?.as_bytes())?;
    write_atomic(&folder.join("sensitivity.png"), &drawing.png()?)?;
    write_atomic(&folder.join("README.md"), page(findings).as_bytes())?;
    Ok(())
}

fn page(findings: &Findings) -> String {
    let Findings { dataset, n_fake, draws, seed, version, commit, .. } = findings;
    let mut text = format!(
        "# What the metrics see: {dataset}\n\n\
         **Question.** Real images of {dataset} are spoilt in known ways at graded strength: which metric sees which fault, \
         from which strength on, and which metric takes a fault for an improvement?\n\n\
         **Answer.** {}\n\n\
         [![A row for each fault, a column for each metric](sensitivity.png)](sensitivity.svg)\n\n\
         ## How to read it\n\n\
         {}\n\n{}\n\n{}\n",
        answer(findings),
        reading(findings),
        control(findings),
        markdown(findings)
    );
    let _ =
        write!(text, "\n## Levels\n\n| fault | name | a level is | levels |\n|:--|:--|:--|:--|\n");
    for fault in &findings.faults {
        let levels: Vec<String> =
            fault.levels.iter().map(|level| fault.fault.level_text(*level)).collect();
        let (title, name, level) = (fault.title, fault.fault.name, fault.level);
        let _ = writeln!(text, "| {title} | `{name}` | {level} | {} |", levels.join(", "));
    }
    let _ = write!(text, "\n## Clean images\n\n{}", clean_markdown(findings));
    let _ = write!(
        text,
        "\n## How\n\n    {}\n\n{}. Weights of the extractor: sha256 `{}`; images: `{}`. The reference is drawn by class; \
         clean draws and faults are made of the other images of the split, copies of the reference apart; {}Metrics have the \
         settings of protocol `ganbench`, so that nearest neighbours are sought among all reals of the reference.  Random numbers: \
         one stream for each fault, seed {seed}; all levels of a fault spoil the same {n_fake} images. A difference is \
         divided by the standard deviation of {draws} clean draws, but by no less than half a unit of the last digit that \
         tables print. Every value is in [sensitivity.csv](sensitivity.csv), where z is positive where worse. ganbench \
         {version}, commit {commit}.\n",
        command(findings),
        caption(findings),
        findings.extractor_sha256,
        findings.dataset_sha256,
        drawn_anew(findings),
    );
    text
}

fn command(findings: &Findings) -> String {
    let Findings { dataset, n_fake, draws, .. } = findings;
    format!("ganbench sensitivity --dataset {dataset} --n {n_fake} --draws {draws} --page DIR")
}

fn drawn_anew(findings: &Findings) -> &'static str {
    match findings.dataset.as_str() {
        "shapes" => "faults of factors are drawn anew from these. ",
        _ => "",
    }
}

fn reading(findings: &Findings) -> String {
    let truth = match groups(findings).len() {
        2 => {
            "The second table has the metrics that hold samples against the known distribution of `shapes`. "
        }
        _ => "",
    };
    format!("{READING}. {truth}In the figure, dark means seen from the weakest level on.")
}

/// What the row without a fault shows.
fn control(findings: &Findings) -> String {
    let control = findings.faults.iter().find(|fault| fault.fault.kind == Kind::Control);
    let Some(control) = control else {
        return "No row without a fault was measured, so false alarms are not counted.".into();
    };
    let values = || control.metrics.iter().flat_map(|metric| metric.worse.iter().flatten());
    let alarms = values().filter(|z| z.abs() >= findings.threshold).count();
    format!(
        "The row without a fault holds further clean draws: of its {} values {alarms} {} {} standard deviations off, which \
         are false alarms.",
        values().count(),
        if alarms == 1 { "is" } else { "are" },
        findings.threshold
    )
}

/// One line for each value: fault, level, metric, value, clean_mean, clean_sd, z.
fn csv(findings: &Findings) -> Result<String> {
    csv_text("sensitivity.csv", |writer| {
        writer.write_record([
            "fault",
            "level",
            "metric",
            "value",
            "clean_mean",
            "clean_sd",
            "z",
        ])?;
        for fault in &findings.faults {
            for (i, level) in fault.levels.iter().enumerate() {
                for (metric, clean) in fault.metrics.iter().zip(&findings.clean) {
                    let text = |value: Option<f64>| value.map_or(String::new(), |v| v.to_string());
                    writer.write_record([
                        fault.fault.name,
                        &level.to_string(),
                        &metric.metric,
                        &text(metric.values[i]),
                        &clean.mean.to_string(),
                        &clean.sd.to_string(),
                        &text(metric.worse[i]),
                    ])?;
                }
            }
        }
        Ok(())
    })
}

fn figure(findings: &Findings) -> Result<Drawing> {
    let groups = groups(findings);
    let columns: Vec<usize> = groups.concat();
    let begins = |i: usize| groups.iter().any(|group| group.first() == Some(&i));
    let title = |&i: &usize| HeatLabel::new(findings.clean[i].card.title, begins(i));
    let mut kind = None;
    let row = |fault: &super::measure::FaultFindings| {
        let is_new = kind.replace(fault.fault.kind) != Some(fault.fault.kind);
        let text = format!("{}, {}", fault.title, fault.range_text());
        HeatRow {
            label: HeatLabel::new(text, is_new),
            cells: columns.iter().map(|&i| heat(&fault.metrics[i])).collect(),
        }
    };
    let map = HeatMap {
        title: format!("From which strength on a metric sees a fault: {}", findings.dataset),
        subtitle: format!(
            "{}. Seen: 4 standard deviations worse than clean images.",
            caption(findings)
        ),
        columns: columns.iter().map(title).collect(),
        rows: findings.faults.iter().map(row).collect(),
        key: HeatKey {
            first: "seen from the weakest level on".into(),
            last: "at the strongest alone".into(),
            never: "never seen".into(),
            crossed: "takes some level for an improvement".into(),
        },
    };
    Ok(map.drawing()?)
}

/// Place 0 is the weakest level, 1 the strongest.
fn heat(metric: &MetricFindings) -> HeatCell {
    let last = metric.worse.len().saturating_sub(1).max(1) as f64;
    HeatCell {
        place: metric.verdict.sees_from.map(|level| level as f64 / last),
        crossed: metric.verdict.prefers_from.is_some(),
    }
}
