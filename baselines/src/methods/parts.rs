//! The lists of parts: what `kind` in a plan can be. Each part is one file; here is one line for
//! it.

use serde::{Deserialize, Serialize};

use crate::losses::acgan::AcGan;
use crate::losses::adversarial::{Hinge, LeastSquares, NonSaturating, Wasserstein};
use crate::losses::consistency::Consistency;
use crate::losses::contragan::TwoC;
use crate::losses::d2dce::D2dCe;
use crate::losses::gradient_penalty::GradientPenalty;
use crate::losses::kdd::Kdd;
use crate::losses::kdd_jacobian::KddJacobian;
use crate::losses::latent_consistency::LatentConsistency;
use crate::losses::lecam::LeCam;
use crate::losses::part::LossPart;
use crate::losses::projection::ProjectionPart;
use crate::losses::supcon::SupCon;
use crate::losses::weight_clipping::WeightClipping;
use crate::part::part_list;

part_list! {
    /// What tells reals from fakes.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    pub enum AdversarialPart: LossPart {
        /// StyleGAN's `logistic` is another name of it.
        #[serde(alias = "logistic")]
        NonSaturating(NonSaturating),
        /// Margins of 1 on the logits (Lim and Ye 2017).
        Hinge(Hinge),
        /// LSGAN's squared distances of the logits to 1 and 0.
        LeastSquares(LeastSquares),
        /// WGAN's difference of mean logits.
        Wasserstein(Wasserstein),
        /// KDD GAN's log-ratio of two kernel density estimates.
        Kdd(Kdd),
        /// SupCon-GAN's contrast of reals and fakes, which has no logit.
        SupCon(SupCon),
    }
}

part_list! {
    /// How class labels enter.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    pub enum ConditioningPart: LossPart {
        /// Class labels are not used.
        None,
        /// Labels reach the generator alone.
        Generator,
        /// An auxiliary classifier.
        Acgan(AcGan),
        /// The logits, or KDD's log-ratio, gain the inner product of features and class vector.
        Projection(ProjectionPart),
        /// ContraGAN's.
        #[serde(rename = "2c")]
        TwoC(TwoC),
        /// ReACGAN's.
        D2dce(D2dCe),
    }
}

part_list! {
    /// What else the discriminator is held to.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    pub enum RegulariserPart: LossPart {
        /// CR or bCR: D's logits shall not change under augmentation.
        Consistency(Consistency),
        /// zCR; with bCR it is ICR.
        LatentConsistency(LatentConsistency),
        /// WGAN-GP's, R1's or DRAGAN's penalty of D's gradients at images.
        GradientPenalty(GradientPenalty),
        /// Logits are held to running averages of the other side's.
        LeCam(LeCam),
        /// WGAN's bound on every weight of D.
        WeightClipping(WeightClipping),
        /// KDD GAN's JacD.
        KddJacobian(KddJacobian),
    }
}
