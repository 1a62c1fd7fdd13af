//! Settings of a loss: what there is, and what a user gave.

use std::collections::BTreeMap;

use super::{Entry, LossError};
use crate::losses::embedded::Normalise;

/// What a number may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    Finite,
    Positive,
    /// In [0, 1).
    Share,
    /// 0, 1, 2, …
    Count,
}

impl Range {
    fn contains(self, x: f64) -> bool {
        x.is_finite()
            && match self {
                Self::Finite => true,
                Self::Positive => x > 0.0,
                Self::Share => (0.0..1.0).contains(&x),
                Self::Count => x >= 0.0 && x.fract() == 0.0,
            }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Finite => "a finite number",
            Self::Positive => "a number above 0",
            Self::Share => "a number of 0 and above and below 1",
            Self::Count => "a whole number of 0 and above",
        }
    }
}

/// What a setting holds, with its default.
#[derive(Clone, Copy, Debug)]
pub enum SettingKind {
    Number { default: f64, range: Range },
    Switch { default: bool },
    Choice { names: &'static [&'static str], default: &'static str },
}

/// One setting of a loss.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub name: &'static str,
    pub kind: SettingKind,
    pub summary: &'static str,
}

/// The value of a setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    Number(f64),
    Switch(bool),
    Choice(&'static str),
}

impl Setting {
    pub const NORMALISE_FEATURES: Self =
        Self::switch("normalise_features", true, "features are divided by their length first");
    pub const NORMALISE_PROXIES: Self =
        Self::switch("normalise_proxies", true, "class vectors are divided by theirs");

    const fn of(name: &'static str, kind: SettingKind, summary: &'static str) -> Self {
        Self { name, kind, summary }
    }

    pub const fn number(name: &'static str, default: f64, summary: &'static str) -> Self {
        Self::of(name, SettingKind::Number { default, range: Range::Finite }, summary)
    }

    pub const fn positive(name: &'static str, default: f64, summary: &'static str) -> Self {
        Self::of(name, SettingKind::Number { default, range: Range::Positive }, summary)
    }

    pub const fn share(name: &'static str, default: f64, summary: &'static str) -> Self {
        Self::of(name, SettingKind::Number { default, range: Range::Share }, summary)
    }

    pub const fn count(name: &'static str, default: u32, summary: &'static str) -> Self {
        let default = default as f64;
        Self::of(name, SettingKind::Number { default, range: Range::Count }, summary)
    }

    pub const fn switch(name: &'static str, default: bool, summary: &'static str) -> Self {
        Self::of(name, SettingKind::Switch { default }, summary)
    }

    pub const fn choice(
        name: &'static str,
        names: &'static [&'static str],
        default: &'static str,
        summary: &'static str,
    ) -> Self {
        Self::of(name, SettingKind::Choice { names, default }, summary)
    }

    pub fn default(&self) -> Value {
        match self.kind {
            SettingKind::Number { default, .. } => Value::Number(default),
            SettingKind::Switch { default } => Value::Switch(default),
            SettingKind::Choice { default, .. } => Value::Choice(default),
        }
    }

    fn parse(&self, text: &str) -> Result<Value, LossError> {
        let (value, expected) = match self.kind {
            SettingKind::Number { range, .. } => {
                let number = text.parse().ok().filter(|&x| range.contains(x));
                (number.map(Value::Number), range.text().to_string())
            }
            SettingKind::Switch { .. } => {
                (text.parse().ok().map(Value::Switch), "true or false".to_string())
            }
            SettingKind::Choice { names, .. } => {
                let known = names.iter().find(|name| **name == text);
                (known.copied().map(Value::Choice), format!("one of {}", names.join(", ")))
            }
        };
        let (name, got) = (self.name, text.to_string());
        value.ok_or(LossError::Setting { name, expected, got })
    }
}

/// The value of every setting of a loss.
#[derive(Clone, Debug)]
pub struct Settings(BTreeMap<&'static str, Value>);

impl Settings {
    /// Defaults, but for those given by name and text. What comes later counts.
    ///
    /// # Errors
    /// If a setting is not known, or its text no value of it.
    pub fn of<'a>(
        entry: &Entry,
        given: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, LossError> {
        let mut values: BTreeMap<_, _> =
            entry.settings.iter().map(|s| (s.name, s.default())).collect();
        for (name, text) in given {
            let Some(setting) = entry.settings.iter().find(|s| s.name == name) else {
                let names: Vec<_> = entry.settings.iter().map(|s| s.name).collect();
                let known = if names.is_empty() { "none".into() } else { names.join(", ") };
                let (loss, name) = (entry.name, name.to_string());
                return Err(LossError::UnknownSetting { loss, name, known });
            };
            values.insert(setting.name, setting.parse(text)?);
        }
        Ok(Self(values))
    }

    /// By name.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, Value)> {
        self.0.iter().map(|(name, value)| (*name, *value))
    }

    // An entry that asks for what it does not list is a bug of ours, which every test of it shows.

    pub(in crate::losses) fn number(&self, name: &str) -> f64 {
        match self.0.get(name) {
            Some(Value::Number(x)) => *x,
            other => unreachable!("setting {name} is {other:?}"),
        }
    }

    pub(in crate::losses) fn switch(&self, name: &str) -> bool {
        match self.0.get(name) {
            Some(Value::Switch(on)) => *on,
            other => unreachable!("setting {name} is {other:?}"),
        }
    }

    pub(in crate::losses) fn choice(&self, name: &str) -> &'static str {
        match self.0.get(name) {
            Some(Value::Choice(choice)) => choice,
            other => unreachable!("setting {name} is {other:?}"),
        }
    }

    pub(in crate::losses) fn normalise(&self) -> Normalise {
        Normalise {
            features: self.switch("normalise_features"),
            proxies: self.switch("normalise_proxies"),
        }
    }
}
