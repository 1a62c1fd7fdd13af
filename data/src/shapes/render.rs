//! Draws one image from its factors: a pure function, so that the true distribution is known
//! exactly.
//!
//! Coverage of a pixel is the mean of 4x4 points on its grid. Only pixels near the outline are
//! sampled; the others are known to be wholly in or out (see `outline.rs`).

use super::outline::{Point, distance};
use super::{BACKGROUNDS, ShapeFactors};

pub(super) type Rgb = [f64; 3];

/// Points per pixel side.
const SUPERSAMPLING: usize = 4;
/// Half the diagonal of a pixel, rounded up.
const HALF_DIAGONAL_PX: f64 = 0.708;

impl ShapeFactors {
    /// Draws the image into `pixels`, `[size, size, 3]`, RGB.
    ///
    /// # Panics
    /// If `pixels` is not of that length.
    pub fn render(&self, size: usize, pixels: &mut [u8]) {
        assert_eq!(pixels.len(), size * size * 3, "room for one {size}x{size}x3 image");
        let frame = Frame::new(self, size);
        let colour = hue_to_rgb(f64::from(self.hue));
        for (i, pixel) in pixels.chunks_exact_mut(3).enumerate() {
            let (px, py) = ((i % size) as f64 + 0.5, (i / size) as f64 + 0.5);
            let covered = frame.coverage(px, py);
            let behind = background(self.background, px / size as f64, py / size as f64);
            let shade =
                if covered > 0.0 { texture(self.texture, frame.local(px, py)) } else { 1.0 };
            let painted = blend(behind, colour, Paint { covered, shade });
            for (channel, value) in pixel.iter_mut().zip(painted) {
                *channel = (value * 255.0 + 0.5) as u8;
            }
        }
    }
}

/// What the shape does to one pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Paint {
    /// Share of the pixel that the shape covers, in [0, 1].
    pub covered: f64,
    /// Brightness of the texture, in [0, 1].
    pub shade: f64,
}

/// The colour of a pixel before it is rounded, in [0, 1].
pub(super) fn blend(behind: Rgb, colour: Rgb, paint: Paint) -> Rgb {
    [0, 1, 2].map(|c| behind[c] + paint.covered * (colour[c] * paint.shade - behind[c]))
}

/// Where the shape lies in the image.
pub(super) struct Frame {
    shape: u32,
    centre: Point,
    radius: f64,
    sin: f64,
    cos: f64,
}

impl Frame {
    /// All lengths in pixels.
    pub(super) fn new(factors: &ShapeFactors, size: usize) -> Self {
        let (sin, cos) = libm::sincos(f64::from(factors.rotation) * std::f64::consts::TAU);
        Self {
            shape: factors.shape,
            centre: Point {
                x: (0.5 + f64::from(factors.x)) * size as f64,
                y: (0.5 + f64::from(factors.y)) * size as f64,
            },
            radius: f64::from(factors.size) * size as f64,
            sin,
            cos,
        }
    }

    /// The point of the image in the shape's own frame.
    fn local(&self, px: f64, py: f64) -> Point {
        let (dx, dy) = ((px - self.centre.x) / self.radius, (py - self.centre.y) / self.radius);
        Point { x: dx * self.cos + dy * self.sin, y: dy * self.cos - dx * self.sin }
    }

    /// Share of the pixel around (px, py) that the shape covers, in [0, 1].
    fn coverage(&self, px: f64, py: f64) -> f64 {
        let at_centre = self.distance_px(px, py);
        if at_centre.abs() > HALF_DIAGONAL_PX {
            return if at_centre < 0.0 { 1.0 } else { 0.0 };
        }
        self.sampled_coverage(px, py)
    }

    /// Distance of the pixel around (px, py) to the outline in pixels, negative inside. It never
    /// exceeds the true one.
    pub(super) fn distance_px(&self, px: f64, py: f64) -> f64 {
        distance(self.shape, self.local(px, py)) * self.radius
    }

    /// As the image is painted, but for a coverage that is smooth: a ramp one pixel wide across the
    /// outline. It has slopes, which the mean over a grid of points has not.
    pub(super) fn smooth_paint(&self, texture_kind: u32, px: f64, py: f64) -> Paint {
        let covered = (0.5 - self.distance_px(px, py)).clamp(0.0, 1.0);
        Paint { covered, shade: texture(texture_kind, self.local(px, py)) }
    }

    fn sampled_coverage(&self, px: f64, py: f64) -> f64 {
        let mut inside = 0u32;
        for i in 0..SUPERSAMPLING * SUPERSAMPLING {
            let x = px + ((i % SUPERSAMPLING) as f64 + 0.5) / SUPERSAMPLING as f64 - 0.5;
            let y = py + ((i / SUPERSAMPLING) as f64 + 0.5) / SUPERSAMPLING as f64 - 0.5;
            inside += u32::from(distance(self.shape, self.local(x, y)) < 0.0);
        }
        f64::from(inside) / (SUPERSAMPLING * SUPERSAMPLING) as f64
    }
}

/// Saturation 0.85 and value 0.97 at `hue` turns of the colour circle (0 red, 1/3 green, 2/3 blue).
pub(super) fn hue_to_rgb(hue: f64) -> Rgb {
    const VALUE: f64 = 0.97;
    const SATURATION: f64 = 0.85;
    // Distance on the circle to red, green and blue decides how much of each there is.
    [0.0, 1.0 / 3.0, 2.0 / 3.0].map(|primary| {
        let apart = (hue - primary).abs();
        let apart = apart.min(1.0 - apart);
        let amount = (2.0 - 6.0 * apart).clamp(0.0, 1.0);
        VALUE * (1.0 - SATURATION * (1.0 - amount))
    })
}

/// 0 to 1 and back over one unit, in straight lines.
fn triangle_wave(x: f64) -> f64 {
    1.0 - (2.0 * (x - x.floor()) - 1.0).abs()
}

/// Brightness of the shape's paint at a point of its own frame: plain, striped or chequered. Soft
/// edges about a pixel wide, since it is read once a pixel.
fn texture(kind: u32, p: Point) -> f64 {
    let light = match kind {
        0 => 1.0,
        1 => ((triangle_wave(p.y / 0.62 + 0.25) - 0.5) * 2.2 + 0.5).clamp(0.0, 1.0),
        _ => {
            let (u, v) = (triangle_wave(p.x / 0.9), triangle_wave(p.y / 0.9));
            ((u - 0.5) * (v - 0.5) * 7.0 + 0.5).clamp(0.0, 1.0)
        }
    };
    0.45 + 0.55 * light
}

/// Colour of the background at (x, y) in [0, 1).
pub(super) fn background(kind: u32, x: f64, y: f64) -> Rgb {
    let mix =
        |from: Rgb, to: Rgb, t: f64| -> Rgb { [0, 1, 2].map(|c| from[c] + t * (to[c] - from[c])) };
    debug_assert!((kind as usize) < BACKGROUNDS.len());
    match kind {
        0 => [0.09, 0.10, 0.14],
        1 => [0.90, 0.89, 0.85],
        2 => mix([0.20, 0.27, 0.42], [0.70, 0.60, 0.55], y),
        _ => {
            let stripe = (triangle_wave((x + y) * 4.0) * 2.0 - 0.5).clamp(0.0, 1.0);
            mix([0.36, 0.40, 0.38], [0.52, 0.55, 0.52], stripe)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    #[test]
    fn the_primary_hues_are_red_green_and_blue() {
        // Value 0.97; the other two channels are 0.97·(1 − 0.85) = 0.1455.
        for (hue, strongest) in [(0.0, 0), (1.0 / 3.0, 1), (2.0 / 3.0, 2)] {
            for (c, &value) in hue_to_rgb(hue).iter().enumerate() {
                let expected = if c == strongest { 0.97 } else { 0.1455 };
                assert!((value - expected).abs() < 1e-12, "hue {hue} channel {c}: {value}");
            }
        }
    }

    #[test]
    fn skipping_pixels_far_from_the_outline_changes_no_coverage() {
        for i in 0..200 {
            let frame = Frame::new(
                &ShapeFactors::draw(&mut Stream::new(5, &format!("shapes/train/{i}"))),
                32,
            );
            for p in 0..1024 {
                let (x, y) = (f64::from(p % 32) + 0.5, f64::from(p / 32) + 0.5);
                assert_eq!(
                    frame.coverage(x, y),
                    frame.sampled_coverage(x, y),
                    "image {i} pixel {p}"
                );
            }
        }
    }

    #[test]
    fn a_shape_moved_right_is_drawn_right() {
        // A plain disc on a dark ground: the brightest columns follow x.
        let mut factors = ShapeFactors::draw(&mut Stream::new(0, "shapes/train/0"));
        (factors.shape, factors.background, factors.texture) = (0, 0, 0);
        (factors.x, factors.y, factors.size) = (0.1, 0.0, 0.25);
        let mut pixels = [0; 32 * 32 * 3];
        factors.render(32, &mut pixels);
        let column = |x: usize| -> u32 {
            (0..32).flat_map(|y| &pixels[(y * 32 + x) * 3..][..3]).map(|&v| u32::from(v)).sum()
        };
        // Centre 0.6·32 = 19.2, radius 0.88·8 = 7.04: columns 12..=26 hold the disc.
        assert!(column(19) > 2 * column(5));
        assert_eq!(column(5), column(0));
        assert!(column(25) > column(31));
    }
}
