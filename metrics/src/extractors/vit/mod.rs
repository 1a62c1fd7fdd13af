//! Vision transformers as extractors: DINOv2 for FD-DINOv2 and CLIP for CMMD.
//!
//! Stein et al. 2023, "Exposing flaws of generative model evaluation metrics", arXiv:2306.04675
//! (FD-DINOv2); Jayasumana et al. 2024, "Rethinking FID", arXiv:2401.09603 (CMMD). Features must
//! agree with `transformers` 5.23 on the same weights (`Dinov2Model` with the position embeddings
//! of facebookresearch/dinov2; `CLIPVisionModelWithProjection`) to 1e-4 absolute.
//!
//! The forward pass is ours, since candle-transformers' DINOv2 is another function: positions by
//! nearest neighbour, GELU by tanh, norms with 1e-5, patches' mean beside the class token.

mod config;
mod network;
mod ops;
mod positions;
mod preprocessing;

use config::{Config, Family};
use ganbench_data::images::ImageView;
use network::Network;

use crate::extractor::{Extractor, ExtractorEntry, ExtractorError, LoadRequest, check_images};
use crate::features::Features;
use crate::weights::source::PublishedFile;

/// A vision transformer and where its weights are.
struct Published {
    name: &'static str,
    config: Config,
    file: PublishedFile,
}

const DINOV2_L: Published = Published {
    name: "dinov2-vitl14",
    config: Config::dinov2(1024, 24, 16),
    file: PublishedFile {
        repository: "facebook/dinov2-large",
        revision: "47b73eefe95e8d44ec3623f8890bd894b6ea2d6c",
        file: "model.safetensors",
        folder_name: "dinov2-vitl14.safetensors",
        sha256: "399fba97a95f22c36834418bc69373364a99af3a1153da1c0fb31db567c92e23",
    },
};

const DINOV2_B: Published = Published {
    name: "dinov2-vitb14",
    config: Config::dinov2(768, 12, 12),
    file: PublishedFile {
        repository: "facebook/dinov2-base",
        revision: "f9e44c814b77203eaa57a6bdbbd535f21ede1415",
        file: "model.safetensors",
        folder_name: "dinov2-vitb14.safetensors",
        sha256: "d73036b56966966d07975d696bde331762f37297e2f095de8cea0040c3aa0841",
    },
};

const CLIP_L_336: Published = Published {
    name: "clip-vitl14-336",
    config: Config {
        family: Family::Clip,
        side: 336,
        patch: 14,
        position_grid: 24,
        width: 1024,
        depth: 24,
        heads: 16,
        hidden: 4096,
        features: 768,
    },
    file: PublishedFile {
        repository: "openai/clip-vit-large-patch14-336",
        // The conversion to safetensors was never merged; the hash holds it fast.
        revision: "refs/pr/8",
        file: "model.safetensors",
        folder_name: "clip-vitl14-336.safetensors",
        sha256: "f51cb7b04a2afb04828b1b8e0edc34bbf082080d098b9874f5756e7b7ba8c807",
    },
};

/// The vision transformers in the table of extractors.
pub const ENTRIES: [ExtractorEntry; 3] = [
    ExtractorEntry {
        name: "dinov2-vitl14",
        description: "DINOv2 ViT-L/14 at 224x224 as dgm-eval runs it (FD-DINOv2): 1024 features",
        feature_dim: 1024,
        classes: 0,
        published: Some(DINOV2_L.file),
        load: |request| load(&DINOV2_L, request),
    },
    ExtractorEntry {
        name: "dinov2-vitb14",
        description: "DINOv2 ViT-B/14 at 224x224: 768 features, a third of the time of ViT-L",
        feature_dim: 768,
        classes: 0,
        published: Some(DINOV2_B.file),
        load: |request| load(&DINOV2_B, request),
    },
    ExtractorEntry {
        name: "clip-vitl14-336",
        description: "CLIP ViT-L/14 at 336x336 as CMMD uses it: 768 features of length 1",
        feature_dim: 768,
        classes: 0,
        published: Some(CLIP_L_336.file),
        load: |request| load(&CLIP_L_336, request),
    },
];

fn load(
    published: &Published,
    request: LoadRequest<'_>,
) -> Result<Box<dyn Extractor>, ExtractorError> {
    let Published { name, config, file } = *published;
    let mut weights = request.source.weights(file, &config.tensor_specs())?;
    let device = request.options.device.clone();
    let build = |source| ExtractorError::Build { extractor: name, source };
    let network = Network::new(&mut weights, config, &device).map_err(build)?;
    let (sha256, batch) = (weights.sha256, request.options.batch);
    Ok(Box::new(VisionTransformer { name, config, network, device, sha256, batch }))
}

struct VisionTransformer {
    name: &'static str,
    config: Config,
    network: Network,
    device: candle_core::Device,
    sha256: String,
    batch: usize,
}

impl Extractor for VisionTransformer {
    fn name(&self) -> &str {
        self.name
    }

    fn weights_sha256(&self) -> &str {
        &self.sha256
    }

    fn feature_dim(&self) -> usize {
        self.config.features
    }

    fn classes(&self) -> usize {
        0
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn extract_batch(&self, images: &[ImageView<'_>]) -> Result<Features, ExtractorError> {
        let extractor = self.name;
        check_images(extractor, images)?;
        if images.is_empty() {
            return Ok(Features::empty(self.config.features, 0));
        }
        let features = preprocessing::patches(images, &self.config, &self.device)
            .and_then(|x| self.network.forward(&x))
            .and_then(|features| features.flatten_all()?.to_vec1::<f32>())
            .map_err(|source| {
                let images = images.len();
                ExtractorError::Network { extractor, images, source }
            })?;
        Ok(Features::new(self.config.features, features, None)?)
    }
}

#[cfg(test)]
mod tests;
