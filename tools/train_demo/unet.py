"""The noise predictor in the SD1 (LDM) UNet layout, in small.

Module names are chosen so that state_dict() gives the checkpoint's names
below `model.diffusion_model.`.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

MODEL_CHANNELS = 64
CHANNELS = (64, 96, 96, 96)
ATTENTION_LEVELS = 3  # the finest levels that have a transformer block
CONTEXT_WIDTH = 128
HEADS = 8
TIME_WIDTH = 4 * MODEL_CHANNELS


def timestep_embedding(t):
    """[B] -> [B, MODEL_CHANNELS]: cosines, then sines."""
    half = MODEL_CHANNELS // 2
    frequencies = torch.exp(-math.log(10000) / half * torch.arange(half))
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class ResBlock(nn.Module):
    """[B, c_in, H, W] and time embedding [B, TIME_WIDTH] -> [B, c_out, H, W]."""

    def __init__(self, c_in, c_out):
        super().__init__()
        self.in_layers = nn.Sequential(
            nn.GroupNorm(32, c_in), nn.SiLU(), nn.Conv2d(c_in, c_out, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(TIME_WIDTH, c_out))
        last = nn.Conv2d(c_out, c_out, 3, padding=1)
        # Identity stands where LDM has its dropout, so that the indices agree.
        self.out_layers = nn.Sequential(
            nn.GroupNorm(32, c_out), nn.SiLU(), nn.Identity(), zeroed(last)
        )
        if c_in == c_out:
            self.skip_connection = nn.Identity()
        else:
            self.skip_connection = nn.Conv2d(c_in, c_out, 1)

    def forward(self, x, emb):
        h = self.in_layers(x) + self.emb_layers(emb)[:, :, None, None]
        return self.skip_connection(x) + self.out_layers(h)


def zeroed(layer):
    """Starts a residual branch at zero."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class Attention(nn.Module):
    """[B, N, width] attends to [B, M, context_width]; HEADS heads whatever the width.

    Written out, since the backward pass of PyTorch's fused CPU attention is slow.
    """

    def __init__(self, width, context_width):
        super().__init__()
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context_width, width, bias=False)
        self.to_v = nn.Linear(context_width, width, bias=False)
        self.to_out = nn.Sequential(nn.Linear(width, width))

    def forward(self, x, context):
        q, k, v = (
            h.unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for h in (self.to_q(x), self.to_k(context), self.to_v(context))
        )
        weights = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        with torch.autocast("cpu", enabled=False):  # else the softmax runs in float32
            weights = weights.softmax(dim=-1)
        h = weights @ v
        return self.to_out(h.transpose(1, 2).flatten(2))


class GEGLU(nn.Module):
    """[..., width] -> [..., 4 * width]."""

    def __init__(self, width):
        super().__init__()
        self.proj = nn.Linear(width, 8 * width)

    def forward(self, x):
        x, gate = self.proj(x).chunk(2, dim=-1)
        return x * F.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.net = nn.Sequential(
            GEGLU(width), nn.Identity(), nn.Linear(4 * width, width)
        )

    def forward(self, x):
        return self.net(x)


class TransformerBlock(nn.Module):
    """[B, N, width] with context [B, 77, CONTEXT_WIDTH] -> [B, N, width]."""

    def __init__(self, width):
        super().__init__()
        self.attn1 = Attention(width, width)
        self.ff = FeedForward(width)
        self.attn2 = Attention(width, CONTEXT_WIDTH)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.norm3 = nn.LayerNorm(width)

    def forward(self, x, context):
        h = self.norm1(x)
        x = x + self.attn1(h, h)
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


class SpatialTransformer(nn.Module):
    """[B, C, H, W] with context -> [B, C, H, W]; 1x1 convolutions around, as in SD1."""

    def __init__(self, channels):
        super().__init__()
        self.norm = nn.GroupNorm(32, channels, eps=1e-6)
        self.proj_in = nn.Conv2d(channels, channels, 1)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(channels)])
        self.proj_out = zeroed(nn.Conv2d(channels, channels, 1))

    def forward(self, x, context):
        height, width = x.shape[-2:]
        h = self.proj_in(self.norm(x)).flatten(2).transpose(1, 2)
        h = self.transformer_blocks[0](h, context).transpose(1, 2)
        return x + self.proj_out(h.unflatten(2, (height, width)))


class Downsample(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x):
        return self.op(x)


class Upsample(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


class Stage(nn.Sequential):
    """Layers in a row, each given what it needs besides the picture."""

    def forward(self, x, emb, context):
        for layer in self:
            if isinstance(layer, ResBlock):
                x = layer(x, emb)
            elif isinstance(layer, SpatialTransformer):
                x = layer(x, context)
            else:
                x = layer(x)
        return x


class UNet(nn.Module):
    """Noisy latent [B, 4, H, W] (H and W multiples of 8), time step [B], context
    [B, 77, CONTEXT_WIDTH] -> the noise in the latent."""

    def __init__(self):
        super().__init__()
        self.time_embed = nn.Sequential(
            nn.Linear(MODEL_CHANNELS, TIME_WIDTH),
            nn.SiLU(),
            nn.Linear(TIME_WIDTH, TIME_WIDTH),
        )
        c = CHANNELS[0]
        self.input_blocks = nn.ModuleList([Stage(nn.Conv2d(4, c, 3, padding=1))])
        skips = [c]
        for level, c_out in enumerate(CHANNELS):
            self.input_blocks.append(Stage(*residual(c, c_out, level)))
            c = c_out
            skips.append(c)
            if level < len(CHANNELS) - 1:
                self.input_blocks.append(Stage(Downsample(c)))
                skips.append(c)
        self.middle_block = Stage(ResBlock(c, c), SpatialTransformer(c), ResBlock(c, c))
        self.output_blocks = nn.ModuleList()
        for level in reversed(range(len(CHANNELS))):
            for i in range(2):
                layers = residual(c + skips.pop(), CHANNELS[level], level)
                c = CHANNELS[level]
                if level > 0 and i == 1:
                    layers.append(Upsample(c))
                self.output_blocks.append(Stage(*layers))
        self.out = nn.Sequential(
            nn.GroupNorm(32, c), nn.SiLU(), zeroed(nn.Conv2d(c, 4, 3, padding=1))
        )

    def forward(self, x, t, context):
        emb = self.time_embed(timestep_embedding(t))
        skips = []
        for stage in self.input_blocks:
            x = stage(x, emb, context)
            skips.append(x)
        x = self.middle_block(x, emb, context)
        for stage in self.output_blocks:
            x = stage(torch.cat([x, skips.pop()], dim=1), emb, context)
        return self.out(x)


def residual(c_in, c_out, level):
    """A residual block, with a transformer after it on the finer levels."""
    if level < ATTENTION_LEVELS:
        return [ResBlock(c_in, c_out), SpatialTransformer(c_out)]
    return [ResBlock(c_in, c_out)]
