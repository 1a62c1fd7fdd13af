//! Score against real images shown, or training time where that is the budget; all methods, one
//! panel per metric.
//!
//! The line is the mean over seeds of the typical run (see [`typical`](crate::statistics::typical))
//! and the band reaches from the lowest to the highest seed (with the two or three seeds that are
//! usual, a Student interval would hide everything else). The mean is drawn only where every seed
//! of the method has a value; beyond, each seed goes on as a thin line, and a cross marks where one
//! diverged. A metric's card says which axis it has: Fréchet distances are on a log axis, since the
//! untrained generator (at 0) would flatten the rest on a linear one; shares of images (density,
//! coverage, precision, recall) start at 0.

use std::collections::{BTreeMap, BTreeSet};

use super::axes::{Axis, Panel};
use super::drawing::{BLACK, Drawing, Frame, Point, TEXT_GREY, point, wrapped};
use super::legend::{LegendEntry, draw_legend, legend_height};
use super::palette::{Look, draw_cross};
use crate::card::{MetricCards, ValueAxis};
use crate::error::ReportError;
use crate::metric::MetricName;
use crate::row::{Checkpoint, ResultRow, Status};
use crate::statistics::Scale;
use crate::statistics::typical::{collapsed, fid_curves, typical_and_apart};
use crate::table::{MethodLabel, shared_key};

/// The values of one method and metric: seed → points in order of kimg or minutes.
type Seeds = BTreeMap<u64, Vec<(f64, f64)>>;

struct Line {
    look: Look,
    /// Of the typical run.
    seeds: Seeds,
    /// Of runs that collapsed, where these are not most runs.
    collapsed: Seeds,
    /// Whether means are geometric.
    scale: Scale,
    /// Seeds whose run diverged.
    diverged: Vec<u64>,
}

/// What scores are drawn against.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Along {
    Images,
    /// The budget.
    Minutes(f64),
}

impl Along {
    fn from_rows(rows: &[ResultRow]) -> Self {
        match rows.first() {
            Some(row) if row.budget_unit == "train_minutes" => Self::Minutes(row.budget_amount),
            _ => Self::Images,
        }
    }

    /// Minutes to a hundredth of the budget: a point is measured at the end of a step, some tenths
    /// of a second after its time, and seeds are averaged point by point.
    fn place(self, kimg: f64, train_s: f64) -> f64 {
        match self {
            Self::Images => kimg,
            Self::Minutes(budget) => (100.0 * train_s / 60.0 / budget).round() * budget / 100.0,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Images => "real images shown (kimg)",
            Self::Minutes(_) => "training (minutes)",
        }
    }
}

const MARGIN: f64 = 18.0;
const TICK_ROOM: f64 = 40.0;
const PANEL_WIDTH: f64 = 270.0;
const PANEL_HEIGHT: f64 = 185.0;
const TITLE_ROOM: f64 = 26.0;
const AXIS_ROOM: f64 = 36.0;

/// The figure, or `None` where the rows hold no point of a curve.
///
/// `rows` may hold final checkpoints too; they are left out, since they are measured on more
/// samples than the points of the curve.
///
/// # Errors
/// If the rows do not belong to one table, or one is not valid.
pub fn score_curves(
    rows: &[ResultRow],
    labels: &[MethodLabel],
    cards: MetricCards,
) -> Result<Option<Drawing>, ReportError> {
    let key = shared_key(rows)?;
    let along = Along::from_rows(rows);
    let mut points: Vec<(&ResultRow, f64, f64)> = Vec::new();
    for row in rows {
        row.validate()?;
        if let (Checkpoint::Kimg(kimg), Some(value)) = (row.checkpoint()?, row.value) {
            points.push((row, along.place(kimg, row.train_s), value));
        }
    }
    let metrics = cards.main(points.iter().map(|(row, _, _)| row.metric.as_str()).collect());
    if metrics.is_empty() {
        return Ok(None);
    }
    let methods = method_order(rows, labels);
    let entries: Vec<LegendEntry> = methods
        .iter()
        .map(|(index, label, _)| LegendEntry {
            look: Look::by_index(*index),
            label: label.clone(),
            marked: true,
        })
        .collect();

    let columns = match metrics.len() {
        n @ 1..=3 => n,
        4 => 2,
        _ => 3,
    };
    let panel_rows = metrics.len().div_ceil(columns);
    let cell = (TICK_ROOM + PANEL_WIDTH + MARGIN, TITLE_ROOM + PANEL_HEIGHT + AXIS_ROOM);
    let width = (MARGIN + columns as f64 * cell.0).max(480.0);
    let text_room = width - 2.0 * MARGIN;
    let diverged = rows.iter().any(|row| row.status == Status::Diverged);
    let subtitle = subtitle(&points, &key.extractor, diverged);
    let lines = wrapped(&subtitle, 11.0, text_room).len();
    let top = 42.0 + 15.0 * lines as f64;
    let legend = legend_height(&entries, text_room);
    let height = top + panel_rows as f64 * cell.1 + 14.0 + legend + 8.0;

    let curves = fid_curves(rows);
    let fell = |row: &&ResultRow| curves.get(row.run_id.as_str()).is_some_and(|c| collapsed(c));
    let fallen: BTreeSet<(&str, u64)> =
        rows.iter().filter(fell).map(|row| (row.method.as_str(), row.seed)).collect();
    let mut drawing = Drawing::new(width, height);
    let title = format!(
        "{}{} on {}, {} of width {}",
        key.table,
        if key.table.is_empty() { "Scores" } else { ": scores" },
        key.dataset,
        key.architecture,
        key.width
    );
    drawing.paragraph(&title, point(MARGIN, 26.0), 15.0, text_room, BLACK);
    drawing.paragraph(&subtitle, point(MARGIN, 44.0), 11.0, text_room, TEXT_GREY);
    for (i, metric) in metrics.iter().enumerate() {
        let (row, column) = (i / columns, i % columns);
        let area = Frame {
            x: MARGIN + column as f64 * cell.0 + TICK_ROOM,
            y: top + row as f64 * cell.1 + TITLE_ROOM,
            width: PANEL_WIDTH,
            height: PANEL_HEIGHT,
        };
        let lines: Vec<Line> = methods
            .iter()
            .map(|(index, _, method)| line(&points, rows, &fallen, *index, method, metric))
            .collect();
        draw_panel(&mut drawing, area, metric, along, &lines);
    }
    draw_legend(&mut drawing, &entries, MARGIN, height - legend - 8.0, text_room);
    Ok(Some(drawing))
}

/// Index for the look, printed label and name of each method, in table order.
fn method_order(rows: &[ResultRow], labels: &[MethodLabel]) -> Vec<(usize, String, String)> {
    let mut methods: Vec<(usize, String, String)> = Vec::new();
    for row in rows {
        if methods.iter().any(|(_, _, method)| *method == row.method) {
            continue;
        }
        // Methods without a label take the looks behind those with one.
        let found = labels.iter().position(|l| l.method == row.method);
        let unlabelled = methods.iter().filter(|(index, ..)| *index >= labels.len()).count();
        let label = found.map_or(row.method.as_str(), |i| labels[i].label.as_str());
        let mark = if row.conditional { " (cond.)" } else { "" };
        methods.push((
            found.unwrap_or(labels.len() + unlabelled),
            format!("{label}{mark}"),
            row.method.clone(),
        ));
    }
    methods.sort_by_key(|(index, ..)| *index);
    methods
}

fn subtitle(points: &[(&ResultRow, f64, f64)], extractor: &str, diverged: bool) -> String {
    let mut seeds: Vec<u64> = points.iter().map(|(row, ..)| row.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let mut fakes: Vec<u64> = points.iter().map(|(row, ..)| row.n_fake).collect();
    fakes.sort_unstable();
    fakes.dedup();
    let fakes: Vec<String> = fakes.iter().map(u64::to_string).collect();
    let warning = if fakes.len() > 1 { " (points of different counts do not compare)" } else { "" };
    let lines = match seeds.as_slice() {
        [seed] => format!("Seed {seed}."),
        seeds => {
            let list: Vec<String> = seeds.iter().map(u64::to_string).collect();
            format!(
                "Line: mean over seeds {} of the typical run (geometric for distances); band: lowest to highest \
                 seed; thin lines by themselves: runs that collapsed.",
                list.join(", ")
            )
        }
    };
    format!(
        "{lines} {} generated images per point{warning}; extractor {extractor}; 0 is the untrained \
         generator{}.",
        fakes.join(" or "),
        if diverged { "; × marks a run that diverged" } else { "" }
    )
}

fn line(
    points: &[(&ResultRow, f64, f64)],
    rows: &[ResultRow],
    fallen: &BTreeSet<(&str, u64)>,
    index: usize,
    method: &str,
    metric: &MetricName,
) -> Line {
    let mut seeds = Seeds::new();
    for (row, at, value) in points {
        if row.method == method && row.metric == metric.full() {
            let curve = seeds.entry(row.seed).or_default();
            // The last of repeated rows is the one that counts.
            match curve.iter_mut().find(|(x, _)| x == at) {
                Some(point) => point.1 = *value,
                None => curve.push((*at, *value)),
            }
        }
    }
    for curve in seeds.values_mut() {
        curve.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    let mut diverged: Vec<u64> = rows
        .iter()
        .filter(|row| row.method == method && row.status == Status::Diverged)
        .map(|row| row.seed)
        .collect();
    diverged.sort_unstable();
    diverged.dedup();
    let fell = |(seed, _): &(u64, Vec<(f64, f64)>)| fallen.contains(&(method, *seed));
    let (typical, apart) = typical_and_apart(seeds.into_iter().collect(), fell);
    let (seeds, apart) = (Seeds::from_iter(typical), Seeds::from_iter(apart));
    let scale = metric.scale().for_values(seeds.values().flatten().map(|(_, v)| v));
    Line { look: Look::by_index(index), seeds, collapsed: apart, scale, diverged }
}

/// Least and greatest of the finite values.
pub(super) fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|v| v.is_finite()).fold(None, |range, v| match range {
        None => Some((v, v)),
        Some((low, high)) => Some((low.min(v), high.max(v))),
    })
}

/// The axis of values from `low` to `high`, and whether it is logarithmic.
fn value_axis(metric: &MetricName, low: f64, high: f64) -> (Axis, bool) {
    match metric.axis() {
        ValueAxis::Log if low > 0.0 => (Axis::log(low, high), true),
        ValueAxis::FromZero if low >= 0.0 => {
            (Axis::linear(0.0, if high > 0.0 { 1.06 * high } else { 1.0 }, 5.0), false)
        }
        _ => (Axis::padded(low, high, 5.0), false),
    }
}

fn draw_panel(
    drawing: &mut Drawing,
    area: Frame,
    metric: &MetricName,
    along: Along,
    lines: &[Line],
) {
    let curves = |line: &'_ Line| {
        line.seeds.values().chain(line.collapsed.values()).cloned().collect::<Vec<_>>()
    };
    let values = || lines.iter().flat_map(curves).flatten();
    let (Some((low, high)), Some((_, end))) =
        (range(values().map(|(_, v)| v)), range(values().map(|(x, _)| x)))
    else {
        return;
    };
    let (y, is_log) = value_axis(metric, low, high);
    let log = if is_log { ", log axis" } else { "" };
    let x = Axis::linear(0.0, if end > 0.0 { 1.02 * end } else { 1.0 }, 5.0);
    let panel = Panel { area, x, y };
    let arrow = metric.direction().arrow();
    let title = format!("{} {arrow}{log}", metric.title());
    panel.draw(drawing, &title, along.label());
    for line in lines {
        draw_band(drawing, &panel, line);
    }
    for line in lines {
        draw_line(drawing, &panel, line);
    }
}

/// Where every seed has a value: the place, and the values of all seeds.
fn shared_points(line: &Line) -> Vec<(f64, Vec<f64>)> {
    let Some(first) = line.seeds.values().next() else { return Vec::new() };
    first
        .iter()
        .filter_map(|&(kimg, _)| {
            let values: Vec<f64> = line
                .seeds
                .values()
                .filter_map(|curve| curve.iter().find(|(x, _)| *x == kimg).map(|(_, v)| *v))
                .collect();
            (values.len() == line.seeds.len()).then_some((kimg, values))
        })
        .collect()
}

fn draw_band(drawing: &mut Drawing, panel: &Panel, line: &Line) {
    if line.seeds.len() < 2 {
        return;
    }
    let (mut upper, mut lower) = (Vec::new(), Vec::new());
    for (kimg, values) in shared_points(line) {
        if let Some((low, high)) = range(values.into_iter()) {
            upper.push(panel.clamped(kimg, high));
            lower.push(panel.clamped(kimg, low));
        }
    }
    lower.reverse();
    upper.append(&mut lower);
    drawing.area(upper, line.look.color, 0.15);
}

fn draw_line(drawing: &mut Drawing, panel: &Panel, line: &Line) {
    let shared = shared_points(line);
    let means: Vec<Point> = shared
        .iter()
        .map(|(kimg, values)| {
            let each = values.iter().filter_map(|&v| line.scale.transformed(v));
            panel.clamped(*kimg, line.scale.shown(each.sum::<f64>() / values.len() as f64))
        })
        .collect();
    let end = shared.last().map_or(f64::NEG_INFINITY, |(kimg, _)| *kimg);
    for (seed, curve) in &line.seeds {
        // From the last shared point on, seeds that went further are drawn by themselves.
        let rest: Vec<Point> =
            curve.iter().filter(|(x, _)| *x >= end).map(|&(x, v)| panel.clamped(x, v)).collect();
        drawing.dashed(&rest, line.look.dash, line.look.color, 0.8);
        if let (true, Some(&(x, v))) = (line.diverged.contains(seed), curve.last()) {
            draw_cross(drawing, panel.clamped(x, v), line.look.color);
        }
    }
    for curve in line.collapsed.values() {
        let points: Vec<Point> = curve.iter().map(|&(x, v)| panel.clamped(x, v)).collect();
        drawing.dashed(&points, line.look.dash, line.look.color, 0.8);
    }
    drawing.dashed(&means, line.look.dash, line.look.color, 1.6);
    for at in means {
        line.look.draw_marker(drawing, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_a_budget_of_minutes_meet_at_their_time_whatever_was_shown_by_then() {
        let along = Along::Minutes(2.0);
        assert_eq!(along.place(10.0, 30.02), 0.5);
        assert_eq!(along.place(14.0, 30.4), 0.5);
        assert_eq!(along.place(40.0, 120.3), 2.0);
        assert_eq!(along.place(0.0, 0.0), 0.0);
        assert_eq!(Along::Images.place(14.0, 30.4), 14.0);
    }
}
