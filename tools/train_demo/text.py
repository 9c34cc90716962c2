"""CLIP's tokeniser and a small CLIP text transformer, in SD1's layout.

TextModel's state_dict() gives the checkpoint's names below
`cond_stage_model.transformer.`.
"""

import gzip
import re

import torch
import torch.nn.functional as F
from torch import nn

LENGTH = 77
BEGIN, END = 49406, 49407
VOCABULARY = 49408
WIDTH = 128
HEADS = 2
LAYERS = 2
EMBEDDING_STD = 0.02


def printable_bytes():
    """Byte -> the character that stands for it in the vocabulary, in its order."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {byte: chr(byte) for byte in kept}
    for byte in range(256):
        if byte not in table:
            table[byte] = chr(256 + len(table) - len(kept))
    return table


class Tokeniser:
    """Byte pair encoding with CLIP's merges (bpe_simple_vocab_16e6.txt.gz)."""

    WORDS = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|(?:[^\s\w]|_)+")

    def __init__(self, path):
        lines = gzip.open(path, "rt", encoding="utf-8").read().split("\n")
        merges = [tuple(line.split()) for line in lines[1 : 49152 - 256 - 2 + 1]]
        self.bytes = printable_bytes()
        symbols = list(self.bytes.values())
        symbols += [symbol + "</w>" for symbol in symbols]
        symbols += ["".join(pair) for pair in merges]
        self.ids = {symbol: i for i, symbol in enumerate(symbols)}
        self.ranks = {pair: i for i, pair in enumerate(merges)}

    def split(self, word):
        """The symbols of one word, after all merges."""
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            pairs = list(zip(parts, parts[1:]))
            best = min(pairs, key=lambda pair: self.ranks.get(pair, len(self.ranks)))
            if best not in self.ranks:
                break
            i = pairs.index(best)
            parts[i : i + 2] = ["".join(best)]
        return parts

    def words(self, prompt):
        """Token ids without begin and end."""
        ids = []
        for word in self.WORDS.findall(" ".join(prompt.lower().split())):
            symbols = "".join(self.bytes[byte] for byte in word.encode())
            ids += [self.ids[part] for part in self.split(symbols)]
        return ids

    def encode(self, prompt):
        """LENGTH token ids: begin, words, then end to fill up."""
        return frame(self.words(prompt))


def frame(ids):
    """Token ids -> LENGTH ids with begin, and with end as padding, as CLIP-L pads."""
    ids = ids[: LENGTH - 2]
    return [BEGIN, *ids, *[END] * (LENGTH - 1 - len(ids))]


class SelfAttention(nn.Module):
    """Causal: [B, 77, WIDTH] -> [B, 77, WIDTH]."""

    def __init__(self):
        super().__init__()
        self.q_proj = nn.Linear(WIDTH, WIDTH)
        self.k_proj = nn.Linear(WIDTH, WIDTH)
        self.v_proj = nn.Linear(WIDTH, WIDTH)
        self.out_proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        q, k, v = (
            layer(x).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        h = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out_proj(h.transpose(1, 2).flatten(2))


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(WIDTH, 4 * WIDTH)
        self.fc2 = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        h = self.fc1(x)
        return self.fc2(h * torch.sigmoid(1.702 * h))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(WIDTH)
        self.self_attn = SelfAttention()
        self.layer_norm2 = nn.LayerNorm(WIDTH)
        self.mlp = MLP()

    def forward(self, x):
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class TextModel(nn.Module):
    """Token ids [B, 77] -> context [B, 77, WIDTH].

    rows is the number of token embeddings: training keeps only those it needs.
    """

    def __init__(self, rows=VOCABULARY):
        super().__init__()
        embeddings = {
            "token_embedding": nn.Embedding(rows, WIDTH),
            "position_embedding": nn.Embedding(LENGTH, WIDTH),
        }
        for table in embeddings.values():
            nn.init.normal_(table.weight, std=EMBEDDING_STD)
        self.text_model = nn.ModuleDict(
            {
                "embeddings": nn.ModuleDict(embeddings),
                "encoder": nn.ModuleDict(
                    {"layers": nn.ModuleList(Layer() for _ in range(LAYERS))}
                ),
                "final_layer_norm": nn.LayerNorm(WIDTH),
            }
        )

    def forward(self, ids):
        tables = self.text_model["embeddings"]
        x = tables["token_embedding"](ids) + tables["position_embedding"].weight
        for layer in self.text_model["encoder"]["layers"]:
            x = layer(x)
        return self.text_model["final_layer_norm"](x)
