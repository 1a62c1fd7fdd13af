//! A figure as a list of shapes in CSS pixels, origin at the top left.

use super::lettering::text_width;
use crate::escape::visible;

/// An opaque RGB colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rgb(pub u8, pub u8, pub u8);

pub(super) const BLACK: Rgb = Rgb(0, 0, 0);
pub(super) const TEXT_GREY: Rgb = Rgb(64, 64, 64);
pub(super) const AXIS_GREY: Rgb = Rgb(120, 120, 120);
pub(super) const GRID_GREY: Rgb = Rgb(228, 228, 228);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub x: f64,
    pub y: f64,
}

pub(super) fn point(x: f64, y: f64) -> Point {
    Point { x, y }
}

/// An axis-parallel rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Frame {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Frame {
    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }

    #[cfg(test)]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.x < other.right()
            && other.x < self.right()
            && self.y < other.bottom()
            && other.y < self.bottom()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Centre,
    Right,
}

#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// An open line through the points.
    Line { points: Vec<Point>, color: Rgb, width: f64 },
    /// A filled polygon; `opacity` in (0, 1].
    Area { points: Vec<Point>, color: Rgb, opacity: f64 },
    /// One line of text. `at` is on the baseline, `size` is the em.
    Text { text: String, at: Point, size: f64, align: Align, color: Rgb },
    /// One line of text from `at` upwards, to be read from the right. `at` is where it begins, on
    /// the baseline, `size` is the em. In a PNG what it lies on becomes white.
    Upright { text: String, at: Point, size: f64, color: Rgb },
    /// An image stretched over the frame without smoothing.
    Image { image: image::RgbImage, frame: Frame },
}

/// A laid-out figure.
#[derive(Clone, Debug)]
pub struct Drawing {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) shapes: Vec<Shape>,
}

impl Drawing {
    pub(super) fn new(width: f64, height: f64) -> Self {
        Self { width, height, shapes: Vec::new() }
    }

    pub(super) fn line(&mut self, points: Vec<Point>, color: Rgb, width: f64) {
        if points.len() > 1 {
            self.shapes.push(Shape::Line { points, color, width });
        }
    }

    /// A line with gaps: `dash` holds the lengths of strokes and gaps in turn; empty for none.
    pub(super) fn dashed(&mut self, points: &[Point], dash: &[f64], color: Rgb, width: f64) {
        if dash.is_empty() || dash.iter().sum::<f64>() <= 0.0 {
            return self.line(points.to_vec(), color, width);
        }
        let (mut index, mut left, mut stroke) = (0, dash[0], Vec::new());
        for pair in points.windows(2) {
            let (mut from, to) = (pair[0], pair[1]);
            loop {
                let length = (to.x - from.x).hypot(to.y - from.y);
                let drawn = index % 2 == 0;
                if drawn && stroke.is_empty() {
                    stroke.push(from);
                }
                if length <= left {
                    left -= length;
                    if drawn {
                        stroke.push(to);
                    }
                    break;
                }
                let share = left / length;
                from = point(from.x + share * (to.x - from.x), from.y + share * (to.y - from.y));
                if drawn {
                    stroke.push(from);
                    self.line(std::mem::take(&mut stroke), color, width);
                }
                index = (index + 1) % dash.len();
                left = dash[index];
            }
        }
        self.line(stroke, color, width);
    }

    pub(super) fn area(&mut self, points: Vec<Point>, color: Rgb, opacity: f64) {
        if points.len() > 2 {
            self.shapes.push(Shape::Area { points, color, opacity });
        }
    }

    pub(super) fn text(&mut self, text: &str, at: Point, size: f64, align: Align, color: Rgb) {
        if !text.is_empty() {
            let text = visible(text).into_owned();
            self.shapes.push(Shape::Text { text, at, size, align, color });
        }
    }

    pub(super) fn upright(&mut self, text: &str, at: Point, size: f64, color: Rgb) {
        if !text.is_empty() {
            let text = visible(text).into_owned();
            self.shapes.push(Shape::Upright { text, at, size, color });
        }
    }

    pub(super) fn image(&mut self, image: image::RgbImage, frame: Frame) {
        self.shapes.push(Shape::Image { image, frame });
    }

    /// Text broken into lines no wider than `width`, the first baseline at `at`. Returns the
    /// baseline of the line that would follow.
    pub(super) fn paragraph(
        &mut self,
        text: &str,
        at: Point,
        size: f64,
        width: f64,
        color: Rgb,
    ) -> f64 {
        let mut y = at.y;
        for line in wrapped(text, size, width) {
            self.text(&line, point(at.x, y), size, Align::Left, color);
            y += 1.35 * size;
        }
        y
    }
}

/// Lines no wider than `width`, broken between words; a single longer word stays whole.
pub(super) fn wrapped(text: &str, size: f64, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        if let Some(line) = lines.last_mut() {
            let longer = format!("{line} {word}");
            if text_width(&longer, size) <= width {
                *line = longer;
                continue;
            }
        }
        lines.push(word.to_string());
    }
    lines
}
