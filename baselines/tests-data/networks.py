"""Images, features and gradient norms of residual and DCGAN networks from an independent implementation, PyTorch f64.

    python networks.py > networks.json      (torch 2.9.0)

Written from the layer lists of gan-recipes.md §2 as plain functions of named tensors: convolutions and resampling in
the order of the official code, spectral norm and self-attention by their formulas. All tensors are hashes of their index
and name in [-1, 1) (`fill`), so that the Rust side can make the same. Width 4, z 20, 4 latents, 3 classes; one training pass of G
and D, the gradients of mean(features²), then one evaluation pass of G.
"""
import json, math
import torch, torch.nn.functional as F

torch.set_default_dtype(torch.float64)
W, Z, CLASSES, LABELS = 4, 20, 3, torch.tensor([0, 1, 2, 1])


def fill(name, shape):
    n = math.prod(shape)
    wave = torch.sin(12.9898 * torch.arange(n) + sum(name.encode()) % 97) * 43758.5453
    wave = (wave - wave.floor()) * 2 - 1
    if name.endswith(("weight_u", "weight_v")):
        return wave / wave.norm()
    if name.endswith("gamma"):
        return torch.full(shape, 0.7)
    if len(shape) > 1:
        return (wave * (3 / math.prod(shape[1:])) ** 0.5).reshape(shape)
    return 0.1 * wave if name.endswith("bias") else 1 + 0.1 * wave


class Net:
    """Tensors by name, made when first asked for."""

    def __init__(self, sn, bn_eps):
        self.sn, self.bn_eps, self.params, self.state, self.train = sn, bn_eps, {}, {}, True

    def param(self, name, *shape):
        if name not in self.params:
            self.params[name] = fill(name, shape).float().double().requires_grad_()
        return self.params[name]

    def weight(self, name, shape, sn=None, rows=0):
        if not (self.sn if sn is None else sn):
            return self.param(name + ".weight", *shape)
        w = self.param(name + ".weight_orig", *shape)
        m = w.transpose(0, rows).flatten(1)
        key = name + ".weight_u"
        if self.train:
            with torch.no_grad():
                u = self.state.get(key, fill(key, (m.shape[0],)))
                v = F.normalize(m.T @ u, dim=0)
                self.state[key], self.state[name + ".weight_v"] = F.normalize(m @ v, dim=0), v
        return w / (self.state[key] @ m @ self.state[name + ".weight_v"])

    def conv(self, name, x, outputs, k, bias=True, stride=1, pad=None):
        b = self.param(name + ".bias", outputs) if bias else None
        return F.conv2d(x, self.weight(name, (outputs, x.shape[1], k, k)), b, stride, k // 2 if pad is None else pad)

    def up(self, name, x, outputs, k, stride):
        w = self.weight(name, (x.shape[1], outputs, k, k), rows=1)
        return F.conv_transpose2d(x, w, self.param(name + ".bias", outputs), stride, 1)

    def linear(self, name, x, outputs, bias=True):
        b = self.param(name + ".bias", outputs) if bias else None
        return F.linear(x, self.weight(name, (outputs, x.shape[1])), b)

    def moments(self, name, x):
        c = x.shape[1]
        mean, var = self.state.setdefault(name, (torch.zeros(c), torch.ones(c)))
        return F.batch_norm(x, mean, var, None, None, self.train, 0.1, self.bn_eps)

    def bn(self, name, x):
        shape = [1, -1] + [1] * (x.dim() - 2)
        g, b = self.param(name + ".weight", x.shape[1]), self.param(name + ".bias", x.shape[1])
        return self.moments(name, x) * g.view(shape) + b.view(shape)

    def cbn(self, name, x, gain, bias):
        return self.moments(name, x) * (1 + gain)[..., None, None] + bias[..., None, None]

    def attention(self, x):
        n, c, h, w = x.shape
        conv = lambda name, outputs, x=x: self.conv("attention." + name, x, outputs, 1, bias=False)
        theta, phi, g = conv("theta", max(c // 8, 1)), conv("phi", max(c // 8, 1)), conv("g", c // 2)
        phi, g = F.max_pool2d(phi, 2).flatten(2), F.max_pool2d(g, 2).flatten(2)
        beta = torch.softmax(torch.einsum("ncp,ncq->npq", theta.flatten(2), phi), -1)
        seen = torch.einsum("ncq,npq->ncp", g, beta).reshape(n, c // 2, h, w)
        return x + self.param("attention.gamma", 1) * conv("o", c, seen)


def residual_generator(net, channels, attend, norm, z):
    """`norm(name, x, block)`; z of the linear layer."""
    h = net.linear("fc", z, channels[0] * 16).view(4, channels[0], 4, 4)
    for i, c in enumerate(channels[1:]):
        name = f"block.{i}."
        double = lambda x: F.interpolate(x, scale_factor=2, mode="nearest")
        r = net.conv(name + "conv1", double(F.relu(norm(name + "bn1", h, i))), c, 3)
        r = net.conv(name + "conv2", F.relu(norm(name + "bn2", r, i)), c, 3)
        h = r + net.conv(name + "shortcut", double(h), c, 1)
        if attend == i + 1:
            h = net.attention(h)
    return torch.tanh(net.conv("out", F.relu(net.bn("bn", h)), 3, 3))


def by_class(net, sn):
    def norm(name, x, _):
        rows = [net.weight(f"{name}.{k}", (CLASSES, x.shape[1]), sn)[LABELS] for k in ("gain", "bias")]
        return net.cbn(name, x, *rows)
    return norm


def studiogan_norm(net, hierarchical, z):
    if not hierarchical:
        return by_class(net, None), z
    shared = net.param("class.weight", CLASSES, 128)[LABELS]
    chunks = z.chunk(4, 1)
    def norm(name, x, block):
        c = torch.cat([shared, chunks[block + 1]], 1)
        return net.cbn(name, x, *(net.linear(f"{name}.{k}", c, x.shape[1], bias=False) for k in ("gain", "bias")))
    return norm, chunks[0]


def studiogan_trunk(net, x, channels, halving, attend):
    for i, c in enumerate(channels):
        name, down, bn = f"block.{i}.", i < halving, not net.sn
        h = x
        if i > 0:
            h = F.relu(net.bn(name + "bn1", x)) if bn else F.relu(x)
            if not bn:
                x = h  # the activation works in place
        r = net.conv(name + "conv1", h, c, 3)
        r = net.conv(name + "conv2", F.relu(net.bn(name + "bn2", r) if bn else r), c, 3)
        pool = (lambda t: F.avg_pool2d(t, 2)) if down else (lambda t: t)
        if i == 0:
            s = pool(x)
            s = net.conv(name + "shortcut", net.bn(name + "bn0", s) if bn else s, c, 1)
        elif down or x.shape[1] != c:
            s = pool(net.conv(name + "shortcut", net.bn(name + "bn0", x) if bn else x, c, 1))
        else:
            s = x
        x = pool(r) + s
        if attend == i + 1:
            x = net.attention(x)
    return F.relu(x).sum((2, 3))


def biggan_trunk(net, x, channels, halving, attend):
    for i, c in enumerate(channels):
        name, down = f"block.{i}.", i < halving
        pool = (lambda t: F.avg_pool2d(t, 2)) if down else (lambda t: t)
        h = F.relu(x) if i > 0 else x
        h = pool(net.conv(name + "conv2", F.relu(net.conv(name + "conv1", h, c, 3)), c, 3))
        if i == 0:
            x = net.conv(name + "shortcut", pool(x), c, 1)
        elif down or x.shape[1] != c:
            x = pool(net.conv(name + "shortcut", x, c, 1))
        x = h + x
        if attend == i + 1:
            x = net.attention(x)
    return F.relu(x).sum((2, 3))


def sndcgan(net, z):
    h = F.relu(net.bn("bn.0", net.linear("fc", z, 8 * W * 16))).view(4, 8 * W, 4, 4)
    for i, c in enumerate((4 * W, 2 * W, W)):
        h = F.relu(net.bn(f"bn.{i + 1}", net.up(f"up.{i}", h, c, 4, 2)))
    return torch.tanh(net.up("out", h, 3, 3, 1))


def snresnet18(net, x):
    leaky = lambda t: F.leaky_relu(t, 0.1)
    x, i = leaky(net.conv("conv", x, W, 3)), 0
    for multiple, first in ((1, 1), (2, 2), (4, 2), (8, 2)):
        for stride in (first, 1):
            name, c = f"block.{i}.", multiple * W
            h = net.conv(name + "conv2", leaky(net.conv(name + "conv1", x, c, 3, stride=stride)), c, 3)
            if stride != 1 or x.shape[1] != c:
                x = net.conv(name + "shortcut", x, c, 1, stride=stride)
            x, i = leaky(h + x), i + 1
    return F.avg_pool2d(x, 4).flatten(1)


def deep_conv(net, z):
    h = net.linear("fc", z, 8 * W * 16).view(4, 8 * W, 4, 4)
    for i, c in enumerate((4 * W, 2 * W, W)):
        h = F.relu(net.bn(f"bn.{i}", net.up(f"up.{i}", h, c, 4, 2)))
    return torch.tanh(net.conv("out", h, 3, 3))


def deep_conv_trunk(net, x):
    for i, (c, k, stride) in enumerate(((1, 3, 1), (1, 4, 2), (2, 3, 1), (2, 4, 2), (4, 3, 1), (4, 4, 2), (8, 3, 1))):
        x = net.conv(f"conv.{i}", x, c * W, k, stride=stride, pad=1)
        x = F.relu(x if net.sn else net.bn(f"bn.{i}", x))
    return x.sum((2, 3))


def dcgan(net, z):
    h = z.view(4, Z, 1, 1)
    for i, c in enumerate((4 * W, 2 * W, W)):
        w = net.weight(f"up.{i}", (h.shape[1], c, 4, 4), rows=1)
        h = F.relu(net.bn(f"bn.{i}", F.conv_transpose2d(h, w, None, 2 if i else 1, 1 if i else 0)))
    return torch.tanh(net.up("out", h, 3, 4, 2))


def dcgan_trunk(net, x):
    x = F.leaky_relu(net.conv("conv.0", x, W, 4, stride=2, pad=1), 0.2)
    for i, c in enumerate((2 * W, 4 * W)):
        x = net.conv(f"conv.{i + 1}", x, c, 4, bias=False, stride=2, pad=1)
        x = F.leaky_relu(net.bn(f"bn.{i + 1}", x), 0.2)
    return x.flatten(1)


def case(g_sn, d_sn, bn_eps, generate, trunk):
    g, d = Net(g_sn, bn_eps), Net(d_sn, bn_eps)
    i, j = torch.meshgrid(torch.arange(4.0), torch.arange(float(Z)), indexing="ij")
    z = torch.sin(1.3 * i + 0.7 * j)
    x = generate(g, z)
    features = trunk(d, x)
    loss = (features ** 2).mean()
    loss.backward()
    g.train = False
    with torch.no_grad():
        fixed = generate(g, z)
    some = lambda t: [float(f"{v:.9g}") for v in t.detach().flatten()[:: t.numel() // 24]]
    norms = lambda net: {k: float(f"{p.grad.norm():.9g}") for k, p in sorted(net.params.items())}
    return {"images": some(x), "fixed_images": some(fixed), "features": some(features), "loss": loss.item(),
            "generator_grads": norms(g), "trunk_grads": norms(d)}


def studiogan(hierarchical, g_sn, d_sn, attention):
    def generate(net, z):
        norm, first = studiogan_norm(net, hierarchical, z)
        return residual_generator(net, [4 * W] * 4, 2 if attention else None, norm, first)
    trunk = lambda net, x: studiogan_trunk(net, x, [2 * W] * 4, 2, 1 if attention else None)
    return case(g_sn, d_sn, 1e-4, generate, trunk)


def biggan(channels, g_attend, trunk_channels, halving, d_attend):
    generate = lambda net, z: residual_generator(net, channels, g_attend, by_class(net, False), z)
    trunk = lambda net, x: biggan_trunk(net, x, trunk_channels, halving, d_attend)
    return case(True, True, 1e-5, generate, trunk)


print(json.dumps({
    "resnet": studiogan(False, False, True, False),
    "resnet_batch_norm": studiogan(False, False, False, False),
    "resnet_sagan": studiogan(False, True, True, True),
    "big_resnet": studiogan(True, True, True, True),
    "biggan_cifar": biggan([4 * W] * 4, None, [4 * W] * 4, 2, None),
    "sagan64": biggan([16 * W, 16 * W, 8 * W, 4 * W, 2 * W], 3, [W, 2 * W, 4 * W, 8 * W, 16 * W], 4, 1),
    "snresnet18": case(False, True, 1e-5, sndcgan, snresnet18),
    "snresnet18_spectral_generator": case(True, True, 1e-5, sndcgan, snresnet18),
    "deep_conv": case(False, False, 1e-4, deep_conv, deep_conv_trunk),
    "deep_conv_spectral": case(True, True, 1e-4, deep_conv, deep_conv_trunk),
    "dcgan": case(False, False, 1e-5, dcgan, dcgan_trunk),
}, indent=1))
