"""What sockets cost: rows for bench.py. Clients are one epoll loop in this process, so that ten thousand of them are cheap."""
import contextlib, http.client, os, pathlib, resource, select, socket, statistics, threading, time

HANDSHAKE = ("GET /ws?clientId={} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
IDLE = 10_000


def open_sockets(server, count, name="idle", receive_buffer=None, at_once=200):
    """WebSockets whose handshake and first status are read."""
    made = []
    for start in range(0, count, at_once):
        batch = []
        for i in range(start, min(start + at_once, count)):
            s = socket.socket()
            if receive_buffer:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            s.connect(("127.0.0.1", server.port))
            s.sendall(HANDSHAKE.format(name if receive_buffer else f"{name}{i}", server.port).encode())
            batch.append(s)
        for s in batch:
            got = b""
            while b'"sid"' not in got:
                got += s.recv(4096)
        made += batch
    return made


def resident(process):
    return int(pathlib.Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def broadcast_seconds(server, sockets):
    """From the request that changes the queue to the last of the sockets that has heard of it."""
    poll = select.epoll()
    waiting = {s.fileno(): s for s in sockets}
    for s in sockets:
        s.setblocking(False)
        poll.register(s, select.EPOLLIN)
    server.get("/prompt")
    began = time.monotonic()
    server.post("/queue", {"delete": []})
    last = began
    while waiting and time.monotonic() - began < 30:
        for fd, _ in poll.poll(1, len(sockets)):
            with contextlib.suppress(BlockingIOError):
                if sock := waiting.pop(fd, None):
                    sock.recv(4096)
                    last = time.monotonic()
            poll.unregister(fd)
    poll.close()
    if waiting:
        raise RuntimeError(f"{len(waiting)} of {len(sockets)} sockets heard nothing")
    return last - began


def idle_rows(server):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(IDLE, limit[1] - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    before = resident(server.process)
    sockets = open_sockets(server, count)
    after = resident(server.process)
    yield f"{count} idle sockets: memory of the server", "400 MB", f"{after / 1e6:.0f} MB ({(after - before) / count / 1e3:.1f} KB each)"
    times = [broadcast_seconds(server, sockets) for _ in range(5)]
    yield f"a status to {count} sockets, the last has it", "500 ms", f"{statistics.median(times) * 1000:.0f} ms"
    for s in sockets:
        s.close()


def event_latencies(server, listener, count):
    """Milliseconds from a change of the queue to its status on one healthy socket."""
    found = []
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    listener.setblocking(True)
    for _ in range(count):
        began = time.monotonic()
        connection.request("POST", "/queue", b'{"delete": []}')
        listener.recv(65536)
        found.append((time.monotonic() - began) * 1000)
        connection.getresponse().read()
        time.sleep(0.002)
    connection.close()
    return found


def p99(values):
    return sorted(values)[int(len(values) * 0.99)]


def stalled_rows(server):
    """A hundred clients that read nothing, of one name, so that every event of theirs is queued for each of them."""
    listener = open_sockets(server, 1, "healthy")[0]
    event_latencies(server, listener, 100)
    alone = event_latencies(server, listener, 400)
    stalled = open_sockets(server, 16, "stuck", receive_buffer=2048)
    for i in range(84):
        stalled += open_sockets(server, 1, f"stuck{i}", receive_buffer=2048)
    for _ in range(400):  # until their kernels take no more
        server.post("/queue", {"delete": []})
    listener.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while listener.recv(65536):
            pass
    beside = event_latencies(server, listener, 400)
    yield "event to a healthy socket, p99, alone", "", f"{p99(alone):.1f} ms"
    yield "the same beside 100 sockets that never read", "+5 ms", f"{p99(beside):.1f} ms ({p99(beside) - p99(alone):+.1f})"
    for s in stalled + [listener]:
        s.close()


def slow_rows(server):
    """Headers that never end, and what it costs the others."""
    slow = []
    for _ in range(2000):
        s = socket.create_connection(("127.0.0.1", server.port))
        s.sendall(b"GET / HTTP/1.1\r\nHost: local")
        slow.append(s)
    times = [health(server) for _ in range(200)]
    yield "an answer beside 2,000 unfinished headers, p99", "50 ms", f"{p99(times):.1f} ms"
    for s in slow:
        s.close()


def health(server):
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/healthz")
    connection.getresponse().read()
    connection.close()
    return (time.monotonic() - began) * 1000


def health_rows(server, run):
    """While `run()`, a whole prompt, goes on."""
    times, done = [], threading.Event()

    def watch():
        while not done.wait(0.01):
            times.append(health(server))

    watcher = threading.Thread(target=watch)
    watcher.start()
    run()
    done.set()
    watcher.join()
    yield "/healthz throughout a run, slowest", "50 ms", f"{max(times):.1f} ms of {len(times)}"


def rows(server):
    yield from idle_rows(server)
    yield from stalled_rows(server)
    yield from slow_rows(server)
