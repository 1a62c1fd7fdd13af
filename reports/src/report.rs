//! All of a report in one call: tables, plots, sample grids and a page that shows them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use ganbench_files::write_atomic;
use serde::Serialize;

use crate::anchor::Anchor;
use crate::card::MetricCards;
use crate::error::ReportError;
use crate::escape::{escape_markdown, visible, visible_json, visible_lines};
use crate::plot::{CurveFigure, CurveLayout, Curves, Drawing, SampleGrid, score_curves};
use crate::reported;
use crate::row::ResultRow;
use crate::table::{
    Against, Anchors, MethodLabel, Published, Table, TableKey, csv, row_of, split_by_table,
    table_details,
};

/// A sentence about how the runs of one table compare, for its caption.
#[derive(Clone, Debug, PartialEq)]
pub struct TableNote {
    /// The table whose caption gets the sentence.
    pub key: TableKey,
    /// Without a full stop.
    pub text: String,
}

/// What a report is made of. Everything but the rows may be empty.
#[derive(Clone, Copy, Debug)]
pub struct ReportInput<'a> {
    /// Heading of the page, such as `table1`.
    pub title: &'a str,
    /// Final checkpoints and points of the curves. Rows of several tables (see
    /// [`TableKey`](crate::TableKey)) are reported one table after the other.
    pub rows: &'a [ResultRow],
    /// Order and printed names of the methods; those of rows without a label follow behind.
    pub methods: &'a [MethodLabel],
    /// How each metric is printed.
    pub cards: MetricCards,
    /// What rows alone cannot tell; stands behind each table's own notes.
    pub notes: &'a [TableNote],
    /// What values mean; each table shows those that were measured as it was.
    pub anchors: &'a [Anchor],
    /// Loss terms of each run.
    pub losses: &'a [Curves],
    /// Norms of the gradients of D and of G of each run.
    pub gradient_norms: &'a [Curves],
    /// Means of D's outputs on reals and on fakes of each run.
    pub d_outputs: &'a [Curves],
    /// Samples of the runs, one picture each.
    pub grids: &'a [SampleGrid],
    /// The row that the others are compared with; left out: the first of each table.
    pub reference: Option<&'a str>,
    /// Further sections of the page, as Markdown.
    pub sections: &'a [String],
    /// The command that makes this report again.
    pub command: Option<&'a str>,
}

/// The tables of rows that may belong to several, in order of appearance, each with its notes and
/// anchors.
/// Groups that have no final checkpoint yet are left out.
///
/// # Errors
/// As [`Table::new`]; also if no group has a final checkpoint.
pub fn tables(
    rows: &[ResultRow],
    methods: &[MethodLabel],
    notes: &[TableNote],
    anchors: &[Anchor],
    cards: MetricCards,
) -> Result<Vec<Table>, ReportError> {
    let mut tables = Vec::new();
    let mut unfinished = None;
    let numbers = reported::all()?;
    let all_rows = rows;
    for (key, rows) in split_by_table(rows) {
        match Table::of_runs(&rows, all_rows, methods, cards) {
            Ok(mut table) => {
                let own = notes.iter().filter(|note| note.key == key);
                table.notes.extend(own.map(|note| note.text.clone()));
                let rows: Vec<&str> = table.spent.iter().map(|s| row_of(&s.method)).collect();
                let ours = table.last_columns();
                table.published = Published::for_tables(&key, &rows, &ours, &numbers, cards);
                table.anchors = Anchors::new(&table, anchors);
                tables.push(table);
            }
            Err(error @ ReportError::NoFinalRows { .. }) => unfinished = Some(error),
            Err(error) => return Err(error),
        }
    }
    match (tables.is_empty(), unfinished) {
        (false, _) => Ok(tables),
        (true, Some(error)) => Err(error),
        (true, None) => Err(ReportError::NoRows),
    }
}

/// A report before it is rendered: what its page, tables and files show. Everything in it is made
/// once.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Heading of the page.
    pub title: String,
    /// In order of appearance.
    pub tables: Vec<Table>,
    /// The rows of each table against a reference row: one per block and table.
    pub against: Vec<Vec<Against>>,
    /// Tables of the metrics that the main tables leave out.
    pub details: Vec<Table>,
    /// In the order of the page.
    pub figures: Vec<Figure>,
    /// Further sections of the page, as Markdown.
    pub sections: Vec<String>,
    /// The command that makes this report again.
    pub command: Option<String>,
}

/// A figure of a report.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// Of its files below `plots/`, without ending.
    pub name: String,
    /// What it shows.
    pub alt: String,
    #[serde(skip)]
    drawing: Drawing,
}

impl Report {
    /// # Errors
    /// If the rows make no table, a sample grid is uneven, or a figure cannot be drawn.
    pub fn new(input: &ReportInput<'_>) -> Result<Self, ReportError> {
        let tables = tables(input.rows, input.methods, input.notes, input.anchors, input.cards)?;
        let groups = split_by_table(input.rows);
        let against = tables.iter().map(|table| table.against(input.reference));
        let against = against.collect::<Result<_, _>>()?;
        let details = groups
            .iter()
            .map(|(_, rows)| Table::of_details(rows, input.rows, input.methods, input.cards));
        let details = details.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        let mut sections = input.sections.to_vec();
        sections.extend(other_rows(&tables, input.cards)?);
        sections.extend(reported_numbers(&tables, input.cards)?);
        Ok(Self {
            title: input.title.to_string(),
            against,
            details,
            figures: figures(input, &groups)?,
            sections,
            command: input.command.map(str::to_string),
            tables,
        })
    }

    /// Writes all files below `folder` and returns their paths, `report.md` last.
    ///
    /// # Errors
    /// If a figure cannot be drawn or a file cannot be written. Files appear whole or not at all;
    /// those written before the error stay.
    pub fn write(&self, folder: &Path) -> Result<Vec<PathBuf>, ReportError> {
        let mut writer = Writer { folder, paths: Vec::new() };
        writer.write("table.md", visible_lines(&self.all(Table::markdown)).as_bytes())?;
        writer.write("table.tex", self.all(Table::latex).as_bytes())?;
        writer.write("table.csv", &csv(&self.tables)?)?;
        let json = serde_json::to_string_pretty(self).map_err(ReportError::Json)?;
        writer.write("report.json", visible_json(&json).as_bytes())?;
        for figure in &self.figures {
            let name = &figure.name;
            writer.write(&format!("plots/{name}.png"), &figure.drawing.png()?)?;
            writer.write(&format!("plots/{name}.svg"), figure.drawing.svg()?.as_bytes())?;
        }
        writer.write("report.md", visible_lines(&self.markdown()).as_bytes())?;
        Ok(writer.paths)
    }

    fn all(&self, render: fn(&Table) -> String) -> String {
        self.tables.iter().map(render).collect::<Vec<_>>().join("\n")
    }

    /// The tables for a terminal of `width` characters, each with its first metric against the
    /// reference row.
    pub fn text(&self, width: usize) -> String {
        let mut parts = Vec::new();
        for (table, against) in self.tables.iter().zip(&self.against) {
            parts.push(table.text(width));
            parts.extend(against.first().map(Against::text));
        }
        parts.join("\n")
    }

    /// The page.
    pub fn markdown(&self) -> String {
        let mut page =
            format!("# {}\n\n{}", escape_markdown(&self.title), self.all(Table::markdown));
        for Figure { name, alt, .. } in &self.figures {
            let alt = escape_markdown(alt);
            let _ = write!(page, "\n![{alt}](plots/{name}.png)\n\n[SVG](plots/{name}.svg)\n");
        }
        for table in &self.details {
            let _ = write!(page, "\n{}", table_details(table, "What the samples show"));
        }
        for against in self.against.iter().flatten() {
            let _ = write!(page, "\n{}", against.markdown());
        }
        for section in &self.sections {
            let _ = write!(page, "\n{section}");
        }
        if let Some(command) = self.command.as_deref().map(visible) {
            let _ = write!(page, "\n## Made with\n\n```\n{command}\n```\n");
        }
        page.push_str(
            "\nThe same table for papers and programs: [table.tex](table.tex), [table.csv](table.csv), \
             [table.md](table.md), [report.json](report.json)",
        );
        let has_anchors = self.tables.iter().any(|table| !table.anchors.lines.is_empty());
        page.push_str(if has_anchors {
            "; anchors: [anchors.jsonl](anchors.jsonl).\n"
        } else {
            ".\n"
        });
        page
    }
}

/// The curves of scores and of training, then the samples.
fn figures(
    input: &ReportInput<'_>,
    groups: &[(TableKey, Vec<ResultRow>)],
) -> Result<Vec<Figure>, ReportError> {
    let mut figures = Vec::new();
    let mut push = |name: String, alt: &str, drawing: Drawing| {
        figures.push(Figure { name, alt: alt.to_string(), drawing });
    };
    for (i, (key, rows)) in groups.iter().enumerate() {
        let Some(drawing) = score_curves(rows, input.methods, input.cards)? else { continue };
        let name = if groups.len() == 1 {
            "scores".to_string()
        } else {
            file_name(&format!("scores-{}-{}-{}", i + 1, key.dataset, key.extractor))
        };
        push(name, &format!("Scores on {} against images shown", key.dataset), drawing);
    }
    for (name, title, curves, layout, log) in [
        ("losses", "Loss terms", input.losses, CurveLayout::TermAndMethod, false),
        ("gradient-norms", "Gradient norms", input.gradient_norms, CurveLayout::Term, true),
        ("d-outputs", "Outputs of D", input.d_outputs, CurveLayout::Method, false),
    ] {
        for group in curve_groups(curves) {
            let of_group: Vec<Curves> =
                curves.iter().filter(|c| c.group == group).cloned().collect();
            let (name, title) = match group {
                "" => (name.to_string(), title.to_string()),
                group => (file_name(&format!("{name}-{group}")), format!("{title}, {group}")),
            };
            let (title, curves, labels) = (title.as_str(), of_group.as_slice(), input.methods);
            let figure = CurveFigure { title, curves, labels, layout, log };
            if let Some(drawing) = figure.drawing() {
                push(name, title, drawing);
            }
        }
    }
    for (i, grid) in input.grids.iter().enumerate() {
        let name = match input.grids.len() {
            1 => "samples".to_string(),
            _ => format!("samples-{}", i + 1),
        };
        push(name, &grid.title, grid.drawing()?);
    }
    Ok(figures)
}

/// The groups of the curves, each once, in their order.
fn curve_groups(curves: &[Curves]) -> Vec<&str> {
    let mut groups: Vec<&str> = Vec::new();
    for curves in curves {
        if !groups.contains(&curves.group.as_str()) {
            groups.push(&curves.group);
        }
    }
    groups
}

/// What the papers' tables hold of rows that no row of ours stands for, by table and dataset.
fn other_rows(tables: &[Table], cards: MetricCards) -> Result<Vec<String>, ReportError> {
    let numbers = reported::all()?;
    let mut sections = Vec::new();
    let mut places: Vec<(&str, &str)> = Vec::new();
    for table in tables {
        let place = (table.key.table.as_str(), table.key.dataset.as_str());
        if places.contains(&place) {
            continue;
        }
        places.push(place);
        sections.extend(reported::rows_without_ours(&numbers, place.0, place.1, cards));
    }
    Ok(sections)
}

/// The papers' numbers of the methods and datasets of the tables.
fn reported_numbers(tables: &[Table], cards: MetricCards) -> Result<Vec<String>, ReportError> {
    let numbers = reported::all()?;
    let mut sections = Vec::new();
    let mut datasets: Vec<&str> = Vec::new();
    for table in tables {
        let dataset = table.key.dataset.as_str();
        if datasets.contains(&dataset) {
            continue;
        }
        datasets.push(dataset);
        let methods: Vec<&str> = tables
            .iter()
            .filter(|t| t.key.dataset == dataset)
            .filter(|t| t.published.sources.is_empty())
            .flat_map(|t| t.spent.iter().map(|s| row_of(&s.method)))
            .collect();
        sections.extend(reported::markdown(&numbers, &methods, dataset, cards));
    }
    Ok(sections)
}

/// Lower-case letters, digits and hyphens.
fn file_name(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    text.chars().map(plain).collect()
}

struct Writer<'a> {
    folder: &'a Path,
    paths: Vec<PathBuf>,
}

impl Writer<'_> {
    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), ReportError> {
        let path = self.folder.join(name);
        write_atomic(&path, bytes)?;
        self.paths.push(path);
        Ok(())
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
