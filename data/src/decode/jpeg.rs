//! JPEG pixels to the bit as libjpeg-turbo decodes them (accurate integer transform,
//! triangle-filtered chroma), which is what PIL reads for torch-fidelity, pytorch-fid and
//! clean-fid. Other decoders are some levels off in a fifth of the pixels, and not the same on
//! every processor.

use image::ColorType;
use libjpeg_turbo_rs::{DecodeLimits, Decoder, JpegError, PixelFormat};

use super::Fault;
use super::alpha::divided_by_255;
use super::{overflow, planes, scans};

/// Scans that are decoded, the limit under which libjpeg-turbo is fuzzed. Encoders write about ten;
/// each goes over all pixels again, so that thousands of empty ones would keep a thread busy for
/// hours.
const MOST_SCANS: usize = 500;

/// A file whose header was read.
pub(crate) struct Jpeg<'a> {
    bytes: &'a [u8],
    decoder: Decoder<'a>,
    format: PixelFormat,
}

impl<'a> Jpeg<'a> {
    /// # Errors
    /// If the file was cut off, is damaged, or is not of 8 bits a channel and of 1, 3 or 4
    /// channels.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Fault> {
        if !is_whole(bytes) {
            return Err(Fault::Damaged("is a JPEG image that was cut off".into()));
        }
        let limits = DecodeLimits { max_scans: MOST_SCANS, ..DecodeLimits::default() };
        let mut decoder =
            Decoder::new_with_limits(bytes, limits).map_err(|error| corrupt(&error))?;
        let header = decoder.header();
        let (bits, channels) = (header.precision, header.components.len());
        let format = match channels {
            1 => PixelFormat::Grayscale,
            3 => PixelFormat::Rgb,
            4 => PixelFormat::Cmyk,
            _ => return Err(Fault::Reason(format!("is a JPEG image of {channels} channels"))),
        };
        if bits != 8 {
            let text = format!("has {bits} bits a channel; convert it to 8 bits a channel");
            return Err(Fault::Reason(text));
        }
        decoder.set_output_format(format);
        scans::check(bytes)?;
        Ok(Self { bytes, decoder, format })
    }

    /// Width and height, which may lie.
    pub fn dimensions(&self) -> (u32, u32) {
        let header = self.decoder.header();
        (header.width.into(), header.height.into())
    }

    /// Memory that decoding takes for each pixel, at most.
    pub fn bytes_per_pixel(&self) -> usize {
        let header = self.decoder.header();
        // The stored plane, the plane of the image's size, and the pixel; coefficients of 16 bits
        // where they come in several scans.
        header.components.len() * if header.is_progressive { 5 } else { 3 }
    }

    /// Of what [`read`](Self::read) gives.
    pub fn color_type(&self) -> ColorType {
        if self.format == PixelFormat::Grayscale { ColorType::L8 } else { ColorType::Rgb8 }
    }

    /// `[height, width, channels]` into `pixels`, which is of that size.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn read(self, pixels: &mut [u8]) -> Result<(), Fault> {
        planes::check_factors(self.decoder.header())?;
        overflow::check(self.bytes)?;
        if planes::is_usual(self.decoder.header()) {
            return self.decoder.decode_image_into(pixels).map(drop).map_err(|e| corrupt(&e));
        }
        let channels = planes::channels(self.decoder)?;
        if self.format != PixelFormat::Cmyk {
            pixels.copy_from_slice(&channels);
            return Ok(());
        }
        for (rgb, ink) in pixels.chunks_exact_mut(3).zip(channels.chunks_exact(4)) {
            // As PIL: every such file is taken to hold inverted inks, as Adobe writes them.
            let white = u32::from(ink[3]);
            for (value, ink) in rgb.iter_mut().zip(ink) {
                *value =
                    white.saturating_sub(divided_by_255((255 - u32::from(*ink)) * white)) as u8;
            }
        }
        Ok(())
    }
}

/// Whether the end marker follows the last scan, before any start of another image. Decoders read
/// on over a start, but PIL does not.
fn is_whole(bytes: &[u8]) -> bool {
    const START_OF_IMAGE: u8 = 0xd8;
    const END_OF_IMAGE: u8 = 0xd9;
    const START_OF_SCAN: u8 = 0xda;
    let pair_of = |marker: u8| move |pair: &[u8]| pair == [0xff, marker];
    let Some(scan) = bytes.windows(2).rposition(pair_of(START_OF_SCAN)) else { return false };
    let mut behind = bytes[scan..].windows(2);
    let next =
        behind.find(|pair| pair[0] == 0xff && [START_OF_IMAGE, END_OF_IMAGE].contains(&pair[1]));
    next.is_some_and(pair_of(END_OF_IMAGE))
}

pub(crate) fn corrupt(error: &JpegError) -> Fault {
    if let JpegError::LimitExceeded { what, .. } = error
        && what.starts_with("scan")
    {
        let text = format!(
            "is a JPEG image of more than {MOST_SCANS} scans, the most that are read; save it anew"
        );
        return Fault::Reason(text);
    }
    Fault::Damaged(format!("is a corrupt image ({error})"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::fixtures::{JpegCase, bytes_from_hex as bytes, jpeg_cases};

    fn cases() -> BTreeMap<String, JpegCase> {
        jpeg_cases(include_str!("../../tests-data/jpeg.json"))
    }

    fn rgb(file: &[u8]) -> Result<((u32, u32), Vec<u8>), Fault> {
        let jpeg = Jpeg::open(file)?;
        let (size, colour) = (jpeg.dimensions(), jpeg.color_type());
        let channels = usize::from(colour.channel_count());
        let mut pixels = vec![0; (size.0 * size.1) as usize * channels];
        jpeg.read(&mut pixels)?;
        let grey = |v: &u8| [*v; 3];
        Ok((size, if channels == 1 { pixels.iter().flat_map(grey).collect() } else { pixels }))
    }

    #[test]
    fn pixels_are_those_of_pil_to_the_bit() {
        let cases = cases();
        assert_eq!(cases.len(), 13);
        for (name, case) in cases {
            let (size, pixels) = rgb(&bytes(&case.jpeg)).unwrap();
            assert_eq!(size, (case.width, case.height), "{name}");
            assert!(pixels == bytes(&case.pixels), "{name}");
        }
    }

    #[test]
    fn damage_is_an_error_or_other_pixels_and_never_a_panic() {
        for (name, case) in cases() {
            let whole = bytes(&case.jpeg);
            for i in 0..whole.len() {
                for flip in [1, 0x80, 0xff] {
                    let mut damaged = whole.clone();
                    damaged[i] ^= flip;
                    // A header that lies about the size would only make the test slow.
                    if Jpeg::open(&damaged)
                        .is_ok_and(|jpeg| jpeg.dimensions() == (case.width, case.height))
                    {
                        let _ = rgb(&damaged);
                    }
                }
                assert!(rgb(&whole[..i]).is_err(), "{name} cut at {i}");
            }
        }
    }

    /// Pillow 12.3.0 and 13.0.0, on each file without its end marker and with these bytes behind
    /// it: baseline files are read up to a marker, or to the end where that is another byte than
    /// 0xff; a start marker is an error.
    #[test]
    fn without_the_end_marker_a_file_with_other_bytes_behind_is_read_as_by_pil_or_refused() {
        for (name, case) in cases() {
            let whole = bytes(&case.jpeg);
            let [image @ .., 0xff, 0xd9] = &whole[..] else { panic!("{name} has no end marker") };
            for (tail, read_by_pil) in [
                (&b""[..], false),
                (b"other bytes", true),
                (&[0; 64], true),
                (b"\xff\xff\xff", false),
                (b"PK\x03\x04 \xff\xd9", true),
                (b"\0\0\0\0\0\0\0\0\xff\xd9", true),
                (b"other\xff\xd8\xff\xe0more\xff\xd9", false),
            ] {
                match rgb(&[image, tail].concat()) {
                    Ok((_, pixels)) => {
                        assert!(read_by_pil, "{name} {tail:?} is an error in PIL");
                        assert!(pixels == bytes(&case.pixels), "{name} {tail:?}");
                    }
                    Err(Fault::Damaged(_)) => {}
                    Err(fault) => panic!("{name} {tail:?}: {fault:?}"),
                }
            }
            let Err(fault) = rgb(&[image, b"other bytes"].concat()) else { panic!("{name}") };
            assert_eq!(fault, Fault::Damaged("is a JPEG image that was cut off".into()), "{name}");
        }
    }

    #[test]
    fn an_image_of_thousands_of_scans_is_refused_with_the_limit() {
        let whole = bytes(&cases()["420 progressive"].jpeg);
        let scan = whole.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap();
        let (scans, end) = whole[scan..].split_at(whole.len() - scan - 2);
        let many = [&whole[..scan], &scans.repeat(5000), end].concat();
        let Err(Fault::Reason(reason)) = Jpeg::open(&many).map(drop) else {
            panic!("it was opened")
        };
        assert_eq!(
            reason,
            "is a JPEG image of more than 500 scans, the most that are read; save it anew"
        );
    }

    #[test]
    fn other_channels_and_depths_are_refused_by_name() {
        let whole = bytes(&cases()["444"].jpeg);
        let frame = whole.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        let mut deep = whole;
        deep[frame + 4] = 12;
        let Err(Fault::Reason(reason)) = Jpeg::open(&deep).map(drop) else {
            panic!("12 bits passed")
        };
        assert!(reason.contains("12"), "{reason}");
    }
}
