//! Draws a [`Drawing`]: lines and areas by plotters, text and images in PNG by ourselves.
//!
//! plotters works in whole pixels and does not smooth thick lines, so both backends draw at four
//! times the layout's size: the PNG is then averaged down by two (leaving two pixels per CSS
//! pixel), the SVG keeps the fine coordinates in its view box. SVG text asks for `sans-serif`.

use base64::Engine as _;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{RgbImage, imageops};
use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea as _};
use plotters::element::{PathElement, Polygon, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color as _, FontTransform, IntoFont as _, RGBColor, ShapeStyle, TextStyle, WHITE,
};

use super::drawing::{Align, Drawing, Frame, Rgb, Shape, point};
use super::lettering::{draw_text, draw_upright};
use crate::error::ReportError;

const FONT_FAMILY: &str = "sans-serif";

/// Backend pixels per CSS pixel.
const OVERSAMPLING: u32 = 4;
/// PNG pixels per CSS pixel.
pub(super) const PNG_SCALE: u32 = 2;

/// plotters' SVG backend divides the text size by this to get the em.
const SVG_SIZE_PER_EM: f64 = 1.24;

/// plotters' SVG backend moves text that is anchored at its top down by this share of the em.
const SVG_TOP_PER_EM: f64 = 0.76;

/// Whether a backend is to draw the texts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Texts {
    Drawn,
    Left,
}

impl Drawing {
    /// The figure as PNG, two pixels per CSS pixel.
    ///
    /// # Errors
    /// If plotters or the PNG encoder fails.
    pub fn png(&self) -> Result<Vec<u8>, ReportError> {
        png_bytes(&self.raster()?)
    }

    /// The figure's pixels, two per CSS pixel.
    pub(super) fn raster(&self) -> Result<RgbImage, ReportError> {
        let (width, height) = self.pixels(OVERSAMPLING);
        let mut buffer = vec![255u8; width as usize * height as usize * 3];
        {
            let area = BitMapBackend::with_buffer(&mut buffer, (width, height)).into_drawing_area();
            self.draw(&area, Texts::Left)?;
        }
        let large = RgbImage::from_raw(width, height, buffer)
            .ok_or_else(|| failed("the pixel buffer has the wrong size"))?;
        let (width, height) = self.pixels(PNG_SCALE);
        let mut out = imageops::thumbnail(&large, width, height);
        let scale = f64::from(PNG_SCALE);
        for shape in &self.shapes {
            match shape {
                Shape::Image { image, frame } => paste(&mut out, image, frame),
                Shape::Text { text, at, size, align, color } => {
                    let at = point(at.x * scale, at.y * scale);
                    draw_text(&mut out, text, at, size * scale, *align, *color);
                }
                Shape::Upright { text, at, size, color } => {
                    let at = point(at.x * scale, at.y * scale);
                    draw_upright(&mut out, text, at, size * scale, *color);
                }
                Shape::Line { .. } | Shape::Area { .. } => {}
            }
        }
        Ok(out)
    }

    /// The figure as SVG.
    ///
    /// # Errors
    /// If plotters or the encoder of embedded images fails.
    pub fn svg(&self) -> Result<String, ReportError> {
        let (width, height) = self.pixels(OVERSAMPLING);
        let mut text = String::new();
        {
            let area = SVGBackend::with_string(&mut text, (width, height)).into_drawing_area();
            self.draw(&area, Texts::Drawn)?;
        }
        // Shown at its CSS size, whatever the fine coordinates.
        let (shown_width, shown_height) = self.pixels(1);
        let mut text = text.replacen(
            &format!("width=\"{width}\" height=\"{height}\""),
            &format!("width=\"{shown_width}\" height=\"{shown_height}\""),
            1,
        );
        let mut images = String::new();
        for shape in &self.shapes {
            if let Shape::Image { image, frame } = shape {
                images.push_str(&embedded(image, frame)?);
            }
        }
        if let Some(end) = text.rfind("</svg>") {
            text.insert_str(end, &images);
        }
        Ok(text)
    }

    fn pixels(&self, scale: u32) -> (u32, u32) {
        (self.width.ceil() as u32 * scale, self.height.ceil() as u32 * scale)
    }

    fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        texts: Texts,
    ) -> Result<(), ReportError> {
        area.fill(&WHITE).map_err(failed)?;
        let scale = f64::from(OVERSAMPLING);
        let at = |x: f64, y: f64| ((x * scale).round() as i32, (y * scale).round() as i32);
        for shape in &self.shapes {
            match shape {
                Shape::Line { points, color, width } => {
                    let style = ShapeStyle {
                        color: rgb(*color).to_rgba(),
                        filled: false,
                        stroke_width: (width * scale).round().max(1.0) as u32,
                    };
                    let points: Vec<_> = points.iter().map(|p| at(p.x, p.y)).collect();
                    area.draw(&PathElement::new(points, style)).map_err(failed)?;
                }
                Shape::Area { points, color, opacity } => {
                    let points: Vec<_> = points.iter().map(|p| at(p.x, p.y)).collect();
                    let style = rgb(*color).mix(*opacity).filled();
                    area.draw(&Polygon::new(points, style)).map_err(failed)?;
                }
                Shape::Text { text, at: place, size, align, color } if texts == Texts::Drawn => {
                    let h_pos = match align {
                        Align::Left => HPos::Left,
                        Align::Centre => HPos::Center,
                        Align::Right => HPos::Right,
                    };
                    let font = (FONT_FAMILY, size * scale * SVG_SIZE_PER_EM).into_font();
                    let color = rgb(*color);
                    let style = TextStyle::from(font).color(&color).pos(Pos::new(h_pos, VPos::Top));
                    let top = at(place.x, place.y - size * SVG_TOP_PER_EM);
                    area.draw(&Text::new(text.as_str(), top, style)).map_err(failed)?;
                }
                Shape::Upright { text, at: place, size, color } if texts == Texts::Drawn => {
                    let font = (FONT_FAMILY, size * scale * SVG_SIZE_PER_EM).into_font();
                    let font = font.transform(FontTransform::Rotate270);
                    let color = rgb(*color);
                    let style =
                        TextStyle::from(font).color(&color).pos(Pos::new(HPos::Left, VPos::Top));
                    // Turned about its top left corner, which is left of the baseline.
                    let top = at(place.x - size * SVG_TOP_PER_EM, place.y);
                    area.draw(&Text::new(text.as_str(), top, style)).map_err(failed)?;
                }
                // Added by the caller when everything else is drawn.
                Shape::Text { .. } | Shape::Upright { .. } | Shape::Image { .. } => {}
            }
        }
        area.present().map_err(failed)
    }
}

/// Small files before fast ones: reports are kept in repositories.
pub(super) fn png_bytes(image: &RgbImage) -> Result<Vec<u8>, ReportError> {
    let mut bytes = Vec::new();
    let encoder =
        PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::NoFilter);
    image.write_with_encoder(encoder).map_err(failed)?;
    Ok(bytes)
}

fn rgb(color: Rgb) -> RGBColor {
    RGBColor(color.0, color.1, color.2)
}

fn failed(error: impl std::fmt::Display) -> ReportError {
    ReportError::Draw { figure: "a figure".to_string(), reason: error.to_string() }
}

/// Enlarges without smoothing, so that every pixel of a sample is seen as it is.
fn paste(page: &mut RgbImage, image: &RgbImage, frame: &Frame) {
    let scale = f64::from(PNG_SCALE);
    let size = |v: f64| (v * scale).round().max(1.0) as u32;
    let enlarged = imageops::resize(
        image,
        size(frame.width),
        size(frame.height),
        imageops::FilterType::Nearest,
    );
    let (x, y) = ((frame.x * scale).round() as i64, (frame.y * scale).round() as i64);
    imageops::replace(page, &enlarged, x, y);
}

fn embedded(image: &RgbImage, frame: &Frame) -> Result<String, ReportError> {
    let data = base64::engine::general_purpose::STANDARD.encode(png_bytes(image)?);
    let scale = f64::from(OVERSAMPLING);
    Ok(format!(
        "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" image-rendering=\"optimizeSpeed\" \
         style=\"image-rendering:pixelated\" preserveAspectRatio=\"none\" href=\"data:image/png;base64,{data}\"/>\n",
        frame.x * scale,
        frame.y * scale,
        frame.width * scale,
        frame.height * scale,
    ))
}
