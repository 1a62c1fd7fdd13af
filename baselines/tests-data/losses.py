"""Values and gradients of the losses from an independent implementation of the formulas, in PyTorch f64.

    python losses.py > losses.json      (torch 2.9.0)

Inputs: x[i, j] = sin(1.7 i + 0.9 j + phase), 6 rows of 5. Written from the formulas of the papers and of
gan-recipes.md §3 with loops where the Rust side has matrices.
"""
import json, math
import torch, torch.nn.functional as F


def rows(phase, n=6, d=5):
    i, j = torch.meshgrid(torch.arange(n, dtype=torch.float64), torch.arange(d, dtype=torch.float64), indexing="ij")
    return torch.sin(1.7 * i + 0.9 * j + phase).requires_grad_()


def unit(x):
    return x / x.norm(dim=1, keepdim=True)


def nt_xent(a, b, tau=0.1):
    u, n, total = torch.cat([unit(a), unit(b)]), len(a), 0
    for i in range(2 * n):
        others = torch.stack([u[i] @ u[k] / tau for k in range(2 * n) if k != i])
        total = total - (u[i] @ u[(i + n) % (2 * n)] / tau - torch.logsumexp(others, 0))
    return total / (2 * n)


def fakes_together(r, f, tau=0.1):
    r, f, n, total = unit(r), unit(f), len(f), 0
    for i in range(n):
        rest = [f[i] @ f[k] / tau for k in range(n) if k != i]
        lse = torch.logsumexp(torch.stack(rest + [f[i] @ x / tau for x in r]), 0)
        total = total - sum(s - lse for s in rest) / (n - 1)
    return total / n


LABELS = [0, 1, 2, 0, 1, 1]


def d2dce(f, v, stabilise, tau=0.5, m_p=0.98):
    f, v, n, total = unit(f), unit(v), len(f), 0
    for i in range(n):
        p = F.relu(m_p - f[i] @ v[i]) / tau
        a = [(f[i] @ f[j] + m_p - 1) / tau for j in range(n)]
        m = max(float(a[j]) for j in range(n) if j != i) if stabilise == "studiogan" else 0.0
        neg = sum(torch.exp(F.relu(a[j]) - m) for j in range(n) if LABELS[j] != LABELS[i])
        total = total - torch.log(torch.exp(-p) / (torch.exp(-p) + neg))
    return total / n


def kdd(r, g, loo, tau):
    r, g = unit(r), unit(g)
    k = lambda a, b: torch.exp(a @ b / tau)
    def density(x, anchors, own):
        keep = [a for i, a in enumerate(anchors) if i != own]
        return sum(k(x, a) for a in keep) / len(keep)
    rho = lambda x, i, real: torch.log(density(x, r, i if loo and real else None)) - torch.log(density(x, g, i if loo and not real else None))
    rr, rg = [rho(x, i, True) for i, x in enumerate(r)], [rho(x, i, False) for i, x in enumerate(g)]
    return sum(F.relu(1 - x) for x in rr) / len(rr) + sum(F.relu(1 + x) for x in rg) / len(rg)


def l_out(r, g, tau=0.1):
    z, n, total = torch.cat([unit(r), unit(g)]), len(r), 0
    for i in range(len(z)):
        lse = torch.logsumexp(torch.stack([z[i] @ z[a] / tau for a in range(len(z)) if a != i]), 0)
        pos = [p for p in range(len(z)) if p != i and (p < n) == (i < n)]
        total = total - sum(z[i] @ z[p] / tau - lse for p in pos) / len(pos)
    return total / len(z)


def log_share(r, g, denominator, tau=0.1):
    z, n = torch.cat([unit(r), unit(g)]), len(r)
    e = torch.exp(z @ z.T / tau)
    pairs = [(a, b) for a in range(len(z)) for b in range(len(z)) if a != b]
    above = sum(e[a, b] for a, b in pairs if (a < n) != (b < n))
    below = sum(e[a, b] for a, b in pairs if denominator == "A" or (a < n and b < n))
    return torch.log(above / below)


out = {}
for name, f in {
    "nt_xent": nt_xent, "fakes_together": fakes_together,
    "d2dce_studiogan": lambda a, b: d2dce(a, b, "studiogan"), "d2dce_exact": lambda a, b: d2dce(a, b, "exact"),
    "kdd_loo": lambda a, b: kdd(a, b, True, 0.5), "kdd_all": lambda a, b: kdd(a, b, False, 0.05),
    "l_out": l_out, "log_share_a": lambda a, b: log_share(a, b, "A"), "log_share_p": lambda a, b: log_share(a, b, "P"),
}.items():
    a, b = rows(0.0), rows(0.4)
    value = f(a, b)
    grads = torch.autograd.grad(value, (a, b))
    out[name] = {"value": value.item(), "grad_first": grads[0].flatten().tolist(), "grad_second": grads[1].flatten().tolist()}
print(json.dumps(out))
