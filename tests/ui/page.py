"""The official page in a browser, as the stories of page_test.py use it: one object for both of its generations."""
import contextlib, time

# What a page throws by itself, whatever the server.
KNOWN_PAGE_ERRORS = ("Cannot read properties of undefined (reading 'id')", "ResizeObserver loop")

PLACE = """([id, slot, isOutput]) => {
    const app = window.app, node = app.graph.getNodeById(id), box = app.canvas.canvas.getBoundingClientRect();
    const { scale, offset } = app.canvas.ds, at = isOutput ? node.getOutputPos(slot) : node.getInputPos(slot);
    return [box.left + (at[0] + offset[0]) * scale, box.top + (at[1] + offset[1]) * scale]; }"""


def wait_for(condition, seconds, message):
    ends = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > ends:
            raise AssertionError(f"not within {seconds} s: {message}")
        time.sleep(0.1)


class Page:
    """A tab with the page. `generation` is "1.27" or "1.53": their panels are different."""

    def __init__(self, browser, server, generation, shots=None, locale="en-US"):
        self.server, self.generation, self.shots = server, generation, shots
        self.tab = browser.new_page(viewport={"width": 1280, "height": 800}, locale=locale)
        self.tab.set_default_timeout(30000)
        self.errors, self.bad = [], []
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.on("response", lambda answer: self.bad.append(f"{answer.status} {answer.request.method} {answer.url}") if answer.status >= 400 else None)

    @property
    def is_new(self):
        return self.generation != "1.27"

    def open(self):
        self.tab.goto(self.server.url, wait_until="domcontentloaded")
        self.wait("() => window.app?.extensionManager?.command && window.app.graph && document.querySelector('[data-testid=queue-button]')", 120)
        self.tab.evaluate("""() => { window.seen = {progress: 0, executed: [], errors: [], started: 0, stopped: 0};
            const on = (name, f) => window.app.api.addEventListener(name, f);
            on('progress', () => window.seen.progress++);
            on('execution_start', () => window.seen.started++);
            on('execution_interrupted', () => window.seen.stopped++);
            on('execution_error', e => window.seen.errors.push(e.detail.exception_message));
            on('executed', e => window.seen.executed.push(e.detail)); }""")

    def js(self, code, *arguments):
        return self.tab.evaluate(code, *arguments)

    def wait(self, code, seconds=30, argument=None):
        self.tab.wait_for_function(code, arg=argument, timeout=seconds * 1000)

    def command(self, name):
        self.js("name => window.app.extensionManager.command.execute(name)", name)

    def shot(self, name):
        if self.shots:
            self.tab.screenshot(path=str(self.shots / f"{self.generation}-{name}.png"))

    def blank(self):
        self.command("Comfy.NewBlankWorkflow")
        self.wait("() => window.app.graph.nodes.length === 0")
        self.js("() => { window.app.canvas.ds.reset(); window.app.canvas.setDirty(true, true); }")
        self.settle()

    def settle(self):
        """Until two frames were drawn."""
        self.js("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 100))))")

    def load(self, workflow):
        self.js("async workflow => { await window.app.loadGraphData(workflow, true, true); }", workflow)
        self.wait("count => window.app.graph.nodes.length === count", argument=len(workflow["nodes"]))
        self.settle()

    def types(self):
        return self.js("() => window.app.graph.nodes.map(node => node.type).sort()")

    def links(self):
        return self.js("""() => [...window.app.graph.links.values()].map(link =>
            [window.app.graph.getNodeById(link.origin_id).type, window.app.graph.getNodeById(link.target_id).type])""")

    def add_node(self, kind, x, y):
        """As a user does: a double click on the canvas, the name, Enter. Returns the node's id."""
        before = self.js("() => window.app.graph.nodes.length")
        searching = "() => document.activeElement?.tagName === 'INPUT'"
        for _ in range(5):
            time.sleep(0.5)  # a click just before would make three of the two
            self.tab.mouse.dblclick(x, y)
            with contextlib.suppress(Exception):
                self.wait(searching, 4)
                break
        self.wait(searching, 1)
        self.tab.keyboard.type(kind, delay=15)
        self.wait("kind => document.body.innerText.includes(kind) || document.querySelector('[role=option]')", argument=kind)
        self.settle()
        ends = time.monotonic() + 20
        while self.js("() => window.app.graph.nodes.length") == before:
            if time.monotonic() > ends:
                raise AssertionError(f"no {kind} came of the search")
            self.tab.keyboard.press("Enter")
            time.sleep(0.5)
        if self.is_new:  # the node hangs on the pointer until a click puts it down
            self.tab.mouse.move(x + 2, y + 2)
            self.tab.mouse.click(x, y)
            self.settle()
        return self.js("() => window.app.graph.nodes.at(-1).id")

    def drag(self, a, b):
        self.tab.mouse.move(*a)
        self.tab.mouse.down()
        self.tab.mouse.move((a[0] + b[0]) / 2, (a[1] + b[1]) / 2, steps=4)
        self.tab.mouse.move(*b, steps=4)
        self.settle()
        self.tab.mouse.up()
        self.settle()

    def connect(self, origin, output, target, slot):
        self.drag(self.js(PLACE, [origin, output, True]), self.js(PLACE, [target, slot, False]))

    def set_widget(self, kind, name, value):
        self.js("""([kind, name, value]) => { const widget = window.app.graph.nodes.find(n => n.type === kind)
            .widgets.find(w => w.name === name); widget.value = value; widget.callback?.(value); }""", [kind, name, value])

    def widget(self, kind, name):
        return self.js("([kind, name]) => window.app.graph.nodes.find(n => n.type === kind).widgets.find(w => w.name === name).value", [kind, name])

    def run(self):
        """Presses Run."""
        self.js("() => { window.seen.executed.length = window.seen.errors.length = window.seen.progress = window.seen.started = 0; }")
        button = self.tab.locator("[data-testid=queue-button]")
        inner = button.locator("button")
        (inner if inner.count() else button).first.click()

    def run_to_end(self, seconds=120):
        self.run()
        self.wait("() => window.seen.executed.length > 0 || window.seen.errors.length > 0", seconds)
        errors = self.js("() => window.seen.errors")
        assert not errors, errors
        return self.js("() => window.seen.executed.at(-1).output.images")

    def close(self):
        unexpected = [error for error in self.errors if not any(known in error for known in KNOWN_PAGE_ERRORS)]
        broken = [line for line in self.bad if line[0] == "5"]
        with contextlib.suppress(Exception):
            self.tab.close()
        assert not unexpected, f"the page threw {unexpected}"
        assert not broken, f"the server broke: {broken}"
