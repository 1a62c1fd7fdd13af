//! Numbers that papers report, as data (`reported.csv`).
//!
//! They were measured under other protocols (another split, other counts, another checkpoint rule,
//! another Inception port) and at other budgets, so they are printed in a section of their own, under the
//! name of their protocol, and never in a column with ours.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::card::MetricCards;
use crate::error::ReportError;
use crate::table::escape_markdown;

/// One published number.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reported {
    /// The paper or repository that prints it.
    pub source: String,
    /// Where in the source.
    pub table: String,
    /// Our name of the method where it is one of ours, else a name of its own.
    pub method: String,
    pub architecture: String,
    pub dataset: String,
    /// As in the result rows: `fid`, `is`, `density`, …
    pub metric: String,
    pub value: f64,
    /// The value with the digits that the source prints.
    #[serde(skip)]
    pub printed: String,
    /// Standard deviation, where one is printed.
    pub std: Option<f64>,
    /// Real images behind the value, where the source says.
    pub n_real: Option<u64>,
    /// Generated images behind the value, where the source says.
    pub n_fake: Option<u64>,
    /// Split of the real images; empty where the source does not say.
    pub split: String,
    pub extractor: String,
    /// Short name of the source's evaluation protocol.
    pub protocol: String,
    pub batch: Option<u64>,
    /// Generator steps of the training.
    pub g_steps: Option<u64>,
    /// Variant, name as printed, caveats.
    pub note: String,
    /// Thousands of real images drawn in training, computed from the recipe.
    #[serde(default)]
    pub real_kimg: Option<u64>,
    /// Thousands of images through D in its own steps, computed from the recipe.
    #[serde(default)]
    pub d_kforwards: Option<u64>,
    /// Our tables that hold this row, by semicolon; empty for none.
    #[serde(default)]
    pub our_tables: String,
    #[serde(default)]
    pub our_row: String,
    /// Our name of the networks.
    #[serde(default)]
    pub our_architecture: String,
}

impl Reported {
    /// The value as printed, with the deviation where one is.
    pub fn with_std(&self) -> String {
        match self.std {
            Some(std) => format!("{} ± {std}", self.printed),
            None => self.printed.clone(),
        }
    }
}

/// The numbers that come with ganbench.
///
/// # Errors
/// If the embedded file does not parse, which the tests exclude.
pub fn all() -> Result<Vec<Reported>, ReportError> {
    parse(include_str!("../reported.csv"))
}

/// Reads numbers from the text of a CSV file with the columns of [`Reported`].
///
/// # Errors
/// Naming the line that does not parse, holds a value that is not finite, or lacks a source, a method, a
/// dataset, a metric or a protocol.
pub fn parse(text: &str) -> Result<Vec<Reported>, ReportError> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader
        .headers()
        .map_err(|error| ReportError::Reported { line: 1, reason: error.to_string() })?
        .clone();
    let mut out = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| ReportError::Reported {
            line: error.position().map_or(0, csv::Position::line),
            reason: error.to_string(),
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        let failed = |reason: String| ReportError::Reported { line, reason };
        let mut row: Reported =
            record.deserialize(Some(&headers)).map_err(|error| failed(error.to_string()))?;
        let column = headers.iter().position(|name| name == "value");
        row.printed = column.and_then(|i| record.get(i)).unwrap_or_default().to_string();
        if !row.value.is_finite() || row.std.is_some_and(|s| !s.is_finite()) {
            return Err(failed(format!("{} is not a finite number", row.value)));
        }
        for (column, value) in [
            ("source", &row.source),
            ("method", &row.method),
            ("dataset", &row.dataset),
            ("metric", &row.metric),
            ("protocol", &row.protocol),
        ] {
            if value.is_empty() {
                return Err(failed(format!("column {column} is empty")));
            }
        }
        out.push(row);
    }
    Ok(out)
}

/// The rows of one source, table and protocol.
struct Group<'a> {
    source: &'a str,
    table: &'a str,
    protocol: &'a str,
    rows: Vec<&'a Reported>,
}

/// A line of the printed table: one trained model of the source.
struct Model<'a> {
    first: &'a Reported,
    values: Vec<&'a Reported>,
}

/// The reported numbers of `methods` on `dataset` as a Markdown section, one table per source and
/// protocol; `None` where there are none.
pub fn markdown(
    numbers: &[Reported],
    methods: &[&str],
    dataset: &str,
    cards: MetricCards,
) -> Option<String> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let wanted = |r: &&Reported| r.dataset == dataset && methods.contains(&r.method.as_str());
    for row in numbers.iter().filter(wanted) {
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
    let mut out = String::from(
        "## Reported elsewhere\n\nOther protocols, other budgets, other networks: these numbers do not \
         compare with the table above, nor with one another across protocols.\n",
    );
    for group in &groups {
        push_group(&mut out, group, cards);
    }
    Some(out)
}

fn push_group(out: &mut String, group: &Group<'_>, cards: MetricCards) {
    let metrics = cards.ordered(group.rows.iter().map(|r| r.metric.as_str()));
    let mut models: Vec<Model<'_>> = Vec::new();
    for row in &group.rows {
        let same = |m: &&mut Model<'_>| {
            m.first.method == row.method
                && m.first.architecture == row.architecture
                && m.first.note == row.note
        };
        match models.iter_mut().find(same) {
            Some(model) => model.values.push(row),
            None => models.push(Model { first: row, values: vec![row] }),
        }
    }
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
fn counts(group: &Group<'_>, metrics: &[crate::metric::MetricName]) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::test_cards;

    #[test]
    fn every_embedded_number_parses_and_is_finite() {
        let rows = all().unwrap();
        assert!(rows.len() > 300, "{}", rows.len());
        for row in &rows {
            assert!(row.value.is_finite() && row.value > 0.0, "{row:?}");
            let shares = ["precision", "recall", "coverage"];
            if shares.contains(&row.metric.as_str()) {
                assert!(row.value <= 1.0, "{row:?}");
            }
            assert!(
                ["cifar10", "cifar100", "tiny-imagenet", "imagenet-64"]
                    .contains(&row.dataset.as_str())
            );
        }
    }

    #[test]
    fn no_number_is_listed_twice() {
        let mut keys: Vec<_> = all()
            .unwrap()
            .into_iter()
            .map(|r| (r.source, r.table, r.method, r.architecture, r.dataset, r.metric, r.note))
            .collect();
        let n = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), n);
    }

    #[test]
    fn numbers_are_those_of_the_papers() {
        let rows = all().unwrap();
        let value = |source: &str, method: &str, note: &str, metric: &str| {
            let matches = |r: &&Reported| {
                r.source.contains(source)
                    && r.method == method
                    && r.dataset == "cifar10"
                    && r.note.contains(note)
                    && r.metric == metric
            };
            rows.iter().find(matches).unwrap().value
        };
        assert_eq!(value("ContraD", "contrad", "", "fid"), 10.9);
        assert_eq!(value("ContraD", "gan", "", "is"), 7.38);
        assert_eq!(value("KDD", "kdd", "DA anchors ×7", "fid"), 5.713);
        assert_eq!(value("KDD", "hinge", "unconditional", "coverage"), 0.686);
        assert_eq!(value("StudioGAN 0.4.0", "reacgan", "", "density"), 1.01);
        assert_eq!(value("StudioGAN 0.2", "reacgan", "", "fid"), 7.792);
    }

    #[test]
    fn the_section_keeps_protocols_apart_and_names_them() {
        let text = markdown(&all().unwrap(), &["gan", "reacgan"], "cifar10", test_cards()).unwrap();
        assert!(text.contains("do not compare with the table above"));
        for protocol in ["contrad", "studiogan-v0.4", "studiogan-v0.2"] {
            assert_eq!(text.matches(&format!("protocol `{protocol}`")).count(), 1, "{protocol}");
        }
        assert!(!text.contains("protocol `kdd`"));
        let row = "| reacgan | big\\_resnet | 128 | 100000 | 3.87 | 9.85 | 1.01 | 0.88 | 0.75 | 0.62 | \
                   15.17 | printed as ReACGAN; conditional (D2D-CE); hinge; 5 D steps per G step |";
        assert!(text.contains(row), "{text}");
        assert_eq!(markdown(&all().unwrap(), &["gan"], "shapes", test_cards()), None);
        assert_eq!(markdown(&all().unwrap(), &["supcon"], "cifar10", test_cards()), None);
    }

    #[test]
    fn a_broken_line_is_named() {
        let header = "source,table,method,architecture,dataset,metric,value,std,n_real,n_fake,split,\
                      extractor,protocol,batch,g_steps,note\n";
        let good = "a,t,gan,n,cifar10,fid,1.5,,,,,inception,p,,,\n";
        let message =
            |line: &str| parse(&format!("{header}{good}{line}\n")).unwrap_err().to_string();
        let not_finite = message("a,t,gan,n,cifar10,fid,NaN,,,,,inception,p,,,");
        assert_eq!(not_finite, "reported numbers, line 3: NaN is not a finite number");
        let empty = message("a,t,,n,cifar10,fid,1,,,,,inception,p,,,");
        assert_eq!(empty, "reported numbers, line 3: column method is empty");
        assert!(message("a,t,gan").starts_with("reported numbers, line 3: "));
        assert!(message("a,t,gan,n,cifar10,fid,x,,,,,i,p,,,").contains("line 3"));
    }
}
