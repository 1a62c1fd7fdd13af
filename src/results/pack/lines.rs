//! Lines of `scores.jsonl` and `train.jsonl` as rows and records, and back to the byte.

use std::collections::BTreeMap;

use ganbench_baselines::train::StepRecord;
use ganbench_files::hash::sha256;
use ganbench_reports::{COLUMNS, ResultRow};
use serde_json::Value;

use super::index::{Records, Scores, Written};
use crate::results::chain::{Chain, undigested};
use crate::results::{is_same_measurement, name_weights};

/// A row as a version of so many columns wrote it.
fn json_of_row(row: &ResultRow, written: &Written) -> Option<String> {
    let mut row = row.clone();
    if written.bare {
        row.metric = row.base_metric().to_string();
    }
    let values = serde_json::to_value(&row).ok()?;
    let field = |column: &ganbench_reports::Column| {
        Some(format!("\"{}\":{}", column.name, values.get(column.name)?))
    };
    let fields: Option<Vec<String>> = COLUMNS.get(..written.columns)?.iter().map(field).collect();
    Some(format!("{{{}}}", fields?.join(",")))
}

/// The whole lines of a file without their ends; none where the last is not whole.
fn split(content: &[u8]) -> Option<Vec<&str>> {
    let text = std::str::from_utf8(content).ok()?;
    match text {
        "" => Some(Vec::new()),
        text => Some(text.strip_suffix('\n')?.split('\n').collect()),
    }
}

/// How the rows of a `scores.jsonl` come back; none where they do not.
pub(super) fn describe_scores(content: &[u8]) -> Option<Scores> {
    let mut written: Vec<Written> = Vec::new();
    let (mut lines, mut rows) = (Vec::new(), Vec::new());
    for line in split(content)? {
        let json = undigested(line);
        let raw: ResultRow = serde_json::from_str(&json).ok()?;
        let mut row = raw.clone();
        name_weights(&mut row);
        let Value::Object(fields) = serde_json::from_str(&json).ok()? else { return None };
        let way = Written {
            lines: 1,
            columns: fields.len(),
            digests: json != line,
            bare: raw.metric != row.metric,
        };
        match written.last_mut() {
            Some(last) if last.is_as(&way) => last.lines += 1,
            _ => written.push(way),
        }
        lines.push(json.into_owned());
        rows.push(row);
    }
    // As `run_rows` does: a later row stands in the place of an earlier one.
    let mut line_of_row: Vec<usize> = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        match line_of_row.iter_mut().find(|line| is_same_measurement(&rows[**line], row)) {
            Some(line) => *line = i,
            None => line_of_row.push(i),
        }
    }
    let replaced: BTreeMap<String, String> = (0..lines.len())
        .filter(|line| !line_of_row.contains(line))
        .map(|line| (line.to_string(), lines[line].clone()))
        .collect();
    if replaced.is_empty() {
        line_of_row.clear();
    }
    Some(Scores { sha256: sha256(content), written, line_of_row, replaced })
}

/// The `scores.jsonl` of a run's rows; none where there are not the rows for it.
pub(super) fn scores(of: &Scores, rows: &[&ResultRow]) -> Option<Vec<u8>> {
    let (mut text, mut chain, mut line) = (String::new(), Chain::default(), 0);
    for written in &of.written {
        for _ in 0..written.lines {
            let json = match of.replaced.get(&line.to_string()) {
                Some(json) => json.clone(),
                None => {
                    let row = match of.line_of_row.as_slice() {
                        [] => line,
                        lines => lines.iter().position(|of_row| *of_row == line)?,
                    };
                    json_of_row(rows.get(row)?, written)?
                }
            };
            push(&mut text, &mut chain, &json, written.digests);
            line += 1;
        }
    }
    Some(text.into_bytes())
}

fn push(text: &mut String, chain: &mut Chain, json: &str, digests: bool) {
    if digests {
        text.push_str(&chain.line(json));
    } else {
        *chain = Chain::default();
        text.push_str(json);
        text.push('\n');
    }
}

/// The records of a `train.jsonl`, and how they come back; none where a line is no record.
pub(super) fn describe_records(content: &[u8]) -> Option<(Records, Vec<StepRecord>)> {
    let lines = split(content)?;
    let digests = lines.first().is_some_and(|line| undigested(line) != *line);
    let parse = |line: &&str| serde_json::from_str(&undigested(line)).ok();
    let records: Option<Vec<StepRecord>> = lines.iter().map(parse).collect();
    Some((Records { sha256: sha256(content), lines: lines.len(), digests }, records?))
}

/// The `train.jsonl` of a run's records; none where they are not as many.
pub(super) fn records(of: &Records, records: &[StepRecord]) -> Option<Vec<u8>> {
    let (mut text, mut chain) = (String::new(), Chain::default());
    for record in records {
        push(&mut text, &mut chain, &serde_json::to_string(record).ok()?, of.digests);
    }
    (records.len() == of.lines).then_some(text.into_bytes())
}
