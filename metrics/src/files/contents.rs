//! Which kinds of content a file has, told by names and shapes before any number is read.

use std::io::{Read as _, Seek as _};
use std::path::Path;

use ganbench_data::numpy::{Archive, Array, Header, Kind};
use ganbench_files as files;

use super::FileError;
use super::keys::{self, MU_SIGMA};
use super::read::statistics;
use crate::numerics::statistics::Statistics;

/// What a `.npz` or `.npy` file holds. Nothing of a file of another kind, or of one that is
/// damaged: whoever reads it says what is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Features, one row for each image.
    pub features: bool,
    /// A mean and a covariance.
    pub statistics: bool,
    /// Images in `arr_0`, or as the array itself.
    pub images: bool,
}

impl Contents {
    /// Of the file at `path`.
    pub fn probe(path: &Path) -> Self {
        Self::try_probe(path).unwrap_or_default()
    }

    fn try_probe(path: &Path) -> Option<Self> {
        let mut file = files::open(path).ok()?;
        let mut start = Vec::new();
        file.by_ref().take(6).read_to_end(&mut start).ok()?;
        file.rewind().ok()?;
        let origin = path.display().to_string();
        if start == b"\x93NUMPY" {
            let array = Array::npy(&origin, Box::new(file)).ok()?;
            return Some(Self::of_array(array.header()));
        }
        if !start.starts_with(b"PK") {
            return None;
        }
        let mut archive = Archive::open(&origin, Box::new(file)).ok()?;
        let [mu, sigma] = MU_SIGMA.map(|name| archive.contains(name));
        // Of several pairs the reader complains.
        let others = keys::find(&archive, &origin).map_or(true, |keys| keys.is_some());
        if archive.contains("pool") {
            return Some(Self { features: true, statistics: mu && sigma, images: false });
        }
        let of_array = match archive.contains("arr_0") {
            true => Self::of_array(archive.array("arr_0").ok()?.header()),
            false => Self::default(),
        };
        // Half of them, alone, is for the reader to complain of.
        let statistics = others || (mu || sigma) && !of_array.images;
        Some(Self { statistics, features: of_array.features && !statistics, ..of_array })
    }

    fn of_array(header: &Header) -> Self {
        let features = header.shape.len() == 2 && header.element.kind == Kind::Float;
        Self { features, statistics: false, images: header.shape.len() == 4 }
    }

    /// `mu` and `sigma` of an archive that holds other things too, such as ADM's reference batches.
    ///
    /// # Errors
    /// If there are none, or they are damaged.
    pub fn read_statistics(path: &Path) -> Result<Statistics, FileError> {
        let io = |source| FileError::Io { action: "open", path: path.into(), source };
        let file = files::open(path).map_err(io)?;
        statistics(&mut Archive::open(&path.display().to_string(), Box::new(file))?, MU_SIGMA)
    }
}
