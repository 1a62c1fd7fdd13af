"""Further cases of the registry's losses, from an independent implementation in NumPy f64.

    python losses_numpy.py > losses_numpy.json      (numpy 2.4)

As the "cases" of losses.py. Gradients are complex steps (Squire and Trapp 1998, doi:10.1137/S003614459631241X): the
imaginary part of f(x + ih)/h with h = 1e-30, which cancels nothing. So no function here may conjugate or take
absolute values; a clip at 0 looks at the real part.
"""
import json, math
import numpy as np

STEP = 1e-30


def array(shape, phase, scale=1.0):
    k, last = np.arange(math.prod(shape)), shape[-1]
    return (scale * np.sin(1.7 * (k // last) + 0.9 * (k % last) + phase)).reshape(shape)


def unit(x):
    return x / np.sqrt((x * x).sum(1, keepdims=True))


def softplus(x):
    return np.log(1 + np.exp(x))


def bce(logit, target):
    return (target * softplus(-logit) + (1 - target) * softplus(logit)).mean()


def adversarial(form, real, fake, label_smoothing=0.0, g_label_smoothing=0.0):
    if form == "least-squares":
        half = lambda x, target: ((x - target) ** 2).mean() / 2
        return {"d_adv": half(real, 1 - label_smoothing) + half(fake, 0.0), "g_adv": half(fake, 1 - g_label_smoothing)}
    return {"d_adv": bce(real, 1 - label_smoothing) + bce(fake, 0.0), "g_adv": bce(fake, 1 - g_label_smoothing)}


def supcon(x, tau=0.1, variant="log", denominator="A", pairs="once", normalise_features=True):
    z = np.concatenate([x["features_real"], x["features_fake"]])
    z, n, size = unit(z) if normalise_features else z, len(x["features_real"]), len(z)
    e = lambda a, b: np.exp((z[a] * z[b]).sum() / tau)
    above = sum(e(r, g) for r in range(n) for g in range(n, size)) * (1 if pairs == "once" else 2)
    below = sum(e(a, b) for a in range(size) for b in range(size) if a != b and (denominator == "A" or max(a, b) < n))
    if variant == "printed":
        return {"d_supcon": above / below, "g_supcon": -above / below}
    total = 0
    for i in range(size):
        same = [p for p in range(size) if p != i and (p < n) == (i < n)]
        every = sum(e(i, a) for a in range(size) if a != i)
        total = total - sum(np.log(e(i, p) / every) for p in same) / len(same)
    return {"d_supcon": total / size, "g_supcon": -np.log(above / below)}


def kdd(x, tau=1.0, leave_one_out=True):
    points = {side: unit(x["features_" + side]) for side in ("real", "fake")}
    further = {side: unit(x["anchors_" + side]) if "anchors_" + side in x else [] for side in points}
    def density(i, side, of):
        own = [a for j, a in enumerate(points[of]) if not (leave_one_out and side == of and i == j)]
        kept = own + list(further[of])
        return sum(np.exp((points[side][i] * a).sum() / tau) for a in kept) / len(kept)
    rho = {side: np.array([np.log(density(i, side, "real") / density(i, side, "fake")) for i in range(len(points[side]))])
           for side in points}
    clip = lambda v: np.where(v.real > 0, v, 0)
    return {"d_kdd": clip(1 - rho["real"]).mean() + clip(1 + rho["fake"]).mean(), "g_kdd": -rho["fake"].mean()}


def lecam(x, average_real=0.0, average_fake=0.0, clip=True, decay=0.99, start_step=0):
    real, fake = x["logits_real"], x["logits_fake"]
    shown = {}
    if "logits_real_before" in x:
        # Averages are constants: real parts.
        steps = [(r.real.mean(), f.real.mean()) for r, f in zip(x["logits_real_before"], x["logits_fake_before"])]
        steps.append((real.real.mean(), fake.real.mean()))
        means = np.array(steps[0])
        for step, batch in enumerate(steps[1:], start=1):
            means = decay * means + (1 - decay) * np.array(batch) if step >= start_step else np.array(batch)
        average_real, average_fake = means
        shown = {"average_real": average_real, "average_fake": average_fake}
    part = lambda v: np.where(v.real > 0, v, 0) if clip else v
    return {"d_lecam": (part(real - average_fake) ** 2).mean() + (part(average_real - fake) ** 2).mean(), **shown}


LOGITS = {"logits_real": ([5], 0.0, 2.0), "logits_fake": ([4], 0.7, 2.0)}
BEFORE = {"logits_real_before": ([3, 6], 0.3, 2.0), "logits_fake_before": ([3, 5], 1.2, 2.0)}
FEATURES = {"features_real": ([5, 3], 0.0), "features_fake": ([4, 3], 0.4)}
CASES = []
for form in ["non-saturating", "logistic", "least-squares"]:
    for settings in [{"g_label_smoothing": 0.625}, {"label_smoothing": 0.1, "g_label_smoothing": 0.1}]:
        CASES.append((form, LOGITS, settings, lambda x, form=form, **s: adversarial(form, x["logits_real"], x["logits_fake"], **s)))
CASES += [("supcon", FEATURES, settings, supcon) for settings in [
    {}, {"denominator": "P", "tau": 0.5}, {"variant": "printed"},
    {"tau": 0.5, "normalise_features": False}, {"tau": 0.5, "normalise_features": False, "variant": "printed", "denominator": "P"},
    {"tau": 0.5, "normalise_features": False, "pairs": "ordered"},
]]
CASES += [
    ("kdd", {**FEATURES, "anchors_real": ([10, 3], 0.2)}, {"tau": 0.5}, kdd),
    ("kdd", {**FEATURES, "anchors_fake": ([8, 3], 0.6)}, {"tau": 0.5}, kdd),
    ("kdd", {**FEATURES, "anchors_fake": ([8, 3], 0.6)}, {"tau": 0.05, "leave_one_out": False}, kdd),
    ("lecam", LOGITS, {"average_real": 0.5, "average_fake": -0.25, "clip": False}, lecam),
    ("lecam", {**LOGITS, **BEFORE}, {}, lecam),
    ("lecam", {**LOGITS, **BEFORE}, {"decay": 0.5, "clip": False}, lecam),
    ("lecam", {**LOGITS, **BEFORE}, {"decay": 0.5, "start_step": 2}, lecam),
    ("lecam", {**LOGITS, **BEFORE}, {"decay": 0.5, "start_step": 4}, lecam),
]


def evaluated(loss, spec, settings, f):
    x = {name: array(*v) for name, v in spec.items()}
    terms = {name: {"value": float(np.real(value)), "gradients": {}} for name, value in f(x, **settings).items()}
    for name in x:
        gradients = {term: [] for term in terms}
        for i in range(x[name].size):
            moved = x[name].astype(complex)
            moved.flat[i] += 1j * STEP
            for term, value in f({**x, name: moved}, **settings).items():
                gradients[term].append(float(np.imag(value)) / STEP)
        for term, gradient in gradients.items():
            if any(gradient):
                terms[term]["gradients"][name] = gradient
    arrays = {name: dict(zip(("shape", "phase", "scale"), (*v, 1.0)[:3])) for name, v in spec.items()}
    text = lambda v: str(v).lower() if isinstance(v, bool) else str(v)
    return {"loss": loss, "settings": {k: text(v) for k, v in settings.items()}, "arrays": arrays, "terms": terms}


print('{"cases": [\n' + ",\n".join(json.dumps(evaluated(*case)) for case in CASES) + "\n]}")
