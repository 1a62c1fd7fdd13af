//! Adam and RMSProp with PyTorch's arithmetic, over all parameters of a store, in place.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, Device, InplaceOp2, Layout, Result, Tensor, bail};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::kernels::cpu_slice;
use crate::kernels::real::{PARTS, Real, total};
use crate::kernels::simd::vectorised;
use crate::params::ParamStore;
use crate::profile::time;

/// The update rule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "lowercase", deny_unknown_fields)]
pub enum Rule {
    /// Kingma and Ba 2015, arXiv:1412.6980, with bias correction.
    Adam {
        /// Learning rate, > 0.
        lr: f64,
        /// Decay of the mean gradient, [0, 1).
        beta1: f64,
        /// Decay of the mean squared gradient, [0, 1).
        beta2: f64,
        /// Added to the root of the mean squared gradient.
        eps: f64,
    },
    /// Tieleman and Hinton 2012, as PyTorch's `RMSprop` without momentum.
    RmsProp {
        /// Learning rate, > 0.
        lr: f64,
        /// Decay of the mean squared gradient, [0, 1).
        alpha: f64,
        /// Added to the root of the mean squared gradient.
        eps: f64,
    },
}

impl Rule {
    /// The learning rate, before any schedule.
    pub fn lr(&self) -> f64 {
        match self {
            Self::Adam { lr, .. } | Self::RmsProp { lr, .. } => *lr,
        }
    }
}

/// First and second moments of one parameter.
struct Moments {
    m: Vec<f32>,
    v: Vec<f32>,
}

/// An optimiser's state for one store.
pub struct Optimizer {
    rule: Rule,
    step: u64,
    moments: BTreeMap<String, RefCell<Moments>>,
}

impl Optimizer {
    /// No steps done, and moments of 0.
    pub fn new(rule: Rule) -> Self {
        Self { rule, step: 0, moments: BTreeMap::new() }
    }

    /// Updates done so far, those before a checkpoint included.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// One update of every parameter that has a gradient, with the rule's learning rate times
    /// `lr_scale`. Returns the gradient's Euclidean norm over all parameters.
    ///
    /// # Errors
    /// If a gradient has another shape than its parameter.
    pub fn step(&mut self, store: &ParamStore, grads: &GradStore, lr_scale: f64) -> Result<f64> {
        let _timer = time("optimiser");
        self.step += 1;
        let mut square_norm = 0.0;
        for (name, var) in store.params() {
            let Some(grad) = grads.get(&var) else { continue };
            let grad = grad.contiguous()?.to_device(&Device::Cpu)?;
            let n = var.elem_count();
            if grad.elem_count() != n {
                bail!(
                    "the gradient of {name} has shape {:?}, its parameter {:?}",
                    grad.dims(),
                    var.dims()
                )
            }
            let moments = self.moments.entry(name.clone()).or_insert_with(|| {
                let m = if matches!(self.rule, Rule::Adam { .. }) { n } else { 0 };
                RefCell::new(Moments { m: vec![0.0; m], v: vec![0.0; n] })
            });
            let state = moments.borrow();
            if state.v.len() != n || ![0, n].contains(&state.m.len()) {
                bail!(
                    "the optimiser's state of {name} holds {} values, its parameter {n}",
                    state.v.len()
                )
            }
            drop(state);
            let (rule, step) = (self.rule, self.step);
            let update = Update { rule, step, lr_scale, moments, square_sum: Cell::new(0.0) };
            if var.device().is_cpu() {
                var.as_tensor().inplace_op2(&grad, &update)?;
            } else {
                let host = var.as_tensor().to_device(&Device::Cpu)?;
                host.inplace_op2(&grad, &update)?;
                var.set(&host.to_device(var.device())?)?;
            }
            square_norm += update.square_sum.get();
        }
        Ok(square_norm.sqrt())
    }

    /// The moments as tensors `<name>.exp_avg` and `<name>.exp_avg_sq`, PyTorch's names.
    ///
    /// # Errors
    /// None in practice: candle's constructors return results.
    pub fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut state = BTreeMap::new();
        for (name, moments) in &self.moments {
            let moments = moments.borrow();
            let of = |v: &[f32]| Tensor::from_slice(v, v.len(), &Device::Cpu);
            if !moments.m.is_empty() {
                state.insert(format!("{name}.exp_avg"), of(&moments.m)?);
            }
            state.insert(format!("{name}.exp_avg_sq"), of(&moments.v)?);
        }
        Ok(state)
    }

    /// Restores what [`Optimizer::state`] and [`Optimizer::steps`] gave.
    ///
    /// # Errors
    /// If a tensor's name is of neither moment.
    pub fn load(&mut self, state: &BTreeMap<String, Tensor>, step: u64) -> Result<()> {
        let mut moments: BTreeMap<String, RefCell<Moments>> = BTreeMap::new();
        for (key, tensor) in state {
            let values = tensor.flatten_all()?.to_vec1::<f32>()?;
            let (name, first) =
                match (key.strip_suffix(".exp_avg"), key.strip_suffix(".exp_avg_sq")) {
                    (Some(name), _) => (name, true),
                    (_, Some(name)) => (name, false),
                    _ => bail!("optimiser state: tensor {key} is no moment"),
                };
            let entry = moments
                .entry(name.to_string())
                .or_insert_with(|| RefCell::new(Moments { m: Vec::new(), v: Vec::new() }));
            if first {
                entry.borrow_mut().m = values;
            } else {
                entry.borrow_mut().v = values;
            }
        }
        self.moments = moments;
        self.step = step;
        Ok(())
    }
}

/// Values updated by one task.
const PIECE: usize = 1 << 14;

/// What one update of a piece needs beside its values.
#[derive(Clone, Copy)]
struct Step<T> {
    /// Learning rate, with Adam's correction of the first moment's bias.
    size: T,
    /// One over the root of Adam's correction of the second moment; 1 for RMSProp.
    correction: T,
    beta1: T,
    beta2: T,
    one_less_beta1: T,
    one_less_beta2: T,
    eps: T,
}

vectorised! {
    /// Adam on one piece; Σ g².
    fn adam<T: Real>(w: &mut [T], g: &[T], m: &mut [T], v: &mut [T], s: Step<T>) -> f64 {
        for (((w, &g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
            *m = s.beta1 * *m + s.one_less_beta1 * g;
            *v = s.beta2 * *v + s.one_less_beta2 * g * g;
            *w -= s.size * *m / (v.sqrt() * s.correction + s.eps);
        }
        square_sum(g)
    }
}

vectorised! {
    /// RMSProp on one piece; Σ g².
    fn rms_prop<T: Real>(w: &mut [T], g: &[T], v: &mut [T], s: Step<T>) -> f64 {
        for ((w, &g), v) in w.iter_mut().zip(g).zip(v) {
            *v = s.beta2 * *v + s.one_less_beta2 * g * g;
            *w -= s.size * g / (v.sqrt() + s.eps);
        }
        square_sum(g)
    }
}

#[inline(always)]
fn square_sum<T: Real>(x: &[T]) -> f64 {
    let mut parts = [T::default(); PARTS];
    let (x, rest) = x.as_chunks::<PARTS>();
    for x in x {
        for i in 0..PARTS {
            parts[i] += x[i] * x[i];
        }
    }
    total(parts) + rest.iter().map(|v| v.f64() * v.f64()).sum::<f64>()
}

struct Update<'a> {
    rule: Rule,
    step: u64,
    lr_scale: f64,
    moments: &'a RefCell<Moments>,
    /// Σ g², set by the update.
    square_sum: Cell<f64>,
}

fn slice_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(x), Some((start, end))) => Ok(&mut x[start..end]),
        _ => bail!("a parameter is not a contiguous f32 tensor"),
    }
}

impl InplaceOp2 for Update<'_> {
    fn name(&self) -> &'static str {
        "optimizer-step"
    }

    fn cpu_fwd(&self, w: &mut CpuStorage, lw: &Layout, g: &CpuStorage, lg: &Layout) -> Result<()> {
        let w = slice_mut(w, lw)?;
        let g = cpu_slice::<f32>(g, lg)?;
        let mut moments = self.moments.borrow_mut();
        let Moments { m, v } = &mut *moments;
        let pieces = match self.rule {
            Rule::Adam { lr, beta1, beta2, eps } => {
                let t = self.step as i32;
                let step = Step {
                    size: (lr * self.lr_scale / (1.0 - beta1.powi(t))) as f32,
                    correction: (1.0 / (1.0 - beta2.powi(t)).sqrt()) as f32,
                    beta1: beta1 as f32,
                    beta2: beta2 as f32,
                    one_less_beta1: (1.0 - beta1) as f32,
                    one_less_beta2: (1.0 - beta2) as f32,
                    eps: eps as f32,
                };
                let work = w.par_chunks_mut(PIECE).zip(g.par_chunks(PIECE));
                let work = work.zip(m.par_chunks_mut(PIECE)).zip(v.par_chunks_mut(PIECE));
                work.map(|(((w, g), m), v)| adam(w, g, m, v, step)).collect::<Vec<f64>>()
            }
            Rule::RmsProp { lr, alpha, eps } => {
                let step = Step {
                    size: (lr * self.lr_scale) as f32,
                    correction: 1.0,
                    beta1: 0.0,
                    beta2: alpha as f32,
                    one_less_beta1: 1.0,
                    one_less_beta2: (1.0 - alpha) as f32,
                    eps: eps as f32,
                };
                let work =
                    w.par_chunks_mut(PIECE).zip(g.par_chunks(PIECE)).zip(v.par_chunks_mut(PIECE));
                work.map(|((w, g), v)| rms_prop(w, g, v, step)).collect()
            }
        };
        self.square_sum.set(pieces.iter().sum());
        Ok(())
    }
}

/// own ← decay·own + (1 − decay)·live.
pub(crate) struct Average {
    pub decay: f64,
}

impl InplaceOp2 for Average {
    fn name(&self) -> &'static str {
        "average"
    }

    fn cpu_fwd(
        &self,
        own: &mut CpuStorage,
        lo: &Layout,
        live: &CpuStorage,
        ll: &Layout,
    ) -> Result<()> {
        let own = slice_mut(own, lo)?;
        let live = cpu_slice::<f32>(live, ll)?;
        let (keep, take) = (self.decay as f32, (1.0 - self.decay) as f32);
        own.par_chunks_mut(PIECE).zip(live.par_chunks(PIECE)).for_each(|(own, live)| {
            for (own, &live) in own.iter_mut().zip(live) {
                *own = keep * *own + take * live;
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Init;

    fn one_parameter() -> (ParamStore, candle_core::Var) {
        let store = ParamStore::new("test", 0, &Device::Cpu);
        let w = store.root().param("w", &[2], Init::Ones).unwrap();
        (store, w)
    }

    fn run(rule: Rule, steps: usize) -> Vec<f32> {
        let (store, w) = one_parameter();
        let mut optimizer = Optimizer::new(rule);
        for _ in 0..steps {
            let loss = w.as_tensor().sqr().unwrap().sum_all().unwrap();
            optimizer.step(&store, &loss.backward().unwrap(), 1.0).unwrap();
        }
        w.to_vec1::<f32>().unwrap()
    }

    #[test]
    fn adams_first_step_is_the_learning_rate_whatever_the_gradient() {
        // m̂/√v̂ = g/|g| = 1.
        let w = run(Rule::Adam { lr: 0.1, beta1: 0.5, beta2: 0.999, eps: 0.0 }, 1);
        assert!((w[0] - 0.9).abs() < 1e-6, "{w:?}");
    }

    /// torch 2.9: w = ones(2); ten steps on (w**2).sum() with
    /// `Adam([w], 0.1, betas=(0.5, 0.999))` and `RMSprop([w], 0.01)`, printed with repr.
    #[test]
    fn ten_steps_end_where_pytorchs_do() {
        let w = run(Rule::Adam { lr: 0.1, beta1: 0.5, beta2: 0.999, eps: 1e-8 }, 10);
        assert!((w[0] - TORCH_ADAM).abs() < 1e-5, "{w:?}");
        let w = run(Rule::RmsProp { lr: 0.01, alpha: 0.99, eps: 1e-8 }, 10);
        assert!((w[0] - TORCH_RMSPROP).abs() < 1e-5, "{w:?}");
    }
    const TORCH_ADAM: f32 = 0.208_244_12;
    const TORCH_RMSPROP: f32 = 0.549_891_1;

    #[test]
    fn a_restored_optimiser_goes_on_as_if_never_stopped() {
        let rule = Rule::Adam { lr: 0.1, beta1: 0.5, beta2: 0.999, eps: 1e-8 };
        let (store, w) = one_parameter();
        let mut first = Optimizer::new(rule);
        let step = |optimizer: &mut Optimizer| {
            let loss = w.as_tensor().sqr().unwrap().sum_all().unwrap();
            optimizer.step(&store, &loss.backward().unwrap(), 1.0).unwrap();
        };
        step(&mut first);
        let mut second = Optimizer::new(rule);
        second.load(&first.state().unwrap(), first.steps()).unwrap();
        step(&mut second);
        assert_eq!(w.to_vec1::<f32>().unwrap(), run(rule, 2));
    }
}
