//! Clouds of points in the plane, panel by panel.

use super::Drawing;
use super::axes::{Axis, Panel};
use super::drawing::{Align, Frame, Rgb, TEXT_GREY, point};
use super::palette::Look;

/// A named cloud; equal names look equal in all panels.
#[derive(Clone, Debug)]
pub struct Cloud {
    /// As the legend prints it.
    pub name: String,
    /// Each point's x and y.
    pub points: Vec<[f64; 2]>,
}

/// One picture of clouds.
#[derive(Clone, Debug)]
pub struct CloudPanel {
    /// Heading of the panel.
    pub title: String,
    /// The clouds, drawn in this order.
    pub clouds: Vec<Cloud>,
    /// The line w·x + b = 0: w and b.
    pub boundary: Option<([f64; 2], f64)>,
}

const SIDE: f64 = 240.0;
const MARGIN: f64 = 44.0;
const BOUNDARY: Rgb = Rgb(0, 158, 115);

/// All panels side by side, on equal axes of equal scale; points beyond the square around `centre`
/// that is `2 · reach` wide are drawn at its edge.
pub fn clouds(panels: &[CloudPanel], centre: [f64; 2], reach: f64) -> Drawing {
    let width = MARGIN + panels.len() as f64 * (SIDE + MARGIN);
    let mut drawing = Drawing::new(width, SIDE + 2.0 * MARGIN + 14.0);
    let names: Vec<&str> = panels.iter().flat_map(|p| &p.clouds).map(|c| c.name.as_str()).fold(
        Vec::new(),
        |mut names, name| {
            if !names.contains(&name) {
                names.push(name);
            }
            names
        },
    );
    let look = |name: &str| {
        Look::by_index(names.iter().position(|known| *known == name).unwrap_or_default()).color
    };
    for (i, panel) in panels.iter().enumerate() {
        let area =
            Frame { x: MARGIN + i as f64 * (SIDE + MARGIN), y: 30.0, width: SIDE, height: SIDE };
        let axis = |at: f64| Axis::linear(at - reach, at + reach, 5.0);
        let axes = Panel { area, x: axis(centre[0]), y: axis(centre[1]) };
        axes.draw(&mut drawing, &panel.title, "");
        for cloud in &panel.clouds {
            for p in &cloud.points {
                dot(&mut drawing, &axes, *p, look(&cloud.name));
            }
        }
        if let Some((w, b)) = panel.boundary {
            line(&mut drawing, &axes, w, b, centre, reach);
        }
    }
    let mut x = MARGIN;
    let y = SIDE + MARGIN + 28.0;
    for name in &names {
        let color = look(name);
        square(&mut drawing, x, y - 4.0, 4.0, color, 1.0);
        drawing.text(name, point(x + 9.0, y), 11.0, Align::Left, TEXT_GREY);
        x += 110.0;
    }
    drawing
}

fn square(drawing: &mut Drawing, x: f64, y: f64, half: f64, color: Rgb, opacity: f64) {
    let corners = [(-half, -half), (half, -half), (half, half), (-half, half)];
    drawing.area(
        corners.into_iter().map(|(dx, dy)| point(x + dx, y + dy)).collect(),
        color,
        opacity,
    );
}

fn dot(drawing: &mut Drawing, axes: &Panel, p: [f64; 2], color: Rgb) {
    let at = axes.clamped(p[0], p[1]);
    square(drawing, at.x, at.y, 1.1, color, 0.6);
}

fn line(drawing: &mut Drawing, axes: &Panel, w: [f64; 2], b: f64, centre: [f64; 2], reach: f64) {
    let length = w[0].hypot(w[1]);
    if length == 0.0 {
        return;
    }
    // The point of the line next to the centre, and from there both ways.
    let off = (w[0] * centre[0] + w[1] * centre[1] + b) / (length * length);
    let foot = [centre[0] - off * w[0], centre[1] - off * w[1]];
    let along = [-w[1] / length * 4.0 * reach, w[0] / length * 4.0 * reach];
    let ends = [
        axes.place(foot[0] - along[0], foot[1] - along[1]),
        axes.place(foot[0] + along[0], foot[1] + along[1]),
    ];
    for part in axes.clipped(&ends) {
        drawing.line(part, BOUNDARY, 1.5);
    }
}

#[cfg(test)]
mod tests {
    use super::super::drawing::Shape;
    use super::*;

    #[test]
    fn every_point_is_drawn_inside_its_panel_and_every_name_once() {
        let cloud =
            |name: &str, points: &[[f64; 2]]| Cloud { name: name.into(), points: points.into() };
        let panel = |title: &str| CloudPanel {
            title: title.into(),
            clouds: vec![cloud("real", &[[0.0, 0.0], [9.0, 0.0]]), cloud("fake", &[[1.0, 1.0]])],
            boundary: Some(([1.0, 0.5], -0.2)),
        };
        let drawing = clouds(&[panel("a"), panel("b")], [0.0, 0.0], 4.0);
        let areas = drawing.shapes.iter().filter_map(|shape| match shape {
            Shape::Area { points, .. } => Some(points),
            _ => None,
        });
        let areas: Vec<_> = areas.collect();
        assert_eq!(areas.len(), 2 * 3 + 2);
        assert!(areas.iter().all(|a| a.iter().all(|p| p.x > 0.0 && p.x < drawing.width)));
        let texts = |wanted: &str| {
            let is = |shape: &&Shape| matches!(shape, Shape::Text { text, .. } if text == wanted);
            drawing.shapes.iter().filter(is).count()
        };
        assert_eq!((texts("real"), texts("fake"), texts("a")), (1, 1, 1));
    }
}
