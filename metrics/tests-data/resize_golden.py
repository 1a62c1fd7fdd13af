"""Makes resize_golden.npz: what the reference resizers make of images from a formula.

    resize_golden.py OUT.npz        (needs numpy, torch, torch-fidelity, pillow<13, clean-fid)

Pixel i (row-major over [h, w, c]) is the top byte of i * 0x9E3779B97F4A7C15 mod 2^64. `cases` i32 [n, 5] are height,
width, channels and the new height and width. Of every output, `NAME_sha256` u8 [n, 32] is the hash of all bytes
(planes of little-endian f32, or u8 [h, w, c]); of the float ones `NAME_samples` f32 [n, 64] are the values at
(j * 0x9E3779B97F4A7C15 mod 2^64 >> 32) mod length. `clean_fid_*` is clean-fid's own resizer, cases to 299x299 of three
channels only, the hash of nothing elsewhere. Pillow 13 resizes along columns first where the height shrinks more than
the width; before, and in all published numbers, rows always came first.
"""
import hashlib, sys
import numpy as np, torch, PIL
from PIL import Image
from cleanfid.resize import build_resizer
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x as tensorflow1

CASES = [(16, 16, 3, 299, 299), (32, 32, 3, 224, 224), (28, 28, 1, 32, 32), (64, 48, 3, 32, 32), (17, 31, 3, 16, 64),
         (5, 7, 3, 299, 299), (1, 1, 3, 32, 32), (224, 224, 3, 224, 224), (300, 200, 3, 336, 336), (1024, 768, 3, 299, 299),
         (1024, 1024, 1, 224, 224), (512, 1024, 3, 336, 336), (256, 256, 3, 32, 32), (16, 1024, 1, 299, 299)]
SAMPLES = 64


def hashed(n):
    with np.errstate(over="ignore"):
        return np.arange(n, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)


def image(h, w, c):
    return (hashed(h * w * c) >> np.uint64(56)).astype(np.uint8).reshape(h, w, c)


def planes(x):
    return torch.from_numpy(x).permute(2, 0, 1)[None].float()


def torch_bilinear(x, h, w):
    return torch.nn.functional.interpolate(planes(x), size=(h, w), mode="bilinear", align_corners=False)[0].numpy()


def pil_float(x, h, w, filter):
    channels = [Image.fromarray(x[:, :, i].astype(np.float32)).resize((w, h), resample=filter) for i in range(x.shape[2])]
    return np.stack([np.asarray(c).clip(0, 255) for c in channels])


def pil_bytes(x, h, w, filter):
    return np.asarray(Image.fromarray(x[:, :, 0] if x.shape[2] == 1 else x).resize((w, h), resample=filter))


def clean_fid(x, h, w):
    if (h, w, x.shape[2]) != (299, 299, 3):
        return np.zeros(0, np.uint8)
    return np.ascontiguousarray(build_resizer("clean")(x).transpose(2, 0, 1))


RESIZERS = {
    "tensorflow1": lambda x, h, w: tensorflow1(planes(x), size=(h, w), align_corners=False)[0].numpy(),
    "torch_bilinear": torch_bilinear,
    "pil_float_bilinear": lambda x, h, w: pil_float(x, h, w, Image.BILINEAR),
    "pil_float_bicubic": lambda x, h, w: pil_float(x, h, w, Image.BICUBIC),
    "clean_fid": clean_fid,
    "pil_bytes_bilinear": lambda x, h, w: pil_bytes(x, h, w, Image.BILINEAR),
    "pil_bytes_bicubic": lambda x, h, w: pil_bytes(x, h, w, Image.BICUBIC),
}

print("torch", torch.__version__, "pillow", PIL.__version__, "numpy", np.__version__)
out = {"cases": np.array(CASES, np.int32)}
for name, resize in RESIZERS.items():
    results = [resize(image(h, w, c), oh, ow) for h, w, c, oh, ow in CASES]
    out[f"{name}_sha256"] = np.stack([np.frombuffer(hashlib.sha256(r.tobytes()).digest(), np.uint8) for r in results])
    if all(r.dtype == np.float32 for r in results):
        at = (hashed(SAMPLES) >> np.uint64(32)).astype(np.int64)
        out[f"{name}_samples"] = np.stack([r.reshape(-1)[at % r.size] for r in results])
np.savez_compressed(sys.argv[1], **out)
