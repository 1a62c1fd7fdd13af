//! One run's state and its steps; what a step sends through the networks is in `terms.rs`.

use std::time::Instant;

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor};
use cpu_time::ProcessTime;
use ganbench_data::images::ImageBatch;
use ganbench_data::rng::Stream;
use ganbench_nn::optim::Optimizer;
use ganbench_nn::params::ParamStore;

use super::Sampler;
use super::adaptive::Adaptive;
use super::budget::Spent;
use super::check::{TrainError, check, heads};
use super::flops::{Pair, Passes};
use super::plan::TrainPlan;
use super::record::{Diverged, StepRecord};
use super::terms::{BeforeGenerator, DiscriminatorTerms, Fakes, Reals};
use crate::losses::acgan::CLASSIFIER;
use crate::losses::embedded::PROXY;
use crate::losses::{Loss, Outputs, Term};
use crate::methods::First;
use crate::networks::{Discriminator, Generator, NetworkSizes};

/// A network, its weights and its optimiser.
pub(super) struct Learner<N> {
    pub network: N,
    pub store: ParamStore,
    pub optimizer: Optimizer,
}

/// The random streams of a run, one a purpose.
pub(super) struct Streams {
    pub z_d: Stream,
    pub z_g: Stream,
    pub augment_d: Stream,
    pub augment_g: Stream,
    /// What single parts draw.
    pub parts_d: Stream,
    pub parts_g: Stream,
}

impl Streams {
    fn new(seed: u64) -> Self {
        let stream = |purpose| Stream::new(seed, purpose);
        Self {
            z_d: stream("z/discriminator-step"),
            z_g: stream("z/generator-step"),
            augment_d: stream("augment/discriminator-step"),
            augment_g: stream("augment/generator-step"),
            parts_d: stream("parts/discriminator-step"),
            parts_g: stream("parts/generator-step"),
        }
    }

    /// Each by the name that a checkpoint gives it.
    pub fn named(&mut self) -> [(&'static str, &mut Stream); 6] {
        [
            ("z_d", &mut self.z_d),
            ("z_g", &mut self.z_g),
            ("augment_d", &mut self.augment_d),
            ("augment_g", &mut self.augment_g),
            ("parts_d", &mut self.parts_d),
            ("parts_g", &mut self.parts_g),
        ]
    }
}

/// A run under way.
pub struct Trainer<'a> {
    pub(super) plan: TrainPlan,
    pub(super) images: &'a ImageBatch,
    /// The rows of `images` that are trained on; None for all.
    pub(super) rows: Option<Vec<usize>>,
    pub(super) classes: usize,
    /// Whether the generator draws numbers of its own.
    pub(super) noise: bool,
    pub(super) device: Device,
    pub(super) losses: Vec<Box<dyn Loss>>,
    pub(super) generator: Learner<Box<dyn Generator>>,
    pub(super) discriminator: Learner<Discriminator>,
    pub(super) ema: ParamStore,
    ema_generator: Box<dyn Generator>,
    pub(super) streams: Streams,
    pub(super) spent: Spent,
    /// Whose operations are counted.
    layers: Pair,
    pub(super) adaptive: Option<Adaptive>,
    /// Within a budget of minutes, once it is fixed.
    pub(super) warmup_g_steps: Option<u64>,
    /// The order of the epoch under way, and which epoch.
    pub(super) order: (u64, Vec<usize>),
}

/// What the discriminator's updates of one step came to.
#[derive(Default)]
struct DiscriminatorUpdates {
    outputs: Option<Outputs>,
    grad_norm: f64,
    /// Of the reals' first view before the update, constants.
    real_features: Option<Tensor>,
    class_grad_norm: Option<f64>,
}

type Losses = std::collections::BTreeMap<String, f64>;

impl<'a> Trainer<'a> {
    /// Builds the networks and their optimisers at step 0. `classes`: of the data set, 0 for none.
    ///
    /// # Errors
    /// If the plan does not fit the data set, or names something unknown.
    pub fn new(
        plan: &TrainPlan,
        images: &'a ImageBatch,
        classes: usize,
        device: &Device,
    ) -> Result<Self, TrainError> {
        let a = check(plan, images, classes)?;
        let losses = plan.parts.losses(plan.network.head_hidden);
        let size = images.size;
        let sizes = plan.sizes(size.height, size.channels, classes);
        let store = |network| {
            ParamStore::new(network, plan.seed, device).with_convolution(plan.network.conv)
        };
        let made = || sizes.options.generator_store(store("generator"));
        let (generator, ema) = (made(), made());
        let discriminator = sizes.options.discriminator_store(store("discriminator"));
        let heads = heads(&losses)?;
        let d_sizes = NetworkSizes { classes: (classes > 0).then_some(classes), ..sizes };
        let network = Discriminator::new(&discriminator.root(), a, d_sizes, &heads)?;
        let mut d_layers = (a.trunk_layers)(sizes);
        d_layers.extend(heads.iter().flat_map(|head| head.layers(network.feature_dim())));
        Ok(Self {
            generator: Learner {
                network: (a.generator)(&generator.root(), sizes)?,
                store: generator,
                optimizer: Optimizer::new(plan.optimizer_g),
            },
            discriminator: Learner {
                network,
                store: discriminator,
                optimizer: Optimizer::new(plan.optimizer_d),
            },
            ema_generator: (a.generator)(&ema.root(), sizes)?,
            ema,
            streams: Streams::new(plan.seed),
            adaptive: plan.parts.ada.map(Adaptive::new),
            plan: plan.clone(),
            images,
            rows: None,
            classes,
            noise: a.noise,
            device: device.clone(),
            losses,
            spent: Spent::default(),
            layers: Pair { generator: (a.generator_layers)(sizes), discriminator: d_layers },
            warmup_g_steps: None,
            order: (0, Vec::new()),
        })
    }

    /// On these rows of the images only, which are then what epochs go through.
    ///
    /// # Errors
    /// If they are fewer than a batch, or one is not there.
    pub fn on(mut self, rows: Vec<usize>) -> Result<Self, TrainError> {
        if rows.len() < self.plan.batch {
            return Err(TrainError::TooFewImages { batch: self.plan.batch, images: rows.len() });
        }
        if let Some(row) = rows.iter().find(|row| **row >= self.images.len()) {
            let got = format!("{row} of {}", self.images.len());
            return Err(TrainError::Value {
                field: "a row to train on",
                expected: "of the data set",
                got,
            });
        }
        self.rows = Some(rows);
        Ok(self)
    }

    /// What the training spent up to now.
    pub fn spent(&self) -> &Spent {
        &self.spent
    }

    /// Trainable values of G and of D with its heads.
    pub fn parameter_counts(&self) -> (usize, usize) {
        (self.generator.store.parameter_count(), self.discriminator.store.parameter_count())
    }

    /// The discriminator as it is now.
    pub fn discriminator(&self) -> &Discriminator {
        &self.discriminator.network
    }

    /// A sampler on the averaged weights, or on the live ones with `raw`.
    pub fn sampler(&self, raw: bool) -> Sampler<'_> {
        let generator = if raw { &self.generator.network } else { &self.ema_generator };
        let classes = self.plan.parts.conditional().then_some(self.classes);
        Sampler::new(
            generator.as_ref(),
            self.plan.network.z_dim,
            self.plan.network.z_prior,
            classes,
            self.noise,
            &self.device,
        )
    }

    /// `n_dis` discriminator updates and one generator update.
    ///
    /// # Errors
    /// The outer error if a computation failed, the inner where a loss or gradient was not finite.
    pub fn step(&mut self) -> Result<Result<StepRecord, Diverged>, TrainError> {
        let (started, cpu) = (Instant::now(), ProcessTime::try_now().ok());
        let lr_scale = self.lr_scale();
        let mut losses = Losses::new();
        let mut d = DiscriminatorUpdates::default();
        let g_grad_norm = match self.plan.parts.first {
            First::Discriminator => {
                let mut reals = None;
                for _ in 0..self.plan.n_dis {
                    let real = self.next_reals()?;
                    d = self.update_discriminator(&real, None, lr_scale, &mut losses)?;
                    reals = Some(real);
                }
                let before = BeforeGenerator {
                    reals: reals.as_ref(),
                    real_features: d.real_features.as_ref(),
                };
                self.update_generator(before, lr_scale, &mut losses)?.0
            }
            First::Generator => {
                let mut real = self.next_reals()?;
                let before = BeforeGenerator { reals: Some(&real), real_features: None };
                let (norm, fakes) = self.update_generator(before, lr_scale, &mut losses)?;
                let mut fakes = Some(fakes);
                for i in 0..self.plan.n_dis {
                    if i > 0 {
                        real = self.next_reals()?;
                    }
                    d = self.update_discriminator(&real, fakes.take(), lr_scale, &mut losses)?;
                }
                norm
            }
        };
        self.spent.g_steps += 1;
        self.average()?;
        self.spent.train_s += started.elapsed().as_secs_f64();
        // Systems without such a clock count none.
        let cpu_s = cpu.and_then(|cpu| cpu.try_elapsed().ok());
        self.spent.cpu_s += cpu_s.map_or(0.0, |used| used.as_secs_f64());
        let passes = Passes::of_training(self.plan.batch, &self.spent);
        self.spent.flops = self.layers.step(&passes);
        self.fix_warmup();

        let real_kimg = self.spent.real_images as f64 / 1e3;
        let mean = |t: &Tensor| -> Result<f64, candle_core::Error> {
            Ok(f64::from(t.mean_all()?.to_scalar::<f32>()?))
        };
        let outputs = d.outputs.as_ref();
        let record = StepRecord {
            g_step: self.spent.g_steps,
            real_kimg,
            losses,
            d_grad_norm: d.grad_norm,
            g_grad_norm,
            d_real: outputs.map(|o| mean(&o.real)).transpose()?,
            d_fake: outputs.map(|o| mean(&o.fake)).transpose()?,
            d_feature_norm: d.real_features.as_ref().map(mean_length).transpose()?,
            d_class_grad_norm: d.class_grad_norm,
            ada_p: self.adaptive.as_ref().map(Adaptive::p),
        };
        let wrong = record.terms().find(|(_, value)| !value.is_finite());
        let wrong = wrong.map(|(name, value)| format!("{name} = {value}"));
        Ok(wrong.map_or(Ok(record.clone()), |what| Err(record.diverged(what))))
    }

    /// One update of D on these reals and on `fakes`, or new ones.
    fn update_discriminator(
        &mut self,
        real: &Reals,
        fakes: Option<Fakes>,
        lr_scale: f64,
        losses: &mut Losses,
    ) -> Result<DiscriminatorUpdates, TrainError> {
        let DiscriminatorTerms { terms, outputs, real_features } =
            self.discriminator_terms(real, fakes)?;
        let total = add_up(&terms, "d_loss", losses)?;
        let grads = total.backward()?;
        let d = &mut self.discriminator;
        let class_grad_norm = class_grad_norm(&d.store, &grads)?;
        let grad_norm = d.optimizer.step(&d.store, &grads, lr_scale)?;
        for bound in self.losses.iter().filter_map(|l| l.weight_bound()) {
            for (_, var) in d.store.params() {
                var.set(&var.as_tensor().clamp(-bound, bound)?)?;
            }
        }
        self.spent.d_steps += 1;
        if let (Some(adaptive), Some(outputs)) = (&mut self.adaptive, &outputs) {
            adaptive.observe(&outputs.real, self.spent.d_steps)?;
        }
        let real_features = Some(real_features);
        Ok(DiscriminatorUpdates { outputs, grad_norm, real_features, class_grad_norm })
    }

    /// One update of G: its gradient norm, and the fakes as constants.
    fn update_generator(
        &mut self,
        before: BeforeGenerator<'_>,
        lr_scale: f64,
        losses: &mut Losses,
    ) -> Result<(f64, Fakes), TrainError> {
        let (terms, fakes) = self.generator_terms(before)?;
        let total = add_up(&terms, "g_loss", losses)?;
        let grads = total.backward()?;
        let g = &mut self.generator;
        Ok((g.optimizer.step(&g.store, &grads, lr_scale)?, fakes))
    }

    fn stores(&self) -> [(&'static str, &ParamStore); 3] {
        [
            ("generator", &self.generator.store),
            ("averaged generator", &self.ema),
            ("discriminator", &self.discriminator.store),
        ]
    }

    /// The trainable values of each network in the order of their names, by the network's name.
    ///
    /// # Errors
    /// If a device cannot be read.
    pub fn weights(&self) -> Result<Vec<(&'static str, Vec<f32>)>, TrainError> {
        let mut networks = Vec::new();
        for (network, store) in self.stores() {
            let mut values = Vec::new();
            for (_, var) in store.params() {
                values.extend(var.as_tensor().flatten_all()?.to_vec1::<f32>()?);
            }
            networks.push((network, values));
        }
        Ok(networks)
    }

    /// What is not finite in the weights: a step shows its own damage only in the next one. `last`:
    /// of the step made last.
    ///
    /// # Errors
    /// If a device cannot be read.
    pub fn damage(&self, last: &StepRecord) -> Result<Option<Diverged>, TrainError> {
        for (network, store) in self.stores() {
            for (name, tensor) in store.state()? {
                if tensor.flatten_all()?.to_vec1::<f32>()?.iter().any(|v| !v.is_finite()) {
                    let what = format!("{name} of the {network} is not finite");
                    return Ok(Some(last.diverged(what)));
                }
            }
        }
        Ok(None)
    }

    fn average(&mut self) -> Result<(), TrainError> {
        let images = self.plan.batch * self.plan.n_dis;
        let decay = self.plan.ema.decay_at(self.spent.real_images, images);
        Ok(self.ema.average(&self.generator.store, decay)?)
    }
}

/// Mean Euclidean length of rows `[n, d]`.
fn mean_length(rows: &Tensor) -> Result<f64, candle_core::Error> {
    Ok(f64::from(rows.sqr()?.sum(1)?.sqrt()?.mean_all()?.to_scalar::<f32>()?))
}

/// Euclidean norm of the gradient of the class table of the conditioning part; none without one.
fn class_grad_norm(store: &ParamStore, grads: &GradStore) -> Result<Option<f64>, TrainError> {
    let mut square = None;
    for (name, var) in store.params() {
        let of_classes = [CLASSIFIER, PROXY]
            .iter()
            .any(|head| name.strip_prefix(head).is_some_and(|rest| rest.starts_with('.')));
        if let Some(grad) = grads.get(&var).filter(|_| of_classes) {
            let of_table = f64::from(grad.sqr()?.sum_all()?.to_scalar::<f32>()?);
            square = Some(square.unwrap_or(0.0) + of_table);
        }
    }
    Ok(square.map(f64::sqrt))
}

/// The weighted sum, with every term and the total noted.
fn add_up(terms: &[Term], name: &str, losses: &mut Losses) -> Result<Tensor, TrainError> {
    let mut total: Option<Tensor> = None;
    for term in terms {
        losses.insert(term.name.to_string(), f64::from(term.value.to_scalar::<f32>()?));
        let weighted = (&term.value * term.weight)?;
        total = Some(match total {
            None => weighted,
            Some(sum) => (sum + weighted)?,
        });
    }
    let total = total.ok_or_else(|| candle_core::Error::msg(format!("{name} has no term")))?;
    losses.insert(name.to_string(), f64::from(total.to_scalar::<f32>()?));
    Ok(total)
}
