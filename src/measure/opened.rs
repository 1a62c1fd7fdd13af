//! One side of `eval` before anything is computed: images, a run, or a file of features or
//! statistics.

use std::cell::RefCell;
use std::path::Path;

use anyhow::Result;
use ganbench_data::sources::ImageSource;
use ganbench_metrics::Statistics;
use ganbench_metrics::files::{Contents, FileMeta, MU_SIGMA, StoredFeatures};

use super::cache::side;
use super::collect::Side;
use super::source::{Images, RunSource, is_run, open_images};

/// What a `SRC` is, before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder, a file or a data set of images.
    Images,
    /// The folder of a run, whose generator makes the images.
    Run,
    /// Features or statistics.
    Numbers,
    /// Images, and `mu` and `sigma` perhaps of more images: a reference batch of ADM's evaluator.
    ImagesAndStatistics,
}

impl Kind {
    /// Tells by the path and, of a file, by its content; what cannot be read counts as images.
    pub fn probe(text: &str) -> Self {
        if is_run(text) {
            return Self::Run;
        }
        let path = Path::new(text);
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if !["npz", "npy"].iter().any(|known| extension.eq_ignore_ascii_case(known)) {
            return Self::Images;
        }
        match Contents::probe(path) {
            Contents { images: true, statistics: true, .. } => Self::ImagesAndStatistics,
            Contents { features, statistics, images: false } if features || statistics => {
                Self::Numbers
            }
            _ => Self::Images,
        }
    }
}

/// A side that was opened.
pub enum Opened {
    /// Images, perhaps with statistics beside them.
    Images {
        /// The stream of images.
        source: RefCell<Box<dyn ImageSource>>,
        /// Of `mu` and `sigma` beside the images, where these count for FID.
        statistics: Option<Statistics>,
        /// Which of the two counts, where there are both.
        used: Option<&'static str>,
    },
    /// A run, whose generator makes the images.
    Run(Box<RunSource>),
    /// Features or statistics, which were read.
    Numbers(Box<NumbersFile>),
}

/// What a file of features or statistics held.
pub struct NumbersFile {
    /// The numbers, as a side of a comparison.
    pub side: Side,
    /// Where the numbers come from, where the file says.
    pub meta: Option<FileMeta>,
}

impl NumbersFile {
    /// # Errors
    /// If the file cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let started = std::time::Instant::now();
        if let Contents { features: true, statistics: true, .. } = Contents::probe(path) {
            log::info!(
                "note: {} holds features, mu and sigma; the features are used",
                path.display()
            );
        }
        let file = StoredFeatures::read(path)?;
        if let Some([mean, covariance]) = file.keys.filter(|keys| *keys != MU_SIGMA) {
            log::info!(
                "note: {mean} and {covariance} of {} are read as mean and covariance of features",
                path.display()
            );
        }
        let meta = file.meta.clone();
        let load_s = started.elapsed().as_secs_f64();
        Ok(Self { side: Side { load_s, ..side(file)? }, meta })
    }
}

impl Opened {
    /// Opens a `SRC`. `stored_statistics`: whether `mu` and `sigma` beside images count for FID.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn open(images: Images<'_>, stored_statistics: bool) -> Result<Self> {
        let text = images.request.text.as_str();
        let path = Path::new(text);
        match Kind::probe(text) {
            Kind::Run => Ok(Self::Run(Box::new(RunSource::open(images)?))),
            Kind::Numbers => Ok(Self::Numbers(Box::new(NumbersFile::read(path)?))),
            Kind::Images => {
                let source = RefCell::new(open_images(images)?);
                Ok(Self::Images { source, statistics: None, used: None })
            }
            Kind::ImagesAndStatistics => {
                let source = RefCell::new(open_images(images)?);
                let statistics = match stored_statistics {
                    true => Some(Contents::read_statistics(path)?),
                    false => None,
                };
                let used = match stored_statistics {
                    true => "mu and sigma for fid, the images for all else",
                    false => "the images, not mu and sigma",
                };
                log::info!("note: {text} holds images, mu and sigma; used are {used}");
                Ok(Self::Images { source, statistics, used: Some(used) })
            }
        }
    }

    /// Number of images; none where a file does not say.
    pub fn n_images(&self) -> Option<usize> {
        match self {
            Self::Images { source, .. } => Some(source.borrow().len()),
            Self::Run(run) => Some(run.len()),
            Self::Numbers(file) => file.side.n,
        }
    }

    /// Why images have no labels, as [`ImageSource::label_fault`] says.
    pub fn label_fault(&self) -> Option<String> {
        match self {
            Self::Images { source, .. } => source.borrow().label_fault().map(str::to_owned),
            Self::Run(_) | Self::Numbers(_) => None,
        }
    }

    /// Which part of an archive of images and statistics is used.
    pub fn used(&self) -> Option<&'static str> {
        match self {
            Self::Images { used, .. } => *used,
            Self::Run(_) | Self::Numbers(_) => None,
        }
    }
}
