"""What the page asks for: packs, templates, logs, and the API's own description."""
import json, re

import pytest


@pytest.fixture
def packs(make_server):
    server = make_server(start=False)
    root = server.base / "custom_nodes"

    def write(path, text="{}"):
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    write("alpha pack/__init__.py", 'import os\nWEB_DIRECTORY = "./web"\nNODE_CLASS_MAPPINGS = {}\n')
    write("alpha pack/web/main.js", "1")
    write("alpha pack/web/deep/more.js", "2")
    write("alpha pack/web/style.css", "p{}")
    write("alpha pack/web/docs/KSampler/en.md", "# hello")
    write("alpha pack/secret.py", "password")
    write("alpha pack/example_workflows/first one.json", '{"a": 1}')
    write("alpha pack/example_workflows/first one.jpg", "jpg")
    write("alpha pack/examples/second.json")
    write("alpha pack/locales/zh/nodeDefs.json", '{"A": {"display_name": "甲"}}')
    write("alpha pack/locales/zh/main.json", '{"hello": "你好"}')
    write("alpha pack/locales/en/settings.json", '{"x": {"name": "X"}}')
    write("alpha pack/locales/en/commands.json", "{damaged")
    write("alpha pack/subgraphs/blur.json", '{"definitions": {}}')
    write("beta/pyproject.toml", '[project]\nname = "beta"\nweb = "no"\n\n[tool.comfy]\nDisplayName = "B"\nweb = \'js\'\n')
    write("beta/js/b.js", "3")
    write("beta/locales/zh/nodeDefs.json", '{"A": {"description": "d"}, "B": {}}')
    write("gamma/__init__.py", "WEB_DIRECTORY = '../alpha pack'\n")
    write("delta.disabled/__init__.py", "WEB_DIRECTORY = './web'\n")
    write("delta.disabled/web/d.js", "4")
    return server


def test_scripts_of_packs(packs):
    server = packs.start()
    assert [u for u in server.get("/extensions").json if "/core/" not in u and "alpha" in u or "beta" in u] == \
        ["/extensions/alpha%20pack/deep/more.js", "/extensions/alpha%20pack/main.js", "/extensions/beta/b.js"]
    assert not any("gamma" in u or "delta" in u for u in server.get("/extensions").json)
    assert server.get("/extensions/alpha%20pack/main.js").type == "application/javascript"
    assert server.get("/extensions/alpha%20pack/style.css").status == 200
    docs = server.get("/extensions/alpha%20pack/docs/KSampler/en.md")
    assert docs.body == b"# hello" and docs.type == "text/markdown"
    for path in ("alpha%20pack/..%2fsecret.py", "alpha%20pack/../secret.py", "alpha%20pack/%2e%2e/secret.py",
                 "gamma/secret.py", "delta.disabled/d.js", "nobody/x.js", "alpha%20pack/deep"):
        assert server.get("/extensions/" + path).status in (400, 404), path


def test_workflow_templates_of_packs(packs):
    server = packs.start()
    assert server.get("/workflow_templates").json == {"alpha pack": ["first one", "second"]}
    file = server.get("/api/workflow_templates/alpha%20pack/first%20one.json")
    assert file.json == {"a": 1} and file.type == "application/json"
    assert server.get("/api/workflow_templates/alpha%20pack/first%20one.jpg").body == b"jpg"
    for path in ("alpha%20pack/none.json", "alpha%20pack/..%2fsecret.py", "nobody/x.json"):
        assert server.get("/api/workflow_templates/" + path).status == 404, path


def test_translations_are_merged(packs):
    server = packs.start()
    assert server.get("/i18n").json == {
        "zh": {"hello": "你好", "nodeDefs": {"A": {"display_name": "甲", "description": "d"}, "B": {}}},
        "en": {"settings": {"x": {"name": "X"}}}}


def test_blueprints(packs):
    server = packs.start()
    entries = server.get("/api/global_subgraphs").json
    assert len(entries) == 1
    (key, entry), = entries.items()
    assert entry == {"source": "custom_node", "name": "blur", "info": {"node_pack": "custom_nodes.alpha pack"}}
    assert json.loads(server.get(f"/api/global_subgraphs/{key}").json["data"]) == {"definitions": {}}
    assert server.get("/api/global_subgraphs/none").json is None
    assert server.get("/api/node_replacements").json == {}


def test_packs_can_be_switched_off(packs):
    packs.flags = ["--disable-all-custom-nodes", "--whitelist-custom-nodes", "beta"]
    server = packs.start()
    assert [u for u in server.get("/extensions").json if "alpha" in u or "beta" in u] == ["/extensions/beta/b.js"]
    assert server.get("/extensions/alpha%20pack/main.js").status == 404
    assert server.get("/workflow_templates").json == {}


def test_the_description_names_every_route_and_no_shape_is_missing(server):
    api = server.get("/openapi.json").json
    assert api["openapi"].startswith("3.1")
    for path, methods in {"/prompt": {"get", "post"}, "/queue": {"get", "post"}, "/history/{prompt_id}": {"get"},
                          "/jobs": {"get"}, "/jobs/{id}/cancel": {"post"}, "/userdata/{file}": {"get", "post", "delete"},
                          "/userdata/{file}/move/{dest}": {"post"}, "/view": {"get"}, "/upload/mask": {"post"},
                          "/internal/logs/subscribe": {"patch"}, "/object_info/{class}": {"get"}, "/metrics": {"get"},
                          "/settings/{id}": {"get", "post"}, "/experiment/models/preview/{folder}/{path_index}/{file}": {"get"}
                          }.items():
        assert methods <= set(api["paths"][path]), path
    assert api["paths"]["/jobs"]["servers"] == [{"url": "/api"}]
    assert api["paths"]["/internal/logs"]["servers"] == [{"url": "/"}]
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(api)))
    assert named and named <= set(api["components"]["schemas"])
    ids = [op["operationId"] for item in api["paths"].values() for op in item.values() if isinstance(op, dict)]
    assert len(ids) == len(set(ids)) > 50
    for path, item in api["paths"].items():
        for op in item.values():
            if isinstance(op, dict):
                in_path = {p["name"] for p in op.get("parameters", []) if p["in"] == "path"}
                assert in_path == set(re.findall(r"{(\w+)}", path)), path
                assert op["summary"] and op["responses"], path


def test_described_gets_answer_as_described(server):
    """Every GET without path parameters gives 200 and JSON where JSON is promised."""
    api = server.get("/openapi.json").json
    wanted = {"/userdata": "?dir=workflows", "/view": "?filename=x.png"}
    for path, item in api["paths"].items():
        if "get" not in item or "{" in path:
            continue
        prefix = item.get("servers", [{"url": "/api"}])[0]["url"].rstrip("/")
        answer = server.get(prefix + path + wanted.get(path, ""))
        if path in wanted:
            assert answer.status == 404, path
            continue
        if path not in ("/readyz", "/ready"):  # depend on the machine's disk
            assert answer.status == 200, (path, answer.body)
        types = item["get"]["responses"]["200"].get("content", {})
        assert answer.type in types, (path, answer.type)
        if answer.type == "application/json":
            answer.json


def test_its_page_calls_nobody_else(server):
    page = server.get("/openapi")
    assert page.type == "text/html" and b"openapi.json" in page.body
    assert not re.findall(rb"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", page.body)


def test_the_log_is_followed_until_told_otherwise(server):
    socket = server.socket("follower")
    assert server.ask("PATCH", "/internal/logs/subscribe", {"clientId": "follower", "enabled": True}).status == 200
    server.post("/prompt", {"prompt": {}})
    data = socket.until("logs")[-1]["data"]
    assert set(data["entries"][0]) == {"t", "m"}
    server.ask("PATCH", "/internal/logs/subscribe", {"clientId": "follower", "enabled": False})
    socket.rest()
    server.post("/prompt", {"prompt": {}})
    assert not [m for m in socket.rest() if m["type"] == "logs"]
    socket.close()
    for body in ({}, {"clientId": 5}, [], {"clientId": "x" * 1000}):
        assert server.ask("PATCH", "/internal/logs/subscribe", body).status == 400, body


def test_files_newest_first(make_server):
    import os
    server = make_server()
    for name, age in (("old.png", 300), ("new.png", 1), ("mid.png", 100), (".hidden", 1)):
        file = server.base / "input" / name
        file.write_bytes(b"x")
        os.utime(file, (file.stat().st_mtime - age,) * 2)
    (server.base / "input/sub").mkdir()
    assert server.get("/internal/files/input").json == ["new.png", "mid.png", "old.png"]
    assert server.get("/internal/files/temp").json == []
    assert server.get("/api/internal/files/input").status == 404
