//! Every augmentation at fixed draws, value and gradient, against an independent implementation in
//! PyTorch: `tests-data/augment.py`, which made `tests-data/augment.json`.

use std::sync::Arc;

use candle_core::{Device, Result, Tensor, Var};

use super::ada::{Colors, Draw as AdaDraw, Moves};
use super::affine::{self, Planes};
use super::blur::{Blurred, Filter};
use super::diffaug::{Color, Draw};
use super::flip::Mirror;
use super::{ColorDraw, Jitter, View, jitter, resample};

const SIZE: Planes = Planes { channels: 3, height: 9, width: 8 };
/// Absolute, f64 on both sides; the largest difference is 1.2e-14.
const TOLERANCE: f64 = 1e-12;

fn wave(channels: usize, f: impl Fn(f64) -> f64) -> Tensor {
    let n = 2 * channels * SIZE.pixels();
    let x: Vec<f64> = (0..n).map(|k| f(k as f64)).collect();
    Tensor::from_vec(x, (2, channels, SIZE.height, SIZE.width), &Device::Cpu).unwrap()
}

fn agrees(name: &str, channels: usize, change: impl Fn(&Tensor) -> Result<Tensor>) {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../../tests-data/augment.json")).unwrap();
    let x = Var::from_tensor(&wave(channels, |k| 0.9 * (0.37 * k).sin())).unwrap();
    let y = change(x.as_tensor()).unwrap();
    let weighted = (&y * wave(channels, |k| (0.23 * k).cos())).unwrap().sum_all().unwrap();
    let grads = weighted.backward().unwrap();
    for (got, key) in [(&y, "value"), (grads.get(&x).unwrap(), "grad")] {
        let got = got.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let expected: Vec<f64> = serde_json::from_value(golden[name][key].clone()).unwrap();
        assert_eq!(got.len(), expected.len());
        let worst = got.iter().zip(&expected).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
        assert!(worst < TOLERANCE, "{name} {key}: {worst:e}");
    }
}

#[test]
fn simclr_agrees_with_pytorch() {
    agrees("view", 3, |x| {
        let first = View { scale: [0.5, 0.7], offset: [0.3, -0.2] };
        resample(x, vec![first, View { scale: [1.0, -1.0], offset: [0.5, -0.4] }])
    });
    let unit = |x: &Tensor, draws| (jitter(&((x + 1.0)? / 2.0)?, draws)? * 2.0)? - 1.0;
    let one = |contrast_first| Jitter {
        contrast: 1.3,
        hue: 0.05,
        saturation: 0.7,
        value: 1.1,
        contrast_first,
    };
    let two =
        Jitter { contrast: 0.6, hue: -0.06, saturation: 1.3, value: 0.9, contrast_first: true };
    let draw = |jitter, grey| ColorDraw { jitter, grey };
    agrees("jitter", 3, |x| unit(x, vec![draw(Some(one(true)), false), draw(Some(two), true)]));
    agrees("jitter_hsv_first", 3, |x| {
        unit(x, vec![draw(Some(one(false)), false), draw(None, false)])
    });
    let blurred = || Blurred(Some(Arc::new(Filter::new(1.3, 2, [9, 8]))));
    agrees("blur", 3, |x| affine::apply(x, vec![blurred(), Blurred(None)]));
}

#[test]
fn flip_agrees_with_pytorch() {
    agrees("flip", 3, |x| affine::apply(x, vec![Mirror(true), Mirror(false)]));
}

#[test]
fn diffaug_agrees_with_pytorch() {
    let colors = [
        Color { brightness: 0.3, saturation: 1.6, contrast: 0.7 },
        Color { brightness: -0.2, saturation: 0.4, contrast: 1.4 },
    ];
    let shifts = [[1, -1], [-1, 0]];
    // Holes of 5x4 about (1, 8) and (8, 3) of 9x8 pixels.
    let holes = [[[0, 4], [6, 8]], [[6, 9], [1, 5]]];
    for (name, channels, color, shift) in [
        ("diffaug_color_cutout", 3, true, false),
        ("diffaug_translation_cutout", 3, false, true),
        ("diffaug_all", 3, true, true),
        ("diffaug_all_grey", 1, true, true),
    ] {
        let draw = |i: usize| Draw {
            color: color.then_some(colors[i]),
            shift: if shift { shifts[i] } else { [0, 0] },
            hole: Some(holes[i]),
        };
        agrees(name, channels, |x| affine::apply(x, vec![draw(0), draw(1)]));
    }
}

#[test]
fn ada_agrees_with_pytorch() {
    let one = Moves {
        flip: true,
        quarter_turns: 1,
        whole: [1.0, -1.0],
        scale: 0.8,
        turn_before: 0.3,
        stretch: 1.2,
        turn_after: -0.5,
        fraction: [0.9, -0.4],
    };
    let two = Moves {
        flip: false,
        quarter_turns: 3,
        whole: [0.0, 1.0],
        scale: 1.3,
        turn_before: -0.7,
        stretch: 0.9,
        turn_after: 0.2,
        fraction: [-1.3, 2.1],
    };
    let colors = [
        Colors { brightness: 0.2, contrast: 1.5, luma_flip: true, hue: 1.1, saturation: 0.6 },
        Colors { brightness: -0.1, contrast: 0.8, luma_flip: false, hue: -2.0, saturation: 1.7 },
    ];
    for (name, channels) in [("ada", 3), ("ada_grey", 1)] {
        let size = Planes { channels, ..SIZE };
        let colors = colors.map(|c| match channels {
            3 => c,
            _ => Colors { hue: 0.0, saturation: 1.0, ..c },
        });
        agrees(name, channels, |x| {
            let draws =
                vec![AdaDraw::new(one, colors[0], size), AdaDraw::new(two, colors[1], size)];
            affine::apply(x, draws)
        });
    }
}
