//! Every entry, value and gradients, against independent implementations: the "cases" of
//! `tests-data/losses.json` and `losses_numpy.json`, which `tests-data/losses.py` (PyTorch) and
//! `losses_numpy.py` made. `--nocapture` prints the largest differences.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{DType, Tensor};
use ganbench_nn::kernels::finite_difference::check;
use serde_json::Value as Json;

use super::*;
use crate::losses::registry::{Arrays, EvaluatedTerm, Given, Numbers, OnArrays};

/// Absolute beside values of about 1, f64 on both sides.
const TOLERANCE: f64 = 1e-11;
/// Of f32 against f64, relative to the largest entry.
const TOLERANCE_F32: f64 = 2e-4;

struct Case {
    entry: &'static Entry,
    loss: Box<dyn OnArrays>,
    /// Settings as text, for messages.
    label: String,
    arrays: BTreeMap<String, Given>,
    terms: Json,
}

impl Case {
    fn from_json(case: &Json) -> Self {
        let text = |v: &Json| v.as_str().unwrap().to_string();
        let NamedLoss { entry, set } = loss(case["loss"].as_str().unwrap()).unwrap();
        let given: Vec<(String, String)> = case["settings"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(k, v)| (k.clone(), text(v)))
            .collect();
        let settings = given.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let loss = entry.with(set.iter().copied().chain(settings)).unwrap();
        let label: String = given.iter().map(|(k, v)| format!(" {k}={v}")).collect();
        let arrays = case["arrays"].as_object().unwrap();
        let arrays = arrays.iter().map(|(name, spec)| (name.clone(), given_array(spec))).collect();
        let label = format!("{}{label}", entry.name);
        Self { entry, loss, label, arrays, terms: case["terms"].clone() }
    }

    fn evaluated(&self) -> Vec<EvaluatedTerm> {
        self.entry.evaluate(&self.arrays, self.loss.as_ref()).unwrap()
    }
}

fn given_array(spec: &Json) -> Given {
    if let Some(labels) = spec["labels"].as_array() {
        let labels: Vec<i128> = labels.iter().map(|l| l.as_i64().unwrap().into()).collect();
        return Given { shape: vec![labels.len()], numbers: Numbers::Integers(labels) };
    }
    let shape: Vec<usize> = serde_json::from_value(spec["shape"].clone()).unwrap();
    let (phase, scale) = (spec["phase"].as_f64().unwrap(), spec["scale"].as_f64().unwrap());
    let last = *shape.last().unwrap();
    let number =
        |k: usize| scale * (1.7 * (k / last) as f64 + 0.9 * (k % last) as f64 + phase).sin();
    let numbers = (0..shape.iter().product()).map(number).collect();
    Given { shape, numbers: Numbers::F64(numbers) }
}

fn cases() -> Vec<Case> {
    let files = [
        include_str!("../../../tests-data/losses.json"),
        include_str!("../../../tests-data/losses_numpy.json"),
    ];
    let of_file = |text: &str| -> Vec<Case> {
        let golden: Json = serde_json::from_str(text).unwrap();
        golden["cases"].as_array().unwrap().iter().map(Case::from_json).collect()
    };
    files.into_iter().flat_map(of_file).collect()
}

fn numbers(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn largest(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |m, v| m.max(v.abs()))
}

/// The largest differences of values and gradients, over max(1, the largest entry).
fn differences(case: &Case, terms: &[EvaluatedTerm]) -> (f64, f64) {
    let expected = case.terms.as_object().unwrap();
    let names: BTreeSet<&str> = terms.iter().map(|t| t.name).collect();
    assert_eq!(names, expected.keys().map(String::as_str).collect(), "{}", case.label);
    let (mut values, mut gradients) = (0.0f64, 0.0f64);
    for term in terms {
        let expected = &expected[term.name];
        let value = expected["value"].as_f64().unwrap();
        values = values.max((term.value - value).abs() / value.abs().max(1.0));
        let expected = expected["gradients"].as_object().unwrap();
        let reached: BTreeSet<&str> = term.gradients.keys().copied().collect();
        let known: BTreeSet<&str> = expected.keys().map(String::as_str).collect();
        assert_eq!(reached, known, "{} {}", case.label, term.name);
        for (array, gradient) in &term.gradients {
            let expected: Vec<f64> = serde_json::from_value(expected[*array].clone()).unwrap();
            let got = numbers(gradient);
            assert_eq!(got.len(), expected.len());
            assert_eq!(gradient.dims(), case.arrays[*array].shape);
            let off: Vec<f64> = got.iter().zip(&expected).map(|(a, b)| a - b).collect();
            gradients = gradients.max(largest(&off) / largest(&expected).max(1.0));
        }
    }
    (values, gradients)
}

#[test]
fn every_loss_agrees_with_another_implementation_in_value_and_gradients() {
    let cases = cases();
    for case in &cases {
        let (values, gradients) = differences(case, &case.evaluated());
        println!("{:<70} value {values:.1e} gradient {gradients:.1e}", case.label);
        assert!(
            values < TOLERANCE && gradients < TOLERANCE,
            "{}: {values} {gradients}",
            case.label
        );
    }
    let tested: BTreeSet<&str> = cases.iter().map(|c| c.entry.name).collect();
    assert_eq!(tested, losses().into_iter().map(|entry| entry.name).collect());
}

#[test]
fn arrays_of_f32_are_computed_in_f32() {
    for mut case in cases() {
        for array in case.arrays.values_mut() {
            if let Numbers::F64(x) = &array.numbers {
                array.numbers = Numbers::F32(x.iter().map(|&v| v as f32).collect());
            }
        }
        // A difference of nearly equal features over δ = 1e-3 has few digits left in f32.
        let few = case.entry.name == "kdd_jacobian";
        let terms = case.evaluated();
        let precise = |t: &EvaluatedTerm| t.gradients.values().all(|g| g.dtype() == DType::F32);
        assert!(terms.iter().all(precise), "{}", case.label);
        let (values, gradients) = differences(&case, &terms);
        let wrong = values.max(gradients) > TOLERANCE_F32;
        assert!(!wrong || few, "{}: {values} {gradients}", case.label);
    }
}

#[test]
fn every_gradient_is_that_of_finite_differences() {
    // The constant that StudioGAN's D2D-CE takes out is constant on the tape only, and so are
    // LeCam's averages, which take the batch in. The Jacobian's features lie so near each other
    // that the step of the differences is no small one; its own test has others.
    let checked = |c: &&Case| match c.entry.name {
        "d2dce" => c.label.contains("exact"),
        "le_cam" => !c.arrays.contains_key("logits_real_before"),
        name => name != "kdd_jacobian",
    };
    for case in cases().iter().filter(checked) {
        for (i, term) in case.evaluated().iter().enumerate() {
            let names: Vec<&str> = term.gradients.keys().copied().collect();
            let arrays = Arrays::checked(case.entry, &case.arrays).unwrap();
            let inputs: Vec<Tensor> =
                names.iter().map(|name| arrays.tensor(name).unwrap().detach()).collect();
            check(&inputs, |x| {
                let mut arrays = Arrays::checked(case.entry, &case.arrays).unwrap();
                // The inputs in the variables' place, so that the caller's tape sees them.
                for (name, x) in names.iter().zip(x) {
                    arrays.replace(name, x.clone());
                }
                Ok(case.loss.terms(&arrays)?.swap_remove(i).value)
            });
        }
    }
}
