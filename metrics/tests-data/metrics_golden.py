"""Writes metrics_golden.json: values of the metrics by the packages that publish them.

    python metrics_golden.py metrics_golden.json

Packages: torch-fidelity 0.4.0, pytorch-fid 0.3.0, prdc 0.2, torch 2.9.0, numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1.

The features are drawn from numpy's legacy generator by `features`, of which `golden.rs` is the twin: every step
is one f32 operation, so both hold the same bits and no features have to be stored.
"""

import json
import sys

import numpy as np
import torch
from prdc import compute_prdc
from pytorch_fid.fid_score import calculate_frechet_distance
from sklearn.mixture import GaussianMixture
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

F = np.float32


def features(seed, n, d, scale=1.0, shift=0.0):
    """Uniform numbers of 24 bits, each with half of its left neighbour added, then scaled and shifted."""
    bits = np.random.RandomState(seed).randint(0, 2**32, size=n * d, dtype=np.uint32)
    u = ((bits >> 8).astype(F) * F(2.0**-24)).reshape(n, d)
    x = u.copy()
    x[:, 1:] += F(0.5) * u[:, :-1]
    return x * F(scale) + F(shift)


def labels(n, classes):
    return np.arange(n) * 7 % classes


def gaussian_score(x):
    x = x.astype(np.float64)
    return GaussianMixture(n_components=1, reg_covar=1e-5).fit(x).score_samples(x).tolist()


def frechet(real, fake):
    real, fake = real.astype(np.float64), fake.astype(np.float64)
    mean, cov = lambda x: x.mean(0), lambda x: np.cov(x, rowvar=False)
    return float(calculate_frechet_distance(mean(real), cov(real), mean(fake), cov(fake)))


def kid(fake, real, **options):
    got = kid_features_to_metric(
        torch.from_numpy(fake), torch.from_numpy(real), kid_kernel="poly", kid_kernel_poly_degree=3,
        kid_kernel_poly_gamma=None, kid_kernel_poly_coef0=1.0, rng_seed=2020, verbose=False, **options)
    return [got["kernel_inception_distance_mean"], got["kernel_inception_distance_std"]]


def vendi(x):
    """Friedman and Dieng 2022, from the n x n kernel, as vendi_score's `score_K`."""
    x = x.astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    p = np.linalg.eigvalsh(x @ x.T / len(x))
    p = p[p > 0]
    return float(np.exp(-(p * np.log(p)).sum()))


def authpct(real, fake):
    """A transcription of dgm-eval's AuthPct, which is in no package, in f64."""
    real, fake = (torch.from_numpy(x).double() for x in (real, fake))
    among, between = (torch.cdist(real, x, compute_mode="donot_use_mm_for_euclid_dist") for x in (real, fake))
    among.fill_diagonal_(float("inf"))
    nearest = between.min(dim=0)
    return float(100 * (among.min(dim=0).values[nearest.indices] < nearest.values).double().mean())


def fid_infinity(real, fake, runs):
    """A transcription of dgm-eval's FD infinity: its draws have no seed, so mean and deviation over some runs."""
    n = len(fake)
    sizes = np.linspace(min(5000, max(n // 10, 2)), n, 15).astype("int32")
    rng, values = np.random.RandomState(0), []
    for _ in range(runs):
        fids = [frechet(real, fake[rng.choice(n, size, replace=False)]) for size in sizes]
        values.append(np.polyfit(1 / sizes, fids, 1)[1])
    return [float(np.mean(values)), float(np.std(values))]


def main():
    # Names of the sets are seed, n, d, scale, shift: see golden.rs.
    real, fake = features(1, 400, 16), features(2, 350, 16, 0.8, 0.2)
    wide_real, wide_fake = features(3, 40, 64), features(4, 30, 64, 0.9, 0.05)
    big_real, big_fake = features(5, 1200, 32), features(6, 1100, 32, 0.9, 0.1)
    out = {}
    out["kid"] = kid(big_fake, big_real, kid_subsets=100, kid_subset_size=1000)
    out["kid_small"] = kid(fake, real, kid_subsets=20, kid_subset_size=50)
    prc = prc_features_to_metric(
        torch.from_numpy(fake), torch.from_numpy(real), prc_neighborhood=3, prc_batch_size=10000,
        save_cpu_ram=False, verbose=False)
    out["ipr"] = [prc["precision"], prc["recall"]]
    prdc = compute_prdc(real, fake, nearest_k=5)
    out["prdc"] = [float(prdc[k]) for k in ("precision", "recall", "density", "coverage")]
    out["fid"] = frechet(real, fake)
    of_class = lambda c: frechet(real[labels(400, 5) == c], fake[labels(350, 5) == c])
    out["intra_fid"] = float(np.mean([of_class(c) for c in range(5)]))
    out["fid_infinity"] = fid_infinity(big_real, big_fake, 30)
    out["vendi"] = vendi(fake)
    out["vendi_wide"] = vendi(wide_fake)
    out["authpct"] = authpct(real, fake)
    out["authpct_wide"] = authpct(wide_real, wide_fake)
    out["gaussian_score_real"] = gaussian_score(real)
    out["gaussian_score_wide"] = gaussian_score(wide_real)
    with open(sys.argv[1], "w") as file:
        json.dump(out, file, indent=1)
        file.write("\n")


main()
