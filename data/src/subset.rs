//! Random subsets of a data set that keep the proportions of its classes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::rng::Stream;

/// Draws `n` of `n_images` images: their indices, distinct, in the order in which they are drawn.
/// All of them come, in that order, where `n` is `n_images` or more.
///
/// With labels the draw is stratified. Let `p` of the `N` images belong to a class. Among the first
/// `m` indices the class then has `⌊m·p/N⌋` or `⌈m·p/N⌉`, for every `m`: each prefix is a
/// stratified subset as well, and a smaller draw of the same seed is a prefix of a larger one.
/// Within a class the images come in a uniformly random order. A class whose share is below one
/// image may be absent; of several such classes the larger come first, and classes of one size come
/// in random order.
///
/// Without labels the result is the start of a random permutation. A row that `labels` is too short
/// to reach counts as one of a further class.
///
/// The result depends on the arguments only. The random numbers are those of the stream `subset`.
pub fn draw_subset(labels: Option<&[u32]>, n_images: usize, n: usize, seed: u64) -> Vec<usize> {
    let mut stream = Stream::new(seed, "subset");
    let Some(labels) = labels else {
        let mut order = stream.permutation(n_images);
        order.truncate(n);
        return order;
    };
    let mut by_class: BTreeMap<Option<u32>, Vec<usize>> = BTreeMap::new();
    for index in 0..n_images {
        by_class.entry(labels.get(index).copied()).or_default().push(index);
    }
    let classes: Vec<Vec<usize>> = by_class
        .into_values()
        .map(|rows| stream.permutation(rows.len()).into_iter().map(|k| rows[k]).collect())
        .collect();
    interleave(&classes, n, &mut stream)
}

/// The first `n` images of all classes, such that each prefix has its share of every class.
///
/// The image at position `k` of a class of `p` may come from draw `⌊k·N/p⌋ + 1` on, or the class
/// would have more than its share rounded up, and must come by draw `⌈(k + 1)·N/p⌉`, or it would
/// have less than its share rounded down. Balinski and Young's quota method (1975) shows that some
/// order keeps all of these bounds. For jobs of unit length, taking the earliest deadline first
/// then keeps them too.
fn interleave(classes: &[Vec<usize>], n: usize, stream: &mut Stream) -> Vec<usize> {
    let n_images = classes.iter().map(Vec::len).sum::<usize>();
    let n = n.min(n_images);
    let total = n_images as u128;
    let release = |class: usize, k: usize| k as u128 * total / classes[class].len() as u128 + 1;
    let deadline =
        |class: usize, k: usize| ((k as u128 + 1) * total).div_ceil(classes[class].len() as u128);
    // The next image of each class: (draw, class, position), then (draw, tie-break, class,
    // position).
    let mut waiting: BinaryHeap<_> =
        (0..classes.len()).map(|class| Reverse((release(class, 0), class, 0))).collect();
    let mut ready = BinaryHeap::new();
    let mut drawn = Vec::with_capacity(n);
    while drawn.len() < n {
        let draw = drawn.len() as u128 + 1;
        while let Some(&Reverse((from, class, k))) = waiting.peek()
            && from <= draw
        {
            waiting.pop();
            ready.push(Reverse((deadline(class, k), stream.u64(), class, k)));
        }
        // The shares rounded up add up to `draw` at least, so that some image is ready.
        let Some(Reverse((_, _, class, k))) = ready.pop() else { break };
        drawn.push(classes[class][k]);
        if k + 1 < classes[class].len() {
            waiting.push(Reverse((release(class, k + 1), class, k + 1)));
        }
    }
    drawn
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Labels of classes of these sizes, sorted by class.
    fn sorted_labels(sizes: &[usize]) -> Vec<u32> {
        let class = |(label, &size): (usize, &usize)| std::iter::repeat_n(label as u32, size);
        sizes.iter().enumerate().flat_map(class).collect()
    }

    /// Sizes of 1 to 20 classes of up to `most` images.
    fn random_sizes(stream: &mut Stream, most: u64) -> Vec<usize> {
        (0..=stream.below(20)).map(|_| 1 + stream.below(most) as usize).collect()
    }

    #[test]
    fn every_prefix_is_within_one_image_of_each_class_share() {
        let mut stream = Stream::new(0, "test");
        for seed in 0..60 {
            let sizes = random_sizes(&mut stream, [2, 9, 200][seed as usize % 3]);
            let labels = sorted_labels(&sizes);
            let mut counts = vec![0; sizes.len()];
            for (m, index) in (1..).zip(draw_subset(Some(&labels), labels.len(), usize::MAX, seed))
            {
                counts[labels[index] as usize] += 1;
                for (&count, size) in counts.iter().zip(&sizes) {
                    let share = m * size;
                    let (low, high) = (share / labels.len(), share.div_ceil(labels.len()));
                    assert!((low..=high).contains(&count), "{sizes:?} seed {seed} prefix {m}");
                }
            }
        }
    }

    #[test]
    fn a_smaller_draw_is_a_prefix_of_a_larger_one_and_indices_are_distinct() {
        let labels = sorted_labels(&[30, 1, 7, 12]);
        for labels in [Some(labels.as_slice()), None] {
            let all = draw_subset(labels, 50, 50, 7);
            assert_eq!(all.iter().copied().collect::<BTreeSet<_>>(), (0..50).collect());
            assert_eq!(draw_subset(labels, 50, 1000, 7), all);
            for n in 0..50 {
                assert_eq!(draw_subset(labels, 50, n, 7), all[..n]);
            }
        }
    }

    #[test]
    fn every_class_of_an_even_set_is_present_from_as_many_draws_as_classes_on() {
        let labels = sorted_labels(&[60; 200]);
        for seed in 0..5 {
            let drawn = draw_subset(Some(&labels), labels.len(), 200, seed);
            let classes: BTreeSet<u32> = drawn.iter().map(|&index| labels[index]).collect();
            assert_eq!(classes.len(), 200, "seed {seed}");
        }
    }

    #[test]
    fn uneven_classes_keep_their_proportions() {
        let labels = sorted_labels(&[150, 30, 20]);
        let drawn = draw_subset(Some(&labels), 200, 20, 0);
        let count = |label| drawn.iter().filter(|&&index| labels[index] == label).count();
        assert_eq!([0, 1, 2].map(count), [15, 3, 2]);
    }

    /// Pearson's statistic of how often each of `counts` came, against equal counts.
    fn chi_squared(counts: &[usize]) -> f64 {
        let mean = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
        counts.iter().map(|&count| (count as f64 - mean).powi(2) / mean).sum()
    }

    #[test]
    fn each_image_of_a_class_is_drawn_equally_often() {
        let labels = sorted_labels(&[20, 40]);
        let mut drawn = [0; 60];
        let mut first_of_class = [0; 20];
        for seed in 0..4000 {
            let subset = draw_subset(Some(&labels), 60, 15, seed);
            subset.iter().for_each(|&index| drawn[index] += 1);
            let first = subset.iter().find(|&&index| index < 20);
            first_of_class[*first.expect("a third of 15")] += 1;
        }
        // 5 of 20 and 10 of 40, each time.
        assert_eq!(drawn[..20].iter().sum::<usize>(), 4000 * 5);
        // Means 19, 39 and 19; these are their 0.9999 quantiles. Draws without replacement vary
        // less.
        assert!(chi_squared(&drawn[..20]) < 50.8, "{drawn:?}");
        assert!(chi_squared(&drawn[20..]) < 79.5, "{drawn:?}");
        assert!(chi_squared(&first_of_class) < 50.8, "{first_of_class:?}");
    }

    #[test]
    fn classes_of_one_size_come_in_random_order() {
        let labels = sorted_labels(&[3; 10]);
        let mut first = [0; 10];
        for seed in 0..2000 {
            let index = draw_subset(Some(&labels), 30, 1, seed)[0];
            first[labels[index] as usize] += 1;
        }
        // The 0.9999 quantile of 9 degrees of freedom.
        assert!(chi_squared(&first) < 33.8, "{first:?}");
    }

    #[test]
    fn without_labels_it_is_the_start_of_a_random_permutation() {
        let expected = Stream::new(3, "subset").permutation(100);
        assert_eq!(draw_subset(None, 100, 10, 3), expected[..10]);
        assert_ne!(draw_subset(None, 100, 10, 4), expected[..10]);
    }

    #[test]
    fn labels_may_have_gaps_any_order_and_need_not_reach_all_images() {
        let drawn = draw_subset(Some(&[u32::MAX, 5, u32::MAX, 5]), 6, 3, 0);
        let of_pair = |pair: [usize; 2]| drawn.iter().filter(|index| pair.contains(index)).count();
        assert_eq!([[0, 2], [1, 3], [4, 5]].map(of_pair), [1, 1, 1]);
        assert_eq!(draw_subset(Some(&[]), 0, 3, 0), Vec::<usize>::new());
        assert_eq!(draw_subset(Some(&[1, 2, 3]), 2, 9, 0).len(), 2);
    }

    #[test]
    fn the_draw_of_a_seed_stays_what_it_is() {
        let labels = sorted_labels(&[4, 4, 2]);
        // What this code gave first: a change would change every subset that results rest on.
        assert_eq!(draw_subset(Some(&labels), 10, 6, 0), [3, 4, 1, 8, 6, 2]);
    }
}
