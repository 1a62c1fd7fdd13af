//! Axes with round ticks, and the frame of a panel.

use super::drawing::{AXIS_GREY, Align, BLACK, Drawing, Frame, GRID_GREY, Point, TEXT_GREY, point};
use super::lettering::text_width;

pub(super) const TICK_SIZE: f64 = 10.0;
pub(super) const TITLE_SIZE: f64 = 12.0;

/// A range of values and how it is divided.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    min: f64,
    max: f64,
    log: bool,
    /// Value and label.
    pub ticks: Vec<(f64, String)>,
}

/// The step of 1, 2 or 5 times a power of ten that divides `span` into about `parts`.
fn round_step(span: f64, parts: f64) -> f64 {
    let raw = span / parts;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|m| m * power >= raw * 0.999).unwrap_or(10.0);
    step * power
}

/// The multiples of a round step within the range, labelled with as many digits as the step needs.
fn round_ticks(min: f64, max: f64, parts: f64) -> Vec<(f64, String)> {
    let step = round_step(max - min, parts);
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let first = (min / step - 1e-6).ceil() as i64;
    let last = (max / step + 1e-6).floor() as i64;
    (first..=last.min(first + 100))
        .map(|k| {
            let value = k as f64 * step;
            let scientific = value.abs() >= 1e6 || (decimals > 4 && value.abs() < 1e-2);
            // As many digits as tell neighbours apart.
            let digits = (value.abs().log10().floor() - step.log10().floor()).max(0.0) as usize;
            let label = match k {
                0 => "0".to_string(),
                _ if scientific => format!("{value:.digits$e}").replace('-', "−"),
                _ => format!("{value:.decimals$}").replace('-', "−"),
            };
            (value, label)
        })
        .collect()
}

impl Axis {
    /// A linear axis over `min..=max` as they are; an empty range is widened.
    pub fn linear(min: f64, max: f64, parts: f64) -> Self {
        let (min, max) = if max - min > 1e-12 * max.abs().max(min.abs()).max(1e-12) {
            (min, max)
        } else {
            let pad = (0.1 * min.abs()).max(1e-3);
            (min - pad, max + pad)
        };
        Self { min, max, log: false, ticks: round_ticks(min, max, parts) }
    }

    /// A linear axis with a little room beyond the values.
    pub fn padded(min: f64, max: f64, parts: f64) -> Self {
        let pad = 0.05 * (max - min);
        Self::linear(min - pad, max + pad, parts)
    }

    /// A logarithmic axis with a little room beyond the values, both of which must be positive.
    pub fn log(min: f64, max: f64) -> Self {
        // Beyond these ends the arithmetic below would leave the range of f64.
        let (min, max) = (min.clamp(1e-100, 1e100), max.clamp(1e-100, 1e100));
        let ratio = (max / min).max(1.2);
        let pad = ratio.powf(0.05);
        let centre = (max * min).sqrt();
        let (min, max) = (centre / ratio.sqrt() / pad, centre * ratio.sqrt() * pad);
        let decades = (max / min).log10();
        let multiples: &[f64] = match decades {
            d if d < 0.6 => &[],
            d if d < 1.3 => &[1.0, 2.0, 3.0, 5.0, 7.0],
            d if d < 2.5 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let label = |value: f64| match value.log10().round() as i64 {
            ..-3 | 6.. => format!("{value:.0e}").replace('-', "−"),
            _ => format!("{value}"),
        };
        let every = (decades / 8.0).ceil().max(1.0) as usize;
        let powers = (min.log10().floor() as i64)..=(max.log10().ceil() as i64);
        let mut ticks: Vec<(f64, String)> = powers
            .step_by(every)
            .flat_map(|power| multiples.iter().map(move |m| (*m, power)))
            // Through text, so that 5 times a power of ten is the number that prints as such.
            .filter_map(|(m, power)| format!("{m}e{power}").parse::<f64>().ok())
            .filter(|v| (min..=max).contains(v))
            .map(|v| (v, label(v)))
            .collect();
        if ticks.len() < 2 {
            ticks = round_ticks(min, max, 4.0).into_iter().filter(|(v, _)| *v > 0.0).collect();
        }
        Self { min, max, log: true, ticks }
    }

    /// Where `value` lies: 0 at the start of the axis, 1 at its end; outside values lie outside.
    pub fn share(&self, value: f64) -> f64 {
        if self.log {
            (value.max(f64::MIN_POSITIVE) / self.min).ln() / (self.max / self.min).ln()
        } else {
            (value - self.min) / (self.max - self.min)
        }
    }
}

/// A pair of axes in a place on the page.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    /// The area between the axes.
    pub area: Frame,
    pub x: Axis,
    pub y: Axis,
}

impl Panel {
    pub fn place(&self, x: f64, y: f64) -> Point {
        point(
            self.area.x + self.area.width * self.x.share(x),
            self.area.bottom() - self.area.height * self.y.share(y),
        )
    }

    /// The place, moved to the edge of the area where it lies outside.
    pub fn clamped(&self, x: f64, y: f64) -> Point {
        let p = self.place(x, y);
        point(p.x.clamp(self.area.x, self.area.right()), p.y.clamp(self.area.y, self.area.bottom()))
    }

    /// The parts of a line that lie inside the area.
    pub fn clipped(&self, points: &[Point]) -> Vec<Vec<Point>> {
        let mut parts: Vec<Vec<Point>> = Vec::new();
        let mut open = false;
        for pair in points.windows(2) {
            let Some((from, to, leaves)) = self.clip(pair[0], pair[1]) else {
                open = false;
                continue;
            };
            match parts.last_mut().filter(|_| open) {
                Some(part) => part.push(to),
                None => parts.push(vec![from, to]),
            }
            open = !leaves;
        }
        parts
    }

    /// The part of a segment inside the area, and whether its end was cut off (Liang and Barsky
    /// 1984).
    fn clip(&self, a: Point, b: Point) -> Option<(Point, Point, bool)> {
        let (dx, dy) = (b.x - a.x, b.y - a.y);
        let (mut enter, mut leave) = (0.0f64, 1.0f64);
        for (step, room) in [
            (-dx, a.x - self.area.x),
            (dx, self.area.right() - a.x),
            (-dy, a.y - self.area.y),
            (dy, self.area.bottom() - a.y),
        ] {
            if step == 0.0 {
                if room < 0.0 {
                    return None;
                }
            } else if step < 0.0 {
                enter = enter.max(room / step);
            } else {
                leave = leave.min(room / step);
            }
        }
        (enter <= leave).then(|| {
            let at = |t: f64| point(a.x + t * dx, a.y + t * dy);
            (at(enter), at(leave), leave < 1.0)
        })
    }

    /// Grid lines, axes, tick labels, the title above and the name of the x axis below.
    pub fn draw(&self, drawing: &mut Drawing, title: &str, x_name: &str) {
        let area = self.area;
        for (value, label) in &self.y.ticks {
            let y = self.place(self.x.min, *value).y;
            drawing.line(vec![point(area.x, y), point(area.right(), y)], GRID_GREY, 0.75);
            let baseline = point(area.x - 5.0, y + 0.36 * TICK_SIZE);
            drawing.text(label, baseline, TICK_SIZE, Align::Right, TEXT_GREY);
        }
        for (value, label) in &self.x.ticks {
            let x = self.place(*value, self.y.min).x;
            let foot = area.bottom();
            drawing.line(vec![point(x, foot), point(x, foot + 3.5)], AXIS_GREY, 0.75);
            let baseline = point(x, foot + 5.0 + TICK_SIZE);
            drawing.text(label, baseline, TICK_SIZE, Align::Centre, TEXT_GREY);
        }
        let corner = point(area.x, area.bottom());
        let axes = vec![point(area.x, area.y), corner, point(area.right(), area.bottom())];
        drawing.line(axes, AXIS_GREY, 1.0);
        // Long names shrink rather than run into the next panel.
        let room = area.width + 8.0;
        let size = TITLE_SIZE * (room / text_width(title, TITLE_SIZE)).clamp(0.6, 1.0);
        drawing.text(title, point(area.x, area.y - 7.0), size, Align::Left, BLACK);
        let under = point(area.x + 0.5 * area.width, area.bottom() + 9.0 + 2.2 * TICK_SIZE);
        drawing.text(x_name, under, TICK_SIZE, Align::Centre, TEXT_GREY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_ticks_have_different_labels_however_small_the_range() {
        for (min, max) in [
            (1.0, 1.0),
            (1.0, 1.000_01),
            (0.000_012, 0.000_013),
            (1e6, 1_000_030.0),
            (-3e-7, 2e-7),
            (0.0, 100.0),
        ] {
            let labels: Vec<String> =
                Axis::linear(min, max, 4.0).ticks.into_iter().map(|(_, label)| label).collect();
            assert!(labels.len() > 1, "{min} to {max}");
            assert!(labels.windows(2).all(|pair| pair[0] != pair[1]), "{labels:?}");
        }
    }
}
