use ganbench_data::rng::Stream;

use super::*;

/// Every pair in f64, as the definition says.
pub(crate) fn plain_radii(rows: Rows<'_, f32>, k: usize) -> Vec<f64> {
    let radius = |i: usize| {
        let others = (0..rows.len()).filter(|&j| j != i);
        let mut all: Vec<f64> =
            others.map(|j| squared_distance(rows.row(i), rows.row(j))).collect();
        all.sort_by(f64::total_cmp);
        all[k - 1]
    };
    (0..rows.len()).map(radius).collect()
}

fn plain_nearest(search: Search<'_, f32>) -> Vec<Neighbour> {
    let of = |i: usize| {
        let all = (0..search.points.len()).map(|index| {
            let squared_distance =
                squared_distance(search.queries.row(i), search.points.row(index));
            Neighbour { index, squared_distance }
        });
        all.min_by(|a, b| a.squared_distance.total_cmp(&b.squared_distance)).unwrap()
    };
    (0..search.queries.len()).map(of).collect()
}

/// Sets that make f32 estimates wrong: ties on a grid, duplicates, a mean far off, extreme scales.
pub(crate) fn hard_sets(n: usize, d: usize) -> Vec<(&'static str, Vec<f32>)> {
    let mut stream = Stream::new(0, "hard");
    let normal = stream.normal(n * d);
    let grid: Vec<f32> = (0..n * d).map(|_| stream.below(3) as f32).collect();
    let scaled = |by: f32| -> Vec<f32> { normal.iter().map(|v| v * by).collect() };
    let mut duplicated = normal.clone();
    duplicated.copy_within(0..n * d / 2, n * d / 2);
    let near: Vec<f32> = normal.iter().map(|v| 100.0 + 1e-5 * v).collect();
    let mut outlier = scaled(1e-4);
    outlier[..d].fill(1e4);
    vec![
        ("normal", normal.clone()),
        ("grid", grid),
        ("duplicated", duplicated),
        ("far from zero", normal.iter().map(|v| v + 3000.0).collect()),
        ("nearly equal", near),
        ("constant", vec![0.7; n * d]),
        ("zero", vec![0.0; n * d]),
        ("huge", scaled(1e37)),
        ("tiny", scaled(1e-38)),
        ("outlier", outlier),
    ]
}

/// The second set: the same kind with a few rows shared, so that ties occur across as well.
pub(crate) fn partner(x: &[f32], d: usize) -> Vec<f32> {
    let mut y: Vec<f32> = x.iter().rev().copied().collect();
    y[..20 * d].copy_from_slice(&x[5 * d..25 * d]);
    y
}

#[test]
fn radii_and_neighbours_are_those_of_all_pairs_in_f64() {
    let (n, d, k) = (150, 7, 5);
    for (name, x) in hard_sets(n, d) {
        let y = partner(&x, d);
        let (points, queries) = (Rows::new(&x, d).unwrap(), Rows::new(&y, d).unwrap().take(140));
        assert_eq!(squared_radii(points, k), plain_radii(points, k), "{name}");
        assert_eq!(squared_radii(queries, k), plain_radii(queries, k), "{name}");
        let search = Search { queries, points };
        assert_eq!(nearest(search), plain_nearest(search), "{name}");
    }
}

#[test]
fn sets_larger_than_a_tile_and_any_number_of_threads_give_the_same() {
    let (d, k) = (16, 3);
    let x = Stream::new(2, "x").normal(1100 * d);
    let y = Stream::new(2, "y").normal(600 * d);
    let (points, queries) = (Rows::new(&x, d).unwrap(), Rows::new(&y, d).unwrap());
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| (squared_radii(points, k), nearest(Search { queries, points })))
    };
    let (radii, neighbours) = run(3);
    assert_eq!(radii, plain_radii(points, k));
    assert_eq!(neighbours, plain_nearest(Search { queries, points }));
    assert_eq!((radii, neighbours), run(1));
}
