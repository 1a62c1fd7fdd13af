//! From images of known kind to their numbers.

use anyhow::{Context as _, Result};
use ganbench_data::images::ImageBatch;
use ganbench_metrics::bootstrap::WithInterval;
use ganbench_reports::{Anchor, AnchorValue};

use super::file;
use super::images::{Counts, Drawn, LeftOut, Pool};
use super::wanted::{Group, Kind, groups, open};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::run::folder::Lock;
use crate::run::generators::load_generator;
use crate::run::measurer::Measurer;
use crate::run::pipeline::{Fakes, mean, measure, measure_set};
use crate::run::reals::RealImages;
use crate::run::selection::trainer;
use crate::run::session::Evaluator;
use crate::run::sweep::Sweep;

/// The anchors of a sweep's results: those that are kept, and what they lack, which is then kept
/// too. What cannot be had is left out with its reason.
///
/// # Errors
/// If a file is damaged or cannot be written, or the real images cannot be measured.
pub fn renew(sweep: &Sweep<'_>, measurer: Measurer) -> Result<Vec<Anchor>> {
    let kept = file::read(sweep.out)?;
    let groups = groups(sweep)?;
    let open = open(&groups, &kept);
    let Some(&(first, _)) = open.first() else { return Ok(kept) };
    let real = RealImages::new(first.plan, sweep.dataset, sweep.reference)?;
    let measurer = measurer.with_reals(first.plan, &real, sweep.at.quiet)?;
    let evaluator = measurer.evaluator().context("the real images were measured")?;
    let mut fresh = Vec::new();
    let mut pool: Option<(&Group<'_>, Pool<'_>)> = None;
    let mut bar: Option<Progress> = None;
    for (i, &(group, kind)) in open.iter().enumerate() {
        let fakes = Fakes { bootstrap: 0, ..Fakes::at_the_end(group.plan)? };
        let anchor = match kind {
            Kind::Untrained => of_untrained(group, sweep, evaluator, fakes),
            Kind::Real(of) => {
                if pool.as_ref().is_none_or(|(other, _)| other.key != group.key) {
                    let counts = Counts { images: fakes.n, sets: fakes.repeats.max(1) };
                    pool = Some((group, Pool::load(group.plan, sweep, &real, counts)));
                }
                let Some((_, pool)) = &pool else { continue };
                of_reals(group.plan, group.anchor(kind), pool.draw(of), evaluator)
            }
        };
        // Begun behind the bar of the data set.
        let bar =
            bar.get_or_insert_with(|| Progress::new("anchors", open.len() as f64, sweep.at.quiet));
        bar.set((i + 1) as f64, &anchor.label);
        fresh.push(anchor);
    }
    if let Some(bar) = bar {
        let measured = fresh.iter().filter(|anchor| anchor.left_out.is_none()).count();
        bar.finish(&format!("{measured} sets of {} images", first.key.n_fake));
    }
    let _lock = Lock::wait(sweep.out)?;
    let all = file::merged(file::read(sweep.out)?, fresh);
    file::write(sweep.out, &all)?;
    Ok(all)
}

fn of_reals(plan: &Plan, anchor: Anchor, drawn: Drawn, evaluator: &Evaluator) -> Anchor {
    let anchor = Anchor { label: drawn.label, ..anchor };
    match drawn.sets {
        Ok(sets) => with_values(anchor, values_of_sets(plan, evaluator, &sets)),
        Err(LeftOut { why, try_again }) => Anchor { left_out: Some(why), try_again, ..anchor },
    }
}

/// The generator that every run of seed 0 starts with.
fn of_untrained(
    group: &Group<'_>,
    sweep: &Sweep<'_>,
    evaluator: &Evaluator,
    fakes: Fakes,
) -> Anchor {
    let anchor = Anchor { label: "untrained generator".into(), ..group.anchor(Kind::Untrained) };
    let mut plan = group.plan.clone();
    plan.train.seed = 0;
    let values = || -> Result<Vec<AnchorValue>> {
        // By way of a file, as every generator whose batch norms may have statistics of their own.
        let folder = tempfile::tempdir().context("cannot make a folder for the generator")?;
        trainer(&plan, sweep.dataset, &sweep.at.device)?.save_generators(folder.path(), "0")?;
        let path = folder.path().join("ema-0.safetensors");
        let generator = load_generator(&plan, &path, &sweep.at.device)?;
        Ok(values(&measure(&plan, evaluator, &generator.sampler(), fakes)?.values))
    };
    with_values(anchor, values())
}

fn with_values(anchor: Anchor, values: Result<Vec<AnchorValue>>) -> Anchor {
    match values {
        Ok(values) => Anchor { values, ..anchor },
        Err(error) => Anchor {
            left_out: Some(crate::message::with_causes(&error)),
            try_again: true,
            ..anchor
        },
    }
}

/// Every metric of a plan. Where they cannot be had together (of a single class there is no FID by
/// class), each that can be had alone.
///
/// # Errors
/// If there is none.
fn values_of_sets(
    plan: &Plan,
    evaluator: &Evaluator,
    sets: &[ImageBatch],
) -> Result<Vec<AnchorValue>> {
    let of = |plan: &Plan| -> Result<Vec<WithInterval>> {
        let each = sets.iter().map(|images| measure_set(plan, evaluator, images, 0));
        Ok(mean(each.collect::<Result<Vec<_>>>()?))
    };
    let error = match of(plan) {
        Ok(found) => return Ok(values(&found)),
        Err(error) => error,
    };
    let mut found = Vec::new();
    for name in plan.evaluation.measurement()?.metric_names() {
        let mut alone = plan.clone();
        alone.evaluation.metrics = Some(vec![name.to_string()]);
        match of(&alone) {
            Ok(of_metric) => found.extend(values(&of_metric)),
            Err(_) => found.push(AnchorValue {
                metric: evaluator.extractor_id().reported_name(name),
                value: None,
                n_real: 0,
                n_fake: 0,
            }),
        }
    }
    if found.iter().all(|value| value.value.is_none()) { Err(error) } else { Ok(found) }
}

fn values(found: &[WithInterval]) -> Vec<AnchorValue> {
    let value = |(v, _): &WithInterval| AnchorValue {
        metric: v.metric.clone(),
        value: Some(v.value).filter(|value| value.is_finite()),
        n_real: v.n_real as u64,
        n_fake: v.n_fake as u64,
    };
    found.iter().map(value).collect()
}
