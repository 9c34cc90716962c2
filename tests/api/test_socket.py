"""What goes to whom on /ws."""
import json, socket, struct, time

import websocket

from conftest import memory_counts, show_prompt, sleep_prompt


def test_status_comes_first_with_sid_and_the_true_count(make_server):
    server = make_server()
    running = server.submit(sleep_prompt(20))
    server.wait_until_running(running)
    server.submit(sleep_prompt(0.01))
    client = server.socket("me")
    assert client.next() == {"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 2}}, "sid": "me"}}


def test_a_sid_is_chosen_where_none_is_given(server):
    ws = websocket.create_connection(f"ws://127.0.0.1:{server.port}/api/ws")
    sid = json.loads(ws.recv())["data"]["sid"]
    assert len(sid) == 32 and int(sid, 16) >= 0


def test_only_the_owner_hears_of_its_prompt(server):
    me, other = server.socket("me"), server.socket("other")
    prompt_id = server.submit(sleep_prompt(0.05), "me")
    seen = me.until_over(prompt_id)
    kinds = [m["type"] for m in seen]
    for kind in ("execution_start", "execution_cached", "executing", "progress", "progress_state", "executed", "execution_success"):
        assert kind in kinds, kind
    assert {m["type"] for m in other.rest()} == {"status"}


def test_a_prompt_without_owner(server):
    listener = server.socket("listener")
    prompt_id = server.submit(sleep_prompt(0.06))
    server.wait_for(prompt_id)
    kinds = {m["type"] for m in listener.rest()}
    assert {"status", "progress", "progress_state"} <= kinds
    assert not kinds & {"execution_start", "executing", "executed", "execution_success"}


def test_an_empty_client_id_is_nobody(server):
    listener = server.socket("listener")
    server.wait_for(server.submit(sleep_prompt(0.07), ""))
    assert {m["type"] for m in listener.rest()} == {"status"}


def test_the_end_is_told_when_the_history_can_be_read(server):
    client = server.socket("me")
    for value in range(20):
        prompt_id = server.submit(show_prompt(1000 + value), "me")
        seen = client.until_over(prompt_id)
        assert server.get(f"/history/{prompt_id}").json[prompt_id]["status"]["completed"] is True
        assert [m["type"] for m in seen if m["type"].startswith("execution_")] == [
            "execution_start", "execution_cached", "execution_success"]


def test_feature_flags_are_answered_once_and_first(server):
    client = server.socket("me", {"supports_preview_metadata": True})
    answer = client.until("feature_flags")[-1]
    assert answer["data"] == server.get("/features").json
    client.ws.send("{rubbish")
    client.ws.send(json.dumps({"type": "feature_flags", "data": {}}))
    assert client.rest() == []


def previews(messages):
    return [m for m in messages if m.get("binary") in (1, 4)]


def test_previews_by_the_clients_flag(make_server):
    server = make_server(flags=["--preview-method", "auto"])
    old, modern = server.socket("me"), server.socket("me", {"supports_preview_metadata": True})
    modern.until("feature_flags")
    prompt_id = server.submit(sleep_prompt(0.1), "me")
    before, after = previews(old.until_over(prompt_id)), previews(modern.until_over(prompt_id))
    assert before and {m["binary"] for m in before} == {1}
    assert before[0]["bytes"] == struct.pack(">I", 1) + b"\xff\xd8\xff\xd9"
    assert after and {m["binary"] for m in after} == {4}
    size = struct.unpack(">I", after[0]["bytes"][:4])[0]
    metadata = json.loads(after[0]["bytes"][4:4 + size])
    assert metadata == {"node_id": "2", "prompt_id": prompt_id, "display_node_id": "2", "parent_node_id": None,
                        "real_node_id": "2", "image_type": "image/jpeg"}
    assert after[0]["bytes"][4 + size:] == b"\xff\xd8\xff\xd9"


def test_no_previews_unless_asked(server):
    client = server.socket("me")
    seen = client.until_over(server.submit(sleep_prompt(0.08), "me"))
    assert not previews(seen)
    text = [m for m in seen if m.get("binary") == 3]  # the words that TestShow puts on its node
    assert text[0]["bytes"] == struct.pack(">I", 1) + b"3showing 1"


def test_who_reconnects_hears_the_running_state(make_server):
    server = make_server()
    client = server.socket("me")
    prompt_id = server.submit(sleep_prompt(3), "me")
    client.until("executing", node="2")
    client.close()
    again = server.socket("me")
    first = [again.next() for _ in range(3)]
    assert first[0]["type"] == "status" and first[0]["data"]["status"]["exec_info"]["queue_remaining"] == 1
    assert first[1] == {"type": "executing", "data": {"node": "2", "display_node": "2", "prompt_id": prompt_id}}
    assert first[2]["type"] == "progress_state" and first[2]["data"]["nodes"]["2"]["state"] == "running"
    assert {"1", "2"} <= set(first[2]["data"]["nodes"])
    stranger = server.socket("stranger")
    assert [m["type"] for m in stranger.rest(0.2)] == ["status"]
    assert again.until_over(prompt_id)
    late = server.socket("me")
    assert [m["type"] for m in late.rest(0.2)] == ["status"], "nothing is repeated after the end"


def test_many_reconnects_lose_no_event(make_server):
    server = make_server()
    prompt_id = server.submit(sleep_prompt(1.5), "me")
    over = False
    for _ in range(60):
        client = server.socket("me")
        assert client.next()["type"] == "status"
        over = any(m["type"] == "executing" and m["data"]["node"] is None for m in client.rest(0.03))
        client.close()
        if server.get(f"/history/{prompt_id}").json:
            break
    entry = server.wait_for(prompt_id)
    assert entry["status"]["completed"], over


def raw_socket(server, client_id):
    """A handshake by hand, on a socket that then reads nothing."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    s.connect(("127.0.0.1", server.port))
    s.sendall(f"GET /ws?clientId={client_id} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\n"
              "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    return s


@memory_counts
def test_clients_that_never_read_disturb_nobody(make_server):
    server = make_server()
    stuck = [raw_socket(server, "me") for _ in range(10)]
    good = server.socket("me")
    text = "x" * 200_000
    for i in range(40):
        prompt = {"1": {"class_type": "TestText", "inputs": {"value": f"{i}{text}"}},
                  "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}}
        prompt_id = server.submit(prompt, "me")
        assert good.until_over(prompt_id)
        server.post("/history", {"clear": True})
    status = open(f"/proc/{server.process.pid}/status").read()
    resident = int(status.split("VmRSS:")[1].split()[0])
    assert resident < 300_000, f"{resident} kB"
    end = time.time() + 10
    while "does not keep up" not in server.log() and time.time() < end:
        time.sleep(0.1)
    assert "does not keep up" in server.log()
    for s in stuck:
        s.close()


def test_many_idle_sockets(server):
    sockets = [websocket.create_connection(f"ws://127.0.0.1:{server.port}/ws?clientId=idle{i}") for i in range(300)]
    prompt_id = server.submit(show_prompt(77), "idle7")
    server.wait_for(prompt_id)
    for ws in sockets:
        assert json.loads(ws.recv())["type"] == "status"
        ws.close()
    assert server.get("/prompt").status == 200
