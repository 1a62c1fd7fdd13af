//! Heat maps: things in rows, what they are held against in columns, a colour in each cell.

use super::Drawing;
use super::drawing::{AXIS_GREY, Align, BLACK, Frame, Rgb, TEXT_GREY, point, wrapped};
use super::lettering::text_width;
use crate::error::ReportError;

/// A table of cells between a light and a dark colour.
#[derive(Clone, Debug)]
pub struct HeatMap {
    /// Heading of the figure.
    pub title: String,
    /// A second, smaller line below the heading.
    pub subtitle: String,
    /// Names of the columns, from left to right.
    pub columns: Vec<HeatLabel>,
    /// The rows, from top to bottom.
    pub rows: Vec<HeatRow>,
    /// What the colours mean.
    pub key: HeatKey,
}

/// The name of a row or column.
#[derive(Clone, Debug)]
pub struct HeatLabel {
    /// The name as drawn.
    pub text: String,
    /// Whether it stands a little apart from the one before.
    pub begins_group: bool,
}

impl HeatLabel {
    /// A label, and whether it stands a little apart from the one before.
    pub fn new(text: impl Into<String>, begins_group: bool) -> Self {
        Self { text: text.into(), begins_group }
    }
}

/// One row, with a cell for each column.
#[derive(Clone, Debug)]
pub struct HeatRow {
    /// The row's name.
    pub label: HeatLabel,
    /// One cell for each of [`HeatMap::columns`].
    pub cells: Vec<HeatCell>,
}

/// The shade of one cell, and its mark.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeatCell {
    /// 0 is drawn darkest, 1 lightest; None stays white.
    pub place: Option<f64>,
    /// Whether a cross on a warm ground lies on it.
    pub crossed: bool,
}

/// What the colours mean.
#[derive(Clone, Debug)]
pub struct HeatKey {
    /// Of place 0.
    pub first: String,
    /// Of place 1.
    pub last: String,
    /// Of no place.
    pub never: String,
    /// Of a crossed cell.
    pub crossed: String,
}

const MARGIN: f64 = 14.0;
const CELL: f64 = 24.0;
/// Between groups.
const GAP: f64 = 8.0;
const LABEL_SIZE: f64 = 11.0;
const DARK: Rgb = Rgb(0, 62, 110);
const LIGHT: Rgb = Rgb(198, 223, 242);
const WHITE: Rgb = Rgb(255, 255, 255);
const BORDER: Rgb = Rgb(205, 205, 205);
/// Okabe and Ito's vermilion.
const WARM: Rgb = Rgb(213, 94, 0);

/// Steps of the key between the two ends.
const KEY_STEPS: usize = 5;

impl HeatMap {
    /// # Errors
    /// If a row has not as many cells as there are columns.
    pub fn drawing(&self) -> Result<Drawing, ReportError> {
        if let Some(row) = self.rows.iter().find(|row| row.cells.len() != self.columns.len()) {
            return Err(ReportError::Draw {
                figure: "a heat map".into(),
                reason: format!(
                    "row {} has {} cells for {} columns",
                    row.label.text,
                    row.cells.len(),
                    self.columns.len()
                ),
            });
        }
        let widest = |labels: &mut dyn Iterator<Item = &HeatLabel>| {
            labels.map(|label| text_width(&label.text, LABEL_SIZE)).fold(0.0, f64::max)
        };
        let left = MARGIN + widest(&mut self.rows.iter().map(|row| &row.label)) + 8.0;
        let above = widest(&mut self.columns.iter()) + 8.0;
        let places = places(&self.columns);
        let width = (left + extent(&places) + MARGIN).max(520.0);
        let room = width - 2.0 * MARGIN;
        let lines = |text: &str, size: f64| wrapped(text, size, room).len() as f64 * 1.35 * size;
        let head = 14.0 + lines(&self.title, 15.0) + lines(&self.subtitle, 11.0);
        let top = head + above;
        let labels: Vec<HeatLabel> = self.rows.iter().map(|row| row.label.clone()).collect();
        let tops = self::places(&labels);
        let key_top = top + extent(&tops) + 18.0;
        let mut drawing = Drawing::new(width, key_top + self.key_height(room) + MARGIN);
        let next = drawing.paragraph(&self.title, point(MARGIN, 26.0), 15.0, room, BLACK);
        drawing.paragraph(&self.subtitle, point(MARGIN, next - 3.0), 11.0, room, TEXT_GREY);
        for (label, x) in self.columns.iter().zip(&places) {
            let at = point(left + x + 0.5 * CELL + 0.36 * LABEL_SIZE, top - 5.0);
            drawing.upright(&label.text, at, LABEL_SIZE, BLACK);
        }
        for (row, y) in self.rows.iter().zip(&tops) {
            let at = point(left - 6.0, top + y + 0.5 * CELL + 0.36 * LABEL_SIZE);
            drawing.text(&row.label.text, at, LABEL_SIZE, Align::Right, BLACK);
            for (cell, x) in row.cells.iter().zip(&places) {
                draw_cell(&mut drawing, cell_frame(left + x, top + y), *cell);
            }
        }
        self.draw_key(&mut drawing, key_top, room);
        Ok(drawing)
    }

    /// The samples of the key with their texts.
    fn key_entries(&self) -> Vec<(Vec<HeatCell>, &str, &str)> {
        let cell = |place: Option<f64>, crossed: bool| HeatCell { place, crossed };
        let step = |i: usize| cell(Some(i as f64 / (KEY_STEPS - 1) as f64), false);
        vec![
            ((0..KEY_STEPS).map(step).collect(), &self.key.first, &self.key.last),
            (vec![cell(None, false)], "", &self.key.never),
            (vec![cell(None, true)], "", &self.key.crossed),
        ]
    }

    fn key_height(&self, room: f64) -> f64 {
        let lines = key_lines(&self.key_entries(), room);
        lines.last().map_or(0, |(line, _)| line + 1) as f64 * (CELL + 6.0)
    }

    fn draw_key(&self, drawing: &mut Drawing, top: f64, room: f64) {
        let entries = self.key_entries();
        let lines = key_lines(&entries, room);
        for ((cells, before, after), (line, x)) in entries.iter().zip(lines) {
            let y = top + line as f64 * (CELL + 6.0);
            let baseline = y + 0.5 * CELL + 0.36 * LABEL_SIZE;
            let mut x = MARGIN + x;
            if !before.is_empty() {
                drawing.text(before, point(x, baseline), LABEL_SIZE, Align::Left, TEXT_GREY);
                x += text_width(before, LABEL_SIZE) + 6.0;
            }
            for cell in cells {
                draw_cell(drawing, cell_frame(x, y), *cell);
                x += CELL;
            }
            drawing.text(after, point(x + 6.0, baseline), LABEL_SIZE, Align::Left, TEXT_GREY);
        }
    }
}

/// Line and start of each entry of a key `room` wide.
fn key_lines(entries: &[(Vec<HeatCell>, &str, &str)], room: f64) -> Vec<(usize, f64)> {
    let (mut line, mut x) = (0, 0.0);
    let place = |(cells, before, after): &(Vec<HeatCell>, &str, &str)| {
        let texts = text_width(before, LABEL_SIZE) + text_width(after, LABEL_SIZE);
        let width = texts + 12.0 + cells.len() as f64 * CELL;
        if x > 0.0 && x + width > room {
            (line, x) = (line + 1, 0.0);
        }
        let start = x;
        x += width + 22.0;
        (line, start)
    };
    entries.iter().map(place).collect()
}

/// Where each label's cells begin.
fn places(labels: &[HeatLabel]) -> Vec<f64> {
    let mut next = 0.0;
    let place = |(i, label): (usize, &HeatLabel)| {
        next += if i > 0 && label.begins_group { GAP } else { 0.0 };
        let start = next;
        next += CELL;
        start
    };
    labels.iter().enumerate().map(place).collect()
}

fn extent(places: &[f64]) -> f64 {
    places.last().map_or(0.0, |last| last + CELL)
}

fn cell_frame(x: f64, y: f64) -> Frame {
    Frame { x, y, width: CELL, height: CELL }
}

fn draw_cell(drawing: &mut Drawing, frame: Frame, cell: HeatCell) {
    let fill = cell.place.map_or(WHITE, colour);
    square(drawing, frame, 0.0, fill);
    let corners = corners(frame, 0.0);
    drawing.line([&corners[..], &corners[..1]].concat(), BORDER, 0.75);
    if cell.crossed {
        let inset = 4.0;
        square(drawing, frame, inset, WARM);
        let arm = inset + 3.5;
        let (left, right) = (frame.x + arm, frame.right() - arm);
        let (top, bottom) = (frame.y + arm, frame.bottom() - arm);
        drawing.line(vec![point(left, top), point(right, bottom)], WHITE, 2.0);
        drawing.line(vec![point(left, bottom), point(right, top)], WHITE, 2.0);
    } else if cell.place.is_none() {
        // A dash, so that white is seen to be an answer.
        let (middle, y) = (frame.x + 0.5 * CELL, frame.y + 0.5 * CELL);
        drawing.line(vec![point(middle - 3.0, y), point(middle + 3.0, y)], AXIS_GREY, 1.0);
    }
}

fn corners(frame: Frame, inset: f64) -> Vec<super::drawing::Point> {
    let (left, right) = (frame.x + inset, frame.right() - inset);
    let (top, bottom) = (frame.y + inset, frame.bottom() - inset);
    vec![point(left, top), point(right, top), point(right, bottom), point(left, bottom)]
}

fn square(drawing: &mut Drawing, frame: Frame, inset: f64, color: Rgb) {
    drawing.area(corners(frame, inset), color, 1.0);
}

/// Between dark at 0 and light at 1.
fn colour(place: f64) -> Rgb {
    let share = place.clamp(0.0, 1.0);
    let mix = |a: u8, b: u8| (f64::from(a) + share * (f64::from(b) - f64::from(a))).round() as u8;
    Rgb(mix(DARK.0, LIGHT.0), mix(DARK.1, LIGHT.1), mix(DARK.2, LIGHT.2))
}

#[cfg(test)]
mod tests {
    use super::super::drawing::Shape;
    use super::*;

    fn map(cells: Vec<HeatCell>) -> HeatMap {
        let key = HeatKey {
            first: "first".into(),
            last: "last".into(),
            never: "never".into(),
            crossed: "crossed".into(),
        };
        HeatMap {
            title: "t".into(),
            subtitle: "s".into(),
            columns: vec![HeatLabel::new("a", false), HeatLabel::new("b", true)],
            rows: vec![HeatRow { label: HeatLabel::new("r", false), cells }],
            key,
        }
    }

    #[test]
    fn a_cell_is_the_darker_the_sooner_and_stays_white_where_it_has_no_place() {
        let cell = |place| HeatCell { place, crossed: false };
        let fills = |place| {
            let drawing = map(vec![cell(place), cell(Some(0.5))]).drawing().unwrap();
            let is_area = |shape: &Shape| match shape {
                Shape::Area { color, .. } => Some(*color),
                _ => None,
            };
            drawing.shapes.iter().find_map(is_area).unwrap()
        };
        assert_eq!((fills(Some(0.0)), fills(Some(1.0)), fills(None)), (DARK, LIGHT, WHITE));
        assert!(fills(Some(0.3)).0 < fills(Some(0.7)).0);
    }

    #[test]
    fn a_row_of_too_few_cells_is_refused() {
        let error = map(Vec::new()).drawing().unwrap_err().to_string();
        assert!(error.contains("row r has 0 cells for 2 columns"), "{error}");
    }

    #[test]
    fn a_group_stands_apart() {
        let labels = [false, false, true].map(|begins| HeatLabel::new("", begins));
        assert_eq!(places(&labels), [0.0, CELL, 2.0 * CELL + GAP]);
    }
}
