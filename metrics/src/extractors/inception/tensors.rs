//! The network layer by layer with tensors, on any device: the slow and obvious twin of
//! [`super::cpu`].

use std::collections::HashMap;

use candle_core::{D, Device, Result, Tensor};
use ganbench_nn::kernels::conv::{Convolution, Geometry, conv2d};

use super::layout;
use super::ops::{BatchNorm, NormRelu, Pool, pool};
use super::tap::Tap;
use super::{BN_EPS, SIDE};
use crate::weights::Weights;

/// A convolution with what follows it.
struct Layer {
    weight: Tensor,
    geometry: Geometry,
    norm: NormRelu,
}

pub(super) struct TensorNetwork {
    layers: HashMap<String, Layer>,
    /// `[2048, 1008]`
    classifier: Tensor,
    device: Device,
}

impl TensorNetwork {
    /// `weights` hold the tensors of [`layout::tensor_specs`]; anything else is an error of
    /// candle's.
    pub(super) fn new(weights: &Weights, device: &Device) -> Result<Self> {
        let get = |name: &str| {
            let missing = || candle_core::Error::Msg(format!("no tensor \"{name}\""));
            weights.tensors.get(name).ok_or_else(missing)
        };
        let tensor = |name: &str| {
            let found = get(name)?;
            Tensor::from_slice(&found.values, found.shape.as_slice(), device)
        };
        let mut layers = HashMap::new();
        for conv in layout::convolutions() {
            let part = |part: &str| {
                Ok::<_, candle_core::Error>(&get(&format!("{}.bn.{part}", conv.name))?.values)
            };
            let bn = BatchNorm {
                weight: part("weight")?,
                bias: part("bias")?,
                mean: part("running_mean")?,
                var: part("running_var")?,
                eps: BN_EPS,
            };
            let norm = NormRelu::new(&bn, device)?;
            let weight = tensor(&format!("{}.conv.weight", conv.name))?;
            layers.insert(conv.name, Layer { weight, geometry: conv.geometry, norm });
        }
        let classifier = tensor("fc.weight")?.t()?;
        Ok(Self { layers, classifier, device: device.clone() })
    }

    /// Pooled features `[n, 2048]` and logits `[n, 1008]` of planes `[n, 3, 299, 299]`.
    pub(super) fn forward_planes(&self, x: Vec<f32>) -> Result<(Vec<f32>, Vec<f32>)> {
        let n = x.len() / (3 * SIDE * SIDE);
        let (features, logits) =
            self.forward(&Tensor::from_vec(x, (n, 3, SIDE, SIDE), &self.device)?)?;
        Ok((features.flatten_all()?.to_vec1()?, logits.flatten_all()?.to_vec1()?))
    }

    /// Features `[n, tap.dim()]` of planes `[n, 3, 299, 299]`.
    pub(super) fn tapped_planes(&self, x: Vec<f32>, tap: Tap) -> Result<Vec<f32>> {
        let n = x.len() / (3 * SIDE * SIDE);
        let x = Tensor::from_vec(x, (n, 3, SIDE, SIDE), &self.device)?;
        self.tapped(&x, tap)?.flatten_all()?.to_vec1()
    }

    /// Pooled features `[n, 2048]` and logits without bias `[n, 1008]`.
    fn forward(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let features = self.tapped(x, Tap::Last)?;
        let logits = features.matmul(&self.classifier)?; // [n, 1008]
        Ok((features, logits))
    }

    /// Means over the plane of a layer's output.
    fn tapped(&self, x: &Tensor, tap: Tap) -> Result<Tensor> {
        let mean = |x: &Tensor| x.flatten_from(2)?.mean(D::Minus1);
        let x = self.conv("Conv2d_1a_3x3", x)?; // [n, 32, 149, 149]
        let x = self.conv("Conv2d_2a_3x3", &x)?; // [n, 32, 147, 147]
        let x = self.conv("Conv2d_2b_3x3", &x)?; // [n, 64, 147, 147]
        let x = pool(&x, Pool::MaxHalving)?; // [n, 64, 73, 73]
        if tap == Tap::FirstPool {
            return mean(&x);
        }
        let x = self.conv("Conv2d_3b_1x1", &x)?; // [n, 80, 73, 73]
        let x = self.conv("Conv2d_4a_3x3", &x)?; // [n, 192, 71, 71]
        let mut x = pool(&x, Pool::MaxHalving)?; // [n, 192, 35, 35]
        if tap == Tap::SecondPool {
            return mean(&x);
        }
        for name in ["Mixed_5b", "Mixed_5c", "Mixed_5d"] {
            x = self.block_a(name, &x)?; // [n, 256 then 288, 35, 35]
        }
        x = self.block_b("Mixed_6a", &x)?; // [n, 768, 17, 17]
        for name in ["Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"] {
            x = self.block_c(name, &x)?; // [n, 768, 17, 17]
        }
        if tap == Tap::Mixed6e {
            return mean(&x);
        }
        let x = self.block_d("Mixed_7a", &x)?; // [n, 1280, 8, 8]
        let x = self.block_e("Mixed_7b", &x, Pool::Average)?; // [n, 2048, 8, 8]
        let x = self.block_e("Mixed_7c", &x, Pool::Max)?; // [n, 2048, 8, 8]
        mean(&x) // [n, 2048]
    }

    fn conv(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let layer = self.layers.get(name);
        let layer = layer.ok_or_else(|| candle_core::Error::Msg(format!("no layer \"{name}\"")))?;
        layer.norm.apply(conv2d(x, &layer.weight, Convolution::direct(layer.geometry))?)
    }

    /// Convolutions of one block after one another.
    fn chain(&self, block: &str, names: &[&str], x: &Tensor) -> Result<Tensor> {
        names.iter().try_fold(x.clone(), |x, name| self.conv(&format!("{block}.{name}"), &x))
    }

    fn block_a(&self, block: &str, x: &Tensor) -> Result<Tensor> {
        let one = self.chain(block, &["branch1x1"], x)?;
        let five = self.chain(block, &["branch5x5_1", "branch5x5_2"], x)?;
        let names = ["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"];
        let double = self.chain(block, &names, x)?;
        let pooled = self.chain(block, &["branch_pool"], &pool(x, Pool::Average)?)?;
        Tensor::cat(&[one, five, double, pooled], 1)
    }

    fn block_b(&self, block: &str, x: &Tensor) -> Result<Tensor> {
        let three = self.chain(block, &["branch3x3"], x)?;
        let names = ["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"];
        let double = self.chain(block, &names, x)?;
        Tensor::cat(&[three, double, pool(x, Pool::MaxHalving)?], 1)
    }

    fn block_c(&self, block: &str, x: &Tensor) -> Result<Tensor> {
        let one = self.chain(block, &["branch1x1"], x)?;
        let seven = self.chain(block, &["branch7x7_1", "branch7x7_2", "branch7x7_3"], x)?;
        let names = [
            "branch7x7dbl_1",
            "branch7x7dbl_2",
            "branch7x7dbl_3",
            "branch7x7dbl_4",
            "branch7x7dbl_5",
        ];
        let double = self.chain(block, &names, x)?;
        let pooled = self.chain(block, &["branch_pool"], &pool(x, Pool::Average)?)?;
        Tensor::cat(&[one, seven, double, pooled], 1)
    }

    fn block_d(&self, block: &str, x: &Tensor) -> Result<Tensor> {
        let three = self.chain(block, &["branch3x3_1", "branch3x3_2"], x)?;
        let names = ["branch7x7x3_1", "branch7x7x3_2", "branch7x7x3_3", "branch7x7x3_4"];
        let seven = self.chain(block, &names, x)?;
        Tensor::cat(&[three, seven, pool(x, Pool::MaxHalving)?], 1)
    }

    fn block_e(&self, block: &str, x: &Tensor, kind: Pool) -> Result<Tensor> {
        let fork = |x: &Tensor, a: &str, b: &str| {
            Tensor::cat(&[self.chain(block, &[a], x)?, self.chain(block, &[b], x)?], 1)
        };
        let one = self.chain(block, &["branch1x1"], x)?;
        let three = self.chain(block, &["branch3x3_1"], x)?;
        let three = fork(&three, "branch3x3_2a", "branch3x3_2b")?;
        let double = self.chain(block, &["branch3x3dbl_1", "branch3x3dbl_2"], x)?;
        let double = fork(&double, "branch3x3dbl_3a", "branch3x3dbl_3b")?;
        let pooled = self.chain(block, &["branch_pool"], &pool(x, kind)?)?;
        Tensor::cat(&[one, three, double, pooled], 1)
    }
}
