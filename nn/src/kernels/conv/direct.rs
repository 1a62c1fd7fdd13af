//! The direct path: unfold, one matrix product a chunk of images. Any shape, f32 or f64.

use rayon::prelude::*;

use super::super::gemm::{Mat, matmul};
use super::super::real::Real;
use super::Dims;
use super::finish::Finish;
use super::im2col::{fold, unfold};

/// Most numbers of an unfolded chunk of a weight gradient, and of all of its partial sums.
const UNFOLDED: usize = 1 << 17;
const PARTIAL: usize = 1 << 21;
/// Pieces of parallel work that a weight gradient makes at least, where it can. Not a function of
/// the threads: the sums would depend on them.
const TASKS: usize = 8;

/// Copies `[image][channel][position]` to `[channel][image][position]` or back.
fn regroup<T: Copy>(from: &[T], to: &mut [T], channels: usize, positions: usize, to_images: bool) {
    let images = from.len() / (channels * positions);
    for image in 0..images {
        for channel in 0..channels {
            let a = (image * channels + channel) * positions;
            let b = (channel * images + image) * positions;
            let (a, b) = if to_images { (b, a) } else { (a, b) };
            to[b..b + positions].copy_from_slice(&from[a..a + positions]);
        }
    }
}

pub fn forward<T: Real>(x: &[T], w: &[T], d: &Dims, finish: Finish<'_, T>) -> Vec<T> {
    if let Some(mirrored) = d.mirrored() {
        return input_grad(x, &d.turned(w), &mirrored, finish);
    }
    let (k, p) = (d.k(), d.plane.positions());
    let mut y = vec![T::default(); d.n * d.image_out()];
    let chunk = d.chunk();
    let work = y.par_chunks_mut(chunk * d.image_out()).zip(x.par_chunks(chunk * d.image_in()));
    work.for_each_init(
        || (Vec::new(), Vec::new()),
        |(col, out), (y, x)| {
            let images = x.len() / d.image_in();
            let w = Mat::new(w, d.cout, k);
            if images == 1 && d.is_pointwise() {
                matmul(y, w, Mat::new(x, k, p), false);
                return finish.image(y, p);
            }
            col.resize(k * images * p, T::default());
            for (i, image) in x.chunks_exact(d.image_in()).enumerate() {
                unfold(image, &d.plane, col, images * p, i * p);
            }
            let col = Mat::new(col, k, images * p);
            if images == 1 {
                matmul(y, w, col, false);
                return finish.image(y, p);
            }
            out.resize(d.cout * images * p, T::default());
            matmul(out, w, col, false);
            regroup(out, y, d.cout, p, true);
            y.chunks_exact_mut(d.image_out()).for_each(|y| finish.image(y, p));
        },
    );
    y
}

pub fn input_grad<T: Real>(dy: &[T], w: &[T], d: &Dims, finish: Finish<'_, T>) -> Vec<T> {
    if let Some(mirrored) = d.mirrored() {
        return forward(dy, &d.turned(w), &mirrored, finish);
    }
    let (k, p) = (d.k(), d.plane.positions());
    let plane = d.plane.height * d.plane.width;
    let mut dx = vec![T::default(); d.n * d.image_in()];
    let chunk = d.chunk();
    let work = dx.par_chunks_mut(chunk * d.image_in()).zip(dy.par_chunks(chunk * d.image_out()));
    work.for_each_init(
        || (Vec::new(), Vec::new()),
        |(col, grouped), (dx, dy)| {
            let images = dy.len() / d.image_out();
            let wt = Mat::new(w, d.cout, k).t();
            if images == 1 && d.is_pointwise() {
                matmul(dx, wt, Mat::new(dy, d.cout, p), false);
                return finish.image(dx, plane);
            }
            col.resize(k * images * p, T::default());
            let dy = if images == 1 {
                dy
            } else {
                grouped.resize(dy.len(), T::default());
                regroup(dy, grouped, d.cout, p, false);
                grouped
            };
            matmul(col, wt, Mat::new(dy, d.cout, images * p), false);
            for (i, image) in dx.chunks_exact_mut(d.image_in()).enumerate() {
                fold(image, &d.plane, col, images * p, i * p);
                finish.image(image, plane);
            }
        },
    );
    dx
}

pub fn weight_grad<T: Real>(x: &[T], dy: &[T], d: &Dims) -> Vec<T> {
    if let Some(mirrored) = d.mirrored() {
        return mirrored.turned(&weight_grad(dy, x, &mirrored));
    }
    let (k, p, chunk) = (d.k(), d.plane.positions(), d.chunk());
    let mut grouped = Vec::new();
    let dy = if chunk == 1 {
        dy
    } else {
        grouped.resize(dy.len(), T::default());
        let work =
            grouped.par_chunks_mut(chunk * d.image_out()).zip(dy.par_chunks(chunk * d.image_out()));
        work.for_each(|(to, from)| regroup(from, to, d.cout, p, false));
        &grouped
    };
    // A task takes as many input channels as leave their unfolded chunk in the second-level cache,
    // and one group of the images. The groups are added in order: as many as the weight's size
    // allows.
    let chunks = d.n.div_ceil(chunk);
    let groups = (PARTIAL / (d.cout * k)).clamp(1, TASKS).min(chunks.max(1));
    let most = (UNFOLDED / (d.plane.taps() * chunk * p)).max(1);
    let wanted = d.cin.div_ceil(most).max(TASKS / groups).min(d.cin);
    let block = d.cin.div_ceil(wanted);
    let blocks = d.cin.div_ceil(block);
    let per_group = chunks.div_ceil(groups);
    let plane_in = d.plane.height * d.plane.width;

    let parts: Vec<Vec<T>> = (0..blocks * groups)
        .into_par_iter()
        .map(|task| {
            let (b, group) = (task % blocks, task / blocks);
            let first = b * block;
            let channels = block.min(d.cin - first);
            let rows = channels * d.plane.taps();
            let mut dw = vec![T::default(); d.cout * rows];
            let mut col = Vec::new();
            for c in group * per_group..((group + 1) * per_group).min(chunks) {
                let images = (c * chunk)..((c + 1) * chunk).min(d.n);
                let len = images.len() * p;
                let dy = &dy[images.start * d.image_out()..images.end * d.image_out()];
                let of = |image: usize| {
                    let start = image * d.image_in() + first * plane_in;
                    &x[start..start + channels * plane_in]
                };
                let col = if images.len() == 1 && d.is_pointwise() {
                    of(images.start)
                } else {
                    col.resize(rows * len, T::default());
                    for (i, image) in images.enumerate() {
                        unfold(of(image), &d.plane, &mut col, len, i * p);
                    }
                    &col
                };
                let col = Mat::new(col, rows, len);
                matmul(&mut dw, Mat::new(dy, d.cout, len), col.t(), true);
            }
            dw
        })
        .collect();

    let mut dw = vec![T::default(); d.cout * k];
    for (task, part) in parts.iter().enumerate() {
        let first = (task % blocks) * block * d.plane.taps();
        let rows = part.len() / d.cout;
        for (to, from) in dw.chunks_exact_mut(k).zip(part.chunks_exact(rows)) {
            for (a, &b) in to[first..first + rows].iter_mut().zip(from) {
                *a += b;
            }
        }
    }
    dw
}
