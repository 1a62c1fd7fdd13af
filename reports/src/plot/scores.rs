//! Score against real images shown, all methods, one panel per metric.
//!
//! The line is the mean over seeds and the band reaches from the lowest to the highest seed (with the two
//! or three seeds that are usual, a Student interval would hide everything else). The mean is drawn only
//! where every seed of the method has a value; beyond, each seed goes on as a thin line, and a cross marks
//! where one diverged. Fréchet distances are on a log axis, since the untrained generator (at 0) would
//! flatten the rest on a linear one; shares of images (density, coverage, precision, recall) start at 0.

use std::collections::BTreeMap;

use super::axes::{Axis, Panel};
use super::drawing::{BLACK, Drawing, Frame, Point, TEXT_GREY, point, wrapped};
use super::legend::{LegendEntry, draw_legend, legend_height};
use super::palette::{Look, draw_cross};
use crate::error::ReportError;
use crate::metric::{MetricName, ordered};
use crate::row::{Checkpoint, ResultRow, Status};
use crate::table::{MethodLabel, shared_key};

/// The values of one method and metric: seed → points in order of kimg.
type Seeds = BTreeMap<u64, Vec<(f64, f64)>>;

struct Line {
    look: Look,
    seeds: Seeds,
    /// Seeds whose run diverged.
    diverged: Vec<u64>,
}

const MARGIN: f64 = 18.0;
const TICK_ROOM: f64 = 40.0;
const PANEL_WIDTH: f64 = 270.0;
const PANEL_HEIGHT: f64 = 185.0;
const TITLE_ROOM: f64 = 26.0;
const AXIS_ROOM: f64 = 36.0;

/// The figure, or `None` where the rows hold no point of a curve.
///
/// `rows` may hold final checkpoints too; they are left out, since they are measured on more samples
/// than the points of the curve.
///
/// # Errors
/// If the rows do not belong to one table, or one is not valid.
pub fn score_curves(
    rows: &[ResultRow],
    labels: &[MethodLabel],
) -> Result<Option<Drawing>, ReportError> {
    let key = shared_key(rows)?;
    let mut points: Vec<(&ResultRow, f64, f64)> = Vec::new();
    for row in rows {
        row.validate()?;
        if let (Checkpoint::Kimg(kimg), Some(value)) = (row.checkpoint()?, row.value) {
            points.push((row, kimg, value));
        }
    }
    let metrics = ordered(points.iter().map(|(row, _, _)| row.metric.as_str()));
    if metrics.is_empty() {
        return Ok(None);
    }
    let methods = method_order(rows, labels);
    let entries: Vec<LegendEntry> = methods
        .iter()
        .map(|(index, label, _)| LegendEntry {
            look: Look::of(*index),
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
            .map(|(index, _, method)| line(&points, rows, *index, method, metric))
            .collect();
        draw_panel(&mut drawing, area, metric, &lines);
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
            format!("Line: mean over seeds {}; band: lowest to highest seed.", list.join(", "))
        }
    };
    format!(
        "{lines} {} generated images a point{warning}; extractor {extractor}; 0 is the untrained \
         generator{}.",
        fakes.join(" or "),
        if diverged { "; × marks a run that diverged" } else { "" }
    )
}

fn line(
    points: &[(&ResultRow, f64, f64)],
    rows: &[ResultRow],
    index: usize,
    method: &str,
    metric: &MetricName,
) -> Line {
    let mut seeds = Seeds::new();
    for (row, kimg, value) in points {
        if row.method == method && row.metric == metric.full() {
            let curve = seeds.entry(row.seed).or_default();
            // The last of repeated rows is the one that counts.
            match curve.iter_mut().find(|(at, _)| at == kimg) {
                Some(point) => point.1 = *value,
                None => curve.push((*kimg, *value)),
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
    Line { look: Look::of(index), seeds, diverged }
}

/// Least and greatest of the finite values.
pub(super) fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|v| v.is_finite()).fold(None, |range, v| match range {
        None => Some((v, v)),
        Some((low, high)) => Some((low.min(v), high.max(v))),
    })
}

fn value_axis(metric: &MetricName, low: f64, high: f64) -> Axis {
    if metric.is_distance() && low > 0.0 {
        return Axis::log(low, high);
    }
    match metric.base() {
        "density" | "coverage" | "precision" | "recall" if low >= 0.0 => {
            Axis::linear(0.0, if high > 0.0 { 1.06 * high } else { 1.0 }, 5.0)
        }
        _ => Axis::padded(low, high, 5.0),
    }
}

fn draw_panel(drawing: &mut Drawing, area: Frame, metric: &MetricName, lines: &[Line]) {
    let values = || lines.iter().flat_map(|line| line.seeds.values().flatten().copied());
    let (Some((low, high)), Some((_, end))) =
        (range(values().map(|(_, v)| v)), range(values().map(|(x, _)| x)))
    else {
        return;
    };
    let y = value_axis(metric, low, high);
    let log = if metric.is_distance() && low > 0.0 { ", log axis" } else { "" };
    let x = Axis::linear(0.0, if end > 0.0 { 1.02 * end } else { 1.0 }, 5.0);
    let panel = Panel { area, x, y };
    let arrow = metric.direction().arrow();
    let title = format!("{} {arrow}{log}", metric.title());
    panel.draw(drawing, &title, "real images shown (kimg)");
    for line in lines {
        draw_band(drawing, &panel, line);
    }
    for line in lines {
        draw_line(drawing, &panel, line);
    }
}

/// Where every seed has a value: kimg, and the values of all seeds.
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
            panel.clamped(*kimg, values.iter().sum::<f64>() / values.len() as f64)
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
    drawing.dashed(&means, line.look.dash, line.look.color, 1.6);
    for at in means {
        line.look.draw_marker(drawing, at);
    }
}
