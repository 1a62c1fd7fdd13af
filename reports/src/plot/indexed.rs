//! Pictures with a table of at most 256 colours: a third of the bytes of a figure, and its lines
//! look the same.

use std::collections::BTreeMap;

use crate::error::ReportError;

const MOST_COLORS: usize = 256;

type Color = [u8; 3];

/// A picture with at most 256 colours: its own, or the means of those nearest to each other
/// (median cut). None where it has a table already, or would not become smaller.
///
/// # Errors
/// If `png` is no PNG of 8-bit colours.
pub fn indexed_png(png: &[u8]) -> Result<Option<Vec<u8>>, ReportError> {
    let reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().map_err(failed)?;
    if reader.info().color_type == png::ColorType::Indexed {
        return Ok(None);
    }
    drop(reader);
    let page = image::load_from_memory_with_format(png, image::ImageFormat::Png);
    let page = page.map_err(failed)?.into_rgb8();
    let mut counts: BTreeMap<Color, u64> = BTreeMap::new();
    for pixel in page.pixels() {
        *counts.entry(pixel.0).or_default() += 1;
    }
    let mut table = Vec::new();
    let mut index: BTreeMap<Color, u8> = BTreeMap::new();
    for (i, colors) in cut(counts.into_iter().collect()).iter().enumerate() {
        table.extend(shown(colors));
        // At most 256 of them.
        index.extend(colors.iter().map(|(color, _)| (*color, i as u8)));
    }
    let pixels: Vec<u8> = page.pixels().map(|pixel| index[&pixel.0]).collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, page.width(), page.height());
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(table);
    encoder.set_compression(png::Compression::High);
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(Some(bytes).filter(|bytes| bytes.len() < png.len()))
}

fn failed(error: impl std::fmt::Display) -> ReportError {
    ReportError::Draw { figure: "a figure".to_string(), reason: error.to_string() }
}

/// The channel in which colours lie farthest apart, and how far.
fn widest(colors: &[(Color, u64)]) -> (usize, u8) {
    let spread = |channel: usize| {
        let values = colors.iter().map(|(color, _)| color[channel]);
        values.clone().max().unwrap_or(0) - values.min().unwrap_or(0)
    };
    let spreads = [0, 1, 2].map(|channel| (channel, spread(channel)));
    spreads.into_iter().max_by_key(|(_, spread)| *spread).unwrap_or((0, 0))
}

/// Colours in at most 256 groups of near ones: again and again the group that most pixels are
/// spread in widest is cut in two.
fn cut(colors: Vec<(Color, u64)>) -> Vec<Vec<(Color, u64)>> {
    let weight = |colors: &[(Color, u64)]| colors.iter().map(|(_, n)| n).sum::<u64>();
    // Beside its colours, how much is gained by cutting a group, and along which channel.
    let gain = |colors: &[(Color, u64)]| {
        let (channel, spread) = widest(colors);
        // Few pixels of a rare colour are seen too: the root of their number counts.
        ((weight(colors) as f64).sqrt() * f64::from(spread), channel)
    };
    let mut groups = vec![(gain(&colors), colors)];
    while groups.len() < MOST_COLORS {
        let largest = groups.iter().enumerate().max_by(|a, b| a.1.0.0.total_cmp(&b.1.0.0));
        let Some(at) = largest.filter(|(_, ((gain, _), _))| *gain > 0.0).map(|(at, _)| at) else {
            break;
        };
        let ((_, channel), mut colors) = groups.swap_remove(at);
        colors.sort_by_key(|(color, _)| color[channel]);
        let half = weight(&colors) / 2;
        let mut below = 0;
        let middle = colors.iter().position(|(_, n)| {
            below += n;
            below > half
        });
        let middle = middle.unwrap_or(0).clamp(1, colors.len() - 1);
        let above = colors.split_off(middle);
        groups.push((gain(&colors), colors));
        groups.push((gain(&above), above));
    }
    groups.into_iter().map(|(_, colors)| colors).collect()
}

/// The colour that stands for a group: one that most of its pixels have, or else their mean.
fn shown(colors: &[(Color, u64)]) -> Color {
    let all: u64 = colors.iter().map(|(_, n)| n).sum();
    match colors.iter().find(|(_, n)| 2 * n > all) {
        Some((color, _)) => *color,
        None => [0, 1, 2].map(|channel| {
            let sum: u64 = colors.iter().map(|(color, n)| u64::from(color[channel]) * n).sum();
            ((sum + all / 2) / all.max(1)) as u8
        }),
    }
}

#[cfg(test)]
#[path = "indexed_tests.rs"]
mod tests;
