"""/api/jobs, waiting for a prompt, and cancelling."""
import json, threading, time, uuid

from conftest import show_prompt, sleep_prompt

SAVE = {"1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 2, "color": 0}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "jobs"}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}
FAIL = {"1": {"class_type": "TestInt", "inputs": {"value": 1}},
        "2": {"class_type": "TestFail", "inputs": {"value": ["1", 0], "message": "out of paint"}},
        "3": {"class_type": "TestShow", "inputs": {"value": ["2", 0]}}}


def jobs(server, query=""):
    answer = server.get("/api/jobs" + query)
    assert answer.status == 200, answer.body
    return answer.json


def test_an_empty_list(make_server):
    server = make_server()
    assert jobs(server) == {"jobs": [], "pagination": {"offset": 0, "limit": 200, "total": 0, "has_more": False}}
    assert server.get("/jobs").status == 404  # only below /api
    assert server.get("/api/jobs/nobody").status == 404
    assert server.get("/api/jobs/nobody").json == {"error": "Job not found"}


def test_each_state_in_the_shape_the_page_insists_on(make_server):
    server = make_server()
    before = int(time.time() * 1000) - 1
    done = server.submit(SAVE, extra_data={"extra_pnginfo": {"workflow": {"id": "w-1", "nodes": []}}})
    server.wait_for(done)
    failed = server.submit(FAIL)
    server.wait_for(failed)
    running = server.submit(sleep_prompt(20))
    server.wait_until_running(running)
    waiting = server.submit(show_prompt(7), number=3.5)

    listed = jobs(server)
    assert [j["id"] for j in listed["jobs"]] == [waiting, running, failed, done]
    assert [j["status"] for j in listed["jobs"]] == ["pending", "in_progress", "failed", "completed"]
    for job in listed["jobs"]:
        assert before <= job["create_time"] <= time.time() * 1000 + 1 and isinstance(job["create_time"], int)
        assert None not in job.values()
    entry = listed["jobs"][3]
    assert entry["outputs_count"] == 4 and entry["previewable_outputs_count"] == 4
    assert entry["preview_output"]["type"] == "output" and entry["preview_output"]["nodeId"] == "2"
    assert entry["preview_output"]["mediaType"] == "images" and entry["workflow_id"] == "w-1"
    assert entry["execution_end_time"] >= entry["execution_start_time"] >= entry["create_time"] - 1
    error = listed["jobs"][2]["execution_error"]
    assert error["node_id"] == "2" and error["node_type"] == "TestFail" and "out of paint" in error["exception_message"]
    assert isinstance(error["exception_type"], str) and all(isinstance(line, str) for line in error["traceback"])
    assert listed["jobs"][0]["priority"] == 3.5

    one = server.get(f"/api/jobs/{done}").json
    assert {k: one[k] for k in entry} == entry
    assert one["workflow"]["prompt"] == SAVE
    assert one["workflow"]["extra_data"]["extra_pnginfo"]["workflow"]["id"] == "w-1"
    assert [f["filename"] for f in one["outputs"]["2"]["images"]] == ["jobs_00001_.png", "jobs_00002_.png"]
    assert one["execution_status"]["status_str"] == "success"
    assert server.get(f"/api/jobs/{waiting}").json["outputs"] == {}

    assert server.post(f"/api/jobs/{running}/cancel").json == {"cancelled": True}
    server.wait_for(running)
    assert server.get(f"/api/jobs/{running}").json["status"] == "cancelled"
    server.wait_for(waiting)
    assert server.get(f"/api/jobs/{waiting}").json["preview_output"] == {"content": "7", "nodeId": "2", "mediaType": "text"}
    states = [j["status"] for j in jobs(server, "?status=completed,cancelled")["jobs"]]
    assert sorted(states) == ["cancelled", "completed", "completed"]


def test_filters_pages_and_order(make_server):
    server = make_server()
    ids = []
    for value in range(6):
        extra = {"extra_pnginfo": {"workflow": {"nodes": [{"id": 1}], "id": f"w{value % 2}"}}}
        ids.append(server.submit(show_prompt(value), extra_data=extra))
        server.wait_for(ids[-1])
        time.sleep(0.003)
    assert [j["id"] for j in jobs(server, "?sort_order=asc")["jobs"]] == ids
    page = jobs(server, "?limit=2&offset=1")
    assert [j["id"] for j in page["jobs"]] == [ids[4], ids[3]]
    assert page["pagination"] == {"offset": 1, "limit": 2, "total": 6, "has_more": True}
    assert jobs(server, "?limit=2&offset=4")["pagination"]["has_more"] is False
    assert jobs(server, "?offset=60")["jobs"] == []
    assert [j["id"] for j in jobs(server, "?workflow_id=w1")["jobs"]] == [ids[5], ids[3], ids[1]]
    assert jobs(server, "?workflow_id=w9")["pagination"]["total"] == 0
    lasted = [j["execution_end_time"] - j["execution_start_time"] for j in jobs(server, "?sort_by=execution_duration")["jobs"]]
    assert lasted == sorted(lasted, reverse=True)
    assert jobs(server, "?status=in_progress,pending")["jobs"] == []
    for query in ("?limit=x", "?limit=0", "?offset=-1", "?status=done", "?sort_by=name", "?sort_order=up", "?limit=1e3"):
        answer = server.get("/api/jobs" + query)
        assert answer.status == 400 and isinstance(answer.json["error"], str), query


def test_the_list_outlives_the_server(make_server):
    server = make_server()
    prompt_id = server.submit(SAVE)
    server.wait_for(prompt_id)
    before = jobs(server)
    server.kill()
    server.start()
    assert jobs(server) == before


def test_cancelling(make_server):
    server = make_server()
    running = server.submit(sleep_prompt(30))
    server.wait_until_running(running)
    waiting = [server.submit(show_prompt(i)) for i in range(3)]
    assert server.post(f"/api/jobs/{waiting[1]}/cancel").json == {"cancelled": True}
    assert server.post(f"/api/jobs/{waiting[1]}/cancel").json == {"cancelled": False}
    assert server.post("/api/jobs/nobody/cancel").json == {"cancelled": False}
    assert server.post("/api/jobs/cancel", {"job_ids": [waiting[0], waiting[2]]}).json == {"cancelled": True}
    assert server.post("/api/jobs/cancel", {"job_ids": [str(uuid.uuid4())]}).json == {"cancelled": False}
    assert server.get("/queue").json["queue_pending"] == []
    bad = server.post("/api/jobs/cancel", {"job_ids": [running, "no id", 5]})
    assert bad.status == 400 and bad.json["invalid_ids"] == ["no id", 5] and bad.json["error"]
    for body in ({}, {"job_ids": []}, {"job_ids": "x"}, []):
        assert server.post("/api/jobs/cancel", body).status == 400, body
    assert server.get(f"/api/jobs/{running}").json["status"] == "in_progress"
    assert server.post("/api/jobs/cancel", {"job_ids": [running]}).json == {"cancelled": True}
    entry = server.wait_for(running)
    assert any(m[0] == "execution_interrupted" for m in entry["status"]["messages"])


def test_an_id_of_the_clients_own(make_server):
    server = make_server()
    running = server.submit(sleep_prompt(30))
    server.wait_until_running(running)
    server.submit(show_prompt(1), prompt_id="mine/of today")
    assert server.get("/api/jobs/mine%2Fof%20today").json["status"] == "pending"
    assert server.post("/api/jobs/cancel", {"job_ids": ["mine/of today"]}).json == {"cancelled": True}
    server.submit(show_prompt(2), prompt_id="mine")
    assert server.post("/api/jobs/mine/cancel").json == {"cancelled": True}


def test_waiting_for_the_outputs(make_server):
    server = make_server()
    answer = server.post("/prompt?wait=30", {"prompt": SAVE})
    assert answer.status == 200 and answer.json["status"] == "completed" and answer.json["node_errors"] == {}
    assert len(answer.json["outputs"]["2"]["images"]) == 2
    assert answer.json["execution_status"]["completed"] is True
    assert answer.json["prompt_id"] in server.get("/history").json
    # the same prompt again is the same prompt: its outputs are there at once
    same = {"prompt": SAVE, "prompt_id": answer.json["prompt_id"]}
    again = server.post("/api/prompt?wait=30", same)
    assert again.json["outputs"] == answer.json["outputs"]
    assert len(server.get("/history").json) == 1

    failed = server.post("/prompt?wait=30", {"prompt": FAIL})
    assert failed.status == 200 and failed.json["status"] == "failed"
    assert "out of paint" in json.dumps(failed.json["execution_status"])


def test_waiting_has_an_end(make_server):
    server = make_server()
    begin = time.time()
    answer = server.post("/prompt?wait=0.3", {"prompt": sleep_prompt(30)})
    assert answer.status == 202 and answer.json["status"] in ("pending", "in_progress") and answer.json["outputs"] == {}
    assert 0.3 <= time.time() - begin < 10
    assert server.get("/queue").json["queue_running"]
    for wait in ("x", "-1", "nan", "inf", "1e9", ""):
        assert server.post(f"/prompt?wait={wait}", {"prompt": SAVE}).status == 400, wait


def test_waiters_are_told_of_what_never_runs(make_server):
    server = make_server()
    server.submit(sleep_prompt(60))
    answers = {}

    def wait(name, value):
        answers[name] = server.post("/prompt?wait=60", {"prompt": show_prompt(value), "prompt_id": name})

    threads = [threading.Thread(target=wait, args=(f"job{i}", i)) for i in range(6)]
    for thread in threads:
        thread.start()
    end = time.time() + 20
    while len(server.get("/queue").json["queue_pending"]) < 6 and time.time() < end:
        time.sleep(0.01)
    time.sleep(0.1)
    server.post("/queue", {"delete": ["job0"]})
    server.post("/api/jobs/job1/cancel")
    server.post("/queue", {"clear": True})
    for thread in threads:
        thread.join(30)
    assert {name: (a.status, a.json["status"]) for name, a in answers.items()} == \
        {f"job{i}": (200, "cancelled") for i in range(6)}


def test_many_wait_while_the_server_answers_others(make_server):
    server = make_server()
    server.submit(sleep_prompt(1.5))
    answers = []
    threads = [threading.Thread(target=lambda i=i: answers.append(server.post("/prompt?wait=60", {"prompt": show_prompt(i)})))
               for i in range(24)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    assert server.get("/queue").status == 200
    assert server.post("/interrupt").status == 200  # no pool thread is held
    for thread in threads:
        thread.join(60)
    assert sorted(a.status for a in answers) == [200] * 24


def test_waiters_are_let_go_when_the_server_ends(make_server):
    server = make_server()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(server.post("/prompt?wait=60", {"prompt": sleep_prompt(60)})))
    thread.start()
    end = time.time() + 20
    while not server.get("/queue").json["queue_running"] and time.time() < end:
        time.sleep(0.01)
    assert server.stop(40) == 0
    thread.join(10)
    assert answers and answers[0].status == 202
