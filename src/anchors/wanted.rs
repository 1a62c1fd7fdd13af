//! Which anchors a sweep's results need.

use anyhow::Result;
use ganbench_data::hex;
use ganbench_metrics::{bare_name, metric};
use ganbench_reports::{Anchor, AnchorKey, AnchorNetworks, ResultRow};
use sha2::{Digest as _, Sha256};

use crate::plan::Plan;
use crate::run::sweep::Sweep;

/// A kind of images that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Real(RealKind),
    /// What the generator makes before its first step.
    Untrained,
}

/// A kind of images that is made of real ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RealKind {
    /// Of the split that samples are not compared with.
    Other,
    /// The first of the data set.
    OneClass,
    Blurred,
}

impl Kind {
    /// In the order of tables.
    pub const ALL: [Self; 4] = [
        Self::Real(RealKind::Other),
        Self::Real(RealKind::OneClass),
        Self::Real(RealKind::Blurred),
        Self::Untrained,
    ];

    /// In `anchors.jsonl`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Real(RealKind::Other) => "other_reals",
            Self::Real(RealKind::OneClass) => "one_class",
            Self::Real(RealKind::Blurred) => "blurred",
            Self::Untrained => "untrained",
        }
    }
}

/// How the final rows of some runs were measured.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// The first of these runs.
    pub plan: &'a Plan,
    pub key: AnchorKey,
    pub networks: AnchorNetworks,
    /// As in the rows.
    pub metrics: Vec<String>,
}

impl Group<'_> {
    /// An anchor without values.
    pub fn anchor(&self, kind: Kind) -> Anchor {
        Anchor {
            name: kind.name().into(),
            label: String::new(),
            measured: self.key.clone(),
            networks: (kind == Kind::Untrained).then(|| self.networks.clone()),
            values: Vec::new(),
            left_out: None,
            try_again: false,
            version: env!("CARGO_PKG_VERSION").into(),
            commit: crate::run::folder::commit(),
        }
    }

    /// Whether a kept anchor is what would be measured.
    fn is_served_by(&self, kind: Kind, kept: &Anchor) -> bool {
        let wanted = self.anchor(kind);
        let has = |metric: &String| kept.values.iter().any(|value| value.metric == *metric);
        (&kept.name, &kept.measured) == (&wanted.name, &wanted.measured)
            && kept.networks == wanted.networks
            && kept.version == wanted.version
            && !kept.try_again
            && (kept.left_out.is_some() || self.metrics.iter().all(has))
    }
}

/// The groups of a sweep's runs that have values.
///
/// # Errors
/// If a run's scores are damaged.
pub fn groups<'a>(sweep: &Sweep<'a>) -> Result<Vec<Group<'a>>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for (plan, folder) in sweep.plans.iter().zip(sweep.folders) {
        let rows = folder.scores()?;
        // Rows that `remeasure` added are of another measurement; linear evaluation makes no
        // images.
        let is_final = |row: &&ResultRow| {
            row.checkpoint == "last"
                && row.value.is_some()
                && row.extractor_sha256 == plan.evaluation.extractor_sha256
                && metric(bare_name(&row.metric)).is_ok()
        };
        let rows: Vec<&ResultRow> = rows.iter().filter(is_final).collect();
        let Some(first) = rows.first() else { continue };
        let group = Group {
            plan,
            key: key(plan, first),
            networks: networks(plan)?,
            metrics: rows.iter().map(|row| row.metric.clone()).collect(),
        };
        let same = |other: &Group<'_>| {
            let [a, b] = [&other.networks, &group.networks];
            other.key == group.key && (&a.architecture, a.width) == (&b.architecture, b.width)
        };
        if !groups.iter().any(same) {
            groups.push(group);
        }
    }
    Ok(groups)
}

fn key(plan: &Plan, row: &ResultRow) -> AnchorKey {
    AnchorKey {
        dataset: row.dataset.clone(),
        dataset_sha256: row.dataset_sha256.clone(),
        split: row.split.clone(),
        reference_sha256: plan.evaluation.reference_sha256.clone(),
        n_fake: plan.evaluation.n_fake as u64,
        extractor: row.extractor.clone(),
        extractor_sha256: row.extractor_sha256.clone(),
        protocol: row.protocol.clone(),
        protocol_differences: row.protocol_differences.clone(),
    }
}

fn networks(plan: &Plan) -> Result<AnchorNetworks> {
    let train = &plan.train;
    let json = serde_json::to_vec(&(&train.network, train.parts.conditional()))?;
    Ok(AnchorNetworks {
        architecture: train.network.architecture.clone(),
        width: train.network.width as u64,
        plan_sha256: hex(Sha256::new_with_prefix(json)),
    })
}

/// What is not among the kept anchors; what does not depend on networks, once.
pub fn open<'g, 'a>(groups: &'g [Group<'a>], kept: &[Anchor]) -> Vec<(&'g Group<'a>, Kind)> {
    let mut open: Vec<(&Group<'a>, Kind)> = Vec::new();
    for group in groups {
        for kind in Kind::ALL {
            let is_asked = |(other, of): &(&Group<'a>, Kind)| {
                *of == kind && kind != Kind::Untrained && other.key == group.key
            };
            let is_kept = kept.iter().any(|anchor| group.is_served_by(kind, anchor));
            if !is_kept && !open.iter().any(is_asked) {
                open.push((group, kind));
            }
        }
    }
    open
}
