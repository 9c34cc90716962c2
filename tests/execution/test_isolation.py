"""Each client hears of its own prompts only."""
import json

import websocket

from conftest import Graph


def picture():
    graph = Graph()
    graph.node("PreviewImage", images=graph.image("NOISE"))
    return graph


def progress_heard(client, seconds=0.5):
    """prompt ids of the progress_state messages that still come."""
    heard = []
    client.ws.settimeout(seconds)
    try:
        while True:
            frame = client.ws.recv()
            if isinstance(frame, str) and json.loads(frame)["type"] == "progress_state":
                heard.append(json.loads(frame)["data"]["prompt_id"])
    except websocket.WebSocketTimeoutException:
        return heard


def test_two_clients_hear_of_their_own(server):
    one, two = server.client(), server.client()
    first, second = one.submit(picture()), two.submit(picture())
    assert one.finish(first).of("progress_state") and two.finish(second).of("progress_state")
    for client, own in ((one, picture()), (two, picture())):
        mine = client.submit(own)
        heard = set()
        while mine not in server.get("/history"):
            heard |= set(progress_heard(client, 0.05))
        heard |= set(progress_heard(client))
        assert heard == {mine}
        client.close()


def test_a_client_without_a_picture_of_others(server):
    client = server.client()
    prompt_id = client.submit(picture())
    result = client.finish(prompt_id)
    assert {d["prompt_id"] for d in result.of("progress_state")} == {prompt_id}
    client.close()
