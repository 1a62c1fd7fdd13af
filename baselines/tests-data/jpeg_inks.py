"""JPEG files of four channels with many sampling factors, with the RGB pixels that PIL (libjpeg-turbo) reads from them.

    python jpeg_inks.py > jpeg_inks.json      (Pillow 13.0.0, libjpeg-turbo 3.2.0)

PIL writes CMYK with the factors 2x2, 1x1, 1x1, 1x1 (`subsampling=2`) or 2x1, 1x1, 1x1, 1x1. Other factors with the same
number of blocks in the same order are written over them, and a size of as many units: the stream stays whole, and its
blocks mean other places. Byte 11 of Adobe's segment says whether the channels are CMYK (0) or YCCK (2).
"""
import io, json, struct
import numpy as np
from PIL import Image

# Width and height of the file, PIL's subsampling, and the factors, which have 7 or 5 blocks in a unit.
CASES = {
    "k sampled less": (21, 19, 2, None),
    "m sampled more": (21, 19, 2, [(1, 1), (2, 2), (1, 1), (1, 1)]),
    "y sampled more": (35, 18, 2, [(1, 1), (1, 1), (2, 2), (1, 1)]),
    "k sampled more": (21, 19, 2, [(1, 1), (1, 1), (1, 1), (2, 2)]),
    "wide": (37, 19, 1, [(2, 1), (1, 1), (1, 1), (1, 1)]),
    "tall": (16, 33, 1, [(1, 2), (1, 1), (1, 1), (1, 1)]),
    "four across": (60, 15, 2, [(4, 1), (1, 1), (1, 1), (1, 1)]),
    "four down": (16, 60, 2, [(1, 1), (1, 4), (1, 1), (1, 1)]),
    "two of two": (30, 31, 2, [(2, 1), (2, 1), (1, 2), (1, 1)]),
    "narrow": (3, 19, 2, [(1, 1), (2, 2), (1, 1), (1, 1)]),
    "one pixel": (1, 1, 2, None),
}


def patched(file, width, height, factors, ycck):
    file = bytearray(file)
    frame = next(i for i in range(len(file)) if file[i] == 0xff and file[i + 1] in (0xc0, 0xc2))
    file[frame + 5:frame + 9] = struct.pack(">HH", height, width)
    for channel, (across, down) in enumerate(factors or []):
        file[frame + 11 + 3 * channel] = across << 4 | down
    adobe = bytes(file).index(b"Adobe")
    file[adobe + 11] = 2 if ycck else 0
    return bytes(file)


def units(size, factors):
    across, down = (8 * max(f[axis] for f in factors) for axis in (0, 1))
    return -(-size[0] // across) * -(-size[1] // down)


def main():
    rng = np.random.default_rng(5)
    out = {}
    for name, (width, height, subsampling, factors) in CASES.items():
        written = [(2, 2 if subsampling == 2 else 1)] + [(1, 1)] * 3
        # One column of units, as many as the file is to have.
        n = units((width, height), factors or written)
        tall = (8 * written[0][0], 8 * written[0][1] * n)
        y, x = np.mgrid[:tall[1], :tall[0]]
        waves = [127 + 90 * np.sin(0.21 * x + 0.37 * y + c) + 30 * rng.standard_normal(x.shape) for c in range(4)]
        image = Image.fromarray(np.clip(np.stack(waves, -1), 0, 255).astype(np.uint8), "CMYK")
        for progressive in (False, True):
            for ycck in (False, True):
                file = io.BytesIO()
                image.save(file, "JPEG", quality=60, subsampling=subsampling, progressive=progressive)
                size = (width, height) if factors else tall
                jpeg = patched(file.getvalue(), *size, factors, ycck)
                pixels = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))
                key = f"{name}{' progressive' if progressive else ''}{' ycck' if ycck else ''}"
                if progressive and name not in ("m sampled more", "tall"):
                    continue
                out[key] = {"height": size[1], "width": size[0], "jpeg": jpeg.hex(), "pixels": pixels.tobytes().hex()}
    print(json.dumps(out, indent=0))


if __name__ == "__main__":
    main()
