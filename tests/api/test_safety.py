"""Who may speak to the server, and what other web sites may not."""
import http.client, json, re, shutil, socket, ssl, subprocess, time, urllib.parse

import pytest
import websocket

from conftest import Server, show_prompt, sleep_prompt

TOKENS = {"ann": "ann-0123456789abcdef", "bob": "bob-0123456789abcdef", "root": "root-0123456789abcdef"}
FILE = "".join(f"{user} {token}{' admin' if user == 'root' else ''}\n" for user, token in TOKENS.items())


def bearer(user):
    return {"Authorization": f"Bearer {TOKENS[user]}"}


class Guarded(Server):
    """A server that wants tokens; the fixture's own questions are root's."""

    def ask(self, method, path, body=None, headers=None, timeout=30):
        return super().ask(method, path, body, bearer("root") if headers is None else headers, timeout)

    def as_(self, user, method, path, body=None):
        return self.ask(method, path, body, bearer(user))

    def submit_as(self, user, prompt, **more):
        answer = self.as_(user, "POST", "/prompt", {"prompt": prompt, **more})
        assert answer.status == 200, answer.body
        return answer.json["prompt_id"]

    def listen_as(self, user, client_id):
        return websocket.create_connection(f"ws://127.0.0.1:{self.port}/ws?clientId={client_id}", timeout=10, header=bearer(user))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "tokens").write_text(FILE)
    made = Guarded(folder / "base", flags=["--auth-token-file", str(folder / "tokens")]).start()
    yield made
    assert made.stop() == 0, made.log()


ROUTES = """GET /prompt, POST /prompt, GET /queue, POST /queue, POST /interrupt, POST /free, GET /history, GET /history/x, POST /history,
GET /object_info, GET /object_info/x, GET /embeddings, GET /models, GET /models/x, GET /experiment/models, GET /experiment/models/x,
GET /experiment/models/preview/x/0/x, GET /view_metadata/x, GET /system_stats, GET /features, GET /extensions, GET /i18n,
GET /workflow_templates, GET /view, POST /upload/image, POST /upload/mask, GET /users, POST /users, GET /settings, GET /settings/x,
POST /settings, POST /settings/x, GET /userdata, GET /v2/userdata, GET /userdata/x, POST /userdata/x, POST /userdata/x/move/y,
DELETE /userdata/x, GET /internal/logs, GET /internal/logs/raw, PATCH /internal/logs/subscribe, GET /internal/folder_paths,
GET /internal/files/input, GET /templates/x, GET /docs/x, GET /extensions/x, GET /api/jobs, GET /api/jobs/x, POST /api/jobs/x/cancel"""


def routes(server):
    """Every route as (method, path), parameters filled in: ComfyUI's, and what the server itself lists."""
    found = {tuple(each.split()) for each in ROUTES.replace("\n", " ").split(", ")}
    listed = server.get("/openapi.json")
    for path, methods in (listed.json["paths"] if listed.status == 200 else {}).items():
        found |= {(method.upper(), re.sub(r"\{[^}]*\}", "x", path)) for method in methods if method in ("get", "post", "put", "delete", "patch")}
    return sorted(found)


# ---- tokens ----------------------------------------------------------------------------------------------------------

def test_without_a_token_nothing_is_answered(guarded):
    for method, path in routes(guarded) + [("GET", "/"), ("GET", "/nowhere"), ("GET", "/api/queue"), ("POST", "/api/prompt")]:
        if path in ("/healthz", "/health", "/login", "/readyz", "/ready", "/startupz"):
            continue
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": "easel_session=wrong"}):
            answer = guarded.ask(method, path, None if method == "GET" else b"", headers)
            assert answer.status == 401, (method, path, answer.status)
            assert "Bearer" in answer.headers["WWW-Authenticate"]
    assert guarded.ask("GET", f"/queue?token={TOKENS['ann']}", headers={}).status == 401
    assert guarded.ask("GET", "/healthz", headers={}).status == 200
    assert guarded.ask("OPTIONS", "/queue", headers={}).status == 200


def test_a_browser_logs_in_with_a_form(guarded):
    page = guarded.ask("GET", "/", headers={"Accept": "text/html,*/*"})
    assert page.status == 401 and b'method="post" action="/login"' in page.body and page.type == "text/html"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]

    def post(token):
        connection = http.client.HTTPConnection("127.0.0.1", guarded.port, timeout=20)
        connection.request("POST", "/login", urllib.parse.urlencode({"token": token}), {"Content-Type": "application/x-www-form-urlencoded"})
        answer = connection.getresponse()
        answer.body = answer.read()
        connection.close()
        return answer

    wrong = post("ann-0123456789abcdeX")
    assert wrong.status == 401 and wrong.getheader("Set-Cookie") is None and b"not known" in wrong.body
    right = post(TOKENS["ann"])
    cookie = right.getheader("Set-Cookie")
    assert right.status == 303 and right.getheader("Location") == "/"
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and TOKENS["ann"] not in cookie
    mine = {"Cookie": cookie.split(";")[0]}
    assert guarded.ask("GET", "/queue", headers=mine).status == 200
    assert guarded.ask("GET", "/internal/logs", headers=mine).status == 403, "the cookie is ann's"
    left = guarded.ask("GET", "/login", headers={})
    assert left.status == 200
    evil = {"Origin": "http://evil.org", "Sec-Fetch-Site": "cross-site"}
    assert guarded.ask("POST", "/login", f"token={TOKENS['ann']}".encode(), evil).status == 403
    assert TOKENS["ann"] not in guarded.log()


def test_sockets_want_a_token_too(guarded):
    url = f"ws://127.0.0.1:{guarded.port}/ws?clientId=me"
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        websocket.create_connection(url, timeout=10)
    assert refused.value.status_code == 401
    for target, header in ((url, bearer("ann")), (url + "&token=" + TOKENS["ann"], {}), (url.replace("/ws", "/api/ws") + "&token=" + TOKENS["bob"], {})):
        ws = websocket.create_connection(target, timeout=10, header=header)
        assert json.loads(ws.recv())["data"]["sid"] == "me"
        ws.close()


def test_each_user_sees_and_edits_what_is_theirs(guarded):
    running = guarded.submit_as("ann", sleep_prompt(30, value=11))
    guarded.wait_until_running(running)
    waiting = guarded.submit_as("ann", show_prompt(12))
    own = guarded.submit_as("bob", show_prompt(13))

    def ids(user):
        queue = guarded.as_(user, "GET", "/queue").json
        return [item[1] for item in queue["queue_running"] + queue["queue_pending"]]

    assert ids("ann") == [running, waiting] and ids("bob") == [own] and ids("root") == [running, waiting, own]
    assert guarded.as_("bob", "POST", "/queue", {"delete": [waiting]}).status == 200
    assert guarded.as_("bob", "POST", "/interrupt", {"prompt_id": running}).status == 200
    assert guarded.as_("bob", "POST", "/interrupt", b"").status == 200
    assert guarded.as_("bob", "POST", "/queue", {"clear": True}).status == 200
    assert ids("ann") == [running, waiting] and ids("bob") == []
    assert guarded.as_("ann", "POST", "/interrupt", {"prompt_id": running}).status == 200
    entry = guarded.wait_for(waiting)
    assert entry["status"]["completed"]
    assert set(guarded.as_("ann", "GET", "/history").json) >= {running, waiting}
    assert guarded.as_("bob", "GET", "/history").json == {} and guarded.as_("bob", "GET", f"/history/{waiting}").json == {}
    assert guarded.as_("bob", "POST", "/history", {"clear": True, "delete": [waiting]}).status == 200
    assert waiting in guarded.get("/history").json
    for path in ("/api/jobs", f"/api/jobs/{waiting}"):
        theirs = guarded.as_("bob", "GET", path)
        assert theirs.status == 404 or waiting.encode() not in theirs.body, path
    assert guarded.as_("bob", "POST", "/prompt", {"prompt": show_prompt(99), "prompt_id": waiting}).status == 409
    assert guarded.as_("ann", "GET", f"/history/{waiting}").json, "a stranger's use of the id costs nothing"
    assert guarded.as_("ann", "POST", "/history", {"delete": [waiting]}).status == 200
    assert waiting not in guarded.get("/history").json


def test_jobs_of_others_cannot_be_cancelled(guarded):
    running = guarded.submit_as("ann", sleep_prompt(30, value=21))
    guarded.wait_until_running(running)
    for path, body in ((f"/api/jobs/{running}/cancel", {}), ("/api/jobs/cancel", {"prompt_ids": [running], "job_ids": [running], "ids": [running]})):
        assert guarded.as_("bob", "POST", path, body).status < 500
    time.sleep(0.3)
    assert running in [item[1] for item in guarded.get("/queue").json["queue_running"]]
    guarded.as_("ann", "POST", "/interrupt", b"")
    guarded.wait_for(running)


def test_events_go_to_their_user_alone(guarded):
    ann, bob = guarded.listen_as("ann", "same"), guarded.listen_as("bob", "same")
    guarded.wait_for(guarded.submit_as("ann", sleep_prompt(0.05, value=31), client_id="same"))
    guarded.wait_for(guarded.submit_as("ann", sleep_prompt(0.05, value=32)))  # a broadcast where there are no tokens

    def kinds(ws):
        seen = []
        ws.settimeout(0.5)
        try:
            while True:
                frame = ws.recv()
                seen.append("binary" if isinstance(frame, bytes) else json.loads(frame)["type"])
        except websocket.WebSocketTimeoutException:
            return seen

    heard = kinds(ann)
    assert {"executing", "execution_success", "progress", "progress_state"} <= set(heard)
    assert set(kinds(bob)) == {"status"}
    ann.close(), bob.close()


def test_userdata_and_settings_belong_to_the_token(guarded):
    assert guarded.as_("ann", "POST", "/userdata/workflows%2Fw.json", {"of": "ann"}).status == 200
    assert guarded.as_("ann", "POST", "/settings", {"a.b": 1}).status == 200
    assert guarded.ask("GET", "/userdata/workflows%2Fw.json", headers={**bearer("bob"), "Comfy-User": "ann"}).status == 404
    assert guarded.as_("bob", "GET", "/settings").json == {}
    assert guarded.as_("ann", "GET", "/userdata/workflows%2Fw.json").json == {"of": "ann"}
    assert (guarded.base / "user/ann/workflows/w.json").exists()


def test_the_log_is_the_admins(guarded):
    for method, path, body in (("GET", "/internal/logs", None), ("GET", "/internal/logs/raw", None),
                               ("PATCH", "/internal/logs/subscribe", {"clientId": "x", "enabled": True})):
        assert guarded.as_("ann", method, path, body).status == 403
        assert guarded.as_("root", method, path, body).status == 200


def test_the_file_is_read_again_while_the_server_runs(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text(FILE)
    server = Guarded(tmp_path / "base", flags=["--auth-token-file", str(tokens)]).start()
    try:
        ann = server.listen_as("ann", "me")
        ann.recv()
        (tmp_path / "new").write_text(FILE.replace(TOKENS["ann"], "another-0123456789abcdef"))
        (tmp_path / "new").rename(tokens)
        end = time.time() + 20
        while server.as_("ann", "GET", "/queue").status != 401:
            assert time.time() < end
            time.sleep(0.1)
        assert server.ask("GET", "/queue", headers={"Authorization": "Bearer another-0123456789abcdef"}).status == 200
        code, data = None, b"\0\0"
        ann.settimeout(20)
        while code != websocket.ABNF.OPCODE_CLOSE:
            code, data = ann.recv_data()
        assert int.from_bytes(data[:2], "big") == 1008
        (tmp_path / "bad").write_text("ann x\n")
        (tmp_path / "bad").rename(tokens)
        end = time.time() + 20
        while "still hold" not in server.log():
            assert time.time() < end
            time.sleep(0.1)
        assert server.get("/queue").status == 200
    finally:
        assert server.stop() == 0


def test_a_wrong_token_file_ends_the_start(tmp_path):
    (tmp_path / "tokens").write_text("ann x\n")
    server = Server(tmp_path / "base", flags=["--auth-token-file", str(tmp_path / "tokens")])
    server.start(wait=False)
    assert server.process.wait(20) != 0 and "16" in server.log()


def test_listening_beyond_this_machine_is_warned_of(make_server, tmp_path):
    assert "asks nobody for a token" not in make_server("here").log()
    assert "asks nobody for a token" in make_server("all", flags=["--listen", "0.0.0.0"]).log()
    (tmp_path / "tokens").write_text(FILE)
    guarded = Guarded(tmp_path / "guarded", flags=["--listen", "0.0.0.0", "--auth-token-file", str(tmp_path / "tokens")]).start()
    assert guarded.stop() == 0
    assert "asks nobody for a token" not in guarded.log()


def test_secrets_of_paid_services_are_not_kept(make_server):
    server = make_server()
    secret = "sk-very-secret-0123456789"
    extra = {"auth_token_comfy_org": secret, "api_key_comfy_org": secret, "note": "kept"}
    running = server.submit(sleep_prompt(1.5, value=41), extra_data=extra)
    server.wait_until_running(running)
    waiting = server.submit(show_prompt(42), extra_data=extra)
    assert secret.encode() not in server.get("/queue").body and b"kept" in server.get("/queue").body
    server.wait_for(waiting)
    assert secret.encode() not in server.get("/history").body and secret not in server.log()
    for file in (server.base / "user").rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file


# ---- TLS -------------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    if not shutil.which("openssl"):
        pytest.skip("no openssl program to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder / "key.pem",
                    "-out", folder / "cert.pem"], check=True, capture_output=True)
    made = Server(folder / "base", flags=["--tls-keyfile", str(folder / "key.pem"), "--tls-certfile", str(folder / "cert.pem")])
    made.start(wait=False)
    made.context = ssl.create_default_context(cafile=folder / "cert.pem")
    end = time.time() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", made.port), timeout=5).close()
            break
        except OSError:
            assert time.time() < end and made.process.poll() is None, made.log()
            time.sleep(0.05)
    yield made
    assert made.stop() == 0, made.log()


def test_everything_over_tls(secure):
    connection = http.client.HTTPSConnection("localhost", secure.port, context=secure.context, timeout=30)
    for body in (b"x" * 3_000_000, b"y" * 100):  # through the file, through memory, on one connection
        connection.request("POST", "/userdata/t.bin", body)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
        connection.request("GET", "/userdata/t.bin")
        answer = connection.getresponse()
        assert answer.read() == body
    connection.close()
    ws = websocket.create_connection(f"wss://localhost:{secure.port}/ws?clientId=me", timeout=20, sslopt={"context": secure.context})
    assert json.loads(ws.recv())["data"]["sid"] == "me"
    connection.request("POST", "/prompt", json.dumps({"prompt": show_prompt(51), "client_id": "me"}))
    assert connection.getresponse().status == 200
    kinds = []
    while "execution_success" not in kinds:
        frame = ws.recv()
        kinds.append("" if isinstance(frame, bytes) else json.loads(frame)["type"])
    ws.close()
    assert f"https://127.0.0.1:{secure.port}" in secure.log()


def test_old_tls_and_no_tls_are_refused(secure):
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", secure.port), timeout=20) as plain:
        with pytest.raises((ssl.SSLError, OSError)):
            old.wrap_socket(plain)
    with socket.create_connection(("127.0.0.1", secure.port), timeout=20) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert not plain.recv(100).startswith(b"HTTP")


def test_half_of_tls_is_refused(tmp_path):
    server = Server(tmp_path / "base", flags=["--tls-keyfile", "/nowhere/key.pem"])
    server.start(wait=False)
    assert server.process.wait(20) != 0 and "--tls-certfile" in server.log()


# ---- other web sites -------------------------------------------------------------------------------------------------

def talk(server, method, path, headers, body=b"{"):
    """With exactly these headers; a body that is no JSON, so that nothing happens where it is let in."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in {"Host": f"127.0.0.1:{server.port}", **headers}.items():
        connection.putheader(name, value)
    if method != "GET":
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(None if method == "GET" else body)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def test_every_route_stands_behind_the_wall(server):
    own = f"http://127.0.0.1:{server.port}"
    matrix = [  # headers, may read, may write
        ({}, True, True),
        ({"Origin": own, "Sec-Fetch-Site": "same-origin"}, True, True),
        ({"Sec-Fetch-Site": "none"}, True, True),
        ({"Origin": "http://evil.org", "Sec-Fetch-Site": "cross-site"}, False, False),
        ({"Origin": "http://evil.org"}, False, False),
        ({"Origin": "null"}, False, False),
        ({"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"}, False, False),
        ({"Sec-Fetch-Site": "cross-site"}, True, False),
        ({"Sec-Fetch-Site": "same-site"}, True, False),
        ({"Host": f"evil.org:{server.port}"}, False, False),
        ({"Host": f"evil.org:{server.port}", "Origin": f"http://evil.org:{server.port}", "Sec-Fetch-Site": "same-origin"}, False, False),
    ]
    all_routes = routes(server) + [("GET", "/"), ("POST", "/"), ("GET", "/api/queue"), ("POST", "/api/queue")]
    assert len(all_routes) >= 45
    for method, path in all_routes:
        for headers, read, write in matrix:
            if path in ("/healthz", "/health") and method == "GET":
                continue
            status = talk(server, method, path, headers).status
            assert (status != 403) == (read if method == "GET" else write) or (status == 403 and path.startswith("/userdata")), (
                method, path, headers, status)


def upgrade(server, headers):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as s:
        lines = {"Host": f"127.0.0.1:{server.port}", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
                 "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", **headers}
        s.sendall(("GET /ws HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "\r\n").encode())
        return int(s.recv(4096).split()[1])


def test_the_socket_stands_behind_it_too(server, make_server):
    own = f"http://127.0.0.1:{server.port}"
    for headers, status in (({}, 101), ({"Origin": own}, 101), ({"Origin": "http://evil.org"}, 403), ({"Origin": "null"}, 403),
                            ({"Sec-Fetch-Site": "cross-site"}, 403), ({"Host": "evil.org"}, 403), ({"Origin": "http://localhost:1"}, 403)):
        assert upgrade(server, headers) == status, headers
    one = make_server(flags=["--enable-cors-header", "https://studio.example"])
    assert upgrade(one, {"Origin": "https://studio.example"}) == 101 and upgrade(one, {"Origin": "https://evil.org"}) == 403


def test_the_cors_flag(make_server):
    any_, one = make_server("any", flags=["--enable-cors-header"]), make_server("one", flags=["--enable-cors-header", "https://studio.example"])
    for server, origin, allowed in ((any_, "http://evil.org", True), (one, "https://studio.example", True), (one, "http://evil.org", False)):
        status = talk(server, "POST", "/queue", {"Origin": origin, "Sec-Fetch-Site": "cross-site"}).status
        assert (status != 403) == allowed, (origin, status)
    assert one.get("/queue").headers["Access-Control-Allow-Origin"] == "https://studio.example"
    assert talk(one, "OPTIONS", "/queue", {"Origin": "https://studio.example", "Access-Control-Request-Method": "POST"}).status == 200


def test_further_names_of_the_server(make_server):
    server = make_server(flags=["--allowed-hosts", "studio.example", "other.example"])
    for host, allowed in (("studio.example", True), ("OTHER.example:8188", True), ("evil.org", False), ("localhost", True)):
        assert (talk(server, "GET", "/queue", {"Host": host}).status != 403) == allowed, host


def test_what_browsers_are_told(make_server):
    web = make_server("web", start=False)
    root = web.base / "page"
    root.mkdir()
    (root / "index.html").write_text("<title>page</title>")
    web.flags = ["--front-end-root", str(root)]
    web.start()
    web.post("/userdata/a.html", b"<script>alert(1)</script>")
    (web.base / "input").mkdir(exist_ok=True)
    for name in ("a.html", "a.svg", "a.png", "a.js", "a.txt"):
        (web.base / "input" / name).write_bytes(b"<script>alert(1)</script>")
    for path in ("/", "/queue", "/nowhere", "/view?filename=a.png&type=input", "/userdata/a.html"):
        headers = web.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "same-origin", path
    assert web.get("/").headers["Content-Security-Policy"] == "frame-ancestors 'self'"
    for name in ("a.html", "a.svg", "a.png", "a.js", "a.txt"):
        answer = web.get(f"/view?filename={name}&type=input")
        assert answer.status == 200 and answer.headers["Content-Security-Policy"] == "sandbox", name
        if name in ("a.html", "a.svg", "a.js"):
            assert answer.type == "application/octet-stream" and "attachment" in answer.headers["Content-Disposition"], name
    assert web.get("/userdata/a.html").headers["Content-Security-Policy"] == "sandbox"
    assert web.get("/userdata/a.html").type == "application/octet-stream"
    web.stop()
    web.flags.append("--offline")
    web.start()
    policy = web.get("/").headers["Content-Security-Policy"]
    directives = {words[0]: words[1:] for words in (part.split() for part in policy.split(";"))}
    assert directives["default-src"] == ["'self'"] and "frame-ancestors" in directives
    for name, sources in directives.items():
        assert all(source in ("'self'", "'none'", "'unsafe-inline'", "'unsafe-eval'", "data:", "blob:") for source in sources), name
