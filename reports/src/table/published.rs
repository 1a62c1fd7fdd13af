//! Published numbers beside ours: columns of their own, each under its protocol's name; in our
//! column, in brackets, only where protocol, split, sample counts and extractor are ours.

use serde::{Serialize, Serializer};

use std::collections::BTreeMap;

use super::{SampleCounts, TableKey};
use crate::card::MetricCards;
use crate::metric::MetricName;
use crate::reported::Reported;

/// One metric of one source under one protocol.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PublishedColumn {
    /// Our metric that the numbers stand beside.
    pub metric: MetricName,
    /// Name of the source's evaluation protocol.
    pub protocol: String,
    /// As printed there, by the row of our table.
    pub values: BTreeMap<String, String>,
}

/// What the source spent on some rows, computed from its recipe.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PublishedSpending {
    /// Rows of our table that the figures hold for.
    pub rows: Vec<String>,
    /// Images of a training batch.
    pub batch: u64,
    /// Generator steps of the training.
    pub g_steps: u64,
    /// Thousands of real images drawn.
    pub real_kimg: Option<u64>,
    /// Thousands of images through D in its own steps.
    pub d_kforwards: Option<u64>,
}

/// A column of ours that a published number may stand in.
#[derive(Clone, Copy, Debug)]
pub struct OurColumn<'a> {
    /// The metric of the column.
    pub metric: &'a MetricName,
    /// Images behind the values of the column.
    pub counts: SampleCounts,
}

/// What was published of a table's rows on its networks and data; empty for a table of our own.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Published {
    /// Paper and table, each once.
    pub sources: Vec<String>,
    /// Published numbers that agree with no column of ours, in columns of their own.
    pub columns: Vec<PublishedColumn>,
    /// What agrees with a column of ours, by its metric and our row.
    #[serde(serialize_with = "as_list")]
    pub agreeing: BTreeMap<(String, String), String>,
    /// What the sources spent, one entry for each set of figures.
    pub spending: Vec<PublishedSpending>,
}

/// Keys of two parts are no keys of JSON.
fn as_list<S: Serializer>(
    agreeing: &BTreeMap<(String, String), String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Agreeing<'a> {
        metric: &'a str,
        row: &'a str,
        value: &'a str,
    }
    let entries = agreeing.iter().map(|((metric, row), value)| Agreeing { metric, row, value });
    serializer.collect_seq(entries)
}

impl Published {
    /// The numbers of these rows.
    pub fn for_tables(
        key: &TableKey,
        rows: &[&str],
        ours: &[OurColumn<'_>],
        numbers: &[Reported],
        cards: MetricCards,
    ) -> Self {
        let belongs = |r: &&Reported| {
            r.our_tables.split(';').any(|table| table == key.table)
                && r.our_architecture == key.architecture
                && r.dataset == key.dataset
                && rows.contains(&r.our_row.as_str())
        };
        let numbers: Vec<&Reported> = numbers.iter().filter(belongs).collect();
        let mut published = Self::default();
        let mut protocols: Vec<&str> = Vec::new();
        for number in &numbers {
            let source = format!("{}, {}", number.source, number.table);
            if !published.sources.contains(&source) {
                published.sources.push(source);
            }
            if !protocols.contains(&number.protocol.as_str()) {
                protocols.push(&number.protocol);
            }
            published.spend(number);
        }
        let (agreeing, numbers): (Vec<&Reported>, Vec<&Reported>) =
            numbers.into_iter().partition(|number| agrees(number, key, ours));
        for number in agreeing {
            let place = (number.metric.clone(), number.our_row.clone());
            published.agreeing.insert(place, number.with_std());
        }
        for protocol in protocols {
            let of = || numbers.iter().filter(|r| r.protocol == protocol);
            for metric in cards.ordered(of().map(|r| r.metric.as_str()).collect()) {
                let values = of().filter(|r| r.metric == metric.full());
                let values = values.map(|r| (r.our_row.clone(), r.with_std())).collect();
                published.columns.push(PublishedColumn {
                    metric,
                    protocol: protocol.into(),
                    values,
                });
            }
        }
        published
    }

    fn spend(&mut self, number: &Reported) {
        let (Some(batch), Some(g_steps)) = (number.batch, number.g_steps) else { return };
        let (real_kimg, d_kforwards) = (number.real_kimg, number.d_kforwards);
        let same = |s: &&mut PublishedSpending| {
            (s.batch, s.g_steps, s.real_kimg, s.d_kforwards)
                == (batch, g_steps, real_kimg, d_kforwards)
        };
        let row = number.our_row.clone();
        match self.spending.iter_mut().find(same) {
            Some(spending) if spending.rows.contains(&row) => {}
            Some(spending) => spending.rows.push(row),
            None => self.spending.push(PublishedSpending {
                rows: vec![row],
                batch,
                g_steps,
                real_kimg,
                d_kforwards,
            }),
        }
    }

    /// What the reader of the columns must know; `label` gives a row's printed name.
    pub fn sentences(&self, label: impl Fn(&str) -> String) -> Vec<String> {
        let mut out = Vec::new();
        if !self.columns.is_empty() {
            out.push(format!(
                "Columns headed `paper` hold what {} prints, under the protocol that is named there; they are no \
                 part of the comparison.",
                self.sources.join("; ")
            ));
        }
        if !self.agreeing.is_empty() {
            out.push(format!(
                "In brackets: what {} prints under the same protocol, split, sample counts and extractor, of its own \
                 training.",
                self.sources.join("; ")
            ));
        }
        if out.is_empty() {
            return out;
        }
        let each = self.spending.iter().map(|s| {
            let rows: Vec<String> = s.rows.iter().map(|row| label(row)).collect();
            let millions = |k: Option<u64>, of: &str| {
                k.map_or_else(String::new, |k| format!(", {:.1} M {of}", k as f64 / 1e3))
            };
            format!(
                "{}: batch {}, {} G steps{}{}",
                rows.join(", "),
                s.batch,
                s.g_steps,
                millions(s.real_kimg, "real images"),
                millions(s.d_kforwards, "images through D in its steps")
            )
        });
        let each: Vec<String> = each.collect();
        if !each.is_empty() {
            out.push(format!(
                "Spent there, from the recipes: {}; here every row spent what stands in the table.",
                each.join("; ")
            ));
        }
        out
    }
}

/// Whether a number was measured as a column of ours is.
fn agrees(number: &Reported, key: &TableKey, ours: &[OurColumn<'_>]) -> bool {
    // Of a metric that looks at no reals (IS) sources name those of their other metrics.
    let same_counts = |ours: SampleCounts| {
        number.n_fake == Some(ours.n_fake)
            && (ours.n_real == 0 || number.n_real == Some(ours.n_real))
    };
    (&number.protocol, &number.split, &number.extractor)
        == (&key.protocol, &key.split, &key.extractor)
        && ours.iter().any(|o| o.metric.full() == number.metric && same_counts(o.counts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::test_cards;
    use crate::reported;

    fn key(table: &str, architecture: &str) -> TableKey {
        TableKey {
            table: table.into(),
            dataset: "cifar10".into(),
            architecture: architecture.into(),
            ..TableKey::default()
        }
    }

    #[test]
    fn a_papers_rows_stand_under_its_protocol_with_what_they_spent() {
        let rows = ["gan", "cr", "contrad"];
        let key = key("contrad-table1", "sndcgan");
        let published =
            Published::for_tables(&key, &rows, &[], &reported::all().unwrap(), test_cards());
        let columns: Vec<_> =
            published.columns.iter().map(|c| (c.metric.full(), c.protocol.as_str())).collect();
        assert_eq!(columns, [("fid", "contrad"), ("is", "contrad")]);
        assert_eq!(published.columns[0].values["contrad"], "10.9");
        let text = published.sentences(str::to_uppercase).join(" ");
        for part in [
            "GAN: batch 64, 200000 G steps, 12.8 M real images, 25.6 M images through D",
            "CONTRAD: batch 512, 200000 G steps, 102.4 M real images, 307.2 M images through D",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn other_networks_and_tables_have_other_numbers_or_none() {
        let numbers = reported::all().unwrap();
        let rows = ["gan", "contrad", "hinge", "kdd-da7", "joint-gamma0.5-stale"];
        let fid = |key: &TableKey, row: &str| {
            let published = Published::for_tables(key, &rows, &[], &numbers, test_cards());
            published.columns.first().and_then(|c| c.values.get(row).cloned())
        };
        assert_eq!(fid(&key("contrad-table1", "snresnet18"), "contrad").unwrap(), "9.86");
        assert_eq!(fid(&key("kdd-table2", "biggan-cifar"), "kdd-da7").unwrap(), "5.713");
        assert_eq!(fid(&key("table1", "sndcgan"), "gan"), None);
        let imagenet = TableKey { dataset: "imagenet-64".into(), ..key("kdd-table5", "sagan64") };
        assert_eq!(fid(&imagenet, "joint-gamma0.5-stale").unwrap(), "9.450");
        assert!(Published::default().sentences(str::to_string).is_empty());
    }

    #[test]
    fn a_number_of_our_very_protocol_and_counts_stands_in_our_column_and_else_in_its_own() {
        let numbers = reported::all().unwrap();
        let fid = MetricName::new("fid", test_cards());
        let of = |protocol: &str, n_real| {
            let key = TableKey {
                protocol: protocol.into(),
                split: "train".into(),
                extractor: "inception".into(),
                ..key("kdd-table2", "biggan-cifar")
            };
            let ours =
                [OurColumn { metric: &fid, counts: SampleCounts { n_real, n_fake: 50_000 } }];
            let published =
                Published::for_tables(&key, &["kdd", "kdd-da7"], &ours, &numbers, test_cards());
            let place = ("fid".to_string(), "kdd-da7".to_string());
            let own = published.columns.iter().any(|c| c.metric.full() == "fid");
            (published.agreeing.get(&place).cloned(), own, published.sentences(str::to_string))
        };
        let (there, own, said) = of("kdd", 50_000);
        assert_eq!((there.as_deref(), own), (Some("5.713"), false));
        assert!(said.iter().any(|s| s.starts_with("In brackets: what")), "{said:?}");
        for (protocol, n_real) in [("kdd", 49_999), ("table1", 50_000)] {
            let (there, own, said) = of(protocol, n_real);
            assert_eq!((there, own), (None, true));
            assert!(!said.iter().any(|s| s.starts_with("In brackets")), "{said:?}");
        }
    }

    #[test]
    fn no_row_has_two_numbers_of_one_metric_and_protocol() {
        let mut seen = std::collections::BTreeSet::new();
        // A number without a row of ours stands in no cell.
        for r in reported::all().unwrap().into_iter().filter(|r| !r.our_row.is_empty()) {
            for table in r.our_tables.split(';') {
                let cell = (table.to_string(), r.our_row.clone(), r.our_architecture.clone());
                let cell = (cell, r.dataset.clone(), r.metric.clone(), r.protocol.clone());
                assert!(seen.insert(cell.clone()), "{cell:?}");
            }
        }
    }
}
