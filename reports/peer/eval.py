"""Milliseconds of evaluation in the reference packages: what `ganbench bench eval` measures, measured here.

    eval.py [--images 480] [--n 10000] [--repeat 1]

`inception`: torch-fidelity's network, uint8 images to features, ms an image (its weights are random: they cost the same);
with onnxruntime installed also its network body alone on ready 299x299 floats, as a variant. `fid`: pytorch-fid (scipy's
sqrtm, with means and covariances). `prdc`: prdc. `kid`: torch-fidelity. `start`: an empty Python. One JSON line an op.
"""
import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
import torch

DIM, LATENT, FEW = 2048, 256, 256


def line(options, op, run, per=1, repeat=None, variant=None):
    ms = []
    for _ in range(repeat or options.repeat):
        started = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            run()
        ms.append((time.perf_counter() - started) * 1e3 / per)
    found = {"op": op, "pass": "eval", "median_ms": statistics.median(ms), "min_ms": min(ms), "images": options.images,
             "threads": torch.get_num_threads(), "repeat": len(ms)}
    print(json.dumps(found | ({"variant": variant} if variant else {})), flush=True)


def network():
    import torch_fidelity.feature_extractor_inceptionv3 as m
    load, state = torch.load, torch.nn.Module.load_state_dict
    torch.load, torch.nn.Module.load_state_dict = (lambda *a, **k: {}), (lambda *a, **k: None)
    try:
        return m.FeatureExtractorInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"],
                                             feature_extractor_weights_path=os.devnull).eval()
    finally:
        torch.load, torch.nn.Module.load_state_dict = load, state


class Body(torch.nn.Module):
    """What stands between the resize and the mean over the plane."""

    def __init__(self, net):
        super().__init__()
        names = ("Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3 MaxPool_1 Conv2d_3b_1x1 Conv2d_4a_3x3 MaxPool_2 Mixed_5b "
                 "Mixed_5c Mixed_5d Mixed_6a Mixed_6b Mixed_6c Mixed_6d Mixed_6e Mixed_7a Mixed_7b Mixed_7c")
        self.parts = torch.nn.ModuleList(getattr(net, name) for name in names.split())

    def forward(self, x):
        for part in self.parts:
            x = part(x)
        return x.mean((2, 3))


def onnx_body(net, batch):
    import onnxruntime
    x, path = torch.randn(batch, 3, 299, 299), os.path.join(tempfile.mkdtemp(), "inception.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(Body(net).eval(), x, path, dynamo=False, input_names=["x"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {"x": x.numpy()}
    return lambda: session.run(None, feed)


def inception(options, batch=16):
    net = network()
    for side in (32, 256):
        images = torch.randint(0, 256, (options.images, 3, side, side), dtype=torch.uint8)
        name = f"inception {side}x{side}, an image"
        with torch.no_grad():
            net(images[:batch])
            line(options, name, lambda: [net(images[i:i + batch]) for i in range(0, len(images), batch)], len(images))
        try:
            body = onnx_body(net, batch)
        except ImportError:
            continue
        body()
        times = -(-options.images // batch)
        line(options, name, lambda: [body() for _ in range(times)], times * batch, variant="onnxruntime, network body only")


def features(random, mix, n, shift):
    x = random.standard_normal((n, LATENT), np.float32) @ mix / 16 + 0.3 * random.standard_normal((n, DIM), np.float32)
    return np.maximum(x + np.float32(shift), 0)


def metrics(options):
    import prdc
    import pytorch_fid.fid_score as fid
    import torch_fidelity.metric_kid as kid
    random = np.random.default_rng(0)
    mix = random.standard_normal((LATENT, DIM), np.float32)
    real, fake = features(random, mix, options.n, 0.0), features(random, mix, options.n, 0.05)

    def distance(a, b):
        wide = [x.astype(np.float64) for x in (a, b)]
        moments = [m for x in wide for m in (x.mean(0), np.cov(x, rowvar=False))]
        fid.calculate_frechet_distance(*moments)

    line(options, f"fid {FEW}x{DIM}", lambda: distance(real[:FEW], fake[:FEW]))
    line(options, f"fid {options.n}x{DIM}", lambda: distance(real, fake))
    line(options, f"prdc {options.n}x{DIM}", lambda: prdc.compute_prdc(real, fake, 5))
    subset, (a, b) = min(1000, options.n), (torch.from_numpy(fake), torch.from_numpy(real))
    line(options, f"kid 100x{subset} of {options.n}x{DIM}",
         lambda: kid.kid_features_to_metric(a, b, kid_subset_size=subset, verbose=False))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=480)
    parser.add_argument("--n", type=int, default=10000)
    parser.add_argument("--repeat", type=int, default=1)
    options = parser.parse_args()
    line(options, "start", lambda: subprocess.run([sys.executable, "-c", "pass"], check=True), repeat=10)
    inception(options)
    metrics(options)


if __name__ == "__main__":
    main()
