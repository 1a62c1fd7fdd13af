//! Why an image cannot be read.

/// What is wrong with an image.
#[derive(Debug, PartialEq)]
pub(crate) enum Fault {
    /// The end of a sentence that begins with the place, such as "is in colour".
    Reason(String),
    /// The same where the file is no image, or not a whole one.
    Damaged(String),
    Size {
        height: usize,
        width: usize,
    },
}
