//! How much FID varies, by half-samples.
//!
//! FID is a smooth function of means and covariances, so that Hoeffding's terms of c images (1948,
//! doi:10.1214/aoms/1177730196) have a variance of the order n^−c. Drawing rows with replacement
//! counts a term of pairs up to three times, and pairs are most of the noise where the sets are
//! alike or few against the dimensions.
//!
//! With S and S′ the halves of a random split, T(S) and T(S′) are independent over draws of the
//! data. Given the data they are not: Cov(T(S), T(S′)) over splits is, on average over data, the
//! negative of the variance of the mean of T over all splits, since both add up to 0. That mean is
//! the complete U-statistic of T, which moves as FID of all images does (its higher bias, of half
//! as many images, is the same number for every draw). So the variance is −Cov(T(S), T(S′)), each
//! term counted once.

use ganbench_data::rng::Stream;

use super::{Bootstrap, Reals, Sides, stream};
use crate::error::MetricError;
use crate::families::fid::fid_to_reference;
use crate::features::Features;
use crate::numerics::rows::Rows;
use crate::reference::RealReference;

/// Variance of FID, or of the difference of two against the same reals. None where a half has no
/// covariance.
pub(super) fn variance(sides: &Sides<'_>, request: Bootstrap) -> Result<Option<f64>, MetricError> {
    let real = match request.reals {
        Reals::Drawn => Some(sides.first.real.require_all_rows()?),
        Reals::Held => None,
    };
    let fakes: Vec<Rows<'_, f32>> = sides.inputs().map(|input| input.fake.pool_rows()).collect();
    if real.iter().chain(&fakes).any(|rows| rows.len() < 4) {
        return Ok(None);
    }
    // One after another: each takes all threads, and a copy of the sets.
    let one = |index| {
        let stream = &mut stream("fid", request, index);
        let real = real.map(|rows| halves(rows, stream));
        let fakes: Vec<[Vec<f32>; 2]> = fakes.iter().map(|rows| halves(*rows, stream)).collect();
        let value = |half: usize| {
            let drawn;
            let reference = match &real {
                None => sides.first.real,
                Some(real) => {
                    let features = Features::new(sides.first.real.dim(), real[half].clone(), None)?;
                    drawn = RealReference::whole(features, None)?;
                    &drawn
                }
            };
            let (mut value, mut sign) = (0.0, 1.0);
            for fake in &fakes {
                let fake = Rows::new(&fake[half], sides.first.real.dim())?;
                value += sign * fid_to_reference(reference, fake)?;
                sign = -1.0;
            }
            Ok(value)
        };
        Ok((value(0)?, value(1)?))
    };
    let splits = (0..request.replicates).map(one).collect::<Result<Vec<_>, MetricError>>()?;
    let n = splits.len() as f64;
    // −Cov = E (T(S) − T(S′))² / 4 − Var((T(S) + T(S′)) / 2).
    let of_half = splits.iter().map(|(a, b)| (a - b) * (a - b)).sum::<f64>() / n / 2.0;
    let middles: Vec<f64> = splits.iter().map(|(a, b)| (a + b) / 2.0).collect();
    let of_all = of_half / 2.0 - super::variance(&middles);
    // A half's variance is at most four times that of all, where there are pairs alone.
    Ok(Some(of_all.max(of_half / 4.0)))
}

/// Rows of two random halves.
fn halves(rows: Rows<'_, f32>, stream: &mut Stream) -> [Vec<f32>; 2] {
    let order = stream.permutation(rows.len());
    let half = rows.len() / 2;
    let gather = |images: &[usize]| images.iter().flat_map(|&i| rows.row(i)).copied().collect();
    [gather(&order[..half]), gather(&order[half..2 * half])]
}
