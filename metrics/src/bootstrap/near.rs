//! Distances between images, from which the balls of any half of them follow quickly.
//!
//! The k-th neighbour within a random quarter is, of all images, the 4k-th on average, with
//! standard deviation √(12k): the lists reach 6 of these further, and where that is not enough
//! (fewer than one image in ten thousand) the end of the list stands for the radius. Distances are
//! in f32, around the mean of the real images: they decide no value, only how much values vary.

use ganbench_nn::kernels::gemm::{Mat, matmul};
use rayon::prelude::*;

use crate::numerics::balls::Inside;
use crate::numerics::rows::Rows;

const TILE: usize = 128;

/// Squared distances below this share of the squared norms are rounding errors of equal rows.
const EQUAL: f32 = 1e-6;

/// Which of two parts of one size, 0 and 1, each image lies in, or `OUT`.
pub(super) type Parts = [u8];

/// Belongs to neither part.
pub(super) const OUT: u8 = 2;

/// Features around a common point.
pub(super) struct Points {
    values: Vec<f32>,
    norms: Vec<f32>,
    dim: usize,
}

impl Points {
    pub(super) fn new(rows: Rows<'_, f32>, centre: &[f64]) -> Self {
        let dim = rows.dim();
        let mut values = rows.values().to_vec();
        for row in values.chunks_exact_mut(dim) {
            row.iter_mut().zip(centre).for_each(|(v, c)| *v = (f64::from(*v) - c) as f32);
        }
        let norms = values.chunks_exact(dim).map(|row| row.iter().map(|v| v * v).sum()).collect();
        Self { values, norms, dim }
    }

    pub(super) fn len(&self) -> usize {
        self.norms.len()
    }

    /// `work` on each row's squared distances to all rows of `other`, in order.
    fn for_each_row<R: Send>(
        &self,
        other: &Self,
        work: impl Fn(usize, &[f32]) -> R + Sync,
    ) -> Vec<R> {
        let d = self.dim;
        let tile = |products: &mut Vec<f32>, first: usize| -> Vec<R> {
            let rows = TILE.min(self.len() - first);
            products.resize(rows * other.len(), 0.0);
            let x = Mat::new(&self.values[first * d..], rows, d);
            matmul(products, x, Mat::new(&other.values, other.len(), d).t(), false);
            let row = |(r, products): (usize, &mut [f32])| {
                let norm = self.norms[first + r];
                for (product, other) in products.iter_mut().zip(&other.norms) {
                    let squared = norm + other - 2.0 * *product;
                    *product = if squared > EQUAL * (norm + other) { squared } else { 0.0 };
                }
                work(first + r, products)
            };
            products.chunks_exact_mut(other.len()).enumerate().map(row).collect()
        };
        let firsts: Vec<usize> = (0..self.len()).step_by(TILE).collect();
        let tiles = firsts.into_par_iter().map_init(Vec::new, tile).collect::<Vec<Vec<R>>>();
        tiles.into_iter().flatten().collect()
    }
}

/// For each image the nearest others of its own side, nearest first.
pub(super) struct Neighbours {
    reach: usize,
    /// `[n, reach]`: squared distance and image.
    nearest: Vec<(f32, u32)>,
}

impl Neighbours {
    /// Lists that suffice for the `k`-th neighbour within a quarter.
    pub(super) fn new(points: &Points, k: usize) -> Self {
        let far = 4.0 * k as f64 + 6.0 * (12.0 * k as f64).sqrt() + 8.0;
        let reach = (far as usize).min(points.len() - 1);
        let lists = points.for_each_row(points, |own, distances| {
            let others = distances.iter().enumerate().filter(|(i, _)| *i != own);
            let mut list: Vec<(f32, u32)> = others.map(|(i, d)| (*d, i as u32)).collect();
            let order = |a: &(f32, u32), b: &(f32, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
            if reach < list.len() {
                list.select_nth_unstable_by(reach - 1, order);
                list.truncate(reach);
            }
            list.sort_unstable_by(order);
            list
        });
        Self { reach, nearest: lists.into_iter().flatten().collect() }
    }

    fn list(&self, image: usize) -> &[(f32, u32)] {
        &self.nearest[image * self.reach..(image + 1) * self.reach]
    }

    fn farthest(&self, image: usize) -> f32 {
        self.list(image)[self.reach - 1].0
    }

    /// Squared radius of every image's ball within its part.
    pub(super) fn squared_radii(&self, parts: &Parts, k: usize) -> Vec<f32> {
        let radius = |(image, part): (usize, &u8)| {
            let same = self.list(image).iter().filter(|(_, other)| parts[*other as usize] == *part);
            same.map(|(d, _)| *d).nth(k - 1).unwrap_or_else(|| self.farthest(image))
        };
        parts.iter().enumerate().map(radius).collect()
    }
}

/// The pairs of a real image and a fake that some part's ball could hold.
pub(super) struct Pairs {
    /// For each real image: fakes and squared distances.
    fakes: Vec<Vec<(u32, f32)>>,
}

/// A side with the balls of its parts.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) parts: &'a Parts,
    pub(super) squared_radii: &'a [f32],
}

impl Side<'_> {
    fn count(&self, part: usize) -> f64 {
        self.parts.iter().filter(|p| usize::from(**p) == part).count() as f64
    }
}

/// Precision, recall, density and coverage.
pub(super) type Levels = [f64; 4];

/// The metrics of each part of the reals with each part of the fakes.
pub(super) struct Cells {
    pub(super) levels: [[Levels; 2]; 2],
    /// Variance over fakes of what each adds to density.
    pub(super) of_density: [[f64; 2]; 2],
    /// For each part of the reals half the share of its images that one part of the fakes recalls
    /// and the other does not: the variance of one image's answer, of recall and of coverage.
    pub(super) of_answers: [[f64; 2]; 2],
}

impl Pairs {
    pub(super) fn new(
        (real, of_real): (&Points, &Neighbours),
        (fake, of_fake): (&Points, &Neighbours),
    ) -> Self {
        let limits: Vec<f32> = (0..fake.len()).map(|j| of_fake.farthest(j)).collect();
        let fakes = real.for_each_row(fake, |i, distances| {
            let own = of_real.farthest(i);
            let near = distances.iter().zip(&limits).enumerate();
            let near = near.filter(|(_, (d, limit))| **d <= own.max(**limit));
            near.map(|(j, (d, _))| (j as u32, *d)).collect()
        });
        Self { fakes }
    }

    pub(super) fn cells(&self, real: Side<'_>, fake: Side<'_>, k: usize, inside: Inside) -> Cells {
        let holds = |d: f32, radius: f32| inside.holds(f64::from(d), f64::from(radius));
        let (mut recalled, mut covered) = ([[0u32; 2]; 2], [[0u32; 2]; 2]);
        let mut unlike = [[0u32; 2]; 2];
        // For each part of the reals, how many of its balls hold the fake.
        let mut balls = vec![[0u32; 2]; fake.parts.len()];
        for (i, fakes) in self.fakes.iter().enumerate() {
            let a = real.parts[i];
            if a == OUT {
                continue;
            }
            let a = usize::from(a);
            let (mut recalls, mut covers) = ([false; 2], [false; 2]);
            for &(j, d) in fakes {
                let j = j as usize;
                let b = fake.parts[j];
                if b == OUT {
                    continue;
                }
                let b = usize::from(b);
                if holds(d, real.squared_radii[i]) {
                    balls[j][a] += 1;
                    covers[b] = true;
                }
                recalls[b] |= holds(d, fake.squared_radii[j]);
            }
            for b in [0, 1] {
                recalled[a][b] += u32::from(recalls[b]);
                covered[a][b] += u32::from(covers[b]);
            }
            unlike[a][0] += u32::from(recalls[0] != recalls[1]);
            unlike[a][1] += u32::from(covers[0] != covers[1]);
        }
        let (n, m) = ([0, 1].map(|a| real.count(a)), [0, 1].map(|b| fake.count(b)));
        let mut held = [[0u32; 2]; 2];
        let (mut sums, mut squares) = ([[0.0; 2]; 2], [[0.0; 2]; 2]);
        for (balls, &b) in balls.iter().zip(fake.parts).filter(|(_, b)| **b != OUT) {
            let b = usize::from(b);
            for a in [0, 1] {
                held[a][b] += u32::from(balls[a] > 0);
                let count = f64::from(balls[a]);
                sums[a][b] += count;
                squares[a][b] += count * count;
            }
        }
        let k = k as f64;
        let each = |of: &dyn Fn(usize, usize) -> f64| [0, 1].map(|a| [0, 1].map(|b| of(a, b)));
        let variance = |a: usize, b: usize| {
            let mean = sums[a][b] / m[b];
            (squares[a][b] / m[b] - mean * mean) / (k * k)
        };
        let levels = [0, 1].map(|a| {
            [0, 1].map(|b| {
                let share = |count: &[[u32; 2]; 2], of: f64| f64::from(count[a][b]) / of;
                let density = sums[a][b] / (k * m[b]);
                [share(&held, m[b]), share(&recalled, n[a]), density, share(&covered, n[a])]
            })
        });
        let answers = |a: usize, metric: usize| f64::from(unlike[a][metric]) / n[a] / 2.0;
        Cells { levels, of_density: each(&variance), of_answers: each(&answers) }
    }
}
