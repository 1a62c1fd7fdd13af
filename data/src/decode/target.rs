//! What the images of a data set must be, and what they become.

use crate::catalogue::{Fit, HubEntry};
use crate::images::ImageSize;
use crate::{DataError, DatasetRequest};

/// What the encoded images must be, and what becomes of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Target {
    /// Height and width of every encoded image.
    pub height: usize,
    pub width: usize,
    /// Who says so, for the error.
    pub why: &'static str,
    /// Sides of the squares of pixels that are averaged to one before padding; 1 leaves them alone.
    pub shrink: usize,
    /// Images of any size are made to fit instead.
    pub fit: Option<Fit>,
    pub output: ImageSize,
}

impl Target {
    pub(crate) fn of_entry(entry: &HubEntry, request: &DatasetRequest) -> Result<Self, DataError> {
        let channels = match (request.channels.unwrap_or(3), entry.channels) {
            (3, _) => 3,
            (1, 1) => 1,
            (channels, of_set) => {
                let known = if of_set == 1 { "1, 3" } else { "3" };
                return Err(DataError::Channels { name: entry.name.clone(), channels, known });
            }
        };
        let changed_to = entry.pad_to.or(entry.shrink_to);
        let output = match (request.size.or(changed_to), changed_to) {
            (None, _) => (entry.height, entry.width),
            (Some(side), _) if entry.height == side && entry.width == side => (side, side),
            (Some(side), Some(changed_to)) if side == changed_to => (side, side),
            (Some(size), _) => {
                let mut known = format!("{} (as encoded)", entry.height);
                if let Some(side) = entry.pad_to {
                    known += &format!(", {side} (padded with zeros)");
                }
                if let Some(side) = entry.shrink_to {
                    known += &format!(", {side} (squares of pixels averaged)");
                }
                return Err(DataError::Size { name: entry.name.clone(), size, known });
            }
        };
        Ok(Self {
            height: entry.height,
            width: entry.width,
            why: "the size of the dataset's images",
            shrink: (entry.height / output.0).max(1),
            fit: None,
            output: ImageSize::new(output.0, output.1, channels),
        })
    }
}
