"""Trains the autoencoder on random crops, by the clock.

torch.compile matters: PyTorch's own CPU GroupNorm backward is most of the time.

    python train_vae.py --out run --minutes 25
"""

import argparse
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import data
import vae

CROP = 64
BATCH = 16
WHOLE_BATCH = 4  # whole pictures cost four crops each
WHOLE_SHARE = 0.25  # of the time, at the end, with whole pictures
LEARNING_RATE = 1e-3
KL_WEIGHT = 2e-4
WARM_UP = 0.02


def make_batch(pictures, rng, whole):
    """[B, 3, S, S] in -1..1, S = 128 or 64."""
    batch = []
    for _ in range(WHOLE_BATCH if whole else BATCH):
        picture = data.jitter(
            pictures[rng.randrange(len(pictures))], rng, 8, (0.9, 1.0), True
        )
        if not whole:
            top, left = rng.randint(0, 128 - CROP), rng.randint(0, 128 - CROP)
            picture = picture[top : top + CROP, left : left + CROP]
        batch.append(picture)
    return data.to_tensor(np.stack(batch))


def gradient_loss(a, b):
    """L1 of the horizontal and vertical differences, at two scales: keeps edges sharp."""
    loss = 0.0
    for _ in range(2):
        d = a - b
        loss = loss + (d[..., 1:] - d[..., :-1]).abs().mean()
        loss = loss + (d[..., 1:, :] - d[..., :-1, :]).abs().mean()
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    return loss


def loss_of(model, x):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mean, log_variance = model.encode(x)
        mean, log_variance = mean.float(), log_variance.float()
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        y = model.decode(z)
    y = y.float()
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
    l1, l2 = (y - x).abs().mean(), (y - x).square().mean()
    return l1 + l2 + 0.5 * gradient_loss(y, x) + KL_WEIGHT * kl, l1, l2, kl


@torch.no_grad()
def latents_of(model, pictures):
    """Means of the latents of [N, 128, 128, 3] pictures: [N, 4, 16, 16]."""
    parts = np.array_split(pictures, len(pictures) // 8 + 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        means = [model.encode(data.to_tensor(part))[0] for part in parts]
    return torch.cat(means).float()


def schedule(progress):
    """Learning rate factor for 0 <= progress <= 1: warm-up, then cosine to 0."""
    decay = 0.5 + 0.5 * np.cos(np.pi * min(progress, 1.0))
    return float(min(progress / WARM_UP, 1.0) * decay)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=25)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    partial = args.out / "vae_partial.pt"  # an interrupted run goes on from here
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    rng = random.Random(0)

    pictures = data.load_pictures(data.load_emojis())
    model = vae.AutoencoderKL()
    if partial.exists():
        model.load_state_dict(torch.load(partial))
    compiled_loss = torch.compile(loss_of, dynamic=False)
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)
    optimiser = torch.optim.AdamW(
        model.parameters(),
        lr=LEARNING_RATE,
        betas=(0.9, 0.98),
        weight_decay=1e-4,
        fused=True,
    )
    start, step, progress = time.time(), 0, 0.0
    while progress < 1:
        progress = (time.time() - start) / (60 * args.minutes)
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * schedule(progress)
        whole = progress > 1 - WHOLE_SHARE
        loss, l1, l2, kl = compiled_loss(model, make_batch(pictures, rng, whole))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step += 1
        if step % 50 == 0:
            figures = " ".join(f"{x.item():.4f}" for x in (loss, l1, l2, kl))
            print(f"{progress:.3f} step {step} loss l1 l2 kl: {figures}", flush=True)
        if step % 500 == 0:
            torch.save(model.state_dict(), partial)

    z = latents_of(model, pictures)
    model.normalise_latents(z.mean(dim=(0, 2, 3)), z.std(dim=(0, 2, 3)))
    z = latents_of(model, pictures) * vae.LATENT_SCALE
    print(f"scaled latents: mean {z.mean():.3f} std {z.std():.3f}", flush=True)
    torch.save(model.state_dict(), args.out / "vae.pt")


if __name__ == "__main__":
    main()
