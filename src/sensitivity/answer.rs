//! The findings in three sentences.

use super::faults::Kind;
use super::measure::{FaultFindings, Findings, MetricFindings};

/// Which faults FID does not see, which are seen by one metric alone or by none, and which metrics
/// take faults for improvements.
pub fn answer(findings: &Findings) -> String {
    let faults: Vec<&FaultFindings> =
        findings.faults.iter().filter(|fault| fault.fault.kind != Kind::Control).collect();
    [first_metric(findings, &faults), rarely_seen(findings, &faults), preferred(findings, &faults)]
        .join(" ")
}

/// Of FID, or of the first metric that was measured.
fn first_metric(findings: &Findings, faults: &[&FaultFindings]) -> String {
    let Some(clean) = findings.clean.first() else { return String::new() };
    let blind: Vec<&str> = faults
        .iter()
        .filter(|fault| fault.metrics[0].sees_from.is_none())
        .map(|fault| fault.title)
        .collect();
    let (metric, seen) = (&clean.metric, faults.len() - blind.len());
    match blind.is_empty() {
        true => format!("{metric} sees all {seen} faults at their strongest level."),
        false => format!(
            "{metric} sees {seen} of {} faults, all but: {}.",
            faults.len(),
            blind.join("; ").to_lowercase()
        ),
    }
}

fn rarely_seen(findings: &Findings, faults: &[&FaultFindings]) -> String {
    let name = |i: usize| findings.clean[i].card.title;
    let seen_by = |fault: &FaultFindings| -> Vec<usize> {
        let sees = |(i, m): (usize, &MetricFindings)| m.sees_from.map(|_| i);
        fault.metrics.iter().enumerate().filter_map(sees).collect()
    };
    let rare: Vec<String> = faults
        .iter()
        .filter_map(|fault| {
            let title = fault.title.to_lowercase();
            match seen_by(fault).as_slice() {
                [] => Some(format!("{title} by none")),
                [one] => Some(format!("{title} by {} alone", name(*one))),
                [one, two] => Some(format!("{title} by {} and {} alone", name(*one), name(*two))),
                _ => None,
            }
        })
        .collect();
    match rare.is_empty() {
        true => "Every fault is seen by three metrics or more.".into(),
        false => format!("Few metrics see some: {}.", rare.join("; ")),
    }
}

fn preferred(findings: &Findings, faults: &[&FaultFindings]) -> String {
    let of_metric = |(i, clean): (usize, &super::measure::Clean)| {
        let prefers = |fault: &&&FaultFindings| fault.metrics[i].prefers_from.is_some();
        let count = faults.iter().filter(prefers).count();
        (count > 0).then(|| (count, format!("{} {count}", clean.card.title)))
    };
    let mut prefer: Vec<(usize, String)> =
        findings.clean.iter().enumerate().filter_map(of_metric).collect();
    prefer.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let all: Vec<String> = prefer.into_iter().map(|(_, text)| text).collect();
    match all.is_empty() {
        true => "No metric takes a fault for an improvement.".into(),
        false => format!(
            "Some take faults for improvements, of so many at some level: {}.",
            all.join(", ")
        ),
    }
}
