"""Trains the UNet and the text encoder on cached latents, by the clock.

    python train.py --out run --vocabulary bpe_simple_vocab_16e6.txt.gz --minutes 75

Needs run/vae.pt of train_vae.py. Keeps run/state.pt (to go on after an interruption)
and run/ema.pt (what export.py reads).
"""

import argparse
import copy
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import data
import text
import unet
import vae
from train_vae import latents_of, schedule

BATCH = 24
LEARNING_RATE = 1e-3
VARIANTS = 8  # cached latents of each picture; the first is the picture as it is
SHARE_UNCHANGED = 0.7
SHARE_UNCONDITIONAL = 0.1
SHARE_NOISY_PROMPT = 0.15
TIME_POWER = 0.7  # below 1: more of the noisier time steps
UNKNOWN_ROWS = 1024  # stand for words that no training prompt has
EMA_DECAY = 0.999
SAVE_SECONDS = 180


def alphas_cumulative():
    """SD's noise schedule: 1000 products of 1 - beta, scaled linear betas."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, dim=0).float()


class Prompts:
    """Prompts as rows of a reduced token table.

    used: the token ids of all prompts; row i of the table is token used[i]. The
    UNKNOWN_ROWS rows after them stay as they began and stand for unknown words, so
    that the model learns to ignore those.
    """

    def __init__(self, emojis, tokeniser, rng):
        self.emojis, self.rng = emojis, rng
        everything = [p for emoji in emojis for p in data.prompts(emoji)]
        self.words = {p: tokeniser.words(p) for p in everything}
        used = {text.BEGIN, text.END}.union(*self.words.values())
        self.used = sorted(used)
        self.row = {token: i for i, token in enumerate(self.used)}
        self.rows = len(self.used) + UNKNOWN_ROWS

    def framed(self, rows):
        ends = [self.row[token] for token in text.frame([])]
        return [ends[0], *rows, *ends[1 + len(rows) :]]

    def unknown(self):
        return self.rng.randrange(len(self.used), self.rows)

    def draw(self, index):
        """77 rows for picture index; sometimes empty, sometimes with unknown words."""
        if self.rng.random() < SHARE_UNCONDITIONAL:
            count = self.rng.choice([0, 0, 0, 1, 2, 4])
            return self.framed([self.unknown() for _ in range(count)])
        prompt = data.random_prompt(self.emojis[index], self.rng)
        rows = [self.row[token] for token in self.words[prompt]]
        if self.rng.random() < SHARE_NOISY_PROMPT:
            for _ in range(self.rng.randint(1, 4)):
                place = self.rng.choice([0, len(rows)])
                rows.insert(place, self.unknown())
        return self.framed(rows)


def cache_latents(emojis, rng, weights):
    """[N, VARIANTS, 4, 16, 16], with SD1's scale."""
    model = vae.AutoencoderKL()
    model.load_state_dict(weights)
    pictures = data.load_pictures(emojis)
    variants = [pictures]
    for _ in range(VARIANTS - 1):
        changed = [
            data.jitter(p, rng, 4, (0.92, 1.0), e.name not in data.MIRROR_UNSAFE)
            for p, e in zip(pictures, emojis)
        ]
        variants.append(np.stack(changed))
    latents = [latents_of(model, variant) for variant in variants]
    return torch.stack(latents, dim=1) * vae.LATENT_SCALE


def draw_batch(latents, prompts, rng):
    """Latents [B, 4, 16, 16] and token rows [B, 77]."""
    chosen = [rng.randrange(len(latents)) for _ in range(BATCH)]
    variants = [
        0 if rng.random() < SHARE_UNCHANGED else rng.randrange(1, VARIANTS)
        for _ in chosen
    ]
    rows = torch.tensor([prompts.draw(i) for i in chosen])
    return latents[chosen, variants], rows


def loss_of(model, x, rows, t, noise, alphas):
    a = alphas[t][:, None, None, None]
    noisy = a.sqrt() * x + (1 - a).sqrt() * noise
    with torch.autocast("cpu", dtype=torch.bfloat16):
        context = model["text"](rows)
        predicted = model["unet"](noisy, t, context)
    return F.mse_loss(predicted.float(), noise)


@torch.no_grad()
def update_average(average, model, step):
    decay = min(EMA_DECAY, (1 + step) / (10 + step))
    torch._foreach_lerp_(
        list(average.parameters()), list(model.parameters()), 1 - decay
    )


def save(path, content):
    """Writes beside, then renames: an interruption leaves the old file whole."""
    torch.save(content, path.with_suffix(".new"))
    path.with_suffix(".new").rename(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--vocabulary", required=True)
    parser.add_argument("--minutes", type=float, default=75)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    rng = random.Random(1)

    emojis = data.load_emojis()
    prompts = Prompts(emojis, text.Tokeniser(args.vocabulary), rng)
    cache = args.out / "latents.pt"
    if not cache.exists():
        save(cache, cache_latents(emojis, rng, torch.load(args.out / "vae.pt")))
    latents = torch.load(cache)
    print(f"latents {tuple(latents.shape)} std {latents.std():.3f}", flush=True)

    model = torch.nn.ModuleDict(
        {"unet": unet.UNet(), "text": text.TextModel(prompts.rows)}
    )
    print(f"{sum(p.numel() for p in model['unet'].parameters())} in the UNet", flush=True)
    table = model["text"].text_model["embeddings"]["token_embedding"].weight
    known = (torch.arange(prompts.rows) < len(prompts.used)).float()[:, None]
    table.register_hook(lambda gradient: gradient * known)
    others = [p for p in model.parameters() if p is not table]
    optimiser = torch.optim.AdamW(
        [
            {"params": others, "weight_decay": 0.01},
            {"params": [table], "weight_decay": 0},
        ],
        lr=LEARNING_RATE,
        betas=(0.9, 0.99),
        fused=True,
    )
    average = copy.deepcopy(model)
    state_path, step, spent = args.out / "state.pt", 0, 0.0
    if state_path.exists():
        state = torch.load(state_path)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        step, spent = state["step"], state["spent"]

    def snapshot():
        save(
            state_path,
            {
                "model": model.state_dict(),
                "average": average.state_dict(),
                "optimiser": optimiser.state_dict(),
                "step": step,
                "spent": time.time() - start,
            },
        )
        save(args.out / "ema.pt", {"average": average.state_dict(), "used": prompts.used})

    alphas = alphas_cumulative()
    start = time.time() - spent
    saved, recent, progress = time.time(), [], 0.0
    while progress < 1:
        progress = (time.time() - start) / (60 * args.minutes)
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * schedule(progress)
        x, rows = draw_batch(latents, prompts, rng)
        t = (1000 * torch.rand(BATCH) ** TIME_POWER).long()
        loss = loss_of(model, x, rows, t, torch.randn_like(x), alphas)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step += 1
        update_average(average, model, step)
        recent.append(loss.item())
        if step % 200 == 0:
            print(f"{progress:.3f} step {step} loss {np.mean(recent):.4f}", flush=True)
            recent.clear()
        if time.time() - saved > SAVE_SECONDS:
            snapshot()
            saved = time.time()
    snapshot()


if __name__ == "__main__":
    main()
