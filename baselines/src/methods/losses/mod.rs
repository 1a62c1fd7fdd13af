//! Every loss by name, for `ganbench loss`: the entries of all parts.

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;

use super::{AdversarialPart, ConditioningPart, RegulariserPart};
use crate::losses::contrastive::Contrastive;
use crate::losses::part::LossPart;
use crate::losses::registry::{Alias, Entry, LossError};

/// Every loss, in the order of the lists.
pub fn losses() -> Vec<&'static Entry> {
    let adversarial = AdversarialPart::all().into_iter().map(|list| entry(list.part()));
    let conditioning = ConditioningPart::all().into_iter().map(|list| entry(list.part()));
    let regularisers = RegulariserPart::all().into_iter().map(|list| entry(list.part()));
    let contrastive = std::iter::once(Contrastive::default().entry());
    adversarial.chain(conditioning).chain(contrastive).chain(regularisers).flatten().collect()
}

fn entry(part: Option<&dyn LossPart>) -> Option<&'static Entry> {
    part?.entry()
}

/// A loss that was asked for by name.
#[derive(Clone, Copy, Debug)]
pub struct NamedLoss {
    /// The loss that the name stands for.
    pub entry: &'static Entry,
    /// Settings that the name stands for, where it is an old one.
    pub set: &'static [(&'static str, &'static str)],
}

/// The loss called `name`.
///
/// # Errors
/// If there is none.
pub fn loss(name: &str) -> Result<NamedLoss, LossError> {
    let losses = losses();
    let named = |entry: &&'static Entry| {
        if entry.name == name {
            return Some(NamedLoss { entry, set: &[] });
        }
        let alias: &'static Alias = entry.aliases.iter().find(|alias| alias.name == name)?;
        Some(NamedLoss { entry, set: alias.set })
    };
    losses.iter().find_map(named).ok_or_else(|| LossError::Unknown {
        name: name.to_string(),
        known: losses.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", "),
    })
}
