"""Augmentations at fixed draws, values and gradients, from an independent implementation in PyTorch f64.

    python augment.py > augment.json      (torch 2.9.0)

Images: 2 of 9x8, x = 0.9 sin(0.37 k) by flat index k; the gradient is that of sum(y cos(0.23 k)). Written from the
formulas of gan-recipes.md §1.1, arXiv:2006.10738 and appendix B of arXiv:2006.06676 with PyTorch's own ops
(affine_grid, grid_sample, conv2d, pad), which the Rust side does not use. `golden_tests.rs` has the draws again.
"""
import json, math
import torch, torch.nn.functional as F

N, H, W = 2, 9, 8


def images(channels):
    k = torch.arange(N * channels * H * W, dtype=torch.float64)
    return (0.9 * torch.sin(0.37 * k)).reshape(N, channels, H, W).requires_grad_()


def record(name, f, channels=3):
    x = images(channels)
    y = f(x)
    k = torch.arange(y.numel(), dtype=torch.float64).reshape(y.shape)
    (g,) = torch.autograd.grad((y * torch.cos(0.23 * k)).sum(), x)
    out[name] = {"value": y.flatten().tolist(), "grad": g.flatten().tolist()}


def each(*changes):
    """One change an image."""
    return lambda x: torch.cat([f(x[i : i + 1]) for i, f in enumerate(changes)])


# SimCLR: views, colour jitter, blur.
def view(sy, sx, oy, ox):
    theta = torch.tensor([[[sx, 0, ox], [0, sy, oy]]], dtype=torch.float64)

    def f(x):
        grid = F.affine_grid(theta, x.shape, align_corners=False)
        return F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)

    return f


def hsv_changed(x, hue, s_by, v_by):
    r, g, b = x.detach().unbind(1)
    top, bottom = torch.maximum(torch.maximum(r, g), b), torch.minimum(torch.minimum(r, g), b)
    h = (torch.atan2(math.sqrt(3) * (g - b), 2 * r - g - b) / (2 * math.pi) + hue).remainder(1)
    s = ((1 - bottom / top) * s_by).clamp(0, 1)
    v = (top * v_by).clamp(0, 1)
    parts = []
    for n in (5, 3, 1):
        k = (n + 6 * h).remainder(6)
        parts.append(v - v * s * torch.minimum(k, 4 - k).clamp(0, 1))
    return x + (torch.stack(parts, 1) - x).detach()  # the identity backwards


def contrast(x, by):
    mean = x.mean((2, 3), keepdim=True)
    return ((x - mean) * by + mean).clamp(0, 1)


def jitter(by, hue, s, v, contrast_first):
    def f(x):
        x = (x + 1) / 2
        x = hsv_changed(contrast(x, by), hue, s, v) if contrast_first else contrast(hsv_changed(x, hue, s, v), by)
        return 2 * x - 1

    return f


def grey(x):
    r, g, b = ((x + 1) / 2).unbind(1)
    luma = 0.299 * r + 0.587 * g + 0.114 * b
    return 2 * torch.stack([luma] * 3, 1) - 1


def blur(sigma, radius):
    k = torch.exp(-(torch.arange(-radius, radius + 1, dtype=torch.float64) ** 2) / (2 * sigma**2))
    kernel = torch.outer(k, k) / k.sum() ** 2

    def f(x):
        planes = F.pad(x, [radius] * 4, mode="reflect").flatten(0, 1).unsqueeze(1)
        return F.conv2d(planes, kernel[None, None]).reshape(x.shape)

    return f


# DiffAug.
def color(b, s, c):
    def f(x):
        x = x + b
        mean = x.mean(1, keepdim=True)
        x = (x - mean) * s + mean
        mean = x.mean((1, 2, 3), keepdim=True)
        return (x - mean) * c + mean

    return f


def translation(ty, tx):
    def f(x):
        p = F.pad(x, [W, W, H, H])
        return p[:, :, H + ty : 2 * H + ty, W + tx : 2 * W + tx]

    return f


def cutout(oy, ox):
    def f(x):
        mask = torch.ones(H, W, dtype=torch.float64)
        hy, hx = int(H * 0.5 + 0.5), int(W * 0.5 + 0.5)
        for i in range(hy):
            for j in range(hx):
                mask[min(max(i + oy - hy // 2, 0), H - 1), min(max(j + ox - hx // 2, 0), W - 1)] = 0
        return x * mask

    return f


def chain(*fs):
    def f(x):
        for g in fs:
            x = g(x)
        return x

    return f


# ADA.
SYM6 = [0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466,
        0.787641141030194, 0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578,
        0.0017677118642428036, -0.007800708325034148]


def m(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def move(x, y):
    return m([1, 0, x], [0, 1, y], [0, 0, 1])


def scale(x, y):
    return m([x, 0, 0], [0, y, 0], [0, 0, 1])


def turn(a):
    return m([math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1])


def ada_geometry(flip, quarter, whole, s, before, stretch, after, fraction):
    # Forward transformations; the image moves by their product, the coordinates by its inverse.
    steps = [scale(-1, 1) if flip else torch.eye(3, dtype=torch.float64), turn(-math.pi / 2 * quarter), move(*whole),
             scale(s, s), turn(-before), scale(stretch, 1 / stretch), turn(-after), move(*fraction)]
    forward = torch.eye(3, dtype=torch.float64)
    for step in steps:
        forward = step @ forward
    inverse = torch.linalg.inv(forward)
    f = m(*[[a * b for b in SYM6] for a in SYM6]) / sum(SYM6) ** 2

    def change(x):
        cx, cy = (W - 1) / 2, (H - 1) / 2
        corners = inverse @ m([-cx, cx, cx, -cx], [-cy, -cy, cy, cy], [1, 1, 1, 1])
        pads = []
        for low, high, c, side in ((-corners[0], corners[0], cx, W), (-corners[1], corners[1], cy, H)):
            pads += [math.ceil(min(max(float(v.max()) + 6 - c, 0), side - 1)) for v in (low, high)]
        channels = x.shape[1]
        planes = F.pad(x, pads, mode="reflect").flatten(0, 1).unsqueeze(1)
        ph, pw = planes.shape[2:]
        # Twice as fine: zeros between, then the convolution (a correlation with the flipped filter).
        fine = torch.zeros(channels, 1, 2 * ph, 2 * pw, dtype=torch.float64)
        fine[:, :, ::2, ::2] = planes
        fine = F.conv2d(F.pad(fine, [6, 5, 6, 5]), 4 * f.flip(0, 1)[None, None])
        # Positions of the doubled result with 3 pixels around it, in pixels from the middle; read by grid_sample.
        th, tw = 2 * (H + 6), 2 * (W + 6)
        jj, ii = torch.meshgrid(torch.arange(tw, dtype=torch.float64), torch.arange(th, dtype=torch.float64), indexing="xy")
        px, py = (jj - (tw - 1) / 2 + 0.5) / 2, (ii - (th - 1) / 2 + 0.5) / 2
        q = inverse @ torch.stack([px.flatten(), py.flatten(), torch.ones(th * tw, dtype=torch.float64)])
        ux, uy = 2 * q[0] + W - 1 + 2 * pads[0], 2 * q[1] + H - 1 + 2 * pads[2]
        grid = torch.stack([(2 * ux + 1) / (2 * pw) - 1, (2 * uy + 1) / (2 * ph) - 1], -1).reshape(1, th, tw, 2)
        read = F.grid_sample(fine.transpose(0, 1), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        result = F.conv2d(read.transpose(0, 1)[:, :, 1:-1, 1:-1], f[None, None], stride=2)
        return result.reshape(x.shape)

    return change


def ada_color(b, c, luma_flip, hue, s):
    v = m([1], [1], [1]) / math.sqrt(3)
    eye, cross = torch.eye(3, dtype=torch.float64), m([0, -1, 1], [1, 0, -1], [-1, 1, 0]) / math.sqrt(3)
    linear = c * eye
    if luma_flip:
        linear = (eye - 2 * v @ v.T) @ linear
    linear = torch.linalg.matrix_exp(hue * cross) @ linear
    linear = (v @ v.T + s * (eye - v @ v.T)) @ linear

    def change(x):
        if x.shape[1] == 3:
            return torch.einsum("ij,njhw->nihw", linear, x + b)
        return torch.einsum("ij,njhw->nihw", linear, x.expand(-1, 3, -1, -1) + b).mean(1, keepdim=True)

    return change


out = {}
same = lambda x: x
record("flip", each(lambda x: x.flip(3), same))
record("view", each(view(0.5, 0.7, 0.3, -0.2), view(1.0, -1.0, 0.5, -0.4)))
record("jitter", each(jitter(1.3, 0.05, 0.7, 1.1, True), chain(jitter(0.6, -0.06, 1.3, 0.9, True), grey)))
record("jitter_hsv_first", each(jitter(1.3, 0.05, 0.7, 1.1, False), same))
record("blur", each(blur(1.3, 2), same))
holes = cutout(1, 8), cutout(9 - 1, 3)
record("diffaug_color_cutout", each(chain(color(0.3, 1.6, 0.7), holes[0]), chain(color(-0.2, 0.4, 1.4), holes[1])))
record("diffaug_translation_cutout", each(chain(translation(1, -1), holes[0]), chain(translation(-1, 0), holes[1])))
both = each(chain(color(0.3, 1.6, 0.7), translation(1, -1), holes[0]),
            chain(color(-0.2, 0.4, 1.4), translation(-1, 0), holes[1]))
record("diffaug_all", both)
record("diffaug_all_grey", both, channels=1)
one = ada_geometry(True, 1, (1, -1), 0.8, 0.3, 1.2, -0.5, (0.9, -0.4))
two = ada_geometry(False, 3, (0, 1), 1.3, -0.7, 0.9, 0.2, (-1.3, 2.1))
ada = each(chain(one, ada_color(0.2, 1.5, True, 1.1, 0.6)), chain(two, ada_color(-0.1, 0.8, False, -2.0, 1.7)))
record("ada", ada)
grey_ada = each(chain(one, ada_color(0.2, 1.5, True, 0, 1)), chain(two, ada_color(-0.1, 0.8, False, 0, 1)))
record("ada_grey", grey_ada, channels=1)
print(json.dumps(out))
