//! Which class of the fakes is which class of the reals.
//!
//! The position of a class folder says nothing of its content: two sides that number their classes
//! otherwise are paired by the names.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::MetricError;

/// The class of each image of one side.
#[derive(Clone, Copy, Debug)]
pub struct ClassLabels<'a> {
    /// `[n]`, a number for each image.
    pub labels: &'a [u32],
    /// The name of each number, where classes have names.
    pub names: Option<&'a [String]>,
}

/// Labels of both sides in one numbering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairedLabels {
    /// `[n_real]`, the number of each real image.
    pub real: Vec<u32>,
    /// `[n_fake]`, the number of each fake; equal numbers on both sides mean the same class.
    pub fake: Vec<u32>,
    /// Of the classes that have one.
    pub names: BTreeMap<u32, String>,
}

/// The labels of one side, and the names of the classes that occur.
struct Numbered {
    labels: Vec<u32>,
    names: Option<BTreeMap<u32, String>>,
}

impl Numbered {
    /// Names that are numbers, as `ganbench sample` calls folders, number their classes.
    fn new(side: ClassLabels<'_>) -> Self {
        let ClassLabels { labels, names } = side;
        let present: BTreeSet<u32> = labels.iter().copied().collect();
        let of_class = |&class: &u32| Some((class, names?.get(class as usize)?.clone()));
        // Without a name for each class that occurs, the names are of other labels.
        let Some(names) = present.iter().map(of_class).collect::<Option<BTreeMap<_, _>>>() else {
            return Self { labels: labels.to_vec(), names: None };
        };
        let number = |(&class, name): (&u32, &String)| Some((class, name.parse::<u32>().ok()?));
        let numbers = names.iter().map(number).collect::<Option<BTreeMap<u32, u32>>>();
        let distinct =
            |n: &BTreeMap<u32, u32>| n.values().collect::<BTreeSet<_>>().len() == n.len();
        match numbers.filter(distinct) {
            Some(numbers) => {
                let labels = labels.iter().map(|label| numbers[label]).collect();
                Self { labels, names: None }
            }
            None => Self { labels: labels.to_vec(), names: Some(names) },
        }
    }

    /// Each class that occurs, by its name or else its number.
    fn keys(&self, by_name: bool) -> BTreeSet<String> {
        let named = self.names.as_ref().filter(|_| by_name);
        match named {
            Some(names) => names.values().cloned().collect(),
            None => self.labels.iter().map(ToString::to_string).collect(),
        }
    }
}

/// Pairs classes by name where both sides have names, else by number. The numbers of the result are
/// those of the real side.
///
/// # Errors
/// If a class occurs on one side only: names those classes.
pub fn pair_classes(
    real: ClassLabels<'_>,
    fake: ClassLabels<'_>,
) -> Result<PairedLabels, MetricError> {
    let (real, fake) = (Numbered::new(real), Numbered::new(fake));
    let by_name = real.names.is_some() && fake.names.is_some();
    let (of_real, of_fake) = (real.keys(by_name), fake.keys(by_name));
    if of_real != of_fake {
        return Err(MetricError::UnlikeClasses {
            by: if by_name { "name" } else { "number" },
            only_real: listed(of_real.difference(&of_fake)),
            only_fake: listed(of_fake.difference(&of_real)),
        });
    }
    let labels = match (&real.names, &fake.names) {
        (Some(of_real), Some(of_fake)) => {
            let number: BTreeMap<&str, u32> =
                of_real.iter().map(|(&class, name)| (name.as_str(), class)).collect();
            fake.labels.iter().map(|label| number[of_fake[label].as_str()]).collect()
        }
        _ => fake.labels,
    };
    let names = real.names.or(fake.names).unwrap_or_default();
    Ok(PairedLabels { real: real.labels, fake: labels, names })
}

/// Classes that are named in an error.
const MOST_LISTED: usize = 10;

fn listed<'a>(classes: impl Iterator<Item = &'a String>) -> String {
    let classes: Vec<&str> = classes.map(String::as_str).collect();
    match classes.len() {
        0 => "none".into(),
        n if n > MOST_LISTED => {
            let (first, more) = (classes[..MOST_LISTED].join(", "), n - MOST_LISTED);
            format!("{first} and {more} more")
        }
        _ => classes.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn pair(
        (real, real_names): (&[u32], Option<&[&str]>),
        (fake, fake_names): (&[u32], Option<&[&str]>),
    ) -> Result<PairedLabels, String> {
        let (real_names, fake_names) = (real_names.map(names), fake_names.map(names));
        let real = ClassLabels { labels: real, names: real_names.as_deref() };
        let fake = ClassLabels { labels: fake, names: fake_names.as_deref() };
        pair_classes(real, fake).map_err(|error| error.to_string())
    }

    #[test]
    fn classes_pair_by_name_whatever_their_position() {
        let real = (&[0, 1, 2, 2][..], Some(&["cat", "dog", "fox"][..]));
        // Another folder in front moves all positions.
        let fake = (&[1, 3, 2, 1][..], Some(&["ant", "fox", "dog", "cat"][..]));
        let got = pair(real, fake).unwrap();
        assert_eq!((got.real, got.fake), (vec![0, 1, 2, 2], vec![2, 0, 1, 2]));
        assert_eq!(got.names[&2], "fox");
    }

    #[test]
    fn classes_without_names_pair_by_number_and_numerals_are_numbers() {
        let got = pair((&[0, 5], None), (&[5, 0], None)).unwrap();
        assert_eq!((got.real, got.fake, got.names.len()), (vec![0, 5], vec![5, 0], 0));
        // Folders 0, 1, 10 and 2 in the order of their names.
        let numerals = (&[0, 1, 2, 3][..], Some(&["0", "1", "10", "2"][..]));
        let got = pair(numerals, (&[10, 2, 1, 0], None)).unwrap();
        assert_eq!((got.real, got.fake), (vec![0, 1, 10, 2], vec![10, 2, 1, 0]));
        let padded = (&[0, 1][..], Some(&["000", "001"][..]));
        let got = pair((&[1, 0], Some(&["cat", "dog"])), padded).unwrap();
        assert_eq!((got.fake, got.names[&1].as_str()), (vec![0, 1], "dog"));
    }

    #[test]
    fn unlike_sets_of_classes_are_refused_by_name() {
        let real = (&[0, 1, 1][..], Some(&["cat", "dog"][..]));
        assert_eq!(
            pair(real, (&[0, 1], Some(&["Cat", "dog"]))).unwrap_err(),
            "classes are paired by name, but are unlike: only the real images have cat, only the fake images \
             have Cat; give both sides the same classes"
        );
        assert_eq!(
            pair(real, (&[1, 1], None)).unwrap_err(),
            "classes are paired by number, but are unlike: only the real images have 0, only the fake images \
             have none; give both sides the same classes"
        );
        let many: Vec<u32> = (0..14).collect();
        let error = pair((&many, None), (&[0, 1], None)).unwrap_err();
        assert!(error.contains("have 10, 11, 12, 13, 2, 3, 4, 5, 6, 7 and 2 more, "), "{error}");
    }
}
