#!/usr/bin/env python3
"""Fetch the pinned wheels and unpack what easel needs from them into .deps/ (needs only Python 3 and pip).

A wheel that is already unpacked is skipped: its stamp file holds the hash it was unpacked from.
"""
import argparse, pathlib, re, shutil, subprocess, sys, tempfile, zipfile

HERE = pathlib.Path(__file__).resolve().parent
DEPS = HERE.parent.parent / ".deps"

# wheel -> (prefix inside the wheel, prefix under .deps); the longest match wins, anything else stays packed.
PARTS = {
    "torch": [("torch/include/", "torch/include/"), ("torch/lib/libtorch_cpu.so", "torch/lib/libtorch_cpu.so"),
              ("torch/lib/libc10.so", "torch/lib/libc10.so"), ("torch/lib/libgomp.so.1", "torch/lib/libgomp.so.1")],
    "nvidia-cuda-runtime": [("nvidia/cu13/lib/", "nvidia/cu13/lib/")],
    "nvidia-cuda-cupti": [("nvidia/cu13/lib/libcupti", "nvidia/cu13/lib/libcupti")],
    "comfyui-frontend-package": [("comfyui_frontend_package/static/", "frontends/{version}/")],
    "comfyui-workflow-templates-json": [("comfyui_workflow_templates_json/templates/", "templates/")],
    "comfyui-embedded-docs": [("comfyui_embedded_docs/docs/", "docs/")],
    "open-clip-torch": [("open_clip/bpe_simple_vocab_16e6.txt.gz", "clip/bpe_simple_vocab_16e6.txt.gz")],
}
# A CUDA build takes these besides, listed in wheels-cuda.txt; of the NVIDIA wheels their libraries.
CUDA_PARTS = {
    "torch": [(f"torch/lib/lib{name}.so", f"torch/lib/lib{name}.so")
              for name in ("torch_cuda", "c10_cuda", "torch_cuda_linalg", "torch_nvshmem", "caffe2_nvrtc")],
}
NVIDIA_PARTS = [("nvidia/", "nvidia/")]
LEFT_OUT = re.compile(r"\.map$|\.a$|^nvidia/.*/include/")  # the page's source maps (17 MB), static libraries, CUDA's headers


def pins(cuda):
    """(name, version, hash), the line, the stamp's name and what to unpack, for every wheel wanted."""
    for file, parts, suffix in [("wheels.txt", PARTS, "")] + [("wheels-cuda.txt", CUDA_PARTS, "-cuda")] * cuda:
        for line in (HERE / file).read_text().splitlines():
            found = re.match(r"([\w-]+)==(\S+) --hash=sha256:(\w+)$", line)
            if not found:
                continue
            name, version, digest = found.groups()
            wanted = [(inside, target.format(version=version)) for inside, target in parts.get(name, NVIDIA_PARTS)]
            several = "-" + version if wanted != parts.get(name, NVIDIA_PARTS) else ""  # each version has its own folder
            yield (name, version, digest), line, name + several + suffix, wanted


def download(line, folder):
    requirement = pathlib.Path(folder) / "one.txt"
    requirement.write_text(line + "\n")
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:",
                    "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--abi", "abi3", "--abi", "none",
                    "--platform", "manylinux_2_28_x86_64", "--platform", "manylinux_2_25_x86_64",
                    "--platform", "manylinux_2_27_x86_64", "--platform", "manylinux_2_18_x86_64",
                    "--platform", "manylinux2014_x86_64", "--platform", "manylinux2010_x86_64", "--platform", "any",
                    "-d", folder, "-r", str(requirement)], check=True)
    return next(pathlib.Path(folder).glob("*.whl"))


def unpack(wheel, parts):
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            if info.is_dir() or LEFT_OUT.search(info.filename):
                continue
            for inside, target in parts:
                if info.filename.startswith(inside):
                    path = DEPS / (target + info.filename[len(inside):])
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(info) as source, open(path, "wb") as sink:
                        shutil.copyfileobj(source, sink, 1 << 20)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--only", nargs="*", help="names of the wheels to fetch (all of them by default)")
    arguments.add_argument("--cuda", action="store_true", help="also what a CUDA build links (2.6 GB)")
    options = arguments.parse_args()
    DEPS.mkdir(exist_ok=True)
    for (name, version, digest), line, label, parts in pins(options.cuda):
        stamp = DEPS / "stamps" / f"{label}.sha256"
        if (options.only and name not in options.only) or (stamp.exists() and stamp.read_text() == digest):
            continue
        print(f"fetching {name} {version}", flush=True)
        with tempfile.TemporaryDirectory(dir=DEPS) as folder:
            try:
                unpack(download(line, folder), parts)
            except subprocess.CalledProcessError:
                sys.exit(f"fetch.py: {name} {version} could not be fetched from PyPI; check the network (and the proxy or index "
                         "settings of pip: `python3 -m pip config list`), then run make again")
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(digest)


if __name__ == "__main__":
    main()
