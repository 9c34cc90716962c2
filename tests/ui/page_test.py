#!/usr/bin/env python3
"""Stories told to the official page in Chromium, on the real server, the real worker and the demo model.

usage: page_test.py --bin FOLDER [--frontend 1.27.10] [--screenshots FOLDER] [--only STORY …] [--chromium PATH]
"""
import argparse, base64, json, pathlib, shutil, sys, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent / "tools")]
from page import Page, wait_for  # noqa: E402
from server import Server  # noqa: E402

ROCKET = json.loads((HERE / "rocket.json").read_text())  # the demo model's picture of a rocket, as the page saves it


def start(page):
    """The page opens, draws its first graph and finds nothing broken."""
    page.command("Comfy.LoadDefaultWorkflow")
    page.wait("() => window.app.graph.nodes.length >= 7", 60)
    page.command("Comfy.Canvas.FitView")
    page.settle()
    page.shot("start")


def draw_save_reload(page):
    """Nodes from the search box, a link with the mouse, Ctrl+S, and after a reload the same graph from the list."""
    page.blank()
    image = page.add_node("EmptyImage", 500, 420)
    preview = page.add_node("PreviewImage", 900, 420)
    assert page.types() == ["EmptyImage", "PreviewImage"], page.types()
    page.connect(image, 0, preview, 0)
    assert page.links() == [["EmptyImage", "PreviewImage"]], page.links()
    page.set_widget("EmptyImage", "width", 64)
    page.set_widget("EmptyImage", "color", 0x3366CC)
    page.shot("draw")
    page.tab.keyboard.press("Control+s")
    page.tab.locator("[role=dialog] input").last.wait_for()
    page.tab.keyboard.type("drawn")
    page.tab.keyboard.press("Enter")
    wait_for(lambda: any(f["path"] == "drawn.json" for f in listed(page.server)), 20, "the workflow is saved")

    page.open()
    page.blank()
    page.command("Workspace.ToggleSidebarTab.workflows")
    page.tab.get_by_text("drawn", exact=False).last.click()
    page.wait("() => window.app.graph.nodes.length === 2")
    assert page.links() == [["EmptyImage", "PreviewImage"]], page.links()
    assert page.widget("EmptyImage", "color") == 0x3366CC
    page.shot("saved")
    page.command("Workspace.ToggleSidebarTab.workflows")
    images = page.run_to_end()
    assert page.server.get(view(images[0]))[:4] == b"\x89PNG"


def listed(server):
    try:
        return server.json("/userdata?dir=workflows&recurse=true&split=false&full_info=true")
    except OSError:
        return []  # 404: no workflow was ever saved


def view(image):
    return f"/view?filename={image['filename']}&type={image['type']}&subfolder={image['subfolder']}"


def run_and_drop(page):
    """Run with progress and a picture on the node; the picture dropped back brings its workflow."""
    page.load(ROCKET)
    images = page.run_to_end()
    assert page.js("() => window.seen.progress") >= 8
    page.wait("() => !!window.app.graph.nodes.find(n => n.type === 'SaveImage').imgs?.[0]?.naturalWidth")
    page.settle()
    page.shot("run")
    png = page.server.get(view(images[0]))
    page.blank()
    page.js("""([data, name]) => {
        const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0)), transfer = new DataTransfer();
        transfer.items.add(new File([bytes], name, {type: 'image/png'}));
        document.dispatchEvent(new DragEvent('drop', {dataTransfer: transfer, bubbles: true, cancelable: true})); }""",
            [base64.b64encode(png).decode(), images[0]["filename"]])
    page.wait("() => window.app.graph.nodes.length === 7")
    assert page.widget("KSampler", "seed") == 7 and page.widget("KSampler", "steps") == 8

    # The same file, as it was saved, without a page.
    answer = page.server.post("/prompt", {"prompt": ROCKET})
    entry = wait_for(lambda: page.server.json(f"/history/{answer['prompt_id']}").get(answer["prompt_id"]), 60, "it ran")
    assert entry["status"]["status_str"] == "success", entry["status"]
    again = entry["outputs"]["7"]["images"][0]
    assert pixels(page.server.get(view(again))) == pixels(png)


def pixels(png):
    """The compressed pixels of a PNG."""
    data, at = b"", 8
    while at < len(png):
        size, kind = int.from_bytes(png[at:at + 4], "big"), png[at + 4:at + 8]
        data += png[at + 8:at + 8 + size] if kind == b"IDAT" else b""
        at += 12 + size
    return data


def queue_and_cancel(page):
    """Three long runs: the panel shows them, Cancel ends the first, Clear the rest."""
    page.load(ROCKET)
    page.set_widget("KSampler", "steps", 2000)
    for seed in (1, 2, 3):
        page.set_widget("KSampler", "seed", seed)
        page.run()
    wait_for(lambda: len(page.server.json("/queue")["queue_pending"]) == 2, 30, "one runs and two wait")
    page.wait("() => window.seen.progress > 2", 60)
    open_queue(page)
    if page.is_new:
        page.tab.get_by_text("3 active").first.wait_for()
        wait_for(lambda: page.tab.locator("[data-job-id]").count() >= 3, 20, "the panel lists the three")
    else:
        wait_for(lambda: page.tab.locator(".task-item").count() >= 3, 20, "the panel lists the three")
    page.shot("queue")
    close_queue(page)
    page.js("() => { window.seen.stopped = 0; }")
    page.command("Comfy.Interrupt")
    page.wait("() => window.seen.stopped > 0", 60)
    page.command("Comfy.ClearPendingTasks")
    wait_for(lambda: not page.server.json("/queue")["queue_pending"], 30, "the waiting ones are gone")
    if page.server.json("/queue")["queue_running"]:
        page.command("Comfy.Interrupt")
    wait_for(lambda: page.server.json("/prompt")["exec_info"]["queue_remaining"] == 0, 60, "nothing runs")


def open_queue(page):
    if page.is_new:
        page.tab.locator("[data-testid=queue-overlay-toggle]").click()
    else:
        page.command("Workspace.ToggleSidebarTab.queue")
    page.settle()


close_queue = open_queue  # both are switches


def history(page):
    """What has run is shown with its picture, and a run can be loaded back."""
    page.load(ROCKET)
    page.set_widget("KSampler", "seed", 12)
    page.run_to_end()
    page.blank()
    if page.is_new:
        page.command("Workspace.ToggleSidebarTab.assets")
        page.tab.locator(".sidebar-content-container img, [data-testid*=asset] img").first.wait_for()
        page.settle()
        page.shot("history")
        page.command("Workspace.ToggleSidebarTab.assets")
        return
    page.command("Workspace.ToggleSidebarTab.queue")
    item = page.tab.locator(".task-item").first
    item.locator("img").first.wait_for()
    page.settle()
    page.shot("history")
    item.click(button="right")
    page.tab.get_by_text("Load Workflow").first.click()
    page.wait("() => window.app.graph.nodes.length === 7")
    assert page.widget("KSampler", "seed") == 12
    page.command("Workspace.ToggleSidebarTab.queue")


def templates(page):
    """The gallery lists the official templates, and one of them loads."""
    page.blank()
    page.command("Comfy.BrowseTemplates")
    dialog = page.tab.locator("[role=dialog]")
    card = dialog.locator("[data-testid^=template-workflow-]").first
    card.wait_for(timeout=60000)
    page.settle()
    page.shot("templates")
    search = dialog.locator("input").first
    search.fill("SDXL Turbo")
    dialog.locator("[data-testid=template-workflow-sdxlturbo_example]").first.click()
    page.wait("() => window.app.graph.nodes.some(node => node.type === 'SDTurboScheduler' || node.type === 'SamplerCustom')", 60)
    page.tab.keyboard.press("Escape")


def mask_editor(page):
    """A mask painted over an uploaded picture comes to the server and into the node."""
    name = page.js("""async () => {
        const canvas = Object.assign(document.createElement('canvas'), {width: 256, height: 192}), pen = canvas.getContext('2d');
        const sky = pen.createLinearGradient(0, 0, 0, 192);
        sky.addColorStop(0, '#2a6'), sky.addColorStop(1, '#fd8'), pen.fillStyle = sky, pen.fillRect(0, 0, 256, 192);
        const form = new FormData();
        form.append('image', new File([await new Promise(done => canvas.toBlob(done))], 'photo.png', {type: 'image/png'}));
        return (await (await window.app.api.fetchApi('/upload/image', {method: 'POST', body: form})).json()).name; }""")
    page.load({"version": 0.4, "last_node_id": 1, "last_link_id": 0, "links": [], "nodes": [
        {"id": 1, "type": "LoadImage", "pos": [300, 200], "size": [300, 320], "order": 0, "mode": 0, "flags": {}, "inputs": [],
         "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": None}, {"name": "MASK", "type": "MASK", "links": None}],
         "properties": {}, "widgets_values": [name, "image"]}]})
    page.wait("() => !!window.app.graph.nodes[0].imgs?.[0]?.naturalWidth")
    page.js("() => window.app.canvas.selectNode(window.app.graph.nodes[0])")
    page.command("Comfy.MaskEditor.OpenMaskEditor")
    editor = page.tab.locator("#maskEditorCanvasContainer, [data-testid=mask-editor], .mask-editor-dialog").first
    editor.wait_for()
    time.sleep(2)  # it fits the picture into the window
    box = editor.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.drag((x - 60, y), (x + 60, y + 10))
    page.shot("mask")
    with page.tab.expect_response(lambda answer: "/upload/" in answer.url and answer.request.method == "POST") as uploaded:
        page.tab.locator("button:visible", has_text="Save").last.click()
    assert uploaded.value.status == 200, uploaded.value.status
    wait_for(lambda: "clipspace" in str(page.widget("LoadImage", "image")), 20, "the node shows the painted picture")
    name = page.widget("LoadImage", "image")  # "clipspace/clipspace-painted-masked-1.png [input]"
    path, _, where = name.rstrip("]").partition(" [")
    wait_for(lambda: (page.server.base / (where or "input") / path).is_file(), 20, f"{name} is on disk")


def chinese(page):
    """The setting alone makes the page Chinese, node names included."""
    page.server.post("/settings", {"Comfy.Locale": "zh"})
    try:
        page.open()
        page.load(ROCKET)
        page.wait("() => window.app.graph.nodes.some(node => /K采样器/.test(node.title) || /K采样器/.test(node.constructor.title))", 60)
        page.tab.get_by_text("运行", exact=False).first.wait_for()
        page.command("Comfy.Canvas.FitView")
        page.settle()
        time.sleep(1)
        page.shot("chinese")
    finally:
        page.server.post("/settings", {"Comfy.Locale": "en"})


STORIES = [start, draw_save_reload, run_and_drop, queue_and_cancel, history, templates, mask_editor, chinese]


def tell(stories, browser, server, generation, shots):
    page = Page(browser, server, generation, shots)
    try:
        page.open()
        for story in stories:
            begin = time.monotonic()
            try:
                story(page)
            except BaseException:
                page.shot("failed")
                print(f"FAILED: {story.__name__}; page errors {page.errors}, refused {page.bad}", flush=True)
                raise
            print(f"ok {time.monotonic() - begin:5.1f} s  {story.__name__}: {story.__doc__}", flush=True)
    finally:
        page.close()


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--bin", required=True)
    arguments.add_argument("--frontend", default="1.27.10")
    arguments.add_argument("--screenshots", type=pathlib.Path)
    arguments.add_argument("--only", nargs="*")
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
    stories = [story for story in STORIES if not options.only or story.__name__ in options.only]
    generation = options.frontend.rsplit(".", 1)[0]
    if options.screenshots:
        options.screenshots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as base, open(pathlib.Path(base) / "log", "w") as log:
        with Server(options.bin, base, "--front-end-version", f"Comfy-Org/ComfyUI_frontend@{options.frontend}", log=log) as server:
            server.base = pathlib.Path(base)
            server.wait()
            server.post("/settings", {"Comfy.TutorialCompleted": True, "Comfy.Workflow.Persist": False, "Comfy.Minimap.Visible": False})
            with sync_playwright() as play:
                browser = play.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
                try:
                    tell(stories, browser, server, generation, options.screenshots)
                except BaseException:
                    print((pathlib.Path(base) / "log").read_text()[-3000:])
                    raise
                finally:
                    browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
