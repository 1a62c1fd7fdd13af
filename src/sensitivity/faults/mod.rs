//! Faults that are planted into real images: the table of them, and what they are made of.
//!
//! A fault is one function and one line in [`FAULTS`]. It makes a set of as many images as it is
//! asked for, all of them real ones but for the fault, and none of them in the reference that the
//! metrics compare with, unless copies of the reference are the fault itself.
//!
//! Random numbers come from one stream for each fault, named after it. All levels of a fault begin
//! it anew: they disturb the same images alike, so that levels differ by their strength alone.

mod classes;
mod copies;
mod impossible;
mod mixtures;
mod pixels;
mod restricted;
#[cfg(test)]
mod tests;
mod tied;
mod world;

use ganbench_data::images::{ImageBatch, ImageSize};
use ganbench_data::rng::Stream;

use crate::machine::UsageError;

/// A way in which images can be wrong, at graded strength.
#[derive(Clone, Copy)]
pub struct Fault {
    /// As in files and on the command line.
    pub name: &'static str,
    /// As tables and figures print it.
    pub title: &'static str,
    /// What the fault spoils.
    pub kind: Kind,
    /// What a level is.
    pub level: &'static str,
    /// How levels are written.
    pub unit: Unit,
    /// From weak to strong.
    pub levels: &'static [f64],
    /// The data sets that the fault is for.
    pub worlds: Worlds,
    make: fn(&mut Making<'_>) -> ImageBatch,
}

/// What a fault spoils.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: other clean images, which no metric may call worse.
    Control,
    /// Each image for itself.
    Pixels,
    /// Images that do not belong to the set, among others that do.
    Strangers,
    /// How much of the set is shown, and how evenly.
    Variety,
    /// Images that are copied from the reference.
    Memory,
    /// Factors of `shapes` that are independent in truth.
    Ties,
}

/// How levels are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Of 1, printed as percentage.
    Share,
    /// A number with what stands behind it.
    Number(&'static str),
}

/// The data sets that a fault is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worlds {
    /// Every data set.
    Any,
    /// `shapes` alone: the fault is made of its factors.
    Shapes,
}

/// All faults, in the order of tables.
pub const FAULTS: &[Fault] = &[
    CONTROL,
    pixels::NOISE,
    pixels::BLUR,
    pixels::SALT_AND_PEPPER,
    pixels::SQUARE,
    pixels::SATURATION,
    pixels::CONTRAST,
    mixtures::NOISE_IMAGES,
    mixtures::GREY_IMAGE,
    impossible::SIZE,
    impossible::HUE,
    impossible::BLEND,
    copies::UNIQUE,
    classes::DROPPED,
    classes::UNEVEN,
    classes::FREQUENT,
    restricted::HUES,
    restricted::BACKGROUNDS,
    restricted::TEXTURES,
    restricted::MODES,
    restricted::POSITIONS,
    tied::HUE_TO_SHAPE,
    tied::TEXTURE_TO_BACKGROUND,
    copies::EXACT,
    copies::NOISY,
    copies::FLIPPED,
];

/// Seed of every stream of faults and of clean draws.
pub const SEED: u64 = 0;

/// Draws of clean images that differ by chance alone. Whatever a metric sees here is a false alarm.
const CONTROL: Fault = Fault {
    name: "none",
    title: "No fault",
    kind: Kind::Control,
    level: "number of the draw",
    unit: Unit::Number(""),
    levels: &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    worlds: Worlds::Any,
    make: |making| {
        making.stream = Stream::new(SEED, &format!("sensitivity/none/{}", making.level));
        making.others()
    },
};

/// Real images that faults are made of.
#[derive(Clone, Copy)]
pub struct Reals<'a> {
    /// What the metrics compare with.
    pub reference: &'a ImageBatch,
    /// Further images of the data set, with their classes.
    pub others: &'a ImageBatch,
}

impl Reals<'_> {
    /// `n` clean images that are not in the reference, drawn anew for each number.
    pub fn clean(&self, n: usize, draw: usize) -> ImageBatch {
        let mut stream = Stream::new(SEED, &format!("sensitivity/clean/{draw}"));
        drawn(self.others, n, &mut stream)
    }
}

/// The first `n` of a random permutation.
fn drawn(images: &ImageBatch, n: usize, stream: &mut Stream) -> ImageBatch {
    let mut rows = stream.permutation(images.len());
    rows.truncate(n);
    images.select(&rows)
}

/// What a fault makes its images of.
struct Making<'a> {
    reals: Reals<'a>,
    n: usize,
    level: f64,
    stream: Stream,
}

impl Making<'_> {
    /// `n` clean images that are not in the reference.
    fn others(&mut self) -> ImageBatch {
        drawn(self.reals.others, self.n, &mut self.stream)
    }

    fn size(&self) -> ImageSize {
        self.reals.others.size
    }

    /// The same, for images that are about to be replaced: neither class nor factors are known.
    fn nameless_others(&mut self) -> ImageBatch {
        ImageBatch { labels: None, factors: None, ..self.others() }
    }

    /// How many of the `n` images the level stands for, where it is a share.
    fn share(&self) -> usize {
        ((self.level * self.n as f64).round() as usize).min(self.n)
    }
}

impl std::fmt::Debug for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Fault {
    /// The fault of a name for a data set.
    ///
    /// # Errors
    /// If there is none: lists the known ones.
    pub fn by_name(name: &str, dataset: &str) -> Result<&'static Self, UsageError> {
        let mut known = Self::of_dataset(dataset);
        known.clone().find(|fault| fault.name == name).ok_or_else(|| {
            let names: Vec<&str> = known.by_ref().map(|fault| fault.name).collect();
            let names = names.join(", ");
            UsageError::new(format!("unknown fault \"{name}\" of {dataset}; known: {names}"))
        })
    }

    /// The faults for a data set, in the order of tables.
    pub fn of_dataset(dataset: &str) -> impl Iterator<Item = &'static Self> + Clone {
        let is_shapes = dataset == "shapes";
        FAULTS.iter().filter(move |fault| is_shapes || fault.worlds == Worlds::Any)
    }

    /// The levels that mean something for `n` images: as many unique images are no fault.
    pub fn levels_for(&self, n: usize) -> Vec<f64> {
        let means = |level: &f64| self.name != copies::UNIQUE.name || *level < n as f64;
        self.levels.iter().copied().filter(means).collect()
    }

    /// `n` images with the fault at a level.
    ///
    /// # Panics
    /// If there are fewer than `n` images of the reference, or of each class of the others.
    pub fn images(&self, reals: Reals<'_>, n: usize, level: f64) -> ImageBatch {
        let stream = Stream::new(SEED, &format!("sensitivity/{}", self.name));
        let images = (self.make)(&mut Making { reals, n, level, stream });
        assert_eq!(images.len(), n, "{} makes as many images as it is asked for", self.name);
        images
    }

    /// A level as tables print it: `5 %`, `0.3 px`.
    pub fn level_text(&self, level: f64) -> String {
        match self.unit {
            // Rounded: 0.07 · 100 is 7.000000000000001.
            Unit::Share => format!("{} %", (level * 1e4).round() / 1e2),
            Unit::Number(unit) => format!("{level}{unit}"),
        }
    }

    /// The first and the last of some levels: `5 … 100 %`.
    pub fn range_text(&self, levels: &[f64]) -> String {
        let unit = match self.unit {
            Unit::Share => " %",
            Unit::Number(unit) => unit,
        };
        let bare = |level: &f64| self.level_text(*level).trim_end_matches(unit).to_string();
        let [first, last] = [levels.first(), levels.last()].map(|level| level.map(bare));
        format!("{} … {}{unit}", first.unwrap_or_default(), last.unwrap_or_default())
    }
}
