use super::super::affine::tests::check_map;
use super::*;
use ganbench_nn::kernels::finite_difference::normal as normal_tensor;

const SIZE: Planes = Planes { channels: 1, height: 8, width: 8 };

#[test]
fn the_gradient_is_that_of_finite_differences() {
    let moves = Moves {
        flip: true,
        scale: 0.8,
        turn_before: 0.4,
        stretch: 1.3,
        fraction: [0.7, -1.2],
        ..Moves::default()
    };
    let colors =
        Colors { brightness: 0.2, contrast: 1.5, luma_flip: true, hue: 1.1, saturation: 0.6 };
    for channels in [1, 3] {
        let size = Planes { channels, height: 7, width: 6 };
        check_map(size, || Draw::new(moves, colors, size));
    }
}

#[test]
fn at_p_0_images_stay_and_at_p_1_each_is_its_own() {
    let x = normal_tensor(1, &[6, 3, 12, 12]);
    let mut stream = Stream::new(0, "augment");
    let numbers = |t: &Tensor| t.flatten_from(1).unwrap().to_vec2::<f64>().unwrap();
    assert_eq!(numbers(&Ada { p: 0.0 }.apply(&x, &mut stream).unwrap()), numbers(&x));
    let y = numbers(&Ada { p: 1.0 }.apply(&x, &mut stream).unwrap());
    assert!(y.iter().flatten().all(|v| v.is_finite()));
    assert!(numbers(&x).iter().zip(&y).all(|(x, y)| x != y));
}

#[test]
fn an_image_does_not_depend_on_the_others_of_its_batch() {
    let x = normal_tensor(1, &[3, 1, 8, 8]);
    let draw = |moves| Draw::new(moves, Colors::default(), SIZE);
    let turned = || draw(Moves { turn_after: 0.7, ..Moves::default() });
    let far = || draw(Moves { scale: 0.3, ..Moves::default() });
    let all = affine::apply(&x, vec![far(), turned(), far()]).unwrap();
    let one = affine::apply(&x.narrow(0, 1, 1).unwrap(), vec![turned()]).unwrap();
    let numbers = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    assert_eq!(numbers(all.narrow(0, 1, 1).unwrap()), numbers(one));
}

#[test]
fn each_transformation_is_drawn_with_probability_p() {
    let size = Planes { channels: 3, height: 32, width: 32 };
    let mut stream = Stream::new(0, "augment");
    let ada = Ada { p: 0.3 };
    let n = 4000;
    let (mut still, mut plain) = (0, 0);
    for _ in 0..n {
        still += usize::from(ada.draw_moves(size, &mut stream) == Moves::default());
        plain += usize::from(ada.draw_colors(3, &mut stream) == Colors::default());
    }
    // Half of the flips, a quarter of the turns and (1/8)² of the whole moves (U(−4, 4) rounds to
    // 0) change nothing.
    let q = |same: f64| 0.7 + 0.3 * same;
    let geometry = q(0.5) * q(0.25) * q(1.0 / 64.0) * 0.7f64.powi(4);
    let color = 0.7f64.powi(4) * q(0.5);
    for (count, p) in [(still, geometry), (plain, color)] {
        let (expected, error) = (n as f64 * p, (n as f64 * p * (1.0 - p)).sqrt());
        assert!((count as f64 - expected).abs() < 5.0 * error, "{count} against {expected}");
    }
}

#[test]
fn images_of_two_channels_and_a_negative_p_are_refused() {
    let error = Ada { p: 1.0 }.apply(&normal_tensor(1, &[1, 2, 4, 4]), &mut Stream::new(0, "a"));
    assert!(error.unwrap_err().to_string().contains("ada takes images of 1 or 3 channels, got 2"));
    let error = Ada { p: -0.5 }.apply(&normal_tensor(1, &[1, 3, 4, 4]), &mut Stream::new(0, "a"));
    assert!(error.unwrap_err().to_string().contains("augmentation.p at or above 0, got -0.5"));
}
