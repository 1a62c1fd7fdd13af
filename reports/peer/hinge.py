"""Does the hinge GAN of table1 saturate in PyTorch too? An independent twin of its training, without evaluation.

    hinge.py CIFAR10_TRAIN.parquet [--loss hinge|nonsat] [--seeds 0,1,2] [--kimg 20] [--width 16] [--batch 32]

SNDCGAN as ContraD has it (gan-recipes.md, networks): batch norm over G's first units, D with spectral norm on every layer and a
head of two layers of 8w hidden values; N(0, 0.02) weights, z uniform in -1..1, Adam 2e-4 with betas 0.5 and 0.999, one D step.
Prints a line every 100 steps: kimg, D's loss, D's mean on reals and fakes, norms of both gradients, deviation of the fakes'
pixels over the batch. torch 2.9, pyarrow, pillow.
"""
import argparse, io
import numpy as np, pyarrow.parquet as pq, torch, torch.nn as nn, torch.nn.functional as F
from PIL import Image
from torch.nn.utils import spectral_norm as sn


class Generator(nn.Module):
    def __init__(self, w):
        super().__init__(); self.w = w
        self.fc, self.bn0 = nn.Linear(128, 8 * w * 16), nn.BatchNorm1d(8 * w * 16)
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, 2, 1) for a, b in ((8 * w, 4 * w), (4 * w, 2 * w), (2 * w, w)))
        self.bn = nn.ModuleList(nn.BatchNorm2d(c) for c in (4 * w, 2 * w, w)); self.out = nn.ConvTranspose2d(w, 3, 3, 1, 1)

    def forward(self, z):
        h = F.relu(self.bn0(self.fc(z))).view(-1, 8 * self.w, 4, 4)
        for up, bn in zip(self.up, self.bn):
            h = F.relu(bn(up(h)))
        return torch.tanh(self.out(h))


class Discriminator(nn.Module):
    def __init__(self, w):
        super().__init__(); layers = []
        for a, b, k, s in ((3, w, 3, 1), (w, 2 * w, 4, 2), (2 * w, 2 * w, 3, 1), (2 * w, 4 * w, 4, 2), (4 * w, 4 * w, 3, 1), (4 * w, 8 * w, 4, 2), (8 * w, 8 * w, 3, 1)):
            layers += [nn.Conv2d(a, b, k, s, 1), nn.LeakyReLU(0.1)]
        head = [nn.Flatten(), nn.Linear(8 * w * 16, 8 * w), nn.LeakyReLU(0.1), nn.Linear(8 * w, 1)]
        self.net = nn.Sequential(*layers, *head)

    def forward(self, x):
        return self.net(x)


def start(module):
    for m in module.modules():
        if isinstance(m, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(m.weight, 0.0, 0.02); nn.init.zeros_(m.bias)


def norm(parameters):
    return sum(float(p.grad.square().sum()) for p in parameters) ** 0.5


def train(images, seed, o):
    torch.manual_seed(seed); g, d = Generator(o.width), Discriminator(o.width)
    start(g); start(d)
    for m in d.modules():
        if isinstance(m, (nn.Linear, nn.Conv2d)):
            sn(m)
    og, od = (torch.optim.Adam(m.parameters(), 2e-4, betas=(0.5, 0.999)) for m in (g, d))
    z = lambda: torch.rand(o.batch, 128) * 2 - 1
    for step in range(int(o.kimg * 1000 / o.batch)):
        x = images[torch.randint(len(images), (o.batch,))].float() / 127.5 - 1
        with torch.no_grad():
            fake = g(z())
        r, f = d(x), d(fake)
        loss_d = F.relu(1 - r).mean() + F.relu(1 + f).mean() if o.loss == "hinge" else F.softplus(-r).mean() + F.softplus(f).mean()
        od.zero_grad(); loss_d.backward(); d_norm = norm(d.parameters()); od.step()
        s = d(g(z()))
        loss_g = -s.mean() if o.loss == "hinge" else F.softplus(-s).mean()
        og.zero_grad(); loss_g.backward(); g_norm = norm(g.parameters()); og.step()
        if step % 100 == 99:
            print(f"seed {seed} {(step + 1) * o.batch / 1e3:5.1f} kimg  d_loss {float(loss_d):6.3f}  real {float(r.mean()):8.2f}  fake {float(f.mean()):7.2f}"
                  f"  |D| {d_norm:7.3f}  |G| {g_norm:7.3f}  spread of fakes {float(fake.std(0).mean()):.3f}", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("data"); p.add_argument("--loss", default="hinge", choices=["hinge", "nonsat"]); p.add_argument("--seeds", default="0,1,2")
    p.add_argument("--kimg", type=float, default=20); p.add_argument("--width", type=int, default=16); p.add_argument("--batch", type=int, default=32)
    o = p.parse_args()
    table = pq.read_table(o.data); column = "img" if "img" in table.column_names else "image"
    read = lambda cell: np.asarray(Image.open(io.BytesIO(cell["bytes"])).convert("RGB"))
    images = torch.from_numpy(np.stack([read(c) for c in table[column].to_pylist()])).permute(0, 3, 1, 2).contiguous()
    for seed in map(int, o.seeds.split(",")):
        train(images, seed, o)


if __name__ == "__main__":
    main()
