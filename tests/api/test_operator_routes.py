"""Probes, figures, secrets, history and the queue as scripts use them."""
import gzip, json, re, sqlite3, time

import pytest

from conftest import show_prompt, sleep_prompt


def metrics(server):
    answer = server.get("/metrics")
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    values = {}
    for line in answer.body.decode().splitlines():
        if not line.startswith("#"):
            assert re.fullmatch(r'[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [-+0-9.e]+', line), line
            name, value = line.rsplit(" ", 1)
            assert name not in values, name
            values[name] = float(value)
    return values


def test_probes(make_server):
    server = make_server()
    for path in ("/healthz", "/health", "/startupz"):
        assert server.get(path).status == 200, path
    end = time.time() + 20
    while server.get("/readyz").json["checks"]["worker"]["ok"] is False and time.time() < end:
        time.sleep(0.02)
    ready = server.get("/ready").json
    assert set(ready["checks"]) == {"running", "worker", "queue", "output", "user"}
    assert ready["checks"]["worker"] == {"ok": True, "detail": "ready"}
    assert ready["checks"]["queue"]["detail"].startswith("0 of ")
    assert "MB free" in ready["checks"]["output"]["detail"]


def test_not_ready_without_a_worker(make_server, tmp_path):
    broken = tmp_path / "worker"
    broken.write_text('#!/bin/sh\ncase "$*" in *--describe*) echo "[]";; esac\nexit 1\n')
    broken.chmod(0o755)
    from conftest import TEST_WORKER
    broken.write_text(f'#!/bin/sh\ncase "$*" in *--describe*) exec {TEST_WORKER} --describe;; esac\nexit 1\n')
    server = make_server(worker=broken)
    answer = server.get("/readyz")
    assert answer.status == 503 and answer.headers["Retry-After"]
    assert answer.json["status"] == "unavailable" and answer.json["checks"]["worker"]["ok"] is False
    assert server.get("/healthz").status == 200  # it is still being started


def test_figures_count_what_happened(make_server):
    server = make_server()
    server.wait_for(server.submit(show_prompt(1)))
    running = server.submit(sleep_prompt(30))
    server.wait_until_running(running)
    server.submit(show_prompt(2))
    seen = metrics(server)
    assert seen["comfy_prompts_running"] == 1 and seen["comfy_prompts_pending"] == 1
    assert seen['comfy_prompts_total{status="completed"}'] == 1
    server.post("/interrupt", {"prompt_id": running})
    server.wait_for(running)
    seen = metrics(server)
    assert seen['comfy_prompts_total{status="cancelled"}'] == 1
    assert seen["comfy_prompt_execution_seconds_count"] >= 2
    assert seen['comfy_prompt_execution_seconds_bucket{le="+Inf"}'] == seen["comfy_prompt_execution_seconds_count"]
    assert seen['comfy_http_requests_total{route="/interrupt",method="POST",code="200"}'] == 1
    assert seen["comfy_executor_up"] == 1 and seen["comfy_executor_restarts_total"] == 0
    assert seen['comfy_resident_bytes{process="server"}'] > 1e6
    socket = server.socket("counted")
    assert metrics(server)["comfy_ws_connections"] == 1
    socket.close()
    assert server.get("/api/metrics").status == 404


def test_secrets_are_neither_kept_nor_shown(make_server):
    server = make_server()
    running = server.submit(sleep_prompt(30))
    server.wait_until_running(running)
    secrets = {"auth_token_comfy_org": "SECRET-A", "api_key_comfy_org": "SECRET-B", "kept": "yes"}
    prompt_id = server.submit(show_prompt(1), extra_data=secrets)
    item = server.get("/queue").json["queue_pending"][0]
    assert item[3] == {"kept": "yes"}
    server.post("/interrupt")
    server.wait_for(prompt_id)
    for path in ("/queue", "/history", f"/history/{prompt_id}", "/api/jobs", f"/api/jobs/{prompt_id}", "/internal/logs"):
        assert b"SECRET" not in server.get(path).body, path
    server.stop()
    for file in (server.base / "user").rglob("*"):
        if file.is_file():
            assert b"SECRET" not in file.read_bytes(), file
    assert "SECRET" not in server.log()


def test_client_id_is_copied_into_extra_data(make_server):
    server = make_server()
    prompt_id = server.submit(show_prompt(1), client_id="me", extra_data={"x": 1})
    assert server.wait_for(prompt_id)["prompt"][3] == {"x": 1, "client_id": "me"}


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    from conftest import Server
    server = Server(tmp_path_factory.mktemp("history") / "base").start()
    ids = []
    for value in range(8):
        ids.append(server.submit(show_prompt(value)))
        server.wait_for(ids[-1])
    yield server, ids
    server.stop()


def test_history_windows(eight):
    server, ids = eight
    window = lambda query: list(server.get("/history" + query).json)
    assert window("") == ids
    assert window("?max_items=3") == ids[-3:]
    assert window("?max_items=3&offset=0") == ids[:3]
    assert window("?max_items=3&offset=-1") == ids[-3:]
    assert window("?offset=5") == ids[5:]
    assert window("?max_items=3&offset=3") == ids[3:6]  # disjoint with the first
    assert window("?max_items=5&offset=6") == ids[6:]
    assert window("?offset=8") == window("?max_items=2&offset=100") == []
    assert window("?max_items=100") == window("?max_items=8&offset=0") == ids
    assert window("?max_items=-1") == []
    for query in ("?max_items=x", "?offset=1.5", "?max_items="):
        assert server.get("/history" + query).status == 400, query


def test_history_is_forgotten(make_server):
    server = make_server()
    ids = []
    for value in range(4):
        ids.append(server.submit(show_prompt(value)))
        server.wait_for(ids[-1])
    assert server.post("/history", {"delete": [ids[1], "nobody"]}).status == 200
    assert list(server.get("/history").json) == [ids[0], ids[2], ids[3]]
    assert server.get(f"/api/jobs/{ids[1]}").status == 404
    assert server.post("/history", {"clear": True}).status == 200
    assert server.get("/history").json == {} and server.get("/api/jobs").json["jobs"] == []
    for body in ([], {"delete": "x"}, {"delete": [1]}, b"{"):
        assert server.post("/history", body).status == 400, body


def test_the_queue_is_edited(make_server):
    server = make_server()
    running = server.submit(sleep_prompt(30))
    server.wait_until_running(running)
    a, b, c = (server.submit(show_prompt(i)) for i in range(3))
    first = server.submit(show_prompt(9), front=True)
    early = server.submit(show_prompt(8), number=0.5)
    pending = lambda: [i[1] for i in server.get("/queue").json["queue_pending"]]
    assert pending() == [first, early, a, b, c]
    numbers = [i[0] for i in server.get("/queue").json["queue_pending"]]
    assert numbers == sorted(numbers) and numbers[0] == -4 and numbers[1] == 0.5
    server.post("/queue", {"delete": [b, running, "nobody"]})
    assert pending() == [first, early, a, c]
    assert [i[1] for i in server.get("/queue").json["queue_running"]] == [running]
    assert server.get("/prompt").json == {"exec_info": {"queue_remaining": 5}}
    server.post("/queue", {"clear": True})
    assert pending() == []
    item = server.get("/queue").json["queue_running"][0]
    assert len(item) == 5 and item[4] == ["3"]
    for body in ([], {"delete": "x"}, b"no json"):
        assert server.post("/queue", body).status == 400, body


def test_interrupt_by_id(make_server):
    server = make_server()
    running = server.submit(sleep_prompt(30))
    server.wait_until_running(running)
    for body in ({"prompt_id": "another"}, ):
        assert server.post("/interrupt", body).status == 200
    time.sleep(0.2)
    assert server.get("/queue").json["queue_running"]
    assert server.post("/interrupt", {"prompt_id": running}).status == 200
    assert server.wait_for(running)["status"]["status_str"] == "error"
    for body in (b"", b"{broken", b"[]", b"null"):
        assert server.post("/interrupt", body).status == 200


def test_free(server):
    for body in ({}, {"unload_models": True}, {"free_memory": True}, {"unload_models": False, "free_memory": False}):
        assert server.post("/free", body).status == 200
    assert server.post("/free", []).status == 400


def test_object_info_is_packed_for_who_can_unpack(server):
    plain = server.get("/object_info")
    packed = server.get("/object_info", {"Accept-Encoding": "gzip, deflate"})
    assert packed.headers["Content-Encoding"] == "gzip" and packed.headers["Vary"] == "Accept-Encoding"
    assert gzip.decompress(packed.body) == plain.body and len(packed.body) < len(plain.body) / 2
    assert plain.headers["ETag"] != packed.headers["ETag"]
    for tag in (plain.headers["ETag"], packed.headers["ETag"]):
        again = server.get("/object_info", {"If-None-Match": tag, "Accept-Encoding": "gzip"})
        assert again.status == 304 and again.body == b""


def test_compression_leaves_pictures_alone(make_server):
    server = make_server(flags=["--enable-compress-response-body"])
    (server.base / "output/big.png").write_bytes(bytes(5000))
    assert server.get("/view?filename=big.png", {"Accept-Encoding": "gzip"}).headers["Content-Encoding"] is None
    assert server.get("/openapi.json", {"Accept-Encoding": "gzip"}).headers["Content-Encoding"] == "gzip"
    info = server.get("/object_info", {"Accept-Encoding": "gzip"})
    json.loads(gzip.decompress(info.body))  # packed once, not twice


def test_users_and_their_settings(make_server):
    server = make_server(flags=["--multi-user"])
    assert server.get("/users").json == {"storage": "server", "users": {}}
    ann = server.post("/users", {"username": "Ann / ü"}).json
    assert re.fullmatch(r"[A-Za-z0-9_-]+_[0-9a-f-]{36}", ann)
    again = server.post("/users", {"username": "Ann / ü"})
    assert again.status == 400 and again.json == {"error": "Duplicate username."}
    for body in ({}, {"username": ""}, {"username": 5}, []):
        assert server.post("/users", body).status == 400, body
    me = {"Comfy-User": ann}
    assert server.ask("POST", "/settings", {"a": 1}, me).status == 200
    assert server.ask("POST", "/settings/b%2Fc", [2], me).status == 200
    assert server.get("/settings", me).json == {"a": 1, "b/c": [2]}
    assert server.ask("POST", "/userdata/x.json", b"{}", me).status == 200
    assert server.get("/userdata/x.json").status == 401
    assert json.loads((server.base / "user/users.json").read_text()) == {ann: "Ann / ü"}
    assert (server.base / "user" / ann / "x.json").exists()
    server.stop()
    server.start()
    assert server.get("/settings/a", me).json == 1


def test_embeddings_without_their_endings(make_server):
    server = make_server(start=False)
    folder = server.base / "models/embeddings/sub.dir"
    folder.mkdir(parents=True)
    (folder / "one.v2.safetensors").write_bytes(b"")
    (folder.parent / "two.pt").write_bytes(b"")
    (folder.parent / "notes.txt").write_bytes(b"")
    server.start()
    assert server.get("/embeddings").json == ["sub.dir/one.v2", "two"]


def test_an_answer_that_came_late_is_counted_as_what_it_was(make_server):
    server = make_server()
    assert server.post("/prompt?wait=0.05", {"prompt": sleep_prompt(30)}).status == 202
    assert metrics(server)['comfy_http_requests_total{route="/prompt",method="POST",code="202"}'] == 1
