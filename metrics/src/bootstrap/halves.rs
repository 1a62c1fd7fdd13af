//! How much precision, recall, density and coverage vary, by half-samples.
//!
//! These metrics are no smooth functions of the images: an image moves the balls of its neighbours,
//! and what several images do together varies as much as what each does alone. In Hoeffding's
//! decomposition (1948, doi:10.1214/aoms/1177730196) terms of c images have a variance of the order
//! 1/n for every c up to about k. The jackknife counts a term of c images c times (Efron and Stein
//! 1981, doi:10.1214/aos/1176345462); held radii leave out what moving balls take back; an image
//! that is drawn twice has a ball of radius near 0. Half-samples that share no image count every
//! term once (McCarthy 1969, doi:10.2307/1402134; Politis and Romano 1994,
//! doi:10.1214/aos/1176325770): with S and S′ the halves of a random split, T(S) and T(S′) are
//! independent and of one distribution, so that E (T(S) − T(S′))² / 2 is the variance of the metric
//! of n/2 images without bias. The mean over many splits is steady.
//!
//! Both sides are split, reals into X₁, X₂ and fakes into Y₁, Y₂, which gives four values T_ij:
//! - (T₁₁ − T₂₂)² / 2 tells the variance where reals and fakes are drawn;
//! - (T₁₁ − T₁₂)² / 2 tells its part of the fakes: that with the reals held.
//!
//! From n/2 to n a variance halves. What remains is that k neighbours of n images are nearer than
//! those of n/2, so that levels differ a little. The design effect stays (Kish 1965): a variance
//! over that of as many independent images. One image's variance is known at n/2 and at n, and is
//! p(1 − p) for a share and the variance over fakes of the balls that hold them for density. With
//! the reals held a real image's answer varies by the fakes alone, and less than p(1 − p) where
//! images are sure of theirs (a class that no fake has): two halves of the fakes that answer
//! differently tell its variance at n/2, two quarters at n/4, and their ratio goes on to n. The
//! fakes' part takes that scale, the reals' part p(1 − p).

use ganbench_data::rng::Stream;
use rayon::prelude::*;

use super::near::{Cells, Levels, Neighbours, OUT, Pairs, Points, Side};
use super::{Bootstrap, Reals, Sides, stream};
use crate::error::MetricError;
use crate::numerics::balls::Inside;
use crate::numerics::rows::Rows;

/// Images of the larger side that are split: more add hours and memory, and no precision. Of larger
/// sets a draw with as many reals for each fake stands for the whole.
const MOST: usize = 5000;

/// Where the metrics stand.
const RECALL: usize = 1;
const DENSITY: usize = 2;
const COVERAGE: usize = 3;

/// What the splits are made for.
#[derive(Clone, Copy)]
pub(super) struct Request {
    /// Of the streams.
    pub(super) metric: &'static str,
    pub(super) k: usize,
    pub(super) inside: Inside,
    pub(super) bootstrap: Bootstrap,
}

/// A set of fakes, ready for splits.
struct Fakes {
    neighbours: Neighbours,
    pairs: Pairs,
    n: usize,
}

/// Variances of precision, recall, density and coverage, or of their differences. None where a half
/// would have no `k`-th neighbour.
pub(super) fn variances(
    sides: &Sides<'_>,
    request: Request,
) -> Result<Option<Levels>, MetricError> {
    let Request { metric, k, .. } = request;
    let (chosen_real, _) = sides.first.nearest()?;
    let real = chosen_real.rows();
    let chosen: Vec<_> = sides
        .inputs()
        .map(|input| input.nearest().map(|(_, fake)| fake))
        .collect::<Result<_, MetricError>>()?;
    let most = chosen.iter().map(|fake| fake.rows().len()).max().unwrap_or(0).max(real.len());
    let share = (MOST as f64 / most as f64).min(1.0);
    let part = |rows: Rows<'_, f32>, side: &str| -> Vec<f32> {
        let n = (rows.len() as f64 * share).round() as usize;
        if n == rows.len() {
            return rows.values().to_vec();
        }
        let name = format!("bootstrap/{metric}/part/{side}");
        let order = Stream::new(request.bootstrap.seed, &name).permutation(rows.len());
        order[..n].iter().flat_map(|&row| rows.row(row)).copied().collect()
    };
    let dim = real.dim();
    let real = part(real, "real");
    let (centre, _) = Rows::new(&real, dim)?.centred();
    let real = Points::new(Rows::new(&real, dim)?, &centre);
    if real.len() / 2 <= k {
        return Ok(None);
    }
    let of_real = Neighbours::new(&real, k);
    let mut fakes = Vec::new();
    for (side, fake) in chosen.iter().enumerate() {
        let fake = part(fake.rows(), &format!("fake{side}"));
        let fake = Points::new(Rows::new(&fake, dim)?, &centre);
        if fake.len() / 2 <= k {
            return Ok(None);
        }
        let neighbours = Neighbours::new(&fake, k);
        let pairs = Pairs::new((&real, &of_real), (&fake, &neighbours));
        fakes.push(Fakes { neighbours, pairs, n: fake.len() });
    }
    let sets = Sets { of_real: &of_real, n_real: real.len(), fakes: &fakes, request };
    let splits: Vec<Split> =
        (0..request.bootstrap.replicates).into_par_iter().map(|index| sets.split(index)).collect();
    let whole: Vec<Cells> = fakes.iter().map(|fakes| sets.whole(fakes)).collect();
    let mean =
        |of: &dyn Fn(&Split) -> f64| splits.iter().map(of).sum::<f64>() / splits.len() as f64;
    Ok(Some(std::array::from_fn(|metric| {
        let held = mean(&|split| split.held[metric]);
        let fakes_part = held * scale(&splits, &whole, metric, Part::Fakes);
        let reals_part = match request.bootstrap.reals {
            Reals::Held => 0.0,
            Reals::Drawn => {
                let drawn = mean(&|split| split.drawn[metric]);
                (drawn - held).max(0.0) * scale(&splits, &whole, metric, Part::Reals)
            }
        };
        (fakes_part + reals_part) / 2.0 * share / 2.0
    })))
}

/// Whose images are drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Reals,
    Fakes,
}

/// One image's variance at n over that at n/2.
fn scale(splits: &[Split], whole: &[Cells], metric: usize, part: Part) -> f64 {
    let mean =
        |of: &dyn Fn(&Split) -> f64| splits.iter().map(of).sum::<f64>() / splits.len() as f64;
    let (mut at_whole, mut at_half) = (0.0, 0.0);
    for (set, whole) in whole.iter().enumerate() {
        let half = |of: &dyn Fn(&Cells) -> f64| mean(&|split| of(&split.halves[set]));
        let (of_whole, of_half) = match (metric, part) {
            (DENSITY, _) => (whole.of_density[0][0], half(&|cells| average(&cells.of_density))),
            (RECALL | COVERAGE, Part::Fakes) => {
                let answer = usize::from(metric == COVERAGE);
                let of = |cells: &Cells| {
                    (cells.of_answers[0][answer] + cells.of_answers[1][answer]) / 2.0
                };
                let of_half = half(&of);
                let of_quarter = mean(&|split| split.quarters.get(set).map_or(0.0, of));
                let goes_on = if of_quarter > 0.0 { of_half / of_quarter } else { 1.0 };
                (of_half * goes_on, of_half)
            }
            _ => {
                let of_share = |share: f64| share * (1.0 - share);
                let level = half(&|cells| average(&cells.levels.map(|row| row.map(|l| l[metric]))));
                (of_share(whole.levels[0][0][metric]), of_share(level))
            }
        };
        at_whole += of_whole;
        at_half += of_half;
    }
    if at_half > 0.0 { at_whole / at_half } else { 1.0 }
}

fn average(cells: &[[f64; 2]; 2]) -> f64 {
    cells.iter().flatten().sum::<f64>() / 4.0
}

/// What one split comes to.
struct Split {
    /// Squared differences of the values, or differences, of halves that share nothing.
    drawn: Levels,
    /// Of halves of the fakes against the same half of the reals.
    held: Levels,
    /// Of each set of fakes.
    halves: Vec<Cells>,
    /// The same; none where a quarter has no `k`-th neighbour.
    quarters: Vec<Cells>,
}

/// Everything that is split.
struct Sets<'a> {
    of_real: &'a Neighbours,
    n_real: usize,
    fakes: &'a [Fakes],
    request: Request,
}

impl Sets<'_> {
    /// The metrics of two parts of each side.
    fn cells(&self, fakes: &Fakes, real: &[u8], fake: &[u8]) -> Cells {
        let Request { k, inside, .. } = self.request;
        let (of_real, of_fake) =
            (self.of_real.squared_radii(real, k), fakes.neighbours.squared_radii(fake, k));
        let real = Side { parts: real, squared_radii: &of_real };
        fakes.pairs.cells(real, Side { parts: fake, squared_radii: &of_fake }, k, inside)
    }

    /// Of all images, in the first cell.
    fn whole(&self, fakes: &Fakes) -> Cells {
        self.cells(fakes, &vec![0; self.n_real], &vec![0; fakes.n])
    }

    fn split(&self, index: usize) -> Split {
        let stream = &mut stream(self.request.metric, self.request.bootstrap, index);
        let mut cells = |size: &dyn Fn(usize) -> usize| -> Vec<Cells> {
            let real = parts(self.n_real, size(self.n_real), stream);
            let of = |fakes: &Fakes| {
                let fake = parts(fakes.n, size(fakes.n), stream);
                self.cells(fakes, &real, &fake)
            };
            self.fakes.iter().map(of).collect()
        };
        let halves = cells(&|n| n / 2);
        let least = self.fakes.iter().map(|fakes| fakes.n).min().unwrap_or(0).min(self.n_real);
        let quarters = if least / 4 > self.request.k { cells(&|n| n / 4) } else { Vec::new() };
        let differences = |other: fn(usize) -> usize| {
            std::array::from_fn(|metric| {
                // Of one set the half `c` says nothing.
                let value = |a: usize, b: usize, c: usize| {
                    let second = halves.get(1).map_or(0.0, |cells| cells.levels[a][c][metric]);
                    halves[0].levels[a][b][metric] - second
                };
                let difference = |(a, b, c): (usize, usize, usize)| {
                    (value(a, b, c) - value(other(a), 1 - b, 1 - c)).powi(2)
                };
                [(0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 0, 1)].map(difference).iter().sum::<f64>()
                    / 4.0
            })
        };
        let (drawn, held) = (differences(|a| 1 - a), differences(|a| a));
        Split { drawn, held, halves, quarters }
    }
}

/// Two random parts of `size` images.
fn parts(n: usize, size: usize, stream: &mut Stream) -> Vec<u8> {
    let mut parts = vec![OUT; n];
    for (place, image) in stream.permutation(n).into_iter().enumerate().take(2 * size) {
        parts[image] = u8::from(place >= size);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_of_one_size_and_leave_out_the_rest() {
        let parts = parts(7, 3, &mut Stream::new(0, "parts"));
        let count = |part| parts.iter().filter(|p| **p == part).count();
        assert_eq!((count(0), count(1), count(OUT)), (3, 3, 1));
    }
}
