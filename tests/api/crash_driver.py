"""Kills the server or its worker at a chosen phase, again and again, and checks what is left.

EASEL_CRASH_AT=phase:count (src/base/crash_point.h) ends a process as kill -9 does at the count-th passing of a phase: accept,
commit, lease, history in the server (the worker dies with it), sampling, encode, rename in the worker. Clients choose the
ids of their prompts and send them again after a kill, so it does not matter whether the answer was lost.

After the last kill: every prompt is in the history once and succeeded (0 lost); every file in output/ is listed by exactly
one entry (0 published twice, nothing unlisted); every file is a whole picture of its own prompt's colour (0 broken, 0
overwritten). Soak: crash_driver.py --kills 10000.
"""
import argparse, collections, concurrent.futures, http.client, json, os, pathlib, random, struct, sys, tempfile, time, zlib

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from conftest import Server  # noqa: E402

# The least count is such that the prompt that was hit before gets through: a third attempt would be its end, rightly.
SERVER_PHASES = {"accept": (1, 8), "commit": (7, 24), "lease": (3, 9), "history": (3, 9)}
WORKER_PHASES = {"sampling": (4, 9), "encode": (3, 8), "rename": (3, 8)}
PHASES = [*SERVER_PHASES, *WORKER_PHASES]


def prompt_of(color):
    return {"1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": color}},
            "2": {"class_type": "TestSleep", "inputs": {"value": ["1", 0], "seconds": 0.03}},
            "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": f"sub{color % 3}/crash"}}}


def color_of(path):
    """The colour of a PNG's first pixel; an assertion fails unless the file is whole."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", path
    at, pixels, ended = 8, b"", False
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length:at + 12 + length])[0] == zlib.crc32(kind + body), path
        pixels += body if kind == b"IDAT" else b""
        ended = kind == b"IEND"
        at += 12 + length
    raw = zlib.decompress(pixels)
    assert ended and len(raw) == 16 * (1 + 16 * 3), path
    return int.from_bytes(raw[1:4], "big")


def once(pairs):
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), "an id is there twice"
    return dict(pairs)


class CrashRun:
    def __init__(self, base, phase, kills, seed=1):
        self.server = Server(base, flags=["--verbose", "INFO", "--history-entries", "1000000"])
        self.phase, self.wanted, self.kills = phase, kills, 0
        self.chance = random.Random(f"{phase}{seed}")
        self.colors = {}  # prompt id -> colour
        self.unsure = None  # sent, and not answered
        self.connection = None

    # ---- clients -----------------------------------------------------------------------------------------------

    def ask(self, method, path, body=None):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        try:
            self.connection.request(method, path, body)
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            raise

    def submit(self):
        """One prompt, accepted; False when the server died over it."""
        if self.unsure is None:
            number = len(self.colors) + 1
            self.unsure = (f"{self.phase}-{number}", number)
        prompt_id, color = self.unsure
        try:
            status, text = self.ask("POST", "/prompt", json.dumps({"prompt": prompt_of(color), "prompt_id": prompt_id}))
        except (OSError, http.client.HTTPException):
            return False
        assert status == 200, text
        self.colors[prompt_id] = color
        self.unsure = None
        return True

    def remaining(self):
        return json.loads(self.ask("GET", "/prompt")[1])["exec_info"]["queue_remaining"]

    def drain(self, seconds=60):
        """True when all is done; False when the server died before."""
        ends = time.time() + seconds
        try:
            while self.remaining():
                assert time.time() < ends, f"the queue does not empty: {self.server.log()[-3000:]}"
                time.sleep(0.005)
        except (OSError, http.client.HTTPException):
            return False
        return True

    # ---- kills -------------------------------------------------------------------------------------------------

    def start(self, plan=None):
        self.server.environment = {"EASEL_CRASH_AT": plan} if plan else {}
        self.connection = None
        self.server.start(wait=False)
        ends = time.time() + 60
        while True:
            try:
                return self.remaining() >= 0
            except (OSError, http.client.HTTPException):
                if self.server.process.poll() is not None:
                    return False
                assert time.time() < ends, self.server.log()[-3000:]
                time.sleep(0.003)

    def died(self):
        status = self.server.process.wait(60)
        assert status == -9, f"{self.phase}: the server ended with {status}: {self.server.log()[-3000:]}"
        self.kills += 1

    def kill_server(self):
        plan = f"{self.phase}:{self.chance.randint(*SERVER_PHASES[self.phase])}"
        if self.start(plan) and self.drain():
            while self.submit():
                if self.chance.random() < 0.3 and not self.drain():
                    break
        self.died()

    def kill_workers(self, most):
        """One server, whose workers die one after another."""
        before, self.kills_before = self.worker_deaths(), self.kills
        self.start(f"{self.phase}:{self.chance.randint(*WORKER_PHASES[self.phase])}")
        while self.kills - self.kills_before < most:
            for _ in range(3):
                assert self.submit()
            assert self.drain()
            self.kills = self.kills_before + self.worker_deaths() - before
        self.server.kill()

    def worker_deaths(self):
        return self.server.log().count("was killed by signal 9") if self.server.log_path.exists() else 0

    def run(self):
        try:
            while self.kills < self.wanted:
                if self.phase in SERVER_PHASES:
                    self.kill_server()
                else:
                    self.kill_workers(min(25, self.wanted - self.kills))
            return self.check()
        finally:
            if self.server.process and self.server.process.poll() is None:
                self.server.kill()

    # ---- what is left ------------------------------------------------------------------------------------------

    def check(self):
        assert self.start()
        if self.unsure:
            assert self.submit()
        assert self.drain(120)
        queue = json.loads(self.ask("GET", "/queue")[1])
        assert queue == {"queue_running": [], "queue_pending": []}
        history = json.loads(self.ask("GET", "/history")[1], object_pairs_hook=once)
        assert set(history) == set(self.colors), "lost, or more than was sent"
        listed = collections.Counter()
        output = self.server.base / "output"
        for prompt_id, entry in history.items():
            status = entry["status"]
            assert status["status_str"] == "success", f"{prompt_id}: {status}"
            [image] = entry["outputs"]["3"]["images"]
            path = output / image["subfolder"] / image["filename"]
            listed[path] += 1
            assert color_of(path) == self.colors[prompt_id], f"{path} is another prompt's"
        assert max(listed.values()) == 1, "a file is listed twice"
        files = {path for path in output.rglob("*") if path.is_file()}
        assert files == set(listed), f"not listed: {sorted(files - set(listed))[:5]}"
        assert self.server.stop() == 0
        assert not list((self.server.base / "user/easel.db.publications").iterdir())
        return self.kills, len(history)


def run_phases(base, kills, phases=PHASES, seed=1, at_once=4):
    """{phase: (kills, prompts)}; raises what a phase raised."""
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        runs = {phase: pool.submit(CrashRun(pathlib.Path(base) / phase, phase, kills, seed).run) for phase in phases}
        return {phase: run.result() for phase, run in runs.items()}


def memory_folder():
    """A kill does not depend on the disk; one in memory is faster."""
    shm = pathlib.Path("/dev/shm")
    return shm if os.access(shm, os.W_OK) else None


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--kills", type=int, default=10_000, help="at each phase")
    arguments.add_argument("--phase", choices=PHASES, action="append")
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    options = arguments.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(dir=memory_folder()) as base:
        began = time.time()
        for phase, (kills, prompts) in run_phases(base, options.kills, options.phase or PHASES, options.seed).items():
            print(f"{phase:9} {kills:6} kills, {prompts:6} prompts: 0 lost, 0 published twice, 0 broken", flush=True)
        print(f"{time.time() - began:.0f} s")


if __name__ == "__main__":
    main()
