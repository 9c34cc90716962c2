"""What clients can cost the server: sockets, descriptors, memory, time; and every name that comes from outside."""
import contextlib, http.client, json, os, pathlib, resource, shutil, socket, threading, time, urllib.parse

import pytest

import conftest
from conftest import memory_counts, show_prompt
from test_routes import multipart


def memory(server, key):
    text = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(text.split(key + ":")[1].split()[0]) * 1024


# ---- sockets and descriptors -------------------------------------------------------------------------------------------

def crowd(server, count):
    """So many connections, each with a whole request sent; those that were refused at the door are None."""
    found = []
    for _ in range(count):
        with contextlib.suppress(OSError):
            s = socket.create_connection(("127.0.0.1", server.port), timeout=20)
            found.append(s)
            s.sendall(f"GET /prompt HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
    return found


def first_line(s):
    with contextlib.suppress(OSError):
        return s.recv(4096).split(b"\r\n")[0]
    return b""


@pytest.mark.parametrize("how", ["from the start", "while it runs"])
def test_no_descriptors_left(make_server, tmp_path, monkeypatch, how):
    """With fewer descriptors than clients those who are in go on; the others are told, or wait."""
    if how == "from the start":
        script = tmp_path / "easel"
        script.write_text(f'#!/bin/sh\nulimit -n 256\nexec "{conftest.EASEL}" "$@"\n')
        script.chmod(0o755)
        monkeypatch.setattr(conftest, "EASEL", script)
        server = make_server()
    else:
        server = make_server()
        server.wait_for_worker()
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (96, 96))
    inside = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    inside.request("GET", "/prompt")
    assert inside.getresponse().read()
    clients = crowd(server, 1000)
    for _ in range(5):
        inside.request("GET", "/queue")
        answer = inside.getresponse()
        assert answer.status == 200 and answer.read()
        time.sleep(0.05)
    served = refused = 0
    for s in clients:
        s.settimeout(0.05)
        line = first_line(s)
        served += line.startswith(b"HTTP/1.1 200")
        refused += line.startswith(b"HTTP/1.1 503")
    assert served >= 20 and refused >= 1, (served, refused)
    for s in clients:
        s.close()
    end = time.time() + 60
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if server.get("/queue").status == 200:
                break
        assert time.time() < end, "the places are not given back"
        time.sleep(0.1)
    assert server.wait_for(server.submit(show_prompt(1)))["status"]["completed"]


def test_connections_of_one_address(make_server):
    server = make_server(flags=["--max-connections-per-address", "8"])
    clients = crowd(server, 20)
    lines = [first_line(s) for s in clients]
    assert sum(line.startswith(b"HTTP/1.1 200") for line in lines) == 8
    assert sum(line.startswith(b"HTTP/1.1 429") for line in lines) >= 1
    for s in clients:
        s.close()


def test_descriptors_are_given_back(server):
    def count():
        return len(os.listdir(f"/proc/{server.process.pid}/fd"))

    server.get("/queue")
    before = count()
    for _ in range(3):
        for s in crowd(server, 50):
            s.close()
        sockets = [server.socket(f"s{i}") for i in range(20)]
        for ws in sockets:
            ws.close()
    end = time.time() + 20
    while count() > before + 3 and time.time() < end:
        time.sleep(0.05)
    assert count() <= before + 3


# ---- uploads -----------------------------------------------------------------------------------------------------------

@memory_counts
def test_uploads_cost_no_memory(make_server):
    """Four uploads of 60 MB at once, to the disk and not through memory."""
    server = make_server()
    for _ in range(2):  # what a first request allocates once is not the uploads'
        server.post("/userdata/warm", b"x" * 2_000_000)
    before = memory(server, "RssAnon")
    peak, stop = [before], threading.Event()

    def watch():
        while not stop.wait(0.02):
            peak.append(memory(server, "RssAnon"))

    def send(i):
        body, headers = multipart(("image", f"{i}.png", bytes([i]) * 60_000_000))
        assert server.post("/upload/image", body, headers).status == 200

    threads = [threading.Thread(target=send, args=(i,)) for i in range(4)]
    watcher = threading.Thread(target=watch)
    watcher.start()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    stop.set()
    watcher.join()
    assert all((server.base / "input" / f"{i}.png").stat().st_size == 60_000_000 for i in range(4))
    assert max(peak) - before < 4 * 1_000_000 + 8_000_000, f"{(max(peak) - before) / 1e6:.1f} MB"


def test_a_client_that_leaves_in_the_middle_leaves_nothing(server):
    def files():
        return sorted(str(p) for p in server.base.rglob("*") if p.is_file() and p.name != "server.log" and "easel.db" not in p.name)

    before = files()
    for path in ("/upload/image", "/userdata/half.bin"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as s:
            s.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=XYZ\r\n"
                      "Content-Length: 50000000\r\n\r\n--XYZ\r\n".encode() + b"x" * 3_000_000)
    time.sleep(0.3)
    assert files() == before


# ---- numbers and depth -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("path", ["/prompt", "/queue", "/history", "/settings", "/settings/x", "/free", "/users", "/userdata/a/move/b"])
@pytest.mark.parametrize("body", [b"NaN", b"Infinity", b"-Infinity", b'{"a": NaN}', b'{"a": 1e400}', b'{"a": -1e999}', b"[" * 5000 + b"]" * 5000,
                                  b'{"a":' * 5000 + b"1" + b"}" * 5000, b'{"a": "\\ud800"}', b"{} {}", b"1" * 1_000_000,
                                  b'{"prompt": {"1": {"class_type": "TestInt", "inputs": {"value": NaN}}}}'])
def test_json_that_is_none(server, path, body):
    answer = server.post(path, body)
    assert answer.status in (400, 404), (path, body[:30], answer.status)
    assert server.get("/prompt").status == 200


# ---- names -------------------------------------------------------------------------------------------------------------

def tricks(secret):
    """Strings that have led out of a folder somewhere, or stopped somebody who opened them."""
    ups = ["..", "../", "../x", "../../x", "a/../../x", "./../x", "a/./../../x", "..//x", "//x", "/x", "///etc/passwd", "/etc/passwd",
           "/proc/self/environ", "/proc/self/fd/0", "/dev/zero", "/dev/tty", "../../../../../../etc/passwd", "a/b/../../../x", ".../x", "....//x",
           "..;/x", "..%00/x", "~", "~/x", "~root/x", "$HOME/x", "file:///etc/passwd", "C:\\x", "C:/x", "\\\\host\\x", "..\\x", "a\\..\\..\\x"]
    encoded = ["%2e%2e/x", "%2e%2e%2fx", "%2e%2e%5cx", "..%2fx", "..%5cx", "%252e%252e%252fx", "%c0%ae%c0%ae/x", "%c0%af", "%e0%80%ae/x",
               "%uff0e%uff0e/x", "%00", "x%00.png", "%0a", "%0d%0aX: y", "%", "%2", "%zz", "%ff%fe"]
    odd = ["\0", "a\0b", "\0/../x", "\n", "a\nb", "\r\nX: y", "\t", "\x1b[2J", "\x7f", "\u202e../x", "\u2025/x", "\uff0e\uff0e/x", "\u2215etc", "\u2044etc",
           "\ufeff..", "\u200b..", "a\u0301", "\u00e1", "\u1e9b\u0323", "\U0001f600", "\ud7ff", ".", "./", "./.", "x/.", "x/..", "", " ", "  ", " ..", ".. ", "../ ",
           "x.", "x ", "x..", "...", "CON", "NUL", "aux.txt", "a:b", "a:$DATA", "a*", "a?", "a|b", "a<b>", 'a"b', "a'b", "a`b`", "a;b", "a&b", "$(x)", "{x}",
           "-rf", "--help", "x" * 255, "x" * 256, "x" * 4096, "x/" * 300 + "y", "../" * 300 + "etc/passwd", "/" * 4000, "\u4e2d" * 90,
           "x [output]", "../x [output]", "x [../..]", "[input]", "x [temp] [input]", " [input]", ".hidden", ".easel", "easel.db", "comfy.settings.json"]
    here = [str(secret), "../" + secret.name, "link", "link/", "linkdir/" + secret.name, "linkdir/../" + secret.name, "fifo", "fifo/", "loop", "loop/loop",
            "socket", "folder", "folder/", "dangling"]
    return ups + encoded + odd + here


def prepare(server, secret):
    for place in ("input", "output", "temp", "user/default", "models/checkpoints"):
        folder = server.base / place
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "folder").mkdir(exist_ok=True)
        if place.startswith("models"):
            continue  # those may hold links that the operator made
        for name, target in (("link", secret), ("linkdir", secret.parent), ("loop", "loop"), ("dangling", server.base / "made-by-a-link")):
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(target)
        if not (folder / "fifo").exists():
            os.mkfifo(folder / "fifo")
            s = socket.socket(socket.AF_UNIX)
            os.chdir(folder)
            s.bind("socket")
            os.chdir("/")


def fields():
    """(name, how to ask): every place where a client's string may become a path."""
    def get(template):
        return lambda ask, t: ask("GET", template.replace("*", urllib.parse.quote(t.encode("utf-8", "replace"), safe="")))

    def raw(template):  # as it stands, not encoded: what a client in C would send
        def send(ask, t):
            if t.isascii() and t.isprintable() and " " not in t:
                ask("GET", template.replace("*", t))
        return send

    def body(method, template, data=b"{}"):
        return lambda ask, t: ask(method, template.replace("*", urllib.parse.quote(t.encode("utf-8", "replace"), safe="")), data)

    def form(path, **parts):
        def send(ask, t):
            if any(c in t for c in "\r\n\0"):
                return
            values = [(name, (t if value[0] == "*" else value[0]) if isinstance(value, tuple) else None,
                       (value[1] if isinstance(value, tuple) else value.replace("*", t) if isinstance(value, str) else json.dumps(value).replace("*", json.dumps(t)[1:-1])))
                      for name, value in parts.items()]
            data, headers = multipart(*[(n, f, v.encode("utf-8", "replace") if isinstance(v, str) else v) for n, f, v in values])
            ask("POST", path, data, headers)
        return send

    def reference(**wrong):
        return {**{"filename": "ok.png", "subfolder": "", "type": "input"}, **wrong}

    picture = ("ok.png", b"x")
    table = {f"view filename {kind}": get(f"/view?filename=*&type={kind}") for kind in ("input", "output", "temp")}
    table |= {f"view raw {kind}": raw(f"/view?filename=*&type={kind}") for kind in ("input", "output")}
    table |= {
        "view subfolder": get("/view?filename=ok.png&type=input&subfolder=*"), "view type": get("/view?filename=ok.png&type=*"),
        "view preview": get("/view?filename=*&type=input&preview=webp;90"), "view channel": get("/view?filename=*&type=input&channel=rgb"),
        "userdata": get("/userdata/*"), "userdata raw": raw("/userdata/*"), "userdata dir": get("/userdata?dir=*"),
        "userdata recurse": get("/userdata?dir=*&recurse=true&full_info=true"), "userdata v2": get("/v2/userdata?path=*"),
        "userdata write": body("POST", "/userdata/*", b"written"), "userdata delete": body("DELETE", "/userdata/*"),
        "userdata move from": body("POST", "/userdata/*/move/there"), "userdata move to": body("POST", "/userdata/mine/move/*"),
        "metadata folder": get("/view_metadata/*?filename=x.safetensors"), "metadata filename": get("/view_metadata/checkpoints?filename=*"),
        "models": get("/models/*"), "experiment": get("/experiment/models/*"), "preview folder": get("/experiment/models/preview/*/0/x"),
        "preview index": get("/experiment/models/preview/checkpoints/*/x"), "preview file": get("/experiment/models/preview/checkpoints/0/*"),
        "history": get("/history/*"), "node": get("/object_info/*"), "setting": get("/settings/*"), "setting write": body("POST", "/settings/*", b"1"),
        "files": get("/internal/files/*"), "static": raw("/*"), "static encoded": get("/*"), "templates": get("/templates/*"), "docs": get("/docs/*"),
        "extensions": get("/extensions/*"), "client": get("/api/jobs/*"),
        "upload filename": form("/upload/image", image=("*", b"x")), "upload subfolder": form("/upload/image", image=picture, subfolder="*"),
        "upload type": form("/upload/image", image=picture, type="*"), "upload overwrite": form("/upload/image", image=("*", b"y"), overwrite="true"),
        "mask filename": form("/upload/mask", image=("*", b"x"), original_ref=reference()),
        "mask subfolder": form("/upload/mask", image=picture, subfolder="*", original_ref=reference()),
        "mask original": form("/upload/mask", image=picture, original_ref=reference(filename="*")),
        "mask original subfolder": form("/upload/mask", image=picture, original_ref=reference(subfolder="*")),
        "mask original type": form("/upload/mask", image=picture, original_ref=reference(type="*")),
    }
    return table


@pytest.mark.parametrize("field", sorted(fields()))
def test_no_name_leads_out(server, tmp_path_factory, field):
    secret = server.base.parent / "secret.txt"
    if not secret.exists():
        secret.write_text("the secret outside")
    prepare(server, secret)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)

    def ask(method, path, data=None, headers=()):
        nonlocal connection
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
        except (http.client.InvalidURL, UnicodeError):
            return
        if data is not None:
            connection.putheader("Content-Length", str(len(data)))
        for name, value in dict(headers).items():
            connection.putheader(name, value)
        connection.endheaders(data)
        try:
            answer = connection.getresponse()
            text = answer.read()
        except (http.client.HTTPException, ConnectionError):  # refused and closed; a hang would be a TimeoutError
            connection.close()
            return
        assert answer.status < 500, (field, method, path[:200], answer.status, text[:200])
        assert b"the secret outside" not in text and b"root:x:0" not in text and b"PATH=" not in text, (field, path[:200])

    strings = tricks(secret)
    assert len(strings) >= 120
    mine = server.base / "user/default/mine"  # what the field before made of it does not matter
    if mine.is_dir():
        shutil.rmtree(mine)
    mine.write_text("mine")
    outside = {p.name for p in server.base.parent.iterdir()} | {p.name for p in server.base.iterdir()}
    for text in strings:
        fields()[field](ask, text)
    connection.close()
    assert server.process.poll() is None, server.log()[-2000:]
    assert {p.name for p in server.base.parent.iterdir()} | {p.name for p in server.base.iterdir()} == outside
    assert secret.read_text() == "the secret outside"
