"""Makes the seeds of the fuzz tests beside it, and ../../tests-data/{features,statistics}.npz.

Made with numpy 2.4.6, Pillow 13 and pyarrow 26.
"""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

seeds = Path(__file__).parent
data = seeds.parent.parent / "tests-data"

pool = (np.arange(15, dtype=np.float32) ** 2 % 7).reshape(5, 3)
logits = np.arange(10, dtype=np.float32).reshape(5, 2) - 4
np.savez_compressed(data / "features.npz", pool=pool, logits=logits)
wide = pool.astype(np.float64)
np.savez(data / "statistics.npz", mu=wide.mean(0), sigma=np.cov(wide, rowvar=False), num_images=5)
np.save(seeds / "features.npy", pool)

images = (np.arange(4 * 4 * 5 * 3) * 37 % 256).astype(np.uint8).reshape(4, 4, 5, 3)
np.savez_compressed(seeds / "deflated.npz", images, np.array([3, 1, 0, 2]))
np.savez(seeds / "stored.npz", images, labels=np.array([3, 1, 0, 2], dtype=">i2"))
np.save(seeds / "images.npy", images)

y, x = np.mgrid[0:24, 0:20]
picture = Image.fromarray(np.stack([x * 12, y * 10, (x * y) % 256], -1).astype(np.uint8))
picture.save(seeds / "rgb.png")
picture.convert("P").save(seeds / "palette.png")
picture.convert("L").save(seeds / "grey.png")
picture.save(seeds / "baseline.jpg", quality=60)
picture.save(seeds / "progressive.jpg", quality=60, progressive=True)
picture.convert("L").save(seeds / "grey.jpg", quality=60)
picture.convert("CMYK").save(seeds / "cmyk.jpg", quality=60)
picture.convert("CMYK").save(seeds / "cmyk-420.jpg", quality=60, subsampling=2)
picture.save(seeds / "lossy.webp", quality=50)
picture.save(seeds / "lossless.webp", lossless=True)
small = picture.resize((7, 6))
small.save(seeds / "rgb.bmp")
small.quantize(9).save(seeds / "palette.bmp")
small.convert("RGBA").save(seeds / "rgba.bmp")
small.save(seeds / "raw.tif")
small.save(seeds / "lzw.tif", compression="tiff_lzw")
small.save(seeds / "deflate.tif", compression="tiff_adobe_deflate")
Image.fromarray(np.asarray(small.convert("L")).astype(np.uint16) * 257).save(seeds / "grey16.tif")
np.save(seeds / "wide.npy", images[:2, :3, :3].astype(">i4"))


def png(i):
    out = io.BytesIO()
    Image.fromarray(images[i]).save(out, "PNG")
    return out.getvalue()


rows = [{"bytes": png(i), "path": f"{i}.png"} for i in range(4)]
table = pa.table({"image": rows, "label": pa.array([3, 1, 0, 2])})
pq.write_table(table, seeds / "snappy.parquet", row_group_size=2)
pq.write_table(table, seeds / "zstd.parquet", row_group_size=4, compression="zstd")
pq.write_table(table, seeds / "plain.parquet", compression="none", use_dictionary=False)

table = pa.table({"name": ["fid", "fid", "kid", "kid"], "value": [1.5, 2.5, 0.1, None], "seed": [0, 1, 0, 1]})
pq.write_table(table, seeds / "table-zstd.parquet", compression="zstd")
pq.write_table(table, seeds / "table-plain.parquet", compression="none", use_dictionary=False, row_group_size=3)
