"""One mock and the daemons in front of it, for thousands of streams: a fast client, the mock's record, metrics."""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, os.pardir, "integration"))
import harness  # noqa: E402
from checker import Answer, CHAT, COMPLETIONS, MESSAGES  # noqa: E402

PROMPT = "Tell me about the PROMPTSECRET harbour."
MARK = "\n\n###\n"  # the mock: behind it is the text to go on with

CAPABILITIES = {
    "exact": "resume: {capability: {prefill: trailing, seam: exact}}",
    "echo": "resume: {capability: {prefill: trailing, seam: echo}}",
    "probed": "",
    "prefix": "resume: {capability: {prefill: prefix, seam: exact}}",
    "partial": "resume: {capability: {prefill: partial, seam: exact}}",
    "continue_final_message": "resume: {capability: {prefill: continue_final_message, seam: exact}}",
    "none": "resume: {probe: never, capability: {prefill: none}}",
    "deterministic": "resume: {capability: {prefill: none, deterministic: true}}",
    "impatient": "resume: {capability: {prefill: trailing, seam: exact}}\ntimeouts: {stream_idle: 300ms, first_byte: 400ms, stream_progress: 500ms}",
    "tls": "resume: {capability: {prefill: trailing, seam: exact}}",
}


class Wire:
    """A client with keep-alive that only reads what is there: no library between the bytes and the checker."""

    def __init__(self, address):
        self.address, self.socket, self.buffer, self.used = address, None, b"", 0.0

    def open(self):
        if self.socket is not None and time.monotonic() - self.used > 60:  # before timeouts.client_keepalive ends it
            self.close()
        self.used = time.monotonic()
        if self.socket is None:
            self.socket = socket.create_connection(self.address, 30)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.buffer = b""

    def close(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None

    _more = harness.Connection.more  # it too is a socket and a buffer

    def exchange(self, request):
        """The answer to one request."""
        try:
            return self._exchange(request)
        except TimeoutError:
            self.close()
            raise AssertionError("no answer in time") from None

    def _exchange(self, request):
        self.open()
        self.socket.sendall(request)
        while b"\r\n\r\n" not in self.buffer:
            if not self._more():
                got, self.buffer = self.buffer, b""
                self.close()
                raise AssertionError(f"the daemon closed without an answer; got {got!r}")
        head, _, rest = self.buffer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        self.buffer = rest
        body, complete = self._body(fields)
        extra, self.buffer = self.buffer, b""
        if not complete or fields.get("connection") == "close":
            self.close()
        return Answer(int(lines[0].split(" ")[1]), fields, body, complete, extra)

    def _body(self, fields):
        if "chunked" in fields.get("transfer-encoding", ""):
            return self._chunks()
        if "content-length" in fields:
            wanted = int(fields["content-length"])
            while len(self.buffer) < wanted and self._more():
                pass
            body, self.buffer = self.buffer[:wanted], self.buffer[wanted:]
            return body, len(body) == wanted
        while self._more():
            pass
        body, self.buffer = self.buffer, b""
        return body, True

    def _chunks(self):
        out, at = [], 0
        while True:
            line = self.buffer.find(b"\r\n", at)
            if line < 0:
                self.buffer, at = self.buffer[at:], 0
                if not self._more():
                    return b"".join(out), False
                continue
            size = int(self.buffer[at:line].split(b";")[0], 16)
            while len(self.buffer) < line + 2 + size + 2:
                if not self._more():
                    return b"".join(out), False
            out.append(self.buffer[line + 2:line + 2 + size])
            at = line + 4 + size
            if size == 0:
                self.buffer = self.buffer[at:]
                return b"".join(out), True


def request(dialect, model, stream=True, headers=(), extra=None, usage=False, prompt=PROMPT):
    body = {"model": model}
    if stream:
        body["stream"] = True
    if dialect == CHAT:
        body["messages"] = [{"role": "user", "content": prompt}]
    elif dialect == COMPLETIONS:
        body["prompt"] = prompt + MARK
    elif dialect == MESSAGES:
        body["messages"] = [{"role": "user", "content": prompt}]
        body["max_tokens"] = 4000
    else:
        body["input"] = prompt
    if usage and stream and dialect in (CHAT, COMPLETIONS):
        body["stream_options"] = {"include_usage": True}
    body.update(extra or {})
    return harness.request_bytes("POST", "/v1/" + dialect, list(headers), body)


class Records:
    """The lines of the mock's record, as they come."""

    def __init__(self, path):
        self.file = open(path, "rb")

    def new(self):
        found = []
        for line in self.file.readlines():
            found.append(json.loads(line))
        return found


def certificates(folder):
    """A throw-away authority and a certificate for this machine."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    with open(os.path.join(folder, "names.cnf"), "w") as file:
        file.write("subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    openssl("req", "-x509", *curve, "-days", "2", "-subj", "/CN=sweep authority", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", *curve, "-subj", "/CN=localhost", "-keyout", "origin.key", "-out", "origin.csr")
    openssl("x509", "-req", "-in", "origin.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names.cnf", "-out", "origin.pem")


class Rig:
    """A mock and, started when they are first needed, a daemon for each kind of configuration."""

    def __init__(self, tls=False, **config):
        self.folder = tempfile.mkdtemp(prefix="sweep-")
        flags = []
        if tls:
            certificates(self.folder)
            flags = ["--certificate", os.path.join(self.folder, "origin.pem"), "--certificate-key", os.path.join(self.folder, "origin.key")]
        self.tls, self.config = tls, config
        self.mock = harness.Mock(*flags)
        open(self.mock.record_file, "a").close()
        self.records = Records(self.mock.record_file)
        self.daemons, self.wires = {}, {}
        self.direct = None if tls else Wire(("127.0.0.1", self.mock.port))

    def daemon(self, kind):
        if kind not in self.daemons:
            upstream = CAPABILITIES[kind]
            if self.tls:
                upstream += f"\ntls: {{ca_file: {self.folder}/ca.pem}}"
            extra = "retry: {base: 1ms}\nlog: {level: info, format: json}\n" + self.config.get("extra", "")
            self.daemons[kind] = harness.Daemon(harness.config_for(
                self.mock.base_url.replace("127.0.0.1", "localhost") if self.tls else self.mock.base_url,
                upstream_extra=upstream, extra=extra, retry=None))
            self.wires[kind] = Wire(self.daemons[kind].address)
        return self.daemons[kind]

    def ask(self, kind, data):
        """(answer, the mock's records of the requests that it took)"""
        self.daemon(kind)
        answer = self.wires[kind].exchange(data)
        return answer, self.records.new()

    def uncut(self, data):
        """The mock's own answer, raw."""
        head, _, rest = data.partition(b"\r\n")
        data = head + b"\r\nAuthorization: Bearer " + harness.KEY.encode() + b"\r\n" + rest
        if self.tls:
            raise AssertionError("the mock speaks TLS")
        taker = Tap(self.direct)
        answer = taker.exchange(data)
        return taker.raw, answer, self.records.new()[-1]

    def forget(self):
        """The mock's plays; it keeps only so many."""
        self.mock_call("POST", "/mock/reset")

    def answers(self):
        return json.loads(self.mock_call("GET", "/mock/state").body)["answers"]

    def mock_call(self, method, target):
        if self.tls:
            return Answer(200, {}, b'{"answers":[]}', True)
        return self.direct.exchange(harness.request_bytes(method, target))

    def stop(self):
        for wire in self.wires.values():
            wire.close()
        for daemon in self.daemons.values():
            daemon.stop()
        if self.direct:
            self.direct.close()
        self.mock.stop()
        self.records.file.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Tap:
    """An exchange whose raw bytes are kept."""

    def __init__(self, wire):
        self.wire, self.raw = wire, b""

    def exchange(self, data):
        wire, original = self.wire, self.wire._more

        def more():
            before = len(wire.buffer)
            got = original()
            self.raw += wire.buffer[before:]
            return got
        wire._more = more
        try:
            return wire.exchange(data)
        finally:
            wire._more = original
