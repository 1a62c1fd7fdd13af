//! `dataset.json`: the labels of a folder as StyleGAN's `dataset_tool.py` writes them.
//!
//! The images lie in folders of numbered chunks (`00000/img00000000.png`), which are no classes.
//! The file holds `{"labels": [["00000/img00000000.png", 6], …]}`, or null instead of the list. A
//! label is a class or a one-hot vector.

use std::collections::HashMap;
use std::path::Path;

use ganbench_files as files;
use serde_json::Value;

use crate::DataError;

/// Its name in the folder.
pub(crate) const DATASET_JSON: &str = "dataset.json";
/// Classes that a set can have, against labels that lie.
const MOST_CLASSES: u64 = 1 << 20;

/// What the file says.
pub(crate) struct DatasetJson {
    /// By the path of an image below the folder, its parts joined by `/`. None where the set has no
    /// labels.
    pub labels: Option<HashMap<String, u32>>,
}

impl DatasetJson {
    /// The file of a folder; none where there is no such file, or it is of another tool: its
    /// `labels` are neither a list nor null.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>, DataError> {
        let path = folder.join(DATASET_JSON);
        if !path.is_file() {
            return Ok(None);
        }
        let text = files::read(&path).map_err(DataError::io("read", &path))?;
        let wrong = |reason: String| DataError::DatasetJson { path: path.clone(), reason };
        let mut whole: Value =
            serde_json::from_slice(&text).map_err(|e| wrong(format!("is no JSON ({e})")))?;
        let entries = match whole.get_mut("labels").map(Value::take) {
            Some(Value::Null) => return Ok(Some(Self { labels: None })),
            Some(Value::Array(entries)) => entries,
            _ => return Ok(None),
        };
        let mut labels = HashMap::with_capacity(entries.len());
        for (i, entry) in entries.iter().enumerate() {
            let pair = entry.as_array().map(Vec::as_slice);
            let Some([Value::String(file), label]) = pair else {
                return Err(wrong(format!(
                    "has the entry {i} of labels {entry}, expected [FILE, LABEL]"
                )));
            };
            let class = class(label).ok_or_else(|| {
                wrong(format!(
                    "gives {file} the label {label}, expected a class below {MOST_CLASSES} or a one-hot vector"
                ))
            })?;
            labels.insert(file.replace('\\', "/"), class);
        }
        Ok(Some(Self { labels: Some(labels) }))
    }

    /// The labels of these images; none where the set has none.
    pub(crate) fn labels_of(
        &self,
        folder: &Path,
        images: &[String],
    ) -> Result<Option<Vec<u32>>, DataError> {
        let Some(labels) = &self.labels else { return Ok(None) };
        let label = |image: &String| {
            labels.get(image).copied().ok_or_else(|| DataError::DatasetJson {
                path: folder.join(DATASET_JSON),
                reason: format!("has no label of {image}; label every image, or make labels null"),
            })
        };
        images.iter().map(label).collect::<Result<_, _>>().map(Some)
    }
}

/// A class, or the place of the one in a vector of zeros.
fn class(label: &Value) -> Option<u32> {
    let class = match label {
        Value::Array(vector) => {
            let mut ones = vector.iter().enumerate().filter(|(_, v)| v.as_f64() == Some(1.0));
            let zeros = vector.iter().filter(|v| v.as_f64() == Some(0.0)).count();
            let (place, _) = ones.next().filter(|_| zeros + 1 == vector.len())?;
            place as u64
        }
        number => number.as_u64()?,
    };
    u32::try_from(class).ok().filter(|_| class < MOST_CLASSES)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(text: &str) -> Result<Option<DatasetJson>, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(DATASET_JSON), text).unwrap();
        DatasetJson::read(folder.path())
            .map_err(|e| e.to_string().replace(&folder.path().display().to_string(), "DIR"))
    }

    #[test]
    fn labels_are_classes_or_one_hot_vectors() {
        let text = r#"{"labels": [["0/a.png", 6], ["0\\b.png", [0, 0.0, 1]], ["c.png", [1.0]]]}"#;
        let labels = read(text).unwrap().unwrap().labels.unwrap();
        assert_eq!(labels.len(), 3);
        assert_eq!([labels["0/a.png"], labels["0/b.png"], labels["c.png"]], [6, 2, 0]);
        assert!(read(r#"{"labels": null}"#).unwrap().unwrap().labels.is_none());
    }

    #[test]
    fn files_of_other_tools_say_nothing() {
        for text in [r#"{"labels": {"0": "background"}}"#, r#"{"name": "x"}"#, "[1]", "7"] {
            assert!(read(text).unwrap().is_none(), "{text}");
        }
        assert!(DatasetJson::read(tempfile::tempdir().unwrap().path()).unwrap().is_none());
    }

    #[test]
    fn what_is_no_label_is_named() {
        let says = |text: &str| read(text).err().unwrap();
        assert!(says("{").starts_with("DIR/dataset.json is no JSON ("), "{}", says("{"));
        assert_eq!(
            says(r#"{"labels": [["a.png", 1], ["b.png"]]}"#),
            "DIR/dataset.json has the entry 1 of labels [\"b.png\"], expected [FILE, LABEL]"
        );
        for label in ["-1", "1.5", "1048576", "[0,0]", "[1,1]", "[0.5,1]", "[]", "\"cat\""] {
            assert_eq!(
                says(&format!("{{\"labels\": [[\"a.png\", {label}]]}}")),
                format!(
                    "DIR/dataset.json gives a.png the label {label}, expected a class below 1048576 or a \
                     one-hot vector"
                )
            );
        }
        let json = read(r#"{"labels": [["a.png", 1]]}"#).unwrap().unwrap();
        assert_eq!(
            json.labels_of(Path::new("DIR"), &["b.png".into()]).unwrap_err().to_string(),
            "DIR/dataset.json has no label of b.png; label every image, or make labels null"
        );
    }
}
