//! The file of a small extractor: safetensors, with a card of where the weights come from in its
//! metadata.

use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::{SafeTensors, TensorView};
use safetensors::{Dtype, serialize};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::recognition::FactorCard;
use super::training::{Recipe, Trained};

/// The one entry of the metadata; several would be written in random order, and the hash with them.
const KEY: &str = "ganbench";

/// The images of one split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CardSet {
    /// Number of images.
    pub images: usize,
    /// Hash of the encoded content, as in result rows.
    pub sha256: String,
}

/// Where the weights of a small extractor come from and what they reach.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// The dataset's name, as `--dataset` takes it.
    pub dataset: String,
    /// The images that the weights were fitted to.
    pub train: CardSet,
    /// The images behind the accuracies.
    pub test: CardSet,
    /// Where the last so many training images were not trained on and stand for the test images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<usize>,
    /// How the classifier was trained.
    pub recipe: Recipe,
    /// Number of trainable values.
    pub parameters: usize,
    /// Mean loss of each epoch's training batches.
    pub train_loss: Vec<f64>,
    /// Share of the test images, [0, 1].
    pub test_accuracy: f64,
    /// Where the other factors of `shapes` were learnt too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factors: Option<FactorCard>,
    /// Of ganbench.
    pub version: String,
}

/// What was trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedOn {
    /// The dataset's name, as `--dataset` takes it.
    pub dataset: String,
    /// The images that the weights were fitted to.
    pub train: CardSet,
    /// The images behind the accuracies.
    pub test: CardSet,
    /// As [`Card::held_out`].
    pub held_out: Option<usize>,
    /// How the classifier was trained.
    pub recipe: Recipe,
}

/// A card that cannot be written or read.
#[derive(Debug, Error)]
// Each variant's message says what its fields are.
#[allow(missing_docs)]
pub enum CardError {
    #[error("not a valid safetensors file: {0}")]
    SafeTensors(#[from] safetensors::SafeTensorError),
    #[error("the file holds no card of a small extractor (metadata \"{KEY}\")")]
    Missing,
    #[error("the card of the file cannot be read: {0}")]
    Json(#[from] serde_json::Error),
}

impl Card {
    /// The card of weights that this build of ganbench has trained.
    pub fn new(trained: &Trained, on: TrainedOn) -> Self {
        let TrainedOn { dataset, train, test, held_out, recipe } = on;
        Self {
            dataset,
            train,
            test,
            held_out,
            recipe,
            parameters: trained.parameters,
            train_loss: trained.train_loss.clone(),
            test_accuracy: trained.test_accuracy,
            factors: trained.factors.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }

    /// The card in the metadata of a file.
    ///
    /// # Errors
    /// If the bytes are no safetensors file or hold no card.
    pub fn read(file: &[u8]) -> Result<Self, CardError> {
        let (_, header) = SafeTensors::read_metadata(file)?;
        let text = header.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
        Ok(serde_json::from_str(text.ok_or(CardError::Missing)?)?)
    }

    /// The file of `trained`: f32 tensors by their PyTorch names, and this card. The same bytes for
    /// the same input.
    ///
    /// # Errors
    /// If the tensors cannot be written as safetensors: a defect of ours.
    pub fn file(&self, trained: &Trained) -> Result<Vec<u8>, CardError> {
        let bytes: BTreeMap<&str, Vec<u8>> = trained
            .weights
            .iter()
            .map(|(name, t)| {
                (name.as_str(), t.values.iter().flat_map(|v| v.to_le_bytes()).collect())
            })
            .collect();
        let mut views = Vec::new();
        for (name, tensor) in &trained.weights {
            let view = TensorView::new(Dtype::F32, tensor.shape.clone(), &bytes[name.as_str()])?;
            views.push((name.as_str(), view));
        }
        let metadata = HashMap::from([(KEY.to_owned(), serde_json::to_string(self)?)]);
        Ok(serialize(views, Some(metadata))?)
    }
}
