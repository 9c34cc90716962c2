"""The page, its templates and its documentation, as they are installed."""
import subprocess

import pytest

from conftest import EASEL, SOURCE, TEST_WORKER, Server

FRONTENDS = SOURCE / ".deps/frontends"
VERSIONS = sorted(folder.name for folder in FRONTENDS.iterdir()) if FRONTENDS.is_dir() else []
fetched = pytest.mark.skipif(len(VERSIONS) < 2, reason="the pinned pages are not fetched (make deps)")


def refused(tmp_path, *flags):
    done = subprocess.run([str(EASEL), "serve", "--port", "0", "--base-directory", str(tmp_path), "--worker", str(TEST_WORKER), *map(str, flags)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    return done.stderr


@fetched
@pytest.mark.parametrize("wish", [*(f"Comfy-Org/ComfyUI_frontend@{v}" for v in VERSIONS), f"Comfy-Org/ComfyUI_frontend@v{VERSIONS[0]}" if VERSIONS else ""])
def test_each_installed_page_can_be_chosen(tmp_path, wish):
    server = Server(tmp_path, flags=["--front-end-version", wish]).start()
    try:
        version = wish.split("@")[1].removeprefix("v")
        assert server.get("/").body == (FRONTENDS / version / "index.html").read_bytes()
        assert server.get("/system_stats").json["system"]["required_frontend_version"] == version
    finally:
        server.stop()


@fetched
@pytest.mark.parametrize("wish, version", [("comfyanonymous/ComfyUI@latest", "1.27.10"), ("Comfy-Org/ComfyUI_frontend@latest", "1.53.6"), (None, "1.27.10")])
def test_the_default_and_the_newest(tmp_path, wish, version):
    server = Server(tmp_path, flags=["--front-end-version", wish] if wish else []).start()
    try:
        assert server.get("/system_stats").json["system"]["required_frontend_version"] == version
    finally:
        server.stop()


@fetched
@pytest.mark.parametrize("wish, words", [
    ("Comfy-Org/ComfyUI_frontend@9.9.9", ["not installed", *VERSIONS]),
    ("somebody/else@1.0.0", ["not installed", "--front-end-root"]),
    ("latest", ["owner/repo@version"]),
    ("a/b@", ["owner/repo@version"]),
    ("Comfy-Org/ComfyUI_frontend@../../etc", ["not installed"]),
])
def test_what_is_not_installed_is_refused_by_name(tmp_path, wish, words):
    said = refused(tmp_path, "--front-end-version", wish)
    for word in words:
        assert word in said, said


def test_a_folder_of_ones_own(tmp_path):
    root = tmp_path / "page"
    root.mkdir()
    (root / "index.html").write_text("my own page")
    server = Server(tmp_path / "base", flags=["--front-end-root", str(root)]).start()
    try:
        assert server.get("/").body == b"my own page"
        assert server.get("/absent.js").status == 404
    finally:
        server.stop()
    assert "is no folder" in refused(tmp_path / "other", "--front-end-root", tmp_path / "absent")


def test_what_comfyui_fetched_counts_as_installed(tmp_path):
    root = tmp_path / "web_custom_versions/Comfy-Org_ComfyUI_frontend/1.40.1"
    root.mkdir(parents=True)
    (root / "index.html").write_text("fetched by another")
    server = Server(tmp_path, flags=["--front-end-version", "Comfy-Org/ComfyUI_frontend@1.40.1"]).start()
    try:
        assert server.get("/").body == b"fetched by another"
    finally:
        server.stop()


@pytest.mark.skipif(not (SOURCE / ".deps/templates").is_dir(), reason="the templates are not fetched (make deps)")
def test_templates_and_docs(server):
    index = server.get("/templates/index.json")
    assert index.type == "application/json" and len(index.json) > 3
    assert server.get("/templates/index.zh.json").json
    assert server.get("/templates/sdxlturbo_example.json").json["nodes"]
    assert server.get("/templates/sdxlturbo_example-1.webp").status == 404
    page = server.get("/docs/KSampler/zh.md")
    assert page.status == 200 and page.type == "text/markdown"
    for path in ("/docs/NoSuch/en.md", "/docs/../index.json", "/templates/../docs/KSampler/en.md", "/templates/%2e%2e/docs/KSampler/en.md", "/templates/", "/docs"):
        assert server.get(path).status == 404, path


def test_what_pip_installed_is_served_too(tmp_path, monkeypatch):
    site = tmp_path / "env/lib/python3.11/site-packages"
    for path, text in {"comfyui_workflow_templates_media_image/templates/only-here-1.webp": "a picture",
                       "comfyui_embedded_docs/docs/OnlyHere/en.md": "# Only here",
                       "comfyui_frontend_package/static/index.html": "from pip"}.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
    (site / "comfyui_frontend_package-1.99.2.dist-info").mkdir()
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "env"))
    server = Server(tmp_path / "base", flags=["--front-end-version", "Comfy-Org/ComfyUI_frontend@latest"]).start()
    try:
        assert server.get("/").body == b"from pip"
        assert server.get("/templates/only-here-1.webp").body == b"a picture"
        assert server.get("/docs/OnlyHere/en.md").body == b"# Only here"
    finally:
        server.stop()
