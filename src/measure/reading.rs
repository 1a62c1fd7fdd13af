//! What reading a side's images came to: what was left out or converted, and what looks like a
//! mistake.

use std::fmt;

use ganbench_data::Alpha;
use ganbench_data::sources::{Image, Reading};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Of the images of one side.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ImagesRead {
    pub reading: Reading,
    pub range: Range,
}

/// Which values the pixels have.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Range {
    images: usize,
    /// Of all pixels and channels; none before the first image.
    extremes: Option<(u8, u8)>,
    /// Images that equal the first.
    equal: usize,
    #[serde(skip)]
    first: Option<Image>,
}

impl Range {
    /// Takes in one more image.
    pub fn add(&mut self, image: &Image) {
        let (mut low, mut high) = self.extremes.unwrap_or((u8::MAX, u8::MIN));
        for &value in &image.pixels {
            low = low.min(value);
            high = high.max(value);
        }
        self.extremes = Some((low, high));
        self.images += 1;
        let first = self.first.get_or_insert_with(|| image.clone());
        self.equal += usize::from(first.size == image.size && first.pixels == image.pixels);
    }

    /// What the values suggest about images called `which`.
    fn hints(&self, which: &str) -> Vec<String> {
        let Some((low, high)) = self.extremes else { return Vec::new() };
        let mut hints = Vec::new();
        if self.images > 1 && self.equal == self.images {
            hints.push(format!("all {} {which} images are equal", self.images));
        }
        let range = match (low, high) {
            (_, 0..=1) => Some(
                "no pixel is above 1: multiply by 255, if the images were scaled to 0..1"
                    .to_owned(),
            ),
            (128.., _) | (_, ..128) => {
                Some(format!("all pixels are in {low}..={high}: are the images scaled to 0..=255?"))
            }
            _ => None,
        };
        hints.extend(range.map(|text| format!("{which} images: {text}")));
        hints
    }
}

impl ImagesRead {
    /// What a user should look at.
    pub fn hints(&self, which: &str) -> Vec<String> {
        let mut hints = self.range.hints(which);
        let clipped = self.reading.clipped_16_bit_grey;
        if clipped > 0 {
            hints.push(format!(
                "{which} images: {clipped} have 16 bits of grey, of which PIL's convert(\"RGB\"), and so this number, \
                 makes white whatever is above 255; divide them by 257 and save them with 8 bits"
            ));
        }
        hints
    }

    /// In what the images differ from those that other evaluators would measure.
    pub fn differences(&self, which: &str) -> Vec<String> {
        let Reading { skipped, alpha, transparent, .. } = &self.reading;
        let mut differences = Vec::new();
        if skipped.count > 0 {
            differences.push(format!("{} damaged {which} images left out", skipped.count));
        }
        if *alpha == Alpha::White && *transparent > 0 {
            differences.push(format!("{transparent} transparent {which} images put on white"));
        }
        differences
    }

    /// For the JSON result.
    pub fn json(&self) -> Value {
        let r = &self.reading;
        json!({
            "left_out": r.left_out,
            "skipped_damaged": r.skipped.count,
            "skipped_named": r.skipped.named,
            "alpha": r.alpha,
            "transparent": r.transparent,
            "clipped_16_bit_grey": r.clipped_16_bit_grey,
            "upper_8_of_16_bits": r.upper_8_of_16_bits,
            "wrong_checksums": r.wrong_checksums,
        })
    }
}

/// One line for people; empty where images were read plainly and nothing was left out.
impl fmt::Display for ImagesRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let r = &self.reading;
        let mut parts = Vec::new();
        if !r.left_out.is_empty() {
            let kinds = r.left_out.iter().map(|(kind, n)| format!("{n} {kind}"));
            parts.push(format!("left out {}", kinds.collect::<Vec<_>>().join(", ")));
        }
        for (count, what) in [
            (r.skipped.count, "damaged left out".to_owned()),
            (r.transparent, format!("transparent (alpha {})", r.alpha)),
            (r.clipped_16_bit_grey, "of 16-bit grey clipped at 255".into()),
            (r.upper_8_of_16_bits, "of 16 bits cut to the upper 8".into()),
            (r.wrong_checksums, "with wrong checksums or no end".into()),
        ] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        f.write_str(&parts.join("; "))
    }
}

/// What reading came to on both sides; none of a side whose features came from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Sides {
    /// Of the real images.
    pub real: Option<ImagesRead>,
    /// Of the fakes.
    pub fake: Option<ImagesRead>,
}

impl Sides {
    fn each(&self) -> impl Iterator<Item = (&'static str, &ImagesRead)> {
        let named = |which, side: Option<_>| side.map(|side| (which, side));
        named("real", self.real.as_ref()).into_iter().chain(named("fake", self.fake.as_ref()))
    }

    /// What a user may have overlooked, one sentence each, the real images first.
    pub fn hints(&self) -> Vec<String> {
        self.each().flat_map(|(which, side)| side.hints(which)).collect()
    }

    /// On stderr, whatever else is quiet.
    pub fn tell_hints(&self) {
        for hint in self.hints() {
            log::info!("hint: {hint}");
        }
    }

    /// In what the images of both differ from those that a protocol's own evaluator would measure.
    pub fn differences(&self) -> Vec<String> {
        self.each().flat_map(|(which, side)| side.differences(which)).collect()
    }

    /// For the JSON result: per side what [`ImagesRead::json`] says.
    pub fn json(&self) -> Value {
        let side = |side: &Option<ImagesRead>| side.as_ref().map_or(Value::Null, ImagesRead::json);
        json!({"real": side(&self.real), "fake": side(&self.fake)})
    }

    /// Lines for people, of sides that have something to tell.
    pub fn lines(&self) -> Vec<String> {
        let lines = self.each().map(|(which, side)| (which, side.to_string()));
        lines.filter(|(_, line)| !line.is_empty()).map(|(w, line)| format!("{w}: {line}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use ganbench_data::images::ImageSize;

    use super::*;

    fn range(images: &[[u8; 3]]) -> Range {
        let mut range = Range::default();
        for pixels in images {
            let size = ImageSize::new(1, 1, 3);
            range.add(&Image { size, pixels: pixels.to_vec(), label: None });
        }
        range
    }

    #[test]
    fn pixels_that_use_little_of_the_range_are_hinted_at() {
        let hints = |images: &[[u8; 3]]| range(images).hints("fake");
        assert_eq!(
            hints(&[[0, 1, 1], [1, 0, 0]]),
            [
                "fake images: no pixel is above 1: multiply by 255, if the images were scaled to 0..1"
            ]
        );
        assert_eq!(
            hints(&[[0, 100, 127], [1, 2, 3]]),
            ["fake images: all pixels are in 0..=127: are the images scaled to 0..=255?"]
        );
        assert_eq!(
            hints(&[[128, 200, 255], [129, 130, 131]]),
            ["fake images: all pixels are in 128..=255: are the images scaled to 0..=255?"]
        );
        assert_eq!(hints(&[[0, 128, 3], [3, 4, 5]]), [""; 0]);
        assert_eq!(hints(&[]), [""; 0]);
    }

    #[test]
    fn images_that_are_all_equal_are_hinted_at() {
        assert_eq!(range(&[[0, 9, 200]; 3]).hints("real"), ["all 3 real images are equal"]);
        assert_eq!(range(&[[0, 9, 200]]).hints("real"), [""; 0]);
        assert_eq!(range(&[[0, 9, 200], [0, 9, 200], [0, 9, 201]]).hints("real"), [""; 0]);
    }

    #[test]
    fn what_was_left_out_or_put_on_white_is_a_difference() {
        let mut read = ImagesRead::default();
        read.reading.transparent = 3;
        assert_eq!(read.differences("fake"), [""; 0]);
        assert_eq!(read.to_string(), "3 transparent (alpha pil)");
        read.reading.alpha = Alpha::White;
        read.reading.skipped.count = 2;
        read.reading.left_out = [(".txt".into(), 1), ("hidden".into(), 4)].into();
        assert_eq!(
            read.differences("fake"),
            ["2 damaged fake images left out", "3 transparent fake images put on white"]
        );
        assert_eq!(
            read.to_string(),
            "left out 1 .txt, 4 hidden; 2 damaged left out; 3 transparent (alpha white)"
        );
    }
}
