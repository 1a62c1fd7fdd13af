//! Named parameters and buffers of one network, with seeded initial values and safetensors files.
//!
//! Initial values come from a stream keyed by (seed, network, tensor name): two networks that share
//! a trunk start from the same trunk, whatever else they hold.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use candle_core::{DType, Device, Result, Tensor, Var, bail};
use ganbench_data::rng::Stream;

pub use crate::init::Init;
use crate::kernels::conv::Algorithm;

/// State that no gradient reaches: running averages, singular vectors. Kept at f32 precision, so
/// that files hold it exactly.
#[derive(Clone, Debug)]
pub struct Buffer(Rc<RefCell<Vec<f64>>>);

impl Buffer {
    /// A copy of the values.
    pub fn get(&self) -> Vec<f64> {
        self.0.borrow().clone()
    }

    /// Replaces the values, each rounded to f32.
    pub fn set(&self, values: &[f64]) {
        *self.0.borrow_mut() = values.iter().map(|&v| f64::from(v as f32)).collect();
    }
}

#[derive(Default)]
struct Tensors {
    params: BTreeMap<String, Var>,
    buffers: BTreeMap<String, Buffer>,
}

/// What the layers made in a place have in common.
#[derive(Clone, Copy, Debug)]
struct Common {
    convolution: Algorithm,
    /// Instead of what the layers ask for.
    weight_init: Option<Init>,
    batch_norm: bool,
    batch_norm_eps: f64,
    spectral_eps: f64,
}

/// All parameters and buffers of one network.
#[derive(Clone)]
pub struct ParamStore {
    network: String,
    seed: u64,
    device: Device,
    dtype: DType,
    common: Common,
    tensors: Rc<RefCell<Tensors>>,
}

/// A place in the tree of names of a store.
#[derive(Clone)]
pub struct Scope {
    store: ParamStore,
    path: String,
    common: Common,
}

impl Scope {
    /// The place below, `path.name`.
    pub fn at(&self, name: impl std::fmt::Display) -> Self {
        let path =
            if self.path.is_empty() { name.to_string() } else { format!("{}.{name}", self.path) };
        Self { store: self.store.clone(), path, common: self.common }
    }

    /// The same place; what is added to the variance in the batch norms made below it (PyTorch's
    /// 1e-5 without this).
    pub fn with_batch_norm_eps(mut self, eps: f64) -> Self {
        self.common.batch_norm_eps = eps;
        self
    }

    /// The same place; the least length by which the spectral norms made below it divide a singular
    /// vector (PyTorch's 1e-12 without this).
    pub fn with_spectral_eps(mut self, eps: f64) -> Self {
        self.common.spectral_eps = eps;
        self
    }

    /// Where the parameters of the store lie.
    pub fn device(&self) -> &Device {
        &self.store.device
    }

    /// The algorithm of the convolutions made below this place.
    pub fn convolution(&self) -> Algorithm {
        self.common.convolution
    }

    /// How a layer's weight starts that would by itself start as `own`.
    pub(crate) fn weight_init(&self, own: Init) -> Init {
        self.common.weight_init.unwrap_or(own)
    }

    pub(crate) fn has_batch_norm(&self) -> bool {
        self.common.batch_norm
    }

    pub(crate) fn batch_norm_eps(&self) -> f64 {
        self.common.batch_norm_eps
    }

    pub(crate) fn spectral_eps(&self) -> f64 {
        self.common.spectral_eps
    }

    /// Makes the parameter `path.name`.
    ///
    /// # Errors
    /// If it exists already.
    pub fn param(&self, name: &str, shape: &[usize], init: Init) -> Result<Var> {
        let name = self.at(name).path;
        let mut stream = self.stream(&name);
        let values = init.values(&mut stream, shape);
        let values = Tensor::from_vec(values, shape, &self.store.device)?;
        let var = Var::from_tensor(&values.to_dtype(self.store.dtype)?)?;
        if self.store.tensors.borrow_mut().params.insert(name.clone(), var.clone()).is_some() {
            bail!("parameter {name} exists twice")
        }
        Ok(var)
    }

    /// Makes the parameter `table.weight` of `rows` equal rows: each what the parameter `path.name`
    /// of one row would have started as.
    ///
    /// # Errors
    /// If it exists already.
    pub fn rows_like(
        &self,
        name: &str,
        table: Self,
        rows: usize,
        columns: usize,
        init: Init,
    ) -> Result<Var> {
        let var = table.param("weight", &[rows, columns], Init::Zeros)?;
        let mut stream = self.stream(&self.at(name).path);
        let row =
            Tensor::from_vec(init.values(&mut stream, &[columns]), (1, columns), self.device())?;
        var.set(&row.broadcast_as((rows, columns))?.contiguous()?)?;
        Ok(var)
    }

    /// What the layer here draws in its pass number `turn`.
    pub(crate) fn draws(&self, turn: u64) -> Stream {
        let (network, path) = (&self.store.network, &self.path);
        Stream::new(self.store.seed, &format!("layer/{network}/{path}/{turn}"))
    }

    /// The initial values of the tensor of a whole name.
    fn stream(&self, path: &str) -> Stream {
        Stream::new(self.store.seed, &format!("init/{}/{path}", self.store.network))
    }

    /// Makes the buffer `path.name` of `n` values.
    pub fn buffer(&self, name: &str, n: usize, init: Init) -> Buffer {
        let name = self.at(name).path;
        let mut stream = self.stream(&name);
        let values = init.values(&mut stream, &[n]).into_iter().map(f64::from).collect();
        let buffer = Buffer(Rc::new(RefCell::new(values)));
        self.store.tensors.borrow_mut().buffers.insert(name, buffer.clone());
        buffer
    }
}

impl ParamStore {
    /// An empty store for `network` (`"generator"`, `"discriminator"`).
    pub fn new(network: &str, seed: u64, device: &Device) -> Self {
        Self {
            network: network.to_string(),
            seed,
            device: device.clone(),
            dtype: DType::F32,
            common: Common {
                convolution: Algorithm::default(),
                weight_init: None,
                batch_norm: true,
                batch_norm_eps: 1e-5,
                spectral_eps: 1e-12,
            },
            tensors: Rc::default(),
        }
    }

    /// The layers made from here on compute their convolutions in this way.
    pub fn with_convolution(mut self, algorithm: Algorithm) -> Self {
        self.common.convolution = algorithm;
        self
    }

    /// The weights of the layers made from here on (linear, convolutions, embeddings) start in this
    /// way, whatever the network says; None: as it says. Biases and norms start as they do anyway.
    pub fn with_weight_init(mut self, init: Option<Init>) -> Self {
        self.common.weight_init = init;
        self
    }

    /// Without batch norm, those made from here on are nothing but their activation.
    pub fn with_batch_norm(mut self, batch_norm: bool) -> Self {
        self.common.batch_norm = batch_norm;
        self
    }

    /// The parameters made from here on are of this type: f64 for the gradient tests of whole
    /// networks, which neither load files nor use tables of classes.
    pub fn with_dtype(mut self, dtype: DType) -> Self {
        self.dtype = dtype;
        self
    }

    /// The scope of the whole store, with an empty path.
    pub fn root(&self) -> Scope {
        Scope { store: self.clone(), path: String::new(), common: self.common }
    }

    /// The parameters, by name.
    pub fn params(&self) -> Vec<(String, Var)> {
        self.tensors.borrow().params.iter().map(|(n, v)| (n.clone(), v.clone())).collect()
    }

    /// Number of trainable values.
    pub fn parameter_count(&self) -> usize {
        self.tensors.borrow().params.values().map(|v| v.elem_count()).sum()
    }

    /// Sets every batch norm's running mean to 0 and variance to 1, and says how many there are.
    pub fn reset_running_statistics(&self) -> usize {
        for (name, buffer) in &self.tensors.borrow().buffers {
            let start = match name.rsplit('.').next() {
                Some("running_mean") => 0.0,
                Some("running_var") => 1.0,
                _ => continue,
            };
            buffer.set(&vec![start; buffer.get().len()]);
        }
        self.running_statistics()
    }

    /// How many batch norms keep running statistics.
    pub fn running_statistics(&self) -> usize {
        self.tensors.borrow().buffers.keys().filter(|name| name.ends_with("running_mean")).count()
    }

    /// Parameters and buffers as f32 tensors on the CPU, by name.
    ///
    /// # Errors
    /// If a device cannot be read.
    pub fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let tensors = self.tensors.borrow();
        let mut state = BTreeMap::new();
        for (name, var) in &tensors.params {
            state.insert(name.clone(), var.as_tensor().copy()?.detach().to_device(&Device::Cpu)?);
        }
        for (name, buffer) in &tensors.buffers {
            let values: Vec<f32> = buffer.get().iter().map(|&v| v as f32).collect();
            state.insert(
                name.clone(),
                Tensor::from_vec(values.clone(), values.len(), &Device::Cpu)?,
            );
        }
        Ok(state)
    }

    /// Replaces every parameter and buffer.
    ///
    /// # Errors
    /// If a tensor is missing, left over or of another shape; the store is then unchanged.
    pub fn load(&self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        let tensors = self.tensors.borrow();
        for (name, var) in &tensors.params {
            match state.get(name) {
                None => bail!("{} weights: tensor {name} is missing", self.network),
                Some(t) if t.dims() != var.dims() => bail!(
                    "{} weights: tensor {name} has shape {:?}, expected {:?}",
                    self.network,
                    t.dims(),
                    var.dims()
                ),
                Some(_) => {}
            }
        }
        for (name, buffer) in &tensors.buffers {
            match state.get(name) {
                None => bail!("{} weights: tensor {name} is missing", self.network),
                Some(t) if t.elem_count() != buffer.get().len() => bail!(
                    "{} weights: tensor {name} has {} values, expected {}",
                    self.network,
                    t.elem_count(),
                    buffer.get().len()
                ),
                Some(_) => {}
            }
        }
        if let Some(extra) = state.keys().find(|name| {
            !tensors.params.contains_key(*name) && !tensors.buffers.contains_key(*name)
        }) {
            bail!("{} weights: tensor {extra} belongs to no layer of this network", self.network)
        }
        for (name, var) in &tensors.params {
            var.set(&state[name].to_device(&self.device)?.to_dtype(DType::F32)?.contiguous()?)?;
        }
        for (name, buffer) in &tensors.buffers {
            let values = state[name].flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
            buffer.set(&values);
        }
        Ok(())
    }

    /// Reads a safetensors file into every parameter and buffer.
    ///
    /// # Errors
    /// If the file cannot be read, or as [`ParamStore::load`].
    pub fn load_file(&self, path: &Path) -> Result<()> {
        let state = candle_core::safetensors::load(path, &Device::Cpu)?;
        self.load(&state.into_iter().collect())
    }

    /// Moves this store towards `live`: every value to decay·own + (1 − decay)·live. Buffers are
    /// averaged as well, so that the normalisation fits the averaged weights (as BigGAN-PyTorch
    /// does).
    ///
    /// # Errors
    /// If the two stores are not of the same network.
    pub fn average(&self, live: &ParamStore, decay: f64) -> Result<()> {
        let (own, live) = (self.tensors.borrow(), live.tensors.borrow());
        if own.params.len() != live.params.len() || own.buffers.len() != live.buffers.len() {
            bail!("the averaged {} and the live one hold different tensors", self.network)
        }
        for ((name, own), live) in own.params.iter().zip(live.params.values()) {
            if own.dims() != live.dims() {
                bail!("the averaged tensor {name} has another shape than the live one")
            }
            if own.device().is_cpu() {
                own.as_tensor().inplace_op2(live.as_tensor(), &crate::optim::Average { decay })?;
            } else {
                own.set(
                    &((own.as_tensor() * decay)? + (live.as_tensor() * (1.0 - decay))?)?.detach(),
                )?;
            }
        }
        for (own, live) in own.buffers.values().zip(live.buffers.values()) {
            let mixed: Vec<f64> = own
                .get()
                .iter()
                .zip(live.get())
                .map(|(a, b)| decay * a + (1.0 - decay) * b)
                .collect();
            own.set(&mixed);
        }
        Ok(())
    }
}
