//! Comparison of ops and whole networks in f64 with what independent implementations in PyTorch
//! gave.

use candle_core::{DType, Device, Result, Tensor, Var};
use ganbench_nn::params::ParamStore;

/// Inputs and weights as the scripts make them, by name: sines of amplitude 1, of 100 for the
/// weights of a mapping network.
pub fn tensor(name: &str, shape: &[usize]) -> Tensor {
    let mapping = name.starts_with("mapping.fc") && name.ends_with("weight");
    let amplitude = if mapping { 100.0 } else { 1.0 };
    let phase = 0.11 * (name.bytes().map(u64::from).sum::<u64>() % 101) as f64;
    let n: usize = shape.iter().product();
    let x: Vec<f64> = (0..n).map(|k| amplitude * (0.37 * k as f64 + phase).sin()).collect();
    Tensor::from_vec(x, shape, &Device::Cpu).unwrap()
}

/// Relative to the largest of the values, f64 on both sides.
const TOLERANCE: f64 = 1e-12;

fn same(name: &str, got: &Tensor, expected: &serde_json::Value) {
    let expected: Vec<f64> = serde_json::from_value(expected.clone()).unwrap();
    let got = got.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let stride = if got.len() > 600 { 37 } else { 1 };
    let got: Vec<f64> = got.into_iter().step_by(stride).collect();
    assert_eq!(got.len(), expected.len(), "{name}");
    let largest = expected.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    let worst = got.iter().zip(&expected).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
    println!("{name}: {:.1e} of {largest:.2e}", worst / largest);
    assert!(worst <= TOLERANCE * largest, "{name}: {worst} of {largest}");
}

/// `f` of the inputs and the gradients of the sum of its squares are what the entry `name` of a
/// golden file says. The text of a file of `tests-data/`, made by the script of its name.
pub fn agrees(file: &str, name: &str, inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let golden: serde_json::Value = serde_json::from_str(file).unwrap();
    let golden = &golden[name];
    let vars: Vec<Var> = inputs.iter().map(|x| Var::from_tensor(x).unwrap()).collect();
    let inputs: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let y = f(&inputs).unwrap();
    assert_eq!(serde_json::to_value(y.dims()).unwrap(), golden["shape"], "{name}");
    same(name, &y, &golden["value"]);
    let grads = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
    for (i, var) in vars.iter().enumerate() {
        same(&format!("{name}, gradient {i}"), grads.get(var).unwrap(), &golden["grads"][i]);
    }
}

pub fn f64_store() -> ParamStore {
    ParamStore::new("golden", 0, &Device::Cpu).with_dtype(DType::F64)
}

pub fn set_weights(store: &ParamStore) {
    for (name, var) in store.params() {
        var.set(&tensor(&name, var.dims())).unwrap();
    }
}
