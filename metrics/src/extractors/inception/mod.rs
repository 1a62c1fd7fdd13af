//! The FID Inception-v3: the network of the TensorFlow graph of 2015-12-05, whose features FID and
//! the Inception score are defined on.
//!
//! Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision",
//! arXiv:1512.00567, as that graph has it: average pooling leaves the padding out, and block 7c
//! pools by the maximum. Input u8, brought to 299x299 as one of the reference implementations does
//! (`preprocessing.rs`; each is an extractor of its own); output the 2048 means of the last block,
//! and 1008 logits without bias. Must agree with torch-fidelity 0.4.0 (`inception-v3-compat`),
//! pytorch-fid 0.3.0 and clean-fid 0.1.35 on the same weights to 1e-4 absolute.

mod cpu;
mod layout;
mod ops;
mod preprocessing;
mod tap;
mod tensors;

use candle_core::Result;
use cpu::CpuNetwork;
use ganbench_data::images::ImageView;
use preprocessing::Preprocessing;
use tap::Tap;
use tensors::TensorNetwork;

use crate::extractor::{Extractor, ExtractorEntry, ExtractorError, LoadRequest, check_images};
use crate::features::{Features, Logits};
use crate::weights::TensorSpec;
use crate::weights::source::PublishedFile;

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
    let published = Some(PUBLISHED_WEIGHTS);
    ExtractorEntry { name, description, feature_dim: DIM, classes: CLASSES, published, load }
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

/// An earlier layer of [`PYTORCH_FID_ENTRY`]: pytorch-fid's `--dims`.
const fn tapped(
    name: &'static str,
    description: &'static str,
    tap: Tap,
    load: fn(LoadRequest<'_>) -> std::result::Result<Box<dyn Extractor>, ExtractorError>,
) -> ExtractorEntry {
    let feature_dim = tap.dim();
    ExtractorEntry { feature_dim, classes: 0, ..entry(name, description, load) }
}

/// `inception-pytorch-fid-64`, `-192` and `-768` in the table of extractors.
pub const PYTORCH_FID_TAPS: [ExtractorEntry; 3] = [
    tapped(
        "inception-pytorch-fid-64",
        "inception-pytorch-fid's first pooling: pytorch-fid --dims 64",
        Tap::FirstPool,
        |request| load_tapped("inception-pytorch-fid-64", Tap::FirstPool, request),
    ),
    tapped(
        "inception-pytorch-fid-192",
        "inception-pytorch-fid's second pooling: pytorch-fid --dims 192",
        Tap::SecondPool,
        |request| load_tapped("inception-pytorch-fid-192", Tap::SecondPool, request),
    ),
    tapped(
        "inception-pytorch-fid-768",
        "inception-pytorch-fid before its auxiliary classifier: pytorch-fid --dims 768",
        Tap::Mixed6e,
        |request| load_tapped("inception-pytorch-fid-768", Tap::Mixed6e, request),
    ),
];

/// The extractor that pytorch-fid's `--dims` chooses; none of another number.
pub fn of_pytorch_fid_dims(dims: usize) -> Option<&'static str> {
    let all = [PYTORCH_FID_ENTRY].into_iter().chain(PYTORCH_FID_TAPS);
    all.into_iter().find(|entry| entry.feature_dim == dims).map(|entry| entry.name)
}

/// `inception-studiogan` in the table of extractors. StudioGAN's Inception scores are of logits
/// with [`Extractor::logit_bias`].
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

fn load_tapped(
    name: &'static str,
    tap: Tap,
    request: LoadRequest<'_>,
) -> std::result::Result<Box<dyn Extractor>, ExtractorError> {
    load_at(name, Preprocessing::PytorchFid, tap, request)
}

fn load(
    name: &'static str,
    preprocessing: Preprocessing,
    request: LoadRequest<'_>,
) -> std::result::Result<Box<dyn Extractor>, ExtractorError> {
    load_at(name, preprocessing, Tap::Last, request)
}

fn load_at(
    name: &'static str,
    preprocessing: Preprocessing,
    tap: Tap,
    request: LoadRequest<'_>,
) -> std::result::Result<Box<dyn Extractor>, ExtractorError> {
    let mut weights = request.source.weights(PUBLISHED_WEIGHTS, &tensor_specs())?;
    let build = |source| ExtractorError::Build { extractor: name, source };
    let device = &request.options.device;
    let network = if device.is_cpu() {
        Network::Cpu(CpuNetwork::new(&weights, request.options.exact).map_err(build)?)
    } else {
        Network::Tensors(TensorNetwork::new(&weights, device).map_err(build)?)
    };
    let bias = weights.tensors.remove("fc.bias").map(|bias| bias.values);
    let logit_bias = bias.filter(|_| tap == Tap::Last);
    let (sha256, batch) = (weights.sha256, request.options.batch);
    Ok(Box::new(Inception { name, preprocessing, tap, network, logit_bias, sha256, batch }))
}

/// How the network is computed.
enum Network {
    Cpu(CpuNetwork),
    /// Layer by layer with tensors, on any device.
    Tensors(TensorNetwork),
}

impl Network {
    /// Pooled features `[n, 2048]` and logits `[n, 1008]` of planes `[n, 3, 299, 299]`.
    fn forward(&self, x: Vec<f32>) -> Result<(Vec<f32>, Vec<f32>)> {
        match self {
            Self::Cpu(network) => Ok(network.forward(&x)),
            Self::Tensors(network) => network.forward_planes(x),
        }
    }

    /// Features `[n, tap.dim()]` of planes `[n, 3, 299, 299]`.
    fn tapped(&self, x: Vec<f32>, tap: Tap) -> Result<Vec<f32>> {
        match self {
            Self::Cpu(network) => Ok(network.tapped(&x, tap)),
            Self::Tensors(network) => network.tapped_planes(x, tap),
        }
    }
}

struct Inception {
    name: &'static str,
    preprocessing: Preprocessing,
    tap: Tap,
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
        self.tap.dim()
    }

    fn classes(&self) -> usize {
        if self.tap == Tap::Last { CLASSES } else { 0 }
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
            return Ok(Features::empty(self.feature_dim(), self.classes()));
        }
        let x = self.preprocessing.input(images);
        let failed = |source| {
            let images = images.len();
            ExtractorError::Network { extractor, images, source }
        };
        if self.tap != Tap::Last {
            let pool = self.network.tapped(x, self.tap).map_err(failed)?;
            return Ok(Features::new(self.tap.dim(), pool, None)?);
        }
        let (pool, values) = self.network.forward(x).map_err(failed)?;
        Ok(Features::new(DIM, pool, Some(Logits { classes: CLASSES, values }))?)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
