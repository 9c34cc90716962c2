"""Writes tests/media/data: tiny pictures of every kind and, in expected.json, what PIL reads from them. Needs Pillow."""
import io
import json
import pathlib

from PIL import Image, ImageOps, PngImagePlugin

OUT = pathlib.Path(__file__).parent / "data"
W, H = 7, 5


def gradient(mode):
    bands = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}[mode]
    data = bytes((x * 31 + y * 17 + c * 67) % 256 for y in range(H) for x in range(W) for c in range(bands))
    return Image.frombytes(mode, (W, H), data)


def smooth():
    return Image.frombytes("RGB", (W * 4, H * 4), bytes((x * 8 + y * 3 * c) % 256 for y in range(H * 4) for x in range(W * 4) for c in range(3)))


def expected(image):
    """The decoder's own modes: grey, grey+alpha, RGB, RGBA."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        values = list(image.getdata())
        return {"size": image.size, "channels": 1, "wide": values, "pixels": bytes(v >> 8 for v in values).hex()}
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode in ("1", "CMYK"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    return {"size": image.size, "channels": len(image.getbands()), "pixels": image.tobytes().hex()}


def main():
    OUT.mkdir(exist_ok=True)
    files = {}

    def save(name, image, **options):
        out = io.BytesIO()
        image.save(out, format={"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[name.split(".")[-1]], **options)
        files[name] = out.getvalue()

    for mode in ("L", "LA", "RGB", "RGBA"):
        save(f"{mode.lower()}.png", gradient(mode))
    save("bilevel.png", gradient("L").convert("1"))
    palette = gradient("RGB").quantize(5)
    save("palette.png", palette)
    save("palette_clear.png", palette, transparency=2)
    save("palette_alpha.png", palette, transparency=bytes([0, 60, 120, 180, 255]))
    save("grey_trns.png", gradient("L"), transparency=17)
    save("rgb_trns.png", gradient("RGB"), transparency=(0, 67, 134))
    wide = Image.new("I;16", (W, H))
    for i in range(W * H):
        wide.putpixel((i % W, i // W), i * 1871)
    save("grey16.png", wide)
    text = PngImagePlugin.PngInfo()
    text.add_text("prompt", '{"1": "\\u72d0"}')
    text.add_text("packed", "long " * 100, zip=True)
    text.add_itxt("unicode", "狐 ü", zip=True)
    text.add_text("latin", "é")
    save("text.png", gradient("RGB"), pnginfo=text)
    save("rgb.jpg", smooth(), quality=90)
    save("progressive.jpg", smooth(), quality=75, progressive=True)
    save("grey.jpg", smooth().convert("L"), quality=90)
    save("cmyk.jpg", smooth().convert("CMYK"), quality=95)
    save("lossless.webp", gradient("RGBA").convert("RGB"), lossless=True)
    save("alpha.webp", gradient("RGBA"), lossless=True, exact=True)
    save("lossy.webp", smooth(), quality=80)
    frames = [Image.new("RGB", (W, H), (i * 90, 20, 200 - i * 50)) for i in range(3)]
    save("animated.webp", frames[0], save_all=True, append_images=frames[1:], duration=50, lossless=True)
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turn
        save(f"turn{turn}.png", gradient("RGB"), exif=exif)
        save(f"turn{turn}.webp", gradient("RGB"), exif=exif, lossless=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    save("turn6.jpg", smooth(), exif=exif, quality=90)

    for name, data in files.items():
        (OUT / name).write_bytes(data)
    (OUT / "expected.json").write_text(json.dumps({n: expected(Image.open(io.BytesIO(d))) for n, d in files.items()}, indent=0))


if __name__ == "__main__":
    main()
