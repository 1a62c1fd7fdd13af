"""Milliseconds of single ops in PyTorch on the CPU: what `ganbench bench ops` measures, measured here.

    ops.py [--batch 64] [--repeat 10] [--warmup 2]

Protocol: `fwd` is the op alone without a tape; `fwd+bwd` is the op, the sum of its outputs, and the gradients of every
input and weight; `fwd+bwd, no tape` calls the op and its gradient after one another. Outputs are made anew each time
and dropped after the clock was read. What is no convolution is run SHORT times as often. Prints one JSON line an op and
pass; a `variant` names another implementation of the same op.
"""
import argparse
import json
import statistics
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

# transposed, inputs, outputs, kernel, side of the input. Kernels of 4 have stride 2; padding is 1.
CONVOLUTIONS = [
    (False, 3, 64, 3, 32),
    (False, 64, 128, 4, 32),
    (False, 128, 128, 3, 16),
    (False, 128, 256, 4, 16),
    (False, 256, 256, 3, 8),
    (False, 256, 512, 4, 8),
    (False, 512, 512, 3, 4),
    (True, 512, 256, 4, 4),
    (True, 256, 128, 4, 8),
    (True, 128, 64, 4, 16),
]
CHANNELS, SIDE = 128, 16
ADAM_PARAMETERS = 4_000_000
SHORT = 20


def measure(options, op, what, run, flops=None, variant=None):
    ms = []
    often = 1 if flops else SHORT
    warmup, repeat = options.warmup * often, options.repeat * often
    for _ in range(warmup + repeat):
        started = time.perf_counter()
        out = run()
        ms.append((time.perf_counter() - started) * 1e3)
        del out
    ms = ms[warmup:]
    median = statistics.median(ms)
    line = {
        "peer": f"torch {torch.__version__}",
        "op": op,
        "pass": what,
        "median_ms": median,
        "min_ms": min(ms),
        "gflops": flops / median / 1e6 if flops else None,
        "batch": options.batch,
        "threads": torch.get_num_threads(),
        "repeat": repeat,
    }
    if variant:
        line["variant"] = variant
    print(json.dumps(line), flush=True)


def without_tape(op):
    def run():
        with torch.no_grad():
            return op()
    return run


def with_gradients(op, inputs):
    def run():
        # PyTorch would add to the gradients of the time before.
        for tensor in inputs:
            tensor.grad = None
        out = op()
        out.sum().backward()
        return out
    return run


def both(options, name, op, inputs, flops=None):
    measure(options, name, "fwd", without_tape(op), flops)
    measure(options, name, "fwd+bwd", with_gradients(op, inputs), 3 * flops if flops else None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=2)
    options = parser.parse_args()
    torch.manual_seed(0)

    for transposed, inputs, outputs, kernel, side in CONVOLUTIONS:
        stride = 2 if kernel == 4 else 1
        x = torch.randn(options.batch, inputs, side, side, requires_grad=True)
        shape = (inputs, outputs) if transposed else (outputs, inputs)
        w = (torch.randn(*shape, kernel, kernel) * 0.02).requires_grad_()
        function = F.conv_transpose2d if transposed else F.conv2d
        places = side * side if transposed else (side // stride) ** 2
        flops = 2 * options.batch * inputs * outputs * kernel * kernel * places
        kind = "conv_transpose" if transposed else "conv"
        name = f"{kind} {inputs}->{outputs} k{kernel}s{stride} {side}x{side}"
        both(options, name, lambda: function(x, w, stride=stride, padding=1), [x, w], flops)

    x = torch.randn(options.batch, CHANNELS, SIDE, SIDE, requires_grad=True)
    name = f"leaky_relu {CHANNELS}x{SIDE}x{SIDE}"
    both(options, name, lambda: F.leaky_relu(x, 0.1), [x])
    g = torch.ones_like(x)
    passes = lambda: (F.leaky_relu(x, 0.1), torch.ops.aten.leaky_relu_backward(g, x, 0.1, False))
    measure(options, name, "fwd+bwd, no tape", without_tape(passes))
    norm = nn.BatchNorm2d(CHANNELS).train()
    both(options, f"batch_norm {CHANNELS}x{SIDE}x{SIDE}", lambda: norm(x), [x, norm.weight, norm.bias])

    for variant, extra in ((None, {}), ("fused", {"fused": True})):
        w = nn.Parameter(torch.randn(ADAM_PARAMETERS) * 0.02)
        w.grad = 2 * w.detach()
        adam = torch.optim.Adam([w], lr=2e-4, betas=(0.5, 0.999), **extra)
        measure(options, "adam 4M", "step", adam.step, variant=variant)


if __name__ == "__main__":
    main()
