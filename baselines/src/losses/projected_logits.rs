//! The projection discriminator as a part of its own: what a plan's conditioning on class labels
//! says, and its entry for `ganbench loss`.

use candle_core::Result;
use serde::{Deserialize, Serialize};

use super::adversarial::{Hinge, LeastSquares, LogitLoss as _, Logits, NonSaturating, Wasserstein};
use super::part::{BuildContext, LossPart};
use super::projection::ProjectionPart;
use super::registry::{Array, Arrays, Entry, OnArrays};
use super::{Loss, Term};
use crate::part::{Field, Part};

impl LossPart for ProjectionPart {
    fn build(&self, _: &BuildContext) -> Option<Box<dyn Loss>> {
        None
    }

    fn entry(&self) -> Option<&'static Entry> {
        static ENTRY: Entry = Entry {
            name: "projection",
            aliases: &[],
            summary: "adversarial loss on logits that gain the inner product of features and class \
                      vector",
            source: "Miyato and Koyama 2018, arXiv:1802.05637, eq. 3",
            arrays: &[
                Array::LOGITS_REAL,
                Array::LOGITS_FAKE,
                Array::FEATURES_REAL,
                Array::FEATURES_FAKE,
                Array::CLASS_VECTORS,
                Array::LABELS_REAL,
                Array::LABELS_FAKE,
            ],
            configure: Entry::configured::<ProjectedLogits>,
        };
        Some(&ENTRY)
    }

    fn projection(&self) -> Option<ProjectionPart> {
        Some(*self)
    }
}

/// An adversarial loss on logits, with the defaults of its part.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Form {
    NonSaturating,
    #[default]
    Hinge,
    LeastSquares,
    Wasserstein,
}

/// The projection with the adversarial loss that it is a part of.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ProjectedLogits {
    form: Form,
    #[serde(flatten)]
    projection: ProjectionPart,
}

impl Part for ProjectedLogits {
    fn fields(&self) -> Vec<Field> {
        let mut fields = vec![Field::choice("form", self.form, "of the adversarial loss")];
        fields.extend(self.projection.fields());
        fields
    }
}

impl OnArrays for ProjectedLogits {
    fn terms(&self, a: &Arrays) -> Result<Vec<Term>> {
        let (unit, sides) = (self.projection.unit_features, a.projected()?);
        let logits = Logits {
            real: (a.tensor("logits_real")? + sides.real.inner(unit)?)?,
            fake: (a.tensor("logits_fake")? + sides.fake.inner(unit)?)?,
        };
        match self.form {
            Form::NonSaturating => NonSaturating::default().terms_of(&logits),
            Form::Hinge => Hinge::default().terms_of(&logits),
            Form::LeastSquares => LeastSquares::default().terms_of(&logits),
            Form::Wasserstein => Wasserstein::default().terms_of(&logits),
        }
    }
}
