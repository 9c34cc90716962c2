"""The reference pictures and their names: Noto emoji, named by Unicode CLDR."""

import json
import random
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
ANNOTATIONS = "/usr/share/unicode/cldr/common/annotations/en.xml"
NAMES = Path(__file__).with_name("names.txt")
SIZE = 128
STRIKE = 109  # the font's only bitmap size, 136x128 pixels
MIRROR_UNSAFE = {"guitar", "violin", "umbrella"}

TEMPLATES = (
    "a {}",
    "a photo of {}",
    "a photo of a {}",
    "{} emoji",
    "a picture of a {}",
    "a drawing of a {}",
    "an icon of a {}",
    "an emoji of a {}",
    "the {}",
)


@dataclass
class Emoji:
    name: str
    text: str
    names: list  # the name itself and what else people call it
    keywords: list  # CLDR keywords that no other emoji of the set has


def load_emojis():
    """The emoji of names.txt, in its order."""
    names, keywords = {}, {}
    for node in ElementTree.parse(ANNOTATIONS).getroot().iter("annotation"):
        if node.get("type") == "tts":
            names[node.text] = node.get("cp")
        else:
            keywords[node.get("cp")] = [word.strip() for word in node.text.split("|")]
    emojis = []
    for line in NAMES.read_text().splitlines():
        if line and not line.startswith("#"):
            known_as = [part.strip() for part in line.split("|")]
            text = names[known_as[0]]
            emojis.append(Emoji(known_as[0], text, known_as, keywords[text]))
    keep_distinct_keywords(emojis)
    return emojis


def keep_distinct_keywords(emojis):
    """Drops keywords that are shared, or that occur in a name of the set."""
    count = {}
    words_in_names = set()
    for emoji in emojis:
        for name in emoji.names:
            words_in_names.update([name.lower(), *name.lower().split()])
        for word in emoji.keywords:
            count[word] = count.get(word, 0) + 1
    for emoji in emojis:
        emoji.keywords = [
            word
            for word in emoji.keywords
            if count[word] == 1
            and not words_in_names & {word.lower(), *word.lower().split()}
        ]


def prompts(emoji):
    """Every training prompt of an emoji, its name first."""
    filled = [t.format(name) for name in emoji.names for t in TEMPLATES]
    return emoji.names + filled + emoji.keywords


def random_prompt(emoji, rng=random):
    """Mostly a bare name, else a name in a template, sometimes a CLDR keyword."""
    dice = rng.random()
    if dice < 0.12 and emoji.keywords:
        return rng.choice(emoji.keywords)
    name = emoji.name if rng.random() < 0.6 else rng.choice(emoji.names)
    return name if dice < 0.55 else rng.choice(TEMPLATES).format(name)


def render(text):
    """An emoji as [128, 128, 3] uint8 on white, as large as the square allows."""
    font = ImageFont.truetype(FONT, STRIKE)
    canvas = Image.new("RGBA", (2 * SIZE, 2 * SIZE), (255, 255, 255, 0))
    ImageDraw.Draw(canvas).text((0, 0), text, font=font, embedded_color=True)
    glyph = canvas.crop(canvas.getchannel("A").getbbox())
    glyph.thumbnail((SIZE - 8, SIZE - 8), Image.Resampling.LANCZOS)
    page = Image.new("RGBA", (SIZE, SIZE), "white")
    page.alpha_composite(
        glyph, ((SIZE - glyph.width) // 2, (SIZE - glyph.height) // 2)
    )
    return np.array(page.convert("RGB"))


def to_tensor(pixels):
    """[..., H, W, 3] uint8 -> [..., 3, H, W] float in -1..1."""
    return torch.from_numpy(pixels).movedim(-1, -3).float() / 127.5 - 1


def jitter(picture, rng, shift, zoom, mirror):
    """Moves, scales and maybe mirrors one [128, 128, 3] picture, on white."""
    image = Image.fromarray(picture)
    if mirror and rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    scale = rng.uniform(*zoom)
    side = round(SIZE * scale)
    image = image.resize((side, side), Image.Resampling.BICUBIC)
    page = Image.new("RGB", (SIZE, SIZE), "white")
    middle = (SIZE - side) // 2
    page.paste(
        image, (middle + rng.randint(-shift, shift), middle + rng.randint(-shift, shift))
    )
    return np.array(page)


def load_pictures(emojis):
    """[N, 128, 128, 3] uint8."""
    return np.stack([render(emoji.text) for emoji in emojis])


def write_names(emojis, path):
    """names.json: a list of {name, emoji, prompts}."""
    entries = [
        {"name": e.name, "emoji": e.text, "prompts": prompts(e)} for e in emojis
    ]
    Path(path).write_text(json.dumps(entries, ensure_ascii=False, indent=1) + "\n")


def contact_sheet(pictures, columns, side):
    """Puts [N, H, W, 3] uint8 pictures into a grid of side x side cells, on white."""
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * side, rows * side), "white")
    for i, picture in enumerate(pictures):
        cell = Image.fromarray(picture).resize((side, side), Image.Resampling.BOX)
        sheet.paste(cell, (i % columns * side, i // columns * side))
    return sheet
