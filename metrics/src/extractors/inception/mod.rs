//! The FID Inception-v3: the network of the TensorFlow graph of 2015-12-05, whose features FID and the
//! Inception score are defined on.
//!
//! Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision", arXiv:1512.00567,
//! as that graph has it: average pooling leaves the padding out, and block 7c pools by the maximum.
//! Input u8, brought to 299x299 as one of the reference implementations does (`preprocessing.rs`; each is
//! an extractor of its own); output the 2048 means of the last block, and 1008 logits without bias. Must
//! agree with torch-fidelity 0.4.0 (`inception-v3-compat`), pytorch-fid 0.3.0 and clean-fid 0.1.35 on the
//! same weights to 1e-4 absolute.

mod layout;
mod ops;
mod preprocessing;

use std::collections::HashMap;

use candle_core::{D, Device, Result, Tensor};
use ganbench_nn::images::ImageView;
use ganbench_nn::kernels::conv::{Convolution, Geometry, conv2d};

use crate::extractor::{Extractor, ExtractorEntry, ExtractorError, LoadRequest, check_images};
use crate::features::{Features, Logits};
use crate::weights::source::PublishedFile;
use crate::weights::{TensorSpec, Weights};
use ops::{BatchNorm, NormRelu, Pool, pool};
use preprocessing::Preprocessing;

const NAME: &str = "inception";
const PYTORCH_FID: &str = "inception-pytorch-fid";
const STUDIOGAN: &str = "inception-studiogan";
const CLEAN: &str = "inception-clean";
const DIM: usize = 2048;
const CLASSES: usize = 1008;
const SIDE: usize = 299;
const BN_EPS: f32 = 1e-3;

const fn entry(
    name: &'static str,
    description: &'static str,
    load: fn(LoadRequest<'_>) -> std::result::Result<Box<dyn Extractor>, ExtractorError>,
) -> ExtractorEntry {
    ExtractorEntry { name, description, feature_dim: DIM, classes: CLASSES, load }
}

/// `inception` in the table of extractors.
pub const ENTRY: ExtractorEntry = entry(
    NAME,
    "FID Inception-v3 (2015-12-05) as torch-fidelity runs it: 2048 features, 1008 logits",
    |request| load(NAME, Preprocessing::TorchFidelity, request),
);

/// `inception-pytorch-fid` in the table of extractors.
pub const PYTORCH_FID_ENTRY: ExtractorEntry = entry(
    PYTORCH_FID,
    "FID Inception-v3 as pytorch-fid runs it: torch's bilinear resize, 2x - 1",
    |request| load(PYTORCH_FID, Preprocessing::PytorchFid, request),
);

/// `inception-studiogan` in the table of extractors. StudioGAN's Inception scores are of logits with
/// [`Extractor::logit_bias`].
pub const STUDIOGAN_ENTRY: ExtractorEntry = entry(
    STUDIOGAN,
    "FID Inception-v3 as StudioGAN runs it: Pillow's antialiased bilinear resize",
    |request| load(STUDIOGAN, Preprocessing::StudioGan, request),
);

/// `inception-clean` in the table of extractors.
pub const CLEAN_ENTRY: ExtractorEntry = entry(
    CLEAN,
    "FID Inception-v3 as clean-fid runs it: Pillow's antialiased bicubic resize",
    |request| load(CLEAN, Preprocessing::CleanFid, request),
);

/// The published weights: pytorch-fid's file, byte for byte.
pub const PUBLISHED_WEIGHTS: PublishedFile = PublishedFile {
    repository: "RaphaelLiu/EvalCrafter-Models",
    revision: "6040b4d40fdcde446a0cf753b0527585b6b77c54",
    file: "pt_inception-2015-12-05-6726825d.pth",
    folder_name: "pt_inception-2015-12-05-6726825d.pth",
    sha256: "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
};

/// Names and shapes of the network's 472 tensors.
pub fn tensor_specs() -> Vec<TensorSpec> {
    layout::tensor_specs()
}

fn load(
    name: &'static str,
    preprocessing: Preprocessing,
    request: LoadRequest<'_>,
) -> std::result::Result<Box<dyn Extractor>, ExtractorError> {
    let mut weights = request.source.weights(PUBLISHED_WEIGHTS, &tensor_specs())?;
    let build = |source| ExtractorError::Build { extractor: name, source };
    let network = Network::new(&weights, &request.options.device).map_err(build)?;
    let logit_bias = weights.tensors.remove("fc.bias").map(|bias| bias.values);
    let (sha256, batch) = (weights.sha256, request.options.batch);
    Ok(Box::new(Inception { name, preprocessing, network, logit_bias, sha256, batch }))
}

struct Inception {
    name: &'static str,
    preprocessing: Preprocessing,
    network: Network,
    logit_bias: Option<Vec<f32>>,
    sha256: String,
    batch: usize,
}

impl Extractor for Inception {
    fn name(&self) -> &str {
        self.name
    }

    fn weights_sha256(&self) -> &str {
        &self.sha256
    }

    fn feature_dim(&self) -> usize {
        DIM
    }

    fn classes(&self) -> usize {
        CLASSES
    }

    fn logit_bias(&self) -> Option<&[f32]> {
        self.logit_bias.as_deref()
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn extract_batch(
        &self,
        images: &[ImageView<'_>],
    ) -> std::result::Result<Features, ExtractorError> {
        let extractor = self.name;
        check_images(extractor, images)?;
        if images.is_empty() {
            return Ok(Features::empty(DIM, CLASSES));
        }
        let (pool, values): (Vec<f32>, Vec<f32>) = self
            .preprocessing
            .input(images, &self.network.device)
            .and_then(|x| self.network.forward(&x))
            .and_then(|(f, l)| Ok((f.flatten_all()?.to_vec1()?, l.flatten_all()?.to_vec1()?)))
            .map_err(|source| {
                let images = images.len();
                ExtractorError::Network { extractor, images, source }
            })?;
        Ok(Features::new(DIM, pool, Some(Logits { classes: CLASSES, values }))?)
    }
}

/// A convolution with what follows it.
struct Layer {
    weight: Tensor,
    geometry: Geometry,
    norm: NormRelu,
}

struct Network {
    layers: HashMap<String, Layer>,
    /// `[2048, 1008]`
    classifier: Tensor,
    device: Device,
}

impl Network {
    /// `weights` hold the tensors of [`tensor_specs`]; anything else is an error of candle's.
    fn new(weights: &Weights, device: &Device) -> Result<Self> {
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

    /// Pooled features `[n, 2048]` and logits without bias `[n, 1008]`.
    fn forward(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let x = self.conv("Conv2d_1a_3x3", x)?; // [n, 32, 149, 149]
        let x = self.conv("Conv2d_2a_3x3", &x)?; // [n, 32, 147, 147]
        let x = self.conv("Conv2d_2b_3x3", &x)?; // [n, 64, 147, 147]
        let x = pool(&x, Pool::MaxHalving)?; // [n, 64, 73, 73]
        let x = self.conv("Conv2d_3b_1x1", &x)?; // [n, 80, 73, 73]
        let x = self.conv("Conv2d_4a_3x3", &x)?; // [n, 192, 71, 71]
        let mut x = pool(&x, Pool::MaxHalving)?; // [n, 192, 35, 35]
        for name in ["Mixed_5b", "Mixed_5c", "Mixed_5d"] {
            x = self.block_a(name, &x)?; // [n, 256 then 288, 35, 35]
        }
        x = self.block_b("Mixed_6a", &x)?; // [n, 768, 17, 17]
        for name in ["Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"] {
            x = self.block_c(name, &x)?; // [n, 768, 17, 17]
        }
        let x = self.block_d("Mixed_7a", &x)?; // [n, 1280, 8, 8]
        let x = self.block_e("Mixed_7b", &x, Pool::Average)?; // [n, 2048, 8, 8]
        let x = self.block_e("Mixed_7c", &x, Pool::Max)?; // [n, 2048, 8, 8]
        let features = x.flatten_from(2)?.mean(D::Minus1)?; // [n, 2048]
        let logits = features.matmul(&self.classifier)?; // [n, 1008]
        Ok((features, logits))
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

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
