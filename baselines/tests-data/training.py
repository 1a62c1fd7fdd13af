"""Whole training steps of the GAN and the hinge GAN on SNDCGAN from an independent implementation, PyTorch f64.

    python training.py > training.json      (torch 2.9.0)

Nothing is handed over but the seed: initial weights, order of the images and z are drawn here as well, from the same
streams (ChaCha8, keyed by SHA-256 of seed and purpose). Then as gan-recipes.md §1 and §2 have it: spectral norm with one
power iteration a forward pass of D, batch norm with running statistics in G, Adam, an average of G with its statistics.
Each step's losses, mean outputs and gradient norms; at the end pixels of the averaged generator.
"""
import hashlib, json
import numpy as np, torch, torch.nn.functional as F


def chacha8(key, blocks):
    s = np.zeros((16, blocks), np.uint32)
    s[:4, :] = np.frombuffer(b"expand 32-byte k", "<u4")[:, None]
    s[4:12, :] = np.frombuffer(key, "<u4")[:, None]
    s[12] = np.arange(blocks)
    x = s.copy()
    def turn(a, b, by):
        x[a] ^= x[b]
        x[a] = (x[a] << np.uint32(by)) | (x[a] >> np.uint32(32 - by))
    def quarter(a, b, c, d):
        for p, q, r, by in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[p] += x[q]
            turn(r, p, by)
    for _ in range(4):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return np.ascontiguousarray((x + s).T).view("<u8").ravel()


class Stream:
    def __init__(self, seed, purpose):
        self.key = hashlib.sha256(b"ganbench-stream-1" + seed.to_bytes(8, "little") + purpose.encode()).digest()
        self.words, self.at = chacha8(self.key, 64), 0

    def u64(self, n):
        while self.at + n > len(self.words):
            self.words = chacha8(self.key, 2 * len(self.words) // 8)
        self.at += n
        return self.words[self.at - n:self.at]

    def uniform(self, n):
        return (self.u64(n) >> np.uint64(11)) * 2.0**-53

    def normal(self, n):
        pairs = self.uniform(2 * ((n + 1) // 2)).reshape(-1, 2)
        radius, angle = np.sqrt(-2 * np.log(1 - pairs[:, 0])), 2 * np.pi * pairs[:, 1]
        return torch.tensor(np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).ravel()[:n]).float()

    def below(self, n):
        while True:
            wide = int(self.u64(1)[0]) * n
            if wide % 2**64 >= 2**64 % n:
                return wide >> 64

    def permutation(self, n):
        order = list(range(n))
        for i in range(n - 1, 0, -1):
            j = self.below(i + 1)
            order[i], order[j] = order[j], order[i]
        return order


class Net:
    """Tensors by name, drawn when first asked for."""

    def __init__(self, name, seed, dtype):
        self.name, self.seed, self.dtype, self.params, self.buffers = name, seed, dtype, {}, {}

    def drawn(self, name, shape):
        return Stream(self.seed, f"init/{self.name}/{name}").normal(int(np.prod(shape))).reshape(shape)

    def weight(self, name, *shape):
        if name not in self.params:
            self.params[name] = (self.drawn(name, shape).double() * 0.02).float().to(self.dtype).requires_grad_()
        return self.params[name]

    def constant(self, name, n, value):
        if name not in self.params:
            self.params[name] = torch.full((n,), value, dtype=self.dtype).requires_grad_()
        return self.params[name]

    def buffer(self, name, start):
        if name not in self.buffers:
            self.buffers[name] = start().to(self.dtype)
        return self.buffers[name]

    def spectral(self, name, *shape):
        w = self.weight(name + "_orig", *shape)
        m = w.flatten(1)
        with torch.no_grad():
            u = self.buffer(name + "_u", lambda: F.normalize(self.drawn(name + "_u", (m.shape[0],)), dim=0))
            v = F.normalize(m.T @ u, dim=0, eps=1e-12)
            u = self.buffers[name + "_u"] = F.normalize(m @ v, dim=0, eps=1e-12)
        return w / (u @ m @ v)


def generator(net, z, width, training=True):
    def norm(name, x):
        c = x.shape[1]
        mean, var = net.buffer(name + ".running_mean", lambda: torch.zeros(c)), net.buffer(name + ".running_var", lambda: torch.ones(c))
        return F.relu(F.batch_norm(x, mean, var, net.constant(name + ".weight", c, 1.0), net.constant(name + ".bias", c, 0.0), training, 0.1, 1e-5))
    h = F.linear(z, net.weight("fc.weight", 128 * width, z.shape[1]), net.constant("fc.bias", 128 * width, 0.0))
    h = norm("bn.0", h).view(-1, 8 * width, 4, 4)
    for i, c in enumerate((4 * width, 2 * width, width)):
        h = F.conv_transpose2d(h, net.weight(f"up.{i}.weight", h.shape[1], c, 4, 4), net.constant(f"up.{i}.bias", c, 0.0), 2, 1)
        h = norm(f"bn.{i + 1}", h)
    return torch.tanh(F.conv_transpose2d(h, net.weight("out.weight", width, 3, 3, 3), net.constant("out.bias", 3, 0.0), 1, 1))


def discriminator(net, x, width, hidden):
    """Outputs and features."""
    w = width
    for i, (c, k, s) in enumerate(((w, 3, 1), (2 * w, 4, 2), (2 * w, 3, 1), (4 * w, 4, 2), (4 * w, 3, 1), (8 * w, 4, 2), (8 * w, 3, 1))):
        weight = net.spectral(f"trunk.conv.{i}.weight", c, x.shape[1], k, k)
        x = F.leaky_relu(F.conv2d(x, weight, net.constant(f"trunk.conv.{i}.bias", c, 0.0), s, 1), 0.1)
    features = x.flatten(1)
    h = F.linear(features, net.spectral("adv.0.weight", hidden, features.shape[1]), net.constant("adv.0.bias", hidden, 0.0))
    return F.linear(F.leaky_relu(h, 0.1), net.spectral("adv.2.weight", 1, hidden), net.constant("adv.2.bias", 1, 0.0)), features


LOSSES = {
    "hinge": (lambda r, f: F.relu(1 - r).mean() + F.relu(1 + f).mean(), lambda f: -f.mean()),
    "gan": (lambda r, f: F.softplus(-r).mean() + F.softplus(f).mean(), lambda f: F.softplus(-f).mean()),
}


def train(images, steps, loss, seed, width, batch, z_dim, hidden, classes, n_dis, ema_decay, dtype=torch.float64):
    """Yields a record a step and at the end the averaged generator's images. `images`: u8 [n, 3, h, w]."""
    of_d, of_g = LOSSES[loss]
    g, d, ema = Net("generator", seed, dtype), Net("discriminator", seed, dtype), Net("generator", seed, dtype)
    streams = {who: Stream(seed, f"z/{who}-step") for who in ("discriminator", "generator")}

    def latent(who):
        z = torch.tensor(-1 + 2 * streams[who].uniform(batch * z_dim)).float().to(dtype).view(batch, z_dim)
        for _ in range(batch):  # the classes that an unconditional generator does not look at
            streams[who].below(classes)
        return z

    with torch.no_grad():  # makes the tensors
        for net in (g, ema):
            generator(net, torch.zeros(2, z_dim, dtype=dtype), width)
            for name, b in net.buffers.items():
                b.fill_(1.0 if name.endswith("var") else 0.0)
        discriminator(d, torch.zeros(1, 3, 32, 32, dtype=dtype), width, hidden)
        for name in d.buffers:
            d.buffers[name] = F.normalize(d.drawn(name, d.buffers[name].shape), dim=0).to(dtype)
    adam = {net: torch.optim.Adam(net.params.values(), 2e-4, betas=(0.5, 0.999)) for net in (g, d)}

    def update(net, value):
        adam[net].zero_grad()
        value.backward()
        norm = sum(float(p.grad.square().sum()) for p in net.params.values()) ** 0.5
        adam[net].step()
        return norm

    epoch, order, d_steps = -1, None, 0
    per_epoch = len(images) // batch
    for step in range(steps):
        for _ in range(n_dis):
            if d_steps // per_epoch != epoch:
                epoch = d_steps // per_epoch
                order = Stream(seed, f"data/epoch-{epoch}").permutation(len(images))
            at = d_steps % per_epoch * batch
            x = images[order[at:at + batch]].to(dtype) / 127.5 - 1
            with torch.no_grad():
                fake = generator(g, latent("discriminator"), width)
            r, features = discriminator(d, x, width, hidden)
            f, _ = discriminator(d, fake, width, hidden)
            d_loss = of_d(r, f)
            d_norm = update(d, d_loss)
            d_steps += 1
        s, _ = discriminator(d, generator(g, latent("generator"), width), width, hidden)
        g_loss = of_g(s)
        g_norm = update(g, g_loss)
        with torch.no_grad():
            for own, live in ((ema.params, g.params), (ema.buffers, g.buffers)):
                for name in own:
                    own[name].mul_(ema_decay).add_(live[name] * (1 - ema_decay))
        yield {"d_loss": float(d_loss.detach()), "g_loss": float(g_loss.detach()), "d_grad_norm": d_norm, "g_grad_norm": g_norm,
               "d_real": float(r.detach().mean()), "d_fake": float(f.detach().mean()),
               "d_feature_norm": float(features.detach().norm(dim=1).mean())}
    z = torch.tensor(-1 + 2 * Stream(seed, "sample/z").uniform(4 * z_dim)).float().to(dtype).view(4, z_dim)
    with torch.no_grad():
        yield generator(ema, z, width, training=False)


def main():
    i, k = torch.arange(12)[:, None], torch.arange(32 * 32 * 3)[None]
    images = ((k * (i + 3) // 7 + 31 * i + k % 3 * 50) % 256).view(12, 32, 32, 3).permute(0, 3, 1, 2)
    out = {}
    for name, loss, n_dis in (("hinge", "hinge", 1), ("gan", "gan", 2)):
        *steps, x = train(images, 20, loss, seed=7, width=4, batch=4, z_dim=8, hidden=16, classes=2, n_dis=n_dis, ema_decay=0.9)
        pixels = x.flatten().tolist()[::97]
        out[name] = {"steps": steps, "pixels": pixels}
    print(json.dumps(out))


if __name__ == "__main__":
    main()
