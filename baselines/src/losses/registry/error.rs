//! What can be wrong with a request for a loss, one sentence each.

use ganbench_data::numpy::NumpyError;
use thiserror::Error;

/// A loss that cannot be computed.
#[derive(Debug, Error)]
// Each variant's message says what its fields are.
#[allow(missing_docs)]
pub enum LossError {
    #[error("unknown loss \"{name}\"; known: {known}")]
    Unknown { name: String, known: String },
    #[error("loss {loss} has no setting \"{name}\"; it has: {known}")]
    UnknownSetting { loss: &'static str, name: String, known: String },
    #[error("setting {name} must be {expected}, got \"{got}\"")]
    Setting { name: &'static str, expected: String, got: String },
    #[error("loss {loss} cannot be made of these settings: {what}")]
    Form { loss: &'static str, what: String },
    #[error("array {array} {shape} is missing, which loss {loss} takes; found: {found}")]
    Missing { loss: &'static str, array: &'static str, shape: String, found: String },
    #[error("array {array} is there without {missing}; loss {loss} takes both or neither")]
    Without { loss: &'static str, array: &'static str, missing: &'static str },
    #[error("loss {loss} takes no array \"{array}\"; it takes: {known}")]
    UnknownArray { loss: &'static str, array: String, known: String },
    #[error("array {array} holds {got}, expected {expected}")]
    Element { array: String, got: String, expected: &'static str },
    #[error("array {array} holds {got} and array {first} {other}; expected one precision in all")]
    Precision { array: &'static str, got: String, first: &'static str, other: String },
    #[error("array {array} has shape {got:?}, expected {expected}")]
    Shape { array: &'static str, got: Vec<usize>, expected: String },
    #[error("array {array} has shape {got:?}, expected {symbol} = {size} as in array {first}")]
    Size {
        array: &'static str,
        got: Vec<usize>,
        symbol: &'static str,
        size: String,
        first: &'static str,
    },
    #[error("array {array} of shape {got:?} holds no numbers")]
    Empty { array: &'static str, got: Vec<usize> },
    #[error("array {array} holds {value} at {index:?}, expected finite numbers only")]
    NonFinite { array: &'static str, index: Vec<usize>, value: f64 },
    #[error("array {array} holds label {label} at row {row}, expected 0 to {last}")]
    Label { array: &'static str, row: usize, label: i128, last: usize },
    #[error("array {array} is stored in Fortran order, expected C order; save a contiguous copy")]
    Fortran { array: String },
    #[error("array {array} has {bytes} bytes of numbers, more than the {most} that are read")]
    TooLarge { array: String, bytes: usize, most: usize },
    /// The bytes of an array cannot be read.
    #[error(transparent)]
    Numpy(#[from] NumpyError),
    /// A computation failed, or the loss refused the arrays.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}
