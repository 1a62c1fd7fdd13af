use super::*;
use ganbench_nn::rng::Stream;

/// Every pair in f64, as the definition says.
fn plain_radii(rows: Rows<'_, f32>, k: usize) -> Vec<f64> {
    let radius = |i: usize| {
        let others = (0..rows.len()).filter(|&j| j != i);
        let mut all: Vec<f64> =
            others.map(|j| squared_distance(rows.row(i), rows.row(j))).collect();
        all.sort_by(f64::total_cmp);
        all[k - 1]
    };
    (0..rows.len()).map(radius).collect()
}

fn plain_membership(balls: &Balls<'_, f32>) -> Membership {
    let mut found = Membership::none(balls.fake.len());
    for (i, &radius) in balls.radii_real.iter().enumerate() {
        let (mut inside, mut occupied) = (false, false);
        for (j, &radius_fake) in balls.radii_fake.iter().enumerate() {
            let distance = squared_distance(balls.real.row(i), balls.fake.row(j));
            inside |= distance < radius_fake;
            occupied |= distance < radius;
            found.real_balls[j] += u32::from(distance < radius);
        }
        found.real_inside += usize::from(inside);
        found.real_balls_occupied += usize::from(occupied);
    }
    found
}

/// Sets that make f32 estimates wrong: ties on a grid, duplicates, a mean far off, extreme scales.
fn hard_sets(n: usize, d: usize) -> Vec<(&'static str, Vec<f32>)> {
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

#[test]
fn decisions_are_those_of_all_pairs_in_f64() {
    let (n, d, k) = (150, 7, 5);
    for (name, x) in hard_sets(n, d) {
        // The fakes: the same kind of set with a few rows shared, so that ties occur across as well.
        let mut y: Vec<f32> = x.iter().rev().copied().collect();
        y[..20 * d].copy_from_slice(&x[5 * d..25 * d]);
        let (real, fake) = (Rows::new(&x, d).unwrap(), Rows::new(&y, d).unwrap().take(140));
        let (radii_real, radii_fake) = (squared_radii(real, k), squared_radii(fake, k));
        assert_eq!(radii_real, plain_radii(real, k), "{name}");
        assert_eq!(radii_fake, plain_radii(fake, k), "{name}");
        let balls = Balls { real, fake, radii_real: &radii_real, radii_fake: &radii_fake };
        assert_eq!(membership(&balls), plain_membership(&balls), "{name}");
    }
}

#[test]
fn sets_larger_than_a_tile_and_any_number_of_threads_give_the_same() {
    let (d, k) = (16, 3);
    let x = Stream::new(2, "x").normal(1100 * d);
    let y = Stream::new(2, "y").normal(1050 * d);
    let (real, fake) = (Rows::new(&x, d).unwrap(), Rows::new(&y, d).unwrap());
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (radii_real, radii_fake) = (squared_radii(real, k), squared_radii(fake, k));
            let balls = Balls { real, fake, radii_real: &radii_real, radii_fake: &radii_fake };
            (membership(&balls), radii_real.clone(), radii_fake.clone())
        })
    };
    let (found, radii_real, radii_fake) = run(3);
    assert_eq!(radii_real, plain_radii(real, k));
    let balls = Balls { real, fake, radii_real: &radii_real, radii_fake: &radii_fake };
    assert_eq!(found, plain_membership(&balls));
    assert_eq!((found, radii_real.clone(), radii_fake.clone()), run(1));
}
