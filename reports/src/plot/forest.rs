//! Forest plots: a row for each thing, a point with its interval for each of a few series.

use super::Drawing;
use super::axes::Axis;
use super::drawing::{AXIS_GREY, Align, BLACK, GRID_GREY, TEXT_GREY, point, wrapped};
use super::lettering::text_width;
use super::palette::Look;
use crate::error::ReportError;

/// Estimates with intervals on one axis.
#[derive(Clone, Debug)]
pub struct Forest {
    /// Heading of the figure.
    pub title: String,
    /// A second, smaller line below the heading.
    pub subtitle: String,
    /// What the axis shows.
    pub axis: String,
    /// Both ends of the axis.
    pub range: [f64; 2],
    /// The value that stands for no effect, where a line is drawn.
    pub null: f64,
    /// Name of each series.
    pub series: Vec<String>,
    /// The rows, from top to bottom.
    pub rows: Vec<ForestRow>,
}

/// One row, with an estimate of each series.
#[derive(Clone, Debug)]
pub struct ForestRow {
    /// Name of the row, to the left of the axis.
    pub label: String,
    /// Whether it stands a little apart from the one before.
    pub begins_group: bool,
    /// One for each series, in the order of [`Forest::series`]; None leaves its place empty.
    pub estimates: Vec<Option<ForestEstimate>>,
}

/// A point of a forest plot, with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForestEstimate {
    /// Place of the point, in units of the axis.
    pub value: f64,
    /// Lower and upper end, in units of the axis; None draws the point alone.
    pub interval: Option<[f64; 2]>,
}

const MARGIN: f64 = 14.0;
const PLOT_WIDTH: f64 = 420.0;
/// Height of one series in a row.
const LINE: f64 = 9.0;
/// Between rows.
const GAP: f64 = 7.0;
/// Between groups, in addition.
const GROUP_GAP: f64 = 12.0;
const LABEL_SIZE: f64 = 11.0;

impl Forest {
    /// # Errors
    /// If a row has not as many estimates as there are series.
    pub fn drawing(&self) -> Result<Drawing, ReportError> {
        if let Some(row) = self.rows.iter().find(|row| row.estimates.len() != self.series.len()) {
            return Err(ReportError::Draw {
                figure: "a forest plot".into(),
                reason: format!(
                    "row {} has {} estimates for {} series",
                    row.label,
                    row.estimates.len(),
                    self.series.len()
                ),
            });
        }
        let labels = self.rows.iter().map(|row| text_width(&row.label, LABEL_SIZE));
        let left = MARGIN + labels.fold(0.0, f64::max) + 10.0;
        let width = left + PLOT_WIDTH + 2.0 * MARGIN;
        let room = width - 2.0 * MARGIN;
        let lines = |text: &str, size: f64| wrapped(text, size, room).len() as f64 * 1.35 * size;
        let head = 16.0 + lines(&self.title, 15.0) + lines(&self.subtitle, 11.0);
        let top = head + 24.0;
        let tops = self.tops(top);
        let bottom = tops.last().map_or(top, |last| last + self.row_height());
        let mut drawing = Drawing::new(width, bottom + 50.0);
        let next = drawing.paragraph(&self.title, point(MARGIN, 26.0), 15.0, room, BLACK);
        drawing.paragraph(&self.subtitle, point(MARGIN, next - 3.0), 11.0, room, TEXT_GREY);
        self.draw_key(&mut drawing, left, head + 8.0);
        let axis = Axis::linear(self.range[0], self.range[1], 4.0);
        let x = |value: f64| left + PLOT_WIDTH * axis.share(value).clamp(0.0, 1.0);
        for (value, label) in &axis.ticks {
            let at = x(*value);
            drawing.line(vec![point(at, top - 4.0), point(at, bottom)], GRID_GREY, 1.0);
            drawing.text(label, point(at, bottom + 15.0), LABEL_SIZE, Align::Centre, BLACK);
        }
        let null = x(self.null);
        drawing.line(vec![point(null, top - 4.0), point(null, bottom)], AXIS_GREY, 1.2);
        let middle = left + 0.5 * PLOT_WIDTH;
        drawing.text(&self.axis, point(middle, bottom + 34.0), LABEL_SIZE, Align::Centre, BLACK);
        for (row, top) in self.rows.iter().zip(&tops) {
            let baseline = top + 0.5 * self.row_height() + 0.36 * LABEL_SIZE;
            drawing.text(&row.label, point(left - 8.0, baseline), LABEL_SIZE, Align::Right, BLACK);
            for (series, estimate) in row.estimates.iter().enumerate() {
                let Some(estimate) = estimate else { continue };
                let look = Look::by_index(series);
                let y = top + LINE * (series as f64 + 0.5);
                if let Some([low, high]) = estimate.interval {
                    drawing.line(vec![point(x(low), y), point(x(high), y)], look.color, 1.6);
                }
                look.draw_marker(&mut drawing, point(x(estimate.value), y));
            }
        }
        Ok(drawing)
    }

    fn row_height(&self) -> f64 {
        LINE * self.series.len().max(1) as f64
    }

    /// Where each row begins.
    fn tops(&self, top: f64) -> Vec<f64> {
        let mut next = top;
        let place = |(i, row): (usize, &ForestRow)| {
            next += if i > 0 && row.begins_group { GROUP_GAP } else { 0.0 };
            let start = next;
            next += self.row_height() + GAP;
            start
        };
        self.rows.iter().enumerate().map(place).collect()
    }

    fn draw_key(&self, drawing: &mut Drawing, left: f64, y: f64) {
        let mut x = left;
        for (i, name) in self.series.iter().enumerate() {
            let look = Look::by_index(i);
            drawing.line(vec![point(x, y), point(x + 22.0, y)], look.color, 1.6);
            look.draw_marker(drawing, point(x + 11.0, y));
            let at = point(x + 28.0, y + 0.36 * LABEL_SIZE);
            drawing.text(name, at, LABEL_SIZE, Align::Left, TEXT_GREY);
            x += 28.0 + text_width(name, LABEL_SIZE) + 20.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::drawing::Shape;
    use super::*;

    fn forest(estimates: Vec<Option<ForestEstimate>>) -> Forest {
        Forest {
            title: "t".into(),
            subtitle: "s".into(),
            axis: "a".into(),
            range: [-1.0, 1.0],
            null: 0.0,
            series: vec!["one".into(), "two".into()],
            rows: vec![ForestRow { label: "r".into(), begins_group: false, estimates }],
        }
    }

    #[test]
    fn an_interval_is_drawn_from_its_low_to_its_high_end() {
        let estimate = ForestEstimate { value: 0.5, interval: Some([0.0, 1.0]) };
        let drawing = forest(vec![Some(estimate), None]).drawing().unwrap();
        let color = Look::by_index(0).color;
        let lengths = drawing.shapes.iter().filter_map(|shape| match shape {
            Shape::Line { points, color: c, .. } if *c == color => Some(points[1].x - points[0].x),
            _ => None,
        });
        // The key's stroke, and the interval over half of the axis.
        assert_eq!(lengths.collect::<Vec<_>>(), [22.0, PLOT_WIDTH / 2.0]);
    }

    #[test]
    fn a_row_without_an_estimate_of_each_series_is_refused() {
        let error = forest(vec![None]).drawing().unwrap_err().to_string();
        assert!(error.contains("row r has 1 estimates for 2 series"), "{error}");
    }
}
