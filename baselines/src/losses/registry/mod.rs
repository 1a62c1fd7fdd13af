//! A loss as a function from arrays to terms: the functions that training calls, within reach of a
//! user who has logits or features of another program's. A loss's entry stands in its own file;
//! the table of all is [`crate::methods::losses`].

mod arrays;
mod error;
mod given;

use std::collections::BTreeMap;

use candle_core::{DType, Result, Tensor};
use serde::de::DeserializeOwned;

pub use arrays::{Array, Arrays, Contents, Pair};
pub use error::LossError;
pub use given::{Given, Numbers};

use super::Term;
use crate::part::{Field, Part};

/// A part that can be computed on arrays alone.
pub trait OnArrays: Part {
    /// Terms with the names that training gives them: `d_…` for the discriminator's loss, `g_…` for
    /// the generator's.
    ///
    /// # Errors
    /// If the loss refuses the arrays, whose shapes and kinds were checked.
    fn terms(&self, arrays: &Arrays) -> Result<Vec<Term>>;
}

/// What `ganbench loss` knows of a loss.
#[derive(Debug)]
pub struct Entry {
    /// As plans call it.
    pub name: &'static str,
    /// Names from before it had the plan's.
    pub aliases: &'static [Alias],
    /// One line for lists.
    pub summary: &'static str,
    /// The paper, and whose form it is where they differ.
    pub source: &'static str,
    /// The arrays that it takes, in the order of lists; labels come after the class vectors.
    pub arrays: &'static [Array],
    /// [`Entry::configured`] of the part.
    pub configure: Configure,
}

/// Makes a loss of settings; what these leave out has the default of plans.
pub type Configure = fn(toml::Table) -> std::result::Result<Box<dyn OnArrays>, toml::de::Error>;

/// An old name of a loss, and what the settings are that it stands for.
#[derive(Debug)]
pub struct Alias {
    /// The old name.
    pub name: &'static str,
    /// Names and texts of settings, which the user's own settings override.
    pub set: &'static [(&'static str, &'static str)],
}

impl Alias {
    /// A name that stands for the loss with its defaults.
    pub const fn new(name: &'static str) -> Self {
        Self { name, set: &[] }
    }
}

/// A term of a loss at given arrays.
#[derive(Debug)]
pub struct EvaluatedTerm {
    /// As [`Term::name`].
    pub name: &'static str,
    /// What training multiplies the term with. Value and gradients are those before it.
    pub weight: f64,
    /// The term itself, a scalar.
    pub value: f64,
    /// By array, of the array's shape and precision; arrays that the term does not depend on are
    /// left out. All arrays are variables here; training has D's weights and the reals constant in
    /// the generator's terms.
    pub gradients: BTreeMap<&'static str, Tensor>,
}

impl Entry {
    /// What [`Entry::configure`] is of a part.
    ///
    /// # Errors
    /// If a setting is not the part's.
    pub fn configured<T: OnArrays + DeserializeOwned + 'static>(
        settings: toml::Table,
    ) -> std::result::Result<Box<dyn OnArrays>, toml::de::Error> {
        Ok(Box::new(T::deserialize(toml::Value::Table(settings))?))
    }

    /// The settings with their defaults.
    pub fn settings(&self) -> Vec<Field> {
        match (self.configure)(toml::Table::new()) {
            Ok(loss) => settings_of(loss.as_ref()),
            Err(error) => unreachable!("the defaults of {} are refused: {error}", self.name),
        }
    }

    /// The loss with its defaults, but for settings given by name and text. What comes later
    /// counts.
    ///
    /// # Errors
    /// If a setting is not known, or its text no value of it.
    pub fn with<'a>(
        &self,
        given: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> std::result::Result<Box<dyn OnArrays>, LossError> {
        let known = self.settings();
        let mut table = toml::Table::new();
        for (name, text) in given {
            let is_it = |field: &&Field| field.name == name || field.old_name == Some(name);
            let Some(field) = known.iter().find(is_it) else {
                let names: Vec<_> = known.iter().map(|field| field.name).collect();
                let known = if names.is_empty() { "none".into() } else { names.join(", ") };
                let (loss, name) = (self.name, name.to_string());
                return Err(LossError::UnknownSetting { loss, name, known });
            };
            let value = field.value.parse(text, field.range).map_err(|expected| {
                LossError::Setting { name: field.name, expected, got: text.to_string() }
            })?;
            table.insert(field.name.to_string(), value.to_toml());
        }
        (self.configure)(table)
            .map_err(|e| LossError::Form { loss: self.name, what: e.to_string() })
    }

    /// Terms and gradients, computed in the arrays' own precision.
    ///
    /// # Errors
    /// If arrays are missing, not known, or of another shape or kind than the entry says; are not
    /// of one precision; hold NaN or infinity; hold labels that are no classes; or if the loss
    /// refuses them.
    pub fn evaluate(
        &self,
        given: &BTreeMap<String, Given>,
        loss: &dyn OnArrays,
    ) -> std::result::Result<Vec<EvaluatedTerm>, LossError> {
        let arrays = Arrays::checked(self, given)?;
        let terms = loss.terms(&arrays)?;
        let evaluated = terms.into_iter().map(|term| {
            let value = term.value.to_dtype(DType::F64)?.to_scalar::<f64>()?;
            let gradients = gradients(&arrays, &term.value)?;
            Ok(EvaluatedTerm { name: term.name, weight: term.weight, value, gradients })
        });
        evaluated.collect()
    }
}

/// The fields of a part that have a meaning without networks.
pub fn settings_of(loss: &dyn OnArrays) -> Vec<Field> {
    loss.fields().into_iter().filter(|field| !field.is_training_only).collect()
}

fn gradients(arrays: &Arrays, value: &Tensor) -> Result<BTreeMap<&'static str, Tensor>> {
    let grads = value.backward()?;
    let reached = |(name, x): (&'static str, &Tensor)| Some((name, grads.get(x)?.clone()));
    Ok(arrays.variables().filter_map(reached).collect())
}
