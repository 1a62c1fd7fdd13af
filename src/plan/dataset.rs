//! The real images of a run, in its plan.

use ganbench_data::{Fit, Split, folder_name, is_known, plain_name};
use serde::{Deserialize, Serialize};

use super::PlanError;
use super::selection::SelectionPlan;

/// The real images of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetPlan {
    /// As `--dataset` takes it.
    pub name: String,
    /// Split of the training images.
    pub split: Split,
    /// Seed of drawn sets (`shapes`).
    pub shapes_seed: u64,
    /// What rows and tables call a folder, where that is not the folder's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called: Option<String>,
    /// So many images only; 0 for all.
    pub limit: usize,
    /// Seed by which the images that `limit` leaves are drawn, stratified by class; left out: the
    /// first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draw_seed: Option<u64>,
    /// Image channels, and below their side and the number of classes; 0 is filled in from the
    /// data.
    #[serde(default)]
    pub channels: usize,
    /// Side of the square images in pixels.
    #[serde(default)]
    pub image_size: usize,
    /// How a folder's images of other sizes become such of `image_size`; filled in from the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
    /// Number of classes; 0 of images without labels.
    #[serde(default)]
    pub classes: usize,
    /// Whether damaged images of a folder are left out.
    #[serde(default, skip_serializing_if = "is_false")]
    pub skip_damaged: bool,
    /// How many were; filled in from the data.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub damaged: usize,
    /// Of the encoded content; an empty one is filled in, another one must agree.
    #[serde(default)]
    pub sha256: String,
    /// Which images are trained on; left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<SelectionPlan>,
}

impl DatasetPlan {
    /// All of a split, as it is.
    pub fn new(name: &str, split: Split) -> Self {
        Self {
            name: name.to_string(),
            split,
            shapes_seed: 0,
            called: None,
            limit: 0,
            draw_seed: None,
            channels: 0,
            image_size: 0,
            fit: None,
            classes: 0,
            skip_damaged: false,
            damaged: 0,
            sha256: String::new(),
            selection: None,
        }
    }

    /// What rows, tables and file names call the data set: of a folder `called`, or else the
    /// folder's name.
    pub fn label(&self) -> String {
        match (&self.called, self.name.strip_prefix(FOLDER)) {
            (Some(called), _) => called.clone(),
            (None, Some(path)) => folder_name(path.as_ref()),
            (None, None) => self.name.clone(),
        }
    }

    /// The name without the path of a folder, so that a run stays the same run where its data are
    /// moved.
    pub fn without_path(&self) -> String {
        self.name.split(':').next().unwrap_or(&self.name).to_string()
    }

    pub(super) fn check_called(&self) -> Result<(), PlanError> {
        let Some(called) = &self.called else { return Ok(()) };
        let expected = match plain_name(called) {
            _ if !self.name.starts_with(FOLDER) => {
                "left out, since only a folder:PATH takes another name".into()
            }
            _ if is_known(called) => "a name that no known data set has".into(),
            plain if plain.is_empty() => "letters or digits".into(),
            plain if plain != *called => {
                format!("a name that can be a file's, such as \"{plain}\"")
            }
            _ => return Ok(()),
        };
        Err(PlanError::Value { field: "dataset.called", got: format!("\"{called}\""), expected })
    }
}

// References, since serde passes the field so.
fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &usize) -> bool {
    *value == 0
}

/// What the names of folder data sets begin with.
const FOLDER: &str = "folder:";
