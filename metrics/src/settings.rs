//! The conventions of the metrics: everything that a protocol fixes of their computation.

use crate::families::fid::{self, infinity};
use crate::families::{inception_score, kid};

/// The conventions of the metrics. The default is that of protocol `table1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How the Inception score shuffles and splits the fakes.
    pub inception_score: inception_score::Options,
    /// Neighbours that set a ball's radius in precision, recall, density and coverage.
    pub nearest_k: usize,
    /// The same of improved precision and recall.
    pub ipr_nearest_k: usize,
    /// How many real images the metrics of nearest neighbours look at.
    pub nearest_real: NearestReal,
    /// Fakes that the metrics of nearest neighbours look at; `None` for all.
    pub nearest_fake: Option<usize>,
    /// Which images a metric takes that looks at a part of a set only.
    pub subset: Subset,
    /// What the sums of squares behind FID's covariances are divided by.
    pub fid_divisor: fid::Divisor,
    /// Number and size of KID's subsets, and their seed.
    pub kid: kid::Options,
    /// Number of FID∞'s points, and the seed of its subsets.
    pub fid_infinity: infinity::Options,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            inception_score: inception_score::Options::default(),
            nearest_k: 5,
            ipr_nearest_k: 3,
            nearest_real: NearestReal::AsManyAsFakes,
            nearest_fake: None,
            subset: Subset::First,
            fid_divisor: fid::Divisor::default(),
            kid: kid::Options::default(),
            fid_infinity: infinity::Options::default(),
        }
    }
}

impl Settings {
    /// How many of `n_fake` fakes the metrics of nearest neighbours look at.
    pub fn n_nearest_fake(&self, n_fake: usize) -> usize {
        self.nearest_fake.map_or(n_fake, |most| most.min(n_fake))
    }

    /// How many of `n_real` reals they compare `n_fake` fakes with.
    pub fn n_nearest_real(&self, n_real: usize, n_fake: usize) -> usize {
        match self.nearest_real {
            NearestReal::All => n_real,
            NearestReal::AsManyAsFakes => self.n_nearest_fake(n_fake).min(n_real),
            NearestReal::AtMost(most) => most.min(n_real),
        }
    }
}

/// How many real images the metrics of nearest neighbours compare the fakes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NearestReal {
    /// As many as there are fakes, or all where there are fewer.
    AsManyAsFakes,
    /// So many, or all where there are fewer.
    AtMost(usize),
    /// All that are given, as the packages `prdc` and torch-fidelity do.
    All,
}

impl std::fmt::Display for NearestReal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AsManyAsFakes => f.write_str("n_fake"),
            Self::AtMost(most) => write!(f, "{most}"),
            Self::All => f.write_str("all"),
        }
    }
}

/// Which images make up a part of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subset {
    /// The first ones, as ganbench 0.1 did. Of a set that is sorted by class they show few classes.
    First,
    /// A seeded draw, stratified by class where the classes are known
    /// ([`ganbench_data::draw_subset`]).
    Drawn {
        /// Seed of the draw.
        seed: u64,
    },
}

impl std::fmt::Display for Subset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::First => f.write_str("the first images"),
            Self::Drawn { seed } => write!(f, "drawn by class (seed {seed})"),
        }
    }
}
