//! How often 95 % intervals over the images hold what they are said to hold, by repeated draws.
//!
//! Features are Gaussian mixtures of 64 dimensions, logits a linear map of them; what samples show
//! of `shapes` is drawn from the truth, or unevenly from it. Run it with `cargo run --release
//! --workspace --example interval_rates -- 400 300 [replicates]`: images of each side, draws. It
//! prints a Markdown table: for each metric the standard deviation that the interval tells over the
//! true one, and in how many of the draws the interval holds the metric's expectation, with reals
//! drawn anew and with reals held; then the same of differences of two sets of fakes against the
//! same reals, and how often two sets of one distribution are called different.

use std::sync::LazyLock;

use ganbench_data::rng::Stream;
use ganbench_data::shapes::ShapeFactors;
use ganbench_metrics::bootstrap::{Bootstrap, Interval, Reals, difference_intervals, intervals};
use ganbench_metrics::{
    EvaluationInput, ExtractorId, Features, Logits, MetricValue, RealReference, Recognition,
    Settings, evaluate, metrics,
};
use ganbench_metrics::{inception_score, kid};
use rayon::prelude::*;

const DIM: usize = 64;
const COMPONENTS: usize = 8;
const CLASSES: usize = 10;
const REAL_SETS: usize = 10;

/// All metrics that have intervals.
static METRICS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    metrics().filter(|metric| metric.has_intervals()).map(|metric| metric.name).collect()
});

/// A mixture that every draw is from.
struct Mixture {
    means: Vec<f32>,
    scales: Vec<f32>,
    classes: Vec<f32>,
}

/// A distribution of images.
#[derive(Clone, Copy)]
struct Images {
    /// Components that are drawn.
    components: usize,
    /// What deviations from a component's mean are multiplied with.
    spread: f32,
    shift: f32,
}

const REAL: Images = Images { components: 8, spread: 1.0, shift: 0.0 };
const FAKE: Images = Images { components: 7, spread: 0.9, shift: 0.1 };
const OTHER_FAKE: Images = Images { components: 6, spread: 0.8, shift: 0.2 };

impl Mixture {
    fn new() -> Self {
        let mut stream = Stream::new(7, "interval_rates/mixture");
        let decay = |i: usize| (-((i % DIM) as f32) / 20.0).exp();
        let normal = stream.normal(COMPONENTS * DIM);
        let means = normal.iter().enumerate().map(|(i, v)| v * decay(i)).collect();
        let normal = stream.normal(COMPONENTS * DIM);
        let scales = normal.iter().enumerate().map(|(i, v)| (0.3 * v).exp() * decay(i)).collect();
        let classes = stream.normal(DIM * CLASSES);
        Self { means, scales, classes }
    }

    fn draw(&self, images: Images, n: usize, stream: &mut Stream) -> Features {
        let noise = stream.normal(n * DIM);
        let mut pool = Vec::with_capacity(n * DIM);
        let mut values = vec![0.0; n * CLASSES];
        for row in 0..n {
            let c = stream.below(images.components as u64) as usize;
            for d in 0..DIM {
                let place = c * DIM + d;
                let noise = images.spread * self.scales[place] * noise[row * DIM + d];
                pool.push(self.means[place] + noise + images.shift * (-(d as f32) / 20.0).exp());
            }
            for class in 0..CLASSES {
                let features = &pool[row * DIM..];
                let of_class = (0..DIM).map(|d| features[d] * self.classes[d * CLASSES + class]);
                values[row * CLASSES + class] = 0.6 * of_class.sum::<f32>();
            }
        }
        let shown = (0..n).map(|_| recognition(images, stream)).collect();
        let features = Features::new(DIM, pool, Some(Logits { classes: CLASSES, values }));
        features.and_then(|features| features.with_recognitions(shown)).expect("whole rows")
    }
}

/// What a sample shows: the fewer components, the rarer the last shapes; the more shift, the rarer
/// are places on the right and samples that are recognised.
fn recognition(images: Images, stream: &mut Stream) -> Recognition {
    let factors = loop {
        let factors = ShapeFactors::draw(stream);
        let is_rare = factors.shape as usize >= images.components || factors.x > 0.0;
        if !is_rare || !stream.chance(f64::from(3.0 * images.shift)) {
            break factors;
        }
    };
    let misfit = stream.range(0.0, f64::from(1.1 + images.shift)) as f32;
    Recognition { factors, misfit, real_misfit: 1.2 * misfit }
}

fn input<'a>(real: &'a RealReference, fake: &'a Features) -> EvaluationInput<'a> {
    let n = fake.len();
    EvaluationInput {
        real,
        fake,
        extractor: ExtractorId { name: "made", weights_sha256: "none" },
        metrics: Some(METRICS.as_slice()),
        settings: Settings {
            kid: kid::Options { subset: n / 4, subsets: 50, seed: 2020 },
            inception_score: inception_score::Options::default(),
            ..Settings::default()
        },
        labels: None,
    }
}

/// What one draw comes to, by metric.
#[derive(Clone, Default)]
struct Draw {
    values: Vec<f64>,
    told: Vec<Interval>,
    same: Vec<(f64, Interval)>,
    other: Vec<(f64, Interval)>,
}

fn one(real: &RealReference, fakes: [&Features; 3], request: Bootstrap) -> Draw {
    let inputs = fakes.map(|fake| input(real, fake));
    let values: [Vec<MetricValue>; 3] = inputs.map(|input| evaluate(input).expect("values"));
    let plain = |found: Vec<(String, Interval)>| found.into_iter().map(|(_, interval)| interval);
    let told = intervals(&inputs[0], &values[0], request).expect("intervals");
    let difference = |other: usize| {
        let (inputs, of_both) = ([&inputs[0], &inputs[other]], [&values[0][..], &values[other]]);
        let found = difference_intervals(inputs, of_both, request).expect("intervals");
        let difference = |i: usize| values[0][i].value - values[other][i].value;
        plain(found).enumerate().map(|(i, interval)| (difference(i), interval)).collect()
    };
    Draw {
        told: plain(told).collect(),
        same: difference(1),
        other: difference(2),
        values: values[0].iter().map(|v| v.value).collect(),
    }
}

fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    values.clone().sum::<f64>() / values.count() as f64
}

/// Share, told over true standard deviation, of intervals in groups with one expectation each.
struct Rate {
    held: usize,
    n: usize,
    told_over_true: f64,
    called: usize,
    mean: f64,
}

impl Rate {
    fn from_groups(groups: &[Vec<(f64, Interval)>]) -> Self {
        let (mut held, mut n, mut told, mut truth, mut called) = (0, 0, 0.0, 0.0, 0);
        let mut all = 0.0;
        for group in groups {
            let centre = mean(group.iter().map(|(v, _)| *v));
            // A value is nearer to the mean that it is a part of than to the expectation.
            let size = group.len() as f64;
            let stretch = (size / (size - 1.0)).sqrt();
            for (value, i) in group {
                let expectation = value + stretch * (centre - value);
                held += usize::from(i.low <= expectation && expectation <= i.high);
                called += usize::from(i.low > 0.0 || i.high < 0.0);
                n += 1;
                all += value;
                told += ((i.high - i.low) / 2.0 / 1.96).powi(2);
                truth += (stretch * (value - centre)).powi(2);
            }
        }
        Self { held, n, told_over_true: (told / truth).sqrt(), called, mean: all / n as f64 }
    }
}

/// Wilson's 95 % interval of a share, in percent.
fn wilson(k: usize, n: usize) -> (f64, f64) {
    let (p, n, z) = (k as f64 / n as f64, n as f64, 1.96f64);
    let centre = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    (100.0 * (centre - half), 100.0 * (centre + half))
}

fn percent(k: usize, n: usize) -> String {
    let (low, high) = wilson(k, n);
    format!("{:.1} ({low:.1} … {high:.1})", 100.0 * k as f64 / n as f64)
}

fn main() {
    let mut args = std::env::args().skip(1).map(|a| a.parse::<usize>().expect("a number"));
    let n = args.next().unwrap_or(400);
    let draws = args.next().unwrap_or(300);
    let replicates = args.next().unwrap_or(200);
    let mixture = Mixture::new();
    let request = |reals| Bootstrap { replicates, seed: 0, reals };
    let reference = |name: String| {
        let stream = &mut Stream::new(1, &name);
        RealReference::whole(mixture.draw(REAL, n, stream), None).expect("finite")
    };
    let fakes = |name: String| {
        let stream = &mut Stream::new(2, &name);
        [FAKE, FAKE, OTHER_FAKE].map(|images| mixture.draw(images, n, stream))
    };
    let drawn: Vec<Draw> = (0..draws)
        .into_par_iter()
        .map(|i| {
            let fakes = fakes(format!("drawn/{i}"));
            one(&reference(format!("drawn/{i}")), fakes.each_ref(), request(Reals::Drawn))
        })
        .collect();
    let held: Vec<Vec<Draw>> = (0..REAL_SETS)
        .map(|set| {
            let real = reference(format!("held/{set}"));
            (0..draws / REAL_SETS)
                .into_par_iter()
                .map(|i| {
                    let fakes = fakes(format!("held/{set}/{i}"));
                    one(&real, fakes.each_ref(), request(Reals::Held))
                })
                .collect()
        })
        .collect();
    println!("{n} images a side, {draws} draws, {replicates} resamplings\n");
    println!(
        "| metric | mean | told/true | holds, % | reals held: told/true | holds, % | A − B: told/true | called, % | A − C: told/true | holds, % | held A − B: told/true | called, % |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (i, metric) in METRICS.iter().enumerate() {
        let drawn = [drawn.clone()];
        let rate = |groups: &[Vec<Draw>], of: &dyn Fn(&Draw) -> (f64, Interval)| {
            let groups: Vec<Vec<_>> = groups.iter().map(|g| g.iter().map(of).collect()).collect();
            Rate::from_groups(&groups)
        };
        let own = |d: &Draw| (d.values[i], d.told[i]);
        let (both, fixed) = (rate(&drawn, &own), rate(&held, &own));
        let same = rate(&drawn, &|d| d.same[i]);
        let other = rate(&drawn, &|d| d.other[i]);
        let same_held = rate(&held, &|d| d.same[i]);
        println!(
            "| {metric} | {:.4} | {:.2} | {} | {:.2} | {} | {:.2} | {} | {:.2} | {} | {:.2} | {} |",
            both.mean,
            both.told_over_true,
            percent(both.held, both.n),
            fixed.told_over_true,
            percent(fixed.held, fixed.n),
            same.told_over_true,
            percent(same.called, same.n),
            other.told_over_true,
            percent(other.held, other.n),
            same_held.told_over_true,
            percent(same_held.called, same_held.n),
        );
    }
}
