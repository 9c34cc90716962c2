#!/usr/bin/env python3
"""Starts easel where something wants to start ComfyUI: `python main.py --listen 127.0.0.1 --port 8188 --cpu …`.

Copy or link it to where main.py is looked for. EASEL names the program (default: easel beside this file, in the build
folder of this source tree, or on the PATH); EASEL_ARGUMENTS holds further flags, such as "--testing-nodes".
"""
import os, pathlib, shlex, shutil, sys

HERE = pathlib.Path(__file__).resolve().parent


def find_easel():
    if os.environ.get("EASEL"):
        return os.environ["EASEL"]
    for path in (HERE / "easel", HERE.parent / "build/release/bin/easel"):
        if path.exists():
            return str(path)
    return shutil.which("easel") or sys.exit("main.py: no easel is installed or built; EASEL may name it")


if __name__ == "__main__":
    easel = find_easel()
    os.execv(easel, [easel, "serve", *sys.argv[1:], *shlex.split(os.environ.get("EASEL_ARGUMENTS", ""))])
