"""Lazy inputs, caches, errors before and during the run, loops, lists, blockers."""
import pytest

from conftest import SIDE, Failed, Graph, Refused


def mix(graph, mask=0.0, first="BLACK", second="WHITE", **sizes):
    """Two pictures, mixed by a mask, and saved."""
    one, two = graph.image(first), graph.image(second, **sizes)
    share = graph.mask(mask)
    mixed = graph.node("TestLazyMixImages", image1=one, image2=two, mask=share)
    saved = graph.node("SaveImage", images=mixed, filename_prefix="mix")
    return one, two, share, mixed, saved


def reruns(cache):
    """Whether an equal prompt runs all over again."""
    return cache == "none"


def test_what_a_mask_hides_is_never_made(client, graph):
    one, two, share = graph.image(size=40), graph.image("WHITE", size=40), graph.mask(0.0, size=40)  # not made before
    mixed = graph.node("TestLazyMixImages", image1=one, image2=two, mask=share)
    saved = graph.node("SaveImage", images=mixed, filename_prefix="hidden")
    result = client.run(graph)
    assert result.image(saved).max() == 0
    assert result.ran(one) and not result.ran(two) and result.ran(mixed)


def test_an_equal_prompt_runs_nothing(client, graph, cache):
    nodes = mix(graph, mask=0.5, second="NOISE")
    client.run(graph)
    again = client.run(graph)
    assert again.image(nodes[-1]).width == SIDE  # and still shows its picture
    if reruns(cache):
        assert all(again.ran(node) for node in nodes)
    else:
        assert again.ran_at_all() == []
        assert all(again.cached(node) for node in nodes)


def test_what_changed_runs_and_what_it_feeds(client, graph, cache):
    one, two, share, mixed, saved = mix(graph, mask=0.5, second="NOISE")
    client.run(graph)
    share.inputs["value"] = 0.4
    again = client.run(graph)
    assert again.ran(share) and again.ran(mixed) and again.ran(saved)
    assert again.ran(one) == again.ran(two) == reruns(cache)


def test_an_error_of_a_node(client, graph):
    mix(graph, mask=0.5, size=2 * SIDE)
    prompt_id = client.submit(graph)
    with pytest.raises(Failed) as failed:
        client.finish(prompt_id)
    assert failed.value.data["prompt_id"] == prompt_id
    assert failed.value.data["node_type"] == "TestLazyMixImages"
    assert client.server.get(f"/history/{prompt_id}")[prompt_id]["status"]["status_str"] == "error"


@pytest.mark.parametrize("value, good", [(5, False), (0.5, True), ("x", False)])
def test_a_constant_for_either_of_two_types(client, graph, value, good):
    checked = graph.node("TestCustomValidation1", input1=value, input2=0.5)
    saved = graph.node("SaveImage", images=checked, filename_prefix="checked")
    if not good:
        with pytest.raises(Refused) as refused:
            client.run(graph)
        assert refused.value.status == 400 and "input1" in refused.value.body
    else:
        assert client.run(graph).image(saved).max() == 63


def number_or_mask(graph, kind):
    return {"INT": lambda: graph.node("StubInt", value=2), "FLOAT": lambda: graph.node("StubFloat", value=0.5),
            "MASK": lambda: graph.mask(0.5)}[kind]()


@pytest.mark.parametrize("validation, kind, good", [
    ("TestCustomValidation1", "INT", False), ("TestCustomValidation1", "MASK", False),
    ("TestCustomValidation2", "INT", False), ("TestCustomValidation2", "FLOAT", True),
    ("TestCustomValidation3", "INT", False), ("TestCustomValidation3", "FLOAT", True),
    ("TestCustomValidation4", "INT", False), ("TestCustomValidation4", "FLOAT", True)])
def test_what_may_be_linked(client, graph, validation, kind, good):
    linked = number_or_mask(graph, kind)
    checked = graph.node(validation, input1=linked, input2=linked)
    saved = graph.node("SaveImage", images=checked, filename_prefix="linked")
    if not good:
        with pytest.raises(Refused) as refused:
            client.run(graph)
        assert refused.value.status == 400
    else:
        assert client.run(graph).image(saved).max() == 63


@pytest.mark.parametrize("value, good", [(0.5, True), (5.0, True), (7.0, False)])
def test_a_check_of_all_inputs_replaces_their_ranges(client, graph, value, good):
    checked = graph.node("TestCustomValidation5", input1=0.1, input2=value)
    saved = graph.node("SaveImage", images=checked, filename_prefix="range")
    if not good:
        with pytest.raises(Refused):
            client.run(graph)
    else:
        assert client.run(graph).image(saved).max() == int(255 * 0.1 * value)


def test_a_cycle_is_refused(client, graph):
    one, two, share = graph.image(), graph.image("WHITE"), graph.mask(0.5)
    first = graph.node("TestLazyMixImages", image1=one, mask=share)
    second = graph.node("TestLazyMixImages", image1=first, image2=two, mask=share)
    graph.node("SaveImage", images=second, filename_prefix="cycle")
    with pytest.raises(Refused):  # an input is missing
        client.run(graph)
    first.inputs["image2"] = second
    with pytest.raises(Refused) as refused:  # and here is the cycle
        client.run(graph)
    assert refused.value.status == 400 and "ycle" in refused.value.body


def test_a_cycle_that_grows_is_the_error_of_its_maker(client, graph):
    maker = graph.node("TestDynamicDependencyCycle", input1=graph.image(), input2=graph.image("WHITE"))
    graph.node("SaveImage", images=maker, filename_prefix="cycle")
    with pytest.raises(Failed) as failed:
        client.run(graph)
    assert failed.value.data["node_id"] == maker.id
    assert failed.value.data["exception_type"] == "graph.DependencyCycleError"


def test_a_missing_node_spoils_its_own_output_only(client, graph):
    one, two, share, mixed, saved = mix(graph, mask=0.5)
    broken = graph.node("TestLazyMixImages", image1=["nowhere", 0], image2=two, mask=share)
    lost = graph.node("SaveImage", images=broken, filename_prefix="lost")
    result = client.run(graph)
    assert result.images(saved) and not result.images(lost)
    for wrong in ({}, {"1": {}}, {"1": {"class_type": "NoSuchNode", "inputs": {}}}, [], "x", None):
        with pytest.raises(Refused) as refused:
            client.run(wrong)
        assert refused.value.status == 400
    assert client.run(graph).images(saved)


def test_fingerprints(client, graph, cache):
    picture = graph.image()
    # Which is made first must not matter.
    steady = graph.node("TestCustomIsChanged", image=picture, should_change=False)
    restless = graph.node("TestCustomIsChanged", image=picture, should_change=True)
    graph.node("SaveImage", images=steady, filename_prefix="steady")
    graph.node("SaveImage", images=restless, filename_prefix="restless")
    first = client.run(graph)
    assert first.ran(steady) and first.ran(restless)
    second, third = client.run(graph), client.run(graph)
    assert second.ran(restless) and third.ran(restless)
    assert second.ran(steady) == third.ran(steady) == reruns(cache)


def test_inputs_that_are_not_declared(client, graph):
    pictures = [graph.image(content) for content in ("WHITE", "BLACK", "BLACK", "BLACK")]
    average = graph.node("TestVariadicAverage", **{f"input{i + 1}": p for i, p in enumerate(pictures)})
    saved = graph.node("SaveImage", images=average, filename_prefix="average")
    assert client.run(graph).image(saved).mean() == 255 // 4


def test_a_loop(client, cache):
    for rounds in range(1, 5):
        graph = Graph()
        white, black = graph.image("WHITE"), graph.image("BLACK")
        watched = graph.node("TestCustomIsChanged", image=white, should_change=True)
        begin = graph.node("TestForLoopOpen", remaining=rounds, initial_value1=watched)
        average = graph.node("TestVariadicAverage", input1=begin.out(2), input2=black)
        end = graph.node("TestForLoopClose", flow_control=begin.out(0), initial_value1=average)
        saved = graph.node("SaveImage", images=end, filename_prefix="loop")
        result = client.run(graph)
        assert result.image(saved).mean() == 255 // 2**rounds
        assert result.ran(watched)
        shown_on = {d["display_node"] for d in result.of("executing") if d["node"]}
        assert shown_on <= {n.id for n in graph.nodes}


def test_a_list_of_which_some_expand(client, graph):
    values = graph.node("TestMakeListNode", value1=graph.node("StubFloat", value=0.1),
                        value2=graph.node("StubFloat", value=0.2), value3=graph.node("StubFloat", value=0.3))
    mixed = graph.node("TestMixedExpansionReturns", input1=values)
    dark = graph.node("PreviewImage", images=mixed.out(0))
    bright = graph.node("PreviewImage", images=mixed.out(1))
    result = client.run(graph)
    assert [picture.min() for picture in result.images(dark)] == [25, 51, 76]
    assert [picture.max() for picture in result.images(dark)] == [25, 51, 76]
    assert [picture.min() for picture in result.images(bright)] == [255] * 3


def test_a_list_of_which_each_needs_another(client, graph):
    masks = graph.node("TestMakeListNode", value1=graph.mask(0.0), value2=graph.mask(0.5), value3=graph.mask(1.0))
    mixed = graph.node("TestLazyMixImages", image1=graph.image("BLACK"), image2=graph.image("WHITE"), mask=masks)
    batches = graph.node("RebatchImages", images=mixed, batch_size=3)
    saved = graph.node("SaveImage", images=batches, filename_prefix="list")
    pictures = client.run(graph).images(saved)
    assert [int(picture.mean()) for picture in pictures] == [0, 127, 255]


def test_equal_outputs_both_show(client, graph):
    picture = graph.image("WHITE")
    saved = [graph.node("SaveImage", images=picture, filename_prefix="same") for _ in range(2)]
    result = client.run(graph)
    assert all(len(result.images(each)) == 1 for each in saved)


def test_a_fingerprint_sees_constants_only(client, graph, cache):
    value = graph.node("StubConstantImage", value=0.7, height=SIDE, width=SIDE, batch_size=1)
    watched = graph.node("TestIsChangedWithConstants", image=value, value=0.5)
    shown = graph.node("PreviewImage", images=watched)
    first = client.run(graph)
    assert first.image(shown).max() == 89
    second = client.run(graph)
    assert second.image(shown).max() == 89
    assert second.ran(watched) == reruns(cache)


def test_nodes_that_wait_overlap(client, graph):
    picture = graph.image()
    asleep = [graph.node("TestSleep", value=picture, seconds=seconds) for seconds in (2.8, 2.9, 3.0)]
    shown = [graph.node("PreviewImage", images=each) for each in asleep]
    result, seconds = client.timed(graph)
    assert seconds < 8.0  # one after another: 8.7
    assert all(result.images(each) for each in shown)


def test_nodes_that_wait_overlap_in_a_graph_that_grew(client, graph):
    pictures = [graph.node("StubConstantImage", value=v, height=SIDE, width=SIDE, batch_size=1) for v in (1.0, 1.0, 0.0)]
    node = graph.node("TestParallelSleep", image1=pictures[0], image2=pictures[1], image3=pictures[2], sleep1=2.8,
                      sleep2=2.9, sleep3=3.0)
    saved = graph.node("SaveImage", images=node, filename_prefix="sleep")
    result, seconds = client.timed(graph)
    assert seconds < 8.0
    assert result.image(saved).min() == result.image(saved).max() == 170


def block_at(graph, pictures, at):
    """A list of pictures of which one is blocked."""
    listed = graph.node("TestMakeListNode", **{f"value{i + 1}": p for i, p in enumerate(pictures)})
    numbers = graph.node("TestMakeListNode", **{f"value{i + 1}": graph.node("StubInt", value=i)
                                                for i in range(len(pictures))})
    block = graph.node("TestIntConditions", a=numbers, b=at, operation="==")
    return graph.node("TestExecutionBlocker", input=listed, block=block, verbose=False)


def test_a_blocker_in_a_list(client, graph):
    blocked = block_at(graph, [graph.image("WHITE"), graph.image("NOISE"), graph.image("BLACK")], 1)
    shown = graph.node("PreviewImage", images=blocked)
    pictures = client.run(graph).images(shown)
    assert [int(picture.mean()) for picture in pictures] == [255, 0]


def test_a_blocker_with_a_message_is_reported_and_the_prompt_goes_on(client, graph):
    blocked = graph.node("TestExecutionBlocker", input=graph.image(), block=True, verbose=True)
    shown = graph.node("PreviewImage", images=blocked)
    other = graph.node("PreviewImage", images=graph.image("WHITE"))
    result = client.run(graph)
    (error,) = result.of("execution_error")
    assert error["exception_type"] == "ExecutionBlocked" and "timestamp" not in error
    assert error["node_id"] == shown.id and "Blocked Execution" in error["exception_message"]
    assert not result.images(shown) and result.images(other)
    assert result.entry["status"]["completed"] is True
    assert "execution_error" not in [name for name, _ in result.entry["status"]["messages"]]
