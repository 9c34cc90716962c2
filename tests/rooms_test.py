#!/usr/bin/env python3
"""Fails on an #include that src/rooms.txt does not allow (DESIGN §2), and on torch above the tensor room."""
import pathlib, re, sys

SRC = pathlib.Path(__file__).resolve().parent.parent / "src"
TORCH_FREE = {"base", "folders", "graph", "formats", "media", "text", "wire", "store", "server"}


def allowed_arrows():
    arrows = {}
    for line in (SRC / "rooms.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            room, targets = line.split(":")
            arrows[room] = {room, "base", *targets.split()}
    return arrows


def wrong_includes(arrows):
    for path in sorted(SRC.rglob("*")):
        if path.suffix not in {".h", ".cpp", ".cu", ".cuh"}:
            continue
        room = path.relative_to(SRC).parts[0]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = re.match(r'\s*#\s*include\s*["<]([^">]+)[">]', line)
            if not found:
                continue
            target = found[1].split("/")[0]
            where = f"{path.relative_to(SRC)}:{number}: {line.strip()}"
            if room not in arrows:
                yield f"{where} (the room '{room}' is not in rooms.txt)"
            elif target in arrows and "/" in found[1] and target not in arrows[room]:
                yield f"{where} ({room} may not include {target})"
            elif target in {"ATen", "c10", "torch"} and room in TORCH_FREE:
                yield f"{where} (torch begins at tensor/)"
            elif found[1] == "torch/torch.h":
                yield f"{where} (11 s a file: include tensor/aten.h)"


if __name__ == "__main__":
    problems = list(wrong_includes(allowed_arrows()))
    print("\n".join(problems) or "every include follows rooms.txt")
    sys.exit(bool(problems))
