"""Goes on training the decoder alone, on whole pictures, by the clock.

    python tune_decoder.py --out run --minutes 12

The latents stay what they are, so this may run after train.py, or beside it. A little
noise on the latents makes the decoder forgive the sampler's errors.
"""

import argparse
import random
import time
from pathlib import Path

import numpy as np
import torch

import data
import vae
from train_vae import gradient_loss, latents_of, schedule

BATCH = 4
LEARNING_RATE = 6e-4
VARIANTS = 4
LATENT_NOISE = 0.05 / vae.LATENT_SCALE


def cache_pairs(model, pictures, rng):
    """Pictures [M, 128, 128, 3] uint8, jittered and not, and latents [M, 4, 16, 16]."""
    variants = [pictures] + [
        np.stack([data.jitter(p, rng, 4, (0.92, 1.0), True) for p in pictures])
        for _ in range(VARIANTS - 1)
    ]
    everything = np.concatenate(variants)
    return everything, torch.no_grad()(latents_of)(model, everything)


def loss_of(model, z, x):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = model.decode(z).float()
    l1, l2 = (y - x).abs().mean(), (y - x).square().mean()
    return l1 + l2 + 0.5 * gradient_loss(y, x), l1, l2


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=12)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(2)
    rng = random.Random(2)

    model = vae.AutoencoderKL()
    model.load_state_dict(torch.load(args.out / "vae.pt"))
    pictures, latents = cache_pairs(model, data.load_pictures(data.load_emojis()), rng)
    weights = [*model.decoder.parameters(), *model.post_quant_conv.parameters()]
    optimiser = torch.optim.AdamW(
        weights, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=1e-4, fused=True
    )
    compiled_loss = torch.compile(loss_of, dynamic=False)
    start, step, progress, recent = time.time(), 0, 0.0, []
    while progress < 1:
        progress = (time.time() - start) / (60 * args.minutes)
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * schedule(progress)
        chosen = [rng.randrange(len(latents)) for _ in range(BATCH)]
        z = latents[chosen]
        z = z + LATENT_NOISE * torch.randn_like(z)
        loss, l1, l2 = compiled_loss(model, z, data.to_tensor(pictures[chosen]))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        step += 1
        recent.append([loss.item(), l1.item(), l2.item()])
        if step % 50 == 0:
            figures = " ".join(f"{x:.4f}" for x in np.mean(recent, axis=0))
            print(f"{progress:.3f} step {step} loss l1 l2: {figures}", flush=True)
            recent.clear()
    torch.save(model.state_dict(), args.out / "vae.pt")


if __name__ == "__main__":
    main()
