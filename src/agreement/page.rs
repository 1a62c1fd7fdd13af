//! The findings as a page that is kept: `README.md`, `agreement.csv`, `scores.csv` and the figure.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use ganbench_files::write_atomic;
use ganbench_reports::escape::{csv_name, escape_markdown, visible_lines};
use ganbench_reports::plot::{Drawing, Forest, ForestEstimate, ForestRow};

use super::measure::{Agreement, Findings, Tau};
use super::runs::Runs;
use super::table::{answer, caption, markdown};
use crate::csv_text::csv_text;

/// Writes the page into a folder, which is made where there is none. Each file is written whole.
///
/// # Errors
/// If a file cannot be written, or the figure cannot be drawn.
pub fn write(folder: &Path, findings: &Findings, runs: &Runs) -> Result<()> {
    let drawing = figure(findings)?;
    write_atomic(&folder.join("agreement.csv"), agreement_csv(findings)?.as_bytes())?;
    write_atomic(&folder.join("scores.csv"), scores_csv(runs)?.as_bytes())?;
    write_atomic(&folder.join("agreement.svg"), drawing.svg()?.as_bytes())?;
    write_atomic(&folder.join("agreement.png"), &drawing.png()?)?;
    write_atomic(&folder.join("README.md"), visible_lines(&page(findings)).as_bytes())?;
    Ok(())
}

fn page(findings: &Findings) -> String {
    let truth = &findings.truths[0];
    let mut text = format!(
        "# Which metric orders runs as the truth does\n\n\
         **Question.** The modes of `shapes` are known, so `{truth}` says what a run really makes. Which metric orders \
         runs as it does?\n\n\
         **Answer.** {}\n\n\
         [![Kendall's τ of each metric with the truth](agreement.png)](agreement.svg)\n\n\
         ## How to read it\n\n\
         τ is 1 where a metric orders all pairs of runs as the truth does, 0 where it knows nothing of it, and −1 where it \
         prefers the worse run of every pair. All metrics are turned so that higher is better. The better half are the runs \
         above the middle one by that truth: there a metric must tell good runs apart, not only good from failed ones. The \
         last rows of the table are metrics that know the modes themselves.\n\n{}\n",
        escape_markdown(&answer(findings)),
        markdown(findings)
    );
    let _ = write!(
        text,
        "\n## How\n\n{}. Random numbers: stream `agreement`, seed {}; the same runs are drawn for every metric. An interval \
         holds for further runs of the same methods and recipes, not for other methods. All values are in \
         [scores.csv](scores.csv), the correlations in [agreement.csv](agreement.csv). ganbench {}, commit {}.\n\n\
         | recipe | runs |\n|:--|--:|\n",
        escape_markdown(&caption(findings)),
        findings.seed,
        findings.version,
        findings.commit
    );
    for (recipe, n) in &findings.recipes {
        let _ = writeln!(text, "| {} | {n} |", escape_markdown(recipe));
    }
    let _ = write!(text, "\n| metric | how it was measured |\n|:--|:--|\n");
    for agreement in &findings.agreements {
        let cells = [&agreement.metric, &agreement.measure].map(|cell| escape_markdown(cell));
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

/// One line for each metric, truth and choice of runs.
fn agreement_csv(findings: &Findings) -> Result<String> {
    csv_text("agreement.csv", |writer| {
        writer.write_record(["metric", "truth", "runs", "tau", "ci_low", "ci_high", "n_runs"])?;
        for agreement in &findings.agreements {
            for (chosen, taus) in [("all", &agreement.all), ("better_half", &agreement.better_half)]
            {
                for (truth, tau) in findings.truths.iter().zip(taus) {
                    let text = |value: Option<f64>| value.map_or(String::new(), |v| v.to_string());
                    let interval = tau.and_then(|tau| tau.interval);
                    writer.write_record([
                        csv_name(&agreement.metric).as_ref(),
                        csv_name(truth).as_ref(),
                        chosen,
                        &text(tau.map(|tau| tau.tau)),
                        &text(interval.map(|[low, _]| low)),
                        &text(interval.map(|[_, high]| high)),
                        &tau.map_or(String::new(), |tau| tau.n_runs.to_string()),
                    ])?;
                }
            }
        }
        Ok(())
    })
}

/// One line for each checkpoint, with the value of each metric.
fn scores_csv(runs: &Runs) -> Result<String> {
    csv_text("scores.csv", |writer| {
        let head = ["run_id", "method", "seed", "recipe", "checkpoint"].into_iter();
        let names = runs.metrics.iter().map(|metric| csv_name(metric));
        writer.write_record(head.map(Cow::from).chain(names).map(|name| name.into_owned()))?;
        for point in &runs.points {
            let run = &runs.runs[point.run];
            let seed = run.seed.to_string();
            let facts = [&run.id, &run.method, &seed, &run.recipe, &point.checkpoint];
            let facts = facts.map(|fact| csv_name(fact).into_owned());
            let values: Vec<String> = point
                .values
                .iter()
                .map(|value| value.map_or(String::new(), |v| v.to_string()))
                .collect();
            writer.write_record(facts.iter().chain(&values))?;
        }
        Ok(())
    })
}

fn figure(findings: &Findings) -> Result<Drawing> {
    let mut knew_truth = false;
    let row = |agreement: &Agreement| {
        let begins_group = agreement.knows_truth != knew_truth;
        knew_truth = agreement.knows_truth;
        ForestRow {
            label: agreement.metric.clone(),
            begins_group,
            estimates: vec![estimate(agreement.all[0]), estimate(agreement.better_half[0])],
        }
    };
    let forest = Forest {
        title: format!("Which metric orders runs as {} does", findings.truths[0]),
        subtitle: format!("{}.", caption(findings)),
        axis: "Kendall's τ with the truth".into(),
        range: [-1.0, 1.0],
        null: 0.0,
        series: vec!["all runs".into(), "better half".into()],
        rows: findings
            .agreements
            .iter()
            .filter(|a| a.metric != findings.truths[0])
            .map(row)
            .collect(),
    };
    Ok(forest.drawing()?)
}

fn estimate(tau: Option<Tau>) -> Option<ForestEstimate> {
    tau.map(|tau| ForestEstimate { value: tau.tau, interval: tau.interval })
}
