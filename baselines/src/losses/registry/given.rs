//! Arrays as a user gave them, before any loss looked at them.

use candle_core::{Device, Result, Tensor};
use ganbench_data::numpy::{self, Kind};

use super::LossError;

/// The most bytes of one array that are read.
const MOST_BYTES: usize = 4 << 30;

/// An array as a user gave it.
#[derive(Clone, Debug)]
pub struct Given {
    /// The size of each axis; empty for a scalar.
    pub shape: Vec<usize>,
    /// All elements; the last axis runs fastest.
    pub numbers: Numbers,
}

/// Numbers in C order.
#[derive(Clone, Debug)]
pub enum Numbers {
    /// float32.
    F32(Vec<f32>),
    /// float64.
    F64(Vec<f64>),
    /// Integers of any width, signed or not.
    Integers(Vec<i128>),
}

impl Numbers {
    pub(super) fn text(&self) -> &'static str {
        match self {
            Self::F32(_) => "float32",
            Self::F64(_) => "float64",
            Self::Integers(_) => "integers",
        }
    }
}

impl Given {
    /// Reads an array of a NumPy file. `name` is what errors call it.
    ///
    /// # Errors
    /// If it is damaged, in Fortran order, or holds neither float32, float64 nor integers.
    pub fn read(name: &str, array: &mut numpy::Array<'_>) -> std::result::Result<Self, LossError> {
        let header = array.header().clone();
        let (element, most) = (header.element, MOST_BYTES);
        if header.fortran_order && header.shape.len() > 1 {
            return Err(LossError::Fortran { array: name.into() });
        }
        if header.data_bytes() > most {
            let (array, bytes) = (name.into(), header.data_bytes());
            return Err(LossError::TooLarge { array, bytes, most });
        }
        let expected = "float32, float64 or integers";
        let got = element.to_string();
        let wrong = || LossError::Element { array: name.into(), got, expected };
        let mut bytes = match element.kind {
            Kind::Float if element.bytes < 4 => return Err(wrong()),
            Kind::Bool => return Err(wrong()),
            _ => array.read_all()?,
        };
        if element.big_endian {
            bytes.chunks_exact_mut(element.bytes).for_each(<[u8]>::reverse);
        }
        let numbers = match (element.kind, element.bytes) {
            (Kind::Float, 4) => {
                Numbers::F32(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
            }
            (Kind::Float, _) => {
                Numbers::F64(bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect())
            }
            (kind, width) => {
                let number = |bytes: &[u8]| {
                    let n = bytes.iter().rev().fold(0i128, |n, &b| n << 8 | i128::from(b));
                    let range = 1i128 << (8 * width);
                    if kind == Kind::Signed && n >= range / 2 { n - range } else { n }
                };
                Numbers::Integers(bytes.chunks_exact(width).map(number).collect())
            }
        };
        Ok(Self { shape: header.shape, numbers })
    }

    /// # Errors
    /// If the array holds integers.
    pub(super) fn tensor(&self) -> Result<Tensor> {
        let shape = self.shape.as_slice();
        match &self.numbers {
            Numbers::F32(x) => Tensor::from_slice(x, shape, &Device::Cpu),
            Numbers::F64(x) => Tensor::from_slice(x, shape, &Device::Cpu),
            Numbers::Integers(_) => candle_core::bail!("integers are no variables"),
        }
    }
}
