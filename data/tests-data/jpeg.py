"""Small JPEG files of every kind that is met, with the RGB pixels that PIL (libjpeg-turbo) reads from them.

    python jpeg.py > jpeg.json      (Pillow 13.0.0, libjpeg-turbo 3.2.0)

Pixels as `Image.open(...).convert("RGB")` gives them, which is how torch-fidelity, pytorch-fid and clean-fid read files.
"""
import io, json
import numpy as np
from PIL import Image


def picture(height, width, seed):
    y, x = np.mgrid[:height, :width]
    waves = [127 + 90 * np.sin(0.31 * x + 0.17 * y + c + seed) + 37 * np.cos(1.7 * x - 0.9 * y * (c + 1)) for c in range(3)]
    return Image.fromarray(np.clip(np.stack(waves, -1), 0, 255).astype(np.uint8))


CASES = {
    "444": (17, 23, "RGB", dict(quality=90, subsampling=0)),
    "422": (17, 23, "RGB", dict(quality=75, subsampling=1)),
    "420": (17, 23, "RGB", dict(quality=75, subsampling=2)),
    "420 even": (16, 32, "RGB", dict(quality=30, subsampling=2)),
    "420 progressive": (19, 21, "RGB", dict(quality=60, subsampling=2, progressive=True)),
    "444 progressive": (9, 8, "RGB", dict(quality=97, subsampling=0, progressive=True)),
    "restarts": (24, 17, "RGB", dict(quality=50, subsampling=2, restart_marker_blocks=2)),
    "rgb kept": (11, 13, "RGB", dict(quality=80, keep_rgb=True)),
    "grey": (13, 18, "L", dict(quality=70)),
    "grey progressive": (10, 9, "L", dict(quality=40, progressive=True)),
    "cmyk": (12, 15, "CMYK", dict(quality=85)),
    "one pixel": (1, 1, "RGB", dict(quality=75, subsampling=2)),
    "one line": (1, 20, "RGB", dict(quality=75, subsampling=2)),
}


def main():
    out = {}
    for seed, (name, (height, width, mode, options)) in enumerate(CASES.items()):
        file = io.BytesIO()
        image = picture(height, width, seed).convert(mode)
        if mode == "CMYK":  # PIL makes no black; some, so that it counts
            image = Image.merge("CMYK", (*image.split()[:3], image.split()[0].point(lambda v: v // 2)))
        image.save(file, "JPEG", **options)
        pixels = np.asarray(Image.open(io.BytesIO(file.getvalue())).convert("RGB"))
        out[name] = {"height": height, "width": width, "jpeg": file.getvalue().hex(), "pixels": pixels.tobytes().hex()}
    print(json.dumps(out, indent=0))


if __name__ == "__main__":
    main()
