//! Methods as presets of independent parts. A new method is one file and one line in [`METHODS`].

mod acgan;
mod contrad;
mod contragan;
mod diffaug;
mod gan;
mod hinge;
mod kdd;
mod kdd_joint;
mod losses;
mod lsgan;
mod parts;
mod preset;
mod projection;
mod reacgan;
mod supcon;

#[cfg(test)]
mod tests;

pub use losses::{NamedLoss, loss, losses};
pub use parts::{AdversarialPart, ConditioningPart, RegulariserPart};
pub use preset::{First, Parts, Passes};

/// One method.
pub struct Method {
    /// As in `ganbench list methods`, plans and results.
    pub name: &'static str,
    /// As a table prints it.
    pub title: &'static str,
    /// One line for lists.
    pub summary: &'static str,
    /// The paper, and what was read where it is silent.
    pub source: &'static str,
    /// Constants that were chosen here and not in the paper, with the paper's.
    pub our_constants: Option<&'static str>,
    /// The parts that the losses of D and G are made of.
    pub parts: fn() -> Parts,
}

impl Method {
    /// Whether class labels are used.
    pub fn conditional(&self) -> bool {
        (self.parts)().conditional()
    }
}

/// Every method, in the order of the tables.
pub const METHODS: &[Method] = &[
    gan::METHOD,
    hinge::METHOD,
    contrad::METHOD,
    diffaug::METHOD,
    kdd::METHOD,
    kdd_joint::METHOD,
    reacgan::METHOD,
    supcon::METHOD,
    lsgan::METHOD,
    acgan::METHOD,
    projection::METHOD,
    contragan::METHOD,
];

/// The method called `name`.
pub fn method(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|m| m.name == name)
}
