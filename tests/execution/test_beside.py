"""Nodes that run beside others. The times allowed are far above what is needed, and below what one after another takes."""
import time

import pytest

from conftest import Failed, Refused
from test_engine import block_at, reruns


def asleep(graph, picture, seconds):
    return graph.node("TestSleep", value=picture, seconds=seconds)


def test_what_goes_in_comes_out(client, graph):
    node = asleep(graph, graph.image("BLACK"), 0.1)
    saved = graph.node("SaveImage", images=node, filename_prefix="beside")
    result = client.run(graph)
    assert result.image(saved).max() == 0 and result.ran(node)
    assert any(d["node"] == node.id for d in result.of("progress"))


def test_several_at_once(client, graph):
    picture = graph.image()
    nodes = [asleep(graph, picture, seconds) for seconds in (2.3, 2.4, 2.5)]
    shown = [graph.node("PreviewImage", images=each) for each in nodes]
    result, seconds = client.timed(graph)
    assert seconds < 6.5  # one after another: 7.2
    assert all(result.images(each) for each in shown)


def test_what_depends_on_them(client, graph):
    white, black = asleep(graph, graph.image("WHITE"), 0.2), asleep(graph, graph.image("BLACK"), 0.1)
    average = graph.node("TestVariadicAverage", input1=white, input2=black)
    saved = graph.node("SaveImage", images=average, filename_prefix="average")
    assert abs(client.run(graph).image(saved).mean() - 127.5) <= 1


@pytest.mark.parametrize("node", ["TestAsyncValidation", "TestAsyncValidationError"])
def test_a_check_that_takes_its_time(client, graph, node):
    limit = "threshold" if node == "TestAsyncValidation" else "max_value"
    checked = graph.node(node, value=5.0, **{limit: 10.0})
    saved = graph.node("SaveImage", images=checked, filename_prefix="checked")
    assert client.run(graph).image(saved).max() == 127
    checked.inputs["value"] = 15.0
    with pytest.raises(Refused) as refused:
        client.run(graph)
    assert refused.value.status == 400 and "custom_validation_failed" in refused.value.body


def test_one_that_is_not_needed_never_begins(client, graph):
    slow_dark, slow_white = asleep(graph, graph.image("BLACK"), 20.0), asleep(graph, graph.image("WHITE"), 0.05)
    mixed = graph.node("TestLazyMixImages", image1=slow_dark, image2=slow_white, mask=graph.mask(1.0))
    saved = graph.node("SaveImage", images=mixed, filename_prefix="lazy")
    result, seconds = client.timed(graph)
    assert seconds < 15 and not result.ran(slow_dark) and result.ran(slow_white)
    assert result.image(saved).min() == 255


def test_a_look_at_lazy_inputs_that_takes_its_time(client, graph):
    picked = graph.node("TestAsyncLazyCheck", input1="one", input2="two", condition=True)
    saved = graph.node("SaveImage", images=picked, filename_prefix="lazy")
    assert client.run(graph).image(saved).min() == 255


def test_an_error_is_the_nodes(client, graph):
    node = graph.node("TestAsyncError", value=graph.image(), error_after=0.1)
    graph.node("SaveImage", images=node, filename_prefix="error")
    with pytest.raises(Failed) as failed:
        client.run(graph)
    assert failed.value.data["node_id"] == node.id


def test_a_time_out(client, graph):
    node = graph.node("TestAsyncTimeout", value=graph.image(), timeout=0.1, operation_time=0.2)
    graph.node("SaveImage", images=node, filename_prefix="timeout")
    with pytest.raises(Failed) as failed:
        client.run(graph)
    assert "timeout" in failed.value.data["exception_message"].lower()


def test_the_next_prompt_works_after_an_error(client, graph):
    from conftest import Graph
    node = graph.node("TestAsyncError", value=graph.image(), error_after=0.1)
    graph.node("SaveImage", images=node, filename_prefix="error")
    with pytest.raises(Failed):
        client.run(graph)
    good = Graph()
    saved = good.node("SaveImage", images=asleep(good, good.image("WHITE"), 0.1), filename_prefix="good")
    assert client.run(good).image(saved).min() == 255


def test_an_error_here_while_one_waits_there(client, graph):
    slow = asleep(graph, graph.image(), 30.0)
    failing = graph.node("TestSyncError", value=graph.image("WHITE"))
    graph.node("PreviewImage", images=slow)
    graph.node("PreviewImage", images=failing)
    begin = time.time()
    with pytest.raises(Failed) as failed:
        client.run(graph)
    assert failed.value.data["node_id"] == failing.id
    assert time.time() - begin < 20  # what waited was stopped


def test_blockers_after_them(client, graph):
    pictures = [asleep(graph, graph.image(content), 0.1) for content in ("WHITE", "BLACK")]
    shown = graph.node("PreviewImage", images=block_at(graph, pictures, 1))
    (picture,) = client.run(graph).images(shown)
    assert picture.min() == 255


def test_they_are_cached(client, graph, cache):
    node = asleep(graph, graph.image("BLACK"), 0.2)
    saved = graph.node("SaveImage", images=node, filename_prefix="cached")
    client.run(graph)
    again = client.run(graph)
    assert again.ran(node) == again.ran(saved) == reruns(cache)
    assert again.images(saved)


def test_many_in_a_graph_that_grew(client, graph):
    node = graph.node("TestDynamicAsyncGeneration", image1=graph.image("WHITE"), image2=graph.image("BLACK"),
                      num_async_nodes=9, sleep_duration=1.0)
    saved = graph.node("SaveImage", images=node, filename_prefix="many")
    result, seconds = client.timed(graph)
    assert seconds < 8  # one after another: 9
    assert abs(result.image(saved).mean() - 255 * 5 / 9) <= 1


def test_what_they_hold_is_let_go(client, graph, cache):
    nodes = [graph.node("TestAsyncResourceUser", value=graph.image(), resource_id=f"r{i}", duration=0.1)
             for i in range(3)]
    shown = [graph.node("PreviewImage", images=each) for each in nodes]
    first = client.run(graph)
    assert all(first.images(each) for each in shown)
    again = client.run(graph)  # would fail if one were still held
    assert all(again.ran(each) == reruns(cache) for each in nodes)


def test_an_interrupt_stops_them(client, graph):
    node = asleep(graph, graph.image(), 60.0)
    graph.node("PreviewImage", images=node)
    prompt_id = client.submit(graph)
    time.sleep(0.3)
    begin = time.time()
    client.server.post("/interrupt", {"prompt_id": prompt_id})
    result = client.finish(prompt_id)
    assert time.time() - begin < 20
    assert result.of("execution_interrupted") and result.entry["status"]["completed"] is False


def test_both_kinds_in_one_chain(client, graph):
    mixed = graph.node("TestLazyMixImages", image1=asleep(graph, graph.image("WHITE"), 0.1),
                       image2=graph.image("BLACK"), mask=graph.mask(0.5))
    checked = graph.node("TestCustomValidation1", input1=asleep(graph, mixed, 0.1), input2=0.5)
    saved = graph.node("SaveImage", images=checked, filename_prefix="chain")
    assert abs(client.run(graph).image(saved).mean() - 63.75) <= 5


def test_reports_of_progress(client, graph):
    nodes = [graph.node(kind, value=graph.image(), wait_seconds=0.2)
             for kind in ("TestAsyncProgressUpdate", "TestSyncProgressUpdate")]
    result = client.run(graph)
    for node in nodes:
        steps = [d["value"] for d in result.of("progress") if d["node"] == node.id]
        assert steps == sorted(steps) and steps[-1] == 20
        assert result.of("progress_state")[-1]["nodes"][node.id]["state"] == "finished"


def test_places_and_batches(client, graph):
    limited = [graph.node("TestAsyncConcurrentLimit", value=graph.image("WHITE"), duration=0.1, node_id=i)
               for i in range(4)]
    average = graph.node("TestVariadicAverage", **{f"input{i + 1}": n for i, n in enumerate(limited)})
    negative = graph.node("TestAsyncBatchProcessing", images=average, process_time_per_item=0.05)
    shown = graph.node("PreviewImage", images=negative)
    assert client.run(graph).image(shown).max() == 0
