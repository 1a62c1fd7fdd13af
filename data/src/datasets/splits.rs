//! Which folders are splits of a data set, by their names in any case.

use std::path::Path;

use crate::DataError;

/// Names of the train split.
const TRAIN: [&str; 2] = ["train", "training"];
/// Names of what is never trained on. Where a data set has several of these, the test split of
/// ganbench is of the first line that is there; the others are read by nothing.
const TESTS: [&[&str]; 3] =
    [&["test", "testing"], &["eval", "evaluation"], &["val", "valid", "validation", "dev"]];

/// The folders of a data set that is divided.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Splits {
    pub train: Option<String>,
    /// The one to take as the test split first.
    pub tests: Vec<String>,
}

impl Splits {
    /// For messages.
    pub(crate) fn found(&self) -> String {
        let names = self.train.iter().chain(&self.tests);
        names.map(|name| format!("{name}/")).collect::<Vec<_>>().join(", ")
    }
}

/// Whether a folder of this name is a split, and no class.
pub(crate) fn is_split(name: &str) -> bool {
    known().any(|known| name.eq_ignore_ascii_case(known))
}

/// The splits among the folders that lie in `path`; none where no name is that of a split.
///
/// # Errors
/// If other folders lie beside splits, which could be either, or two folders are the same split.
pub(crate) fn splits(path: &Path, folders: &[String]) -> Result<Option<Splits>, DataError> {
    let (of_split, others): (Vec<_>, Vec<_>) = folders.iter().partition(|name| is_split(name));
    let Some(&split) = of_split.first() else { return Ok(None) };
    if let Some(&other) = others.first() {
        return Err(DataError::SplitBesideOther {
            folder: path.to_owned(),
            split: split.clone(),
            other: other.clone(),
            known: known().collect::<Vec<_>>().join(", "),
        });
    }
    let one_of = |names: &[&str]| {
        let is = |folder: &&&String| names.iter().any(|name| folder.eq_ignore_ascii_case(name));
        let mut found = of_split.iter().filter(is);
        match (found.next(), found.next()) {
            (Some(first), Some(second)) => Err(DataError::SplitTwice {
                folder: path.to_owned(),
                first: (*first).clone(),
                second: (*second).clone(),
            }),
            (first, _) => Ok(first.map(|name| (*name).clone())),
        }
    };
    let mut tests = Vec::new();
    for names in TESTS {
        tests.extend(one_of(names)?);
    }
    Ok(Some(Splits { train: one_of(&TRAIN)?, tests }))
}

/// Whether a folder holds one that is called as the train split.
pub(crate) fn holds_train(folder: &Path) -> bool {
    let Ok(items) = std::fs::read_dir(folder) else { return false };
    let is_train = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        TRAIN.iter().any(|known| name.eq_ignore_ascii_case(known)) && path.is_dir()
    };
    items.filter_map(Result::ok).any(|item| is_train(&item.path()))
}

fn known() -> impl Iterator<Item = &'static str> {
    TRAIN.into_iter().chain(TESTS.into_iter().flatten().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found_in(folders: &[&str]) -> Result<Option<Splits>, String> {
        let folders: Vec<String> = folders.iter().map(|&name| name.into()).collect();
        splits(Path::new("DIR"), &folders).map_err(|error| error.to_string())
    }

    #[test]
    fn every_known_name_in_any_case_is_a_split_beside_train() {
        for test in
            ["val", "valid", "validation", "test", "testing", "eval", "evaluation", "dev", "VALID"]
        {
            for train in ["train", "Train", "training"] {
                let found = found_in(&[train, test]).unwrap().unwrap();
                assert_eq!(found, Splits { train: Some(train.into()), tests: vec![test.into()] });
                assert_eq!(found.found(), format!("{train}/, {test}/"));
            }
        }
        assert_eq!(found_in(&["cat", "trains"]), Ok(None));
    }

    #[test]
    fn test_comes_before_eval_before_validation() {
        let found = found_in(&["dev", "evaluation", "Test", "train"]).unwrap().unwrap();
        assert_eq!(found.tests, ["Test", "evaluation", "dev"]);
    }

    #[test]
    fn what_could_be_either_is_refused_with_the_known_names() {
        assert_eq!(
            found_in(&["foo", "train"]).unwrap_err(),
            "DIR holds train/, which is called as a split, beside foo/, which is not, so that it is open what to \
             train on; splits are called train, training, test, testing, eval, evaluation, val, valid, \
             validation, dev; move foo/ elsewhere, or rename train/ if it is a class"
        );
        assert_eq!(
            found_in(&["train", "val", "valid"]).unwrap_err(),
            "DIR holds both val/ and valid/, which are names of the same split; keep one of the two"
        );
        assert!(found_in(&["Train", "train"]).unwrap_err().contains("both Train/ and train/"));
    }
}
