//! The page of an experiment: `README.md` in its folder.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::Result;
use ganbench_files::write_atomic;
use ganbench_reports::claim::{Verdict, seeds_text};
use ganbench_reports::escape::visible_lines;

use super::experiment::Counts;
use super::findings::{Finding, Findings};
use super::{Experiment, Folder, Part, unreported};
use crate::run::folder::Provenance;

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
    Ok(write_atomic(&folder.path().join("README.md"), visible_lines(&text).as_bytes())?)
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
        "| {} ({}{}) | {} | {} | {} | {} | {picture} |",
        f.claim,
        f.source,
        asides(f),
        verdict(f),
        f.measure,
        effect(f),
        seeds(f)
    )
}

/// Constants of ours, and where the claim was registered.
fn asides(f: &Finding) -> String {
    let ours = f.our_constants.as_ref().map(|ours| format!("; constants of ours: {ours}"));
    let registered = f.registered_in.as_ref().map(|commit| format!("; registered in {commit}"));
    [ours, registered].into_iter().flatten().collect()
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

/// Where it is undecided with which way it leans and what would decide it. Only registered claims
/// are confirmed or contradicted.
fn verdict(f: &Finding) -> String {
    if f.is_open() {
        return "open: fewer than two seeds".into();
    }
    let decided = f.verdict != Verdict::Undecided.name();
    let side = if f.leans_to_claim { "for it" } else { "against it" };
    if f.counts == Counts::ByConstruction.name() {
        return "by construction, does not count".into();
    }
    match (f.is_registered(), decided) {
        (true, true) => format!("**{}**{}", f.verdict, looks(f)),
        (true, false) => format!("**{}**{}; {}", f.verdict, looks(f), aside(f)),
        (false, true) => format!("exploratory: {side}"),
        (false, false) => format!("exploratory: {}; {}", f.verdict, aside(f)),
    }
}

/// The level, where the verdict is looked at more than once.
fn looks(f: &Finding) -> String {
    if f.level < 0.0499 {
        format!(" at level {:.3}, one of several looks", f.level)
    } else {
        String::new()
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
    let end = seeds_text;
    match (f.seeds_to_decide, f.seeds_range) {
        (Some(n), [None, None]) => format!("{leans}, roughly {n} seeds would decide"),
        (Some(n), [few, many]) => {
            format!("{leans}, roughly {n} seeds would decide ({} … {})", end(few), end(many))
        }
        (None, _) => format!("no sign of a difference ({} seeds)", end(None)),
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
    format!("{means}{sign}{}{interval}{}", number(effect), collapses(f))
}

/// How many runs collapsed on either side, where any did.
fn collapses(f: &Finding) -> String {
    let Some(p) = f.collapse_p else { return String::new() };
    let [[a, runs_a], [b, runs_b]] = [f.claimed_collapsed, f.other_collapsed];
    format!("; collapsed: {a} of {runs_a} against {b} of {runs_b} (p = {})", number(p))
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
    let registered = findings.findings.iter().filter(|f| f.is_registered()).count();
    format!(
        "An effect compares the row claimed of with the other: × a ratio of geometric means over seeds, or else a \
         difference of means, with its 95 % interval. The interval is Student's, with variances that the rows of a table \
         lend one another; seeds are paired only where they have an effect. For shares of runs it is McNemar's exact \
         interval over pairs of runs of one seed. Runs that collapsed (their last FID is over twice their best, or not \
         below the untrained generator's) are counted apart, with Fisher's exact p; effects of scores are those of the \
         other runs, unless most runs of a row collapsed. Confirmed: p is below the level, 0.05 if the verdict is looked \
         at once, and the effect lies on the side claimed; contradicted: on the other; undecided: neither. Seeds per row \
         that would decide in four of five repeats are told for this effect and for the two ends of its interval. \
         {registered} of these {} claims were registered before their first run. The others are exploratory, and none of \
         them counts as confirmed.",
        findings.findings.len()
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
    // Work done otherwise, by `reproduce` or in an invocation that was killed, left no time of its
    // own.
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
        for run in folder.run_folders(&part.name)? {
            found.extend(run.provenances());
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
    for file in ["results.parquet", "train.parquet", "distances.csv"] {
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
            seeds_range: [Some(3), None],
            p_permutation: None,
            level: 0.05,
            counts: "registered".into(),
            registered_in: Some("abc".into()),
            our_constants: None,
            paired: false,
            claimed_collapsed: [0, 3],
            other_collapsed: [0, 3],
            collapse_p: None,
            picture: "p/a.png".into(),
        }
    }

    #[test]
    fn a_line_says_what_was_found_and_what_would_decide() {
        let text = line(&finding(), Some("p/a.png"), "x/");
        assert_eq!(
            text,
            "| A beats B (us; registered in abc) | **undecided**; leans to it, roughly 7 seeds would decide (3 … over 100) | FID (last) | \
             8.00 against 10.0: × 0.800 (0.500 … 1.25) | 3 of 4 | [<img src=\"x/p/a.png\" width=\"160\">](x/p/a.png) |"
        );
        let none = Finding { effect: None, seeds: 0, ..finding() };
        assert!(
            line(&none, None, "").contains("| open: fewer than two seeds | FID (last) | – | 0")
        );
    }

    #[test]
    fn only_registered_claims_are_confirmed_and_looks_and_collapses_are_told() {
        let confirmed = Finding { verdict: "confirmed".into(), ..finding() };
        let said = |finding: Finding| line(&finding, None, "");
        assert!(said(confirmed.clone()).contains("| **confirmed** |"));
        let twice = Finding { level: 0.0386, ..confirmed.clone() };
        assert!(said(twice).contains("| **confirmed** at level 0.039, one of several looks |"));
        let later = Finding { counts: "afterwards".into(), ..confirmed.clone() };
        assert!(said(later).contains("| exploratory: for it |"));
        let built = Finding { counts: "by construction".into(), ..confirmed.clone() };
        assert!(said(built).contains("| by construction, does not count |"));
        let fallen = Finding {
            other_collapsed: [2, 5],
            claimed_collapsed: [0, 5],
            collapse_p: Some(4.0 / 9.0),
            ..confirmed.clone()
        };
        assert!(
            said(fallen).contains("(0.500 … 1.25); collapsed: 0 of 5 against 2 of 5 (p = 0.444) |")
        );
        let ours = Finding { our_constants: Some("τ 0.05".into()), ..confirmed };
        assert!(
            said(ours).contains("| A beats B (us; constants of ours: τ 0.05; registered in abc) |")
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
