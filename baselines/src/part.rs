//! What every part of a method owns: the fields of its configuration, with what each may be.
//!
//! A part is one struct in one file. Serde reads and writes it in plans, `fields` says what its
//! values may be, and both a plan's check and `ganbench loss` go by these.

mod list;
mod value;

#[cfg(test)]
#[path = "part_tests.rs"]
mod tests;

use thiserror::Error;

pub(crate) use list::part_list;
pub use value::{FieldValue, Range};

/// A part of a method.
pub trait Part {
    /// Every field whose value can be wrong or that `ganbench loss` takes, in the struct's order.
    fn fields(&self) -> Vec<Field>;

    /// # Errors
    /// Naming the first field that has a value from which no part can be made.
    fn check(&self) -> Result<(), InvalidPart> {
        self.fields().iter().try_for_each(Field::check)
    }
}

/// A value from which no part can be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field} must be {expected}, got {got}")]
pub struct InvalidPart {
    /// The field's path from the part or the plan that was checked, with dots.
    pub field: String,
    /// What the value must be, as words after "must be".
    pub expected: String,
    /// The value, as text.
    pub got: String,
}

impl InvalidPart {
    /// The error of one field; `expected` goes on after "must be".
    pub fn new(field: &str, expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self { field: field.into(), expected: expected.into(), got: got.into() }
    }

    /// The same, with the field's name as it is inside of `outer`.
    pub(crate) fn within(self, outer: &str) -> Self {
        let field = match self.field.as_str() {
            "" => outer.to_string(),
            field => format!("{outer}.{field}"),
        };
        Self { field, ..self }
    }
}

/// One field of a part's configuration, and its value.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its key in plans, with a dot where it lies in a table of the part (`anchors.sets`).
    pub name: &'static str,
    /// What `ganbench loss` called it before it had the plan's name.
    pub old_name: Option<&'static str>,
    /// What the part holds.
    pub value: FieldValue,
    /// What a number may be; switches and choices have [`Range::Any`].
    pub range: Range,
    /// What it means, in a few words for lists.
    pub summary: &'static str,
    /// Whether `ganbench loss` has no use for it, which has no networks and no steps.
    pub is_training_only: bool,
}

impl Field {
    fn new(name: &'static str, value: FieldValue, summary: &'static str) -> Self {
        let (old_name, range, is_training_only) = (None, Range::Any, false);
        Self { name, old_name, value, range, summary, is_training_only }
    }

    fn number(name: &'static str, value: f64, range: Range, summary: &'static str) -> Self {
        Self { range, ..Self::new(name, FieldValue::Number(value), summary) }
    }

    /// Any finite number.
    pub fn finite(name: &'static str, value: f64, summary: &'static str) -> Self {
        Self::number(name, value, Range::Finite, summary)
    }

    /// A factor of a loss: 0 and above.
    pub fn weight(name: &'static str, value: f64, summary: &'static str) -> Self {
        Self::number(name, value, Range::NotNegative, summary)
    }

    /// A finite number above 0.
    pub fn positive(name: &'static str, value: f64, summary: &'static str) -> Self {
        Self::number(name, value, Range::Positive, summary)
    }

    /// In [0, 1).
    pub fn share(name: &'static str, value: f64, summary: &'static str) -> Self {
        Self::number(name, value, Range::Share, summary)
    }

    /// In [0, 1].
    pub fn probability(name: &'static str, value: f64, summary: &'static str) -> Self {
        Self::number(name, value, Range::Probability, summary)
    }

    /// A whole number of 0 and above that is in `range`.
    pub fn count(name: &'static str, value: u64, range: Range, summary: &'static str) -> Self {
        Self { range, ..Self::new(name, FieldValue::Count(value), summary) }
    }

    /// True or false.
    pub fn switch(name: &'static str, value: bool, summary: &'static str) -> Self {
        Self::new(name, FieldValue::Switch(value), summary)
    }

    /// One of an enum's names, as serde knows them.
    pub fn choice<T: value::Choice>(name: &'static str, value: T, summary: &'static str) -> Self {
        Self::new(name, FieldValue::choice(value), summary)
    }

    /// The same, of no use to `ganbench loss`.
    pub fn in_training(self) -> Self {
        Self { is_training_only: true, ..self }
    }

    /// The same, under another name too in `ganbench loss`.
    pub fn once_called(self, old_name: &'static str) -> Self {
        Self { old_name: Some(old_name), ..self }
    }

    /// # Errors
    /// If the value is out of its range.
    pub fn check(&self) -> Result<(), InvalidPart> {
        match self.range.expected_instead_of(&self.value) {
            None => Ok(()),
            Some(expected) => Err(InvalidPart::new(self.name, expected, self.value.to_string())),
        }
    }
}
