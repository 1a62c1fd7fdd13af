//! Pseudo-random weights from a formula, for comparing networks where the published weights cannot
//! be had: any program can make the same numbers.
//!
//! Tensor `key` takes, at its flat row-major index i, u = unit(h) of h = splitmix64((fnv1a64(key) ^
//! splitmix64(seed)) + i), where the sum wraps and unit(x) = (x >> 11)·2⁻⁵³. Of u it makes, rounded
//! to f32 at the end,
//!
//! | key | value |
//! |---|---|
//! | `*.conv.weight` | (2u − 1)·√(6 / (cin·kh·kw)) |
//! | `fc.weight` | (2u − 1)·√(3 / 2048)·4 |
//! | `*.bn.weight`, `*.bn.running_var` | 0.8 + 0.4u |
//! | all others | (2u − 1)·0.1 |

use std::collections::BTreeMap;

use super::{TensorSpec, WeightTensor, Weights};

/// SplitMix64 (Steele et al. 2014, doi:10.1145/2660193.2660195): one step from state `x`.
fn splitmix64(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// FNV-1a, 64 bits.
fn fnv1a64(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// Made tensors for `specs`; their hash reads `made:SEED`.
pub fn made_weights(specs: &[TensorSpec], seed: u64) -> Weights {
    let tensors: BTreeMap<_, _> =
        specs.iter().map(|spec| (spec.name.clone(), made_tensor(spec, seed))).collect();
    Weights { tensors, sha256: format!("made:{seed}") }
}

fn made_tensor(spec: &TensorSpec, seed: u64) -> WeightTensor {
    let base = fnv1a64(&spec.name) ^ splitmix64(seed);
    let name = spec.name.as_str();
    let value: Box<dyn Fn(f64) -> f64> = if name.ends_with("conv.weight") {
        let fan_in: usize = spec.shape.iter().skip(1).product();
        let bound = (6.0 / fan_in as f64).sqrt();
        Box::new(move |u| (2.0 * u - 1.0) * bound)
    } else if name == "fc.weight" {
        let bound = (3.0f64 / 2048.0).sqrt();
        // Multiplied in this order, as the formula's other implementations round.
        Box::new(move |u| (2.0 * u - 1.0) * bound * 4.0)
    } else if name.ends_with(".bn.weight") || name.ends_with("running_var") {
        Box::new(|u| 0.8 + 0.4 * u)
    } else {
        Box::new(|u| (2.0 * u - 1.0) * 0.1)
    };
    let len = spec.shape.iter().product::<usize>() as u64;
    let unit = |i: u64| (splitmix64(base.wrapping_add(i)) >> 11) as f64 * 2f64.powi(-53);
    let values = (0..len).map(|i| value(unit(i)) as f32).collect();
    WeightTensor { shape: spec.shape.clone(), values }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix_and_fnv_give_their_published_first_values() {
        // SplitMix64 from state 0 and FNV-1a of the empty text and of "a", from their authors'
        // pages.
        assert_eq!(splitmix64(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(fnv1a64(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a64("a"), 0xaf63_dc4c_8601_ec8c);
    }

    #[test]
    fn each_kind_of_tensor_keeps_its_bounds() {
        let made = |name: &str, shape: &[usize]| {
            made_tensor(&TensorSpec { name: name.into(), shape: shape.into() }, 0).values
        };
        let within = |values: Vec<f32>, low: f32, high: f32| {
            let span = high - low;
            let (min, max) = values.iter().fold((high, low), |(a, b), &v| (a.min(v), b.max(v)));
            assert!(min >= low && max <= high, "{min} {max}");
            // 1000 uniform numbers come within 5 % of both ends (missed once in e⁵⁰).
            assert!(min < low + 0.05 * span && max > high - 0.05 * span, "{min} {max}");
        };
        within(made("a.conv.weight", &[250, 4, 1, 1]), -1.224_745, 1.224_745); // √(6/4)
        within(made("a.bn.running_var", &[1000]), 0.8, 1.2);
        within(made("a.bn.weight", &[1000]), 0.8, 1.2);
        within(made("a.bn.bias", &[1000]), -0.1, 0.1);
        within(made("fc.weight", &[1000]), -0.153_094, 0.153_094); // 4·√(3/2048)
    }

    #[test]
    fn seeds_and_names_give_different_numbers() {
        let spec = |name: &str| TensorSpec { name: name.into(), shape: vec![4] };
        let a = made_tensor(&spec("a.bn.bias"), 0);
        assert_ne!(a, made_tensor(&spec("a.bn.bias"), 1));
        assert_ne!(a, made_tensor(&spec("b.bn.bias"), 0));
    }
}
