//! Sizes of the vision transformers, and the names that the published files give their tensors.

use crate::weights::TensorSpec;

/// Colours of an image.
pub(super) const CHANNELS: usize = 3;

/// Whose vision transformer: they differ in names, in a few parts and in the activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Oquab et al. 2023, arXiv:2304.07193: a scale after each branch, GELU, the class token after
    /// the last norm as feature.
    DinoV2,
    /// Radford et al. 2021, arXiv:2103.00020: a norm before the first block, quick GELU, the class
    /// token projected and scaled to length 1 as feature.
    Clip,
}

/// Sizes of a vision transformer (Dosovitskiy et al. 2021, arXiv:2010.11929).
#[derive(Clone, Copy, Debug)]
pub(super) struct Config {
    pub(super) family: Family,
    /// Height and width of the images that it is given.
    pub(super) side: usize,
    /// Height and width of a patch.
    pub(super) patch: usize,
    /// Rows and columns of the patches that the file has positions for.
    pub(super) position_grid: usize,
    /// Numbers of a token.
    pub(super) width: usize,
    pub(super) depth: usize,
    pub(super) heads: usize,
    /// Numbers between the layers of a block's perceptron.
    pub(super) hidden: usize,
    /// Numbers of the feature.
    pub(super) features: usize,
}

impl Config {
    /// DINOv2 with patches of 14, trained at 518x518 and given 224x224.
    pub(super) const fn dinov2(width: usize, depth: usize, heads: usize) -> Self {
        Self {
            family: Family::DinoV2,
            side: 224,
            patch: 14,
            position_grid: 37,
            width,
            depth,
            heads,
            hidden: 4 * width,
            features: width,
        }
    }

    /// Rows and columns of patches.
    pub(super) fn grid(&self) -> usize {
        self.side / self.patch
    }

    /// Patches and the class token.
    pub(super) fn tokens(&self) -> usize {
        self.grid() * self.grid() + 1
    }

    /// Numbers of a patch.
    pub(super) fn patch_values(&self) -> usize {
        CHANNELS * self.patch * self.patch
    }

    pub(super) fn norm_epsilon(&self) -> f32 {
        match self.family {
            Family::DinoV2 => 1e-6,
            Family::Clip => 1e-5,
        }
    }

    pub(super) fn names(&self) -> Names {
        match self.family {
            Family::DinoV2 => DINOV2_NAMES,
            Family::Clip => CLIP_NAMES,
        }
    }

    /// Names and shapes of all tensors.
    pub(super) fn tensor_specs(&self) -> Vec<TensorSpec> {
        let (w, names) = (self.width, self.names());
        let positions = self.position_grid * self.position_grid + 1;
        let mut specs = Specs(Vec::new());
        specs.add(names.patches.into(), ".weight", &[w, CHANNELS, self.patch, self.patch]);
        match self.family {
            Family::DinoV2 => {
                specs.add(names.patches.into(), ".bias", &[w]);
                specs.add(names.class.into(), "", &[1, 1, w]);
                specs.add(names.positions.into(), "", &[1, positions, w]);
                // For pretraining; published files hold it.
                specs.add("embeddings.mask_token".into(), "", &[1, w]);
            }
            Family::Clip => {
                specs.add(names.class.into(), "", &[w]);
                specs.add(names.positions.into(), "", &[positions, w]);
                specs.pair(names.first_norm.into(), &[w]);
                specs.add(names.projection.into(), "", &[self.features, w]);
            }
        }
        specs.pair(names.last_norm.into(), &[w]);
        for block in 0..self.depth {
            let name = |part: &str| format!("{}.{block}.{part}", names.blocks);
            for part in [names.norm1, names.norm2] {
                specs.pair(name(part), &[w]);
            }
            for part in [names.query, names.key, names.value, names.output] {
                specs.pair(name(part), &[w, w]);
            }
            specs.pair(name("mlp.fc1"), &[self.hidden, w]);
            specs.pair(name("mlp.fc2"), &[w, self.hidden]);
            for part in names.scales.into_iter().flatten() {
                specs.add(name(part), "", &[w]);
            }
        }
        specs.0
    }
}

struct Specs(Vec<TensorSpec>);

impl Specs {
    fn add(&mut self, name: String, part: &str, shape: &[usize]) {
        self.0.push(TensorSpec { name: name + part, shape: shape.into() });
    }

    /// A weight of `shape` and a bias of as many numbers as it has rows.
    fn pair(&mut self, name: String, shape: &[usize]) {
        self.add(name.clone(), ".weight", shape);
        self.add(name, ".bias", &shape[..1]);
    }
}

/// What the files of `transformers` call the parts.
#[derive(Clone, Copy)]
pub(super) struct Names {
    pub(super) patches: &'static str,
    pub(super) class: &'static str,
    pub(super) positions: &'static str,
    pub(super) first_norm: &'static str,
    pub(super) last_norm: &'static str,
    pub(super) projection: &'static str,
    /// Followed by the block's number and a part.
    pub(super) blocks: &'static str,
    pub(super) norm1: &'static str,
    pub(super) norm2: &'static str,
    pub(super) query: &'static str,
    pub(super) key: &'static str,
    pub(super) value: &'static str,
    pub(super) output: &'static str,
    /// Of the attention and of the perceptron, where a block has them.
    pub(super) scales: Option<[&'static str; 2]>,
}

const DINOV2_NAMES: Names = Names {
    patches: "embeddings.patch_embeddings.projection",
    class: "embeddings.cls_token",
    positions: "embeddings.position_embeddings",
    first_norm: "",
    last_norm: "layernorm",
    projection: "",
    blocks: "encoder.layer",
    norm1: "norm1",
    norm2: "norm2",
    query: "attention.attention.query",
    key: "attention.attention.key",
    value: "attention.attention.value",
    output: "attention.output.dense",
    scales: Some(["layer_scale1.lambda1", "layer_scale2.lambda1"]),
};

const CLIP_NAMES: Names = Names {
    patches: "vision_model.embeddings.patch_embedding",
    class: "vision_model.embeddings.class_embedding",
    positions: "vision_model.embeddings.position_embedding.weight",
    first_norm: "vision_model.pre_layrnorm",
    last_norm: "vision_model.post_layernorm",
    projection: "visual_projection.weight",
    blocks: "vision_model.encoder.layers",
    norm1: "layer_norm1",
    norm2: "layer_norm2",
    query: "self_attn.q_proj",
    key: "self_attn.k_proj",
    value: "self_attn.v_proj",
    output: "self_attn.out_proj",
    scales: None,
};
