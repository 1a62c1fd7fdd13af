//! What a step sends through the networks, and the terms of its two losses.

use candle_core::Tensor;
use ganbench_data::rng::Stream;
use ganbench_nn::layers::Pass;

use super::check::TrainError;
use super::plan::ZPrior;
use super::{Trainer, to_tensor};
use crate::augment::Augmentation;
use crate::losses::{
    DiscriminatorBatch, FurtherPasses, GeneratorBatch, Opponents, Outputs, StepImages, Term,
    TurnPasses,
};
use crate::methods::Passes;
use crate::networks::{Discriminator, Latent, Scored};

/// Real images of one discriminator step.
pub(super) struct Reals {
    pub x: Tensor,
    pub labels: Option<Tensor>,
}

/// Fakes before augmentation, and what they were made from.
pub(super) struct Fakes {
    pub latent: Latent,
    pub x: Tensor,
}

/// The discriminator's loss in one step, and what else it came to.
pub(super) struct DiscriminatorTerms {
    pub terms: Vec<Term>,
    pub outputs: Option<Outputs>,
    pub real_features: Tensor,
}

/// What a generator's update may read of the discriminator's before it.
#[derive(Clone, Copy, Default)]
pub(super) struct BeforeGenerator<'a> {
    pub reals: Option<&'a Reals>,
    pub real_features: Option<&'a Tensor>,
}

impl Trainer<'_> {
    /// The next batch in the order of the epoch; what does not fill a batch at its end is left out.
    pub(super) fn next_reals(&mut self) -> Result<Reals, TrainError> {
        let n = self.rows.as_ref().map_or(self.images.len(), Vec::len);
        let batch = self.plan.batch;
        let per_epoch = (n / batch) as u64;
        let (epoch, at) =
            (self.spent.d_steps / per_epoch, (self.spent.d_steps % per_epoch) as usize);
        if self.order.0 != epoch || self.order.1.is_empty() {
            let order = Stream::new(self.plan.seed, &format!("data/epoch-{epoch}")).permutation(n);
            self.order = (epoch, order);
        }
        let drawn = &self.order.1[at * batch..(at + 1) * batch];
        let mut rows = match &self.rows {
            Some(rows) => {
                self.images.select(&drawn.iter().map(|&i| rows[i]).collect::<Vec<usize>>())
            }
            None => self.images.select(drawn),
        };
        if self.plan.flip_reals {
            let purpose = format!("data/flips-{}", self.spent.d_steps);
            let mut stream = Stream::new(self.plan.seed, &purpose);
            rows.flip(|_| stream.chance(0.5));
        }
        self.spent.real_images += batch as u64;
        let labels = rows.labels.as_ref().filter(|_| self.plan.parts.conditional());
        let labels = labels.map(|l| Tensor::from_slice(l, l.len(), &self.device)).transpose()?;
        Ok(Reals { x: to_tensor(&rows, &self.device)?, labels })
    }

    fn latent(&mut self, for_generator: bool) -> Result<Latent, TrainError> {
        let stream = if for_generator { &mut self.streams.z_g } else { &mut self.streams.z_d };
        let (n, dim) = (self.plan.batch, self.plan.network.z_dim);
        let z = match self.plan.network.z_prior {
            ZPrior::Normal => stream.normal(n * dim),
            ZPrior::Uniform => stream.uniforms(n * dim, -1.0, 1.0),
        };
        // Drawn whether used or not: every method sees the same z.
        let classes = self.classes.max(1) as u64;
        let labels: Vec<u32> = (0..n).map(|_| stream.below(classes) as u32).collect();
        let labels =
            self.plan.parts.conditional().then(|| Tensor::from_vec(labels, n, &self.device));
        // Only where it is used: a draw more would change the runs of every other network.
        let noise = self.noise.then(|| stream.u64());
        let z = Tensor::from_vec(z, (n, dim), &self.device)?;
        Ok(Latent { z, labels: labels.transpose()?, noise })
    }

    /// The method's augmentation, ADA's with the probability of now.
    fn augmentation(&self) -> Augmentation {
        let augmentation = self.plan.parts.augmentation;
        self.adaptive.as_ref().map_or(augmentation, |ada| augmentation.with_p(ada.p()))
    }

    fn new_fakes(&mut self) -> Result<Fakes, TrainError> {
        let latent = self.latent(false)?;
        let x = self.generator.network.forward(&latent, Pass::Frozen)?.detach();
        self.spent.g_image_forwards += self.plan.batch as u64;
        Ok(Fakes { latent, x })
    }

    pub(super) fn discriminator_terms(
        &mut self,
        real: &Reals,
        fakes: Option<Fakes>,
    ) -> Result<DiscriminatorTerms, TrainError> {
        let Fakes { latent, x: x_fake } = fakes.map_or_else(|| self.new_fakes(), Ok)?;
        let augmentation = self.augmentation();
        let stream = &mut self.streams.augment_d;
        let n_views = self.losses.iter().map(|l| l.real_views()).max().unwrap_or(1);
        let mut batches = Vec::new();
        for _ in 0..n_views {
            batches.push((augmentation.apply(&real.x, stream)?, real.labels.clone()));
        }
        batches.push((augmentation.apply(&x_fake, stream)?, latent.labels.clone()));
        self.spent.d_image_forwards += batches.iter().map(|(x, _)| x.dims()[0] as u64).sum::<u64>();

        let d = &self.discriminator.network;
        let mut scored = score(d, &batches, self.plan.parts.passes)?;
        let fake = scored.remove(n_views);
        let images = StepImages {
            x_real: real.x.clone(),
            x_fake,
            seen_real: batches[0].0.clone(),
            seen_fake: batches[n_views].0.clone(),
        };
        let opponents = Opponents {
            discriminator: d,
            generator: self.generator.network.as_ref(),
            adversarial: self.losses[0].as_ref(),
        };
        let further =
            FurtherPasses::new(opponents, TurnPasses::DISCRIMINATOR, &mut self.streams.parts_d);
        let d_step = self.spent.d_steps;
        let batch =
            DiscriminatorBatch { real_views: scored, fake, images, latent, d_step, further };
        let (mut terms, mut outputs) = (Vec::new(), None);
        for loss in &self.losses {
            let part = loss.discriminator(&batch)?;
            terms.extend(part.terms);
            outputs = outputs.or(part.outputs);
        }
        let further = batch.further.forwards();
        self.spent.d_image_forwards += further.d_images;
        self.spent.g_image_forwards += further.g_images;
        Ok(DiscriminatorTerms { terms, outputs, real_features: batch.real().features.detach() })
    }

    pub(super) fn generator_terms(
        &mut self,
        before: BeforeGenerator<'_>,
    ) -> Result<(Vec<Term>, Fakes), TrainError> {
        let latent = self.latent(true)?;
        let x_fake = self.generator.network.forward(&latent, Pass::Train)?;
        self.spent.g_image_forwards += self.plan.batch as u64;
        let fakes = Fakes { latent: latent.clone(), x: x_fake.detach() };
        let augmentation = self.augmentation();
        let fake = augmentation.apply(&x_fake, &mut self.streams.augment_g)?;
        let d = &self.discriminator.network;
        self.spent.d_image_forwards_g_step += fake.dims()[0] as u64;
        let reads_reals = self.losses.iter().any(|l| l.generator_reads_reals());
        let reals = before.reals.filter(|_| reads_reals);
        let real = match reals {
            None => None,
            Some(real) => {
                let x = augmentation.apply(&real.x, &mut self.streams.augment_g)?;
                self.spent.d_image_forwards_g_step += x.dims()[0] as u64;
                Some(d.score(&x, real.labels.as_ref(), Pass::Frozen)?)
            }
        };
        let opponents = Opponents {
            discriminator: d,
            generator: self.generator.network.as_ref(),
            adversarial: self.losses[0].as_ref(),
        };
        let further =
            FurtherPasses::new(opponents, TurnPasses::GENERATOR, &mut self.streams.parts_g);
        let fake = d.score(&fake, latent.labels.as_ref(), Pass::Frozen)?;
        let stale_real_features = before.real_features.cloned();
        let x_real = reals.map(|real| real.x.clone());
        let batch =
            GeneratorBatch { fake, real, x_real, stale_real_features, x_fake, latent, further };
        let mut terms = Vec::new();
        for loss in &self.losses {
            terms.extend(loss.generator(&batch)?);
        }
        let further = batch.further.forwards();
        self.spent.d_image_forwards_g_step += further.d_images;
        self.spent.g_image_forwards += further.g_images;
        Ok((terms, fakes))
    }
}

fn score<'d>(
    d: &'d Discriminator,
    batches: &[(Tensor, Option<Tensor>)],
    passes: Passes,
) -> Result<Vec<Scored<'d>>, TrainError> {
    if passes == Passes::Separate {
        let one = |(x, labels): &(Tensor, Option<Tensor>)| d.score(x, labels.as_ref(), Pass::Train);
        return Ok(batches.iter().map(one).collect::<Result<_, _>>()?);
    }
    let images: Vec<&Tensor> = batches.iter().map(|(x, _)| x).collect();
    let labels: Option<Vec<&Tensor>> = batches.iter().map(|(_, l)| l.as_ref()).collect();
    let labels = labels.map(|l| Tensor::cat(&l, 0)).transpose()?;
    let all = d.score(&Tensor::cat(&images, 0)?, labels.as_ref(), Pass::Train)?;
    let sizes: Vec<usize> = images.iter().map(|x| x.dims()[0]).collect();
    Ok(all.split(&sizes)?)
}
