"""Black-box tests of the built programs, over HTTP and WebSocket.

EASEL_BIN is the folder of the programs (default: build/release/bin). Most tests use easel-test-worker, which needs no
libtorch; those of real nodes use easel-worker and are skipped where it is not built.
"""
import json, os, pathlib, socket, struct, subprocess, time, urllib.error, urllib.request

import pytest
import websocket

SOURCE = pathlib.Path(os.environ.get("EASEL_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
BIN = pathlib.Path(os.environ.get("EASEL_BIN", SOURCE / "build/release/bin"))
PARITY = pathlib.Path(os.environ.get("EASEL_PARITY", SOURCE.parent / "shared/parity"))
# How much memory a program takes says nothing when a sanitizer keeps what was freed.
memory_counts = pytest.mark.skipif(bool(os.environ.get("EASEL_SANITIZE")), reason="a sanitizer's build: its memory is its own")
EASEL, TEST_WORKER, WORKER = BIN / "easel", BIN / "easel-test-worker", BIN / "easel-worker"


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: many kills; run by the ctest test api_slow")
    config.addinivalue_line("markers", "crash: kills at each phase; run by the ctest test api_crash")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def type(self):
        return self.headers.get_content_type()


class Server:
    """easel serve on a folder of its own; start, kill and start again as often as wanted."""

    def __init__(self, base, worker=TEST_WORKER, flags=()):
        self.base, self.worker, self.flags = pathlib.Path(base), worker, list(flags)
        self.base.mkdir(parents=True, exist_ok=True)
        self.port, self.process, self.environment = free_port(), None, {}
        self.log_path = self.base / "server.log"

    def start(self, wait=True):
        command = [str(EASEL), "serve", "--port", str(self.port), "--base-directory", str(self.base)]
        if self.worker:
            command += ["--worker", str(self.worker)]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command + self.flags, stderr=log, stdout=log,
                                            env={**os.environ, **self.environment})
        if wait:
            self.wait_until_up()
        return self

    def wait_until_up(self, seconds=20):
        end = time.time() + seconds
        while time.time() < end:
            assert self.process.poll() is None, f"the server ended: {self.log()}"
            try:
                return self.get("/prompt")
            except OSError:
                time.sleep(0.005)
        raise AssertionError(f"the server does not answer: {self.log()}")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=20):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            return self.process.wait(seconds)
        return self.process.returncode if self.process else None

    def log(self):
        return self.log_path.read_text(errors="replace")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method, path, body=None, headers=None, timeout=30):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as r:
                return Answer(r.status, r.headers, r.read())
        except urllib.error.HTTPError as e:
            return Answer(e.code, e.headers, e.read())

    def get(self, path, headers=None):
        return self.ask("GET", path, None, headers)

    def post(self, path, body=b"", headers=None):
        return self.ask("POST", path, body, headers)

    def submit(self, prompt, client_id=None, **more):
        body = {"prompt": prompt, **more}
        if client_id is not None:
            body["client_id"] = client_id
        answer = self.post("/prompt", body)
        assert answer.status == 200, answer.body
        return answer.json["prompt_id"]

    def wait_for(self, prompt_id, seconds=30):
        end = time.time() + seconds
        while time.time() < end:
            entry = self.get(f"/history/{prompt_id}").json.get(prompt_id)
            if entry:
                return entry
            time.sleep(0.01)
        raise AssertionError(f"{prompt_id} is not in the history after {seconds} s: {self.log()[-3000:]}")

    def wait_until_running(self, prompt_id, seconds=20):
        end = time.time() + seconds
        while time.time() < end:
            if any(item[1] == prompt_id for item in self.get("/queue").json["queue_running"]):
                return
            time.sleep(0.005)
        raise AssertionError("it does not run")

    def worker_pid(self):
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            children = (task / "children").read_text().split()
            if children:
                return int(children[0])
        return None

    def wait_for_worker(self, seconds=10):
        end = time.time() + seconds
        while time.time() < end:
            pid = self.worker_pid()
            if pid:
                return pid
            time.sleep(0.01)
        raise AssertionError(f"no worker: {self.log()[-2000:]}")

    def socket(self, client_id, features=None):
        return Socket(self, client_id, features)


class Socket:
    """A WebSocket of one client; messages as dicts, binary frames as {"binary": event, "bytes": …}."""

    def __init__(self, server, client_id, features=None):
        self.ws = websocket.create_connection(f"ws://127.0.0.1:{server.port}/ws?clientId={client_id}", timeout=30)
        if features is not None:
            self.ws.send(json.dumps({"type": "feature_flags", "data": features}))

    def next(self, timeout=30):
        self.ws.settimeout(timeout)
        frame = self.ws.recv()
        if isinstance(frame, bytes):
            return {"type": "binary", "binary": struct.unpack(">I", frame[:4])[0], "bytes": frame[4:]}
        return json.loads(frame)

    def until(self, kind, timeout=30, **data):
        """Every message up to the first of that type whose data has these values."""
        seen, end = [], time.time() + timeout
        while time.time() < end:
            message = self.next(timeout)
            seen.append(message)
            if message["type"] == kind and all(message["data"].get(k) == v for k, v in data.items()):
                return seen
        raise AssertionError(f"no {kind}: {[m['type'] for m in seen]}")

    def until_over(self, prompt_id):
        return self.until("executing", node=None, prompt_id=prompt_id)

    def rest(self, timeout=0.3):
        """What still comes within a short time."""
        seen = []
        try:
            while True:
                seen.append(self.next(timeout))
        except websocket.WebSocketTimeoutException:
            return seen

    def close(self):
        self.ws.close()


def sleep_prompt(seconds, value=1):
    return {"1": {"class_type": "TestInt", "inputs": {"value": value}},
            "2": {"class_type": "TestSleep", "inputs": {"value": ["1", 0], "seconds": seconds}},
            "3": {"class_type": "TestShow", "inputs": {"value": ["2", 0]}}}


def show_prompt(value):
    return {"1": {"class_type": "TestInt", "inputs": {"value": value}},
            "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}}


@pytest.fixture
def make_server(tmp_path):
    """Servers that are ended with the test, each on its own folder."""
    if not EASEL.exists():
        pytest.fail(f"{EASEL} is not built (EASEL_BIN names the folder)")
    made = []

    def make(name="base", worker=TEST_WORKER, flags=(), start=True):
        server = Server(tmp_path / name, worker, flags)
        made.append(server)
        return server.start() if start else server

    yield make
    for server in made:
        if server.process and server.process.poll() is None:
            server.process.kill()
            server.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for a whole file of tests that leave it as they found it."""
    made = Server(tmp_path_factory.mktemp("shared") / "base").start()
    yield made
    assert made.stop() == 0, made.log()
