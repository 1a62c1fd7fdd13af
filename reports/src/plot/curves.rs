//! Training curves: loss terms, gradient norms, outputs of D, against real images shown.
//!
//! A run writes thousands of noisy points. Each line is the mean over short stretches of the axis
//! (and over seeds), its band reaches from the lowest to the highest single value of the stretch. A
//! few values far outside are cut off: the axis spans the 1st to the 99th percentile of the bands,
//! and all of the means but the outermost hundredth. A cross marks where a run diverged.

use super::axes::{Axis, Panel};
use super::drawing::{Align, BLACK, Drawing, Frame, TEXT_GREY, point, wrapped};
use super::legend::{LegendEntry, draw_legend, legend_height};
use super::palette::{Look, draw_cross};
use crate::table::MethodLabel;

/// A value at a point of the training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvePoint {
    /// Thousands of real images shown so far.
    pub kimg: f64,
    /// Not finite where the run diverged.
    pub value: f64,
}

/// One quantity over the training.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// Name of the quantity, such as a loss term.
    pub name: String,
    /// In order of `kimg`.
    pub points: Vec<CurvePoint>,
}

/// The quantities of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// Runs of one group share figures, those of several do not; empty where there is one.
    pub group: String,
    /// As in the result rows.
    pub method: String,
    /// Seed of the run.
    pub seed: u64,
    /// The run's quantities, one curve each.
    pub terms: Vec<Term>,
}

/// What shares a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CurveLayout {
    /// One panel for each term of each method; for quantities of unlike sizes, as loss terms are.
    TermAndMethod,
    /// One panel per term, all methods in it; for quantities that compare across methods.
    Term,
    /// One panel per method, all terms in it; for terms that belong together, as D's outputs on
    /// reals and fakes do.
    Method,
}

/// A figure of training curves.
#[derive(Clone, Debug)]
pub struct CurveFigure<'a> {
    /// Heading of the figure.
    pub title: &'a str,
    /// The runs that are drawn.
    pub curves: &'a [Curves],
    /// Order and printed names of the methods.
    pub labels: &'a [MethodLabel],
    /// What shares a panel.
    pub layout: CurveLayout,
    /// Logarithmic value axes; values that are not positive are left out.
    pub log: bool,
}

/// Points of a line after averaging.
const STRETCHES: usize = 120;

struct Stretch {
    kimg: f64,
    mean: f64,
    low: f64,
    high: f64,
}

struct Line {
    look: Look,
    stretches: Vec<Stretch>,
    /// Where runs ended in a value that is not finite.
    ends: Vec<(f64, f64)>,
}

struct PanelContent {
    title: String,
    lines: Vec<Line>,
}

/// A row of panels with a heading, which may be empty.
struct Section {
    heading: String,
    panels: Vec<PanelContent>,
}

const MARGIN: f64 = 18.0;
const TICK_ROOM: f64 = 42.0;
const PANEL_WIDTH: f64 = 200.0;
const PANEL_HEIGHT: f64 = 110.0;
const TITLE_ROOM: f64 = 24.0;
const AXIS_ROOM: f64 = 38.0;
const HEADING_ROOM: f64 = 22.0;
const COLUMNS: usize = 4;

impl CurveFigure<'_> {
    /// Lays the figure out; `None` where no term has a finite value.
    pub fn drawing(&self) -> Option<Drawing> {
        let sections = self.sections();
        let most = sections.iter().map(|s| s.panels.len()).max().filter(|&n| n > 0)?;
        let columns = most.min(COLUMNS);
        let entries = self.legend();
        let cell = (TICK_ROOM + PANEL_WIDTH + MARGIN, TITLE_ROOM + PANEL_HEIGHT + AXIS_ROOM);
        let width = (MARGIN + columns as f64 * cell.0).max(480.0);
        let room = width - 2.0 * MARGIN;
        let subtitle = self.subtitle();
        let top = 38.0 + 15.0 * wrapped(&subtitle, 11.0, room).len() as f64;
        let legend = legend_height(&entries, room);
        let section_height = |s: &Section| {
            let heading = if s.heading.is_empty() { 0.0 } else { HEADING_ROOM };
            heading + s.panels.len().div_ceil(columns) as f64 * cell.1
        };
        let body: f64 = sections.iter().map(section_height).sum();
        let height = top + body + legend + 14.0;

        let mut drawing = Drawing::new(width, height);
        drawing.paragraph(self.title, point(MARGIN, 26.0), 15.0, room, BLACK);
        drawing.paragraph(&subtitle, point(MARGIN, 44.0), 11.0, room, TEXT_GREY);
        let mut y = top;
        for section in &sections {
            let heading = point(MARGIN, y + 20.0);
            drawing.text(&section.heading, heading, 13.0, Align::Left, BLACK);
            let start = y + if section.heading.is_empty() { 0.0 } else { HEADING_ROOM };
            for (i, content) in section.panels.iter().enumerate() {
                let area = Frame {
                    x: MARGIN + (i % columns) as f64 * cell.0 + TICK_ROOM,
                    y: start + (i / columns) as f64 * cell.1 + TITLE_ROOM,
                    width: PANEL_WIDTH,
                    height: PANEL_HEIGHT,
                };
                draw_panel(&mut drawing, area, content, self.log);
            }
            y += section_height(section);
        }
        draw_legend(&mut drawing, &entries, MARGIN, height - legend - 8.0, room);
        Some(drawing)
    }

    fn subtitle(&self) -> String {
        let diverged = self
            .curves
            .iter()
            .flat_map(|c| &c.terms)
            .any(|t| t.points.iter().any(|p| !p.value.is_finite()));
        let mut seeds: Vec<u64> = self.curves.iter().map(|c| c.seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        let list: Vec<String> = seeds.iter().map(u64::to_string).collect();
        format!(
            "Seed{} {}. Line: mean over short stretches{}; band: lowest to highest value; outermost \
             hundredth cut off{}{}.",
            if seeds.len() == 1 { "" } else { "s" },
            list.join(", "),
            if seeds.len() == 1 { "" } else { " and seeds" },
            if self.log { "; log axes" } else { "" },
            if diverged { "; × marks a run that diverged" } else { "" },
        )
    }

    /// The methods that occur, in the order of the labels, with the index of their look.
    fn methods(&self) -> Vec<(usize, &str, String)> {
        let mut methods: Vec<(usize, &str, String)> = Vec::new();
        for curves in self.curves {
            if methods.iter().any(|(_, method, _)| *method == curves.method) {
                continue;
            }
            let found = self.labels.iter().position(|l| l.method == curves.method);
            let extra = methods.iter().filter(|(i, ..)| *i >= self.labels.len()).count();
            let label =
                found.map_or_else(|| curves.method.clone(), |i| self.labels[i].label.clone());
            methods.push((found.unwrap_or(self.labels.len() + extra), &curves.method, label));
        }
        methods.sort_by_key(|(index, ..)| *index);
        methods
    }

    /// The names of the terms of `method`, or of all methods, in order of appearance.
    fn terms(&self, method: Option<&str>) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for curves in self.curves.iter().filter(|c| method.is_none_or(|m| c.method == m)) {
            for term in &curves.terms {
                if !names.contains(&term.name.as_str()) {
                    names.push(&term.name);
                }
            }
        }
        names
    }

    fn legend(&self) -> Vec<LegendEntry> {
        let entry = |index: usize, label: &str| LegendEntry {
            look: Look::by_index(index),
            label: label.to_string(),
            marked: false,
        };
        match self.layout {
            CurveLayout::TermAndMethod => Vec::new(),
            CurveLayout::Term => {
                self.methods().iter().map(|(index, _, label)| entry(*index, label)).collect()
            }
            CurveLayout::Method => {
                self.terms(None).iter().enumerate().map(|(i, name)| entry(i, name)).collect()
            }
        }
    }

    fn sections(&self) -> Vec<Section> {
        let methods = self.methods();
        let kept = |panels: Vec<PanelContent>| -> Vec<PanelContent> {
            let has_values = |p: &PanelContent| p.lines.iter().any(|l| !l.stretches.is_empty());
            panels.into_iter().filter(has_values).collect()
        };
        let single = |panels| vec![Section { heading: String::new(), panels: kept(panels) }];
        match self.layout {
            CurveLayout::TermAndMethod => methods
                .iter()
                .map(|(index, method, label)| {
                    let panels = self
                        .terms(Some(method))
                        .into_iter()
                        .map(|name| PanelContent {
                            title: name.to_string(),
                            lines: vec![self.line(*index, method, name)],
                        })
                        .collect();
                    Section { heading: label.clone(), panels: kept(panels) }
                })
                .filter(|section| !section.panels.is_empty())
                .collect(),
            CurveLayout::Term => single(
                self.terms(None)
                    .into_iter()
                    .map(|name| PanelContent {
                        title: name.to_string(),
                        lines: methods
                            .iter()
                            .map(|(index, method, _)| self.line(*index, method, name))
                            .collect(),
                    })
                    .collect(),
            ),
            CurveLayout::Method => {
                let terms = self.terms(None);
                single(
                    methods
                        .iter()
                        .map(|(_, method, label)| PanelContent {
                            title: label.clone(),
                            lines: terms
                                .iter()
                                .enumerate()
                                .map(|(i, name)| self.line(i, method, name))
                                .collect(),
                        })
                        .collect(),
                )
            }
        }
    }

    fn line(&self, index: usize, method: &str, term: &str) -> Line {
        let runs: Vec<&[CurvePoint]> = self
            .curves
            .iter()
            .filter(|c| c.method == method)
            .flat_map(|c| c.terms.iter().filter(|t| t.name == term))
            .map(|t| t.points.as_slice())
            .collect();
        let drawable = |p: &CurvePoint| {
            p.kimg.is_finite() && p.value.is_finite() && (!self.log || p.value > 0.0)
        };
        let points: Vec<CurvePoint> =
            runs.iter().flat_map(|run| run.iter().copied().filter(drawable)).collect();
        let ends = runs
            .iter()
            .filter(|run| run.iter().any(|p| !p.value.is_finite()))
            .filter_map(|run| run.iter().rev().find(|p| drawable(p)))
            .map(|p| (p.kimg, p.value))
            .collect();
        Line { look: Look::by_index(index), stretches: stretches(&points), ends }
    }
}

/// Averages over equal parts of the range of kimg; empty parts are left out.
fn stretches(points: &[CurvePoint]) -> Vec<Stretch> {
    let start = points.iter().map(|p| p.kimg).fold(f64::INFINITY, f64::min);
    let end = points.iter().map(|p| p.kimg).fold(f64::NEG_INFINITY, f64::max);
    let part = ((end - start) / STRETCHES as f64).max(f64::MIN_POSITIVE);
    let mut parts: Vec<Vec<&CurvePoint>> = (0..STRETCHES).map(|_| Vec::new()).collect();
    for p in points {
        let index = (((p.kimg - start) / part) as usize).min(STRETCHES - 1);
        parts[index].push(p);
    }
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(|part| {
            let n = part.len() as f64;
            Stretch {
                kimg: part.iter().map(|p| p.kimg).sum::<f64>() / n,
                mean: part.iter().map(|p| p.value / n).sum::<f64>(),
                low: part.iter().map(|p| p.value).fold(f64::INFINITY, f64::min),
                high: part.iter().map(|p| p.value).fold(f64::NEG_INFINITY, f64::max),
            }
        })
        .collect()
}

/// The value below which a share of the values lies.
fn quantile(mut values: Vec<f64>, share: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let index = (share * values.len().saturating_sub(1) as f64).round() as usize;
    values.get(index).copied()
}

fn draw_panel(drawing: &mut Drawing, area: Frame, content: &PanelContent, log: bool) {
    let all = || content.lines.iter().flat_map(|line| &line.stretches);
    let pick = |value: fn(&Stretch) -> f64| all().map(value).collect::<Vec<_>>();
    let (Some(low), Some(high), Some(start), Some(end)) = (
        quantile(pick(|s| s.low), 0.01),
        quantile(pick(|s| s.high), 0.99),
        quantile(pick(|s| s.kimg), 0.0),
        quantile(pick(|s| s.kimg), 1.0),
    ) else {
        return;
    };
    let y = if log { Axis::log(low, high) } else { Axis::padded(low, high, 5.0) };
    // Starting at 0 keeps the axes of all figures alike; only a resumed tail would start later.
    let x = Axis::linear(start.min(0.0), if end > 0.0 { 1.02 * end } else { 1.0 }, 5.0);
    let panel = Panel { area, x, y };
    panel.draw(drawing, &content.title, "kimg");
    for line in &content.lines {
        let mut outline: Vec<_> =
            line.stretches.iter().map(|s| panel.clamped(s.kimg, s.high)).collect();
        outline.extend(line.stretches.iter().rev().map(|s| panel.clamped(s.kimg, s.low)));
        // Several bands lie over one another and must let each other through.
        let opacity = if content.lines.len() > 2 { 0.1 } else { 0.18 };
        drawing.area(outline, line.look.color, opacity);
    }
    for line in &content.lines {
        let means: Vec<_> = line.stretches.iter().map(|s| panel.place(s.kimg, s.mean)).collect();
        for part in panel.clipped(&means) {
            // A line alone in its panel needs no dash to be told apart.
            let dash = if content.lines.len() > 1 { line.look.dash } else { &[] };
            drawing.dashed(&part, dash, line.look.color, 1.3);
        }
        for &(kimg, value) in &line.ends {
            draw_cross(drawing, panel.clamped(kimg, value), line.look.color);
        }
    }
}
