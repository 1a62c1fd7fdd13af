use ganbench_data::images::{ImageBatch, ImageSize};
use ganbench_data::rng::Stream;

use super::axes::Axis;
use super::drawing::{Align, Frame, Shape};
use super::lettering::text_width;
use super::*;
use crate::card::test_cards;
use crate::row::tests::row;
use crate::row::{ResultRow, Status, kimg_name};
use crate::table::tests::labels;

/// Made scores that look like training: four methods, six metrics, a curve and both final
/// checkpoints; with more than two seeds, one run diverges.
pub(crate) fn demo_rows(seeds: u64) -> Vec<ResultRow> {
    let mut noise = Stream::new(0, "test/plot");
    let mut rows = Vec::new();
    let methods = [("gan", 60.0), ("contrad", 35.0), ("kdd", 48.0), ("reacgan", 28.0)];
    for ((method, floor), seed) in methods.into_iter().flat_map(|m| (0..seeds).map(move |s| (m, s)))
    {
        let stops = method == "kdd" && seed == 2;
        let mut at = |checkpoint: String, kimg: f64, n_fake: u64, diverged: bool| {
            let progress = 1.0 - (-kimg / 6.0).exp();
            let fid = 420.0 + (floor - 420.0) * progress + 6.0 * noise.uniform() * (1.0 + kimg);
            let good = (420.0 - fid) / 420.0;
            for (metric, value) in [
                ("fid", fid),
                ("is", 1.0 + 6.0 * good),
                ("density", 0.9 * good + 0.05 * noise.uniform()),
                ("coverage", 0.8 * good),
                ("precision", 0.7 * good + 0.05 * noise.uniform()),
                ("recall", 0.5 * good),
            ] {
                rows.push(ResultRow {
                    run_id: format!("{method}-{seed}"),
                    method: method.into(),
                    conditional: method == "reacgan",
                    seed,
                    checkpoint: checkpoint.clone(),
                    metric: format!("{metric}@small-shapes"),
                    value: (!diverged).then_some(value),
                    status: if diverged { Status::Diverged } else { Status::Ok },
                    n_fake,
                    train_s: 80.0 + 20.0 * noise.uniform(),
                    ..row()
                });
            }
        };
        for step in 0..=8 {
            let kimg = 2.5 * f64::from(step);
            if !stops || step < 6 {
                at(kimg_name(kimg), kimg, 2000, false);
            }
        }
        at("last".into(), 20.0, 10_000, stops);
        at("best".into(), 20.0, 10_000, stops);
    }
    rows
}

/// Made losses, gradient norms and outputs of D.
pub(crate) fn demo_curves(seeds: u64) -> (Vec<Curves>, Vec<Curves>, Vec<Curves>) {
    let mut noise = Stream::new(1, "test/plot");
    let terms: [(&str, &[&str]); 4] = [
        ("gan", &["D: adversarial", "G: adversarial"]),
        (
            "contrad",
            &["D: L+ (SimCLR)", "D: L− (SupCon)", "D: L_dis", "G: adversarial", "D: total"],
        ),
        ("kdd", &["D: KDD", "G: KDD", "log-ratio on reals"]),
        ("reacgan", &["D: hinge", "D: D2D-CE", "G: hinge", "G: D2D-CE"]),
    ];
    let (mut losses, mut norms, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
    for ((method, names), seed) in terms.into_iter().flat_map(|t| (0..seeds).map(move |s| (t, s))) {
        let mut term = |name: &str, from: f64, to: f64, spread: f64| Term {
            name: name.to_string(),
            points: (0..1500)
                .map(|i| {
                    let t = f64::from(i) / 1500.0;
                    let spike = if i < 4 { 12.0 } else { 1.0 };
                    let broken = method == "kdd" && seed == 1 && i > 1100;
                    let value = from
                        + (to - from) * (1.0 - (-5.0 * t).exp())
                        + spike * spread * (noise.uniform() - 0.5);
                    CurvePoint { kimg: 20.0 * t, value: if broken { f64::NAN } else { value } }
                })
                .collect(),
        };
        let run = |terms| Curves { group: String::new(), method: method.to_string(), seed, terms };
        let of_losses =
            names.iter().enumerate().map(|(i, n)| term(n, 2.0 - i as f64, 0.7, 0.5)).collect();
        losses.push(run(of_losses));
        norms.push(run(vec![
            term("D gradient norm", 9.0, 1.2, 0.6),
            term("G gradient norm", 0.5, 2.5, 0.3),
        ]));
        outputs.push(run(vec![term("D(real)", 0.0, 1.5, 0.8), term("D(fake)", 0.0, -1.2, 0.8)]));
    }
    (losses, norms, outputs)
}

/// Made images: a gradient with a square, in the hue of the block.
fn demo_images(n: usize, side: usize, channels: usize) -> ImageBatch {
    let mut noise = Stream::new(2, "test/plot");
    let mut pixels = Vec::new();
    for _ in 0..n {
        let (a, b) = (noise.below(side as u64) as usize, noise.below(200) as usize);
        for y in 0..side {
            for x in 0..side {
                let square = x.abs_diff(a) < side / 5 && y.abs_diff(a) < side / 5;
                for c in 0..channels {
                    let base = 255 * x / side * (c + 1) / channels;
                    pixels.push(if square { b as u8 } else { base as u8 });
                }
            }
        }
    }
    ImageBatch::new(ImageSize::new(side, side, channels), pixels, None, None).unwrap()
}

pub(crate) fn demo_grid() -> SampleGrid {
    let block = |label: &str| SampleBlock { label: label.into(), images: demo_images(32, 32, 3) };
    SampleGrid {
        title: "table1 on shapes: samples of the last checkpoint, seed 0".into(),
        blocks: ["GAN", "ContraD", "KDD GAN", "ReACGAN (cond.)", "SupCon-GAN"].map(block).to_vec(),
        columns: 4,
    }
}

/// Made cells of every kind, in groups.
fn demo_heat_map() -> HeatMap {
    let cell = |row: usize, column: usize| HeatCell {
        place: (!(row + column).is_multiple_of(4)).then_some((row * column % 7) as f64 / 6.0),
        crossed: row + 2 * column == 9,
    };
    let names = ["FID", "Improved precision", "Coverage", "Modes KL", "TV background"];
    HeatMap {
        title: "Which metric sees which fault: a made figure with a title that wraps".into(),
        subtitle: "Two thousand fakes against four thousand reals.".into(),
        columns: names.map(|name| HeatLabel::new(name, name == "Modes KL")).to_vec(),
        rows: (0..8)
            .map(|row| HeatRow {
                label: HeatLabel::new(format!("A fault of number {row}, 5 … 100 %"), row == 3),
                cells: (0..names.len()).map(|column| cell(row, column)).collect(),
            })
            .collect(),
        key: HeatKey {
            first: "from the weakest level on".into(),
            last: "the strongest only".into(),
            never: "never".into(),
            crossed: "prefers the fault".into(),
        },
    }
}

/// The boxes of all texts.
fn text_boxes(drawing: &Drawing) -> Vec<(String, Frame)> {
    drawing
        .shapes
        .iter()
        .filter_map(|shape| match shape {
            Shape::Text { text, at, size, align, .. } => {
                let width = text_width(text, *size);
                let x = match align {
                    Align::Left => at.x,
                    Align::Centre => at.x - 0.5 * width,
                    Align::Right => at.x - width,
                };
                // From the height of capitals down to the depth of a "g".
                let frame = Frame { x, y: at.y - 0.73 * size, width, height: 0.93 * size };
                Some((text.clone(), frame))
            }
            Shape::Upright { text, at, size, .. } => {
                let height = text_width(text, *size);
                let (x, y) = (at.x - 0.73 * size, at.y - height);
                Some((text.clone(), Frame { x, y, width: 0.93 * size, height }))
            }
            _ => None,
        })
        .collect()
}

/// Fails where two texts overlap, a text lies on an image, or anything leaves the page.
fn check_layout(drawing: &Drawing) {
    let boxes = text_boxes(drawing);
    assert!(!boxes.is_empty());
    for (i, (text, frame)) in boxes.iter().enumerate() {
        assert!(
            frame.x >= 0.0
                && frame.y >= 0.0
                && frame.right() <= drawing.width
                && frame.bottom() <= drawing.height,
            "{text:?} leaves the page: {frame:?}"
        );
        for (other, other_frame) in &boxes[i + 1..] {
            assert!(!frame.overlaps(other_frame), "{text:?} and {other:?} overlap");
        }
    }
    for shape in &drawing.shapes {
        match shape {
            Shape::Line { points, .. } | Shape::Area { points, .. } => {
                for p in points {
                    let inside = (0.0..=drawing.width).contains(&p.x)
                        && (0.0..=drawing.height).contains(&p.y);
                    assert!(inside, "{p:?} leaves the page");
                }
            }
            Shape::Image { frame, .. } => {
                assert!(frame.right() <= drawing.width && frame.bottom() <= drawing.height);
                for (text, of_text) in &boxes {
                    assert!(!frame.overlaps(of_text), "{text:?} lies on an image");
                }
            }
            Shape::Text { .. } | Shape::Upright { .. } => {}
        }
    }
}

/// Every figure of the demonstration data, with a name.
fn demo_figures() -> Vec<(String, Drawing)> {
    let methods = labels();
    let mut out = Vec::new();
    for seeds in [1, 3] {
        let rows = demo_rows(seeds);
        let drawing = score_curves(&rows, &methods, test_cards()).unwrap().unwrap();
        out.push((format!("scores-{seeds}"), drawing));
        let (losses, norms, outputs) = demo_curves(seeds);
        for (name, curves, layout, log) in [
            ("losses", &losses, CurveLayout::TermAndMethod, false),
            ("gradient-norms", &norms, CurveLayout::Term, true),
            ("d-outputs", &outputs, CurveLayout::Method, false),
        ] {
            let figure = CurveFigure { title: name, curves, labels: &methods, layout, log };
            out.push((format!("{name}-{seeds}"), figure.drawing().unwrap()));
        }
    }
    // One metric only, and methods without labels.
    let fid: Vec<ResultRow> =
        demo_rows(2).into_iter().filter(|r| r.metric.starts_with("fid")).collect();
    out.push(("scores-fid".into(), score_curves(&fid, &[], test_cards()).unwrap().unwrap()));
    out.push(("samples".into(), demo_grid().drawing().unwrap()));
    let single = SampleGrid {
        title: "A long title over a single small block of samples, which must wrap".into(),
        blocks: vec![SampleBlock {
            label: "A method with a long name".into(),
            images: demo_images(4, 8, 1),
        }],
        columns: 2,
    };
    out.push(("samples-single".into(), single.drawing().unwrap()));
    out.push(("heat-map".into(), demo_heat_map().drawing().unwrap()));
    out
}

#[test]
fn no_text_overlaps_and_nothing_leaves_the_page() {
    for (name, drawing) in demo_figures() {
        eprintln!("{name}: {} x {}", drawing.width, drawing.height);
        check_layout(&drawing);
    }
}

/// Writes the pictures to `$GANBENCH_PICTURES` for a person to look at.
#[test]
fn every_figure_renders_as_png_and_svg() {
    let folder = std::env::var_os("GANBENCH_PICTURES").map(std::path::PathBuf::from);
    for (name, drawing) in demo_figures() {
        let (png, svg) = (drawing.png().unwrap(), drawing.svg().unwrap());
        let decoded = image::load_from_memory(&png).unwrap();
        assert_eq!(f64::from(decoded.width()), 2.0 * drawing.width.ceil());
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
        let shown =
            format!("width=\"{}\" height=\"{}\"", drawing.width.ceil(), drawing.height.ceil());
        assert!(svg.contains(&shown), "{}", &svg[..200]);
        assert!(svg.contains("font-family=\"sans-serif\""));
        if let Some(folder) = &folder {
            ganbench_files::write_atomic(&folder.join(format!("{name}.png")), &png).unwrap();
            ganbench_files::write_atomic(&folder.join(format!("{name}.svg")), svg.as_bytes())
                .unwrap();
        }
    }
}

#[test]
fn the_same_figure_twice_is_the_same_file() {
    let rows = demo_rows(2);
    let draw = || score_curves(&rows, &labels(), test_cards()).unwrap().unwrap();
    assert_eq!(draw().png().unwrap(), draw().png().unwrap());
    assert_eq!(draw().svg().unwrap(), draw().svg().unwrap());
}

#[test]
fn text_is_drawn_in_the_embedded_font() {
    // Advance widths of DejaVu Sans in 2048ths of an em: "0" 1303, "W" 2025 (from its hmtx table).
    assert!((text_width("0", 100.0) - 100.0 * 1303.0 / 2048.0).abs() < 0.02);
    assert!((text_width("W", 100.0) - 100.0 * 2025.0 / 2048.0).abs() < 0.02);
    // An arrow is a glyph of its own, not a blank.
    assert!(text_width("↓", 100.0) > 50.0);
}

#[test]
fn ticks_are_round_and_inside() {
    let labels = |axis: &Axis| axis.ticks.iter().map(|(_, l)| l.clone()).collect::<Vec<_>>();
    assert_eq!(labels(&Axis::linear(0.0, 20.4, 5.0)), ["0", "5", "10", "15", "20"]);
    assert_eq!(
        labels(&Axis::linear(-0.3, 0.31, 5.0)),
        ["−0.2", "0.0", "0.2"]
            .map(|l| { if l == "0.0" { "0".to_string() } else { l.to_string() } })
    );
    assert_eq!(labels(&Axis::log(30.0, 420.0)), ["30", "50", "70", "100", "200", "300"]);
    assert_eq!(labels(&Axis::log(0.01, 1e4)), ["0.01", "0.1", "1", "10", "100", "1000", "10000"]);
    assert!(labels(&Axis::log(95.0, 105.0)).len() >= 2);
    for axis in [Axis::linear(3.0, 3.0, 5.0), Axis::linear(0.0, 0.0, 5.0), Axis::log(7.0, 7.0)] {
        assert!(axis.ticks.len() >= 2);
        assert!(axis.ticks.iter().all(|(v, _)| (-0.01..=1.01).contains(&axis.share(*v))));
    }
    assert!((2..=12).contains(&Axis::log(5e-324, f64::MAX).ticks.len()));
    for (min, max) in [(1e-9, 2e-9), (1e8, 3e8), (-5e4, 1e5), (0.999, 1.001)] {
        let axis = Axis::linear(min, max, 5.0);
        assert!((2..=12).contains(&axis.ticks.len()), "{min} {max}: {:?}", axis.ticks);
    }
}

#[test]
fn curves_without_values_make_no_figure() {
    assert!(score_curves(&[row()], &[], test_cards()).unwrap().is_none());
    let nothing = Curves {
        group: String::new(),
        method: "gan".into(),
        seed: 0,
        terms: vec![Term {
            name: "D".into(),
            points: vec![CurvePoint { kimg: 0.0, value: f64::NAN }],
        }],
    };
    for curves in [&[][..], &[nothing]] {
        let figure =
            CurveFigure { title: "t", curves, labels: &[], layout: CurveLayout::Term, log: false };
        assert!(figure.drawing().is_none());
    }
}

#[test]
fn a_sample_sheet_reads_back_to_the_images_that_it_shows() {
    for (n, side, channels) in [(19, 32, 3), (8, 12, 1), (5, 64, 3)] {
        let images = demo_images(n, side, channels);
        let sheet = SampleSheet { images: &images, columns: 4, row_labels: None };
        let png = samples_png(&sheet).unwrap();
        let back = samples_of_png(&png, images.size, 4, n - 1).unwrap();
        assert_eq!(back.len(), n - 1);
        for k in 0..n - 1 {
            assert_eq!(back.image(k), images.image(k), "image {k} of {side}x{side}x{channels}");
        }
        for (png, columns, n) in [(&png[..], 5, 1), (&png[..], 4, 100), (&png[..40], 4, 1)] {
            let error = samples_of_png(png, images.size, columns, n).unwrap_err().to_string();
            assert!(error.contains("but the sample sheet has"), "{error}");
        }
    }
}

#[test]
fn uneven_sample_grids_are_refused_by_name() {
    let mut grid = demo_grid();
    grid.blocks[2].images = demo_images(31, 32, 3);
    assert_eq!(
        grid.drawing().unwrap_err().to_string(),
        "sample grid needs 32 images of size 32x32x3 as GAN has, but KDD GAN has 31 of size 32x32x3"
    );
    grid.blocks.clear();
    assert!(grid.drawing().unwrap_err().to_string().contains("at least one method, but"));
}

#[test]
fn a_sample_sheet_keeps_every_pixel() {
    let images = demo_images(6, 32, 3);
    let png = samples_png(&SampleSheet { images: &images, columns: 3, row_labels: None }).unwrap();
    let page = image::load_from_memory(&png).unwrap().to_rgb8();
    // 3 x 2 images of 32, one pixel between, three times enlarged.
    assert_eq!(page.dimensions(), (3 * (3 * 33 - 1), 3 * (2 * 33 - 1)));
    let image = images.image(4);
    for (x, y) in [(0usize, 0usize), (31, 31), (7, 20)] {
        let at = (y * 32 + x) * 3;
        let got = page.get_pixel(3 * (33 + x as u32) + 1, 3 * (33 + y as u32) + 1);
        assert_eq!(got.0, [image[at], image[at + 1], image[at + 2]]);
    }
    let names = ["circle".to_string(), "a triangle".to_string()];
    let sheet = SampleSheet { images: &images, columns: 3, row_labels: Some(&names) };
    let labelled = samples_png(&sheet).unwrap();
    if let Some(folder) = std::env::var_os("GANBENCH_PICTURES") {
        let folder = std::path::PathBuf::from(folder);
        ganbench_files::write_atomic(&folder.join("sheet.png"), &png).unwrap();
        ganbench_files::write_atomic(&folder.join("sheet-labelled.png"), &labelled).unwrap();
    }
    let sheet = SampleSheet { images: &images, columns: 2, row_labels: Some(&names) };
    assert_eq!(
        samples_png(&sheet).unwrap_err().to_string(),
        "sample grid needs 3 row labels, but the sample sheet has 2"
    );
}
