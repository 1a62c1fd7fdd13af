use candle_core::{Device, Tensor};
use ganbench_data::rng::Stream;

use super::super::conv::{Convolution, Geometry, conv2d};
use super::*;

fn values(purpose: &str, n: usize) -> Vec<f32> {
    Stream::new(0, purpose).normal(n)
}

/// The maps as planes `[n, channels, height, width]`.
fn planes(maps: &Maps) -> Vec<f32> {
    let mut out = Vec::new();
    for image in 0..maps.n {
        for channel in 0..maps.channels {
            for y in 0..maps.height {
                let line = maps.line(image, y).iter().skip(channel).step_by(maps.channels);
                out.extend(line.copied());
            }
        }
    }
    out
}

/// Copies planes into maps with a border.
fn bordered(
    planes: &[f32],
    n: usize,
    size: [usize; 2],
    channels: usize,
    border: [usize; 2],
) -> Maps {
    let plain = Maps::from_planes(planes, n, size, channels);
    let mut maps = Maps::new(n, size, channels, border);
    for image in 0..n {
        for y in 0..size[0] {
            let at = maps.pixel(image, y, 0);
            maps.values[at..at + size[1] * channels].copy_from_slice(plain.line(image, y));
        }
    }
    maps
}

/// What candle's tape computes, in f64.
fn reference(
    x: &[f32],
    shape: [usize; 4],
    w: &[f32],
    spec: Spec,
    scale: &[f32],
    bias: &[f32],
) -> Vec<f64> {
    let f64s = |v: &[f32]| v.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
    let device = &Device::Cpu;
    let x = Tensor::from_vec(f64s(x), shape.to_vec(), device).unwrap();
    let Spec { cin, cout, kernel: [kh, kw], geometry, .. } = spec;
    let w = Tensor::from_vec(f64s(w), (cout, cin, kh, kw), device).unwrap();
    let per_channel = |v: &[f32]| Tensor::from_vec(f64s(v), (1, cout, 1, 1), device).unwrap();
    let y = conv2d(&x, &w, Convolution::direct(geometry)).unwrap();
    let y = y.broadcast_mul(&per_channel(scale)).unwrap();
    let y = y.broadcast_add(&per_channel(bias)).unwrap().relu().unwrap();
    y.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn convolutions_of_every_form_agree_with_f64_beside_what_stood_in_the_output() {
    let forms = [
        ([1, 1], Geometry::square(1, 0), 3, 48),
        ([3, 3], Geometry::square(2, 0), 3, 32),
        ([3, 3], Geometry::square(1, 1), 5, 16),
        ([5, 5], Geometry::square(1, 2), 2, 80),
        ([1, 7], Geometry { stride: [1, 1], padding: [0, 3] }, 16, 32),
        ([7, 1], Geometry { stride: [1, 1], padding: [3, 0] }, 4, 64),
        ([3, 3], Geometry::square(1, 1), 16, 48),
        ([3, 3], Geometry { stride: [1, 1], padding: [0, 1] }, 32, 32),
        ([5, 5], Geometry::square(1, 2), 16, 48),
        ([7, 1], Geometry { stride: [1, 1], padding: [3, 0] }, 32, 80),
        ([1, 3], Geometry { stride: [1, 1], padding: [0, 1] }, 16, 32),
        ([3, 1], Geometry { stride: [1, 1], padding: [1, 0] }, 48, 16),
    ];
    for ((kernel, geometry, cin, cout), exact) in
        forms.into_iter().flat_map(|f| [(f, true), (f, false)])
    {
        for (n, size) in [(1, [7, 9]), (3, [8, 5]), (2, [17, 17])] {
            let spec = Spec { cin, cout, kernel, geometry, exact };
            let x = values("x", n * cin * size[0] * size[1]);
            let w = values("w", cout * cin * kernel[0] * kernel[1]);
            // The bounds are of the rms of all channels: their scales must be alike.
            let scale = Stream::new(0, "scale").uniforms(cout, 0.7, 1.3);
            let bias = values("bias", cout);
            let conv = Conv::new(spec, &w, &scale, &bias);
            // A border wider than the padding is as good.
            for more in [0, 1] {
                let border = conv.border(size).map(|b| b + more);
                let maps = bordered(&x, n, size, cin, border);
                let mut y = Maps::new(n + 1, conv.output(size), cout + 16, [more, 0]);
                y.values.fill(-1.0);
                conv.apply(&maps, &mut y, Place { image: 1, channel: 16 });
                let shape = [n, cin, size[0], size[1]];
                let exact = reference(&x, shape, &w, spec, &scale, &bias);
                let rms = (exact.iter().map(|v| v * v).sum::<f64>() / exact.len() as f64).sqrt();
                let plane = y.height * y.width;
                for (i, image) in planes(&y).chunks_exact(plane * (cout + 16)).enumerate() {
                    let (before, got) = image.split_at(plane * 16);
                    assert!(before.iter().all(|&v| v == -1.0), "{kernel:?}: written beside");
                    let Some(i) = i.checked_sub(1) else { continue };
                    for (a, b) in got.iter().zip(&exact[i * plane * cout..]) {
                        // Winograd's algorithms have the larger error (cpu-kernels.md §3).
                        let bound = if spec.exact { 5e-6 } else { 4e-5 } * rms;
                        let gap = (f64::from(*a) - b).abs();
                        assert!(
                            gap < bound,
                            "{kernel:?} {size:?} {}: {a} {b}, rms {rms}",
                            spec.exact
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn pooling_a_3x3_image_agrees_with_paper() {
    let x: Vec<f32> = (1..=9).map(|v| v as f32).collect();
    let x = bordered(&x, 1, [3, 3], 1, [1, 1]);
    let of = |kind: Pool| {
        let mut y = Maps::new(1, kind.output([3, 3]), 1, [0, 2]);
        pool(kind, &x, &mut y, Place::default());
        planes(&y)
    };
    assert_eq!(of(Pool::MaxHalving), [9.0]);
    assert_eq!(of(Pool::Max), [5.0, 6.0, 6.0, 8.0, 9.0, 9.0, 8.0, 9.0, 9.0]);
    // Corner (1+2+4+5)/4, top edge (1+..+6)/6, left edge (1+2+4+5+7+8)/6, middle 45/9.
    assert_eq!(of(Pool::Average), [3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 6.5, 7.0]);
    assert_eq!(mean(&x), [5.0]);
}

#[test]
fn an_images_result_does_not_depend_on_its_company() {
    for (kernel, padding, cin) in [(1, 0, 6), (3, 1, 16)] {
        let geometry = Geometry::square(1, padding);
        let spec = Spec { cin, cout: 48, kernel: [kernel; 2], geometry, exact: false };
        let (x, w) = (values("x", 3 * cin * 99), values("w", 48 * cin * kernel * kernel));
        let conv = Conv::new(spec, &w, &values("scale", 48), &values("bias", 48));
        let of = |x: &[f32], n: usize| {
            let maps = bordered(x, n, [9, 11], cin, conv.border([9, 11]));
            let mut y = Maps::new(n, [9, 11], 48, [0, 0]);
            conv.apply(&maps, &mut y, Place::default());
            planes(&y)
        };
        let together = of(&x, 3);
        assert_eq!(together[2 * 48 * 99..], of(&x[2 * cin * 99..], 1));
    }
}
