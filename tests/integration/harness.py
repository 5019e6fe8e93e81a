"""What the integration tests share: the daemon, the mock upstream, scripted origins and raw sockets.

Everything listens on 127.0.0.1 on free ports and is stopped by process id. Python's own sockets speak HTTP here, so that
no test shares a misunderstanding with the code under test.
"""
import collections
import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

BINARY = os.environ.get("STREAMKEEPER", "")
KEY = "sk-mock-0123456789"
PATIENCE = 20.0  # seconds: how long anything that must happen may take on a loaded machine


class Process:
    """A child of ours with its standard error (and output) read by a thread, so that it never blocks."""

    def __init__(self, argv, env=None, pass_fds=(), preexec_fn=None, stderr=None, cwd=None):
        full_env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        full_env.update(env or {})
        self.lines = []
        self._condition = threading.Condition()
        self.process = subprocess.Popen(
            argv, env=full_env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=stderr if stderr is not None else subprocess.STDOUT, pass_fds=pass_fds, preexec_fn=preexec_fn, cwd=cwd)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self):
        return self.process.pid

    def _read(self):
        for line in self.process.stdout:
            with self._condition:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self._condition.notify_all()
        with self._condition:
            self._condition.notify_all()

    def wait_line(self, pattern, seconds=PATIENCE):
        """The first line, past or to come, in which `pattern` is found."""
        end = time.monotonic() + seconds
        with self._condition:
            while True:
                for line in self.lines:
                    found = re.search(pattern, line)
                    if found:
                        return found
                left = end - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self._reader.is_alive()):
                    raise AssertionError(f"no line matches {pattern!r}; got:\n" + "\n".join(self.lines))
                self._condition.wait(min(left, 0.2))

    @property
    def output(self):
        with self._condition:
            return "\n".join(self.lines)

    def wait(self, seconds=PATIENCE):
        code = self.process.wait(seconds)
        self._reader.join(seconds)
        return code

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
        self._reader.join(5)
        self.process.stdout.close()
        for line in self.lines:  # a sanitizer's report fails the test that provoked it
            if "AddressSanitizer" in line or "runtime error:" in line or "LeakSanitizer" in line:
                raise AssertionError(self.output)


class Mock(Process):
    """`streamkeeper mock` with a record of what it saw."""

    def __init__(self, *flags):
        self.folder = tempfile.mkdtemp(prefix="mock-")
        self.record_file = os.path.join(self.folder, "record.jsonl")
        super().__init__([BINARY, "mock", "--listen", "127.0.0.1:0", "--record", self.record_file, *flags])
        self.base_url = self.wait_line(r"(https?://127\.0\.0\.1:(\d+)/v1)").group(1)
        self.port = int(self.base_url.split(":")[2].split("/")[0])
        self.key = KEY

    def requests(self):
        if not os.path.exists(self.record_file):
            return []
        with open(self.record_file) as file:
            return [json.loads(line) for line in file if line.endswith("\n")]

    def stop(self):
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Daemon(Process):
    """`streamkeeper serve` with this configuration. `{dir}` in the text becomes its folder, which has a file `key`."""

    def __init__(self, config, files=None, **options):
        self.folder = tempfile.mkdtemp(prefix="streamkeeper-")
        self.files = {"key": KEY + "\n"}
        self.files.update(files or {})
        for name, content in self.files.items():
            self.write(name, content)
        self.config_file = os.path.join(self.folder, "streamkeeper.yaml")
        self.write_config(config)
        wait = options.pop("wait", True)
        prefix = options.pop("prefix", [])
        super().__init__([*prefix, BINARY, "serve", "--config", self.config_file], **options)
        self.port = None
        if wait:
            self.port = int(self.wait_line(r"listening on http://(?:127\.0\.0\.1|\[::1\]):(\d+)").group(1))

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(path, 0o600)
        return path

    def write_config(self, text):
        self.write("streamkeeper.yaml", text.replace("{dir}", self.folder))

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    def metrics(self):
        return parse_metrics(http(self.address, "GET", "/metrics").text)

    def request_lines(self):
        """The access log's lines so far, as objects."""
        return [json.loads(line)["request"] for line in self.lines if line.startswith("{") and '"request":' in line]

    def wait_request_lines(self, count, seconds=PATIENCE):
        wait_for(lambda: len(self.request_lines()) >= count, seconds)
        return self.request_lines()

    def stop(self):
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def config_for(*base_urls, extra="", upstream_extra="", retry="{attempts: 1, deadline: {stream: 0s, other: 0s}}", keys="[{name: main, file: key}]"):
    """A configuration with a listener on a free port and upstreams `one`, `two` … that use the file `key`. Each request
    is tried once, so that a test sees what one answer becomes; `retry=None` leaves retrying as it is by default."""
    names = ["one", "two", "three"]
    text = 'listen: ["127.0.0.1:0"]\ndefault_upstream: one\nupstreams:\n'
    for name, url in zip(names, base_urls):
        text += f"  {name}:\n    base_url: {url}\n    keys: {keys}\n"
        if upstream_extra:
            text += "".join(f"    {line}\n" for line in upstream_extra.strip("\n").split("\n"))
    if retry is not None and "retry:" not in extra:
        text += f"retry: {retry}\n"
    return text + extra + "\n"


def sanitized():
    """Whether the daemon was built with AddressSanitizer, which pads and keeps memory."""
    with open(BINARY, "rb") as file:
        return b"__asan_init" in file.read()


def wait_for(condition, seconds=PATIENCE):
    """Waits until `condition()` is true: for things that only polling can see (a file, another process)."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it did not come true in time")
        time.sleep(0.01)


def resident_bytes(pid, what="VmRSS"):
    """The resident memory of a process; `what` may also be VmHWM, its highest so far."""
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(what + r":\s+(\d+) kB", file.read()).group(1)) * 1024


# ---- a client of raw bytes

class Response:
    def __init__(self, status, headers, body, complete, raw):
        self.status, self.headers, self.body, self.complete, self.raw = status, headers, body, complete, raw

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.body)

    def header(self, name):
        for key, value in self.headers:
            if key.lower() == name.lower():
                return value
        return None


class Connection:
    """One TCP (or Unix) connection to the daemon, spoken to in raw bytes."""

    def __init__(self, address):
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, PATIENCE)
        self.socket.settimeout(PATIENCE)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def more(self):
        """Reads once more into the buffer; False at the end of the connection."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return bool(data)

    def read_until(self, needle):
        while needle not in self.buffer:
            if not self.more():
                raise AssertionError(f"the connection ended before {needle!r}; got {self.buffer!r}")
        at = self.buffer.index(needle) + len(needle)
        taken, self.buffer = self.buffer[:at], self.buffer[at:]
        return taken

    def read_exactly(self, count):
        while len(self.buffer) < count:
            if not self.more():
                raise AssertionError(f"the connection ended; wanted {count} bytes, got {self.buffer!r}")
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def read_head(self):
        head = self.read_until(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        return status, [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:] if line], head

    def read_chunk(self):
        """One chunk of a chunked body; b"" for the last one; None if the connection ended instead."""
        try:
            size = int(self.read_until(b"\r\n").split(b";")[0], 16)
            data = self.read_exactly(size)
            self.read_exactly(2)
            return data
        except AssertionError:
            return None

    def read_response(self, to_head=False):
        while True:
            status, headers, raw = self.read_head()
            if status >= 200 or status == 101:
                break
        fields = {name.lower(): value for name, value in headers}
        body, complete = b"", True
        if to_head or status in (101, 204, 304):
            pass
        elif fields.get("transfer-encoding", "").lower() == "chunked":
            chunks = []
            while chunk := self.read_chunk():
                chunks.append(chunk)
            body, complete = b"".join(chunks), chunk is not None
        elif "content-length" in fields:
            wanted = int(fields["content-length"])
            while len(self.buffer) < wanted and self.more():
                pass
            body, self.buffer = self.buffer[:wanted], self.buffer[wanted:]
            complete = len(body) == wanted
        else:
            while self.more():
                pass
            body, self.buffer = self.buffer, b""
        return Response(status, headers, body, complete, raw)

    def at_end(self):
        """Waits for the peer to close; True if nothing else came."""
        while self.more():
            pass
        return self.buffer == b""

    def close(self):
        self.socket.close()

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def request_bytes(method, target, headers=(), body=b"", host="127.0.0.1"):
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    fields = [("Host", host)] + list(headers)
    names = {name.lower() for name, _ in fields}
    if (body or method in ("POST", "PUT", "PATCH")) and "content-length" not in names and "transfer-encoding" not in names:
        fields.append(("Content-Length", str(len(body))))
    if body and "content-type" not in names:
        fields.append(("Content-Type", "application/json"))
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
    return head.encode("latin-1") + body


def http(address, method, target, headers=(), body=b"", host="127.0.0.1"):
    """One request on a connection of its own."""
    with Connection(address) as connection:
        connection.send(request_bytes(method, target, headers, body, host))
        return connection.read_response(to_head=method == "HEAD")


def chat(model="mock-1", **more):
    return {"model": model, "messages": [{"role": "user", "content": "hello"}], **more}


def parse_metrics(text):
    """{(name, frozenset(labels)): value}"""
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)", line)
        if match:
            labels = frozenset(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match.group(2) or ""))
            found[(match.group(1), labels)] = float(match.group(3))
    return found


def metric(metrics, name, **labels):
    """The sum of all series of this name that have these labels."""
    wanted = set(labels.items())
    return sum(value for (series, have), value in metrics.items() if series == name and wanted <= set(have))


# ---- scripted origins

class Origin:
    """A TCP server that runs `script(connection, origin)` for every connection, on a thread each. Use `Peer.read_request`
    in the script; what it read is kept in `seen`, as (head bytes, body bytes)."""

    def __init__(self, script, family=socket.AF_INET, tls=None, port=0, receive_buffer=None):
        self.script, self.tls = script, tls
        self.seen, self.connections, self.finished = [], 0, 0
        self.changed = threading.Condition()
        self.listener = socket.socket(family)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.listener.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", port))
        self.listener.listen(512)
        self.port = self.listener.getsockname()[1]
        self.base_url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/v1"
        self._running = True
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while self._running:
            try:
                accepted, _ = self.listener.accept()
            except OSError:
                return
            with self.changed:
                self.connections += 1
                self.changed.notify_all()
            thread = threading.Thread(target=self._serve, args=(accepted,), daemon=True)
            thread.start()

    def _serve(self, accepted):
        with contextlib.suppress(OSError, AssertionError, ValueError):
            accepted.settimeout(PATIENCE)
            if self.tls:
                accepted = self.tls.wrap_socket(accepted, server_side=True)
            self.script(Peer(accepted, self), self)
        with contextlib.suppress(OSError):
            accepted.close()
        with self.changed:
            self.finished += 1
            self.changed.notify_all()

    def note(self, head, body):
        with self.changed:
            self.seen.append((head, body))
            self.changed.notify_all()

    def wait_seen(self, count, seconds=PATIENCE):
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.seen) >= count, seconds):
                raise AssertionError(f"the origin saw {len(self.seen)} requests, not {count}")
        return self.seen

    def stop(self):
        self._running = False
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self._thread.join(5)


def raw(status=200, body=b"{}", headers=()):
    """The bytes of one answer."""
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    fields = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    names = {name.lower() for name, _ in headers}
    fields = [field for field in fields if field[0].lower() not in names] + list(headers)
    head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{n}: {v}\r\n" for n, v in fields) + "\r\n"
    return head.encode("latin-1") + body


def raw_stream(*events, headers=(), end=True):
    """The bytes of one answer that is a stream of events; `end=False`: without the last chunk."""
    fields = [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")] + list(headers)
    head = "HTTP/1.1 200 OK\r\n" + "".join(f"{n}: {v}\r\n" for n, v in fields) + "\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(data), data) for data in (event.encode() for event in events))
    return head.encode("latin-1") + chunks + (b"0\r\n\r\n" if end else b"")


class Peer(Connection):
    """The origin's end of a connection."""

    def __init__(self, accepted, origin):
        self.socket, self.origin, self.buffer = accepted, origin, b""

    def read_request(self):
        """(head, body) of the next request; raises at the end of the connection."""
        head = self.read_until(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        body = b""
        if fields.get(b"transfer-encoding") == b"chunked":
            chunks = []
            while chunk := self.read_chunk():
                chunks.append(chunk)
            body = b"".join(chunks)
        elif b"content-length" in fields:
            body = self.read_exactly(int(fields[b"content-length"]))
        self.origin.note(head, body)
        return head, body

    def answer(self, status=200, body=b"{}", headers=()):
        self.send(raw(status, body, headers))

    def start_stream(self, headers=()):
        fields = [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")] + list(headers)
        self.send("HTTP/1.1 200 OK\r\n" + "".join(f"{n}: {v}\r\n" for n, v in fields) + "\r\n")

    def chunk(self, data):
        data = data if isinstance(data, bytes) else data.encode()
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def end_chunks(self):
        self.send(b"0\r\n\r\n")


def delta(text=None, finish=None, **more):
    """One chat.completion.chunk event."""
    choice = {"index": 0, "delta": {} if text is None else {"content": text}, "finish_reason": finish}
    chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}
    return f"data: {json.dumps(chunk)}\n\n"


def answering(*answers):
    """A script: the first request gets the first answer, and so on; the last one again and again."""
    def script(peer, origin):
        while True:
            peer.read_request()
            index = min(len(origin.seen), len(answers)) - 1
            answers[index](peer)
    return script


Call = collections.namedtuple("Call", "at head body")  # `at`: of time.monotonic, when the request had come whole


class Play:
    """What an origin does with the requests of one kind: raw answers or functions of the peer, one for each request in
    the order of arrival, the last one again and again. It keeps the requests. Itself it is a script."""

    def __init__(self, *answers):
        self.answers, self.calls, self.changed = answers, [], threading.Condition()

    def __call__(self, peer, origin):
        while True:
            self.answer(peer, *peer.read_request())

    def answer(self, peer, head, body):
        with self.changed:
            answer = self.answers[min(len(self.calls), len(self.answers) - 1)]
            self.calls.append(Call(time.monotonic(), head, body))
            self.changed.notify_all()
        if callable(answer):
            answer(peer)
        else:
            peer.send(answer)

    def wait_calls(self, count, seconds=PATIENCE):
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.calls) >= count, seconds):
                raise AssertionError(f"the origin saw {len(self.calls)} requests, not {count}")
        return self.calls

    @property
    def gaps(self):
        """The seconds between one request and the next."""
        return [later.at - earlier.at for earlier, later in zip(self.calls, self.calls[1:])]


def playing(plays, kind):
    """A script of several plays: a request is answered by `plays[kind(head, body)]`."""
    def script(peer, origin):
        while True:
            head, body = peer.read_request()
            plays[kind(head, body)].answer(peer, head, body)
    return script


def model_of(head, body):
    return json.loads(body)["model"]


# ---- test cases

class Case(unittest.TestCase):
    """A test whose servers and connections end with it."""

    def origin(self, script, **options):
        origin = Origin(script, **options)
        self.addCleanup(origin.stop)
        return origin

    def daemon(self, *urls, env=None, files=None, **options):
        daemon = Daemon(config_for(*urls, **options), env=env, files=files)
        self.addCleanup(daemon.stop)
        return daemon

    def behind(self, script, **options):
        """A daemon in front of an origin that runs this script."""
        origin = self.origin(script)
        return self.daemon(origin.base_url, **options), origin

    def connect(self, daemon):
        connection = Connection(daemon.address)
        self.addCleanup(connection.close)
        return connection
