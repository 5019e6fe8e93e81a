"""What the tests of waiting streams share: a vendor that answers when it is told to, and a client that looks at every
chunk it gets."""
import contextlib
import queue
import select
import socket
import time

import harness
from harness import PATIENCE, Connection, Origin, request_bytes, wait_for
from stage import ANTHROPICS, CHAT, COMPLETIONS, RESPONSES, WORD

APIS = [CHAT, COMPLETIONS, RESPONSES, ANTHROPICS]
BEAT = b": hb\n\n"
# A commit and heartbeats that a test can wait for.
HOLD = 0.15
FAST = "stream: {commit_hold: 150ms, heartbeat: 100ms}\n"
SOON = 8.0  # seconds: generous for a loaded machine, far below every limit that would end the wait too

# The fields of a 200 that had to be sent early (contract, section 3), and what HTTP itself needs.
EARLY_FIELDS = {"content-type", "cache-control", "x-accel-buffering", "x-streamkeeper-request-id"}
FRAMING_FIELDS = {"transfer-encoding", "connection", "keep-alive", "date"}


def parts(dialect):
    """A stream's events: those that show nothing yet, and the rest."""
    first = next(i for i, event in enumerate(dialect.events) if WORD in event)
    return dialect.events[:first], dialect.events[first:]


def whole(dialect):
    return "".join(dialect.events)


class Vendor(Origin):
    """An origin whose requests wait for the test, which takes one after the other and answers it."""

    def __init__(self, **options):
        self._waiting = queue.Queue()
        super().__init__(self._keep, **options)

    def _keep(self, peer, _):
        while True:
            peer.head, peer.body = peer.read_request()
            self._waiting.put(peer)

    def next(self, seconds=PATIENCE):
        """The connection on which the next request has come whole."""
        try:
            return self._waiting.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError("the daemon sent no request") from None

    def all_gone(self):
        return self.finished == self.connections


def stream(peer, *events, end=True):
    peer.start_stream()
    for event in events:
        peer.chunk(event)
    if end:
        with contextlib.suppress(OSError):  # an event that ends the stream for the daemon: it may have left already
            peer.end_chunks()


def cut(peer):
    """Ends the connection, also while another thread reads from it."""
    with contextlib.suppress(OSError):  # the daemon was first
        peer.socket.shutdown(socket.SHUT_RDWR)


class Client(Connection):
    """A client that has asked for a stream."""

    def __init__(self, daemon, dialect=CHAT, model="m", headers=(), version="1.1", **more):
        super().__init__(daemon.address)
        request = request_bytes("POST", dialect.path, headers, dialect.request(model, True, **more))
        self.asked = time.monotonic()
        self.send(request.replace(b" HTTP/1.1\r\n", f" HTTP/{version}\r\n".encode(), 1))

    @property
    def waited(self):
        return time.monotonic() - self.asked

    def head(self):
        """(status, fields)"""
        status, fields, _ = self.read_head()
        return status, {name.lower(): value for name, value in fields}

    def commit(self):
        """The head of a 200 that was sent before an upstream answered, and its fields."""
        status, fields = self.head()
        assert status == 200, f"{status} {fields} {self.buffer}"
        assert "x-streamkeeper-upstream" not in fields, "an upstream has answered"
        return fields

    def beat(self):
        chunk = self.read_chunk()
        assert chunk == BEAT, f"{chunk!r} is no heartbeat"

    def next(self):
        """The next chunk that is no heartbeat; None if the connection was closed instead."""
        while (chunk := self.read_chunk()) == BEAT:
            pass
        return None if chunk is None else chunk.decode()

    def rest(self):
        """(the text of all chunks but the heartbeats, whether the last chunk came)"""
        text = ""
        while chunk := self.next():
            text += chunk
        return text, chunk is not None

    def nothing_for(self, seconds):
        """True if no byte comes for so long, and no end."""
        return not self.buffer and not select.select([self.socket], [], [], seconds)[0]


class Case(harness.Case):
    def vendor(self, **options):
        vendor = Vendor(**options)
        self.addCleanup(vendor.stop)
        return vendor

    def pair(self, extra=FAST, **options):
        """A vendor and a daemon before it."""
        vendor = self.vendor()
        return vendor, self.daemon(vendor.base_url, extra=extra, **options)

    def client(self, daemon, *arguments, **options):
        client = Client(daemon, *arguments, **options)
        self.addCleanup(client.close)
        return client

    def line(self, daemon, count=1):
        """The access log's line of the request that ended last."""
        return daemon.wait_request_lines(count)[count - 1]


def idle(daemon):
    """Nothing is left of the requests that were: the gauges say so."""
    metrics = daemon.metrics()
    gauges = [("streamkeeper_requests_in_flight", {}), ("streamkeeper_requests_waiting", {}),
              ("streamkeeper_upstream_connections", {"state": "busy"}), ("streamkeeper_memory_budget_bytes", {})]
    return all(harness.metric(metrics, name, **labels) == 0 for name, labels in gauges)


def wait_idle(daemon):
    wait_for(lambda: idle(daemon), SOON)
