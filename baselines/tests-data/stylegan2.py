"""Values and gradients of StyleGAN2's ops and networks from an independent implementation in PyTorch f64.

    python stylegan2.py > stylegan2.json      (torch 2.9.0)

Written in the paper's order where the Rust side has another: filters are modulated and demodulated for each image
and convolved in groups, activations are scaled after and not before, resampling is a full 4x4 filter on an image
with zeros put in. Inputs and weights are amplitude * sin(0.37 k + 0.11 s): k the place in the flattened tensor, s the
sum of the bytes of its name modulo 101, the amplitude 100 for the weights of the mapping network, else 1.
"""
import json, math
import torch, torch.nn.functional as F

F64 = torch.float64


def tensor(name, *shape):
    amplitude = 100.0 if name.startswith("mapping.fc") and name.endswith("weight") else 1.0
    k = torch.arange(math.prod(shape), dtype=F64)
    return (amplitude * torch.sin(0.37 * k + 0.11 * (sum(name.encode()) % 101))).reshape(shape)


def upfirdn(x, taps, up=1, down=1, pad=(0, 0)):
    n, c, h, w = x.shape
    big = torch.zeros(n, c, h * up, w * up, dtype=F64)
    big[:, :, ::up, ::up] = x
    big = F.pad(big, (pad[0], pad[1], pad[0], pad[1]))
    taps = torch.tensor(taps, dtype=F64)
    kernel = torch.outer(taps, taps).flip(0, 1)[None, None]
    y = F.conv2d(big.reshape(n * c, 1, *big.shape[2:]), kernel)
    return y.reshape(n, c, *y.shape[2:])[:, :, ::down, ::down]


B = [1 / 8, 3 / 8, 3 / 8, 1 / 8]
B2 = [2 * b for b in B]


def modulated(x, w, style, up=False, demodulate=True):
    """w in PyTorch's order of a convolution, [out, in, k, k]."""
    n, cin = style.shape
    cout, _, k, _ = w.shape
    w = w[None] / math.sqrt(cin * k * k) * style[:, None, :, None, None]
    if demodulate:
        w = w * torch.rsqrt((w**2).sum((2, 3, 4), keepdim=True) + 1e-8)
    x = x.reshape(1, n * cin, *x.shape[2:])
    if up:
        w = w.transpose(1, 2).reshape(n * cin, cout, k, k)
        y = F.conv_transpose2d(x, w, stride=2, groups=n)
        return upfirdn(y.reshape(n, cout, *y.shape[2:]), B2, pad=(1, 1))
    y = F.conv2d(x, w.reshape(n * cout, cin, k, k), padding=k // 2, groups=n)
    return y.reshape(n, cout, *y.shape[2:])


def act(x):
    return F.leaky_relu(x, 0.2) * math.sqrt(2)


def linear(name, x, outputs, lr=1.0):
    w, b = tensor(name + ".weight", outputs, x.shape[1]), tensor(name + ".bias", outputs)
    return x @ (w * lr / math.sqrt(x.shape[1])).T + b * lr


def unit(z):
    return z * torch.rsqrt((z**2).mean(1, keepdim=True) + 1e-8)


def mapping(z, labels, width, layers, classes):
    w = unit(z)
    if classes:
        w = torch.cat([w, unit(linear("mapping.embed", F.one_hot(labels, classes).to(F64), width))], 1)
    for i in range(layers):
        w = act(linear(f"mapping.fc.{i}", w, width, 0.01))
    return w


def generator(z, labels, width, layers, channels, classes):
    w = mapping(z, labels, width, layers, classes)
    h = tensor("input.const", 1, channels(4), 4, 4).repeat(len(z), 1, 1, 1)
    image = None
    for side in (4, 8, 16, 32):
        for i in range(1 if side == 4 else 2):
            up, name = side > 4 and i == 0, f"b{side}.conv.{i}"
            cin, cout = h.shape[1], channels(side)
            weight = tensor(name + ".weight", *((cin, cout) if up else (cout, cin)), 3, 3)
            weight = weight.transpose(0, 1) if up else weight
            h = modulated(h, weight, linear(name + ".affine", w, cin), up)
            h = act(h + tensor(name + ".bias", cout)[None, :, None, None])
        name = f"b{side}.to_rgb"
        style = linear(name + ".affine", w, h.shape[1])
        pixels = modulated(h, tensor(name + ".weight", 3, h.shape[1], 1, 1), style, demodulate=False)
        pixels = pixels + tensor(name + ".bias", 3)[None, :, None, None]
        image = pixels if image is None else upfirdn(image, B2, up=2, pad=(2, 1)) + pixels
    return image


def conv(name, x, outputs, k, activated=True, down=False):
    w = tensor(name + ".weight", outputs, x.shape[1], k, k) / math.sqrt(x.shape[1] * k * k)
    if down:
        pad = (2, 2) if k == 3 else (1, 1)
        y = F.conv2d(upfirdn(x, B, pad=pad), w, stride=2)
    else:
        y = F.conv2d(x, w, padding=k // 2)
    return act(y + tensor(name + ".bias", outputs)[None, :, None, None]) if activated else y


def deviation(x, group):
    n, c, h, w = x.shape
    g = min(n, group)
    out = torch.zeros(n, 1, h, w, dtype=F64)
    for m in range(n // g):
        members = [m + i * (n // g) for i in range(g)]
        std = torch.sqrt(x[members].var(0, unbiased=False) + 1e-8).mean()
        for i in members:
            out[i] = std
    return torch.cat([x, out], 1)


def trunk(x, channels, residual, group, last_linear):
    h = conv("from_rgb", x, channels(32), 1)
    for side in (32, 16, 8):
        y = conv(f"b{side}.conv.0", h, channels(side), 3)
        y = conv(f"b{side}.conv.1", y, channels(side // 2), 3, down=True)
        if residual:
            y = (y + conv(f"b{side}.skip", h, channels(side // 2), 1, activated=False, down=True)) / math.sqrt(2)
        h = y
    h = conv("b4.conv", deviation(h, group), channels(4), 3).flatten(1)
    return act(linear("fc", h, channels(4))) if last_linear else h


def golden(f, *inputs):
    """Output, and the gradients of the sum of its squares, of long ones every 37th value."""
    inputs = [x.clone().requires_grad_() for x in inputs]
    y = f(*inputs)
    (y**2).sum().backward()
    some = lambda x: x.detach().flatten()[::37 if x.numel() > 600 else 1].tolist()
    return {"shape": list(y.shape), "value": some(y), "grads": [some(x.grad) for x in inputs]}


out = {}
taps = [0.5, -1.0, 2.0, 0.25]
for name, args in {"same": (taps, 1, 1, (1, 2)), "up": (B2, 2, 1, (2, 1)), "down": (B, 1, 2, (1, 1)),
                   "both": (taps, 3, 2, (1, 2))}.items():
    out["upfirdn_" + name] = golden(lambda x: upfirdn(x, *args), tensor("x", 2, 3, 6, 6))
x, s = tensor("x", 3, 4, 5, 5), tensor("styles", 3, 4)
out["modulated_same"] = golden(modulated, x, tensor("w", 2, 4, 3, 3), s)
out["modulated_up"] = golden(lambda x, w, s: modulated(x, w.transpose(0, 1), s, True), x, tensor("w", 4, 2, 3, 3), s)
out["modulated_pixels"] = golden(lambda x, w, s: modulated(x, w, s, False, False), x, tensor("w", 3, 4, 1, 1), s)
out["deviation"] = golden(lambda x: deviation(x, 2), tensor("x", 4, 2, 3, 3))

z, image = tensor("z", 4, 6), tensor("x", 4, 3, 32, 32)
small, full = (lambda side: 8 // max(side // 8, 1)), (lambda side: 8)
labels = torch.tensor([0, 2, 1, 2])
out["stylegan2_generator"] = golden(lambda z: generator(z, None, 8, 8, small, 0), z)
out["stylegan2_trunk"] = golden(lambda x: trunk(x, small, True, 4, False), image)
out["stylegan2-studiogan_generator"] = golden(lambda z: generator(z, labels, 8, 2, full, 3), z)
out["stylegan2-studiogan_trunk"] = golden(lambda x: trunk(x, full, False, 32, True), image)
print(json.dumps(out))
