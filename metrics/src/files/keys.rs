//! Names under which programs keep a mean and a covariance.

use ganbench_data::numpy::Archive;

use super::FileError;

/// The members of an archive that hold mean and covariance.
pub type StatisticsKeys = [&'static str; 2];

/// As TTUR, pytorch-fid, clean-fid, EDM and ganbench name them.
pub const MU_SIGMA: StatisticsKeys = ["mu", "sigma"];

/// Other names whose meaning is plain, among them those of chainer-gan-lib (`mean`, `cov`) and of
/// several diffusion programs (`m`, `s`).
const SYNONYMS: [StatisticsKeys; 4] =
    [["mean", "cov"], ["m", "s"], ["mean", "sigma"], ["feats_mean", "feats_cov"]];

/// The names that an archive uses; none where it holds no mean and covariance under names that are
/// known. Other names than `mu` and `sigma` count only where neither images nor features are beside
/// them.
///
/// # Errors
/// If several pairs of names could be meant.
pub(super) fn find(archive: &Archive, origin: &str) -> Result<Option<StatisticsKeys>, FileError> {
    let has = |keys: &StatisticsKeys| keys.iter().all(|key| archive.contains(key));
    if has(&MU_SIGMA) {
        return Ok(Some(MU_SIGMA));
    }
    if archive.contains("arr_0") || archive.contains("pool") {
        return Ok(None);
    }
    let found: Vec<StatisticsKeys> = SYNONYMS.into_iter().filter(has).collect();
    match found[..] {
        [] => Ok(None),
        [keys] => Ok(Some(keys)),
        _ => {
            let pairs = found.iter().map(|[mean, covariance]| format!("{mean} and {covariance}"));
            let pairs = pairs.collect::<Vec<_>>().join(" or ");
            Err(FileError::Ambiguous { origin: origin.into(), pairs })
        }
    }
}
