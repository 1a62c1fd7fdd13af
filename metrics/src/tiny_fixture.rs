//! Features with values of all metrics, `tests-data/tiny_metric_fixture.json`: 40 rows
//! `RandomState(0).randn(40, 6)` and 36 rows shifted by (1.6, 0, 0, −1.2, 0, 0.8) and scaled by
//! 0.7, with the metrics by numpy 2.4.6 transcriptions of prdc, pytorch-fid and torch-fidelity.

use std::collections::HashMap;

#[derive(serde::Deserialize)]
pub(crate) struct TinyFixture {
    #[serde(rename = "X", deserialize_with = "flat")]
    pub(crate) real: Vec<f64>,
    #[serde(rename = "Y", deserialize_with = "flat")]
    pub(crate) fake: Vec<f64>,
    pub(crate) k: usize,
    pub(crate) prdc: HashMap<String, f64>,
    pub(crate) fid: f64,
    /// Of the first 36 rows of the real set.
    #[serde(rename = "kid_first36_unbiased")]
    pub(crate) kid: f64,
    pub(crate) isc_mean: f64,
    pub(crate) isc_std: f64,
}

fn flat<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<f64>, D::Error> {
    let rows: Vec<Vec<f64>> = serde::Deserialize::deserialize(d)?;
    Ok(rows.concat())
}

impl TinyFixture {
    pub(crate) const DIM: usize = 6;

    pub(crate) fn read() -> Self {
        serde_json::from_str(include_str!("../tests-data/tiny_metric_fixture.json")).unwrap()
    }
}
