"""Accepted means durable: the server is killed at any moment, and nothing that was answered with 200 is lost."""
import http.client, os, random, shutil, signal, subprocess, threading, time

import pytest

from conftest import show_prompt, sleep_prompt


def check_nothing_lost(server, accepted, seconds=60):
    """Each accepted prompt is waiting, running or in the history, exactly once; and ends."""
    queue = server.get("/queue").json
    waiting = [item[1] for item in queue["queue_pending"] + queue["queue_running"]]
    history = list(server.get("/history").json)
    assert len(set(waiting)) == len(waiting) and len(set(history)) == len(history)
    for prompt_id in accepted:
        entry = server.wait_for(prompt_id, seconds)
        assert entry["status"]["status_str"] in ("success", "error"), entry


def kill_rounds(server, rounds, seed):
    """Clients submit without pause while the server is killed and started again."""
    chance = random.Random(seed)
    accepted, stop, value = [], threading.Event(), [0]

    def submit_without_pause(name):
        while not stop.is_set():
            value[0] += 1
            prompt = show_prompt(value[0]) if value[0] % 3 else sleep_prompt(0.03, value[0])
            try:
                answer = server.post("/prompt", {"prompt": prompt, "client_id": name})
            except (OSError, http.client.HTTPException):
                time.sleep(0.01)
                continue
            assert answer.status == 200, answer.body
            accepted.append(answer.json["prompt_id"])
            time.sleep(0.02)

    clients = [threading.Thread(target=submit_without_pause, args=(f"c{i}",)) for i in range(2)]
    for client in clients:
        client.start()
    try:
        for _ in range(rounds):
            time.sleep(chance.uniform(0.01, 0.25))
            server.kill()
            server.start()
    finally:
        stop.set()
        for client in clients:
            client.join()
    check_nothing_lost(server, accepted, 180)
    return accepted


def test_the_server_killed_at_random_moments(make_server):
    assert len(kill_rounds(make_server(), 20, seed=1)) > 20


@pytest.mark.slow
def test_the_server_killed_at_random_moments_many_times(make_server):
    assert len(kill_rounds(make_server(), 200, seed=2)) > 200


def test_order_and_history_survive_a_kill(make_server):
    server = make_server()
    done = server.submit(show_prompt(1))
    before = server.wait_for(done)
    running = server.submit(sleep_prompt(0.8))
    server.wait_until_running(running)
    waiting = [server.submit(sleep_prompt(0.3, i)) for i in range(3)]
    front = server.submit(sleep_prompt(0.3, 9), front=True)
    server.kill()
    server.start()
    queue = server.get("/queue").json
    order = [item[1] for item in queue["queue_running"] + queue["queue_pending"]]
    assert order == [running, front, *waiting], "the one that ran stands at the head"
    assert server.get(f"/history/{done}").json[done] == before
    check_nothing_lost(server, [running, front, *waiting])
    assert list(server.get("/history").json) == [done, running, front, *waiting]
    assert all(entry["status"]["completed"] for entry in server.get("/history").json.values())


def test_a_prompt_during_which_the_server_dies_twice_is_given_up(make_server):
    server = make_server()
    poison = server.submit(sleep_prompt(30))
    good = server.submit(show_prompt(3))
    for _ in range(2):
        server.wait_until_running(poison)
        time.sleep(0.3)  # an attempt counts once it is written, which no prompt waits for
        server.kill()
        server.start()
    entry = server.wait_for(poison)
    assert entry["status"]["messages"][-1][0] == "execution_error"
    assert "begun 2 times" in entry["status"]["messages"][-1][1]["exception_message"]
    assert server.wait_for(good)["status"]["completed"] is True


def test_sigterm_puts_the_running_prompt_back(make_server):
    server = make_server(flags=["--drain-timeout", "0"])
    client = server.socket("me")
    running = server.submit(sleep_prompt(1.0), "me")
    waiting = server.submit(show_prompt(2))
    client.until("executing", node="2")
    begin = time.time()
    assert server.stop() == 0, server.log()
    assert time.time() - begin < 5
    for _ in range(3):  # an orderly end is no attempt
        server.start()
        queue = server.get("/queue").json
        assert [item[1] for item in queue["queue_running"] + queue["queue_pending"]][0] == running
        server.wait_until_running(running)
        assert server.stop() == 0
    server.start()
    assert server.wait_for(running)["status"]["completed"] is True
    assert server.wait_for(waiting)["status"]["completed"] is True


def test_sigterm_lets_the_running_prompt_end(make_server):
    server = make_server(flags=["--drain-timeout", "60"])
    client = server.socket("me")
    running = server.submit(sleep_prompt(1.0), "me")
    waiting = server.submit(show_prompt(2))
    client.until("executing", node="2")
    assert server.stop(60) == 0, server.log()
    server.start()
    assert server.wait_for(running)["status"]["completed"] is True
    assert server.log().count("may go on for") == 1 and "goes back to the head" not in server.log()
    assert server.wait_for(waiting)["status"]["completed"] is True


def test_sigterm_waits_no_longer_than_it_may(make_server):
    server = make_server(flags=["--drain-timeout", "0.5"])
    running = server.submit(sleep_prompt(60))
    server.wait_until_running(running)
    assert server.stop(30) == 0, server.log()
    assert f"prompt {running} goes back to the head of the queue" in server.log()
    server.start()
    queue = server.get("/queue").json
    assert [item[1] for item in queue["queue_running"] + queue["queue_pending"]] == [running]


def save_prompt(color, seconds=0):
    """Saves a picture, and then sleeps."""
    prompt = {"1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 2, "color": color}},
              "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a/durable"}}}
    if seconds:
        prompt.update({key + "0": node for key, node in sleep_prompt(seconds, color).items()})
        prompt["20"]["inputs"]["value"] = ["10", 0]
        prompt["30"]["inputs"]["value"] = ["20", 0]
    return prompt


def pictures(server):
    return sorted(str(path.relative_to(server.base / "output")) for path in (server.base / "output").rglob("*") if path.is_file())


def wait_for_pictures(server, count, seconds=20):
    end = time.time() + seconds
    while len(pictures(server)) < count:
        assert time.time() < end, server.log()
        time.sleep(0.01)


@pytest.mark.parametrize("victim", ["server", "worker"])
def test_pictures_of_a_run_that_was_killed_are_taken_back(make_server, victim):
    server = make_server()
    first = server.submit(save_prompt(1))
    server.wait_for(first)
    prompt_id = server.submit(save_prompt(2, 1.5))
    wait_for_pictures(server, 4)
    if victim == "server":
        server.kill()
        server.start()
    else:
        os.kill(server.wait_for_worker(), signal.SIGKILL)
    entry = server.wait_for(prompt_id)
    assert entry["status"]["completed"] is True
    assert len(entry["outputs"]["2"]["images"]) == 2
    assert pictures(server) == [f"a/durable_0000{i}_.png" for i in (1, 2, 3, 4)]
    assert server.stop() == 0


def test_pictures_shown_before_the_worker_died_for_good_are_kept_and_listed(make_server):
    server = make_server()
    prompt_id = server.submit(save_prompt(3, 30))
    for _ in range(2):
        wait_for_pictures(server, 2)
        server.wait_until_running(prompt_id)
        time.sleep(0.3)  # the report of the pictures gets through
        os.kill(server.wait_for_worker(), signal.SIGKILL)
        time.sleep(0.3)
    entry = server.wait_for(prompt_id)
    assert entry["status"]["status_str"] == "error"
    assert sorted("a/" + image["filename"] for image in entry["outputs"]["2"]["images"]) == pictures(server)


def test_a_prompt_without_progress_is_given_up_and_the_queue_goes_on(make_server):
    server = make_server(flags=["--stall-timeout", "1"])
    stuck = server.submit({"1": {"class_type": "TestHang", "inputs": {"value": 1}},
                           "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}})
    slow, good = server.submit(sleep_prompt(2.5)), server.submit(show_prompt(4))
    entry = server.wait_for(stuck, 60)
    message = entry["status"]["messages"][-1]
    assert message[0] == "execution_error" and message[1]["node_type"] == "TestHang"
    assert "was stuck and ended" in message[1]["exception_message"]
    assert server.log().count("has shown no progress for 1 s") == 2
    assert server.wait_for(slow)["status"]["completed"] is True, "slow is not stuck"
    assert server.wait_for(good)["status"]["completed"] is True


def test_poison_is_tried_twice_and_the_rest_runs(make_server):
    server = make_server()
    crash = lambda i: {"1": {"class_type": "TestInt", "inputs": {"value": i}},
                       "2": {"class_type": "TestCrash", "inputs": {"value": ["1", 0]}},
                       "3": {"class_type": "TestShow", "inputs": {"value": ["2", 0]}}}
    prompts = {f"{'poison' if i % 10 == 0 else 'good'}-{i}": crash(i) if i % 10 == 0 else show_prompt(i) for i in range(100)}
    for prompt_id, prompt in prompts.items():
        server.submit(prompt, prompt_id=prompt_id)
    for prompt_id in prompts:
        entry = server.wait_for(prompt_id, 120)
        assert entry["status"]["completed"] is prompt_id.startswith("good"), entry
    assert server.log().count("(attempt 1 of 2); another is started") == 10
    assert server.log().count("(attempt 2 of 2); another is started") == 10


def test_old_files_are_removed_where_that_is_asked_for(make_server):
    server = make_server(start=False, flags=["--retain", "output=1h"])
    old = server.base / "output/old.png"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"x")
    os.utime(old, (1, 1))
    server.start()
    prompt_id = server.submit(save_prompt(1))
    server.wait_for(prompt_id)
    end = time.time() + 20
    while old.exists():
        assert time.time() < end
        time.sleep(0.02)
    assert len(pictures(server)) == 2
    bad = make_server("bad", start=False, flags=["--retain", "everything"]).start(wait=False)
    assert bad.process.wait(20) != 0 and "--retain: 'everything' came" in bad.log()


def test_a_worker_says_things_once(make_server):
    server = make_server()
    server.wait_for(server.submit({"1": {"class_type": "TestFail", "inputs": {"value": 1, "message": "said once"}},
                                   "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}}))
    assert "easel-worker]" not in server.log() and "[info]" not in server.log()


def test_a_second_sigterm_does_not_wait(make_server):
    server = make_server(flags=["--drain-timeout", "60"])
    prompt_id = server.submit(sleep_prompt(30))
    server.wait_until_running(prompt_id)
    os.kill(server.wait_for_worker(), signal.SIGSTOP)  # it will not answer
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert server.process.poll() is None
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(5) == 0
    server.start()
    assert server.get("/prompt").json["exec_info"]["queue_remaining"] == 1


def test_sigterm_while_idle_and_at_once(make_server):
    server = make_server()
    assert server.stop() == 0
    server.start(wait=False)
    time.sleep(0.02)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) in (0, -signal.SIGTERM)


def test_a_damaged_database_is_moved_aside_and_said(make_server):
    server = make_server()
    server.wait_for(server.submit(show_prompt(1)))
    assert server.stop() == 0
    database = server.base / "user/easel.db"
    database.write_bytes(b"x" * 4096)
    server.start()
    assert server.get("/history").json == {}
    assert list((server.base / "user").glob("easel.db.corrupt-*"))
    assert "is damaged: it is moved aside" in server.log()
    assert server.wait_for(server.submit(show_prompt(2)))["status"]["completed"] is True


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 600 kB, and what gives it room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = lambda *options: subprocess.run(["mount", *options, str(disk)], capture_output=True).returncode
    if shutil.which("mount") is None or mount("-t", "tmpfs", "-o", "size=600k", "tmpfs"):
        pytest.skip("mounting a small disk is not permitted here")
    yield disk, lambda: mount("-o", "remount,size=60M")
    subprocess.run(["umount", "-l", str(disk)])


def test_a_full_disk_of_pictures_is_an_error_of_the_node(make_server, small_disk):
    disk, make_room = small_disk
    server = make_server(flags=["--output-directory", str(disk)])
    with open(disk / "filler", "wb", buffering=0) as filler:
        try:
            while filler.write(b"x" * 4096):
                pass
        except OSError:
            pass  # full
    (disk / "a").mkdir()
    entry = server.wait_for(server.submit(save_prompt(1)))
    message = entry["status"]["messages"][-1]
    assert message[0] == "execution_error" and message[1]["node_type"] == "SaveImage"
    assert "disk full: need" in message[1]["exception_message"] and "free" in message[1]["exception_message"]
    assert [path.name for path in disk.rglob("*") if path.is_file()] == ["filler"]
    assert make_room() == 0
    assert server.wait_for(server.submit(save_prompt(2)))["status"]["completed"] is True
    assert server.stop() == 0


def test_a_full_disk_refuses_and_loses_nothing(make_server, small_disk):
    disk, make_room = small_disk
    server = make_server(flags=["--user-directory", str(disk)])
    accepted, refused = [], 0
    for i in range(60):
        prompt = show_prompt(i)
        prompt["1"]["_meta"] = {"title": "x" * 20_000}
        answer = server.post("/prompt", {"prompt": prompt, "prompt_id": f"p{i}"})
        if answer.status == 200:
            accepted.append(f"p{i}")
        else:
            assert answer.status == 503 and answer.headers["Retry-After"], answer.body
            assert answer.json["error"]["type"] == "store_unavailable"
            refused += 1
    assert accepted and refused
    full = server.post("/settings", {"a": "y" * 2_000_000})
    assert full.status == 500 and b"disk full" in full.body
    assert make_room() == 0
    check_nothing_lost(server, accepted)
    assert set(server.get("/history").json) == set(accepted)
    assert server.wait_for(server.submit(show_prompt(1)))["status"]["completed"] is True
    assert server.stop() == 0
