//! The key of a figure: samples and names in rows below the panels.

use super::drawing::{Align, Drawing, TEXT_GREY, point};
use super::lettering::text_width;
use super::palette::Look;

const SIZE: f64 = 11.0;
const SAMPLE: f64 = 30.0;
const GAP: f64 = 22.0;
const ROW: f64 = 19.0;

pub(super) struct LegendEntry {
    pub look: Look,
    pub label: String,
    /// Whether the lines carry markers.
    pub marked: bool,
}

fn entry_width(entry: &LegendEntry) -> f64 {
    SAMPLE + 6.0 + text_width(&entry.label, SIZE)
}

/// The entries of each row of a legend `width` wide.
fn rows(entries: &[LegendEntry], width: f64) -> Vec<Vec<&LegendEntry>> {
    let mut rows: Vec<Vec<&LegendEntry>> = Vec::new();
    let mut used = 0.0;
    for entry in entries {
        let needed = entry_width(entry);
        match rows.last_mut().filter(|_| used + GAP + needed <= width) {
            Some(row) => {
                row.push(entry);
                used += GAP + needed;
            }
            None => {
                rows.push(vec![entry]);
                used = needed;
            }
        }
    }
    rows
}

/// Height of a legend `width` wide.
pub(super) fn legend_height(entries: &[LegendEntry], width: f64) -> f64 {
    ROW * rows(entries, width).len() as f64
}

/// Draws the legend with its top left corner at (`x`, `y`).
pub(super) fn draw_legend(
    drawing: &mut Drawing,
    entries: &[LegendEntry],
    x: f64,
    y: f64,
    width: f64,
) {
    for (k, row) in rows(entries, width).into_iter().enumerate() {
        let middle = y + ROW * (k as f64 + 0.5);
        let mut left = x;
        for entry in row {
            let line = [point(left, middle), point(left + SAMPLE, middle)];
            drawing.dashed(&line, entry.look.dash, entry.look.color, 1.6);
            if entry.marked {
                entry.look.draw_marker(drawing, point(left + 0.5 * SAMPLE, middle));
            }
            let text = point(left + SAMPLE + 6.0, middle + 0.36 * SIZE);
            drawing.text(&entry.label, text, SIZE, Align::Left, TEXT_GREY);
            left += entry_width(entry) + GAP;
        }
    }
}
