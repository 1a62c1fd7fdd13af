//! Text in the embedded font: its width, and its pixels.
//!
//! plotters' own bitmap text sets every glyph at a whole pixel and drops the space to its left,
//! which shows in small labels; here glyphs keep their places and their kerning.

use std::sync::LazyLock;

use ab_glyph::{Font as _, FontRef, Glyph, Point as GlyphPoint, PxScale, ScaleFont as _};
use image::{Rgb as Pixel, RgbImage, imageops};

use super::drawing::{Align, Point, Rgb};

static FONT: LazyLock<FontRef<'static>> = LazyLock::new(|| {
    FontRef::try_from_slice(include_bytes!("../../fonts/DejaVuSans-subset.ttf"))
        .expect("the embedded font is a font")
});

/// ab_glyph scales by the height of a line instead of by the em.
fn scale_of(size: f64) -> PxScale {
    let font = &*FONT;
    let line = font.height_unscaled() / font.units_per_em().unwrap_or(2048.0);
    PxScale::from(size as f32 * line)
}

/// The glyphs of a line that starts at the origin, and its width; `size` is the em in pixels.
fn glyphs(text: &str, size: f64) -> (Vec<Glyph>, f64) {
    let scale = scale_of(size);
    let font = FONT.as_scaled(scale);
    let (mut x, mut previous, mut out) = (0.0f32, None, Vec::new());
    for c in text.chars() {
        let id = font.glyph_id(c);
        if let Some(previous) = previous {
            x += font.kern(previous, id);
        }
        out.push(id.with_scale_and_position(scale, GlyphPoint { x, y: 0.0 }));
        x += font.h_advance(id);
        previous = Some(id);
    }
    (out, f64::from(x))
}

/// Width of a line of text; `size` is the em, in the unit of the result.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    glyphs(text, size).1
}

/// Draws one line of text onto the page. `at` is on the baseline; `at` and `size` (the em) are in
/// pixels.
pub(super) fn draw_text(
    page: &mut RgbImage,
    text: &str,
    at: Point,
    size: f64,
    align: Align,
    color: Rgb,
) {
    let (glyphs, width) = glyphs(text, size);
    let left = match align {
        Align::Left => at.x,
        Align::Centre => at.x - 0.5 * width,
        Align::Right => at.x - width,
    };
    for mut glyph in glyphs {
        glyph.position.x += left as f32;
        // On a whole pixel, so that the feet of all letters are sharp.
        glyph.position.y = at.y.round() as f32;
        let Some(outline) = FONT.outline_glyph(glyph) else { continue };
        let bounds = outline.px_bounds();
        outline.draw(|dx, dy, coverage| {
            let x = bounds.min.x as i64 + i64::from(dx);
            let y = bounds.min.y as i64 + i64::from(dy);
            let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return };
            if let Some(pixel) = page.get_pixel_mut_checked(x, y) {
                let share = coverage.clamp(0.0, 1.0);
                for (channel, ink) in pixel.0.iter_mut().zip([color.0, color.1, color.2]) {
                    let mixed = f32::from(*channel) * (1.0 - share) + f32::from(ink) * share;
                    *channel = mixed.round() as u8;
                }
            }
        });
    }
}

/// Draws one line of text from `at` upwards, on white. `at` is on the baseline; `at` and `size`
/// (the em) are in pixels.
pub(super) fn draw_upright(page: &mut RgbImage, text: &str, at: Point, size: f64, color: Rgb) {
    // From above the tallest letter down to below the depth of a "g".
    let (above, below) = (size.ceil(), (0.3 * size).ceil());
    let width = text_width(text, size).ceil();
    let white = Pixel([255; 3]);
    let mut line = RgbImage::from_pixel(width as u32, (above + below) as u32, white);
    draw_text(&mut line, text, Point { x: 0.0, y: above }, size, Align::Left, color);
    let (x, y) = ((at.x - above).round(), (at.y - width).round());
    imageops::replace(page, &imageops::rotate270(&line), x as i64, y as i64);
}
