#!/usr/bin/env python3
"""Measure what durability costs: POST /prompt at 200/s, 1,000 trivial prompts from POST to history, a restart with 10,000 waiting.

Every prompt makes a picture of its own colour, so that nothing comes from a cache. Prints a table.
"""
import argparse, http.client, json, os, pathlib, signal, statistics, sys, tempfile, threading, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from server import Server, children  # noqa: E402


def trivial(number, size):
    return {"1": {"class_type": "EmptyImage", "inputs": {"width": size, "height": size, "batch_size": 1, "color": number}},
            "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}


class Poster:
    """One kept-alive connection that posts prompts and notes how long each answer took."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self.latencies = []

    def post(self, prompt):
        body = json.dumps({"prompt": prompt, "client_id": "bench"})
        began = time.perf_counter()
        self.connection.request("POST", "/prompt", body)
        answer = self.connection.getresponse()
        text = answer.read()
        self.latencies.append(time.perf_counter() - began)
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {text[:200]}")
        return json.loads(text)["prompt_id"]


def post_all(server, count, size, connections, rate=None, first=0):
    """Posts `count` prompts over several connections, at `rate` a second if given. Returns the latencies."""
    posters, errors = [Poster(server) for _ in range(connections)], []
    began = time.perf_counter()

    def work(index):
        try:
            for number in range(index, count, connections):
                if rate:
                    time.sleep(max(0, began + number / rate - time.perf_counter()))
                posters[index].post(trivial(first + number, size))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [latency for poster in posters for latency in poster.latencies]


def wait_empty(server, seconds=300):
    ends = time.monotonic() + seconds
    while server.json("/prompt")["exec_info"]["queue_remaining"]:
        if time.monotonic() > ends:
            raise RuntimeError("the queue does not empty")
        time.sleep(0.005)


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def sync_latency(folder):
    """Median of the disk's own fdatasync of 4 kB: what one durable write costs at least."""
    times = []
    with open(pathlib.Path(folder) / "sync.probe", "wb", buffering=0) as file:
        for _ in range(100):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times)


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def throughput_rows(binaries, base, flags, size, count):
    with Server(binaries, base, *flags) as server:
        server.wait()
        server.run(trivial(1, size))  # the worker is ready
        processes = {"server": server.process.pid, "worker": children(server.process.pid)[0]}
        before = {name: cpu_seconds(pid) for name, pid in processes.items()}
        began = time.perf_counter()
        post_all(server, count, size, 4, first=10)
        posted = time.perf_counter()
        wait_empty(server)
        over = time.perf_counter()
        used = {name: (cpu_seconds(pid) - before[name]) / count for name, pid in processes.items()}
        history = server.json("/history")
        done = sum(entry["status"]["status_str"] == "success" for entry in history.values())
        if done != count + 1:
            raise RuntimeError(f"{done} of {count + 1} prompts succeeded")
        yield f"{count} prompts EmptyImage {size} to PreviewImage, first POST to last in the history", "200/s", \
            f"{count / (over - began):.0f}/s"
        yield "  of that accepted, 4 connections", "", f"{count / (posted - began):.0f}/s"
        for name, seconds in used.items():
            yield f"  processor time of the {name} per prompt", "", f"{seconds * 1000:.2f} ms"
        latencies = post_all(server, 1000, size, 4, rate=200, first=100_000)
        yield "POST /prompt at 200/s while the worker works, p50", "", f"{statistics.median(latencies) * 1000:.2f} ms"
        yield "  p99", "5 ms", f"{percentile(latencies, 0.99) * 1000:.2f} ms"
        wait_empty(server)


def restart_rows(binaries, base, flags, count):
    with Server(binaries, base, *flags) as server:
        server.wait()
        server.run(trivial(1, 64))  # the worker is there
        os.kill(children(server.process.pid)[0], signal.SIGSTOP)  # so that all of them wait
        latencies = post_all(server, count, 64, 8)
        order = [item[1] for item in server.json("/queue")["queue_pending"]]
        server.process.kill()
        server.process.wait()
    yield f"POST /prompt, p99 with up to {count} waiting, 8 connections at full speed", "", \
        f"{percentile(latencies, 0.99) * 1000:.2f} ms"
    with Server(binaries, base, *flags) as server:
        server.wait()
        Poster(server).post(trivial(5, 64))
        accepting = time.monotonic() - server.started
        after = [item[1] for item in server.json("/queue")["queue_pending"]]
        kept = [prompt_id for prompt_id in after if prompt_id in set(order)]
        if kept != order[len(order) - len(kept):] or len(order) - len(kept) > 50:
            raise RuntimeError("the order changed, or prompts are gone")
        yield f"kill -9 with {len(order)} waiting: start to the next accepted prompt", "2 s", f"{accepting:.2f} s"
        server.post("/queue", {"clear": True})
        server.post("/interrupt", {})


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    arguments.add_argument("--base", help="where the queue and the pictures lie (a temporary folder)")
    arguments.add_argument("--worker", type=pathlib.Path, help="another worker")
    arguments.add_argument("--size", type=int, default=512)
    arguments.add_argument("--count", type=int, default=1000)
    arguments.add_argument("--waiting", type=int, default=9_990, help="the queue takes 10,000")
    options = arguments.parse_args()
    flags = ["--worker", options.worker] if options.worker else []
    with tempfile.TemporaryDirectory(dir=options.base) as base:
        print(f"{'fdatasync of 4 kB on this disk, median':95} {'':>6} {sync_latency(base) * 1000:.2f} ms", flush=True)
        for make in (lambda: throughput_rows(options.bin, pathlib.Path(base) / "a", flags, options.size, options.count),
                     lambda: restart_rows(options.bin, pathlib.Path(base) / "b", flags, options.waiting)):
            for row in make():
                print(f"{row[0]:95} {row[1]:>6} {row[2]:>10}", flush=True)


if __name__ == "__main__":
    main()
