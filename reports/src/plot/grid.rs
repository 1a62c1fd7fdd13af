//! Sample grids: all methods side by side at the same noise, and the plain grid of one run.

use ganbench_data::images::{ImageBatch, ImageSize};
use image::{Rgb as Pixel, RgbImage, imageops};

use super::drawing::{Align, BLACK, Drawing, Frame, TEXT_GREY, point, wrapped};
use super::lettering::text_width;
use super::render::{PNG_SCALE, png_bytes};
use crate::error::ReportError;

/// The samples of one method.
#[derive(Clone, Debug)]
pub struct SampleBlock {
    /// Printed above.
    pub label: String,
    /// Image `k` of every block must come from the same noise.
    pub images: ImageBatch,
}

/// Samples of several methods side by side.
#[derive(Clone, Debug)]
pub struct SampleGrid {
    /// Printed on top, such as `table1 on shapes, seed 0`.
    pub title: String,
    /// All with equally many images of one size.
    pub blocks: Vec<SampleBlock>,
    /// Images a row in each block.
    pub columns: usize,
}

/// Rows of samples of one run, with optional names of the rows (such as classes).
#[derive(Clone, Debug)]
pub struct SampleSheet<'a> {
    /// The samples, row by row.
    pub images: &'a ImageBatch,
    /// Images a row.
    pub columns: usize,
    /// One per row, where the rows mean something.
    pub row_labels: Option<&'a [String]>,
}

/// Image `k` as RGB; grey images are repeated over the channels.
fn rgb_image(batch: &ImageBatch, k: usize) -> RgbImage {
    let size = batch.size;
    let pixels = batch.image(k);
    RgbImage::from_fn(size.width as u32, size.height as u32, |x, y| {
        let at = (y as usize * size.width + x as usize) * size.channels;
        match size.channels {
            3 => Pixel([pixels[at], pixels[at + 1], pixels[at + 2]]),
            _ => Pixel([pixels[at]; 3]),
        }
    })
}

fn check(batch: &ImageBatch, label: &str) -> Result<(), ReportError> {
    if batch.is_empty() || !matches!(batch.size.channels, 1 | 3) {
        return Err(ReportError::Samples {
            label: label.to_string(),
            expected: "at least one image of 1 or 3 channels".to_string(),
            got: format!("{} of size {}", batch.len(), batch.size),
        });
    }
    Ok(())
}

/// All images in rows of `columns`, one pixel of white between them.
fn tiled(batch: &ImageBatch, columns: usize) -> RgbImage {
    let columns = columns.clamp(1, batch.len());
    let rows = batch.len().div_ceil(columns);
    let (step_x, step_y) = (batch.size.width as u32 + 1, batch.size.height as u32 + 1);
    let mut page = RgbImage::from_pixel(
        columns as u32 * step_x - 1,
        rows as u32 * step_y - 1,
        Pixel([255; 3]),
    );
    for k in 0..batch.len() {
        let (x, y) = ((k % columns) as u32 * step_x, (k / columns) as u32 * step_y);
        imageops::replace(&mut page, &rgb_image(batch, k), i64::from(x), i64::from(y));
    }
    page
}

/// PNG pixels per image pixel: at least 2, 3 for images of 32 and less, larger for tiny ones.
fn enlargement(side: usize) -> u32 {
    match side {
        0..=12 => 6,
        13..=40 => 3,
        41..=80 => 2,
        _ => 1,
    }
}

const MARGIN: f64 = 14.0;
const GAP: f64 = 14.0;
const LABEL_SIZE: f64 = 12.0;
/// Blocks side by side, at most.
const ACROSS: usize = 7;

impl SampleGrid {
    /// Lays the grid out: a block per method, image `k` at the same place in each.
    ///
    /// # Errors
    /// If there is no block, or the blocks differ in the number or size of their images.
    pub fn drawing(&self) -> Result<Drawing, ReportError> {
        let first = self.blocks.first().ok_or(ReportError::Samples {
            label: self.title.clone(),
            expected: "at least one method".to_string(),
            got: "none".to_string(),
        })?;
        for block in &self.blocks {
            check(&block.images, &block.label)?;
            let (n, size) = (block.images.len(), block.images.size);
            if (n, size) != (first.images.len(), first.images.size) {
                return Err(ReportError::Samples {
                    label: block.label.clone(),
                    expected: format!(
                        "{} images of size {} as {} has",
                        first.images.len(),
                        first.images.size,
                        first.label
                    ),
                    got: format!("{n} of size {size}"),
                });
            }
        }
        let side = first.images.size.height.max(first.images.size.width);
        let factor = f64::from(enlargement(side)) / f64::from(PNG_SCALE);
        let tiles: Vec<RgbImage> =
            self.blocks.iter().map(|block| tiled(&block.images, self.columns)).collect();
        let (block_width, block_height) =
            (f64::from(tiles[0].width()) * factor, f64::from(tiles[0].height()) * factor);
        // A block is at least as wide as its label, so that labels never touch.
        let widest = self.blocks.iter().map(|b| text_width(&b.label, LABEL_SIZE));
        let pitch = widest.fold(block_width, f64::max).ceil() + GAP;
        let lines = tiles.len().div_ceil(ACROSS);
        let across = tiles.len().div_ceil(lines);
        let width = (2.0 * MARGIN - GAP + pitch * across as f64).max(240.0);
        let note =
            "Image k of every block comes from the same noise (and class, where there is one).";
        let room = width - 2.0 * MARGIN;
        let title_lines = wrapped(&self.title, 14.0, room).len() as f64;
        let note_lines = wrapped(note, 10.0, room).len() as f64;
        let top = 12.0 + 19.0 * title_lines + 14.0 * note_lines + 26.0;

        let line_height = block_height + 26.0;
        let height = top + block_height + MARGIN + (lines - 1) as f64 * line_height;
        let mut drawing = Drawing::new(width, height);
        let y = drawing.paragraph(&self.title, point(MARGIN, 26.0), 14.0, room, BLACK);
        drawing.paragraph(note, point(MARGIN, y - 1.0), 10.0, room, TEXT_GREY);
        for (i, (block, image)) in self.blocks.iter().zip(tiles).enumerate() {
            let x = (MARGIN + pitch * (i % across) as f64).round();
            let top = top + (i / across) as f64 * line_height;
            let label = point(x, top - 6.0);
            drawing.text(&block.label, label, LABEL_SIZE, Align::Left, BLACK);
            let frame = Frame { x, y: top.round(), width: block_width, height: block_height };
            drawing.image(image, frame);
        }
        Ok(drawing)
    }
}

/// The images of one run as a PNG, enlarged without smoothing.
///
/// # Errors
/// If there are no images, or not one label per row.
pub fn samples_png(sheet: &SampleSheet<'_>) -> Result<Vec<u8>, ReportError> {
    check(sheet.images, "the sample sheet")?;
    let image = tiled(sheet.images, sheet.columns);
    let factor = enlargement(sheet.images.size.height.max(sheet.images.size.width));
    let Some(labels) = sheet.row_labels else {
        let (width, height) = (image.width() * factor, image.height() * factor);
        let large = imageops::resize(&image, width, height, imageops::FilterType::Nearest);
        return png_bytes(&large);
    };
    let rows = sheet.images.len().div_ceil(sheet.columns.clamp(1, sheet.images.len()));
    if labels.len() != rows {
        return Err(ReportError::Samples {
            label: "the sample sheet".to_string(),
            expected: format!("{rows} row labels"),
            got: labels.len().to_string(),
        });
    }
    let scale = f64::from(factor) / f64::from(PNG_SCALE);
    let (width, height) = (f64::from(image.width()) * scale, f64::from(image.height()) * scale);
    let room = labels.iter().map(|l| text_width(l, LABEL_SIZE)).fold(0.0, f64::max).ceil();
    let pad = 6.0;
    let left = pad + room + 8.0;
    let mut drawing = Drawing::new(left + width + pad, height + 2.0 * pad);
    let step = (sheet.images.size.height + 1) as f64 * scale;
    for (k, label) in labels.iter().enumerate() {
        let baseline = pad + step * (k as f64 + 0.5) + 0.36 * LABEL_SIZE;
        drawing.text(label, point(left - 8.0, baseline), LABEL_SIZE, Align::Right, BLACK);
    }
    drawing.image(image, Frame { x: left, y: pad, width, height });
    drawing.png()
}

/// Images in rows at their own size, one pixel apart, as a PNG that [`samples_of_sheet`] reads.
///
/// # Errors
/// If there are no images.
pub fn samples_sheet(images: &ImageBatch, columns: usize) -> Result<Vec<u8>, ReportError> {
    check(images, "the sample sheet")?;
    png_bytes(&tiled(images, columns))
}

/// The first `n` images of what [`samples_sheet`] wrote for images of `size`.
///
/// # Errors
/// If `png` is no such sheet, or holds fewer images.
pub fn samples_of_sheet(png: &[u8], size: ImageSize, n: usize) -> Result<ImageBatch, ReportError> {
    pasted(png, size, (None, 1), n)
}

/// The first `n` images of what [`samples_png`] wrote for images of `size` in rows of `columns`,
/// without labels.
///
/// # Errors
/// If `png` is no such page, or holds fewer images.
pub fn samples_of_png(
    png: &[u8],
    size: ImageSize,
    columns: usize,
    n: usize,
) -> Result<ImageBatch, ReportError> {
    pasted(png, size, (Some(columns), enlargement(size.height.max(size.width))), n)
}

/// The first `n` images of a page that is enlarged by `factor`; its rows have as many images as its
/// width says where `columns` is not given.
fn pasted(
    png: &[u8],
    size: ImageSize,
    (columns, factor): (Option<usize>, u32),
    n: usize,
) -> Result<ImageBatch, ReportError> {
    let wrong = |got: String| ReportError::Samples {
        label: "the sample sheet".to_string(),
        expected: match columns {
            Some(columns) => format!("{n} images of size {size} in rows of {columns}"),
            None => format!("{n} images of size {size}"),
        },
        got,
    };
    let page = image::load_from_memory_with_format(png, image::ImageFormat::Png)
        .map_err(|error| wrong(error.to_string()))?
        .into_rgb8();
    let (step_x, step_y) = (size.width as u32 + 1, size.height as u32 + 1);
    let (width, height) = (page.width() / factor, page.height() / factor);
    let rows = ((height + 1) / step_y) as usize;
    let columns = columns.unwrap_or(((width + 1) / step_x) as usize);
    if (width as usize + 1) != columns.saturating_mul(step_x as usize)
        || rows.saturating_mul(columns) < n
        || !matches!(size.channels, 1 | 3)
    {
        return Err(wrong(format!("a page of {}x{} pixels", page.width(), page.height())));
    }
    let mut pixels = Vec::with_capacity(n * size.bytes());
    for k in 0..n {
        let (left, top) = ((k % columns) as u32 * step_x, (k / columns) as u32 * step_y);
        for (y, x) in
            (0..size.height as u32).flat_map(|y| (0..size.width as u32).map(move |x| (y, x)))
        {
            let pixel = page.get_pixel((left + x) * factor, (top + y) * factor);
            pixels.extend(&pixel.0[..size.channels]);
        }
    }
    ImageBatch::new(size, pixels, None, None).map_err(|error| wrong(error.to_string()))
}
