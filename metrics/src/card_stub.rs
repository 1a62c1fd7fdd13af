//! Stands in for the cards until they land.
use crate::metric::Metric;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolField {
    Extractor,
    Split,
    NReal,
    NFake,
    Repeats,
    FidDivisor,
    FidInfinityCounts,
    IsSplits,
    IsShuffle,
    IsBias,
    NearestK,
    IprNearestK,
    NearestReal,
    KidSubset,
    KidSubsets,
}

impl Metric {
    pub fn reads(&self, field: ProtocolField) -> bool {
        use ProtocolField as F;
        let prdc = ["precision", "recall", "density", "coverage"].contains(&self.name);
        let ipr = self.name.starts_with("ipr_");
        match field {
            F::Extractor | F::NFake | F::Repeats => true,
            F::Split | F::NReal => !["is", "vendi"].contains(&self.name),
            F::FidDivisor => self.name == "fid",
            F::FidInfinityCounts => self.name == "fid_inf",
            F::IsSplits | F::IsShuffle | F::IsBias => self.name == "is",
            F::NearestK => prdc,
            F::IprNearestK => ipr,
            F::NearestReal => prdc || ipr || self.name == "authpct",
            F::KidSubset | F::KidSubsets => self.name == "kid",
        }
    }
}
