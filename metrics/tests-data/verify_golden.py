"""What torch-fidelity makes of the images of `ganbench verify-extractor` with made weights (seed 0).

    verify_golden.py DIR made0.pth      DIR holds CIFAR-10's train-*.parquet and test-*.parquet

made0.pth: the published file's keys with the values of `weights::made`, seed 0. The training images are brought into the
order of the original archive (data_batch_1 first) by their labels, where they are in it but for the order of its files. Needs torch-fidelity 0.4.0, pyarrow, Pillow.
"""
import glob, io, json, sys
import numpy as np, pyarrow.parquet as pq, torch
import torch_fidelity.feature_extractor_inceptionv3 as inception
import torch_fidelity.metric_fid as fid, torch_fidelity.metric_isc as isc, torch_fidelity.metric_kid as kid
from PIL import Image

FIRST = {1: [6, 9, 9, 4, 1, 1, 2, 7, 8, 3], 2: [1, 6, 6, 8, 8, 3, 4, 6, 0, 6], 3: [8, 5, 0, 6, 9, 2, 8, 3, 6, 2],
         4: [0, 6, 0, 2, 7, 2, 1, 2, 4, 1], 5: [1, 8, 5, 1, 5, 7, 4, 3, 8, 2]}
folder, weights = sys.argv[1:]


def read(split):
    table = pq.read_table(sorted(glob.glob(f"{folder}/**/{split}*.parquet", recursive=True))[0])
    return table.column("img").to_pylist(), table.column("label").to_pylist()


def chosen(split, n):
    rows, labels = read(split)
    order = list(range(len(rows)))
    if split == "train":
        blocks = {b: i for i in range(5) for b, first in FIRST.items() if labels[i * 10000:i * 10000 + 10] == first}
        # A copy in another order is taken as it lies; its values are nobody else's.
        order = [blocks[b] * 10000 + i for b in range(1, 6) for i in range(10000)] if blocks else order
    pick = sorted(np.random.RandomState(2020).choice(len(rows), n, replace=False))
    return np.stack([np.asarray(Image.open(io.BytesIO(rows[order[i]]["bytes"]))) for i in pick])


net = inception.FeatureExtractorInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=weights).eval()


def features(images):
    x = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    with torch.no_grad():
        parts = [net(x[i:i + 16]) for i in range(0, len(x), 16)]
    return [torch.cat(p) for p in zip(*parts)]


def score(logits):
    r = isc.isc_features_to_metric(logits, splits=10, shuffle=True, rng_seed=2020)
    return [r["inception_score_mean"], r["inception_score_std"]]


out = {"is_100": score(features(chosen("train", 100))[1])}
(a, la), (b, _) = features(chosen("train", 256)), features(chosen("test", 256))
out["is_256"] = score(la)
s = [fid.fid_features_to_statistics(x) for x in (a, b)]
out["fid_256"] = fid.fid_statistics_to_metric(*s, False)["frechet_inception_distance"]
r = kid.kid_features_to_metric(a, b, kid_subset_size=64, verbose=False)
out["kid_256"] = [r["kernel_inception_distance_mean"], r["kernel_inception_distance_std"]]
print(json.dumps(out, default=float))
