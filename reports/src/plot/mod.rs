//! Figures: scores against images shown, training curves, sample grids, heat maps, forest plots;
//! each as PNG and as SVG.
//!
//! A figure is first laid out as a [`Drawing`], a list of lines, areas, texts and images in CSS
//! pixels, and then drawn twice, by plotters. Because the layout is data, tests can check that no
//! two texts overlap and that nothing leaves the page. Text in PNG is set in the embedded DejaVu
//! Sans (see `fonts/README.md`); SVG asks for `sans-serif`, whose usual faces are narrower than
//! DejaVu Sans, so that what fits here fits there.
//!
//! Colours are those of Okabe and Ito, "Color Universal Design" (2008), which remain apart under
//! all common forms of colour blindness; markers and dashes differ too.

mod axes;
mod clouds;
mod curves;
mod drawing;
mod forest;
mod grid;
mod heat;
mod indexed;
mod legend;
mod lettering;
mod palette;
mod render;
mod scores;

pub use clouds::{Cloud, CloudPanel, clouds};
pub use curves::{CurveFigure, CurveLayout, CurvePoint, Curves, Term};
pub use drawing::Drawing;
pub use forest::{Forest, ForestEstimate, ForestRow};
pub use grid::{
    SampleBlock, SampleGrid, SampleSheet, samples_of_png, samples_of_sheet, samples_png,
    samples_sheet,
};
pub use heat::{HeatCell, HeatKey, HeatLabel, HeatMap, HeatRow};
pub use indexed::indexed_png;
pub use scores::score_curves;

#[cfg(test)]
pub(crate) mod tests;
