"""Values and gradients of improved-gan's networks from an independent implementation in PyTorch f64.

    python improved_gan.py > improved_gan.json      (torch 2.9.0)

Written from the papers and gan-recipes.md §2 and §3.8. Inputs and weights are sin(0.37 k + 0.11 s), k the place in the
flattened tensor, s the sum of the bytes of its name modulo 101. The trunks are in evaluation, with lengths 1; the
generator is in its first training pass, which sets the last layer's lengths (but for their signs) and biases.
"""
import json, math
import torch, torch.nn.functional as F

F64, WIDTH = torch.float64, 2


def tensor(name, *shape):
    k = torch.arange(math.prod(shape), dtype=F64)
    return torch.sin(0.37 * k + 0.11 * (sum(name.encode()) % 101)).reshape(shape)


def unit(w, outputs):
    """Each output's weights divided by their length."""
    w = w.transpose(0, outputs)
    return torch.stack([v / math.sqrt(1e-6 + float((v**2).sum())) for v in w]).transpose(0, outputs)


def trunk(x, minibatch):
    w, h = WIDTH, x
    kernels = [(3 * w, 3, 1, 1), (3 * w, 3, 1, 1), (3 * w, 3, 2, 1), (6 * w, 3, 1, 1), (6 * w, 3, 1, 1),
               (6 * w, 3, 2, 1), (6 * w, 3, 1, 0), (6 * w, 1, 1, 0), (6 * w, 1, 1, 0)]
    for i, (out, k, stride, padding) in enumerate(kernels):
        v, b = tensor(f"conv.{i}.weight", out, h.shape[1], k, k), tensor(f"conv.{i}.bias", out)
        h = F.leaky_relu(F.conv2d(h, unit(v, 0), b, stride, padding), 0.2)
    f = h.mean((2, 3))
    if not minibatch:
        return f
    theta = tensor("minibatch.weight", f.shape[1], 500)
    scale = torch.exp(tensor("minibatch.log_weight_scale", 500))
    m = (f @ (theta / theta.norm(dim=0) * scale)).reshape(len(f), 100, 5)
    near = []
    for i in range(len(f)):
        distances = [(m[i] - m[j]).abs().sum(1) for j in range(len(f)) if j != i]
        near.append(sum(torch.exp(-d) for d in distances) + tensor("minibatch.bias", 100))
    return torch.cat([f, torch.stack(near)], 1)


def norm(name, h):
    dims = [d for d in range(h.dim()) if d != 1]
    mean, var = h.mean(dims, keepdim=True), h.var(dims, unbiased=False, keepdim=True)
    shape = [1, -1] + [1] * (h.dim() - 2)
    gain, bias = tensor(name + ".weight", h.shape[1]), tensor(name + ".bias", h.shape[1])
    return F.relu((h - mean) / torch.sqrt(var + 1e-5) * gain.reshape(shape) + bias.reshape(shape))


def up(h, w):
    return F.conv_transpose2d(h, w, stride=2, padding=2, output_padding=1)


def generator(z):
    c = 16 * WIDTH
    h = norm("bn.0", z @ tensor("fc.weight", c * 16, z.shape[1]).T).reshape(-1, c, 4, 4)
    for i, out in enumerate((c // 2, c // 4)):
        h = norm(f"bn.{i + 1}", up(h, tensor(f"up.{i}.weight", h.shape[1], out, 5, 5)))
    y = up(h, unit(tensor("out.weight", h.shape[1], 3, 5, 5), 1) * tensor("out.g", 3)[:, None, None])
    with torch.no_grad():
        mean, std = y.mean((0, 2, 3), keepdim=True), y.std((0, 2, 3), unbiased=False, keepdim=True)
    return torch.tanh(0.1 * (y - mean) / std)


def golden(f, x):
    """Output, and the gradient of the sum of its squares, of long ones every 37th value."""
    x = x.clone().requires_grad_()
    y = f(x)
    (y**2).sum().backward()
    some = lambda x: x.detach().flatten()[::37 if x.numel() > 600 else 1].tolist()
    return {"shape": list(y.shape), "value": some(y), "grads": [some(x.grad)]}


z, image = tensor("z", 4, 6), tensor("x", 4, 3, 32, 32)
print(json.dumps({
    "generator": golden(generator, z),
    "trunk": golden(lambda x: trunk(x, False), image),
    "trunk_minibatch": golden(lambda x: trunk(x, True), image),
}))
