//! What can be wrong with the input of a metric.

use thiserror::Error;

/// Which of the two sets of images something is said of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The real images.
    Real,
    /// The generated images.
    Fake,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Side::Real => "real",
            Side::Fake => "fake",
        })
    }
}

/// A metric that cannot be computed from what was given.
#[derive(Clone, Debug, Error, PartialEq)]
// Each variant's message says what its fields are.
#[allow(missing_docs)]
pub enum MetricError {
    #[error("{metric} needs at least {needed} {side} images, got {got}")]
    TooFew { metric: &'static str, side: Side, needed: usize, got: usize },
    #[error(
        "kid draws subsets of {subset} images but there are only {got} {side} ones; lower --kid-subset"
    )]
    KidTooFew { side: Side, got: usize, subset: usize },
    #[error("kid needs subsets of at least 2 images, got {got}; raise --kid-subset")]
    KidSubset { got: usize },
    #[error("there are {rows} {side} images but {labels} labels; give the class of each image")]
    LabelCount { side: Side, labels: usize, rows: usize },
    #[error(
        "{metric} needs at least 2 {side} images of each class, got {got} of class {class}; make fakes of \
         every class of the real images, and more of them"
    )]
    ClassTooFew { metric: &'static str, class: u32, side: Side, got: usize },
    #[error(
        "classes are paired by {by}, but are unlike: only the real images have {only_real}, only the fake \
         images have {only_fake}; give both sides the same classes"
    )]
    UnlikeClasses { by: &'static str, only_real: String, only_fake: String },
    #[error(
        "features have {pool} rows of pool but what {recognitions} images show; both come from one image each"
    )]
    RecognitionRows { pool: usize, recognitions: usize },
    #[error(
        "{metric} needs to know what each image shows, which only the extractor small-shapes tells; \
         measure with --extractor small-shapes"
    )]
    NoRecognitions { metric: &'static str },
    #[error(
        "row {row} of the member \"recognised\" names a shape, background or texture that does not exist; \
         extract the features again"
    )]
    NoKind { row: usize },
    #[error("{metric} needs the class of each image, which was not given")]
    NoLabels { metric: &'static str },
    #[error("a 95 % interval needs at least {needed} bootstrap replicates, got {got}")]
    FewReplicates { needed: usize, got: usize },
    #[error(
        "{first} fakes on one side and {second} on the other, expected as many; values of other counts differ \
         by that alone"
    )]
    UnlikeCounts { first: usize, second: usize },
    #[error("fid_inf needs at least 3 counts of fakes for a line and its error, got {got}")]
    FewCounts { got: usize },
    #[error(
        "row {row} of the features is zero, but {metric} compares directions; leave that image out"
    )]
    ZeroRow { metric: &'static str, row: usize },
    #[error("real features have {real} dimensions but fake features {fake}; extract both alike")]
    Dimensions { real: usize, fake: usize },
    #[error("{len} numbers cannot be rows of {dim}")]
    PartialRow { len: usize, dim: usize },
    #[error("row {row} of the features holds {value}, expected finite numbers only")]
    NonFinite { row: usize, value: f64 },
    #[error(
        "features have {pool} rows of pool but {logits} rows of logits; both come from one image each"
    )]
    LogitRows { pool: usize, logits: usize },
    #[error(
        "features of {dim} dimensions and {classes} classes cannot be followed by features of {more_dim} \
         dimensions and {more_classes} classes"
    )]
    Appended { dim: usize, classes: usize, more_dim: usize, more_classes: usize },
    #[error(
        "{metric} needs class logits, which these features do not have; choose another extractor"
    )]
    NoLogits { metric: &'static str },
    #[error("{metric} needs {name} of at least 1, got 0")]
    Zero { metric: &'static str, name: &'static str },
    #[error(
        "covariance of dimension {dim} is not positive semidefinite: eigenvalue {eigenvalue:e} beside \
         a largest of {largest:e}, which no covariance has; compute mu and sigma again in f64 \
         (numpy.cov of float64 features, or ganbench features --stats)"
    )]
    NotPositive { dim: usize, eigenvalue: f64, largest: f64 },
    #[error(
        "statistics of dimension {dim} hold a mean of {mean} and a covariance of {covariance} numbers"
    )]
    StatisticsShape { dim: usize, mean: usize, covariance: usize },
    #[error(
        "covariance is not symmetric: entries ({row}, {column}) and ({column}, {row}) differ by {gap:e}"
    )]
    NotSymmetric { row: usize, column: usize, gap: f64 },
    #[error("the eigenvalue solver did not converge on a {rows}x{columns} matrix")]
    NoConvergence { rows: usize, columns: usize },
    #[error(
        "the real reference keeps {kept} of {n} feature rows but {needed} are needed; build it with as \
         many rows as the largest fake set, or with all for the metrics of all real images"
    )]
    ReferenceRows { kept: usize, n: usize, needed: usize },
    #[error("a bias of {bias} classes cannot be added to logits of {classes}")]
    Bias { bias: usize, classes: usize },
    #[error("unknown protocol \"{name}\"; known: {known}")]
    UnknownProtocol { name: String, known: String },
    #[error("unknown metric \"{name}\"; known: {known}")]
    UnknownMetric { name: String, known: String },
}
