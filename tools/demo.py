#!/usr/bin/env python3
"""Make one picture through the real server: start it, submit demo/text_to_image.json, show progress, save under output/."""
import argparse, json, pathlib, sys, time

from server import ROOT, Server, failure


def watch(server, client_id):
    """A progress line from the WebSocket; None where python3-websocket is not installed (then the wait is silent)."""
    try:
        import websocket
    except ImportError:
        return None
    socket = websocket.create_connection(f"{server.url.replace('http', 'ws', 1)}/ws?clientId={client_id}", timeout=600)
    return socket


def follow(socket, prompt_id, titles):
    while True:
        frame = socket.recv()
        if isinstance(frame, bytes):
            continue
        message = json.loads(frame)
        data = message["data"]
        if data.get("prompt_id") != prompt_id:
            continue
        if message["type"] == "executing" and data["node"] is None:
            print("\r" + " " * 60 + "\r", end="")
            return
        if message["type"] == "progress":
            done = int(30 * data["value"] / max(data["max"], 1))
            print(f"\r  {titles.get(data['node'], data['node']):24} [{'#' * done}{'.' * (30 - done)}] {data['value']}/{data['max']}",
                  end="", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--bin", required=True, help="the folder with easel and easel-worker")
    arguments.add_argument("--prompt", help="what to draw (a name from demo/names.json works best)")
    arguments.add_argument("--seed", type=int)
    options = arguments.parse_args()

    workflow = json.loads((ROOT / "demo" / "text_to_image.json").read_text())
    sampler = next(node for node in workflow.values() if node["class_type"] == "KSampler")
    positive = workflow[sampler["inputs"]["positive"][0]]
    if options.prompt:
        positive["inputs"]["text"] = options.prompt
    if options.seed is not None:
        sampler["inputs"]["seed"] = options.seed
    log = ROOT / "build" / "demo.log"
    with open(log, "w") as sink, Server(options.bin, ROOT, log=sink) as server:
        print(f"easel answered after {server.wait() * 1000:.0f} ms; drawing \"{positive['inputs']['text']}\"")
        began = time.monotonic()
        socket = watch(server, "demo")
        prompt_id = server.post("/prompt", {"prompt": workflow, "client_id": "demo"})["prompt_id"]
        if socket:
            follow(socket, prompt_id, {i: node["class_type"] for i, node in workflow.items()})
            socket.close()
        entry = None
        while not entry:
            entry = server.json(f"/history/{prompt_id}").get(prompt_id)
            time.sleep(0.05)
        problem = failure(entry)
        if problem:
            sys.exit(f"the prompt failed: {problem}\nthe server's log: {log}")
        for outputs in entry["outputs"].values():
            for image in outputs.get("images", []):
                path = pathlib.Path(ROOT, image["type"], image["subfolder"], image["filename"])
                print(f"picture: {path} ({path.stat().st_size} bytes, {time.monotonic() - began:.1f} s)")
    print("the page:  make serve, then open http://127.0.0.1:8188 in a browser")


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as problem:
        sys.exit(f"demo: {problem}; see build/demo.log")
