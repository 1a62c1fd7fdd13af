//! Published numbers as sections of a page, one table per source and protocol.

use std::fmt::Write as _;

use super::{Model, Reported, models};
use crate::card::MetricCards;
use crate::escape::escape_markdown;
use crate::metric::MetricName;

/// The numbers of one source, table and protocol.
struct Group<'a> {
    source: &'a str,
    table: &'a str,
    protocol: &'a str,
    rows: Vec<&'a Reported>,
}

/// The reported numbers of `methods` on `dataset` as a Markdown section; `None` where there are
/// none.
pub fn markdown(
    numbers: &[Reported],
    methods: &[&str],
    dataset: &str,
    cards: MetricCards,
) -> Option<String> {
    let wanted = |r: &&Reported| r.dataset == dataset && methods.contains(&r.method.as_str());
    section(
        "## Reported elsewhere\n\nOther protocols, other budgets, other networks: these numbers do not \
         compare with the table above, nor with one another across protocols.\n",
        numbers.iter().filter(wanted),
        cards,
    )
}

/// What the source of our `table` prints on `dataset` of rows that are not trained here, as a
/// Markdown section; `None` where there is no such row.
pub fn rows_without_ours(
    numbers: &[Reported],
    table: &str,
    dataset: &str,
    cards: MetricCards,
) -> Option<String> {
    let wanted = |r: &&Reported| {
        r.our_row.is_empty()
            && r.dataset == dataset
            && r.our_tables.split(';').any(|of| of == table && !of.is_empty())
    };
    section(
        &format!(
            "## Other rows of the source of {}\n\nThe source prints these rows beside those of the \
             table above, and no row here trains them: they do not compare with the table above, \
             nor with one another across protocols.\n",
            escape_markdown(table)
        ),
        numbers.iter().filter(wanted),
        cards,
    )
}

fn section<'a>(
    heading: &str,
    numbers: impl Iterator<Item = &'a Reported>,
    cards: MetricCards,
) -> Option<String> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for row in numbers {
        let same = |g: &&mut Group<'_>| {
            g.source == row.source && g.table == row.table && g.protocol == row.protocol
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.rows.push(row),
            None => groups.push(Group {
                source: &row.source,
                table: &row.table,
                protocol: &row.protocol,
                rows: vec![row],
            }),
        }
    }
    if groups.is_empty() {
        return None;
    }
    let mut out = heading.to_string();
    for group in &groups {
        push_group(&mut out, group, cards);
    }
    Some(out)
}

fn push_group(out: &mut String, group: &Group<'_>, cards: MetricCards) {
    let metrics = cards.ordered(group.rows.iter().map(|r| r.metric.as_str()).collect());
    let models: Vec<Model<'_>> = models(group.rows.iter().copied());
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "\n**{}, {}; protocol `{}`**",
        escape_markdown(group.source),
        escape_markdown(group.table),
        group.protocol
    );
    let _ = writeln!(out, " ({})\n", counts(group, &metrics));
    let mut line = |cells: Vec<String>| {
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    };
    let mut header: Vec<String> =
        ["Method", "Networks", "Batch", "G steps"].map(String::from).into();
    header.extend(metrics.iter().map(|m| format!("{} {}", m.title(), m.direction().arrow())));
    header.push("Note".to_string());
    let mut rule: Vec<String> = [":--", ":--", "--:", "--:"].map(String::from).into();
    rule.extend(metrics.iter().map(|_| "--:".to_string()));
    rule.push(":--".to_string());
    line(header);
    line(rule);
    for model in &models {
        let number = |n: Option<u64>| n.map_or_else(|| "–".to_string(), |n| n.to_string());
        let mut cells = vec![
            escape_markdown(&model.first.method),
            escape_markdown(&model.first.architecture),
            number(model.first.batch),
            number(model.first.g_steps),
        ];
        for metric in &metrics {
            let value = model.values.iter().find(|r| r.metric == metric.full());
            cells.push(value.map_or_else(|| "–".to_string(), |r| r.with_std()));
        }
        cells.push(escape_markdown(&model.first.note));
        line(cells);
    }
}

/// Split, extractor and sample counts of a group, by metric where they differ.
fn counts(group: &Group<'_>, metrics: &[MetricName]) -> String {
    let text = |r: &Reported| {
        let number = |n: Option<u64>| n.map_or_else(|| "?".to_string(), |n| n.to_string());
        format!("{} real and {} fake", number(r.n_real), number(r.n_fake))
    };
    let mut parts: Vec<(String, Vec<String>)> = Vec::new();
    for metric in metrics {
        let Some(row) = group.rows.iter().find(|r| r.metric == metric.full()) else { continue };
        let text = text(row);
        match parts.iter_mut().find(|(other, _)| *other == text) {
            Some((_, names)) => names.push(metric.title()),
            None => parts.push((text, vec![metric.title()])),
        }
    }
    let counts = match parts.as_slice() {
        [(text, _)] => text.clone(),
        parts => {
            let each = parts.iter().map(|(text, names)| format!("{}: {text}", names.join(", ")));
            each.collect::<Vec<_>>().join("; ")
        }
    };
    let first = group.rows.first();
    let split = match first.map_or("", |r| r.split.as_str()) {
        "" => "split not stated".to_string(),
        split => format!("{split} split"),
    };
    let extractor = first.map_or("", |r| r.extractor.as_str());
    format!("{extractor}; {split}; {counts} images")
}
