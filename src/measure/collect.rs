//! From images to features, a batch at a time: the next images are decoded while the network works
//! on these.

use std::sync::mpsc::sync_channel;
use std::time::Instant;

use anyhow::{Context as _, Result};
use ganbench_data::sources::{Image, ImageSource};
use ganbench_metrics::statistics::Accumulator;
use ganbench_metrics::{Extractor, Features, Statistics};

use super::reading::{ImagesRead, Range};
use crate::progress::Progress;

/// Batches that are decoded ahead of the network.
const AHEAD: usize = 2;

/// What is kept of the features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All rows.
    Rows,
    /// Mean and covariance, which suffice for FID; the rows too while they are fewer than
    /// dimensions, since FID is then computed from them. Memory does not grow with the number of
    /// images.
    Statistics,
}

/// One side of a comparison. At least one of features and statistics is there.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// Features of each image; None where the file or [`Keep::Statistics`] has no rows.
    pub features: Option<Features>,
    /// Mean and covariance of the features; None where there are only rows.
    pub statistics: Option<Statistics>,
    /// Whether the statistics were read from a file. They may be of other images than the features,
    /// and count for FID.
    pub stored_statistics: bool,
    /// Class of each image, where the source has classes.
    pub labels: Option<Vec<u32>>,
    /// The name of each class, where classes have names.
    pub class_names: Option<Vec<String>>,
    /// Number of images; a file of statistics need not say.
    pub n: Option<usize>,
    /// Seconds that the network waited for images, and worked.
    pub load_s: f64,
    /// Seconds that the network worked.
    pub extract_s: f64,
    /// What reading the images came to; none where features came from elsewhere.
    pub images: Option<ImagesRead>,
}

/// What to do with the images of a source.
#[derive(Clone, Copy)]
pub struct Collect<'a> {
    /// The network that the images go through.
    pub extractor: &'a dyn Extractor,
    /// What is kept of the features.
    pub keep: Keep,
    /// Whether no progress is shown.
    pub quiet: bool,
}

/// The features of all images of a source.
///
/// # Errors
/// If an image cannot be read, or the extractor cannot take it.
pub fn collect(source: &mut dyn ImageSource, how: Collect<'_>) -> Result<Side> {
    let Collect { extractor, keep, quiet } = how;
    let n = source.len();
    let name = source.name().to_string();
    let class_names = source.class_names().map(<[String]>::to_vec);
    let mut bar = Progress::new(format!("{} of {name}", extractor.name()), n as f64, quiet);
    let mut gathered = Gathered::new(extractor, keep, source.has_labels());
    let (mut load_s, mut extract_s) = (0.0, 0.0);
    let batch = extractor.batch();
    let stream = &mut *source;
    std::thread::scope(|scope| -> Result<()> {
        let (sender, receiver) = sync_channel(AHEAD);
        scope.spawn(move || {
            loop {
                let images = stream.next(batch);
                let last = images.as_ref().map_or(true, Vec::is_empty);
                // Nobody listens where the extractor failed.
                if sender.send(images).is_err() || last {
                    return;
                }
            }
        });
        let mut started = Instant::now();
        while let Ok(images) = receiver.recv() {
            let images = images?;
            load_s += started.elapsed().as_secs_f64();
            if images.is_empty() {
                break;
            }
            started = Instant::now();
            gathered.add(extractor, &images).with_context(|| {
                format!("image {} of {name} or one of the {batch} behind it", gathered.n)
            })?;
            extract_s += started.elapsed().as_secs_f64();
            let rate = gathered.n as f64 / (load_s + extract_s).max(1e-9);
            bar.set(gathered.n as f64, &format!("{}/{n}, {rate:.1} img/s", gathered.n));
            started = Instant::now();
        }
        Ok(())
    })?;
    let n = gathered.n;
    let mut side = Side { load_s, extract_s, class_names, ..gathered.finish() };
    side.images = side.images.map(|images| ImagesRead { reading: source.reading(), ..images });
    let rate = n as f64 / (load_s + extract_s).max(1e-9);
    bar.finish(&format!("{n} images, {rate:.1} img/s"));
    Ok(side)
}

struct Gathered {
    features: Option<Features>,
    accumulator: Option<Accumulator>,
    labels: Option<Vec<u32>>,
    n: usize,
    range: Range,
}

impl Gathered {
    fn new(extractor: &dyn Extractor, keep: Keep, labels: bool) -> Self {
        let dim = extractor.feature_dim();
        let classes = if keep == Keep::Rows { extractor.classes() } else { 0 };
        Self {
            features: Some(Features::empty(dim, classes)),
            accumulator: (keep == Keep::Statistics).then(|| Accumulator::new(dim)),
            labels: labels.then(Vec::new),
            n: 0,
            range: Range::default(),
        }
    }

    fn add(&mut self, extractor: &dyn Extractor, images: &[Image]) -> Result<()> {
        let views: Vec<_> = images.iter().map(Image::view).collect();
        let features = extractor.extract_batch(&views)?;
        if let Some(accumulator) = &mut self.accumulator {
            accumulator.push(features.pool_rows())?;
            if self.n + images.len() >= features.dim() {
                self.features = None;
            }
        }
        let features =
            if self.accumulator.is_some() { features.without_logits() } else { features };
        if let Some(all) = &mut self.features {
            all.append(features)?;
        }
        let labels: Option<Vec<u32>> = images.iter().map(|image| image.label).collect();
        self.labels = self.labels.take().zip(labels).map(|(mut all, labels)| {
            all.extend(labels);
            all
        });
        self.n += images.len();
        images.iter().for_each(|image| self.range.add(image));
        Ok(())
    }

    fn finish(self) -> Side {
        Side {
            features: self.features,
            statistics: self.accumulator.map(Accumulator::finish),
            labels: self.labels,
            n: Some(self.n),
            images: Some(ImagesRead { range: self.range, ..ImagesRead::default() }),
            ..Side::default()
        }
    }
}
