//! Position embeddings of one grid of patches, resized to another as DINOv2 does.

/// torch's bicubic kernel, a = −0.75 (Keys 1981, doi:10.1109/TASSP.1981.1163711): the weights of
/// the four neighbours of a point `t` beyond the second.
fn weights(t: f64) -> [f64; 4] {
    const A: f64 = -0.75;
    let near = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)]
}

struct Taps {
    places: [usize; 4],
    weights: [f64; 4],
}

/// DINOv2 asks for (to + 0.1)/from as the scale, against rounding errors, and torch then takes the
/// scale as it is: centres lie a little closer than from/to apart. (`interpolate_pos_encoding` of
/// facebookresearch/dinov2; the same without 0.1 in `transformers` is another function.)
fn taps(from: usize, to: usize) -> Vec<Taps> {
    let step = from as f64 / (to as f64 + 0.1);
    let tap = |i: usize| {
        let position = (i as f64 + 0.5) * step - 0.5;
        let first = position.floor();
        let place = |k: usize| (first + k as f64 - 1.0).clamp(0.0, (from - 1) as f64) as usize;
        Taps { places: [0, 1, 2, 3].map(place), weights: weights(position - first) }
    };
    (0..to).map(tap).collect()
}

/// `positions`: f32 `[from·from, width]`, the class token's left out. Returns `[to·to, width]`.
/// Must agree with torch 2.9.0 (`interpolate(mode="bicubic", scale_factor=(to + 0.1)/from)`) to f32
/// rounding.
pub(super) fn resize(positions: &[f32], from: usize, to: usize, width: usize) -> Vec<f32> {
    assert_eq!(positions.len(), from * from * width, "positions of another grid");
    if from == to {
        return positions.to_vec();
    }
    let taps = taps(from, to);
    let mut out = Vec::with_capacity(to * to * width);
    for row in &taps {
        for column in &taps {
            let mut sums = vec![0f64; width];
            for (&y, wy) in row.places.iter().zip(row.weights) {
                for (&x, wx) in column.places.iter().zip(column.weights) {
                    let values = &positions[(y * from + x) * width..][..width];
                    sums.iter_mut().zip(values).for_each(|(s, v)| *s += wy * wx * f64::from(*v));
                }
            }
            out.extend(sums.iter().map(|&s| s as f32));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_weights_add_up_to_1_and_hit_the_neighbours() {
        assert_eq!(weights(0.0), [0.0, 1.0, 0.0, 0.0]);
        for t in [0.1, 0.5, 0.93] {
            assert!((weights(t).iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
        // Half-way: −0.75·0.125 = −0.09375 outside, 0.59375 inside.
        assert_eq!(weights(0.5), [-0.09375, 0.59375, 0.59375, -0.09375]);
    }

    #[test]
    fn the_same_grid_is_left_alone_and_a_plain_one_stays_plain() {
        let positions: Vec<f32> = (0..18).map(|i| i as f32).collect();
        assert_eq!(resize(&positions, 3, 3, 2), positions);
        let plain = vec![0.25; 49 * 3];
        assert!(resize(&plain, 7, 4, 3).iter().all(|v| (v - 0.25).abs() < 1e-6));
    }

    // torch 2.9.0:
    //   x = (torch.arange(49.) ** 2 % 10 / 10).reshape(1, 1, 7, 7)
    //   torch.nn.functional.interpolate(x, scale_factor=(4.1 / 7, 4.1 / 7), mode="bicubic")
    #[test]
    fn seven_by_seven_to_four_by_four_agrees_with_torch() {
        let x: Vec<f32> = (0..49).map(|i| (i * i % 10) as f32 / 10.0).collect();
        let expected: [f32; 16] = [
            0.2743752, 0.2851532, 0.4412877, 0.6196128, 0.5333982, 0.6577385, 0.5625602, 0.0325186,
            0.243445, 0.10598, 0.3457225, 0.8971965, 0.5697785, 0.8312981, 0.3276156, 0.2717972,
        ];
        for (a, b) in resize(&x, 7, 4, 1).iter().zip(expected) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }
}
