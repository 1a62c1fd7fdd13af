//! Checks of gradients against central differences, in f64: test support for every crate that
//! defines an op or a loss. Panics with the entry that is off.

use candle_core::{DType, Device, Result, Tensor, Var};
use ganbench_data::rng::Stream;

use crate::params::ParamStore;

/// A seeded normal f64 tensor.
pub fn normal(seed: u64, shape: &[usize]) -> Tensor {
    let n = shape.iter().product();
    let x: Vec<f64> = Stream::new(seed, "test").normal(n).iter().map(|&v| f64::from(v)).collect();
    Tensor::from_vec(x, shape, &Device::Cpu).unwrap()
}

/// Compares the tape's gradient of `f` (any output, reduced with fixed random weights) with central
/// differences at up to 12 coordinates of each input; relative to the gradient's largest entry.
pub fn check(inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let vars: Vec<Var> = inputs.iter().map(|x| Var::from_tensor(x).unwrap()).collect();
    let scalar = |inputs: &[Tensor]| -> Tensor {
        let y = f(inputs).unwrap();
        let weights = normal(99, y.dims()).to_dtype(y.dtype()).unwrap();
        (y * weights).unwrap().sum_all().unwrap()
    };
    let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let grads = scalar(&tensors).backward().unwrap();
    for (i, var) in vars.iter().enumerate() {
        let grad = grads.get(var).unwrap_or_else(|| panic!("input {i} got no gradient"));
        let grad = grad.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let values = inputs[i].flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let largest = grad.iter().fold(1e-12f64, |a, &b| a.max(b.abs()));
        let stride = (values.len() / 12).max(1);
        for j in (0..values.len()).step_by(stride) {
            let step = 1e-5;
            let at = |delta: f64| {
                let mut moved = values.clone();
                moved[j] += delta;
                let mut inputs: Vec<Tensor> = inputs.to_vec();
                inputs[i] = Tensor::from_vec(moved, inputs[i].dims(), &Device::Cpu).unwrap();
                scalar(&inputs).to_scalar::<f64>().unwrap()
            };
            let difference = (at(step) - at(-step)) / (2.0 * step);
            let error = (difference - grad[j]).abs() / largest;
            assert!(error < 1e-6, "input {i}, entry {j}: tape {} difference {difference}", grad[j]);
        }
    }
    assert!(inputs.iter().all(|x| x.dtype() == DType::F64));
}

/// Compares the tape's gradient of the scalar `f` with central differences at a few coordinates of
/// each parameter of an f64 store, relative to that parameter's largest gradient. `step`: so small
/// that nothing on the way has a kink within it.
pub fn check_parameters(store: &ParamStore, step: f64, f: impl Fn() -> Result<Tensor>) {
    let grads = f().unwrap().backward().unwrap();
    for (name, var) in store.params() {
        assert_eq!(var.dtype(), DType::F64);
        let grad = grads.get(&var).unwrap_or_else(|| panic!("{name} got no gradient"));
        let grad = grad.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let values = var.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let largest = grad.iter().fold(1e-12f64, |m, g| m.max(g.abs()));
        for j in (0..values.len()).step_by((values.len() / 4).max(1)) {
            let at = |delta: f64| {
                let mut moved = values.clone();
                moved[j] += delta;
                var.set(&Tensor::from_vec(moved, var.dims(), &Device::Cpu).unwrap()).unwrap();
                f().unwrap().to_scalar::<f64>().unwrap()
            };
            let difference = (at(step) - at(-step)) / (2.0 * step);
            at(0.0);
            let error = (difference - grad[j]).abs() / largest;
            assert!(error < 1e-5, "{name}, entry {j}: tape {} difference {difference}", grad[j]);
        }
    }
}
