//! Many numbers as three.

/// Names of [`moments`].
pub const NAMES: [&str; 3] = ["mean", "rms", "position"];

/// Mean, root of the mean square, and the mean of each value times where it stands: along its line
/// of `width` values and across the lines, each from 0 to 1. The first two show a change of scale,
/// the third one of place.
pub fn moments(values: &[f32], width: usize) -> [f64; 3] {
    let n = values.len().max(1) as f64;
    let width = width.max(1);
    let mut sums = [0.0; 3];
    for (i, &value) in values.iter().enumerate() {
        let value = f64::from(value);
        let place = (i % width + i / width % width) as f64 / width as f64;
        sums[0] += value;
        sums[1] += value * value;
        sums[2] += value * place;
    }
    let [mean, square, place] = sums.map(|sum| sum / n);
    [mean, square.sqrt(), place]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_moments_of_four_values_on_paper() {
        // Places 0, ½, ½, 1: (0 + 1 + 1.5 + 4)/4.
        assert_eq!(moments(&[1.0, 2.0, 3.0, 4.0], 2), [2.5, 7.5f64.sqrt(), 6.5 / 4.0]);
    }

    #[test]
    fn half_a_pixel_moves_the_third_alone() {
        let (a, b) = (moments(&[0.0, 8.0, 0.0, 0.0], 4), moments(&[0.0, 0.0, 8.0, 0.0], 4));
        assert_eq!((a[0], a[1]), (b[0], b[1]));
        assert_ne!(a[2], b[2]);
    }
}
