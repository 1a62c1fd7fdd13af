//! Signed distances to the outlines of the ten shapes.
//!
//! Convention: a shape lives in its own frame, about 1 in radius, x to the right, y down (as
//! pixels). The distance is negative inside. Its magnitude never exceeds the true distance to the
//! outline, so that a pixel which is farther from it than its own half diagonal is known to be
//! wholly in or out. Only + - * / and sqrt are used: the same bits on every machine.

use std::f64::consts::FRAC_1_SQRT_2;

/// Names of the shape classes, in label order.
pub const SHAPES: [&str; 10] = [
    "disc",
    "ring",
    "square",
    "triangle",
    "plus",
    "star",
    "heart",
    "crescent",
    "hourglass",
    "arrow",
];

#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub x: f64,
    pub y: f64,
}

const fn at(x: f64, y: f64) -> Point {
    Point { x, y }
}

/// √3/2 is the half side of an equilateral triangle of circumradius 1.
const TRIANGLE: [Point; 3] = [at(0.0, -0.95), at(0.822_724, 0.475), at(-0.822_724, 0.475)];

/// Outer radius 1 at every 72°, inner radius 0.45 between them.
const STAR: [Point; 10] = [
    at(0.0, -1.0),
    at(0.264_503, -0.364_058),
    at(0.951_057, -0.309_017),
    at(0.427_975, 0.139_058),
    at(0.587_785, 0.809_017),
    at(0.0, 0.45),
    at(-0.587_785, 0.809_017),
    at(-0.427_975, 0.139_058),
    at(-0.951_057, -0.309_017),
    at(-0.264_503, -0.364_058),
];

const HOURGLASS: [Point; 6] =
    [at(-0.72, -0.8), at(0.72, -0.8), at(0.13, 0.0), at(0.72, 0.8), at(-0.72, 0.8), at(-0.13, 0.0)];

const ARROW: [Point; 7] = [
    at(0.0, -0.98),
    at(0.85, -0.05),
    at(0.3, -0.05),
    at(0.3, 0.9),
    at(-0.3, 0.9),
    at(-0.3, -0.05),
    at(-0.85, -0.05),
];

/// Signed distance of `p` to the outline of class `shape` (an index into [`SHAPES`]; any other
/// number is drawn as the last class).
pub(super) fn distance(shape: u32, p: Point) -> f64 {
    match shape {
        0 => disc(p, at(0.0, 0.0), 0.88),
        1 => (length(p.x, p.y) - 0.68).abs() - 0.23,
        2 => rectangle(p, 0.74, 0.74),
        3 => polygon(p, &TRIANGLE),
        4 => rectangle(p, 0.9, 0.3).min(rectangle(p, 0.3, 0.9)),
        5 => polygon(p, &STAR),
        6 => heart(p),
        7 => disc(p, at(0.0, 0.0), 0.92).max(-disc(p, at(0.42, -0.12), 0.72)),
        8 => polygon(p, &HOURGLASS),
        _ => polygon(p, &ARROW),
    }
}

fn length(x: f64, y: f64) -> f64 {
    (x * x + y * y).sqrt()
}

fn disc(p: Point, centre: Point, radius: f64) -> f64 {
    length(p.x - centre.x, p.y - centre.y) - radius
}

/// `half_width` and `half_height` along the axes.
fn rectangle(p: Point, half_width: f64, half_height: f64) -> f64 {
    let dx = p.x.abs() - half_width;
    let dy = p.y.abs() - half_height;
    length(dx.max(0.0), dy.max(0.0)) + dx.max(dy).min(0.0)
}

/// A square that stands on its corner, with a half disc on each of the two upper sides.
fn heart(p: Point) -> f64 {
    const HALF_DIAGONAL: f64 = 0.78;
    const CENTRE_Y: f64 = 0.08;
    let (x, y) = (p.x, p.y - CENTRE_Y);
    let turned = at((x + y) * FRAC_1_SQRT_2, (y - x) * FRAC_1_SQRT_2);
    let half_side = HALF_DIAGONAL * FRAC_1_SQRT_2;
    let lobe = at(0.5 * HALF_DIAGONAL, -0.5 * HALF_DIAGONAL);
    rectangle(turned, half_side, half_side).min(disc(at(x.abs(), y), lobe, half_side))
}

/// Distance to the nearest side; inside by the even-odd rule.
fn polygon(p: Point, corners: &[Point]) -> f64 {
    let mut nearest = f64::INFINITY;
    let mut inside = false;
    let mut from = corners[corners.len() - 1];
    for &to in corners {
        let (side_x, side_y) = (to.x - from.x, to.y - from.y);
        let (x, y) = (p.x - from.x, p.y - from.y);
        let along = (x * side_x + y * side_y) / (side_x * side_x + side_y * side_y);
        let along = along.clamp(0.0, 1.0);
        let (off_x, off_y) = (x - along * side_x, y - along * side_y);
        nearest = nearest.min(off_x * off_x + off_y * off_y);
        if (from.y > p.y) != (to.y > p.y) && x < y * side_x / side_y {
            inside = !inside;
        }
        from = to;
    }
    if inside { -nearest.sqrt() } else { nearest.sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_to_a_rectangle_is_that_of_its_nearest_side_or_corner() {
        // A 2x1 box: right of it by 1, above its corner by (3, 4), inside 0.25 from its top.
        let box_2_by_1 = |x, y| rectangle(at(x, y), 1.0, 0.5);
        assert_eq!(box_2_by_1(2.0, 0.0), 1.0);
        assert_eq!(box_2_by_1(4.0, 4.5), 5.0);
        assert_eq!(box_2_by_1(0.0, 0.25), -0.25);
    }

    #[test]
    fn the_distance_to_a_polygon_equals_that_to_the_same_rectangle() {
        let corners = [at(-1.0, -0.5), at(1.0, -0.5), at(1.0, 0.5), at(-1.0, 0.5)];
        for i in 0..400 {
            let p = at(f64::from(i % 20) * 0.17 - 1.6, f64::from(i / 20) * 0.13 - 1.25);
            assert!((polygon(p, &corners) - rectangle(p, 1.0, 0.5)).abs() < 1e-12);
        }
    }

    #[test]
    fn no_distance_changes_faster_than_the_point_moves() {
        // Lipschitz with constant 1, which is what makes it a safe bound for whole pixels.
        for shape in 0..SHAPES.len() as u32 {
            for i in 0..10_000 {
                let p = at(f64::from(i % 100) * 0.03 - 1.5, f64::from(i / 100) * 0.03 - 1.5);
                let q = at(p.x + 0.011, p.y - 0.007);
                let change = (distance(shape, p) - distance(shape, q)).abs();
                assert!(change <= length(0.011, 0.007) + 1e-12, "{shape} at {p:?}: {change}");
            }
        }
    }

    #[test]
    fn every_shape_fits_in_a_disc_of_radius_1_and_a_tenth() {
        for shape in 0..SHAPES.len() as u32 {
            for i in 0..40_000 {
                let p = at(f64::from(i % 200) * 0.02 - 2.0, f64::from(i / 200) * 0.02 - 2.0);
                assert!(distance(shape, p) > 0.0 || length(p.x, p.y) < 1.1, "{shape} {p:?}");
            }
        }
    }
}
