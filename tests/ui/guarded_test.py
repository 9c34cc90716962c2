#!/usr/bin/env python3
"""The official page in Chromium behind --auth-token-file, under --offline: one logs in, it starts, and it calls nobody else."""
import argparse, pathlib, shutil, sys, tempfile, time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent.parent.parent / "tools")]
from server import Server  # noqa: E402

TOKEN = "ann-0123456789abcdef"


def log_in_and_start(tab, server):
    elsewhere, blocked, reached = [], [], []
    ours = (server.url, "data:", "blob:")
    tab.on("request", lambda request: elsewhere.append(request.url) if not request.url.startswith(ours) else None)
    tab.on("requestfailed", lambda request: blocked.append(request.url) if not request.url.startswith(ours) else None)
    tab.on("response", lambda answer: reached.append(answer.url) if not answer.url.startswith(ours) else None)
    tab.goto(server.url)
    tab.fill("input", "no-token-of-ours")
    tab.click("button")
    tab.get_by_text("not known").wait_for()
    tab.fill("input", TOKEN)
    tab.click("button")
    tab.wait_for_function("() => window.app?.graph && window.app.extensionManager?.command && window.app.api.socket?.readyState === 1",
                          timeout=120_000)
    tab.wait_for_timeout(3000)
    assert TOKEN not in tab.url and tab.evaluate("() => document.cookie") == "", "no script sees the token or its cookie"
    assert not reached and sorted(blocked) == sorted(elsewhere), (reached, elsewhere, blocked)
    assert tab.evaluate("() => fetch('/queue').then(answer => answer.status)") == 200
    print(f"ok: logged in, started; {len(elsewhere)} calls to others were stopped")


def wait_until_up(server):
    ends = time.monotonic() + 30
    while True:
        try:
            return server.get("/healthz")
        except OSError:
            if time.monotonic() > ends or server.process.poll() is not None:
                raise
            time.sleep(0.05)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--bin", type=pathlib.Path, required=True)
    arguments.add_argument("--frontend", default="1.27.10")
    arguments.add_argument("--chromium", default=shutil.which("chromium") or "/usr/bin/chromium")
    options = arguments.parse_args()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("SKIP: Playwright is not installed (make test sets it up in .deps/ui)")
        return 77
    if not pathlib.Path(options.chromium).exists():
        print(f"SKIP: no Chromium at {options.chromium} (Debian package chromium)")
        return 77
    with tempfile.TemporaryDirectory() as base:
        tokens = pathlib.Path(base) / "tokens"
        tokens.write_text(f"ann {TOKEN}\n")
        with Server(options.bin, base, "--worker", options.bin / "easel-test-worker", "--offline", "--auth-token-file", tokens,
                    "--front-end-version", f"Comfy-Org/ComfyUI_frontend@{options.frontend}") as server:
            wait_until_up(server)
            with sync_playwright() as play:
                browser = play.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
                log_in_and_start(browser.new_page(), server)
                browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
