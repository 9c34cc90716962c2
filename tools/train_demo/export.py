"""Writes the trained parts as one float16 SD1 checkpoint, with names and references.

    python export.py --out run --demo ../../demo
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file

import data
import text

CHECKPOINT = "models/checkpoints/easel-demo.safetensors"
REFERENCE_COLUMNS, REFERENCE_SIDE = 10, 32


def full_token_table(rows, used):
    """[len(used) + unknown, WIDTH] -> [VOCABULARY, WIDTH]: the trained rows at their
    tokens, all others small and random."""
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(text.VOCABULARY, text.WIDTH, generator=generator)
    table *= text.EMBEDDING_STD
    table[used] = rows[: len(used)]
    return table


def checkpoint(vae_weights, trained):
    """The tensors under SD1's names, float16."""
    tensors = {f"first_stage_model.{k}": v for k, v in vae_weights.items()}
    prefixes = {
        "unet": "model.diffusion_model",
        "text": "cond_stage_model.transformer",
    }
    for key, tensor in trained["average"].items():
        part, name = key.split(".", 1)
        if name.endswith("token_embedding.weight"):
            tensor = full_token_table(tensor, trained["used"])
        tensors[f"{prefixes[part]}.{name}"] = tensor
    return {name: t.half().contiguous() for name, t in tensors.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--demo", type=Path, required=True)
    args = parser.parse_args()
    path = args.demo / CHECKPOINT
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = checkpoint(
        torch.load(args.out / "vae.pt"), torch.load(args.out / "ema.pt")
    )
    save_file(tensors, path)
    print(f"{path}: {len(tensors)} tensors, {path.stat().st_size / 1e6:.1f} MB")

    emojis = data.load_emojis()
    data.write_names(emojis, args.demo / "names.json")
    sheet = data.contact_sheet(
        data.load_pictures(emojis), REFERENCE_COLUMNS, REFERENCE_SIDE
    )
    sheet.save(args.demo / "references.png", optimize=True)


if __name__ == "__main__":
    main()
