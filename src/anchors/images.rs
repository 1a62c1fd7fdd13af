//! The images of anchors that are made of real ones.

use std::borrow::Cow;

use ganbench_data::blur::gaussian_blur;
use ganbench_data::draw_subset;
use ganbench_data::images::ImageBatch;
use ganbench_data::shapes::{self, World};
use ganbench_data::{DatasetRequest, Split};

use super::wanted::RealKind;
use crate::plan::{Plan, ReferenceSplit};
use crate::run::reals::RealImages;
use crate::run::session::{read_dataset, request};
use crate::run::sweep::Sweep;

/// Of the draw of the images.
const SEED: u64 = 0;

/// Side of the images whose blur has a sigma of one pixel.
const SIDE_OF_SIGMA_1: f64 = 32.0;

/// How many images an anchor takes.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    pub images: usize,
    /// Sets of so many, whose mean is reported.
    pub sets: usize,
}

/// Images of a kind.
pub struct Drawn {
    pub label: String,
    pub sets: Result<Vec<ImageBatch>, LeftOut>,
}

/// Why there are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub why: String,
    /// Whether what was in the way may be gone another time.
    pub try_again: bool,
}

impl LeftOut {
    fn for_good(why: String) -> Self {
        Self { why, try_again: false }
    }
}

/// The real images that samples are not compared with, or where there are none, the reference.
pub struct Pool<'a> {
    images: Cow<'a, ImageBatch>,
    /// Of `images`; `None` for all.
    rows: Option<Vec<usize>>,
    /// Such as `the test split of cifar10`.
    name: String,
    /// Of the first class.
    class_name: Option<String>,
    /// As they are asked for.
    request: DatasetRequest,
    counts: Counts,
    /// Why these are images of the reference.
    lack: Option<LeftOut>,
}

impl<'a> Pool<'a> {
    /// For anchors of a plan.
    pub fn load(plan: &Plan, sweep: &Sweep<'a>, real: &RealImages<'a>, counts: Counts) -> Self {
        let mut request = request(&plan.dataset, sweep.at);
        request.split = match plan.reference_split() {
            ReferenceSplit::Of(Split::Test) => Split::Train,
            ReferenceSplit::Of(Split::Train) | ReferenceSplit::HeldOut { .. } => Split::Test,
        };
        // A split of `shapes` has as many images as are asked for.
        request.limit = is_drawn(&request).then_some(counts.images * counts.sets);
        request.draw_seed = None;
        let other = if request.split == plan.dataset.split && !is_drawn(&request) {
            Ok(Cow::Borrowed(&sweep.dataset.images))
        } else {
            read_dataset(&request, sweep.at.quiet)
                .map(|dataset| Cow::Owned(dataset.images))
                .map_err(|error| LeftOut {
                    why: crate::message::with_causes(&error),
                    try_again: true,
                })
        };
        let size = sweep.dataset.images.size;
        let of_size = other.and_then(|images: Cow<'a, ImageBatch>| {
            let fits = images.size == size;
            let why = || format!("the {} images are {}, not {size}", request.split, images.size);
            if fits { Ok(images) } else { Err(LeftOut::for_good(why())) }
        });
        let class_name = sweep.dataset.class_names.first().cloned();
        let name = format!("the {} split of {}", request.split, plan.dataset.label());
        match of_size {
            Ok(images) => {
                Self { images, rows: None, name, class_name, request, counts, lack: None }
            }
            Err(lack) => Self {
                images: Cow::Borrowed(real.images),
                rows: real.rows.clone(),
                name: "the reference".into(),
                class_name,
                request,
                counts,
                lack: Some(lack),
            },
        }
    }

    /// Images of a kind.
    pub fn draw(&self, kind: RealKind) -> Drawn {
        match kind {
            RealKind::Other => {
                let label = format!("other real images ({})", self.request.split);
                let sets = match &self.lack {
                    Some(lack) => Err(lack.clone()),
                    None => self.any(),
                };
                Drawn { label, sets }
            }
            RealKind::OneClass => {
                let class = self.class_name.as_deref().unwrap_or("0");
                let of_reference = if self.lack.is_some() { "reference, " } else { "" };
                let label = format!("one class of real images ({of_reference}{class})");
                Drawn { label, sets: self.of_first_class(class) }
            }
            RealKind::Blurred => {
                let sigma = self.images.size.height as f64 / SIDE_OF_SIGMA_1;
                let which = if self.lack.is_some() { "reference" } else { "real" };
                let label = format!("blurred {which} images (σ {sigma} px)");
                let blur =
                    |sets: Vec<ImageBatch>| sets.iter().map(|s| gaussian_blur(s, sigma)).collect();
                Drawn { label, sets: self.any().map(blur) }
            }
        }
    }

    fn any(&self) -> Result<Vec<ImageBatch>, LeftOut> {
        let rows = match &self.rows {
            Some(rows) => rows.clone(),
            None => (0..self.images.len()).collect(),
        };
        self.drawn(&rows, "images")
    }

    fn of_first_class(&self, class: &str) -> Result<Vec<ImageBatch>, LeftOut> {
        let drawn = World::by_name(&self.request.name).filter(|_| self.lack.is_none());
        if let Some(world) = drawn {
            let images = shapes::of_class(world, &self.request, 0);
            let images = images.map_err(|error| LeftOut::for_good(error.to_string()))?;
            return Ok(self.sets(&images, &(0..images.len()).collect::<Vec<_>>()));
        }
        let Some(labels) = &self.images.labels else {
            return Err(LeftOut::for_good("the data set has no classes".into()));
        };
        let mut rows: Vec<usize> = match &self.rows {
            Some(rows) => rows.clone(),
            None => (0..self.images.len()).collect(),
        };
        rows.retain(|&row| labels[row] == 0);
        self.drawn(&rows, &format!("images of class {class}"))
    }

    /// Sets of different images of these rows, not stratified: as those of a perfect generator.
    fn drawn(&self, rows: &[usize], what: &str) -> Result<Vec<ImageBatch>, LeftOut> {
        let needed = self.counts.images * self.counts.sets;
        if rows.len() < needed {
            let (name, n) = (&self.name, rows.len());
            return Err(LeftOut::for_good(format!("{name} has {n} {what}, {needed} are needed")));
        }
        let drawn = draw_subset(None, rows.len(), needed, SEED);
        Ok(self.sets(&self.images, &drawn.into_iter().map(|i| rows[i]).collect::<Vec<_>>()))
    }

    fn sets(&self, images: &ImageBatch, rows: &[usize]) -> Vec<ImageBatch> {
        rows.chunks(self.counts.images).map(|rows| images.select(rows)).collect()
    }
}

/// Whether images are drawn as they are asked for.
fn is_drawn(request: &DatasetRequest) -> bool {
    World::by_name(&request.name).is_some()
}
