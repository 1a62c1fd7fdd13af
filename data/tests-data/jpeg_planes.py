"""JPEG files of three and four channels with many sampling factors, with the RGB pixels that PIL (libjpeg-turbo) reads.

    python jpeg_planes.py > jpeg_planes.json      (Pillow 13.0.0, libjpeg-turbo 3.2.0)

PIL writes CMYK with the factors 2x2, 1x1, 1x1, 1x1 (`subsampling=2`) or 2x1, 1x1, 1x1, 1x1, and RGB (`keep_rgb`) with
1x1 for each channel. Other factors are written over them, and a size of as many blocks: the stream stays whole, since
all channels share their tables, and its blocks mean other places. Byte 11 of Adobe's
segment says what the channels are: 0 is CMYK or RGB, 2 is YCCK, 1 is YCbCr.
"""
import io, json, struct
import numpy as np
from PIL import Image

# Width and height of the file, PIL's subsampling, and the factors.
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
    "three, second sampled more": (21, 19, 2, [(1, 1), (2, 2), (1, 1)]),
    "three, all unlike": (30, 31, 2, [(2, 1), (2, 1), (1, 2)]),
    "three, tall": (16, 33, 1, [(1, 2), (1, 1), (1, 1)]),
    "three, four across": (60, 15, 2, [(4, 1), (1, 1), (1, 1)]),
    "three, four down": (16, 60, 2, [(1, 4), (1, 1), (1, 1)]),
}


def patched(file, width, height, factors, transform):
    file = bytearray(file)
    frame = next(i for i in range(len(file)) if file[i] == 0xff and file[i + 1] in (0xc0, 0xc2))
    file[frame + 5:frame + 9] = struct.pack(">HH", height, width)
    for channel, (across, down) in enumerate(factors or []):
        file[frame + 11 + 3 * channel] = across << 4 | down
    adobe = bytes(file).index(b"Adobe")
    file[adobe + 11] = transform
    return bytes(file)


def units(size, factors):
    across, down = (8 * max(f[axis] for f in factors) for axis in (0, 1))
    return -(-size[0] // across) * -(-size[1] // down)


def main():
    rng = np.random.default_rng(5)
    out = {}
    for name, (width, height, subsampling, factors) in CASES.items():
        channels = 3 if name.startswith("three") else 4
        written = [(2, 2 if subsampling == 2 else 1) if channels == 4 else (1, 1)] + [(1, 1)] * (channels - 1)
        # One column of units, as many as the file is to have.
        blocks = [sum(across * down for across, down in f) for f in (factors or written, written)]
        n, rest = divmod(units((width, height), factors or written) * blocks[0], blocks[1])
        assert rest == 0, name
        tall = (8 * written[0][0], 8 * written[0][1] * n)
        y, x = np.mgrid[:tall[1], :tall[0]]
        waves = [127 + 90 * np.sin(0.21 * x + 0.37 * y + c) + 30 * rng.standard_normal(x.shape) for c in range(channels)]
        image = Image.fromarray(np.clip(np.stack(waves, -1), 0, 255).astype(np.uint8), "CMYK" if channels == 4 else "RGB")
        for progressive in (False, True):
            for transform in (0, 2 if channels == 4 else 1):
                file = io.BytesIO()
                image.save(file, "JPEG", quality=60, progressive=progressive,
                           **({"subsampling": subsampling} if channels == 4 else {"keep_rgb": True}))
                size = (width, height) if factors else tall
                jpeg = patched(file.getvalue(), *size, factors, transform)
                pixels = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))
                key = f"{name}{' progressive' if progressive else ''}{['', ' ycc', ' ycck'][transform]}"
                # Scans of a single channel have no units, so that other factors would not leave them whole.
                if progressive and factors:
                    continue
                out[key] = {"height": size[1], "width": size[0], "jpeg": jpeg.hex(), "pixels": pixels.tobytes().hex()}
    print(json.dumps(out, indent=0))


if __name__ == "__main__":
    main()
