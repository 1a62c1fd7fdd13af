"""KDD GAN's Figure 3 moved by numpy instead of by the program, from the same starting points.

    ganbench reproduce kdd-figure3 --out DIR
    python figure3.py DIR/points.csv      (numpy 2.4.6)

The gradient is written out from eq. 5 of the paper for K(a, b) = exp(-|a - b|^2 / 2): of -log p_r(x_i) + log p_g(x_i), summed
over the fakes, where x_i is an evaluation point and, in the sums of the others, an anchor. A fake is no anchor of
itself. Prints for seed 0: mean distance to the nearest mode, share within 3 deviations of one, mean move, largest
deviation from the mean move.
"""
import csv, sys
import numpy as np

MODES, MODE_STD, ITERATIONS, LR = np.array([[3.0, 2.0], [3.0, -2.0]]), 0.3, 200, 10.0


def weights(x, anchors, own):
    """Each anchor's share of the density at each x, and the differences x - anchor."""
    difference = x[:, None] - anchors[None]
    log = -(difference**2).sum(-1) / 2
    if own:
        np.fill_diagonal(log, -np.inf)
    weight = np.exp(log - log.max(1, keepdims=True))
    return weight / weight.sum(1, keepdims=True), difference


def gradient(real, fake):
    to_real, from_real = weights(fake, real, False)
    to_fake, from_fake = weights(fake, fake, True)
    pull = (to_real[..., None] * from_real).sum(1)
    push = -(to_fake[..., None] * from_fake).sum(1) + (to_fake[..., None] * from_fake).sum(0)
    return (pull + push) / len(fake)


def main(path):
    clouds = {"real": [], "fake_start": []}
    for row in csv.DictReader(open(path)):
        if row["seed"] == "0" and row["cloud"] in clouds:
            clouds[row["cloud"]].append([float(row["x"]), float(row["y"])])
    real, start = (np.array(clouds[name]) for name in ("real", "fake_start"))
    fake = start.copy()
    for _ in range(ITERATIONS):
        fake = fake - LR * gradient(real, fake)
    nearest = np.linalg.norm(fake[:, None] - MODES[None], axis=-1).min(1)
    moves = fake - start
    deviation = np.linalg.norm(moves - moves.mean(0), axis=1).max()
    print(nearest.mean(), (nearest <= 3 * MODE_STD).mean(), np.linalg.norm(moves, axis=1).mean(), deviation)


main(sys.argv[1])
