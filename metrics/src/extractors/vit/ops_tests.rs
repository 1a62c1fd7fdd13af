use candle_core::Device;
use ganbench_nn::kernels::finite_difference::normal;

use super::*;

fn random(seed: u64, shape: &[usize]) -> Tensor {
    normal(seed, shape).to_dtype(candle_core::DType::F32).unwrap()
}

fn values(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

fn gap(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    values(a).iter().zip(values(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn a_linear_layer_on_paper() {
    let tensor = |v: &[f32], shape: &[usize]| Tensor::from_slice(v, shape, &Device::Cpu).unwrap();
    let linear = Linear {
        weight: tensor(&[1.0, 2.0, 0.0, -1.0], &[2, 2]),
        bias: Some(tensor(&[0.5, 1.0], &[2])),
    };
    let x = tensor(&[3.0, 4.0], &[1, 2]);
    // 3 + 2·4 + 0.5 = 11.5; −4 + 1 = −3.
    assert_eq!(values(&linear.apply(&x, 1, Activation::None).unwrap()), [11.5, -3.0]);
    // Φ(−3) = 0.0013498980 and σ(−5.106) = 0.0060238: times −3.
    let gelu = values(&linear.apply(&x, 1, Activation::Gelu).unwrap());
    assert!((gelu[1] + 0.004_049_694).abs() < 1e-6, "{gelu:?}");
    let quick = values(&linear.apply(&x, 1, Activation::QuickGelu).unwrap());
    assert!((quick[1] + 3.0 / (1.0 + 5.106f32.exp())).abs() < 1e-6, "{quick:?}");
}

#[test]
fn the_cpus_ops_agree_with_candles() {
    let (tokens, width, heads) = (130, 24, 3);
    let x = random(1, &[2 * tokens, width]);
    for activation in [Activation::None, Activation::Gelu, Activation::QuickGelu] {
        for bias in [None, Some(random(3, &[40]))] {
            let linear = Linear { weight: random(2, &[40, width]), bias };
            let ours = linear.apply(&x, tokens, activation).unwrap();
            assert!(gap(&ours, &linear.composed(&x, activation).unwrap()) < 2e-5);
        }
    }
    let norm = LayerNorm { weight: random(4, &[width]), bias: random(5, &[width]), epsilon: 1e-5 };
    assert!(gap(&norm.apply(&x).unwrap(), &norm.composed(&x).unwrap()) < 1e-5);
    let (key, value) = (random(6, &[2 * tokens, width]), random(7, &[2 * tokens, width]));
    let attention = Attention { query: &x, key: &key, value: &value, tokens, heads };
    assert!(gap(&attention.apply().unwrap(), &attention.composed().unwrap()) < 1e-5);
}

#[test]
fn attention_to_equal_keys_is_the_mean_of_the_values() {
    let query = random(1, &[4, 2]);
    let key = Tensor::ones((4, 2), candle_core::DType::F32, &Device::Cpu).unwrap();
    let value =
        Tensor::from_slice(&[1f32, 2.0, 3.0, 6.0, 7.0, 0.0, 9.0, 8.0], (4, 2), &Device::Cpu);
    let value = value.unwrap();
    let attention = Attention { query: &query, key: &key, value: &value, tokens: 2, heads: 2 };
    // Two images of two tokens: each token gets its image's mean, head by head.
    let expected = [2.0, 4.0, 2.0, 4.0, 8.0, 4.0, 8.0, 4.0];
    for (a, b) in values(&attention.apply().unwrap()).iter().zip(expected) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
}

#[test]
fn an_images_rows_are_the_same_to_the_bit_in_any_batch() {
    let (tokens, width) = (101, 16);
    let both = random(1, &[2 * tokens, width]);
    let second = both.narrow(0, tokens, tokens).unwrap().contiguous().unwrap();
    let linear = Linear { weight: random(2, &[8, width]), bias: None };
    let apply = |x: &Tensor| linear.apply(x, tokens, Activation::Gelu).unwrap();
    assert_eq!(values(&apply(&both))[tokens * 8..], values(&apply(&second)));
}
