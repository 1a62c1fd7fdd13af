//! ADA's colour transformations as one matrix a pixel.

use ganbench_nn::kernels::Real;

use super::Planes;

/// y = rows · (r, g, b, 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ColorMatrix([[f64; 4]; 3]);

impl ColorMatrix {
    pub(super) const IDENTITY: Self =
        Self([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]);

    /// `m`, after `self`.
    fn then(self, m: [[f64; 3]; 3]) -> Self {
        Self(
            m.map(|row| {
                std::array::from_fn(|j| (0..3).map(|k| row[k] * self.0[k][j]).sum::<f64>())
            }),
        )
    }

    pub(super) fn brightened(self, by: f64) -> Self {
        Self(self.0.map(|[r, g, b, one]| [r, g, b, one + by]))
    }

    pub(super) fn scaled(self, by: f64) -> Self {
        Self(self.0.map(|row| row.map(|v| v * by)))
    }

    /// Mirrored about the plane across the grey axis.
    pub(super) fn luma_flipped(self) -> Self {
        self.then(about_grey(|i, j| unit(i, j) - 2.0 / 3.0))
    }

    /// Turned about the grey axis (Rodrigues).
    pub(super) fn hue_turned(self, angle: f64) -> Self {
        let (sin, cos) = (libm::sin(angle), libm::cos(angle));
        let across = sin / 3f64.sqrt();
        self.then(about_grey(|i, j| {
            let turn = match (3 + j - i) % 3 {
                0 => 0.0,
                1 => -across,
                _ => across,
            };
            cos * unit(i, j) + (1.0 - cos) / 3.0 + turn
        }))
    }

    /// Distances from the grey axis scaled.
    pub(super) fn saturated(self, by: f64) -> Self {
        self.then(about_grey(|i, j| 1.0 / 3.0 + (unit(i, j) - 1.0 / 3.0) * by))
    }

    /// Gain and offset of a grey image: the mean over the three of what grey becomes.
    fn of_grey(&self) -> (f64, f64) {
        let gain = self.0.iter().map(|row| row[..3].iter().sum::<f64>()).sum::<f64>() / 3.0;
        (gain, self.0.iter().map(|row| row[3]).sum::<f64>() / 3.0)
    }

    pub(super) fn apply<T: Real>(&self, image: &mut [T], size: Planes, offset: bool) {
        let m = self.0;
        if size.channels == 3 {
            let base = m.map(|row| T::nearest(if offset { row[3] } else { 0.0 }));
            mix(image, size, m.map(|[r, g, b, _]| [r, g, b]), base);
        } else {
            let (gain, base) = self.of_grey();
            let (gain, base) = (T::nearest(gain), T::nearest(if offset { base } else { 0.0 }));
            image.iter_mut().for_each(|v| *v = gain * *v + base);
        }
    }

    pub(super) fn apply_transposed<T: Real>(&self, g: &mut [T], size: Planes) {
        let m = self.0;
        if size.channels == 3 {
            let transposed = [0, 1, 2].map(|j| [m[0][j], m[1][j], m[2][j]]);
            mix(g, size, transposed, [T::default(); 3]);
        } else {
            let gain = T::nearest(self.of_grey().0);
            g.iter_mut().for_each(|v| *v = gain * *v);
        }
    }
}

fn unit(i: usize, j: usize) -> f64 {
    if i == j { 1.0 } else { 0.0 }
}

fn about_grey(entry: impl Fn(usize, usize) -> f64) -> [[f64; 3]; 3] {
    [0, 1, 2].map(|i| [0, 1, 2].map(|j| entry(i, j)))
}

fn mix<T: Real>(image: &mut [T], size: Planes, m: [[f64; 3]; 3], base: [T; 3]) {
    let m = m.map(|row| row.map(T::nearest));
    let (red, rest) = image.split_at_mut(size.pixels());
    let (green, blue) = rest.split_at_mut(size.pixels());
    for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
        let at = |k: usize| m[k][0] * *r + m[k][1] * *g + m[k][2] * *b + base[k];
        let (red, green, blue) = (at(0), at(1), at(2));
        (*r, *g, *b) = (red, green, blue);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(m: ColorMatrix, rgb: [f64; 3]) -> [f64; 3] {
        let mut image = rgb;
        m.apply(&mut image, Planes { channels: 3, height: 1, width: 1 }, true);
        image
    }

    fn near(a: [f64; 3], b: [f64; 3]) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-14)
    }

    #[test]
    fn each_transformation_on_paper() {
        let start = ColorMatrix::IDENTITY;
        let third = 2.0 * std::f64::consts::PI / 3.0;
        assert!(near(of(start.brightened(0.5), [0.1, 0.2, 0.3]), [0.6, 0.7, 0.8]));
        assert!(near(of(start.brightened(0.5).scaled(2.0), [0.1, 0.2, 0.3]), [1.2, 1.4, 1.6]));
        // Grey changes its sign, what is across the axis stays.
        assert!(near(of(start.luma_flipped(), [0.3, 0.3, 0.3]), [-0.3, -0.3, -0.3]));
        assert!(near(of(start.luma_flipped(), [0.3, -0.3, 0.0]), [0.3, -0.3, 0.0]));
        // A third of a turn sends red to green.
        assert!(near(of(start.hue_turned(third), [1.0, 0.0, 0.0]), [0.0, 1.0, 0.0]));
        assert!(near(of(start.saturated(0.0), [0.1, 0.2, 0.6]), [0.3, 0.3, 0.3]));
        assert!(near(of(start.saturated(2.0), [0.1, 0.2, 0.6]), [-0.1, 0.1, 0.9]));
    }

    #[test]
    fn on_one_channel_grey_stays_grey() {
        let m = ColorMatrix::IDENTITY.brightened(0.25).scaled(2.0).luma_flipped();
        let mut image = [0.5f64, -0.25];
        m.apply(&mut image, Planes { channels: 1, height: 1, width: 2 }, true);
        assert!((image[0] + 1.5).abs() < 1e-14 && image[1].abs() < 1e-14, "{image:?}");
    }
}
