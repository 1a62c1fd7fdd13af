//! What a reader must know to judge a table, as sentences.

use super::build::{MADE, short_hash};
use super::{SampleCounts, Table, row_of};
use crate::statistics::typical::FALLEN;

/// Sentences in reading order, as plain text.
pub(super) fn sentences(table: &Table) -> Vec<String> {
    let key = &table.key;
    let mut out = Vec::new();
    let name = if key.table.is_empty() { "Table".to_string() } else { key.table.clone() };
    out.push(format!(
        "{name}: {} (sha256 {}, split {}), {} of width {}, batch {}, budget {} for every method, {}.",
        key.dataset,
        short_hash(&key.dataset_sha256),
        key.split,
        key.architecture,
        key.width,
        key.batch,
        key.budget(),
        seeds(table),
    ));
    let hash = match short_hash(&key.extractor_sha256) {
        hash if hash.is_empty() => "no weights".to_string(),
        hash if hash.starts_with(MADE) => format!("weights made, not trained: {hash}"),
        hash => format!("weights sha256 {hash}"),
    };
    out.push(format!(
        "Extractor {} ({hash}), protocol {}; {}.",
        key.extractor,
        key.protocol_sentence(),
        counts(table)
    ));
    let several = |row: &super::MethodRow| row.seeds.len() > 1;
    if table.blocks.iter().flat_map(|b| &b.rows).any(several) {
        out.push(
            "Values are means over seeds with 95 % intervals (moderated Student t); of distances such as FID \
             they are geometric means, with both ends of the interval."
                .to_string(),
        );
        out.push(
            "Marked as best (bold, *): better than all others at 5 % (Holm's correction); else the best and \
             all that cannot be told from it are underlined (~)."
                .to_string(),
        );
    } else {
        out.push("One seed, so no interval, and no value is marked as best: small differences mean nothing.".to_string());
    }
    out.push(
        "Arrows point to the better side. Spent (means over \
         seeds, up to the last checkpoint): steps of G; thousands of real images shown to D; thousands of \
         images through D, and those of them in G steps; thousands of images through G; 10¹² floating-point operations \
         of convolutions and linear layers; seconds of processors; seconds of training without evaluation; peak \
         resident memory."
            .to_string(),
    );
    if table.blocks.iter().flat_map(|b| &b.rows).any(|row| row.conditional) {
        out.push("(cond.): trained with class labels, the others without.".to_string());
    }
    out.extend(table.published.sentences(|row| {
        let rows = table.blocks.iter().flat_map(|block| &block.rows);
        let found = rows.into_iter().find(|r| row_of(&r.method) == row);
        found.map_or_else(|| row.to_string(), |r| r.label.clone())
    }));
    out.extend(table.anchors.sentences());
    out.push(status(table));
    out.extend(table.notes.iter().map(|note| format!("Note: {note}.")));
    out
}

fn list(seeds: &[u64]) -> String {
    seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

fn seeds(table: &Table) -> String {
    let mut all: Vec<u64> = table
        .blocks
        .iter()
        .flat_map(|block| &block.rows)
        .flat_map(|row| row.seeds.iter().copied())
        .collect();
    all.sort_unstable();
    all.dedup();
    format!("seed{} {}", if all.len() == 1 { "" } else { "s" }, list(&all))
}

/// `50000 real and 10000 fake images`, by metric where they differ.
fn counts(table: &Table) -> String {
    let mut groups: Vec<(SampleCounts, Vec<String>)> = Vec::new();
    for (block, counts) in table.blocks.iter().zip(&table.counts) {
        for (column, counts) in table.columns.iter().zip(counts) {
            let Some(counts) = counts else { continue };
            let several_blocks =
                table.blocks.len() > 1 && table.counts.windows(2).any(|w| w[0] != w[1]);
            let mut name = column.metric.title();
            if several_blocks {
                name = format!("{name} {}", block.checkpoint.name());
            }
            match groups.iter_mut().find(|(other, _)| other == counts) {
                Some((_, names)) if names.contains(&name) => {}
                Some((_, names)) => names.push(name),
                None => groups.push((*counts, vec![name])),
            }
        }
    }
    let text = |c: &SampleCounts| match c.n_real {
        // A metric that looks at fakes alone.
        0 => format!("{} fake images", c.n_fake),
        n_real => format!("{n_real} real and {} fake images", c.n_fake),
    };
    match groups.as_slice() {
        [] => "no value was measured".to_string(),
        [(counts, _)] => text(counts),
        groups => groups
            .iter()
            .map(|(counts, names)| format!("{}: {}", names.join(", "), text(counts)))
            .collect::<Vec<_>>()
            .join("; "),
    }
}

fn status(table: &Table) -> String {
    let Some(block) = table.blocks.first() else { return String::new() };
    let named = |pick: fn(&super::MethodRow) -> &Vec<u64>| -> Vec<String> {
        let row = |row: &super::MethodRow| {
            let plural = if pick(row).len() == 1 { "" } else { "s" };
            format!("{} (seed{plural} {})", row.label, list(pick(row)))
        };
        block.rows.iter().filter(|r| !pick(r).is_empty()).map(row).collect()
    };
    let (diverged, collapsed) = (named(|row| &row.diverged), named(|row| &row.collapsed));
    let mut text = match diverged.is_empty() {
        true => "Status: no run diverged.".to_string(),
        false => {
            format!("Status: these runs diverged and have no value: {}.", diverged.join(", "))
        }
    };
    if collapsed.is_empty() {
        text.push_str(" No run collapsed.");
    } else {
        text.push_str(&format!(
            " Collapsed (the last FID of the curve is over {FALLEN} times its best, or not below the untrained \
             generator's): {}; values are those of the other runs, unless most runs of the row collapsed.",
            collapsed.join(", ")
        ));
    }
    if block.rows.iter().any(super::MethodRow::leaves_runs_out) {
        text.push_str(
            " †: runs are left out; a row of which some diverged is never marked as best.",
        );
    }
    text
}
