//! Arrays that a loss takes, and the check of what a user gave against it.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor, Var};
use ganbench_nn::kernels::Real;

use super::given::{Given, Numbers};
use super::{Entry, LossError};
use crate::losses::embedded::Embedded;
use crate::losses::projection::Projected;
use crate::losses::similarity::label_list;

/// What an array holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// float32 or float64, finite.
    Floats,
    /// Integers of any kind from 0 to one less than the rows of `class_vectors`.
    Labels,
}

/// An array that a loss takes.
#[derive(Clone, Copy, Debug)]
pub struct Array {
    /// Its name in a user's file.
    pub name: &'static str,
    /// A symbol an axis; equal symbols are equal sizes. A last `...` stands for any further axes.
    pub shape: &'static [&'static str],
    /// Which numbers it takes.
    pub contents: Contents,
    /// What it holds, in a few words for lists.
    pub summary: &'static str,
    /// None: always needed. Else it may be left out, and where it is given those must be too.
    pub optional_with: Option<&'static [&'static str]>,
}

impl Array {
    /// D's logit of each real, floats `[n]`.
    pub const LOGITS_REAL: Self = Self::floats("logits_real", &["n"], "of D at the reals");
    /// D's logit of each fake, floats `[m]`.
    pub const LOGITS_FAKE: Self = Self::floats("logits_fake", &["m"], "of D at the fakes");
    /// Features of the reals before any normalisation, floats `[n, d]`.
    pub const FEATURES_REAL: Self =
        Self::floats("features_real", &["n", "d"], "of the reals, of any length");
    /// Features of the fakes before any normalisation, floats `[m, d]`.
    pub const FEATURES_FAKE: Self =
        Self::floats("features_fake", &["m", "d"], "of the fakes, of any length");
    /// One vector per class, floats `[classes, d]`.
    pub const CLASS_VECTORS: Self =
        Self::floats("class_vectors", &["classes", "d"], "proxies, or a classifier's weight");
    /// The class of each real, integers `[n]` from 0 to `classes` − 1.
    pub const LABELS_REAL: Self = Self::labels("labels_real", &["n"], "classes of the reals");
    /// The class of each fake, integers `[m]` from 0 to `classes` − 1.
    pub const LABELS_FAKE: Self = Self::labels("labels_fake", &["m"], "classes of the fakes");
    /// Features of reals and fakes with their classes.
    pub const EMBEDDED: &'static [Self] = &[
        Self::FEATURES_REAL,
        Self::FEATURES_FAKE,
        Self::CLASS_VECTORS,
        Self::LABELS_REAL,
        Self::LABELS_FAKE,
    ];

    /// An array of finite floats that is always needed, unless [`Array::with`] says otherwise.
    pub const fn floats(
        name: &'static str,
        shape: &'static [&'static str],
        summary: &'static str,
    ) -> Self {
        Self { name, shape, contents: Contents::Floats, summary, optional_with: None }
    }

    /// An array of class labels that is always needed, unless [`Array::with`] says otherwise.
    pub const fn labels(
        name: &'static str,
        shape: &'static [&'static str],
        summary: &'static str,
    ) -> Self {
        Self { name, shape, contents: Contents::Labels, summary, optional_with: None }
    }

    /// The same, to be left out, or given together with others.
    pub const fn with(self, others: &'static [&'static str]) -> Self {
        Self { optional_with: Some(others), ..self }
    }

    /// Such as `[n, d]`.
    pub fn shape_text(&self) -> String {
        format!("[{}]", self.shape.join(", "))
    }

    /// What [`Contents`] it takes, in words.
    pub fn dtype_text(&self) -> &'static str {
        match self.contents {
            Contents::Floats => "float32 or float64",
            Contents::Labels => "integers",
        }
    }
}

/// What reals and fakes have each.
pub struct Pair<T> {
    /// Of the reals.
    pub real: T,
    /// Of the fakes.
    pub fake: T,
}

/// The arrays of a loss, checked: variables, and labels (u32).
pub struct Arrays(BTreeMap<&'static str, Tensor>);

impl Arrays {
    /// # Errors
    /// As [`Entry::evaluate`].
    pub(crate) fn checked(
        entry: &Entry,
        given: &BTreeMap<String, Given>,
    ) -> std::result::Result<Self, LossError> {
        let loss = entry.name;
        if let Some(array) = given.keys().find(|name| entry.arrays.iter().all(|a| a.name != **name))
        {
            let known: Vec<_> = entry.arrays.iter().map(|a| a.name).collect();
            let (array, known) = (array.clone(), known.join(", "));
            return Err(LossError::UnknownArray { loss, array, known });
        }
        let mut sizes = Sizes::default();
        let mut first: Option<(&'static str, DType)> = None;
        let mut arrays = BTreeMap::new();
        for array in entry.arrays {
            let name = array.name;
            let Some(found) = given.get(name) else {
                if array.optional_with.is_some() {
                    continue;
                }
                let found = match given.is_empty() {
                    true => "nothing".into(),
                    false => given.keys().cloned().collect::<Vec<_>>().join(", "),
                };
                let shape = array.shape_text();
                return Err(LossError::Missing { loss, array: name, shape, found });
            };
            let others = array.optional_with.unwrap_or_default();
            if let Some(missing) = others.iter().find(|other| !given.contains_key(**other)) {
                return Err(LossError::Without { loss, array: name, missing });
            }
            sizes.fit(array, &found.shape)?;
            match (array.contents, &found.numbers) {
                (Contents::Floats, Numbers::F32(x)) => finite(name, x, &found.shape)?,
                (Contents::Floats, Numbers::F64(x)) => finite(name, x, &found.shape)?,
                (Contents::Labels, Numbers::Integers(x)) => {
                    let labels = labels(name, x, &sizes)?;
                    let labels = Tensor::from_vec(labels, x.len(), &Device::Cpu)?;
                    arrays.insert(name, labels);
                    continue;
                }
                (_, other) => {
                    let (array, got, expected) =
                        (name.into(), other.text().into(), array.dtype_text());
                    return Err(LossError::Element { array, got, expected });
                }
            }
            let x = found.tensor()?;
            let (of, other) = *first.get_or_insert((name, x.dtype()));
            if other != x.dtype() {
                let text = |d: DType| if d == DType::F32 { "float32" } else { "float64" }.into();
                let (got, other) = (text(x.dtype()), text(other));
                return Err(LossError::Precision { array: name, got, first: of, other });
            }
            arrays.insert(name, Var::from_tensor(&x)?.into_inner());
        }
        Ok(Self(arrays))
    }

    pub(in crate::losses) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// # Errors
    /// If the array was left out.
    pub(crate) fn tensor(&self, name: &str) -> Result<Tensor> {
        match self.0.get(name) {
            Some(x) => Ok(x.clone()),
            None => candle_core::bail!("array {name} was not given"),
        }
    }

    /// The arrays of floats.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&'static str, &Tensor)> {
        self.0.iter().filter(|(_, x)| x.is_variable()).map(|(name, x)| (*name, x))
    }

    /// Another tensor in an array's place.
    #[cfg(test)]
    pub(crate) fn replace(&mut self, name: &'static str, x: Tensor) {
        self.0.insert(name, x);
    }

    /// The class vector of each label, `[n, d]`.
    fn class_vectors(&self, labels: &Tensor) -> Result<Tensor> {
        self.tensor("class_vectors")?.index_select(labels, 0)
    }

    /// Of the arrays of [`Array::EMBEDDED`].
    pub(in crate::losses) fn embedded(&self) -> Result<Pair<Embedded>> {
        let of = |samples: &str, labels: &str| {
            let (samples, labels) = (self.tensor(samples)?, self.tensor(labels)?);
            let proxies = self.class_vectors(&labels)?;
            Ok::<_, candle_core::Error>(Embedded { samples, proxies, labels: label_list(&labels)? })
        };
        let real = of("features_real", "labels_real")?;
        Ok(Pair { real, fake: of("features_fake", "labels_fake")? })
    }

    /// Of the same arrays.
    pub(in crate::losses) fn projected(&self) -> Result<Pair<Projected>> {
        let of = |features: &str, labels: &str| {
            let class_vectors = self.class_vectors(&self.tensor(labels)?)?;
            Ok::<_, candle_core::Error>(Projected {
                features: self.tensor(features)?,
                class_vectors,
            })
        };
        let real = of("features_real", "labels_real")?;
        Ok(Pair { real, fake: of("features_fake", "labels_fake")? })
    }
}

/// Sizes of the symbols met so far, and in which array; `...` has one a further axis.
#[derive(Default)]
struct Sizes(BTreeMap<&'static str, (Vec<usize>, &'static str)>);

impl Sizes {
    fn fit(&mut self, array: &Array, got: &[usize]) -> std::result::Result<(), LossError> {
        let (name, open) = (array.name, array.shape.last() == Some(&"..."));
        let axes = array.shape.len() - usize::from(open);
        if got.len() < axes || (got.len() > axes && !open) {
            let expected = array.shape_text();
            return Err(LossError::Shape { array: name, got: got.to_vec(), expected });
        }
        if got.contains(&0) {
            return Err(LossError::Empty { array: name, got: got.to_vec() });
        }
        for (i, &symbol) in array.shape.iter().enumerate() {
            let size = if symbol == "..." { got[axes..].to_vec() } else { vec![got[i]] };
            let (known, first) = self.0.entry(symbol).or_insert_with(|| (size.clone(), name));
            if *known != size {
                let size = match known.as_slice() {
                    [size] if symbol != "..." => size.to_string(),
                    sizes => format!("{sizes:?}"),
                };
                let (first, got) = (*first, got.to_vec());
                return Err(LossError::Size { array: name, got, symbol, size, first });
            }
        }
        Ok(())
    }
}

fn finite<T: Real>(
    array: &'static str,
    x: &[T],
    shape: &[usize],
) -> std::result::Result<(), LossError> {
    let Some(at) = x.iter().position(|v| !v.f64().is_finite()) else { return Ok(()) };
    let mut rest = at;
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&size| {
            let place = rest % size;
            rest /= size;
            place
        })
        .collect();
    index.reverse();
    Err(LossError::NonFinite { array, index, value: x[at].f64() })
}

fn labels(
    array: &'static str,
    x: &[i128],
    sizes: &Sizes,
) -> std::result::Result<Vec<u32>, LossError> {
    // Every loss with labels lists the class vectors before them.
    let classes = sizes.0.get("classes").map_or(0, |(size, _)| size[0]);
    let checked = x.iter().enumerate().map(|(row, &label)| {
        let known = usize::try_from(label).ok().filter(|&label| label < classes);
        let known = known.and_then(|label| u32::try_from(label).ok());
        known.ok_or(LossError::Label { array, row, label, last: classes.saturating_sub(1) })
    });
    checked.collect()
}
