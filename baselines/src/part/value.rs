//! Values of fields, as text and as what they may be.

use std::fmt;

use serde::de::{self, DeserializeOwned, Visitor};
use serde::{Deserializer, Serialize, forward_to_deserialize_any};

/// What a number may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// Whatever its type holds.
    Any,
    /// Neither NaN nor infinite.
    Finite,
    /// Finite, and 0 or above.
    NotNegative,
    /// Finite, and above 0.
    Positive,
    /// In [0, 1).
    Share,
    /// In [0, 1].
    Probability,
    /// From 1 to this.
    UpTo(u64),
}

impl Range {
    /// What a value must be that is out of the range; nothing where it is inside.
    pub(super) fn expected_instead_of(self, value: &FieldValue) -> Option<String> {
        match value {
            FieldValue::Number(x) => (!self.contains(*x)).then(|| self.text().to_string()),
            FieldValue::Count(n) => match self {
                Self::UpTo(_) if *n == 0 => Some("1 or more".into()),
                Self::UpTo(most) if *n > most => Some(format!("at most {most}")),
                _ => None,
            },
            FieldValue::Switch(_) | FieldValue::Choice { .. } => None,
        }
    }

    fn contains(self, x: f64) -> bool {
        match self {
            Self::Any | Self::UpTo(_) => true,
            Self::Finite => x.is_finite(),
            Self::NotNegative => x.is_finite() && x >= 0.0,
            Self::Positive => x.is_finite() && x > 0.0,
            Self::Share => (0.0..1.0).contains(&x),
            Self::Probability => (0.0..=1.0).contains(&x),
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Any | Self::UpTo(_) => "a number",
            Self::Finite => "a finite number",
            Self::NotNegative => "a number of 0 and above",
            Self::Positive => "a number above 0",
            Self::Share => "a number of 0 and above and below 1",
            Self::Probability => "a number from 0 to 1",
        }
    }
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    /// A real number.
    Number(f64),
    /// A whole number of 0 and above.
    Count(u64),
    /// True or false.
    Switch(bool),
    /// One of an enum's names.
    Choice {
        /// The name that was chosen, as plans write it.
        name: String,
        /// All names, in the order of the enum.
        known: &'static [&'static str],
    },
}

/// An enum without data, whose names serde knows.
pub trait Choice: Serialize + DeserializeOwned {}

impl<T: Serialize + DeserializeOwned> Choice for T {}

impl FieldValue {
    pub(super) fn choice<T: Choice>(value: T) -> Self {
        let name = match toml::Value::try_from(value) {
            Ok(toml::Value::String(name)) => name,
            other => unreachable!("a choice is a name, got {other:?}"),
        };
        Self::Choice { name, known: names_of::<T>() }
    }

    /// A value of this one's kind from text.
    ///
    /// # Errors
    /// Saying what the text must be.
    pub fn parse(&self, text: &str, range: Range) -> Result<Self, String> {
        let (value, expected) = match self {
            Self::Number(_) => (text.parse().ok().map(Self::Number), range.text().to_string()),
            Self::Count(_) => {
                (text.parse().ok().map(Self::Count), "a whole number of 0 and above".into())
            }
            Self::Switch(_) => (text.parse().ok().map(Self::Switch), "true or false".into()),
            Self::Choice { known, .. } => {
                // Names had hyphens before they were those of plans.
                let written = text.replace('-', "_");
                let name = known.iter().find(|name| **name == written);
                let value = name.map(|name| Self::Choice { name: name.to_string(), known });
                (value, format!("one of {}", known.join(", ")))
            }
        };
        let value = value.ok_or(expected)?;
        match range.expected_instead_of(&value) {
            None => Ok(value),
            Some(expected) => Err(expected),
        }
    }

    /// As TOML has it.
    pub fn to_toml(&self) -> toml::Value {
        match self {
            Self::Number(x) => toml::Value::Float(*x),
            Self::Count(n) => toml::Value::Integer(i64::try_from(*n).unwrap_or(i64::MAX)),
            Self::Switch(on) => toml::Value::Boolean(*on),
            Self::Choice { name, .. } => toml::Value::String(name.clone()),
        }
    }
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(x) => x.fmt(f),
            Self::Count(n) => n.fmt(f),
            Self::Switch(on) => on.fmt(f),
            Self::Choice { name, .. } => name.fmt(f),
        }
    }
}

/// The names of an enum's variants, which serde tells whoever reads one.
fn names_of<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // Nothing is read: the answer is in `names`.
    let _ = T::deserialize(Names(&mut names));
    names
}

struct Names<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("only names of enums are asked for"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = variants;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
