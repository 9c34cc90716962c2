#!/usr/bin/env python3
"""One guided step of a U-Net of SD1.5's shape (diffusers, random weights) by OpenVINO: a step for each line read, its seconds
on a line written. The converted model is kept in the cache folder."""
import argparse, os, pathlib, sys, time

import numpy as np
import openvino

CACHE = pathlib.Path(os.environ.get("EASEL_CACHE", pathlib.Path.home() / ".cache" / "easel")) / "peers"


def convert(side, path):
    import torch
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    network = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8).eval()
    inputs = (torch.randn(2, 4, side, side), torch.tensor([500.0, 500.0]), torch.randn(2, 77, 768))

    class Step(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, sample, timestep, text):
            return self.network(sample, timestep, encoder_hidden_states=text, return_dict=False)[0]

    with torch.no_grad():
        model = openvino.convert_model(Step(), example_input=inputs, input=[list(x.shape) for x in inputs])
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.xml")
    openvino.save_model(model, part)
    part.with_suffix(".bin").rename(path.with_suffix(".bin"))
    part.rename(path)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--type", choices=["bf16", "f32"], default="bf16")
    arguments.add_argument("--side", type=int, default=64, help="of the latent")
    arguments.add_argument("--threads", type=int, default=0)
    options = arguments.parse_args()
    path = CACHE / f"unet_{options.side}.xml"
    if not path.exists():
        convert(options.side, path)
    settings = {"INFERENCE_PRECISION_HINT": options.type, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1"}
    if options.threads:
        settings["INFERENCE_NUM_THREADS"] = options.threads
    compiled = openvino.compile_model(openvino.Core().read_model(path), "CPU", settings)
    random = np.random.default_rng(0)
    inputs = [random.standard_normal(list(port.shape), dtype=np.float32) for port in compiled.inputs]
    inputs[1][:] = 500
    request = compiled.create_infer_request()
    request.infer(inputs)
    print(f"openvino {openvino.__version__}", flush=True)
    for _ in sys.stdin:
        began = time.monotonic()
        request.infer(inputs)
        print(f"{time.monotonic() - began:.6f}", flush=True)


if __name__ == "__main__":
    main()
