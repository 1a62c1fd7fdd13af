//! Features and values of `tests-data/metrics_golden.json`, which `tests-data/metrics_golden.py`
//! writes with the packages that publish the metrics. Its `features` is the twin of [`features`].

use std::collections::HashMap;

use crate::numerics::numpy_random::RandomState;

/// One of the script's sets: uniform numbers of 24 bits, each with half of its left neighbour
/// added, then scaled and shifted, every step one f32 operation.
#[derive(Clone, Copy)]
pub(crate) struct Set {
    pub(crate) seed: u32,
    pub(crate) n: usize,
    pub(crate) d: usize,
    pub(crate) scale: f32,
    pub(crate) shift: f32,
}

pub(crate) const REAL: Set = Set { seed: 1, n: 400, d: 16, scale: 1.0, shift: 0.0 };
pub(crate) const FAKE: Set = Set { seed: 2, n: 350, d: 16, scale: 0.8, shift: 0.2 };
pub(crate) const WIDE_REAL: Set = Set { seed: 3, n: 40, d: 64, scale: 1.0, shift: 0.0 };
pub(crate) const WIDE_FAKE: Set = Set { seed: 4, n: 30, d: 64, scale: 0.9, shift: 0.05 };
pub(crate) const BIG_REAL: Set = Set { seed: 5, n: 1200, d: 32, scale: 1.0, shift: 0.0 };
pub(crate) const BIG_FAKE: Set = Set { seed: 6, n: 1100, d: 32, scale: 0.9, shift: 0.1 };

/// `[n, d]`
pub(crate) fn features(set: Set) -> Vec<f32> {
    let mut random = RandomState::new(set.seed);
    let uniform: Vec<f32> =
        (0..set.n * set.d).map(|_| (random.u32() >> 8) as f32 * 2f32.powi(-24)).collect();
    let mixed = uniform.iter().enumerate().map(|(i, &u)| match i % set.d {
        0 => u,
        _ => u + 0.5 * uniform[i - 1],
    });
    mixed.map(|v| v * set.scale + set.shift).collect()
}

/// The script's classes.
pub(crate) fn labels(n: usize, classes: usize) -> Vec<u32> {
    (0..n).map(|i| (i * 7 % classes) as u32).collect()
}

/// The values under a name of the file.
pub(crate) fn values(name: &str) -> Vec<f64> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Entry {
        One(f64),
        More(Vec<f64>),
    }
    let text = include_str!("../tests-data/metrics_golden.json");
    let mut entries: HashMap<String, Entry> = serde_json::from_str(text).unwrap();
    match entries.remove(name).unwrap() {
        Entry::One(value) => vec![value],
        Entry::More(values) => values,
    }
}
