"""Black-box tests of the graph engine over HTTP and WebSocket, with the testing nodes, under every kind of cache.

The server is started through tools/main.py with ComfyUI's own flags. EASEL_BIN is the folder of the programs (default:
build/release/bin); without easel-worker (a build without libtorch) everything is skipped.
"""
import json, os, pathlib, socket, subprocess, sys, time, urllib.error, urllib.parse, urllib.request, uuid

import pytest
import websocket

from png import Picture

SOURCE = pathlib.Path(os.environ.get("EASEL_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
BIN = pathlib.Path(os.environ.get("EASEL_BIN", SOURCE / "build/release/bin"))
SIDE = 64  # of the pictures
CACHES = {"classic": [], "lru": ["--cache-lru", "100"], "none": ["--cache-none"]}


class Refused(Exception):
    """The server answered POST /prompt with an error."""

    def __init__(self, status, body):
        super().__init__(f"{status}: {body}")
        self.status, self.body = status, body


class Failed(Exception):
    """The prompt ended in execution_error; `data` is that message."""

    def __init__(self, data):
        super().__init__(json.dumps(data))
        self.data = data


class Node:
    def __init__(self, id, class_type, inputs):
        self.id, self.class_type, self.inputs = id, class_type, inputs

    def out(self, slot=0):
        return [self.id, slot]


class Graph:
    """An API prompt in the making."""

    def __init__(self, prefix=""):
        self.nodes, self.prefix = [], prefix

    def node(self, class_type, **inputs):
        made = Node(f"{self.prefix}{len(self.nodes) + 1}", class_type, inputs)
        self.nodes.append(made)
        return made

    def image(self, content="BLACK", size=SIDE):
        return self.node("StubImage", content=content, height=size, width=size, batch_size=1)

    def mask(self, value, size=SIDE):
        return self.node("StubMask", value=value, height=size, width=size, batch_size=1)

    def prompt(self):
        value = lambda v: v.out(0) if isinstance(v, Node) else v
        return {n.id: {"class_type": n.class_type, "inputs": {k: value(v) for k, v in n.inputs.items()}}
                for n in self.nodes}


class Result:
    """What one run of a prompt did: its messages, its history entry, and the pictures behind it."""

    def __init__(self, server, prompt_id, messages, entry):
        self.server, self.prompt_id, self.messages, self.entry = server, prompt_id, messages, entry

    def of(self, kind):
        return [m["data"] for m in self.messages if m["type"] == kind]

    def ran(self, node):
        """Whether the node was begun; it may be an id or a Node."""
        return any(d["node"] == getattr(node, "id", node) for d in self.of("executing"))

    def ran_at_all(self):
        return [d["node"] for d in self.of("executing") if d["node"] is not None]

    def cached(self, node):
        return node.id in self.of("execution_cached")[0]["nodes"]

    def images(self, node):
        shown = self.entry["outputs"].get(node.id, {}).get("images", [])
        return [self.server.picture(each) for each in shown]

    def image(self, node):
        pictures = self.images(node)
        assert len(pictures) == 1
        return pictures[0]


class Server:
    def __init__(self, base, flags):
        self.base = pathlib.Path(base)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        command = [sys.executable, str(SOURCE / "tools/main.py"), "--base-directory", str(self.base),
                   "--output-directory", str(self.base / "output"), "--listen", "127.0.0.1", "--port", str(self.port),
                   "--cpu", *flags]
        environment = {**os.environ, "EASEL": str(BIN / "easel"), "EASEL_ARGUMENTS": "--testing-nodes"}
        self.log = open(self.base / "server.log", "wb")
        self.process = subprocess.Popen(command, env=environment, stdout=self.log, stderr=self.log)

    def wait_until_up(self, seconds=60):
        end = time.time() + seconds
        while time.time() < end:
            assert self.process.poll() is None, (self.base / "server.log").read_text()
            try:
                return self.get("/prompt")
            except OSError:
                time.sleep(0.02)
        raise AssertionError("the server does not answer: " + (self.base / "server.log").read_text())

    def stop(self):
        self.process.terminate()
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def bytes(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            return answer.read()

    def get(self, path):
        return json.loads(self.bytes(path))

    def post(self, path, body):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise Refused(error.code, error.read().decode()) from None

    def picture(self, item):
        query = urllib.parse.urlencode({k: item[k] for k in ("filename", "subfolder", "type")})
        return Picture(self.bytes("/view?" + query))

    def client(self):
        return Client(self)


class Client:
    """One WebSocket client, which runs prompts one after another."""

    def __init__(self, server):
        self.server, self.id = server, uuid.uuid4().hex
        self.ws = websocket.create_connection(f"ws://127.0.0.1:{server.port}/ws?clientId={self.id}", timeout=60)

    def submit(self, graph, **more):
        prompt = graph.prompt() if isinstance(graph, Graph) else graph
        return self.server.post("/prompt", {"prompt": prompt, "client_id": self.id, **more})["prompt_id"]

    def finish(self, prompt_id, seconds=60):
        """Reads up to the end of the prompt. Raises Failed if it failed."""
        messages, end = [], time.time() + seconds
        while time.time() < end:
            frame = self.ws.recv()
            if isinstance(frame, bytes):
                continue
            message = json.loads(frame)
            if message.get("data", {}).get("prompt_id") != prompt_id:
                continue
            messages.append(message)
            if message["type"] == "execution_error" and message["data"]["exception_type"] != "ExecutionBlocked":
                failure = message["data"]
                self.drain(prompt_id)
                raise Failed(failure)
            if message["type"] == "executing" and message["data"]["node"] is None:
                return Result(self.server, prompt_id, messages, self.server.get(f"/history/{prompt_id}")[prompt_id])
        raise AssertionError(f"no end after {seconds} s: {[m['type'] for m in messages]}")

    def drain(self, prompt_id):
        while True:
            frame = self.ws.recv()
            if isinstance(frame, str):
                message = json.loads(frame)
                if message["type"] == "executing" and message["data"] == {"node": None, "prompt_id": prompt_id}:
                    return

    def run(self, graph, **more):
        return self.finish(self.submit(graph, **more))

    def timed(self, graph):
        begin = time.time()
        return self.run(graph), time.time() - begin

    def close(self):
        self.ws.close()


@pytest.fixture(scope="session", params=CACHES)
def cache(request):
    return request.param


@pytest.fixture(scope="session")
def server(cache, tmp_path_factory):
    if not (BIN / "easel-worker").exists():
        pytest.skip(f"{BIN} has no easel-worker: this build is without libtorch")
    made = Server(tmp_path_factory.mktemp(cache), CACHES[cache])
    try:
        made.wait_until_up()
        yield made
    finally:
        status = made.stop()
    assert status == 0, (made.base / "server.log").read_text()


@pytest.fixture
def client(server):
    made = server.client()
    yield made
    made.close()


@pytest.fixture
def graph(request):
    """Ids differ between tests, as they would between users."""
    return Graph()
