#!/usr/bin/env python3
"""The official page in a real browser, on the real server and the demo model.

Opens the page, takes its default graph, chooses the demo checkpoint in the node's own menu, queues, sees the progress and the
picture, drags that PNG back in and gets the same workflow. Screenshots go to --screenshots.
usage: page_test.py --bin FOLDER [--screenshots FOLDER] [--chromium PATH]
"""
import argparse, base64, pathlib, shutil, sys, tempfile, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "tools"))
from server import Server  # noqa: E402

# 1.27.10 throws this one by itself, whatever the server.
KNOWN_PAGE_ERRORS = ("Cannot read properties of undefined (reading 'id')",)

WIDGET_VALUES = """() => Object.fromEntries(window.app.graph.serialize().nodes.map(n => [n.id + ':' + n.type, n.widgets_values ?? null]))"""


class Page:
    def __init__(self, page, server, shots):
        self.page, self.server, self.shots = page, server, shots
        self.errors = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self):
        self.page.goto(self.server.url, wait_until="domcontentloaded")
        self.page.wait_for_function("() => window.app?.extensionManager?.command && window.app.graph", timeout=60000)
        self.page.locator("[data-testid=queue-button]").wait_for(timeout=60000)
        self.page.evaluate("() => window.app.extensionManager.command.execute('Comfy.LoadDefaultWorkflow')")
        self.page.wait_for_function("() => window.app.graph.nodes.length >= 7", timeout=60000)
        self.page.evaluate("() => window.app.extensionManager.command.execute('Comfy.Canvas.FitView')")
        time.sleep(2)  # the view glides there

    def shot(self, name):
        if self.shots:
            self.page.screenshot(path=str(self.shots / f"{name}.png"))

    def node(self, kind):
        """Client coordinates of a node's named places: {widget name: [x, y]} and the node's corner."""
        return self.page.evaluate("""kind => {
            const app = window.app, node = app.graph.nodes.find(n => n.type === kind), canvas = app.canvas;
            const box = canvas.canvas.getBoundingClientRect(), { scale, offset } = canvas.ds;
            const at = (x, y) => [box.left + (x + offset[0]) * scale, box.top + (y + offset[1]) * scale];
            const places = { corner: at(node.pos[0], node.pos[1]) };
            for (const w of node.widgets ?? []) places[w.name] = at(node.pos[0] + node.size[0] / 2, node.pos[1] + (w.last_y ?? w.y) + 10);
            return places; }""", kind)

    def widget(self, kind, name):
        return self.page.evaluate(
            "([kind, name]) => window.app.graph.nodes.find(n => n.type === kind).widgets.find(w => w.name === name).value", [kind, name])

    def set_widget(self, kind, name, value):
        self.page.evaluate("""([kind, name, value]) => { const w = window.app.graph.nodes.find(n => n.type === kind)
            .widgets.find(w => w.name === name); w.value = value; w.callback?.(value); }""", [kind, name, value])

    def choose(self, kind, name, entry):
        """Pick an entry in a combo's menu with the mouse, as a user does."""
        self.page.mouse.click(*self.node(kind)[name])
        self.page.locator(".litemenu-entry", has_text=entry).first.click(timeout=10000)


def check(condition, message):
    if not condition:
        raise AssertionError(message)
    print(f"ok: {message}", flush=True)


def wait_for(condition, seconds, message):
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            raise AssertionError(f"not within {seconds} s: {message}")
        time.sleep(0.1)
    print(f"ok: {message}", flush=True)


def story(view):
    page, server = view.page, view.server
    view.open()
    print("ok: the page opens and loads its default graph")
    view.shot("opened")
    view.choose("CheckpointLoaderSimple", "ckpt_name", "easel-demo")
    check(view.widget("CheckpointLoaderSimple", "ckpt_name") == "easel-demo.safetensors", "the demo checkpoint is chosen in the node's menu")
    for kind, name, value in [("EmptyLatentImage", "width", 128), ("EmptyLatentImage", "height", 128), ("KSampler", "cfg", 4.0),
                              ("KSampler", "steps", 20), ("KSampler", "seed", 7)]:
        view.set_widget(kind, name, value)
    page.evaluate("""() => { const graph = window.app.graph, sampler = graph.nodes.find(n => n.type === 'KSampler');
        sampler.getInputNode(sampler.inputs.findIndex(i => i.name === 'positive')).widgets[0].value = 'rocket'; }""")
    page.evaluate("() => { const w = window.app.graph.nodes.find(n => n.type === 'KSampler').widgets.find(w => w.name === 'control_after_generate');"
                  " if (w) w.value = 'fixed'; }")
    page.evaluate("""() => { window.seen = {progress: 0, executed: [], errors: []};
        window.app.api.addEventListener('progress', e => window.seen.progress++);
        window.app.api.addEventListener('execution_error', e => window.seen.errors.push(e.detail.exception_message));
        window.app.api.addEventListener('executed', e => window.seen.executed.push(e.detail)); }""")
    before = page.evaluate(WIDGET_VALUES)
    page.locator("[data-testid=queue-button] button, .queue-button-group button").first.click()
    wait_for(lambda: page.evaluate("() => window.seen.executed.length > 0 || window.seen.errors.length > 0"), 120, "the run ends")
    seen = page.evaluate("() => window.seen")
    check(not seen["errors"], f"no error came ({seen['errors']})")
    check(seen["progress"] >= 20, f"progress was shown at every step ({seen['progress']} messages)")
    wait_for(lambda: page.evaluate("() => !!window.app.graph.nodes.find(n => n.type === 'SaveImage').imgs?.[0]?.naturalWidth"), 20,
             "the picture is drawn on the SaveImage node")
    view.shot("picture")
    image = seen["executed"][0]["output"]["images"][0]
    png = server.get(f"/view?filename={image['filename']}&type={image['type']}&subfolder={image['subfolder']}")
    check(png[:4] == b"\x89PNG", "the picture comes from /view")

    page.evaluate("() => window.app.graph.clear()")
    check(page.evaluate("() => window.app.graph.nodes.length") == 0, "the canvas is cleared")
    page.evaluate("""([data, name]) => {
        const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0)), transfer = new DataTransfer();
        transfer.items.add(new File([bytes], name, {type: 'image/png'}));
        document.dispatchEvent(new DragEvent('drop', {dataTransfer: transfer, bubbles: true, cancelable: true})); }""",
                  [base64.b64encode(png).decode(), image["filename"]])
    wait_for(lambda: page.evaluate("() => window.app.graph.nodes.length >= 7"), 20, "the dropped PNG brings a workflow back")
    check(page.evaluate(WIDGET_VALUES) == before, "it is the same workflow")
    unexpected = [e for e in view.errors if not any(known in e for known in KNOWN_PAGE_ERRORS)]
    check(not unexpected, f"no page error but the known one ({unexpected})")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--bin", required=True)
    arguments.add_argument("--screenshots", type=pathlib.Path)
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
    with tempfile.TemporaryDirectory() as base, open(pathlib.Path(base) / "log", "w") as log:
        with Server(options.bin, base, log=log) as server:
            server.wait()
            server.post("/settings", {"Comfy.TutorialCompleted": True, "Comfy.Workflow.Persist": False})
            with sync_playwright() as play:
                browser = play.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
                view = Page(browser.new_page(viewport={"width": 1440, "height": 900}, locale="en-US"), server, options.screenshots)
                try:
                    story(view)
                except BaseException:
                    view.shot("failed")
                    print((pathlib.Path(base) / "log").read_text()[-4000:])
                    print("page errors:", view.errors)
                    raise
                finally:
                    browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
