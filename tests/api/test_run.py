"""Running: interrupt, delete, free; and a worker that dies."""
import os, signal, time

import pytest

from conftest import show_prompt, sleep_prompt


def kinds(messages):
    return [m["type"] for m in messages if m["type"].startswith("execution_")]


def test_interrupt(make_server):
    server = make_server()
    client = server.socket("me")
    prompt_id = server.submit(sleep_prompt(30), "me")
    client.until("executing", node="2")
    begin = time.time()
    assert server.post("/interrupt").status == 200  # the page sends no body
    seen = client.until_over(prompt_id)
    assert time.time() - begin < 5
    assert kinds(seen)[-1] == "execution_interrupted"
    entry = server.wait_for(prompt_id)
    assert entry["status"]["status_str"] == "error" and entry["status"]["completed"] is False
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"


def test_interrupt_of_one_prompt_leaves_another_alone(make_server):
    server = make_server()
    running = server.submit(sleep_prompt(1.0))
    server.wait_until_running(running)
    for body in ({"prompt_id": "other"}, {"prompt_id": 7}):
        if isinstance(body["prompt_id"], str):
            assert server.post("/interrupt", body).status == 200
    assert server.wait_for(running)["status"]["completed"] is True


def test_an_interrupt_while_idle_is_lost(server):
    assert server.post("/interrupt", b"{not json").status == 200
    assert server.wait_for(server.submit(show_prompt(501)))["status"]["completed"] is True


def test_the_queue_in_order_and_its_deletion(make_server):
    server = make_server()
    first = server.submit(sleep_prompt(30))
    server.wait_until_running(first)
    a, b = server.submit(show_prompt(1)), server.submit(show_prompt(2))
    front = server.submit(show_prompt(3), front=True)
    early = server.submit(show_prompt(4), number=0.5)
    queue = server.get("/queue").json
    assert [item[1] for item in queue["queue_running"]] == [first]
    assert [item[1] for item in queue["queue_pending"]] == [front, early, a, b]
    number, prompt_id, prompt, extra, outputs = queue["queue_pending"][1]
    assert (number, prompt_id, outputs) == (0.5, early, ["2"]) and prompt["1"]["inputs"] == {"value": 4}
    server.post("/queue", {"delete": [a, first]})
    assert [item[1] for item in server.get("/queue").json["queue_pending"]] == [front, early, b]
    server.post("/queue", {"clear": True})
    assert server.get("/queue").json["queue_pending"] == []
    assert server.get("/prompt").json["exec_info"]["queue_remaining"] == 1


def test_secrets_are_shown_to_nobody(make_server):
    server = make_server()
    server.wait_until_running(server.submit(sleep_prompt(30)))
    extra = {"auth_token_comfy_org": "SECRET", "api_key_comfy_org": "SECRET", "kept": 1,
             "extra_pnginfo": {"workflow": {"b": 1, "a": 2}}}
    prompt_id = server.submit(show_prompt(1), "me", extra_data=extra)
    assert b"SECRET" not in server.get("/queue").body
    assert server.get("/queue").json["queue_pending"][0][3] == {
        "kept": 1, "client_id": "me", "extra_pnginfo": {"workflow": {"b": 1, "a": 2}}}
    assert b"SECRET" not in b"".join(p.read_bytes() for p in (server.base / "user").glob("easel.db*") if p.is_file())
    server.post("/interrupt")
    assert server.wait_for(prompt_id)["prompt"][3]["client_id"] == "me"
    assert b"SECRET" not in server.get("/history").body


def test_the_same_id_twice(make_server):
    server = make_server()
    server.wait_until_running(server.submit(sleep_prompt(30)))
    first = server.post("/prompt", {"prompt": show_prompt(1), "prompt_id": "mine"})
    again = server.post("/prompt", {"prompt": show_prompt(1), "prompt_id": "mine"})
    assert first.json == again.json and server.get("/prompt").json["exec_info"]["queue_remaining"] == 2
    other = server.post("/prompt", {"prompt": show_prompt(2), "prompt_id": "mine"})
    assert other.status == 409 and other.json["error"]["type"] == "duplicate_prompt_id"


def test_free_and_figures(server):
    server.wait_for(server.submit(show_prompt(601)))
    assert server.post("/free", {"unload_models": True, "free_memory": True}).status == 200
    client = server.socket("me")
    prompt_id = server.submit(show_prompt(601), "me")
    seen = client.until_over(prompt_id)
    cached = [m for m in seen if m["type"] == "execution_cached"][0]
    assert cached["data"]["nodes"] == [], "the cached outputs were dropped"
    assert server.get("/system_stats").json["devices"][0]["vram_total"] == 1 << 30


def test_history_pages(make_server):
    server = make_server()
    ids = [server.submit(show_prompt(i)) for i in range(5)]
    for prompt_id in ids:
        server.wait_for(prompt_id)
    page = lambda query: list(server.get("/history" + query).json)
    assert page("") == ids and page("?max_items=2") == ids[3:] and page("?max_items=2&offset=0") == ids[:2]
    assert page("?offset=4") == ids[4:] and page("?max_items=3&offset=9") == []
    assert server.get("/history?max_items=x").status == 400
    server.post("/history", {"delete": [ids[0]]})
    assert page("") == ids[1:]


def test_a_worker_killed_once_is_replaced_and_the_prompt_runs_again(make_server):
    server = make_server()
    client = server.socket("me")
    prompt_id = server.submit(sleep_prompt(0.6), "me")
    waiting = server.submit(show_prompt(5))
    client.until("executing", node="2")
    os.kill(server.wait_for_worker(), signal.SIGKILL)
    seen = client.until_over(prompt_id)
    assert kinds(seen) == ["execution_start", "execution_cached", "execution_success"]
    assert server.wait_for(prompt_id)["status"]["completed"] is True
    assert server.wait_for(waiting)["status"]["completed"] is True
    assert "was killed by signal 9 (Killed) in node 2 (TestSleep)" in server.log()


def test_a_prompt_that_kills_its_worker_fails_clearly_and_the_queue_goes_on(make_server):
    server = make_server()
    client = server.socket("me")
    poison = {"1": {"class_type": "TestInt", "inputs": {"value": 1}},
              "2": {"class_type": "TestCrash", "inputs": {"value": ["1", 0]}},
              "3": {"class_type": "TestShow", "inputs": {"value": ["2", 0]}}}
    bad = server.submit(poison, "me")
    good = server.submit(show_prompt(5))
    error = [m for m in client.until_over(bad) if m["type"] == "execution_error"][0]["data"]
    assert (error["node_id"], error["node_type"], error["prompt_id"]) == ("2", "TestCrash", bad)
    assert "signal 6 (Aborted)" in error["exception_message"]
    entry = server.wait_for(bad)
    assert entry["status"]["status_str"] == "error" and entry["status"]["messages"][-1][0] == "execution_error"
    assert server.wait_for(good)["status"]["completed"] is True


def test_a_worker_killed_while_idle_is_replaced(make_server):
    server = make_server()
    server.wait_for(server.submit(show_prompt(1)))
    os.kill(server.wait_for_worker(), signal.SIGKILL)
    assert server.wait_for(server.submit(show_prompt(2)))["status"]["completed"] is True


def test_an_interrupt_is_kept_though_the_worker_dies_of_it(make_server):
    server = make_server()
    prompt_id = server.submit(sleep_prompt(30))
    server.wait_until_running(prompt_id)
    worker = server.wait_for_worker()
    os.kill(worker, signal.SIGSTOP)  # it cannot answer
    server.post("/interrupt")
    time.sleep(0.1)
    os.kill(worker, signal.SIGKILL)
    entry = server.wait_for(prompt_id)
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"


def test_workers_that_die_of_their_prompts_are_replaced_at_once(make_server):
    server = make_server()
    poison = {"1": {"class_type": "TestInt", "inputs": {"value": 1}},
              "2": {"class_type": "TestCrash", "inputs": {"value": ["1", 0]}},
              "3": {"class_type": "TestShow", "inputs": {"value": ["2", 0]}}}
    bad = [server.submit(poison) for _ in range(8)]
    good = server.submit(show_prompt(7))
    assert server.wait_for(good, 20)["status"]["completed"] is True
    assert all(server.wait_for(i)["status"]["status_str"] == "error" for i in bad)


def kill_workers(server, times):
    """Prompts of two seconds in all, the worker killed again and again: every prompt ends, none twice."""
    ids = [server.submit(sleep_prompt(0.05, value)) for value in range(20)]
    for i in range(times):
        pid = server.wait_for_worker()
        time.sleep(0.02 + 0.013 * (i % 11))
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    for prompt_id in ids:
        entry = server.wait_for(prompt_id, 60)
        assert entry["status"]["status_str"] in ("success", "error")
    assert list(server.get("/history").json) and set(server.get("/history").json) == set(ids)
    assert server.get("/queue").json == {"queue_running": [], "queue_pending": []}


def test_workers_killed_at_random(make_server):
    kill_workers(make_server(), 8)


@pytest.mark.slow
def test_workers_killed_at_random_many_times(make_server):
    server = make_server()
    for _ in range(10):
        kill_workers(server, 20)
        server.post("/history", {"clear": True})
