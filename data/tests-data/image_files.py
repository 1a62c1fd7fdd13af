"""Small files of every kind of image that is met, and what PIL reads from them.

    python image_files.py > image_files.json      (Pillow 13.0.0)

`pil` is `Image.open(...).convert("RGB")`, which is how pytorch-fid, clean-fid and torch-fidelity read files, or null where
PIL refuses the file. `white` is the same put on white by `paste` with the alpha channel as mask, where there is one.
Pixels and files are hex digits.
"""
import io, json, struct, zlib
import numpy as np
from PIL import Image, TiffImagePlugin

H, W = 5, 9
y, x = np.mgrid[:H, :W]


def array(channels, seed=0):
    waves = [127 + 80 * np.sin(0.7 * x + 0.4 * y + c + seed) + 45 * np.cos(1.7 * x - 0.9 * y * (c + 1)) for c in range(channels)]
    return np.clip(np.stack(waves, -1), 0, 255).astype(np.uint8)


RGB = Image.fromarray(array(3))
GREY = RGB.convert("L")
ALPHA = Image.fromarray(((x * 40 + y * 17) % 256).astype(np.uint8))
SOLID = Image.new("L", (W, H), 255)


def enc(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def with_alpha(image, alpha):
    return Image.merge(image.mode + "A", (*image.split(), alpha))


def chunk(kind, body, wrong=False):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", (zlib.crc32(kind + body) ^ wrong) & 0xFFFFFFFF)


def chunks(file):
    at, out = 8, []
    while at < len(file):
        n, = struct.unpack(">I", file[at : at + 4])
        out.append((file[at + 4 : at + 8], file[at + 8 : at + 8 + n]))
        at += 12 + n
    return out


HEAD = b"\x89PNG\r\n\x1a\n"


def png(kind, bits, rows, extra=(), interlace=0, size=(W, H)):
    """A PNG file by hand: `rows` are bytes without filters."""
    raw = b"".join(b"\0" + row for row in rows)
    header = struct.pack(">IIBBBBB", *size, bits, kind, 0, 0, interlace)
    return HEAD + chunk(b"IHDR", header) + b"".join(chunk(*e) for e in extra) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def rows16(a):
    return [row.astype(">u2").tobytes() for row in a.reshape(H, -1)]


def packed(a, bits):
    out = []
    for row in a:
        digits = "".join(f"{v:0{bits}b}" for v in row)
        digits += "0" * (-len(digits) % 8)
        out.append(bytes(int(digits[i : i + 8], 2) for i in range(0, len(digits), 8)))
    return out


def adam7(a):
    out = []
    for y0, x0, dy, dx in [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]:
        part = a[y0::dy, x0::dx]
        out += [row.tobytes() for row in part] if part.shape[1] else []
    return out


def png_cases():
    a, grey = np.asarray(RGB), np.asarray(GREY)
    wide = a.astype(np.uint16) * 257 % 65521
    plain = enc(RGB, "PNG")
    parts = chunks(plain)
    text = (b"tEXt", b"Comment\0hello")
    build = lambda *list: HEAD + b"".join(list)
    all_but = lambda name: [chunk(*p) for p in parts if p[0] != name]
    idat = b"".join(body for kind, body in parts if kind == b"IDAT")
    ihdr, iend = chunk(*parts[0]), chunk(b"IEND", b"")
    palette = (b"PLTE", bytes(range(0, 240, 5)))
    indices = (x + 2 * y) % 16
    yield "rgb", plain
    yield "grey", enc(GREY, "PNG")
    for bits in (1, 2, 4):
        yield f"grey of {bits} bits", png(0, bits, packed(grey >> (8 - bits), bits))
    yield "grey alpha, opaque", enc(with_alpha(GREY, SOLID), "PNG")
    yield "grey alpha", enc(with_alpha(GREY, ALPHA), "PNG")
    yield "rgba, opaque", enc(with_alpha(RGB, SOLID), "PNG")
    yield "rgba", enc(with_alpha(RGB, ALPHA), "PNG")
    yield "grey with a transparent value", enc(GREY, "PNG", transparency=int(grey[1, 1]))
    yield "rgb with a transparent colour", enc(RGB, "PNG", transparency=tuple(int(v) for v in a[1, 1]))
    yield "palette", enc(RGB.quantize(16), "PNG")
    yield "palette of 4 bits", enc(RGB.quantize(7), "PNG", bits=4)
    yield "palette with a transparent colour", enc(RGB.quantize(8), "PNG", transparency=2)
    yield "palette with alpha", png(3, 8, [row.astype(np.uint8).tobytes() for row in indices], [palette, (b"tRNS", bytes(range(0, 160, 11)))])
    yield "bilevel", enc(RGB.convert("1"), "PNG")
    yield "grey of 16 bits", png(0, 16, rows16(grey.astype(np.uint16) * 3))
    yield "rgb of 16 bits", png(2, 16, rows16(wide))
    yield "rgba of 16 bits", png(6, 16, rows16(np.concatenate([wide, wide[..., :1]], -1)))
    yield "grey alpha of 16 bits", png(4, 16, rows16(wide[..., :2]))
    yield "interlaced", png(2, 8, adam7(a), interlace=1)
    yield "interlaced, 3 pixels wide", png(2, 8, adam7(a[:, :3]), interlace=1, size=(3, H))
    yield "animated", enc(RGB, "PNG", save_all=True, append_images=[Image.fromarray(255 - a)])
    yield "without the end", build(*all_but(b"IEND"))
    yield "cut in the checksum of the end", plain[:-4]
    yield "cut in the checksum of the pixels", plain[:-14]
    yield "cut in the checksum of the compressed stream", plain[:-18]
    yield "cut in the pixels", plain[:-24]
    yield "cut in text behind the pixels", build(*all_but(b"IEND"), chunk(*text)[:-8])
    yield "behind the end", plain + b"\0" * 20
    yield "text behind the pixels", build(*all_but(b"IEND"), chunk(*text), iend)
    yield "wrong checksum of the header", build(chunk(*parts[0], True), *all_but(b"IHDR"))
    yield "wrong checksum of text", build(ihdr, chunk(*text, True), *all_but(b"IHDR"))
    yield "wrong checksum of text behind the pixels", build(*all_but(b"IEND"), chunk(*text, True), iend)
    yield "wrong checksum of the pixels", build(ihdr, chunk(b"IDAT", idat, True), iend)
    yield "wrong checksum of the compressed stream", build(ihdr, chunk(b"IDAT", idat[:-1] + b"\0"), iend)
    yield "pixels in several chunks", build(ihdr, chunk(b"IDAT", idat[:9]), chunk(b"IDAT", b""), chunk(b"IDAT", idat[9:]), iend)
    yield "pixels in two places", build(ihdr, chunk(b"IDAT", idat[:9]), chunk(*text), chunk(b"IDAT", idat[9:]), iend)
    yield "damaged pixels", build(ihdr, chunk(b"IDAT", idat[:8] + bytes(8) + idat[16:]), iend)
    yield "damaged profile", build(ihdr, chunk(b"iCCP", b"x\0\0garbage"), *all_but(b"IHDR"))
    yield "gamma", build(ihdr, chunk(b"gAMA", struct.pack(">I", 100000)), *all_but(b"IHDR"))
    yield "unknown chunk", build(ihdr, chunk(b"prVt", b"123"), *all_but(b"IHDR"))
    yield "without pixels", build(ihdr, iend)
    yield "without rows", build(ihdr, chunk(b"IDAT", zlib.compress(b"\0" + bytes(3 * W))), iend)


def jpeg_cases():
    plain, progressive = enc(RGB, "JPEG", quality=90), enc(RGB, "JPEG", quality=80, progressive=True)
    yield "plain", plain
    for n in (1, 2, 3, 6, 10):
        yield f"{n} bytes cut", plain[:-n]
    yield "progressive, 2 bytes cut", progressive[:-2]
    yield "behind the end", plain + bytes(20) + b"abc"
    yield "two files", plain + enc(GREY, "JPEG")
    yield "fill bytes", plain[:2] + b"\xff\xff" + plain[2:]
    yield "bytes before the end", plain[:-2] + b"\0\1\2\3" + plain[-2:]
    yield "comment", enc(RGB, "JPEG", comment=b"x" * 100)
    yield "profile", enc(RGB, "JPEG", icc_profile=bytes(100))
    yield "quality 1, progressive", enc(RGB, "JPEG", quality=1, progressive=True)
    yield "4:1:1", enc(RGB, "JPEG", subsampling="4:1:1")
    yield "several pictures", enc(RGB, "MPO", save_all=True, append_images=[RGB])
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "turned by a tag", enc(RGB, "JPEG", exif=exif)


def webp_cases():
    plain = enc(RGB, "WEBP", lossless=True)
    yield "lossless", plain
    yield "lossy", enc(RGB, "WEBP", quality=70)
    yield "alpha", enc(with_alpha(RGB, ALPHA), "WEBP", lossless=True, exact=True)
    yield "lossy alpha", enc(with_alpha(RGB, ALPHA), "WEBP", quality=70, exact=True)
    yield "animated", enc(RGB, "WEBP", save_all=True, append_images=[Image.fromarray(255 - np.asarray(RGB))], duration=100, lossless=True)
    yield "behind the end", plain + bytes(10)
    yield "with metadata", enc(RGB, "WEBP", lossless=True, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0", xmp=b"<x/>")
    yield "cut", plain[: len(plain) // 2]


def bmp(bits, rows, compression=0, masks=b""):
    rows = b"".join(row + b"\0" * (-len(row) % 4) for row in reversed(rows))
    offset = 54 + len(masks)
    header = struct.pack("<IiiHHIIiiII", 40, W, H, 1, bits, compression, len(rows), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", offset + len(rows), 0, 0, offset) + header + masks + rows


def bmp_cases():
    a = np.asarray(RGB)
    yield "rgb", enc(RGB, "BMP")
    yield "grey", enc(GREY, "BMP")
    yield "palette", enc(RGB.quantize(16), "BMP")
    yield "bilevel", enc(RGB.convert("1"), "BMP")
    yield "rgba", enc(with_alpha(RGB, ALPHA), "BMP")
    yield "32 bits without masks", bmp(32, [np.concatenate([row[:, ::-1], row[:, :1]], -1).tobytes() for row in a])
    five = [(row[:, 0].astype("<u2") >> 3 << 10 | row[:, 1].astype("<u2") >> 3 << 5 | row[:, 2] >> 3).astype("<u2").tobytes() for row in a]
    yield "16 bits", bmp(16, five)
    six = [(row[:, 0].astype("<u2") >> 3 << 11 | row[:, 1].astype("<u2") >> 2 << 5 | row[:, 2] >> 3).astype("<u2").tobytes() for row in a]
    yield "16 bits with masks", bmp(16, six, 3, struct.pack("<III", 0xF800, 0x7E0, 0x1F))
    yield "runs", bmp(8, [b"\x09\x01\0\0"] * H, 1)
    plain = enc(RGB, "BMP")
    yield "cut", plain[:-20]
    yield "behind the end", plain + bytes(9)


def tiff(order, kind, bits, data, tags=()):
    """A TIFF file by hand: one uncompressed strip."""
    mark = "<" if order == b"II" else ">"
    samples = len(bits)
    entries = {256: (3, [W]), 257: (3, [H]), 258: (3, bits), 259: (3, [1]), 262: (3, [kind]), 273: (4, [8]), 277: (3, [samples]), 278: (3, [H]), 279: (4, [len(data)]), **dict(tags)}
    at = 8 + len(data) + len(data) % 2
    ifd, far = b"", b""
    base = at + 2 + 12 * len(entries) + 4
    for tag, (type, values) in sorted(entries.items()):
        body = b"".join(struct.pack(mark + ("H" if type == 3 else "I"), v) for v in values)
        if len(body) > 4:
            place = struct.pack(mark + "I", base + len(far))
            far += body
        else:
            place = body.ljust(4, b"\0")
        ifd += struct.pack(mark + "HHI", tag, type, len(values)) + place
    magic = order + struct.pack(mark + "HI", 42, at)
    return magic + data + b"\0" * (len(data) % 2) + struct.pack(mark + "H", len(entries)) + ifd + bytes(4) + far


def tiff_cases():
    a, grey = np.asarray(RGB), np.asarray(GREY)
    wide = a.astype(np.uint16) * 257 % 65521
    rgba = np.asarray(with_alpha(RGB, ALPHA))
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        yield f"rgb, {compression}", enc(RGB, "TIFF", compression=compression)
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[317] = 2
    yield "rgb, differences", enc(RGB, "TIFF", compression="tiff_lzw", tiffinfo=info)
    yield "rgb, jpeg", enc(RGB, "TIFF", compression="jpeg")
    yield "grey", enc(GREY, "TIFF")
    yield "grey, white is 0", tiff(b"II", 0, [8], grey.tobytes())
    yield "grey of 16 bits", tiff(b"II", 1, [16], (grey.astype("<u2") * 3).tobytes())
    yield "grey of 16 bits, big end first", tiff(b"MM", 1, [16], (grey.astype(">u2") * 3).tobytes())
    yield "rgb of 16 bits", tiff(b"II", 2, [16] * 3, wide.astype("<u2").tobytes())
    yield "rgb of 16 bits, big end first", tiff(b"MM", 2, [16] * 3, wide.astype(">u2").tobytes())
    yield "rgba", tiff(b"II", 2, [8] * 4, rgba.tobytes(), [(338, (3, [2]))])
    yield "rgba, a channel of no meaning", tiff(b"II", 2, [8] * 4, rgba.tobytes(), [(338, (3, [0]))])
    yield "rgba, multiplied", tiff(b"II", 2, [8] * 4, rgba.tobytes(), [(338, (3, [1]))])
    yield "turned by a tag", tiff(b"II", 2, [8] * 3, a.tobytes(), [(274, (3, [6]))])
    yield "separate planes", tiff(b"II", 2, [8] * 3, a.transpose(2, 0, 1).tobytes(), [(284, (3, [2])), (273, (4, [8, 8 + H * W, 8 + 2 * H * W])), (279, (4, [H * W] * 3))])
    yield "floats", enc(Image.fromarray(grey.astype(np.float32)), "TIFF")
    yield "palette", enc(RGB.quantize(16), "TIFF")
    yield "bilevel", enc(RGB.convert("1"), "TIFF")
    yield "cmyk", enc(RGB.convert("CMYK"), "TIFF")
    yield "two pages", enc(RGB, "TIFF", save_all=True, append_images=[GREY])
    yield "cut", tiff(b"II", 2, [8] * 3, a.tobytes())[:-60]


def others():
    yield "gif", enc(RGB, "GIF")
    yield "html", b"<!DOCTYPE html><html>404 Not Found</html>"
    yield "nothing", b""


def pixels(image):
    return np.asarray(image).tobytes().hex()


def read(file):
    try:
        image = Image.open(io.BytesIO(file))
        out = {"size": None, "pil": pixels(image.convert("RGB"))}
    except (OSError, SyntaxError, ValueError) as error:
        return {"pil": None, "error": type(error).__name__}
    out["size"] = image.size
    # PIL itself finds the transparent colour of modes without alpha only where it converts to one with alpha. Its upper
    # 8 bits are what remains of 16.
    clear = image.convert("RGBA") if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info else None
    if clear is not None:
        ground = Image.new("RGB", image.size, "white")
        ground.paste(clear.convert("RGB"), mask=clear.getchannel("A"))
        out["white"] = pixels(ground)
    return out


def main():
    out = {}
    formats = {"png": png_cases, "jpeg": jpeg_cases, "webp": webp_cases, "bmp": bmp_cases, "tiff": tiff_cases, "other": others}
    for format, cases in formats.items():
        for name, file in cases():
            out[f"{format}: {name}"] = {"file": file.hex(), **read(file)}
    print(json.dumps(out, indent=0))


if __name__ == "__main__":
    main()
