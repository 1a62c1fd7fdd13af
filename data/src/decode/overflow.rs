//! Whether the coefficients of a JPEG file stay within what the inverse transform of 16 bits holds.
//!
//! Pixels have 8 bits, so those of an image that was encoded from pixels do, by far. Where damage
//! makes them larger, each decoder gives other pixels, and libjpeg-turbo other ones on other
//! processors: its vector code adds in 16 bits.

use std::f32::consts::{PI, SQRT_2};

use libjpeg_turbo_rs::read_coefficients;

use super::Fault;
use super::jpeg::corrupt;

/// What 16 bits hold, less what rounding may add.
const LARGEST: f32 = 32760.0;
/// The first pass gives four times what its columns are.
const SCALE: f32 = 4.0;
/// Where the coefficients lie that follow upon one another in a file, row by row.
#[rustfmt::skip]
const ZIGZAG: [usize; 64] = [
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// # Errors
/// If coefficients are larger than pixels can make them, or the file is damaged.
pub(super) fn check(file: &[u8]) -> Result<(), Fault> {
    let coefficients = read_coefficients(file).map_err(|error| corrupt(&error))?;
    let overflow = coefficients.components.iter().any(|channel| {
        let step = coefficients.quant_tables.get(usize::from(channel.quant_table_index));
        step.is_none_or(|step| channel.blocks.iter().any(|block| overflows(block, step)))
    });
    match overflow {
        false => Ok(()),
        true => Err(Fault::Damaged(
            "is a JPEG image of coefficients that no pixels of 8 bits have".into(),
        )),
    }
}

/// Whether a block of coefficients, in the order of the file, exceeds 16 bits on its way to pixels.
/// The steps lie row by row.
fn overflows(block: &[i16; 64], steps: &[u16; 64]) -> bool {
    let sum: i64 = block
        .iter()
        .zip(ZIGZAG)
        .map(|(&value, place)| (i64::from(value) * i64::from(steps[place])).abs())
        .sum();
    // Hardly any block has to be looked at.
    if 2.0 * sum as f32 * SCALE * SQRT_2 <= LARGEST {
        return false;
    }
    let mut columns = [[0.0f32; 8]; 8];
    for (&value, place) in block.iter().zip(ZIGZAG) {
        columns[place % 8][place / 8] = f32::from(value) * f32::from(steps[place]);
    }
    let wave = |y: usize, k: usize| {
        (((2 * y + 1) * k) as f32 * PI / 16.0).cos() * if k == 0 { 1.0 } else { SQRT_2 }
    };
    let behind =
        |y: usize, column: &[f32; 8]| SCALE * (0..8).map(|k| column[k] * wave(y, k)).sum::<f32>();
    columns.iter().any(pass_overflows)
        || (0..8).any(|y| pass_overflows(&columns.map(|column| behind(y, &column))))
}

/// Whether a number that goes into a pass exceeds 16 bits, or a sum that is made of two before they
/// are multiplied.
fn pass_overflows(numbers: &[f32; 8]) -> bool {
    let [a, b, _, d, e, f, _, h] = *numbers;
    let sums = [a + e, a - e, d + h, b + f];
    numbers.iter().chain(&sums).any(|number| number.abs() > LARGEST)
}

#[cfg(test)]
#[path = "overflow_tests.rs"]
mod tests;
