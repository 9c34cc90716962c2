#!/usr/bin/env python3
"""Measure easel as its users meet it: through the server, over HTTP and WebSocket. Prints a table; --write adds it to RESULTS.md.

The rows with a checkpoint of full size need ../shared/parity (a 2.1 GB file of random weights is made once and kept in the
cache folder) and are left out, with a word, where it is absent.
"""
import argparse, datetime, json, os, pathlib, platform, statistics, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import sockets  # noqa: E402
from server import Server, children, memory  # noqa: E402

CACHE = pathlib.Path(os.environ.get("EASEL_CACHE", pathlib.Path.home() / ".cache" / "easel"))
PARITY = pathlib.Path(os.environ.get("EASEL_PARITY", ROOT.parent / "shared" / "parity"))


def text_to_image(checkpoint, size, steps, seed=1, prompt="a red fox in the snow"):
    return {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": checkpoint}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": prompt}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": "blurry"}},
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": size, "height": size, "batch_size": 1}},
        "5": {"class_type": "KSampler", "inputs": {
            "model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0], "seed": seed, "steps": steps,
            "cfg": 7.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}},
        "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
        "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "bench"}},
    }


class Watched:
    """One run with the time of every event, and the peak memory of the worker."""

    def __init__(self, server, prompt):
        import websocket
        socket = websocket.create_connection(server.url.replace("http", "ws", 1) + "/ws?clientId=bench", timeout=3600)
        self.node_starts, self.steps, began = {}, [], time.monotonic()
        prompt_id = server.post("/prompt", {"prompt": prompt, "client_id": "bench"})["prompt_id"]
        while True:
            frame = socket.recv()
            now = time.monotonic() - began
            if isinstance(frame, bytes):
                continue
            message = json.loads(frame)
            data = message["data"]
            if data.get("prompt_id") != prompt_id:
                continue
            if message["type"] == "progress":
                self.steps.append(now)
            elif message["type"] == "execution_success":
                self.total = now
            elif message["type"] == "execution_error":
                raise RuntimeError(data["exception_message"])
            elif message["type"] == "executing":
                if data["node"] is None:
                    break
                self.node_starts[data["node"]] = now
        socket.close()

    def step(self):
        return statistics.median(b - a for a, b in zip(self.steps, self.steps[1:]))

    def node(self, first, following):
        return self.node_starts[following] - self.node_starts[first]


def full_size_checkpoint():
    spec = PARITY / "specs" / "sd15.json"
    if not spec.exists():
        return None
    file = CACHE / "parity" / "sd15.f16.safetensors"  # the one the parity tests make
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        subprocess.run([sys.executable, PARITY / "make_checkpoint.py", spec, part, "--dtype", "F16"], check=True)
        part.rename(file)
    return file


def server_rows(binaries, base):
    """Start-up and memory, the median of five starts; then a cached prompt on the demo model."""
    starts, idle = [], []
    for _ in range(5):
        with Server(binaries, base) as server:
            starts.append(server.wait())
            time.sleep(1)
            idle.append(memory(server.process.pid))
    yield "server start to first answer", "100 ms", f"{statistics.median(starts) * 1000:.0f} ms"
    yield "server memory, idle", "60 MB", f"{statistics.median(idle) / 1e6:.0f} MB"
    ready = []
    for _ in range(3):
        began = time.monotonic()
        subprocess.run([binaries / "easel", "serve", "--quick-test-for-ci", "--port", "0", "--base-directory", base], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ready.append(time.monotonic() - began)
    yield "worker ready (start to end of --quick-test-for-ci)", "2 s", f"{statistics.median(ready):.2f} s"
    with Server(binaries, base) as server:
        server.wait()
        prompt = text_to_image("easel-demo.safetensors", 128, 10)
        Watched(server, prompt)
        again = [Watched(server, prompt).total for _ in range(9)]
        yield "same prompt again, POST to execution_success (demo model)", "10 ms", f"{statistics.median(again) * 1000:.1f} ms"
        yield from sockets.health_rows(server, lambda: Watched(server, text_to_image("easel-demo.safetensors", 256, 20, seed=2)))
        yield from sockets.rows(server)


def model_rows(binaries, base, checkpoint):
    yaml = pathlib.Path(base) / "full.yaml"
    yaml.write_text(f"full:\n  base_path: {checkpoint.parent}\n  checkpoints: .\n")
    flags = ["--extra-model-paths-config", yaml]
    with Server(binaries, base, *flags, "--force-fp32") as server:
        server.wait()
        cold = Watched(server, text_to_image(checkpoint.name, 64, 4))
        warm = Watched(server, text_to_image(checkpoint.name, 64, 4, seed=2))
    yield "4 steps at 64x64 from a cold file, fp32", "8 s", f"{cold.total:.1f} s"
    yield "the same warm", "", f"{warm.total:.1f} s"
    with Server(binaries, base, *flags) as server:
        server.wait()
        run = Watched(server, text_to_image(checkpoint.name, 512, 4))
        peak = max((memory(pid, "VmHWM") for pid in children(server.process.pid)), default=0)
    yield "SD1.5 512x512, one guided step (default dtype of this CPU)", "4 s", f"{run.step():.2f} s"
    yield "VAE decode 512x512", "4 s", f"{run.node('6', '7'):.2f} s"
    yield "peak memory of that run (worker)", "4 GB", f"{peak / 1e9:.2f} GB"
    yield "all of it, 4 steps, cold", "", f"{run.total:.1f} s"


def device():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            bf16 = [flag for flag in ("avx512_bf16", "amx_bf16") if flag in line.split()]
            return f"{os.cpu_count()} cores, {platform.machine()}, {'+'.join(bf16) or 'no native bf16'}"
    return f"{os.cpu_count()} cores, {platform.machine()}"


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--bin", type=pathlib.Path, required=True)
    arguments.add_argument("--write", action="store_true", help="append the table to bench/RESULTS.md")
    options = arguments.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as base:
        checkpoint = full_size_checkpoint()
        sources = [server_rows(options.bin.resolve(), base)]
        if checkpoint:
            sources.append(model_rows(options.bin.resolve(), base, checkpoint))
        else:
            print("no ../shared/parity: the rows with a full-size checkpoint are left out")
        for source in sources:
            for row in source:
                print(f"{row[0]:60} {row[1]:>8} {row[2]:>10}", flush=True)
                rows.append(row)
    if options.write:
        with open(ROOT / "bench" / "RESULTS.md", "a") as results:
            results.write(f"\n## {datetime.date.today()}, {device()}\n\n| what | at least | measured |\n|---|---|---|\n")
            results.writelines(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    main()
