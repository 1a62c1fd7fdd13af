//! How the methods of a figure are told apart.

use super::drawing::{Drawing, Point, Rgb, point};

/// Okabe and Ito's colours without yellow, which is too light for lines on white.
const COLORS: [Rgb; 7] = [
    Rgb(0, 114, 178),   // blue
    Rgb(213, 94, 0),    // vermilion
    Rgb(0, 158, 115),   // bluish green
    Rgb(204, 121, 167), // reddish purple
    Rgb(230, 159, 0),   // orange
    Rgb(86, 180, 233),  // sky blue
    Rgb(0, 0, 0),       // black
];

const DASHES: [&[f64]; 4] = [&[], &[7.0, 3.0], &[2.0, 2.5], &[8.0, 3.0, 2.0, 3.0]];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    TriangleDown,
}

const MARKERS: [Marker; 5] =
    [Marker::Circle, Marker::Square, Marker::Triangle, Marker::Diamond, Marker::TriangleDown];

/// The look of one method: equal indices look equal in every figure of a report.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub color: Rgb,
    pub dash: &'static [f64],
    marker: Marker,
}

impl Look {
    /// Colour, dash and marker repeat at different periods, so that 140 methods differ.
    pub fn by_index(index: usize) -> Self {
        Self {
            color: COLORS[index % COLORS.len()],
            dash: DASHES[index % DASHES.len()],
            marker: MARKERS[index % MARKERS.len()],
        }
    }

    pub fn draw_marker(&self, drawing: &mut Drawing, at: Point) {
        let r = 3.0;
        let polygon = |corners: &[(f64, f64)]| -> Vec<Point> {
            corners.iter().map(|&(x, y)| point(at.x + r * x, at.y + r * y)).collect()
        };
        let points = match self.marker {
            Marker::Circle => (0..16)
                .map(|k| {
                    let angle = std::f64::consts::TAU * f64::from(k) / 16.0;
                    point(at.x + r * angle.cos(), at.y + r * angle.sin())
                })
                .collect(),
            Marker::Square => polygon(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
            Marker::Triangle => polygon(&[(0.0, -1.25), (1.15, 0.85), (-1.15, 0.85)]),
            Marker::Diamond => polygon(&[(0.0, -1.3), (1.15, 0.0), (0.0, 1.3), (-1.15, 0.0)]),
            Marker::TriangleDown => polygon(&[(0.0, 1.25), (1.15, -0.85), (-1.15, -0.85)]),
        };
        drawing.area(points, self.color, 1.0);
    }
}

/// The cross where a run stopped because it diverged.
pub(super) fn draw_cross(drawing: &mut Drawing, at: Point, color: Rgb) {
    let r = 4.0;
    for sign in [-1.0, 1.0] {
        let ends = vec![point(at.x - r, at.y - sign * r), point(at.x + r, at.y + sign * r)];
        drawing.line(ends, color, 1.8);
    }
}
