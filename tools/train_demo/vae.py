"""AutoencoderKL in the SD1 (LDM) layout: 8x smaller pictures, 4 latent channels.

Module names are chosen so that state_dict() gives the checkpoint's names
below `first_stage_model.`.
"""

import torch
import torch.nn.functional as F
from torch import nn

CHANNELS = (64, 64, 96, 96)
LATENT_CHANNELS = 4
LATENT_SCALE = 0.18215


def group_norm(channels):
    """SD always uses 32 groups, hence no normed layer has fewer than 64 channels."""
    return nn.GroupNorm(32, channels, eps=1e-6)


class ResnetBlock(nn.Module):
    """[B, c_in, H, W] -> [B, c_out, H, W]."""

    def __init__(self, c_in, c_out):
        super().__init__()
        self.norm1 = group_norm(c_in)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.norm2 = group_norm(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1)
        if c_in != c_out:
            self.nin_shortcut = nn.Conv2d(c_in, c_out, 1)
        else:
            self.nin_shortcut = None

    def forward(self, x):
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (x if self.nin_shortcut is None else self.nin_shortcut(x))


class AttnBlock(nn.Module):
    """Single-head self-attention over all H*W positions, with 1x1 convolutions."""

    def __init__(self, channels):
        super().__init__()
        self.norm = group_norm(channels)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        b, c, height, width = x.shape
        h = self.norm(x)
        q, k, v = (
            layer(h).flatten(2).transpose(1, 2) for layer in (self.q, self.k, self.v)
        )
        h = F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        return x + self.proj_out(h.transpose(1, 2).reshape(b, c, height, width))


class Downsample(nn.Module):
    """Halves H and W; pads only on the right and at the bottom, as LDM does."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x):
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Doubles H and W: nearest neighbour, then a convolution."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


def middle(channels):
    return nn.ModuleDict(
        {
            "block_1": ResnetBlock(channels, channels),
            "attn_1": AttnBlock(channels),
            "block_2": ResnetBlock(channels, channels),
        }
    )


class Encoder(nn.Module):
    """Picture [B, 3, H, W] in -1..1 -> moments [B, 8, H/8, W/8]."""

    def __init__(self):
        super().__init__()
        self.conv_in = nn.Conv2d(3, CHANNELS[0], 3, padding=1)
        self.down = nn.ModuleList()
        c = CHANNELS[0]
        for level, c_out in enumerate(CHANNELS):
            stage = nn.ModuleDict({"block": nn.ModuleList([ResnetBlock(c, c_out)])})
            c = c_out
            if level < len(CHANNELS) - 1:
                stage["downsample"] = Downsample(c)
            self.down.append(stage)
        self.mid = middle(c)
        self.norm_out = group_norm(c)
        self.conv_out = nn.Conv2d(c, 2 * LATENT_CHANNELS, 3, padding=1)

    def forward(self, x):
        h = self.conv_in(x)
        for stage in self.down:
            h = stage["block"][0](h)
            if "downsample" in stage:
                h = stage["downsample"](h)
        for layer in self.mid.values():
            h = layer(h)
        return self.conv_out(F.silu(self.norm_out(h)))


class Decoder(nn.Module):
    """Latent [B, 4, h, w] (after post_quant_conv) -> picture [B, 3, 8h, 8w]."""

    def __init__(self):
        super().__init__()
        c = CHANNELS[-1]
        self.conv_in = nn.Conv2d(LATENT_CHANNELS, c, 3, padding=1)
        self.mid = middle(c)
        stages = []
        for level in reversed(range(len(CHANNELS))):
            c_out = CHANNELS[level]
            blocks = [ResnetBlock(c, c_out), ResnetBlock(c_out, c_out)]
            stage = nn.ModuleDict({"block": nn.ModuleList(blocks)})
            c = c_out
            if level > 0:
                stage["upsample"] = Upsample(c)
            stages.insert(0, stage)
        self.up = nn.ModuleList(stages)
        self.norm_out = group_norm(c)
        self.conv_out = nn.Conv2d(c, 3, 3, padding=1)

    def forward(self, z):
        h = self.conv_in(z)
        for layer in self.mid.values():
            h = layer(h)
        for stage in reversed(self.up):
            for block in stage["block"]:
                h = block(h)
            if "upsample" in stage:
                h = stage["upsample"](h)
        return self.conv_out(F.silu(self.norm_out(h)))


class AutoencoderKL(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()
        self.quant_conv = nn.Conv2d(2 * LATENT_CHANNELS, 2 * LATENT_CHANNELS, 1)
        self.post_quant_conv = nn.Conv2d(LATENT_CHANNELS, LATENT_CHANNELS, 1)

    def encode(self, x):
        """[B, 3, H, W] -> mean and log-variance, each [B, 4, H/8, W/8]."""
        mean, log_variance = self.quant_conv(self.encoder(x)).chunk(2, dim=1)
        return mean, log_variance.clamp(-30, 20)

    def decode(self, z):
        """[B, 4, h, w] -> [B, 3, 8h, 8w]."""
        return self.decoder(self.post_quant_conv(z))

    @torch.no_grad()
    def normalise_latents(self, mean, std):
        """Folds (z - mean) / (std * LATENT_SCALE) into quant_conv, and the inverse
        into post_quant_conv, so that SD1's fixed scale gives unit variance.

        mean, std: [4], measured on the latents before this call.
        """
        n = LATENT_CHANNELS
        scale = 1.0 / (std * LATENT_SCALE)
        back = self.post_quant_conv
        back.bias += back.weight[:, :, 0, 0] @ mean
        back.weight /= scale[None, :, None, None]
        there = self.quant_conv
        there.weight[:n] *= scale[:, None, None, None]
        there.bias[:n] = (there.bias[:n] - mean) * scale
        there.bias[n:] += 2 * scale.log()
