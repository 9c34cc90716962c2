"""partial_execution_targets, and windows of the history."""
import pytest

from conftest import Graph, Refused


def two_branches(graph):
    """Two pictures that are never cached."""
    return [graph.node("PreviewImage", images=graph.node("TestCustomIsChanged", image=graph.image(content),
                                                         should_change=True)) for content in ("BLACK", "WHITE")]


def test_a_target_runs(client, graph):
    one, two = two_branches(graph)
    result = client.run(graph, partial_execution_targets=[one.id])
    assert result.images(one) and not result.images(two)


def test_what_is_no_target_does_not(client, graph):
    one, two = two_branches(graph)
    result = client.run(graph, partial_execution_targets=[two.id])
    assert result.images(two) and not result.images(one)
    assert not result.ran(one) and not result.ran(one.inputs["images"])


def test_outputs_upstream_of_a_target_run(client, graph):
    first = graph.node("TestOutputNodeWithSocketOutput", image=graph.image("WHITE"), value=0.5)
    second = graph.node("TestOutputNodeWithSocketOutput", image=first, value=0.5)
    shown = graph.node("PreviewImage", images=second)
    aside = graph.node("PreviewImage", images=first)
    result = client.run(graph, partial_execution_targets=[shown.id])
    assert result.ran(first) and result.ran(second) and not result.ran(aside)
    assert result.image(shown).max() == 63


def test_targets_leave_lazy_inputs_lazy(client, graph):
    one, two = graph.image("BLACK"), graph.image("WHITE")
    mixed = graph.node("TestLazyMixImages", image1=one, image2=two, mask=graph.mask(0.0))
    other = graph.node("TestLazyMixImages", image1=one, image2=two, mask=graph.mask(1.0))
    shown, aside = (graph.node("PreviewImage", images=each) for each in (mixed, other))
    result = client.run(graph, partial_execution_targets=[shown.id])
    assert result.image(shown).max() == 0
    assert not result.ran(two) and not result.ran(other) and not result.ran(aside)


def test_several_targets(client, graph):
    shown = [graph.node("TestOutputNodeWithSocketOutput", image=graph.image("WHITE"), value=v)
             for v in (0.2, 0.4, 0.6)]
    pictures = [graph.node("PreviewImage", images=each) for each in shown]
    result = client.run(graph, partial_execution_targets=[shown[0].id, pictures[2].id])
    assert result.ran(shown[0]) and result.ran(shown[2]) and result.images(pictures[2])
    assert not result.ran(shown[1]) and not result.ran(pictures[0]) and not result.ran(pictures[1])


def test_no_targets_are_no_outputs(client, graph):
    two_branches(graph)
    with pytest.raises(Refused) as refused:
        client.run(graph, partial_execution_targets=[])
    assert refused.value.status == 400 and "prompt_no_outputs" in refused.value.body
    with pytest.raises(Refused):  # no output is among these
        client.run(graph, partial_execution_targets=[graph.nodes[0].id])


# ---- the history


@pytest.fixture
def past(client):
    """The history, with at least ten entries."""
    server = client.server
    while len(server.get("/history")) < 10:
        graph = Graph()
        graph.node("PreviewImage", images=graph.image("NOISE"))
        client.run(graph)
    return lambda query="": list(server.get("/history" + query))


def test_windows_do_not_overlap(past):
    first, second = past("?max_items=3&offset=0"), past("?max_items=3&offset=3")
    assert len(first) == len(second) == 3 and not set(first) & set(second)


def test_windows_together_are_the_whole(past):
    everything = past()
    joined = []
    for offset in range(0, len(everything), 4):
        joined += past(f"?max_items=4&offset={offset}")
    assert joined == everything


def test_a_window_beyond_the_end_is_empty(past):
    assert past("?offset=100000") == past("?max_items=5&offset=100000") == []


def test_a_window_at_the_end_is_empty(past):
    assert past(f"?max_items=5&offset={len(past())}") == []


def test_an_offset_of_0_changes_nothing(past):
    assert past("?offset=0") == past()
    assert past("?max_items=4&offset=0") == past()[:4]


def test_an_offset_alone_skips(past):
    assert past("?offset=2") == past()[2:]


def test_a_window_is_no_longer_than_was_asked_for(past):
    assert len(past("?max_items=2&offset=1")) == 2
    assert len(past(f"?max_items=100&offset={len(past()) - 1}")) == 1
