//! Every loss by name, as a function from arrays to terms: the functions that training calls,
//! within reach of a user who has logits or features of another program's. A loss's entry stands in
//! its own file; here is the table.

mod arrays;
mod error;
mod given;
mod settings;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use candle_core::{DType, Result, Tensor};

pub use arrays::{Array, Arrays, Contents, Pair};
pub use error::LossError;
pub use given::{Given, Numbers};
pub use settings::{Range, Setting, SettingKind, Settings, Value};

use super::{
    Term, acgan, adversarial, consistency, contragan, contrastive, d2dce, input_gradients, kdd,
    kdd_jacobian, lecam, projection, supcon,
};

/// One loss.
pub struct Entry {
    pub name: &'static str,
    pub summary: &'static str,
    /// The paper, and whose form it is where they differ.
    pub source: &'static str,
    pub arrays: &'static [Array],
    pub settings: &'static [Setting],
    /// Terms with the names that training gives them: `d_…` for the discriminator's loss, `g_…` for
    /// the generator's. Arrays and settings were checked.
    pub terms: fn(&Arrays, &Settings) -> Result<Vec<Term>>,
}

const TABLE: &[&[Entry]] = &[
    &adversarial::ENTRIES,
    &[projection::ENTRY, acgan::ENTRY, contragan::ENTRY, d2dce::ENTRY],
    &[contrastive::ENTRY, supcon::ENTRY, kdd::ENTRY, kdd_jacobian::ENTRY],
    &consistency::ENTRIES,
    &[lecam::ENTRY],
    &input_gradients::ENTRIES,
];

/// Every loss.
pub fn losses() -> impl Iterator<Item = &'static Entry> {
    TABLE.iter().copied().flatten()
}

/// The loss called `name`.
///
/// # Errors
/// If there is none.
pub fn loss(name: &str) -> std::result::Result<&'static Entry, LossError> {
    losses().find(|entry| entry.name == name).ok_or_else(|| LossError::Unknown {
        name: name.to_string(),
        known: losses().map(|entry| entry.name).collect::<Vec<_>>().join(", "),
    })
}

/// A term of a loss at given arrays.
#[derive(Debug)]
pub struct EvaluatedTerm {
    pub name: &'static str,
    /// What training multiplies the term with. Value and gradients are those before it.
    pub weight: f64,
    pub value: f64,
    /// By array, of the array's shape and precision; arrays that the term does not depend on are
    /// left out. All arrays are variables here; training has D's weights and the reals constant in
    /// the generator's terms.
    pub gradients: BTreeMap<&'static str, Tensor>,
}

impl Entry {
    /// Terms and gradients, computed in the arrays' own precision.
    ///
    /// # Errors
    /// If arrays are missing, not known, or of another shape or kind than the entry says; are not
    /// of one precision; hold NaN or infinity; hold labels that are no classes; or if the loss
    /// refuses them.
    pub fn evaluate(
        &self,
        given: &BTreeMap<String, Given>,
        settings: &Settings,
    ) -> std::result::Result<Vec<EvaluatedTerm>, LossError> {
        let arrays = Arrays::checked(self, given)?;
        let terms = (self.terms)(&arrays, settings)?;
        let evaluated = terms.into_iter().map(|term| {
            let value = term.value.to_dtype(DType::F64)?.to_scalar::<f64>()?;
            let gradients = gradients(&arrays, &term.value)?;
            Ok(EvaluatedTerm { name: term.name, weight: term.weight, value, gradients })
        });
        evaluated.collect()
    }
}

fn gradients(arrays: &Arrays, value: &Tensor) -> Result<BTreeMap<&'static str, Tensor>> {
    let grads = value.backward()?;
    let of = |(name, x): (&'static str, &Tensor)| Some((name, grads.get(x)?.clone()));
    Ok(arrays.variables().filter_map(of).collect())
}
