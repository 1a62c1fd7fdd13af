"""Values and gradients of the losses from an independent implementation of the formulas, in PyTorch f64.

    python losses.py > losses.json      (torch 2.9.0)

Inputs: x[i, j] = sin(1.7 i + 0.9 j + phase), 6 rows of 5. Written from the formulas of the papers and of
gan-recipes.md §3 with loops where the Rust side has matrices.

"cases": every loss of the registry by name, at x[k] = scale·sin(1.7 (k // last) + 0.9 (k % last) + phase) over the
numbers k of an array whose last axis has `last`; each term's value and its gradients, those of arrays that it does
not depend on left out. A case names the settings that differ from the defaults.
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


# ---- the registry ----

def array(shape, phase, scale=1.0):
    k, last = torch.arange(math.prod(shape), dtype=torch.float64), shape[-1]
    x = scale * torch.sin(1.7 * torch.div(k, last, rounding_mode="floor") + 0.9 * (k % last) + phase)
    return x.reshape(shape).requires_grad_()


def bce(logit, target):
    return -(target * F.logsigmoid(logit) + (1 - target) * F.logsigmoid(-logit)).mean()


def adversarial(form, real, fake, s=0.0):
    if form in ("non-saturating", "logistic"):
        return {"d_adv": bce(real, 1 - s) + bce(fake, 0.0), "g_adv": bce(fake, 1.0)}
    if form == "hinge":
        return {"d_adv": torch.clamp(1 - real, min=0).mean() + torch.clamp(1 + fake, min=0).mean(), "g_adv": -fake.mean()}
    if form == "least-squares":
        return {"d_adv": 0.5 * F.mse_loss(real, torch.full_like(real, 1 - s)) + 0.5 * F.mse_loss(fake, torch.zeros_like(fake)),
                "g_adv": 0.5 * F.mse_loss(fake, torch.ones_like(fake))}
    return {"d_adv": fake.mean() - real.mean(), "g_adv": -fake.mean()}


def projection(x, form="hinge", unit_features=False):
    gain = lambda f, y: sum_rows((unit(f) if unit_features else f), x["class_vectors"], y)
    return adversarial(form, x["logits_real"] + gain(x["features_real"], x["labels_real"]),
                       x["logits_fake"] + gain(x["features_fake"], x["labels_fake"]))


def sum_rows(f, vectors, y):
    return torch.stack([f[i] @ vectors[y[i]] for i in range(len(f))])


def sides(x, loss):
    return {"real": loss(x["features_real"], x["class_vectors"], x["labels_real"]),
            "fake": loss(x["features_fake"], x["class_vectors"], x["labels_fake"])}


def acgan(x, tau=1.0, classify_fakes=False, normalise_features=False, normalise_proxies=False):
    def loss(f, w, y):
        f, w = unit(f) if normalise_features else f, unit(w) if normalise_proxies else w
        return F.cross_entropy(f @ w.T / tau, torch.tensor(y))
    v = sides(x, loss)
    return {"d_class": v["real"], "g_class": v["fake"], **({"d_class_fake": v["fake"]} if classify_fakes else {})}


def two_c(x, tau=1.0, normalise_features=True, normalise_proxies=True):
    def loss(f, w, y):
        f, w, total = unit(f) if normalise_features else f, unit(w) if normalise_proxies else w, 0
        e = lambda a, b: torch.exp(a @ b / tau)
        for i in range(len(f)):
            proxy = e(f[i], w[y[i]])
            same = sum(e(f[i], f[k]) for k in range(len(f)) if k != i and y[k] == y[i])
            every = sum(e(f[i], f[k]) for k in range(len(f)) if k != i)
            total = total - torch.log((proxy + same) / (proxy + every))
        return total / len(f)
    v = sides(x, loss)
    return {"d_2c": v["real"], "g_2c": v["fake"]}


def d2dce_terms(x, tau=0.5, margin_positive=0.98, stabilise="studiogan", normalise_features=True, normalise_proxies=True):
    def loss(f, w, y):
        f, w, total = unit(f) if normalise_features else f, unit(w) if normalise_proxies else w, 0
        for i in range(len(f)):
            p = F.relu(margin_positive - f[i] @ w[y[i]]) / tau
            a = [(f[i] @ f[j] - (1 - margin_positive)) / tau for j in range(len(f))]
            m = max(float(a[j].detach()) for j in range(len(f)) if j != i) if stabilise == "studiogan" else 0.0
            neg = sum(torch.exp(F.relu(a[j]) - m) for j in range(len(f)) if y[j] != y[i])
            total = total - torch.log(torch.exp(-p) / (torch.exp(-p) + neg))
        return total / len(f)
    v = sides(x, loss)
    return {"d_d2dce": v["real"], "g_d2dce": v["fake"]}


def contrad(x, tau=0.1):
    return {"d_simclr": nt_xent(x["views_first"], x["views_second"], tau),
            "d_fakes": fakes_together(x["projections_real"], x["projections_fake"], tau)}


def supcon(x, tau=0.1, variant="log", denominator="A", pairs="once"):
    r, g = x["features_real"], x["features_fake"]
    share = torch.exp(log_share(r, g, denominator, tau)) / (2 if pairs == "once" else 1)
    if variant == "printed":
        return {"d_supcon": share, "g_supcon": -share}
    return {"d_supcon": l_out(r, g, tau), "g_supcon": -torch.log(share)}


def kdd_terms(x, tau=1.0, leave_one_out=True, unit_features=True):
    def rho(real):
        """Log-ratios at the reals `real` and at the fakes, each point against its own list of anchors."""
        points = {"real": [row for row in unit(x[real])], "fake": [row for row in unit(x["features_fake"])]}
        extra = {side: [row for row in unit(x["anchors_" + side])] if "anchors_real" in x else [] for side in points}
        anchors = {side: points[side] + extra[side] for side in points}
        def density(i, side, of):
            kept = [a for j, a in enumerate(anchors[of]) if not (leave_one_out and side == of and i == j)]
            return sum(torch.exp(points[side][i] @ a / tau) for a in kept) / len(kept)
        out = {side: torch.stack([torch.log(density(i, side, "real") / density(i, side, "fake")) for i in range(len(points[side]))])
               for side in points}
        if "class_vectors" in x:
            for side in ("real", "fake") if real == "features_real" else ("fake",):
                f = x["features_" + side]
                out[side] = out[side] + sum_rows(unit(f) if unit_features else f, x["class_vectors"], x["labels_" + side])
        return out
    now = rho("features_real")
    g = rho("features_real_stale") if "features_real_stale" in x else now
    return {"d_kdd": adversarial("hinge", now["real"], now["fake"])["d_adv"], "g_kdd": -g["fake"].mean()}


def kdd_jacobian(x, delta=1e-3):
    off = lambda side: sum(torch.abs(torch.dist(a, b) / delta - 1) for a, b in zip(x[f"features_{side}_moved"], x["features_" + side]))
    return {"kdd_jacobian": (off("real") + off("fake")) / len(x["features_real"])}


def lecam(x, average_real=0.0, average_fake=0.0):
    clip = lambda v: torch.clamp(v, min=0) ** 2
    return {"d_lecam": clip(x["logits_real"] - average_fake).mean() + clip(average_real - x["logits_fake"]).mean()}


def penalty(name):
    return lambda x: {name: ((x["gradients"].flatten(1).norm(dim=1) - 1) ** 2).mean()}


LOGITS = {"logits_real": ([5], 0.0, 2.0), "logits_fake": ([4], 0.7, 2.0)}
FEATURES = {"features_real": ([5, 3], 0.0), "features_fake": ([4, 3], 0.4)}
LABELS = {"class_vectors": ([3, 3], 1.1), "labels_real": [0, 1, 2, 0, 1], "labels_fake": [2, 2, 0, 1]}
ANCHORS = {"anchors_real": ([10, 3], 0.2), "anchors_fake": ([8, 3], 0.6)}
CHANGES = {"outputs_real": ([5, 1], 0.0), "outputs_real_augmented": ([5, 1], 0.3)}
MOVED = {**FEATURES, "features_real_moved": ([5, 3], 0.001), "features_fake_moved": ([4, 3], 0.4005)}
CASES = []
for form in ["non-saturating", "logistic", "hinge", "least-squares", "wasserstein"]:
    CASES.append((form, LOGITS, {}, lambda x, form=form: adversarial(form, x["logits_real"], x["logits_fake"])))
for form in ["non-saturating", "least-squares"]:
    CASES.append((form, LOGITS, {"label_smoothing": 0.1}, lambda x, label_smoothing, form=form: adversarial(form, x["logits_real"], x["logits_fake"], label_smoothing)))
both, neither = {"normalise_features": True, "normalise_proxies": True}, {"normalise_features": False, "normalise_proxies": False}
LABELLED = {**FEATURES, **LABELS}
CASES += [
    ("projection", {**LOGITS, **LABELLED}, {}, projection),
    ("projection", {**LOGITS, **LABELLED}, {"form": "non-saturating", "unit_features": True}, projection),
    ("acgan", LABELLED, {}, acgan),
    ("acgan", LABELLED, {"classify_fakes": True, "normalise_features": True}, acgan),
    ("acgan", LABELLED, {"tau": 0.5, **both}, acgan),
    ("2c", LABELLED, {}, two_c),
    ("2c", LABELLED, {"tau": 0.5, **neither}, two_c),
    ("d2d-ce", LABELLED, {}, d2dce_terms),
    ("d2d-ce", LABELLED, {"stabilise": "exact", "tau": 0.75, "margin_positive": 1.0}, d2dce_terms),
    ("d2d-ce", LABELLED, {"stabilise": "exact", **neither}, d2dce_terms),
    ("contrad", {"views_first": ([4, 3], 0.0), "views_second": ([4, 3], 0.4), "projections_real": ([8, 2], 0.3), "projections_fake": ([4, 2], 0.9)}, {}, contrad),
    ("supcon", FEATURES, {"pairs": "ordered"}, supcon),
    ("supcon", FEATURES, {"denominator": "P", "tau": 0.5, "pairs": "ordered"}, supcon),
    ("supcon", FEATURES, {"variant": "printed", "pairs": "ordered"}, supcon),
    ("kdd", FEATURES, {}, kdd_terms),
    ("kdd", FEATURES, {"tau": 0.05}, kdd_terms),
    ("kdd", FEATURES, {"tau": 0.05, "leave_one_out": False}, kdd_terms),
    ("kdd", {**FEATURES, "anchors_real": ([5, 3], 0.2), "anchors_fake": ([4, 3], 0.6)}, {"tau": 0.05}, kdd_terms),
    ("kdd", {**FEATURES, "anchors_real": ([15, 3], 0.2), "anchors_fake": ([12, 3], 0.6)}, {"tau": 0.05}, kdd_terms),
    ("kdd", {**FEATURES, "anchors_real": ([35, 3], 0.2), "anchors_fake": ([28, 3], 0.6)}, {"tau": 0.05, "leave_one_out": False}, kdd_terms),
    ("kdd", {**FEATURES, "features_real_stale": ([5, 3], 0.1)}, {"tau": 0.05}, kdd_terms),
    ("kdd", LABELLED, {"tau": 0.5}, kdd_terms),
    ("kdd", {**LABELLED, **ANCHORS, "features_real_stale": ([6, 3], 0.1)}, {"tau": 0.5, "unit_features": False}, kdd_terms),
    ("kdd-jacobian", MOVED, {}, kdd_jacobian),
    ("kdd-jacobian", MOVED, {"delta": 0.01}, kdd_jacobian),
    ("cr", CHANGES, {}, lambda x: {"d_cr": F.mse_loss(x["outputs_real"], x["outputs_real_augmented"])}),
    ("bcr", {**CHANGES, "outputs_fake": ([4, 1], 0.5), "outputs_fake_augmented": ([4, 1], 1.0)}, {},
     lambda x: {"d_cr": F.mse_loss(x["outputs_real"], x["outputs_real_augmented"]), "d_cr_fake": F.mse_loss(x["outputs_fake"], x["outputs_fake_augmented"])}),
    ("zcr", {"outputs_fake": ([2, 3], 0.5), "outputs_fake_moved": ([2, 3], 1.0), "x_fake": ([2, 3, 2, 2], 0.0), "x_fake_moved": ([2, 3, 2, 2], 0.1)}, {},
     lambda x: {"d_zcr": F.mse_loss(x["outputs_fake"], x["outputs_fake_moved"]), "g_zcr": F.mse_loss(x["x_fake"], x["x_fake_moved"])}),
    ("lecam", LOGITS, {"average_real": 0.5, "average_fake": -0.25}, lecam),
    ("r1", {"gradients": ([3, 2, 2, 2], 0.3)}, {}, lambda x: {"d_r1": 0.5 * (x["gradients"] ** 2).sum() / 3}),
    ("gradient-penalty", {"gradients": ([3, 2, 2, 2], 0.3)}, {}, penalty("d_gp")),
    ("dragan", {"gradients": ([3, 5], 0.3)}, {}, penalty("d_dragan")),
]


def evaluated(loss, spec, settings, f):
    x = {name: v if isinstance(v, list) else array(*v) for name, v in spec.items()}
    variables = {name: v for name, v in x.items() if torch.is_tensor(v)}
    terms = {}
    for name, value in f(x, **settings).items():
        grads = torch.autograd.grad(value, list(variables.values()), allow_unused=True, retain_graph=True)
        grads = {array: g.flatten().tolist() for array, g in zip(variables, grads) if g is not None}
        terms[name] = {"value": value.item(), "gradients": grads}
    arrays = {name: {"labels": v} if isinstance(v, list) else dict(zip(("shape", "phase", "scale"), (*v, 1.0)[:3])) for name, v in spec.items()}
    text = lambda v: str(v).lower() if isinstance(v, bool) else str(v)
    return {"loss": loss, "settings": {k: text(v) for k, v in settings.items()}, "arrays": arrays, "terms": terms}


# "cases" has a line a case, so that a change of one shows as such.
head = json.dumps(out)
print(head[:-1] + ', "cases": [\n' + ",\n".join(json.dumps(evaluated(*case)) for case in CASES) + "\n]}")
