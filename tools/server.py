"""Start an `easel serve` for a demo, a test or a benchmark, and talk to it over HTTP (standard library only)."""
import contextlib, json, os, pathlib, signal, socket, subprocess, time, urllib.error, urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEMO_MODELS = ROOT / "demo" / "extra_model_paths.yaml"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A running server. `base` is its --base-directory; `flags` are further ones."""

    def __init__(self, binaries, base, *flags, port=None, log=subprocess.DEVNULL):
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [str(pathlib.Path(binaries) / "easel"), "serve", "--port", str(self.port), "--base-directory", str(base),
             "--extra-model-paths-config", str(DEMO_MODELS), *map(str, flags)], stdout=log, stderr=subprocess.STDOUT)

    def wait(self, seconds=30):
        """Until the first answer; returns the seconds it took since the start."""
        while time.monotonic() - self.started < seconds:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended at once with status {self.process.returncode}")
            with contextlib.suppress(OSError):
                urllib.request.urlopen(self.url + "/prompt", timeout=5).close()
                return time.monotonic() - self.started
            time.sleep(0.002)
        raise RuntimeError(f"the server gave no answer within {seconds} s")

    def get(self, path, timeout=60):
        with urllib.request.urlopen(self.url + path, timeout=timeout) as answer:
            return answer.read()

    def json(self, path):
        return json.loads(self.get(path))

    def post(self, path, value, timeout=60):
        request = urllib.request.Request(self.url + path, json.dumps(value).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                body = answer.read()
        except urllib.error.HTTPError as refused:
            raise RuntimeError(f"POST {path}: {refused.code} {refused.read().decode(errors='replace')}") from None
        return json.loads(body) if body else None

    def run(self, prompt, seconds=3600, each=0.02, **more):
        """Submit an API prompt and wait for its history entry."""
        prompt_id = self.post("/prompt", {"prompt": prompt, **more})["prompt_id"]
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            history = self.json(f"/history/{prompt_id}")
            if prompt_id in history:
                return history[prompt_id]
            time.sleep(each)
        raise RuntimeError(f"the prompt was not finished within {seconds} s")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def failure(entry):
    """The message of a history entry that did not succeed, or None."""
    if entry["status"]["status_str"] == "success":
        return None
    for kind, data in entry["status"]["messages"]:
        if kind == "execution_error":
            return f"{data['node_type']} (node {data['node_id']}): {data['exception_message']}"
    return "the prompt was interrupted"


def memory(pid, field="VmRSS"):
    """Bytes of resident memory (or VmHWM: its peak) of a process."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    return 0


def children(pid):
    text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    found = [int(child) for child in text.split()]
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError):
            found += [int(c) for c in pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text().split()]
    return sorted(set(found))
