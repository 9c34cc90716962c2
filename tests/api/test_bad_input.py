"""Whatever a client sends: an answer in the right shape, and the server goes on."""
import json, socket, time

import pytest

from conftest import show_prompt
from test_routes import multipart, upload


@pytest.fixture(autouse=True)
def goes_on(server):
    yield
    assert server.process.poll() is None, server.log()[-3000:]
    assert server.get("/prompt").status == 200


def post(server, body):
    return server.post("/prompt", body)


DEEP = b"[" * 100_000


@pytest.mark.parametrize("body", [
    b"", b"{", b"null", b"[]", b"7", b'"x"', DEEP, b'{"prompt":' + DEEP, b'{"a":' * 100_000,
    b'{"prompt": {"1": {"class_type": "TestInt", "inputs": {"value": ' + DEEP + b"}}}}",
    b'{"prompt": {"1": NaN}}', b'{"prompt": {"1": 1e400}}', b'{"prompt": {"1": "\\ud800"}}', b'{"prompt": "\xff"}',
    b"\xef\xbb\xbf{}", b'{"prompt": {}} trailing', b'{"prompt": []}', b'{"prompt": "x"}', b'{"prompt": 7}',
    b'{"prompt": {}, "number": "x"}', b'{"prompt": {}, "number": 1e400}', b'{"prompt": {}, "extra_data": []}',
    b'{"prompt": {}, "partial_execution_targets": "1"}', b'{"prompt": {}, "prompt_id": "' + b"x" * 100_000 + b'"}',
])
def test_bodies_that_are_no_prompt(server, body):
    answer = post(server, body)
    assert answer.status == 400, answer.body[:200]
    assert set(answer.json) == {"error", "node_errors"}
    assert set(answer.json["error"]) == {"type", "message", "details", "extra_info"}


@pytest.mark.parametrize("prompt", [
    {"1": None}, {"1": []}, {"1": {"class_type": 7, "inputs": {}}}, {"1": {"class_type": "TestShow"}},
    {"1": {"class_type": "TestShow", "inputs": []}}, {"1": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}},
    {"1": {"class_type": "TestShow", "inputs": {"value": ["2"]}}}, {"1": {"class_type": "TestShow", "inputs": {"value": ["9", 0]}}},
    {"1": {"class_type": "TestInt", "inputs": {"value": 1}}, "2": {"class_type": "TestShow", "inputs": {"value": ["1", 5]}}},
    {"1": {"class_type": "TestInt", "inputs": {"value": 1}}, "2": {"class_type": "TestShow", "inputs": {"value": ["1", -1]}}},
    {"1": {"class_type": "TestInt", "inputs": {"value": "x"}}, "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}},
    {"1": {"class_type": "TestInt", "inputs": {"value": 2**70}}, "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}},
])
def test_prompts_that_cannot_run(server, prompt):
    answer = post(server, {"prompt": prompt})
    assert answer.status == 400, answer.body
    assert set(answer.json) == {"error", "node_errors"}


def test_a_chain_of_many_nodes_and_a_wide_one(server):
    chain = {"0": {"class_type": "TestInt", "inputs": {"value": 1}}}
    for i in range(1, 3000):
        chain[str(i)] = {"class_type": "TestAdd", "inputs": {"a": [str(i - 1), 0], "b": 1}}
    chain["end"] = {"class_type": "TestShow", "inputs": {"value": ["2999", 0]}}
    begin = time.time()
    prompt_id = server.submit(chain)
    assert time.time() - begin < 5
    assert server.wait_for(prompt_id, 60)["outputs"]["end"]["text"] == ["3000"]


def test_unreachable_broken_nodes_are_ignored(server):
    prompt = show_prompt(901)
    prompt["broken"] = {"class_type": "TestAdd", "inputs": {}}
    prompt["cycle"] = {"class_type": "TestAdd", "inputs": {"a": ["cycle", 0], "b": 1}}
    assert server.wait_for(server.submit(prompt))["status"]["completed"] is True


@pytest.mark.parametrize("path", ["/settings", "/queue", "/history", "/free", "/users", "/settings/x"])
def test_other_bodies_that_are_no_json(server, path):
    for body in (b"{", DEEP, b"\xff", b""):
        answer = server.post(path, body)
        assert answer.status == 400, (path, body[:20], answer.status)


@pytest.mark.parametrize("body", [{"delete": "x"}, {"delete": [1]}, {"delete": None}, [], 7])
def test_lists_that_are_no_lists(server, body):
    assert server.post("/queue", body).status == 400
    assert server.post("/history", body).status == 400


ESCAPES = ["../x", "..", "a/../../x", "/etc/passwd", "..\\x", "a\\..\\..\\x", "%2e%2e/x", "%2e%2e%2fx", "%252e%252e%252fx",
           "a\0b", "....//x", "./../x", "~/x", "\u202e..", "x" * 5000, "a/" * 3000 + "b", "CON\n", "\u2025/x", ".", "", " "]


def quote(text):
    return "".join(f"%{b:02x}" for b in text.encode())


@pytest.mark.parametrize("name", ESCAPES)
def test_names_that_try_to_leave(server, name):
    marker = server.base / "outside.txt"
    marker.write_text("outside")
    quoted = quote(name)
    for target in (quoted, name.replace("%", "%25").replace("\0", "%00").replace("\n", "%0a").encode("ascii", "ignore").decode()):
        if " " in target or any(ord(c) < 33 for c in target):
            continue
        for url in (f"/view?filename={target}&type=input", f"/view?filename=a&subfolder={target}&type=input", f"/userdata/{target}",
                    f"/userdata?dir={target}", f"/v2/userdata?path={target}", f"/view_metadata/checkpoints?filename={target}",
                    f"/models/{target}", f"/experiment/models/preview/checkpoints/0/{target}", f"/{target}"):
            if len(url) > 30_000:
                continue
            answer = server.get(url)
            assert answer.status < 500, (url[:100], answer.status)
            assert b"outside" not in answer.body and b"root:" not in answer.body, url[:100]
    for field in ({"filename": name}, {"filename": "ok.png", "subfolder": name}):
        if "\0" in name or "\n" in name:
            continue
        filename = field.pop("filename")
        body, headers = multipart(("image", filename, b"x"), *((k, None, v.encode()) for k, v in field.items()))
        assert server.post("/upload/image", body, headers).status in (200, 400), name
    assert server.post(f"/userdata/{quoted}", b"x").status in (200, 400, 403, 404, 405), name
    left = {p.name for p in server.base.iterdir()}
    assert left <= {"input", "output", "temp", "user", "models", "server.log", "outside.txt"}, left
    assert marker.read_text() == "outside"


def test_symlinks_do_not_lead_out(server):
    (server.base / "secret.txt").write_text("outside")
    for place, url in (("input", "/view?filename=link&type=input"), ("input", "/view?filename=secret.txt&subfolder=folder&type=input"),
                       ("user/default", "/userdata/link"), ("user/default", "/userdata/folder%2Fsecret.txt")):
        folder = server.base / place
        folder.mkdir(parents=True, exist_ok=True)
        for name, target in (("link", server.base / "secret.txt"), ("folder", server.base)):
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(target)
        assert server.get(url).status in (403, 404), url
    (server.base / "secret.txt").unlink()
    for place in ("input", "user/default"):
        for name in ("link", "folder"):
            (server.base / place / name).unlink()


def test_bodies_that_are_too_large(make_server):
    server = make_server(flags=["--max-upload-size", "1"])
    for path in ("/upload/image", "/prompt", "/userdata/x"):
        assert server.post(path, b"x" * (1024 * 1024 + 1)).status == 413, path
    assert server.get("/features").json["max_upload_size"] == 1024 * 1024
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:  # and without saying so first
        s.sendall(f"POST /prompt HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        try:
            for _ in range(20):
                s.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        except OSError:
            pass
        assert b" 413 " in s.recv(4096)


def test_uploads_that_are_no_uploads(server):
    part = b'--XYZ\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=XYZ"}
    for body in (b"", b"--XYZ", part, part + b"x", part * 10_000, part + b"x\r\n--XYZ", part.replace(b"a.png", b"n" * 1_000_000) + b"\r\n--XYZ--"):
        assert server.post("/upload/image", body, kind).status == 400
    assert server.post("/upload/image", b"{}").status == 400
    body, headers = multipart(("image", "a.png", b"x"), ("type", None, b"secret"))
    assert server.post("/upload/image", body, headers).status == 400
    packed = {**kind, "Content-Encoding": "gzip"}
    assert server.post("/upload/image", part, packed).status == 415


def test_pictures_that_are_traps(server):
    import struct, zlib
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    huge = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 65500, 65500, 8, 6, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b""))
    assert upload(server, "huge.png", huge, overwrite="true").status == 200
    assert server.get("/view?filename=huge.png&type=input&preview=webp;80").status == 400
    for size in (8, 20, 40, len(huge) - 5):
        upload(server, "cut.png", huge[:size], overwrite="true")
        assert server.get("/view?filename=cut.png&type=input&channel=a").status == 400


def talk(server, data, timeout=15):
    with socket.create_connection(("127.0.0.1", server.port), timeout=timeout) as s:
        try:
            s.sendall(data)
        except OSError:
            pass
        got = b""
        try:
            while len(got) < 4096:
                more = s.recv(4096)
                if not more:
                    break
                got += more
        except OSError:
            pass
        return got


@pytest.mark.parametrize("data", [
    b"rubbish\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/1.1\r\nA: " + b"x" * 70_000 + b"\r\n\r\n", b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"".join(b"H%d: x\r\n" % i for i in range(500)) + b"Connection: close\r\n\r\n",
    b"POST /prompt HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"POST /prompt HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /prompt HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    b"POST /prompt HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n", b"\0" * 1000,
])
def test_what_is_no_http(server, data):
    answer = talk(server, data)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:200]


def test_smuggled_requests_are_refused(server):
    data = (b"POST /queue HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"0\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert b"404" not in talk(server, data, 3)


def test_clients_that_send_slowly_hold_up_nobody(server):
    slow = []
    for i in range(200):
        s = socket.create_connection(("127.0.0.1", server.port))
        s.sendall(b"GET / HTTP/1.1\r\nX: " if i % 2 else b"POST /prompt HTTP/1.1\r\nContent-Length: 100000\r\n\r\nx")
        slow.append(s)
    for _ in range(20):
        begin = time.time()
        assert server.get("/queue").status == 200
        assert time.time() - begin < 2
    slow[1].settimeout(20)
    begin = time.time()
    assert slow[1].recv(100) == b"" and time.time() - begin < 18, "cut off when its header takes longer than 10 s"
    for s in slow:
        s.close()


def test_sockets_that_are_none(server):
    key = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    host = f"Host: 127.0.0.1:{server.port}\r\n".encode()
    assert b" 101 " not in talk(server, b"GET /ws HTTP/1.1\r\n" + host + key + b"\r\n", 3)
    evil = b"GET /ws HTTP/1.1\r\n" + host + key + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://evil.org\r\n\r\n"
    assert b" 403 " in talk(server, evil, 3)
    good = evil.replace(b"Origin: http://evil.org\r\n", b"")
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
        s.sendall(good)
        assert b" 101 " in s.recv(4096)
        s.sendall(b"\xff" * 100)  # no frame
        while s.recv(4096):
            pass


def test_a_frame_that_is_too_large(server):
    client = server.socket("me")
    try:
        client.ws.send(json.dumps({"type": "x" * 3_000_000}))
        client.rest()
    except Exception:
        pass
