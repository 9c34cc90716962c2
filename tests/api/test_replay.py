"""The exchanges recorded from ComfyUI, played against easel."""
import json, subprocess, sys

import pytest

from conftest import PARITY, WORKER

# Exchanges that need nodes which the test worker does not have.
ONLY_REAL = ("KSampler",)


def replay(server, cases):
    done = subprocess.run([sys.executable, str(PARITY / "api/replay.py"), str(cases), "--url", server.url, "-v"],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def cases():
    path = PARITY / "api/cases.json"
    if not path.exists():
        pytest.skip(f"{path} is not there (EASEL_PARITY names the folder)")
    return path


def test_with_the_test_worker(make_server, cases, tmp_path):
    known = [c for c in json.loads(cases.read_text()) if not any(word in c["name"] for word in ONLY_REAL)]
    (tmp_path / "cases.json").write_text(json.dumps(known))
    replay(make_server(), tmp_path / "cases.json")


def test_with_the_real_worker(make_server, cases):
    if not WORKER.exists():
        pytest.skip("easel-worker is not built")
    replay(make_server(worker=None, flags=["--cpu"]), cases)
