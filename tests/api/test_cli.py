"""The command line: serve's flags, run, models."""
import json, subprocess, time

import pytest

from conftest import EASEL, TEST_WORKER, Server, show_prompt, sleep_prompt


def easel(*arguments, cwd=None, stdin=None, timeout=60):
    return subprocess.run([str(EASEL), *map(str, arguments)], capture_output=True, text=True, cwd=cwd, input=stdin, timeout=timeout)


def run(tmp_path, prompt, *arguments):
    (tmp_path / "w.json").write_text(prompt if isinstance(prompt, str) else json.dumps(prompt))
    return easel("run", tmp_path / "w.json", "--worker", TEST_WORKER, "--base-directory", tmp_path, *arguments)


def test_unknown_flags_are_refused():
    done = easel("serve", "--no-such-flag")
    assert done.returncode != 0 and "--no-such-flag" in done.stderr


def test_the_server_loads_neither_torch_nor_films():
    needed = subprocess.run(["readelf", "--dynamic", "--wide", str(EASEL)], capture_output=True, text=True, check=True).stdout
    assert "libc.so" in needed
    for library in ("libtorch", "libavcodec", "libavformat", "libswscale"):
        assert library not in needed


def test_exclusive_flags_are_refused():
    for pair in (("--cpu", "--highvram"), ("--fp16-unet", "--bf16-unet"), ("--force-fp32", "--force-fp16"), ("--cache-none", "--cache-lru", "5")):
        assert easel("serve", *pair).returncode != 0, pair


def test_wrong_values_are_refused():
    for pair in (("--port", "x"), ("--preview-method", "magic"), ("--default-hashing-function", "crc"), ("--max-upload-size", "x")):
        assert easel("serve", *pair).returncode != 0, pair


def test_every_flag_of_comfyui_is_taken(make_server, tmp_path):
    flags = """--listen 127.0.0.1 --enable-cors-header --max-upload-size 5 --disable-auto-launch --disable-cuda-malloc --force-fp32
        --fp32-unet --fp32-vae --cpu-vae --fp32-text-enc --force-channels-last --directml --oneapi-device-selector x
        --disable-ipex-optimize --supports-fp8-compute --preview-method none --preview-size 256 --cache-lru 3
        --use-pytorch-cross-attention --disable-xformers --force-upcast-attention --cpu --reserve-vram 1.5 --async-offload
        --force-non-blocking --default-hashing-function md5 --disable-smart-memory --deterministic --fast fp16_accumulation autotune
        --mmap-torch-files --disable-mmap --windows-standalone-build --disable-metadata --disable-all-custom-nodes
        --whitelist-custom-nodes a b --disable-api-nodes --verbose DEBUG --log-stdout --front-end-version comfyanonymous/ComfyUI@latest --auto-launch
        --enable-compress-response-body --comfy-api-base https://x --cuda-device 0 --default-device 0""".split()
    server = make_server(flags=flags)
    log = server.log()
    for flag in ("--directml", "--fast", "--cuda-device", "--auto-launch"):
        assert f"{flag} is not served yet" in log, flag
    for flag in ("--cpu", "--force-fp32", "--preview-size", "--disable-api-nodes"):
        assert f"{flag} is not served yet" not in log, flag


def test_bare_flags_with_optional_values(make_server):
    server = make_server(flags=["--listen", "--verbose", "--fast"])
    assert server.get("/prompt", {"Host": "any.example"}).status == 200
    assert f"To see the GUI go to: http://127.0.0.1:{server.port}" in server.log()


def test_quick_test_ends_with_0(tmp_path):
    server = Server(tmp_path / "base", flags=["--quick-test-for-ci"])
    server.start(wait=False)
    assert server.process.wait(60) == 0, server.log()
    assert "worker ready" in server.log()


def test_the_lines_that_users_grep_for(make_server):
    server = make_server()
    server.wait_for(server.submit(show_prompt(1)))
    for line in (f"To see the GUI go to: http://127.0.0.1:{server.port}", "got prompt", "Prompt executed in "):
        assert line in server.log(), line


def test_folders_by_flag(make_server, tmp_path):
    server = make_server(flags=["--output-directory", str(tmp_path / "out"), "--input-directory", str(tmp_path / "in"),
                                "--temp-directory", str(tmp_path / "t"), "--user-directory", str(tmp_path / "u")])
    assert (tmp_path / "u/easel.db").exists() and (tmp_path / "t/temp").is_dir() and (tmp_path / "in").is_dir()
    prompt = {"1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
              "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}}}
    server.wait_for(server.submit(prompt))
    assert (tmp_path / "out/x_00001_.png").exists()


def test_extra_model_paths(make_server, tmp_path):
    (tmp_path / "more/ckpt").mkdir(parents=True)
    (tmp_path / "more/ckpt/b.safetensors").write_bytes(b"x")
    (tmp_path / "paths.yaml").write_text(f"mine:\n  base_path: {tmp_path}/more\n  checkpoints: ckpt\n")
    server = make_server(flags=["--extra-model-paths-config", str(tmp_path / "paths.yaml")])
    assert server.get("/models/checkpoints").json == ["b.safetensors"]


def test_run(tmp_path):
    done = run(tmp_path, show_prompt(41), "--set", "1.value=42")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "42\n"


def test_run_by_title_and_text_and_from_stdin(tmp_path):
    prompt = {"1": {"class_type": "TestText", "inputs": {"value": "a"}, "_meta": {"title": "Words"}},
              "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}}
    done = easel("run", "-", "--worker", TEST_WORKER, "--base-directory", tmp_path, "--set", "Words.value=a=b.c", stdin=json.dumps(prompt))
    assert done.returncode == 0 and done.stdout == "a=b.c\n", done.stderr


def test_run_saves_where_it_is_told(tmp_path):
    prompt = {"1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
              "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "sub/x"}}}
    done = run(tmp_path, prompt, "--output", tmp_path / "here")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "here/sub/x_00001_.png")
    assert (tmp_path / "here/sub/x_00001_.png").read_bytes().startswith(b"\x89PNG")


def test_run_takes_what_the_page_saves(tmp_path):
    workflow = {"version": 0.4, "links": [[1, 1, 0, 2, 0, "IMAGE"]], "nodes": [
        {"id": 2, "type": "SaveImage", "order": 1, "mode": 0, "inputs": [{"name": "images", "type": "IMAGE", "link": 1}], "widgets_values": ["page"]},
        {"id": 1, "type": "EmptyImage", "order": 0, "mode": 0, "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [1]}],
         "widgets_values": [16, 8, 1, 255]}]}
    done = run(tmp_path, workflow, "--output", tmp_path / "here", "--set", "1.height=24")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "here/page_00001_.png")


@pytest.mark.parametrize("prompt, words", [
    ({"nodes": [], "links": [], "version": 0.4}, ["no outputs"]),
    ("{not json", ["line"]),
    ({"1": {"class_type": "NoSuch", "inputs": {}}}, ["NoSuch does not exist"]),
    ({"1": {"class_type": "TestAdd", "inputs": {}}, "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}},
     ["node 1 (TestAdd)", "Required input is missing: a", "Required input is missing: b"]),
    ({"1": {"class_type": "TestInt", "inputs": {"value": 1}}, "2": {"class_type": "TestFail", "inputs": {"value": ["1", 0], "message": "no luck"}},
      "3": {"class_type": "TestShow", "inputs": {"value": ["2", 0]}}}, ["node 2 (TestFail)", "no luck"]),
    ({"1": {"class_type": "TestInt", "inputs": {"value": 1}}, "2": {"class_type": "TestCrash", "inputs": {"value": ["1", 0]}},
      "3": {"class_type": "TestShow", "inputs": {"value": ["2", 0]}}}, ["signal 6"]),
])
def test_run_fails_clearly(tmp_path, prompt, words):
    done = run(tmp_path, prompt)
    assert done.returncode == 1
    for word in words:
        assert word in done.stderr, done.stderr


def test_run_refuses_wrong_changes(tmp_path):
    for change in ("1.none=1", "9.value=1", "value=1", "1.value"):
        done = run(tmp_path, show_prompt(1), "--set", change)
        assert done.returncode == 1 and "--set" in done.stderr, change


def test_run_without_the_file_or_the_worker(tmp_path):
    assert easel("run", tmp_path / "none.json", "--worker", TEST_WORKER).returncode == 1
    assert easel("run", "x.json", "--worker", tmp_path / "none").returncode != 0


def test_models(tmp_path):
    done = easel("models", "--worker", TEST_WORKER, "--base-directory", tmp_path)
    assert done.returncode == 0 and "test.safetensors" in done.stdout and "SD1" in done.stdout


def test_version_and_help():
    assert easel("--version").stdout.startswith("easel ")
    assert "--preview-method" in easel("serve", "--help").stdout
    assert easel().returncode != 0


def test_run_shows_each_node(tmp_path):
    begin = time.time()
    done = run(tmp_path, sleep_prompt(0.2))
    assert "TestSleep" in done.stderr and time.time() - begin < 30
