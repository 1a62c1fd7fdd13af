//! What becomes of pixels that are not opaque.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How an image with an alpha channel becomes one of 1 or 3 channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Alpha {
    /// The channel is dropped, as PIL's `convert("RGB")` does for pytorch-fid, clean-fid and
    /// torch-fidelity. What a transparent pixel hides then shows.
    #[default]
    Pil,
    /// The image is put on white, as PIL's `paste` with the channel as mask does.
    White,
    /// A pixel that is not opaque is an error.
    Refuse,
}

impl Alpha {
    /// As on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pil => "pil",
            Self::White => "white",
            Self::Refuse => "refuse",
        }
    }

    /// A value of a pixel, 0..=255, that `alpha` covers by that many 255ths.
    pub(crate) fn blend(self, value: u8, alpha: u8) -> u8 {
        match self {
            Self::Pil | Self::Refuse => value,
            Self::White => {
                let (value, alpha) = (u32::from(value), u32::from(alpha));
                divided_by_255(value * alpha + 255 * (255 - alpha)) as u8
            }
        }
    }
}

impl fmt::Display for Alpha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Alpha {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [Self::Pil, Self::White, Self::Refuse];
        known.into_iter().find(|rule| rule.as_str() == text).ok_or_else(|| {
            format!("unknown rule \"{text}\" for transparent pixels; known: pil, white, refuse")
        })
    }
}

/// Rounded, for 0..=255².
pub(crate) fn divided_by_255(product: u32) -> u32 {
    let shifted = product + 128;
    ((shifted >> 8) + shifted) >> 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_division_by_255_is_rounded_for_every_product_of_two_bytes() {
        for product in 0..=255 * 255u32 {
            assert_eq!(divided_by_255(product), (2 * product + 255) / 510, "{product}");
        }
    }

    #[test]
    fn an_unknown_rule_is_refused_with_the_known_ones() {
        assert_eq!("white".parse(), Ok(Alpha::White));
        assert_eq!(
            "black".parse::<Alpha>().unwrap_err(),
            "unknown rule \"black\" for transparent pixels; known: pil, white, refuse"
        );
    }
}
