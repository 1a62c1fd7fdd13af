use ganbench_data::rng::Stream;

use super::*;
use crate::numerics::neighbours::squared_radii;
use crate::numerics::neighbours::tests::{hard_sets, partner};

/// Every pair in f64, as the definition says.
fn plain_membership(balls: &Balls<'_, f32>) -> Membership {
    let (n_real, n_fake) = (balls.real.len(), balls.fake.len());
    let mut found = Membership {
        real_balls: vec![0u32; n_fake],
        fake_balls: vec![0u32; n_real],
        occupants: vec![0u32; n_real],
    };
    for (i, &radius) in balls.radii_real.iter().enumerate() {
        for (j, &radius_fake) in balls.radii_fake.iter().enumerate() {
            let distance = squared_distance(balls.real.row(i), balls.fake.row(j));
            if balls.inside.holds(distance, radius) {
                found.real_balls[j] += 1;
                found.occupants[i] += 1;
            }
            if balls.inside.holds(distance, radius_fake) {
                found.fake_balls[i] += 1;
            }
        }
    }
    found
}

#[test]
fn decisions_are_those_of_all_pairs_in_f64() {
    let (n, d, k) = (150, 7, 5);
    for (name, x) in hard_sets(n, d) {
        let y = partner(&x, d);
        let (real, fake) = (Rows::new(&x, d).unwrap(), Rows::new(&y, d).unwrap().take(140));
        let (radii_real, radii_fake) = (squared_radii(real, k), squared_radii(fake, k));
        for inside in [Inside::Strictly, Inside::OrOn] {
            let (radii_real, radii_fake) = (&radii_real[..], &radii_fake[..]);
            let balls = Balls { real, fake, radii_real, radii_fake, inside };
            assert_eq!(membership(&balls), plain_membership(&balls), "{name} {inside:?}");
        }
    }
}

#[test]
fn sets_larger_than_a_tile_and_any_number_of_threads_give_the_same() {
    let (d, k) = (16, 3);
    let x = Stream::new(2, "x").normal(1100 * d);
    let y = Stream::new(2, "y").normal(1050 * d);
    let (real, fake) = (Rows::new(&x, d).unwrap(), Rows::new(&y, d).unwrap());
    let (radii_real, radii_fake) = (squared_radii(real, k), squared_radii(fake, k));
    let (radii_real, radii_fake) = (&radii_real[..], &radii_fake[..]);
    let balls = Balls { real, fake, radii_real, radii_fake, inside: Inside::Strictly };
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| membership(&balls))
    };
    assert_eq!(run(3), plain_membership(&balls));
    assert_eq!(run(3), run(1));
}
