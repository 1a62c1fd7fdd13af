//! Finds the factors that an image lies closest to, near given ones.
//!
//! Gauss-Newton steps on the five continuous factors, on a smooth rendering with its slopes. The
//! steps are damped as by a normal prior around the present factors, as wide as the support: what
//! the image does not show, such as the rotation of a plain disc, stays as it is. The factors never
//! leave their support, so the distance is that to images which the data set can hold.

use super::render::{Frame, Rgb, background, blend, hue_to_rgb};
use super::{CONTINUOUS, Kinds, ShapeFactors};

/// Step of the finite differences, in half widths of a support.
const STEP: f64 = 0.05;
/// Standard deviation of a pixel around the rendering, in [0, 1], that the damping reckons with.
const NOISE: f64 = 8.0 / 255.0;
/// Pixels farther from the outline than this are not touched by a small change of the factors.
const FAR_PX: f64 = 1.5;

/// The place of the hue among the continuous factors.
const HUE: usize = CONTINUOUS - 1;

/// What an image lies closest to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Within their support.
    pub factors: ShapeFactors,
    /// Root of the mean squared difference of all pixels and channels between the image and the
    /// exact rendering of `factors`, in grey levels, 0 to 255.
    pub rmse: f32,
}

impl ShapeFactors {
    /// Refines the continuous factors by `steps` Gauss-Newton steps; the kinds stay.
    ///
    /// `image` is `[size, size, 3]`, RGB.
    ///
    /// # Panics
    /// If `image` is not of that length.
    pub fn fit(&self, size: usize, image: &[u8], steps: usize) -> Fit {
        assert_eq!(image.len(), size * size * 3, "one {size}x{size}x3 image");
        let mut at = Point { kinds: self.kinds(), places: self.places() }.within_support();
        for _ in 0..steps {
            at = at.step(size, image).within_support();
        }
        let factors = at.factors();
        let mut drawn = vec![0; image.len()];
        factors.render(size, &mut drawn);
        let squared = |(&a, &b): (&u8, &u8)| u64::from(a.abs_diff(b)).pow(2);
        let sum: u64 = image.iter().zip(&drawn).map(squared).sum();
        Fit { factors, rmse: (sum as f64 / image.len() as f64).sqrt() as f32 }
    }
}

/// Factors with the continuous ones as a vector.
#[derive(Clone, Copy)]
struct Point {
    kinds: Kinds,
    places: [f64; CONTINUOUS],
}

impl Point {
    fn factors(&self) -> ShapeFactors {
        ShapeFactors::from_kinds(self.kinds, self.places)
    }

    fn within_support(self) -> Self {
        Self { places: self.factors().places(), ..self }
    }

    /// The point with one continuous factor moved by [`STEP`], inwards so that it stays within the
    /// support.
    fn moved(&self, i: usize) -> (Self, f64) {
        let step = if self.places[i] > 0.0 { -STEP } else { STEP };
        let mut moved = *self;
        moved.places[i] += step;
        (moved, step)
    }

    fn frame(&self, size: usize) -> Frame {
        Frame::new(&self.factors(), size)
    }

    /// One damped Gauss-Newton step.
    fn step(&self, size: usize, image: &[u8]) -> Self {
        let here = self.frame(size);
        let moved: [(Self, f64); CONTINUOUS] = std::array::from_fn(|i| self.moved(i));
        let frames = moved.map(|(point, _)| point.frame(size));
        let colours = moved.map(|(point, _)| hue_to_rgb(f64::from(point.factors().hue)));
        let colour = hue_to_rgb(f64::from(self.factors().hue));
        let [_, _, ground, texture] = self.kinds.map(|kind| kind as u32);
        let side = size as f64;
        let mut normal = Normal::new();
        for (i, pixel) in image.chunks_exact(3).enumerate() {
            let (px, py) = ((i % size) as f64 + 0.5, (i / size) as f64 + 0.5);
            // No factor moves what lies outside of the shape.
            if here.distance_px(px, py) > FAR_PX {
                continue;
            }
            let behind = background(ground, px / side, py / side);
            let paint = here.smooth_paint(texture, px, py);
            let drawn = blend(behind, colour, paint);
            let slopes: [Rgb; CONTINUOUS] = std::array::from_fn(|k| {
                // The hue moves no outline.
                let paint = match k {
                    HUE => paint,
                    _ => frames[k].smooth_paint(texture, px, py),
                };
                let painted = blend(behind, colours[k], paint);
                [0, 1, 2].map(|c| (painted[c] - drawn[c]) / moved[k].1)
            });
            for c in 0..3 {
                let residual = f64::from(pixel[c]) / 255.0 - drawn[c];
                normal.add(slopes.map(|slope| slope[c]), residual);
            }
        }
        let change = normal.solve();
        Self { places: std::array::from_fn(|i| self.places[i] + change[i]), ..*self }
    }
}

/// The normal equations of a least-squares step, damped.
struct Normal {
    matrix: [[f64; CONTINUOUS]; CONTINUOUS],
    right: [f64; CONTINUOUS],
}

impl Normal {
    fn new() -> Self {
        let mut matrix = [[0.0; CONTINUOUS]; CONTINUOUS];
        for (i, row) in matrix.iter_mut().enumerate() {
            row[i] = NOISE * NOISE;
        }
        Self { matrix, right: [0.0; CONTINUOUS] }
    }

    fn add(&mut self, slopes: [f64; CONTINUOUS], residual: f64) {
        for (i, &slope) in slopes.iter().enumerate() {
            self.right[i] += slope * residual;
            for (entry, other) in self.matrix[i].iter_mut().zip(slopes) {
                *entry += slope * other;
            }
        }
    }

    /// By Gaussian elimination without pivoting: the damped matrix is positive definite.
    fn solve(mut self) -> [f64; CONTINUOUS] {
        for i in 0..CONTINUOUS {
            let pivot = self.matrix[i];
            for row in i + 1..CONTINUOUS {
                let factor = self.matrix[row][i] / pivot[i];
                for (entry, above) in self.matrix[row].iter_mut().zip(pivot) {
                    *entry -= factor * above;
                }
                self.right[row] -= factor * self.right[i];
            }
        }
        let mut solution = [0.0; CONTINUOUS];
        for i in (0..CONTINUOUS).rev() {
            let known: f64 = (i + 1..CONTINUOUS).map(|j| self.matrix[i][j] * solution[j]).sum();
            solution[i] = (self.right[i] - known) / self.matrix[i][i];
        }
        solution
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;
    use crate::shapes::SHAPES;

    fn drawn(index: usize) -> (ShapeFactors, Vec<u8>) {
        let mut factors = ShapeFactors::draw(&mut Stream::new(3, &format!("fit/{index}")));
        factors.shape = (index % SHAPES.len()) as u32;
        let mut image = vec![0; 32 * 32 * 3];
        factors.render(32, &mut image);
        (factors, image)
    }

    #[test]
    fn factors_that_are_off_by_a_pixel_are_found_again() {
        let mut errors = Vec::new();
        for index in 0..200 {
            let (truth, image) = drawn(index);
            let start = ShapeFactors {
                x: truth.x + 0.02,
                y: truth.y - 0.02,
                size: truth.size + 0.01,
                rotation: truth.rotation + 0.01,
                ..truth
            };
            errors.push(start.fit(32, &image, 4).rmse);
        }
        errors.sort_by(f32::total_cmp);
        assert!(errors[100] < 2.0 && errors[190] < 4.0, "{} {}", errors[100], errors[190]);
    }

    #[test]
    fn the_true_factors_have_no_error_before_the_first_step() {
        for index in 0..20 {
            let (truth, image) = drawn(index);
            assert!(truth.fit(32, &image, 0).rmse < 0.5, "image {index}");
        }
    }

    #[test]
    fn factors_stay_within_their_support_whatever_the_image() {
        let noise: Vec<u8> = (0..32 * 32 * 3).map(|i| (i * 7919 % 256) as u8).collect();
        for index in 0..50 {
            let start = ShapeFactors { x: f32::NAN, size: 9.0, ..drawn(index).0 };
            let Fit { factors, rmse } = start.fit(32, &noise, 5);
            assert!(rmse > 40.0, "{rmse}");
            assert!(factors.x.abs() <= 0.0801 && (0.2999..=0.4001).contains(&factors.size));
            assert!(factors.hue_offset().abs() <= 0.0301 && factors.rotation.abs() <= 0.0701);
            assert_eq!(factors.mode(), drawn(index).0.mode());
        }
    }
}
