"""Routes and answers beyond what parity/api records."""
import json, os, socket, time, zlib




def multipart(*parts):
    boundary = "XYZ"
    body = b""
    for name, filename, data in parts:
        head = f'Content-Disposition: form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")
        body += f"--{boundary}\r\n{head}\r\n\r\n".encode() + data + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def upload(server, filename, data, **fields):
    body, headers = multipart(("image", filename, data), *((k, None, v.encode()) for k, v in fields.items()))
    return server.post("/upload/image", body, headers)


def test_every_route_is_also_under_api(server):
    for path in ("/prompt", "/queue", "/history", "/object_info", "/embeddings", "/models", "/experiment/models", "/extensions",
                 "/system_stats", "/features", "/workflow_templates", "/i18n", "/users", "/settings", "/v2/userdata"):
        plain, api = server.get(path), server.get("/api" + path)
        assert plain.status == api.status == 200, path
        assert plain.type == api.type == "application/json", path
    assert server.get("/internal/logs").status == 200
    assert server.get("/api/internal/logs").status == 404


def test_head_has_no_body_and_the_same_length(server):
    got, head = server.get("/object_info"), server.ask("HEAD", "/object_info")
    assert head.status == 200 and head.body == b""
    assert head.headers["Content-Length"] == str(len(got.body))


def test_unknown_paths_are_plain_404s(server):
    for path in ("/api/nowhere", "/nowhere", "/user.css", "/api/userdata/user.css", "/api/userdata/comfy.templates.json",
                 "/api/userdata?dir=workflows&recurse=true&split=false&full_info=true", "/docs/NoSuchNode/en.md"):
        answer = server.get(path)
        assert (answer.status, answer.type) == (404, "text/plain"), path


def test_wrong_methods_are_405(server):
    for method, path in (("PUT", "/prompt"), ("DELETE", "/api/queue"), ("POST", "/object_info"), ("PATCH", "/view")):
        answer = server.ask(method, path)
        assert answer.status == 405 and answer.headers["Allow"], path


def test_options_is_answered(server):
    assert server.ask("OPTIONS", "/prompt").status == 200


def test_templates_index_is_a_list_installed_or_not(server):
    answer = server.get("/templates/index.json")
    assert answer.type == "application/json" and isinstance(answer.json, list)


def test_object_info_is_revalidated(server):
    first = server.get("/object_info")
    again = server.get("/object_info", {"If-None-Match": first.headers["ETag"]})
    assert again.status == 304 and again.body == b""
    assert "TestInt" in first.json


def test_object_info_follows_the_files(make_server):
    server = make_server()
    options = lambda: server.get("/object_info/CheckpointLoaderSimple").json["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0]
    tag = server.get("/object_info").headers["ETag"]
    assert options() == []
    folder = server.base / "models/checkpoints/sub"
    folder.mkdir(parents=True)
    (folder / "a.safetensors").write_bytes(b"x")
    assert options() == ["sub/a.safetensors"]
    assert server.get("/object_info").headers["ETag"] != tag
    assert server.get("/models/checkpoints").json == ["sub/a.safetensors"]
    entry = server.get("/experiment/models/checkpoints").json[0]
    assert (entry["name"], entry["pathIndex"], entry["size"]) == ("sub/a.safetensors", 0, 1)


def test_system_stats_has_what_clients_insist_on(server):
    stats = server.get("/system_stats").json
    assert isinstance(stats["system"]["argv"], list) and stats["system"]["embedded_python"] is False
    assert all(isinstance(stats["devices"][0][k], int) for k in ("vram_total", "vram_free", "torch_vram_total", "torch_vram_free"))


def test_view_serves_ranges_and_names_the_file(server):
    upload(server, "range.png", bytes(range(100)))
    url = "/view?filename=range.png&type=input"
    whole = server.get(url)
    assert whole.headers["Content-Disposition"] == 'filename="range.png"'
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    part = server.get(url, {"Range": "bytes=10-19"})
    assert part.status == 206 and part.body == bytes(range(10, 20))
    assert part.headers["Content-Range"] == "bytes 10-19/100"
    assert server.get(url, {"Range": "bytes=100-"}).status == 416
    assert server.get(url, {"If-None-Match": whole.headers["ETag"]}).status == 304


def test_what_a_browser_would_run_is_a_download(server):
    for name in ("a.html", "a.svg", "a.js", "a.css", "a.xml", "a.HTM"):
        assert upload(server, name, b"<script>alert(1)</script>").status == 200
        answer = server.get(f"/view?filename={name}&type=input")
        assert answer.type == "application/octet-stream", name
        assert answer.headers["Content-Disposition"].startswith("attachment"), name


def test_the_view_of_a_file_that_is_no_picture(server):
    upload(server, "text.png", b"no picture")
    assert server.get("/view?filename=text.png&type=input").body == b"no picture"
    for query in ("preview=webp;80", "channel=rgb", "channel=a"):
        assert server.get(f"/view?filename=text.png&type=input&{query}").status == 400


def test_large_upload(server):
    data = os.urandom(5 << 20)
    assert upload(server, "large.bin", data).json == {"name": "large.bin", "subfolder": "", "type": "input"}
    assert server.get("/view?filename=large.bin&type=input").body == data


def test_upload_by_annotation_and_subfolder(server):
    assert upload(server, "s.txt", b"1", subfolder="x/y", type="output").json["subfolder"] == "x/y"
    assert server.get("/view?filename=s.txt&subfolder=x/y").body == b"1"
    assert server.get("/view?filename=s.txt%20[output]&subfolder=x/y&type=input").body == b"1"


def test_settings_survive_damage(make_server):
    server = make_server()
    assert server.post("/settings", {"a": 1}).status == 200
    file = server.base / "user/default/comfy.settings.json"
    assert json.loads(file.read_text()) == {"a": 1}
    file.write_text("{damaged")
    assert server.get("/settings").json == {}
    assert server.post("/settings/b", 2).status == 200
    assert server.get("/settings").json == {"b": 2}
    assert server.post("/settings", [1]).status == 400


def test_multi_user(make_server):
    server = make_server(flags=["--multi-user"])
    ids = [server.post("/users", {"username": name}).json for name in ("Ann", "Bob")]
    assert server.get("/users").json == {"storage": "server", "users": dict(zip(ids, ("Ann", "Bob")))}
    assert server.post("/users", {"username": "Ann"}).status == 400
    ann, bob = ({"Comfy-User": i} for i in ids)
    assert server.ask("POST", "/settings/x", b"1", ann).status == 200
    assert server.get("/settings/x", ann).json == 1
    assert server.get("/settings/x", bob).json is None
    for headers in ({}, {"Comfy-User": ""}, {"Comfy-User": "../default"}):
        assert server.get("/settings", headers).status == 401
    assert server.get("/queue").status == 200


def test_userdata_with_real_and_encoded_slashes(server):
    assert server.post("/api/userdata/workflows%2Fa%20b.json", b"{}").json == "workflows/a b.json"
    assert server.get("/userdata/workflows/a%20b.json").body == b"{}"
    assert server.post("/userdata/workflows/a%20b.json/move/workflows/c.json").json == "workflows/c.json"
    tree = server.get("/v2/userdata?path=workflows").json
    assert [(e["name"], e["path"], e["type"]) for e in tree] == [("c.json", "workflows/c.json", "file")]
    assert server.ask("DELETE", "/userdata/workflows%2Fc.json").status == 204


def test_internal_routes(server):
    assert "To see the GUI go to" in server.get("/internal/logs").json
    raw = server.get("/internal/logs/raw").json
    assert raw["entries"] and set(raw["entries"][0]) == {"t", "m"} and "cols" in raw["size"]
    assert "checkpoints" in server.get("/internal/folder_paths").json
    assert isinstance(server.get("/internal/files/input").json, list)
    bad = server.get("/internal/files/secret")
    assert bad.status == 400 and bad.json == {"error": "Invalid directory type"}


def test_logs_are_followed(server):
    socket = server.socket("log-reader")
    assert server.ask("PATCH", "/internal/logs/subscribe", {"clientId": "log-reader", "enabled": True}).status == 200
    server.post("/prompt", {"prompt": {}})
    message = socket.until("logs")[-1]
    assert "m" in message["data"]["entries"][0]
    server.ask("PATCH", "/internal/logs/subscribe", {"clientId": "log-reader", "enabled": False})
    socket.close()


def test_other_sites_are_kept_out(server):
    own = f"http://127.0.0.1:{server.port}"
    assert server.post("/queue", b"{}", {"Origin": own}).status == 200
    for headers in ({"Origin": "http://evil.org"}, {"Origin": "null"}, {"Host": "evil.org"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = server.post("/queue", b"{}", headers)
        assert answer.status == 403 and answer.body == b"", headers


def test_cors_on_demand(make_server):
    server = make_server(flags=["--enable-cors-header"])
    answer = server.post("/queue", b"{}", {"Origin": "http://elsewhere.example"})
    assert answer.status == 200 and answer.headers["Access-Control-Allow-Origin"] == "*"


def test_compressed_on_demand(make_server):
    server = make_server(flags=["--enable-compress-response-body"])
    plain, packed = server.get("/object_info"), server.get("/object_info", {"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert zlib.decompress(packed.body, 31) == plain.body


def test_the_page_and_its_files(make_server, tmp_path):
    root = tmp_path / "page"
    (root / "extensions/x").mkdir(parents=True)
    (root / "index.html").write_text("<p>page")
    (root / "app.js").write_text("1")
    (root / "extensions/x/main.js").write_text("1")
    server = make_server(flags=["--front-end-root", str(root)])
    index = server.get("/")
    assert index.body == b"<p>page" and index.type == "text/html" and "no-store" in index.headers["Cache-Control"]
    script = server.get("/app.js")
    assert script.type == "application/javascript" and script.headers["Cache-Control"] == "no-cache" and script.headers["ETag"]
    assert server.get("/extensions").json == ["/extensions/x/main.js"]
    for path in ("/..%2fserver.log", "/%2e%2e/server.log", "/app.js%00", "//etc/passwd"):
        assert server.get(path).status in (400, 404), path


def test_keep_alive_and_pipelining(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
        request = f"GET /prompt HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()
        s.sendall(request * 5)
        got = b""
        while got.count(b"HTTP/1.1 200 OK") < 5 or not got.endswith(b"}}"):
            got += s.recv(65536)


def test_first_answer_comes_at_once(make_server):
    server = make_server(start=False)
    begin = time.time()
    server.start()
    assert time.time() - begin < 5  # a bound for a loaded machine; the figure is measured by the benchmark


def test_the_port_is_taken(make_server):
    first = make_server("a")
    second = make_server("b", start=False)
    second.port = first.port
    second.start(wait=False)
    assert second.process.wait(20) == 1
    assert "another server runs there" in second.log()


def test_two_servers_do_not_share_a_database(make_server):
    first = make_server("same")
    second = make_server("same", start=False)
    second.start(wait=False)
    assert second.process.wait(20) == 1
    assert "another easel uses this database" in second.log()
    assert first.get("/prompt").status == 200
