"""POST /prompt with a workflow as the page saves it."""
import pytest


def workflow(color=255, prefix="page"):
    return {"version": 0.4, "links": [[1, 1, 0, 3, 0, "IMAGE"], [2, 3, 0, 2, 0, "IMAGE"]], "groups": [], "config": {}, "extra": {}, "nodes": [
        {"id": 1, "type": "EmptyImage", "order": 0, "mode": 0, "inputs": [], "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [1]}],
         "widgets_values": [16, 8, 1, color]},
        {"id": 3, "type": "Reroute", "order": 1, "mode": 0, "inputs": [{"name": "", "type": "*", "link": 1}], "outputs": [{"name": "", "type": "IMAGE", "links": [2]}]},
        {"id": 2, "type": "SaveImage", "order": 2, "mode": 0, "inputs": [{"name": "images", "type": "IMAGE", "link": 2}], "outputs": [], "widgets_values": [prefix]}]}


def run(server, body):
    answer = server.post("/prompt", body)
    assert answer.status == 200, answer.body
    prompt_id = answer.json["prompt_id"]
    return server.wait_for(prompt_id)


@pytest.mark.parametrize("wrapped", [True, False])
def test_it_runs_and_keeps_the_workflow(server, wrapped):
    entry = run(server, {"prompt": workflow()} if wrapped else workflow())
    assert entry["status"]["status_str"] == "success"
    number, prompt_id, prompt, extra, outputs = entry["prompt"][:5]
    assert prompt["2"]["inputs"]["images"] == ["1", 0] and prompt["2"]["inputs"]["filename_prefix"] == "page"
    assert set(prompt) == {"1", "2"} and prompt["1"]["inputs"]["color"] == 255
    assert extra["extra_pnginfo"]["workflow"]["nodes"][1]["type"] == "Reroute"


def test_a_workflow_of_its_own_beside_it_stays(server):
    entry = run(server, {"prompt": workflow(), "extra_data": {"extra_pnginfo": {"workflow": {"mine": 1}}}})
    assert entry["prompt"][3]["extra_pnginfo"] == {"workflow": {"mine": 1}}


@pytest.mark.parametrize("change, kind, words", [
    (lambda w: w["nodes"][2].update(mode=2), "prompt_no_outputs", ""),
    (lambda w: w["nodes"][0].update(type="NoSuch"), "invalid_prompt", "NoSuch"),
    (lambda w: w["nodes"].append(7), "invalid_prompt", "an object was wanted"),
    (lambda w: w["links"].__setitem__(0, [1, 3, 0, 3, 0, "IMAGE"]), "invalid_prompt", "circle"),
])
def test_what_is_wrong_is_said(server, change, kind, words):
    saved = workflow()
    change(saved)
    answer = server.post("/prompt", {"prompt": saved})
    assert answer.status == 400 and answer.json["error"]["type"] == kind, answer.body
    assert words in answer.body.decode()


def test_a_prompt_with_a_node_called_nodes_is_a_prompt(server):
    prompt = {"nodes": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
              "links": {"class_type": "SaveImage", "inputs": {"images": ["nodes", 0], "filename_prefix": "x"}}}
    assert run(server, {"prompt": prompt})["status"]["status_str"] == "success"
