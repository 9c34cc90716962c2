"""Samples from the exported checkpoint and compares with the reference emoji.

    python sample.py --demo ../../demo --vocabulary bpe_simple_vocab_16e6.txt.gz \
        --sheet sheet.png --count 50
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

import data
import text
import unet
import vae
from export import CHECKPOINT
from train import alphas_cumulative

MODULES = {
    "model.diffusion_model.": unet.UNet,
    "first_stage_model.": vae.AutoencoderKL,
    "cond_stage_model.transformer.": text.TextModel,
}


def load(path):
    """UNet, autoencoder and text model with the file's weights, in float32."""
    tensors = load_file(path)
    models = []
    for prefix, make in MODULES.items():
        part = {
            name.removeprefix(prefix): tensor.float()
            for name, tensor in tensors.items()
            if name.startswith(prefix)
        }
        model = make()
        model.load_state_dict(part)
        models.append(model.eval())
    return models


def sigmas(steps):
    """steps + 1 noise levels: evenly spaced time steps, then 0; and the time steps."""
    t = torch.linspace(999, 0, steps)
    a = alphas_cumulative()
    log_sigma = (((1 - a) / a) ** 0.5).log()
    low = t.floor().long()
    high = (low + 1).clamp(max=999)
    sigma = torch.lerp(log_sigma[low], log_sigma[high], t - low).exp()
    return torch.cat([sigma, torch.zeros(1)]), t


@torch.no_grad()
def sample(models, tokeniser, prompts, steps, cfg, seed, negative=""):
    """Euler's method: prompts -> pictures [N, 128, 128, 3] uint8."""
    net, autoencoder, text_model = models
    ids = [tokeniser.encode(p) for p in prompts] + [tokeniser.encode(negative)]
    context = text_model(torch.tensor(ids))
    empty = context[-1:].expand(len(prompts), -1, -1)
    both = torch.cat([context[:-1], empty])
    levels, times = sigmas(steps)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(len(prompts), 4, 16, 16, generator=generator)
    x = x * (1 + levels[0] ** 2).sqrt()
    for i, t in enumerate(times):
        scaled = x / (levels[i] ** 2 + 1).sqrt()
        eps, eps_empty = net(
            torch.cat([scaled, scaled]), t.expand(2 * len(prompts)), both
        ).chunk(2)
        x = x + (levels[i + 1] - levels[i]) * (eps_empty + cfg * (eps - eps_empty))
    y = autoencoder.decode(x / vae.LATENT_SCALE)
    return ((y.clamp(-1, 1) + 1) * 127.5).round().byte().movedim(1, -1).numpy()


def small(pictures):
    """[N, 128, 128, 3] uint8 -> [N, 32 * 32 * 3] float: what is compared."""
    side = (32, 32)
    shrunk = [Image.fromarray(p).resize(side, Image.Resampling.BOX) for p in pictures]
    return np.stack([np.asarray(p, dtype=np.float32).ravel() for p in shrunk])


def nearest(pictures, references):
    """Index of the nearest reference (L2) of each picture."""
    a, b = small(pictures), small(references)
    return ((a[:, None] - b[None]) ** 2).sum(-1).argmin(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", type=Path, required=True)
    parser.add_argument("--vocabulary", required=True)
    parser.add_argument("--sheet", required=True)
    parser.add_argument("--prompt", default="{}", help="{} stands for the name")
    parser.add_argument("--negative", default="")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--cfg", type=float, default=4.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    emojis = data.load_emojis()
    references = data.load_pictures(emojis)
    chosen = np.linspace(0, len(emojis) - 1, args.count).round().astype(int)
    names = [emojis[i].name for i in chosen]
    pictures = sample(
        load(args.demo / CHECKPOINT), text.Tokeniser(args.vocabulary),
        [args.prompt.format(name) for name in names],
        args.steps, args.cfg, args.seed, args.negative,
    )
    data.contact_sheet(pictures, 10, 128).save(args.sheet)
    found = nearest(pictures, references)
    for name, i, j in zip(names, chosen, found):
        if i != j:
            print(f"{name}: nearest is {emojis[j].name}")
    print(f"nearest to its own: {(found == chosen).mean():.1%} of {len(names)}")


if __name__ == "__main__":
    main()
