//! The page of an experiment: `README.md` in its folder.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::Result;
use ganbench_reports::claim::MOST_SEEDS;
use ganbench_reports::write_atomic;

use super::findings::{Finding, Findings};
use super::{Experiment, Folder, Part, unreported};
use crate::results;
use crate::run_folder::{Provenance, RunFolder};

/// Of hand: findings in words, things to know. Shown where it is there.
const NOTES_NAME: &str = "notes.md";

/// Writes the page.
///
/// # Errors
/// If a file cannot be read or written.
pub fn page(folder: &Folder, experiment: &Experiment, findings: &Findings) -> Result<()> {
    let mut text = format!("# {}\n\n**{}**\n\n", experiment.name, experiment.question);
    // Writing to a string cannot fail.
    let _ = write!(text, "{}\n\n{}\n", verdicts(folder, findings, ""), reading(findings));
    let notes = folder.path().join(NOTES_NAME);
    if notes.is_file() {
        let _ = write!(text, "\n## In words\n\n{}\n", std::fs::read_to_string(&notes)?.trim());
    }
    let _ = write!(
        text,
        "\n## How\n\n    make kept NAME={}\n\n{}",
        experiment.name,
        how(folder, experiment, findings)?
    );
    for part in &experiment.parts {
        text.push_str(&section(folder, part)?);
    }
    Ok(write_atomic(&folder.path().join("README.md"), text.as_bytes())?)
}

/// The claims as a table, links to pictures beginning with `place`.
pub fn verdicts(folder: &Folder, findings: &Findings, place: &str) -> String {
    let mut text =
        "| claim | verdict | measure | effect (95 %) | seeds | |\n|:--|:--|:--|:--|--:|:--|\n"
            .to_string();
    for finding in &findings.findings {
        let picture = Some(finding.picture.as_str())
            .filter(|picture| !picture.is_empty() && folder.path().join(picture).is_file());
        let _ = writeln!(text, "{}", line(finding, picture, place));
    }
    text.trim_end().to_string()
}

/// Lines of the table of all experiments, without pictures and without what is open.
pub fn summary(findings: &Findings, place: &str) -> String {
    let name = &findings.name;
    let line = |f: &Finding| {
        format!(
            "| [{name}]({place}/README.md) | {} | {} | {} | {} | {} |\n",
            f.claim,
            verdict(f),
            f.measure,
            effect(f),
            seeds(f)
        )
    };
    findings.findings.iter().filter(|f| !f.is_open()).map(line).collect()
}

fn line(f: &Finding, picture: Option<&str>, place: &str) -> String {
    let picture = picture.map_or_else(String::new, |picture| {
        format!("[<img src=\"{place}{picture}\" width=\"160\">]({place}{picture})")
    });
    format!(
        "| {} ({}) | {} | {} | {} | {} | {picture} |",
        f.claim,
        f.source,
        verdict(f),
        f.measure,
        effect(f),
        seeds(f)
    )
}

fn seeds(f: &Finding) -> String {
    let without = f.seeds_without_value.len();
    let mut text = f.seeds.to_string();
    if f.seeds + without < f.seeds_planned {
        let _ = write!(text, " of {}", f.seeds_planned);
    }
    if without > 0 {
        let _ = write!(text, " ({without} more without a value)");
    }
    text
}

/// Where it is undecided with which way it leans and what would decide it.
fn verdict(f: &Finding) -> String {
    if f.is_open() {
        return "open: fewer than two seeds".into();
    }
    let verdict = format!("**{}**", f.verdict);
    match f.verdict.as_str() {
        "undecided" => format!("{verdict}; {}", aside(f)),
        _ => verdict,
    }
}

fn aside(f: &Finding) -> String {
    if !f.seeds_without_value.is_empty() {
        return "runs without a value leave it open".into();
    }
    if f.p.is_none() {
        return "the same in every seed, so without an interval".into();
    }
    let leans = if f.leans_to_claim { "leans to it" } else { "leans against it" };
    match f.seeds_to_decide {
        Some(n) => format!("{leans}, roughly {n} seeds would decide"),
        None => format!("no sign of a difference (over {MOST_SEEDS} seeds)"),
    }
}

fn effect(f: &Finding) -> String {
    let Some(effect) = f.effect else { return "–".into() };
    let means = match (f.claimed_mean, f.other_mean) {
        (Some(a), Some(b)) => format!("{} against {}: ", number(a), number(b)),
        _ => String::new(),
    };
    let interval = match (f.effect_low, f.effect_high) {
        (Some(low), Some(high)) => format!(" ({} … {})", number(low), number(high)),
        _ => String::new(),
    };
    let sign = if f.scale == "ratio" { "× " } else { "" };
    format!("{means}{sign}{}{interval}", number(effect))
}

/// Three significant digits, without an exponent where it can be read without.
fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".into()
    } else if !(1e-3..1e5).contains(&size) {
        format!("{value:.1e}")
    } else {
        let decimals = (2 - size.log10().floor() as i32).max(0) as usize;
        format!("{value:.decimals$}")
    }
}

fn reading(findings: &Findings) -> String {
    let n = findings.findings.len();
    format!(
        "An effect is the mean over seeds of the row claimed of against the other, seed by seed (× a ratio, of \
         geometric means; else a difference), with Student's 95 % interval; of shares of runs it is McNemar's exact one \
         of the pairs of runs that differ. Confirmed: the whole interval lies on the side claimed; contradicted: on the \
         other; undecided: neither. So many seeds would decide in four of five repeats, if mean and spread stayed as \
         these few seeds have them: a rough number. Each of the {n} intervals is for itself alone: of {n} true zeros \
         about {:.1} would be called something else.",
        0.05 * n as f64
    )
}

fn how(folder: &Folder, experiment: &Experiment, findings: &Findings) -> Result<String> {
    let mut text = String::from("which is\n\n");
    for part in &experiment.parts {
        let _ = writeln!(text, "    ganbench {}", part.command);
        for command in &part.also {
            let _ = writeln!(text, "    ganbench {command} --runs .../{}/runs", part.name);
        }
    }
    let mut machines = BTreeSet::new();
    for provenance in provenances(folder, experiment)? {
        let Provenance { commit, cpu, simd, threads, .. } = provenance;
        machines.insert(format!("{cpu}, {threads} threads, {simd}, commit {commit}"));
    }
    let _ = write!(text, "\n| part | runs | diverged | training, h |\n|:--|--:|--:|--:|\n");
    for part in &findings.parts {
        let _ = writeln!(
            text,
            "| {} | {} of {} | {} | {:.2} |",
            part.name,
            part.runs_done,
            part.runs_planned,
            part.runs_diverged,
            part.train_s / 3600.0
        );
    }
    // Work done otherwise, by `reproduce` or in an invocation that was killed, left no time of its own.
    let whole = findings.parts.iter().all(|part| part.wall_s >= part.train_s);
    let _ = write!(
        text,
        "\nMachine time {}{:.2} h, evaluation, pictures and stopped runs included{}.\n",
        if whole { "" } else { "at least " },
        findings.hours(),
        if whole { "" } else { " where they are known" }
    );
    for machine in machines {
        let _ = write!(text, "\n- {machine}");
    }
    text.push('\n');
    Ok(text)
}

fn provenances(folder: &Folder, experiment: &Experiment) -> Result<Vec<Provenance>> {
    let mut found = Vec::new();
    for part in &experiment.parts {
        let runs = folder.part(part).join("runs");
        if runs.is_dir() {
            for run in results::find_runs(&runs)? {
                found.extend(RunFolder::at(&run).provenances());
            }
        }
    }
    Ok(found)
}

/// Title, table, sizes and pictures of a part that has begun.
fn section(folder: &Folder, part: &Part) -> Result<String> {
    let place = folder.part(part);
    let mut text = format!("\n## {}\n\n", part.title);
    let runs = folder.runs(part)?;
    if (runs.is_empty() && !folder.has_toy(part)?) || !place.join("report.md").is_file() {
        text.push_str("No run is done yet, or no report of them made.\n");
        return Ok(text);
    }
    let table = place.join("table.md");
    if table.is_file() {
        let _ = write!(text, "{}\n\n", std::fs::read_to_string(&table)?.trim());
    }
    if let Some(sizes) = unreported::markdown(&runs) {
        let _ = writeln!(text, "{sizes}");
    }
    let name = &part.name;
    let mut pictures = Vec::new();
    if let Ok(entries) = std::fs::read_dir(place.join("plots")) {
        pictures.extend(entries.filter_map(|e| e.ok()?.file_name().into_string().ok()));
    }
    pictures.retain(|file| file.ends_with(".png"));
    pictures.sort();
    for picture in pictures {
        let _ = write!(text, "![{picture}]({name}/plots/{picture})\n\n");
    }
    let _ = writeln!(text, "[Report]({name}/report.md)");
    for file in ["results.parquet", "results.csv", "distances.csv"] {
        if place.join(file).is_file() {
            let _ = writeln!(text, "· [{file}]({name}/{file})");
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let shown = [0.0, 0.123456, 1.0, 12.345, 123.45, 1234.5, 1e-7, -0.5].map(number);
        assert_eq!(shown, ["0", "0.123", "1.00", "12.3", "123", "1234", "1.0e-7", "-0.500"]);
    }

    fn finding() -> Finding {
        Finding {
            claim: "A beats B".into(),
            source: "us".into(),
            measure: "FID (last)".into(),
            verdict: "undecided".into(),
            scale: "ratio".into(),
            effect: Some(0.8),
            effect_low: Some(0.5),
            effect_high: Some(1.25),
            p: Some(0.2),
            claimed_mean: Some(8.0),
            other_mean: Some(10.0),
            seeds: 3,
            seeds_planned: 4,
            seeds_without_value: Vec::new(),
            leans_to_claim: true,
            seeds_to_decide: Some(7),
            picture: "p/a.png".into(),
        }
    }

    #[test]
    fn a_line_says_what_was_found_and_what_would_decide() {
        let text = line(&finding(), Some("p/a.png"), "x/");
        assert_eq!(
            text,
            "| A beats B (us) | **undecided**; leans to it, roughly 7 seeds would decide | FID (last) | 8.00 against \
             10.0: × 0.800 (0.500 … 1.25) | 3 of 4 | [<img src=\"x/p/a.png\" width=\"160\">](x/p/a.png) |"
        );
        let none = Finding { effect: None, seeds: 0, ..finding() };
        assert!(
            line(&none, None, "").contains("| open: fewer than two seeds | FID (last) | – | 0")
        );
    }

    #[test]
    fn what_leaves_a_claim_undecided_is_told() {
        let lost =
            Finding { effect: None, seeds: 0, seeds_without_value: vec![0, 1, 2, 3], ..finding() };
        for (finding, why) in [
            (
                lost,
                "runs without a value leave it open | FID (last) | – | 0 (4 more without a value)",
            ),
            (Finding { p: None, ..finding() }, "the same in every seed, so without an interval"),
            (
                Finding { seeds_to_decide: None, ..finding() },
                "no sign of a difference (over 100 seeds)",
            ),
            (Finding { leans_to_claim: false, ..finding() }, "leans against it, roughly 7 seeds"),
        ] {
            let text = line(&finding, None, "");
            assert!(text.contains(&format!("**undecided**; {why}")), "{text}");
        }
    }

    #[test]
    fn the_summary_leaves_open_claims_out() {
        let findings = Findings {
            name: "x".into(),
            question: String::new(),
            parts: Vec::new(),
            train_s: 0.0,
            machine_s: 0.0,
            findings: vec![finding(), Finding { seeds: 1, ..finding() }],
        };
        let text = summary(&findings, "p");
        assert_eq!(text.lines().count(), 1);
        assert!(text.starts_with("| [x](p/README.md) | A beats B | **undecided**"), "{text}");
    }
}
