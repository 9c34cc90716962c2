"""Writes tests/formats/data: torch.save files and, as safetensors, what must be read from them. Needs torch, safetensors, gguf."""
import argparse
import collections
import os
import pathlib

import gguf
import numpy
import torch
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).parent / "data"


class Callback:
    def __init__(self):
        self.best = torch.zeros(2)


class Evil:
    def __reduce__(self):
        return (os.system, ("touch /tmp/easel-was-fooled",))


def save(value, name, legacy=False):
    torch.save(value, OUT / name, _use_new_zipfile_serialization=not legacy)


# Where in a block of these types the float16 scales lie; the rest may be any bits.
SCALES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2],
          "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0]}


def save_gguf():
    """One tensor of each packed type, 2 rows of 512, and in quantised.safetensors the numbers they stand for."""
    random = numpy.random.default_rng(0)
    writer = gguf.GGUFWriter(OUT / "quantised.gguf", "flux")
    writer.add_uint32("a.count", 7)
    writer.add_float32("a.half", 0.5)
    writer.add_bool("a.yes", True)
    writer.add_int64("a.least", -2**63)
    writer.add_array("a.shape", [2, 512])
    writer.add_array("a.words", ["fox", "狐"])
    numbers = {}
    for name, scales in SCALES.items():
        kind = gguf.GGMLQuantizationType[name]
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = random.integers(0, 256, (2, 512 // elements, size), dtype=numpy.uint8)
        for at in scales:
            blocks[..., at:at + 2] = random.uniform(-1, 1, blocks.shape[:2] + (1,)).astype(numpy.float16).view(numpy.uint8)
        packed = blocks.reshape(2, -1)
        writer.add_tensor(f"packed.{name}", packed, raw_dtype=kind)
        numbers[f"packed.{name}"] = torch.from_numpy(gguf.quants.dequantize(packed, kind).copy())
    plain = torch.arange(6, dtype=torch.float32).reshape(1, 2, 3) / 7
    for name, value in {"f32": plain.numpy(), "f16": plain.half().numpy(), "i32": plain.int().numpy()}.items():
        writer.add_tensor(name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(numbers, OUT / "quantised.safetensors")


def main():
    OUT.mkdir(exist_ok=True)
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 7
    dtypes = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]
    tensors = {f"of.{d}": (torch.arange(6) - (0 if d == "uint8" else 2)).to(getattr(torch, d)).reshape(2, 3) for d in dtypes}
    tensors |= {"transposed": base.t(), "slice": base[1:3, 2:5], "shared": base, "expanded": torch.tensor([1.5]).expand(3, 2),
                "scalar": torch.tensor(3.25), "empty": torch.zeros(0, 4), "parameter": torch.nn.Parameter(torch.ones(3))}
    expected = {k: v.detach().clone().contiguous() for k, v in tensors.items()}
    save_file(expected, OUT / "tensors.safetensors", metadata={"format": "pt"})
    nested = {"of": {k[3:]: v for k, v in tensors.items() if k.startswith("of.")}, **{k: v for k, v in tensors.items() if not k.startswith("of.")}}
    save(nested, "nested.pt")
    save(nested, "nested_legacy.pt", legacy=True)
    torch.save(nested, OUT / "nested_protocol4.pt", pickle_protocol=4)

    narrow = {"e4m3": torch.tensor([1.0, -2.5, 448.0]).to(torch.float8_e4m3fn), "e5m2": torch.tensor([1.0, -2.5, 57344.0]).to(torch.float8_e5m2),
              "u16": torch.tensor([1, 65535], dtype=torch.uint16)}
    save(narrow, "fp8.pt")
    save_file(narrow, OUT / "fp8.safetensors")

    module = torch.nn.Sequential(collections.OrderedDict(conv=torch.nn.Conv2d(1, 2, 3), norm=torch.nn.BatchNorm2d(2)))
    weights = module.state_dict()
    save_file(dict(weights), OUT / "module.safetensors")
    lightning = {"epoch": 3, "global_step": 470000, "pytorch-lightning_version": "1.4.2", "state_dict": weights,
                 "callbacks": {Callback: Callback()}, "hyper_parameters": argparse.Namespace(lr=1e-4), "loops": None}
    save(lightning, "lightning.ckpt")
    save(lightning, "lightning_legacy.ckpt", legacy=True)
    save({"params_ema": weights, "params": {"x": torch.zeros(1)}}, "upscaler.pth")
    save({"only": weights}, "single.pth")
    save(module, "whole_module.pt")
    save({"state_dict": {"w": torch.ones(1), "object": Callback()}}, "opaque_inside.ckpt")

    vector = torch.arange(8, dtype=torch.float32).reshape(2, 4)
    save({"string_to_token": {"*": 265}, "string_to_param": {"*": vector}, "name": "thing", "step": 10, "sd_checkpoint": None}, "embedding.pt")
    save({"string_to_token": {"*": torch.tensor(265)}, "string_to_param": torch.nn.ParameterDict({"*": torch.nn.Parameter(vector)})}, "embedding_old.pt")
    save_file({"string_to_param.*": vector}, OUT / "embedding.safetensors")

    save({"state_dict": weights, "x": Evil()}, "evil.ckpt")
    save({"state_dict": weights, "x": Evil()}, "evil_legacy.ckpt", legacy=True)
    save_gguf()


if __name__ == "__main__":
    main()
