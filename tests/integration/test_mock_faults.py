"""The mock's faults, as raw sockets see them: each word of the grammar, byte-exact ends, limits, keys, scripts."""
import calendar
import contextlib
import json
import os
import re
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
from email.utils import parsedate_to_datetime
from pathlib import Path

from harness import BINARY, KEY, PATIENCE, Connection, Mock, chat, request_bytes, wait_for

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"


def body_for(path, model, **more):
    if path == RESPONSES:
        return {"model": model, "input": "hello", **more}
    return chat(model, **({"max_tokens": 5} if path == MESSAGES else {}), **more)


def drain(peer):
    """(all bytes that still come, how it ended: "FIN" or "RST")"""
    raw = b""
    try:
        while piece := peer.recv(65536):
            raw += piece
        return raw, "FIN"
    except ConnectionResetError:
        return raw, "RST"


class Faults(unittest.TestCase):
    """Runs one mock a class, with this script and these flags; every test begins with its counters at zero."""
    script, flags = "", ()

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        flags = list(cls.flags)
        if cls.script:
            name = os.path.join(cls.folder.name, "script.yaml")
            with open(name, "w") as file:
                file.write(cls.script)
            flags += ["--script", name]
        cls.mock = Mock(*flags)
        cls.addClassCleanup(cls.mock.stop)
        cls.address = ("127.0.0.1", cls.mock.port)

    def setUp(self):
        self.tell("reset", {})

    def tell(self, what, body):
        return self.call("POST", "/mock/" + what, body=body)

    def state(self):
        return self.call("GET", "/mock/state").json

    def head(self, headers=(), key=KEY):
        return ([("Authorization", "Bearer " + key)] if key else []) + list(headers)

    def call(self, method, path, headers=(), body=b"", key=KEY, source="127.0.0.1"):
        with Connection(self.address) if source == "127.0.0.1" else self.connection_from(source) as connection:
            connection.send(request_bytes(method, path, self.head(headers, key), body))
            return connection.read_response(to_head=method == "HEAD")

    def connection_from(self, source):
        connection = Connection.__new__(Connection)
        connection.socket = socket.create_connection(self.address, PATIENCE, source_address=(source, 0))
        connection.buffer = b""
        return connection

    def ask(self, fault, path=CHAT, headers=(), key=KEY, **more):
        """The answer to a request whose model carries the fault; an empty one: none."""
        model = "mock-1" + ("+" + fault if fault else "")
        return self.call("POST", path, headers, body_for(path, model, **more), key)

    def raw(self, fault, path=CHAT, close=True, **more):
        """(bytes, how the connection ended)"""
        with socket.create_connection(self.address, PATIENCE) as peer:
            headers = self.head([("Connection", "close")] if close else [])
            peer.sendall(request_bytes("POST", path, headers, body_for(path, "mock-1+" + fault, **more)))
            return drain(peer)

    def statuses(self, fault, count, **more):
        return [self.ask(fault, **more).status for _ in range(count)]


class Hints(Faults):
    """Every form in which a vendor says when to come back."""

    def shown(self, answer):
        return int(parsedate_to_datetime(answer.header("Date")).timestamp())

    def test_a_status_alone_has_no_hint(self):
        for status in (400, 401, 402, 403, 404, 408, 409, 413, 418, 422, 425, 429, 498, 500, 501, 502, 503, 504, 524, 529):
            answer = self.ask(str(status))
            self.assertEqual(answer.status, status)
            self.assertEqual(set(answer.json["error"]), {"message", "type", "param", "code"})
            self.assertNotRegex(answer.raw, b"(?i)retry|ratelimit")

    def test_values_that_are_sent_as_written(self):
        for word, value, field in (
                ("retry_after", "2", "Retry-After"), ("retry_after", "1.5", "Retry-After"),
                ("retry_after", "soon", "Retry-After"), ("retry_after", "-5", "Retry-After"),
                ("retry_after", "86400", "Retry-After"), ("retry-after", "0", "Retry-After"),
                ("retry_after_ms", "174", "retry-after-ms"), ("reset_in", "2", "X-RateLimit-Reset"),
                ("reset_requests", "2m59.56s", "x-ratelimit-reset-requests"),
                ("reset_tokens", "7.66s", "x-ratelimit-reset-tokens"), ("ratelimit_reset", "30", "RateLimit-Reset")):
            for status in ("429", "503"):
                answer = self.ask(f"{status}+{word}={value}")
                self.assertEqual((answer.status, answer.header(field)), (int(status), value), word)
        self.assertEqual(self.ask("429+ratelimit=30").header("RateLimit"), '"default";r=0;t=30')

    def test_instants_are_counted_from_the_second_that_date_shows(self):
        for seconds in (0, 20, -75):
            answer = self.ask(f"429+reset={seconds}")
            self.assertEqual(int(answer.header("X-RateLimit-Reset")) - self.shown(answer), seconds)
            self.assertEqual((answer.header("X-RateLimit-Limit"), answer.header("X-RateLimit-Remaining")), ("1500", "0"))
            answer = self.ask(f"503+retry_after_date={seconds}")
            self.assertRegex(answer.header("Retry-After"), r"^[A-Z]\w\w, \d\d [A-Z]\w\w \d{4} \d\d:\d\d:\d\d GMT$")
            self.assertEqual(parsedate_to_datetime(answer.header("Retry-After")).timestamp() - self.shown(answer), seconds)
            answer = self.ask(f"429+anthropic_reset={seconds}")
            moment = calendar.timegm(time.strptime(answer.header("anthropic-ratelimit-requests-reset"), "%Y-%m-%dT%H:%M:%SZ"))
            self.assertEqual(moment - self.shown(answer), seconds)
            self.assertEqual(answer.header("anthropic-ratelimit-requests-remaining"), "0")

    def test_the_obsolete_dates(self):
        answer = self.ask("429+retry_after_rfc850=20")
        moment = time.strptime(answer.header("Retry-After"), "%A, %d-%b-%y %H:%M:%S GMT")
        self.assertEqual(calendar.timegm(moment) - self.shown(answer), 20)
        answer = self.ask("429+retry_after_asctime=20")
        moment = time.strptime(answer.header("Retry-After"), "%a %b %d %H:%M:%S %Y")
        self.assertEqual(calendar.timegm(moment) - self.shown(answer), 20)

    def test_milliseconds_since_1970(self):
        before = time.time() * 1000
        value = int(self.ask("429+reset_ms=45").header("X-RateLimit-Reset"))
        self.assertTrue(before - 1 <= value - 45_000 <= time.time() * 1000 + 1)

    def test_a_clock_that_is_wrong_is_wrong_everywhere(self):
        for skew in (600, -600):
            before = time.time()
            answer = self.ask(f"429+retry_after_date=5+skew={skew}")
            self.assertTrue(before - 1 <= self.shown(answer) - skew <= time.time())
            self.assertEqual(parsedate_to_datetime(answer.header("Retry-After")).timestamp() - self.shown(answer), 5)

    def test_hints_in_the_body(self):
        for text in ("6m0s", "174ms", "9.8s"):
            self.assertTrue(self.ask("429+try_again=" + text).json["error"]["message"].endswith(
                f"Please try again in {text}."))
        error = self.ask("429+retry_delay=34.07s").json[0]["error"]
        self.assertEqual((error["code"], error["status"]), (429, "RESOURCE_EXHAUSTED"))
        self.assertEqual(error["details"][-1]["retryDelay"], "34.07s")
        self.assertEqual(self.ask("402+retry_after_seconds=17").json["error"]["metadata"], {"retry_after_seconds": 17})

    def test_more_words_beside_a_hint(self):
        answer = self.ask("429+reset_requests=1s+remaining=7+should_retry=false")
        self.assertEqual((answer.header("x-ratelimit-remaining-requests"), answer.header("x-should-retry")), ("7", "false"))


class Errors(Faults):
    """What an error says, in which shape, and where."""

    def test_every_shape(self):
        words = "code=slow_down+type=busy+message=not now+param=model"
        whole = {"message": "not now", "type": "busy", "param": "model", "code": "slow_down"}
        for shape, wanted in (
                ("openai", {"error": whole}), ("apertis", {"error": whole}), ("top_level", whole),
                ("detail", {"detail": "not now"}), ("string", {"error": "not now"}),
                ("detail_list", {"detail": [{"type": "busy", "loc": ["body", "model"], "msg": "not now", "input": None}]}),
                ("openrouter", {"error": {"code": 503, "message": "not now", "metadata": {"error_type": "slow_down"}}})):
            answer = self.ask(f"503+shape={shape}+{words}")
            self.assertEqual((answer.status, answer.json), (503, wanted), shape)
        self.assertEqual(self.ask("429+shape=apertis").json["error"].keys(), {"message", "type", "code"})
        self.assertEqual(self.ask(f"529+shape=anthropic").json["error"]["type"], "overloaded_error")
        google = self.ask("503+shape=google").json[0]["error"]
        self.assertEqual((google["code"], google["status"]), (503, "UNAVAILABLE"))
        for shape, kind in (("text", "text/plain"), ("html", "text/html")):
            answer = self.ask(f"502+shape={shape}+message=down")
            self.assertTrue(answer.header("Content-Type").startswith(kind))
            self.assertIn("down", answer.text)
        self.assertEqual(self.ask("429+shape=empty").body, b"")

    def test_the_path_chooses_the_shape_when_nothing_else_does(self):
        self.assertEqual(self.ask("429", MESSAGES).json["error"], {
            "type": "rate_limit_error", "message": "The mock was asked to fail."})
        self.assertEqual(self.ask("429", RESPONSES).json["error"]["code"], "rate_limit_exceeded")

    def test_named_errors(self):
        for word, status, code in (("missing", 404, "model_not_found"), ("context", 400, "context_length_exceeded"),
                                   ("quota", 429, "insufficient_quota"), ("too_large", 429, "rate_limit_exceeded"),
                                   ("policy", 400, "content_policy_violation"), ("402", 402, "quota_exceeded"),
                                   ("403+code=model_access_denied", 403, "model_access_denied"),
                                   ("503+missing", 503, "model_not_found"), ("413+too-large", 413, "rate_limit_exceeded")):
            answer = self.ask(word)
            self.assertEqual((answer.status, answer.json["error"]["code"]), (status, code), word)
        self.assertEqual(self.ask("missing+shape=detail").json, {"detail": "Model not found: mock-1"})
        self.assertIn("Requested 30601", self.ask("too_large").json["error"]["message"])

    def test_stream_options_are_refused_where_they_stand(self):
        wanted = {"stream": True, "stream_options": {"include_usage": True}}
        error = self.ask("no_stream_options", **wanted).json["error"]
        self.assertEqual((error["param"], "stream_options" in error["message"]), ("stream_options", True))
        self.assertEqual(self.ask("no_stream_options", stream=True).status, 200)
        answer = self.ask("422+no_stream_options+shape=detail_list", **wanted)
        self.assertEqual((answer.status, answer.json["detail"][0]["loc"]), (422, ["body", "stream_options"]))
        self.assertEqual(self.statuses("no_stream_options+x1", 1, stream=True) +
                         self.statuses("no_stream_options+x1", 2, **wanted), [200, 400, 200])

    def test_an_error_inside_a_200(self):
        answer = self.ask("429+json_error", stream=True)
        self.assertEqual((answer.status, answer.json["error"]["code"]), (200, "rate_limit_exceeded"))
        self.assertEqual(self.ask("json_error").json["error"]["code"], "internal_error")
        answer = self.ask("429+sse_error")
        self.assertEqual((answer.status, answer.json["error"]["code"]), (200, "rate_limit_exceeded"))

    def test_an_error_as_an_event_of_a_stream(self):
        for events in (0, 1, 3):
            for path in (CHAT, MESSAGES, RESPONSES):
                answer = self.ask(f"503+sse_error={events}" if events else "503+sse_error", path, stream=True)
                self.assertEqual((answer.status, answer.complete), (200, True))
                blocks = answer.text.split("\n\n")[:-1]
                self.assertEqual(len(blocks), events + 1)
                data = json.loads(blocks[-1].split("data: ")[1])
                if path == CHAT:
                    self.assertEqual(data["error"]["code"], "service_unavailable")
                elif path == MESSAGES:
                    self.assertEqual((data["type"], data["error"]["type"]), ("error", "overloaded_error"))
                else:
                    self.assertEqual((data["type"], data["sequence_number"]), ("error", events))
                self.assertEqual(blocks[:-1], self.ask("", path, stream=True).text.split("\n\n")[:events])

    def test_html_in_a_200(self):
        answer = self.ask("html", stream=True)
        self.assertEqual((answer.status, answer.header("Content-Type")), (200, "text/html; charset=utf-8"))
        self.assertEqual((self.ask("403+html").status, b"<html>" in self.ask("403+html").body), (403, True))

    def test_streams_that_end_too_soon_but_cleanly(self):
        for path in (CHAT, MESSAGES, RESPONSES):
            answer = self.ask("empty", path, stream=True)
            self.assertEqual((answer.status, answer.body, answer.complete), (200, b"", True))
            self.assertEqual(self.ask("events=2", path, stream=True).text.count("\n\n"), 2)
        self.assertEqual(self.ask("empty").body, b"")

    def test_plain_json_for_a_stream_request(self):
        for path in (CHAT, MESSAGES, RESPONSES):
            answer = self.ask("json", path, stream=True)
            self.assertEqual(answer.body, self.ask("", path).body)
        answer = self.ask("json", stream=True, stream_options={"include_usage": True})
        self.assertEqual((answer.status, answer.header("Content-Type")), (200, "application/json"))

    def test_a_redirect_names_a_place(self):
        self.assertEqual((self.ask("302").status, self.ask("302").header("Location")), (302, "/login"))


class Plays(Faults):
    """How often, and in which order."""

    def test_the_first_requests_of_a_name_and_then_health(self):
        self.assertEqual(self.statuses("429+x2", 4), [429, 429, 200, 200])
        self.assertEqual(self.statuses("429+x2+id=another", 3), [429, 429, 200])
        self.assertEqual(self.statuses("503", 3), [503] * 3)

    def test_acts_follow_each_other(self):
        self.assertEqual(self.statuses("429+retry_after=1+x2+503+x1+ok+x1+500", 6), [429, 429, 503, 200, 500, 500])
        self.assertEqual(self.statuses("503+x1+ok+x2+loop", 7), [503, 200, 200, 503, 200, 200, 503])

    def test_an_act_that_lasts_a_while(self):
        begin = len(self.mock.requests())
        while self.ask("429+for=300ms").status == 429:
            pass
        self.assertEqual(self.ask("429+for=300ms").status, 200)
        times = [(line["at_ms"], line["status"]) for line in self.mock.requests()[begin:]]
        self.assertGreater(len(times), 3)
        for at, status in times:
            self.assertEqual(status, 429 if at - times[0][0] < 300 else 200, times)

    def test_health_is_that_of_the_plain_model(self):
        self.ask("429+x1")
        for stream in (False, True):
            self.assertEqual(self.ask("429+x1", stream=stream).body, self.ask("", stream=stream).body)
        self.assertEqual(self.call("POST", CHAT, body=chat("nope+429+x1")).status, 429)
        self.assertEqual(self.call("POST", CHAT, body=chat("nope+429+x1")).json["error"]["code"], "model_not_found")
        self.assertNotIn("+", self.call("GET", "/v1/models").text)

    def test_every_endpoint_that_names_a_model(self):
        for path in ("completions", "embeddings", "audio/speech", "messages/count_tokens", "responses"):
            body = {"model": "mock-1+503", "prompt": "x", "input": "x", "messages": [{"role": "user", "content": "x"}]}
            self.assertEqual(self.call("POST", "/v1/" + path, body=body).status, 503, path)
        form = ('--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nmock-voice+503\r\n--b\r\nContent-Disposition: '
                'form-data; name="file"; filename="a"\r\n\r\nsound\r\n--b--\r\n').encode()
        kind = [("Content-Type", "multipart/form-data; boundary=b")]
        self.assertEqual(self.call("POST", "/v1/audio/transcriptions", kind, form).status, 503)

    def test_a_header_asks_for_the_same_and_anywhere(self):
        fault = [("x-mock-fault", "429+retry_after=3+x1")]
        answers = [self.call("GET", "/v1/models", fault) for _ in range(2)]
        self.assertEqual([a.status for a in answers], [429, 200])
        self.assertEqual(answers[0].header("Retry-After"), "3")
        self.assertEqual(self.ask("503", headers=[("x-mock-fault", "500")]).status, 500)  # it comes before the name

    def test_words_that_are_not_understood_are_400_and_say_why(self):
        for fault, why in (("retry_aftr=2", "did you mean `retry_after`"), ("429+x0", "at least 1"), ("429+", "empty word"),
                           ("x2", "follows a fault"), ("loop", "acts that end"), ("429+503", "twice"),
                           ("700", "from 200 to 599"), ("199", "from 200 to 599"), ("429+retry_after", "needs a value"),
                           ("429+reset=soon", "must be seconds"), ("429+shape=round", "openai"), ("html=1", "no value"),
                           ("code=x", "need a status"), ("413+early", "x-mock-fault"), ("close=1+rst=2", "is enough"),
                           ("429+drip=fast", "duration"), ("429+loop+x2", "acts that end"), ("quota+missing", "one is enough"),
                           ("429+retry_after=1\r\nX: y", "control"), ("503+x1+loop+503", "last"), ("429+for=0s", "duration")):
            answer = self.ask(fault)
            self.assertEqual((answer.status, answer.json["error"]["code"]), (400, "mock_fault"), fault)
            self.assertIn(why, answer.json["error"]["message"], fault)

    def test_what_was_done_is_recorded(self):
        before = len(self.mock.requests())
        begin = time.monotonic()
        self.ask("429+x1")
        time.sleep(0.05)
        self.ask("429+x1")
        with socket.create_connection(self.address, PATIENCE) as peer:
            peer.sendall(request_bytes("POST", CHAT, self.head(), chat("mock-1+hang")))
            wait_for(lambda: len(self.mock.requests()) == before + 3)
        self.call("GET", "/v1/models", key="wrong")
        elapsed = (time.monotonic() - begin) * 1000
        lines = self.mock.requests()[before:]
        self.assertEqual([(line["status"], line["fault"], line["key"]) for line in lines], [
            (429, "429", "default"), (200, None, "default"), (None, "hang", "default"), (401, None, None)])
        times = [line["at_ms"] for line in lines]
        self.assertEqual(times, sorted(times))
        self.assertTrue(50 <= times[1] - times[0] and times[-1] - times[0] <= elapsed, times)
        state = self.state()
        self.assertEqual((state["requests"], state["statuses"]), (4, {"200": 1, "401": 1, "429": 1, "none": 1}))
        self.assertEqual((state["models"], state["faults"]), ({"mock-1": 3}, {"429": 1, "hang": 1}))
        self.assertEqual(state["keys"]["default"], {"requests": 3, "refused": 1, "left": None})


class Wire(Faults):
    """Ends at a byte, silence, and slowness."""

    def test_an_answer_ends_at_every_byte_with_fin_or_rst(self):
        whole, _ = self.raw("429+id=a")
        self.assertGreater(len(whole), 200)
        masked = re.sub(rb"(Date: |req_mock_)[^\r]*", rb"\1", whole)
        for how, end in (("close", "FIN"), ("rst", "RST")):
            for count in range(0, len(whole) + 1):
                got, ended = self.raw(f"429+{how}={count}")
                self.assertEqual((len(got), ended), (count, end), how)
                self.assertTrue(masked.startswith(re.sub(rb"(Date: |req_mock_)[^\r]*", rb"\1", got)) or count < 100)

    def test_a_stream_ends_at_any_byte(self):
        whole, _ = self.raw("ok", stream=True)
        for count in (0, 1, 15, len(whole) // 3, len(whole) // 2, len(whole) - 6, len(whole) - 1):
            for how, end in (("close", "FIN"), ("rst", "RST")):
                got, ended = self.raw(f"{how}={count}", stream=True)
                self.assertEqual((len(got), ended), (count, end), how)
        whole = self.raw("ok", stream=True)[0].split(b"\r\n\r\n", 1)[1]
        for count in (len(whole) - 5, len(whole) - 1, 1):  # -5: all but the last chunk, which alone says "complete"
            head, ended = self.raw("events=0", stream=True)
            at = len(head) - 5 + count  # behind a head of the same length
            cut = self.raw(f"close={at}", stream=True)[0]
            self.assertEqual(cut.split(b"\r\n\r\n", 1)[1], whole[:count])

    def test_an_end_behind_the_answer_leaves_it_whole(self):
        for how, end in (("close", "FIN"), ("rst", "RST")):
            for stream in (False, True):
                got, ended = self.raw(how, close=False, stream=stream)
                self.assertEqual(ended, end)
                self.assertNotIn(b"Connection: close", got)
                self.assertTrue(got.endswith(b"0\r\n\r\n" if stream else b"}"))
        got, ended = self.raw("rst=1000000")  # never reached: nothing happens
        self.assertEqual((ended, got.endswith(b"}")), ("FIN", True))

    def test_nothing_that_was_sent_is_lost_to_a_reset(self):
        with socket.socket() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.settimeout(PATIENCE)
            peer.connect(self.address)
            headers = self.head([("x-mock-bytes", "3000000")])
            peer.sendall(request_bytes("POST", CHAT, headers, chat("mock-1+rst=2000000")))
            time.sleep(0.1)  # the mock runs into a full buffer
            got, ended = drain(peer)
        self.assertEqual((len(got), ended), (2_000_000, "RST"))

    def test_silence_lasts_until_the_client_leaves(self):
        def descriptors():
            return len(os.listdir(f"/proc/{self.mock.pid}/fd"))
        self.state()
        wait_for(lambda: descriptors() < 20)
        before = descriptors()
        for fault, count, stream in (("hang", 0, False), ("stall=0", 0, True), ("stall=100", 100, False),
                                     ("stall=700", 700, True)):
            with socket.create_connection(self.address, PATIENCE) as peer:
                peer.sendall(request_bytes("POST", CHAT, self.head(), chat("mock-1+" + fault, stream=stream)))
                got = b""
                while len(got) < count:
                    got += peer.recv(65536)
                peer.settimeout(0.15)
                with self.assertRaises(socket.timeout):
                    peer.recv(1)
                self.assertEqual(len(got), count)
        wait_for(lambda: descriptors() <= before)

    def test_delay_and_drip(self):
        begin = time.monotonic()
        self.ask("ok+delay=120ms+jitter=20ms")
        self.assertGreaterEqual(time.monotonic() - begin, 0.12)
        begin = time.monotonic()
        got, _ = self.raw("drip=1ms+drip_bytes=10")
        self.assertGreaterEqual(time.monotonic() - begin, (len(got) / 10 - 2) * 0.001)
        self.assertTrue(got.endswith(b"}"))
        with socket.create_connection(self.address, PATIENCE) as peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer.sendall(request_bytes("POST", CHAT, self.head(), chat("mock-1+429+drip=5ms+close=12")))
            pieces = []
            while piece := peer.recv(65536):
                pieces.append(piece)
        self.assertEqual((b"".join(pieces), len(pieces) > 3), (b"HTTP/1.1 429", True))

    def test_an_answer_before_the_body_was_read(self):
        headers = self.head([("Content-Length", "100000"), ("x-mock-fault", "413+early")])
        with socket.create_connection(self.address, PATIENCE) as peer:
            peer.sendall(request_bytes("POST", CHAT, headers))
            raw, ended = drain(peer)
        self.assertEqual(ended, "FIN")
        self.assertTrue(raw.startswith(b"HTTP/1.1 413") and b"Connection: close" in raw and raw.endswith(b"}"))
        self.assertEqual((self.mock.requests()[-1]["status"], self.mock.requests()[-1]["body_bytes"]), (413, 0))
        for fault, count in (("early+rst=0", 0), ("early+429+rst=9", 9)):
            headers = self.head([("Content-Length", "100000"), ("x-mock-fault", fault)])
            with socket.create_connection(self.address, PATIENCE) as peer:
                peer.sendall(request_bytes("POST", CHAT, headers) + b"x" * 1000)
                got, ended = drain(peer)
            self.assertEqual((len(got), ended), (count, "RST"))

    def test_an_early_answer_can_be_read_while_the_body_is_being_sent(self):
        headers = self.head([("Content-Length", "50000000"), ("x-mock-fault", "401+early")])
        with socket.create_connection(self.address, PATIENCE) as peer:
            peer.sendall(request_bytes("POST", CHAT, headers))
            sent, wrote = 0, None
            try:
                while sent < 50_000_000 and not wrote:
                    sent += peer.send(b"x" * 65536)
                    wrote = None
                    peer.setblocking(False)
                    try:
                        wrote = peer.recv(65536)
                    except BlockingIOError:
                        pass
                    peer.setblocking(True)
            except OSError as error:
                self.fail(f"no answer before {error!r}")
            self.assertTrue(wrote.startswith(b"HTTP/1.1 401"))


class Secure(Faults):
    """The same ends under TLS."""

    @classmethod
    def setUpClass(cls):
        cls.keys = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.keys.cleanup)
        names = [os.path.join(cls.keys.name, name) for name in ("c.pem", "k.pem")]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=mock", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", names[1], "-out", names[0]], check=True, capture_output=True)
        cls.flags = ("--certificate", names[0], "--certificate-key", names[1])
        cls.context = ssl.create_default_context(cafile=names[0])
        super().setUpClass()

    def setUp(self):
        pass

    def tls_exchange(self, request):
        """(decrypted bytes, how TCP ended, whether TLS was closed in good order)"""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        with socket.create_connection(self.address, PATIENCE) as peer:
            def step(action):
                while True:
                    try:
                        return action()
                    except ssl.SSLWantReadError:
                        peer.sendall(outgoing.read())
                        piece = peer.recv(65536)
                        incoming.write(piece) if piece else incoming.write_eof()
            step(tls.do_handshake)
            tls.write(request)
            got, proper = b"", True
            try:
                while piece := step(lambda: tls.read(65536)):
                    got += piece
                end = "FIN"
            except ssl.SSLEOFError:
                end, proper = "FIN", False
            except ConnectionResetError:
                end, proper = "RST", False
            return got, end, proper

    def test_ends_at_a_byte_and_no_close_notify_says_that_it_was_meant(self):
        for stream in (False, True):
            for how, end in (("close", "FIN"), ("rst", "RST")):
                for count in (0, 1, 100, 400):
                    fault = chat(f"mock-1+{how}={count}", stream=stream)
                    got, ended, proper = self.tls_exchange(request_bytes("POST", CHAT, self.head(), fault))
                    self.assertEqual((len(got), ended, proper), (count, end, False))
        close = self.head([("Connection", "close")])
        got, ended, proper = self.tls_exchange(request_bytes("POST", CHAT, close, chat()))
        self.assertEqual((got[:12], ended, proper), (b"HTTP/1.1 200", "FIN", True))


class Limits(Faults):
    """Windows short enough to slide while the test looks."""
    flags = ("--limit", "20/400ms per ip", "--limit", "12/250ms per key 429+reset+retry_after+reset_ms",
             "--key", KEY, "--key", "sk-second")

    def flood(self, connections, until):
        """Pipelined requests on some connections at once, until the clock says so."""
        def run(key):
            request = request_bytes("GET", "/v1/models", [("Authorization", "Bearer " + key)])
            with Connection(self.address) as connection:
                while time.monotonic() < until:
                    connection.send(request * 4)
                    for _ in range(4):
                        connection.read_response()
        threads = [threading.Thread(target=run, args=((KEY, "sk-second")[i % 2],)) for i in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def burst(self, count, key=KEY):
        """The answers to requests that came in one packet."""
        with Connection(self.address) as connection:
            connection.send(request_bytes("GET", "/v1/models", self.head(key=key)) * count)
            return [connection.read_response() for _ in range(count)]

    def test_windows_are_exact(self):
        begin = len(self.mock.requests())
        self.flood(8, time.monotonic() + 1.5)
        lines = self.mock.requests()[begin:]
        windows = {"ip": (20, 400_000, []), "default": (12, 250_000, []), "key-2": (12, 250_000, [])}
        refused = 0
        for line in lines:
            now = round(line["at_ms"] * 1000)
            mine = [windows["ip"], windows[line["key"]]]
            room = all(sum(now - per < t for t in times) < most for most, per, times in mine)
            self.assertEqual(line["status"], 200 if room else 429, line)
            refused += not room
            for _, _, times in mine:
                if room:
                    times.append(now)
        self.assertGreater(refused, 100)
        for most, per, times in windows.values():  # and by the definition, whatever the order of counting
            for first in times:
                self.assertLessEqual(sum(first <= t < first + per for t in times), most)
        fullest = {who: max(sum(first <= t < first + per for t in times) for first in times)
                   for who, (_, per, times) in windows.items()}
        by_ip, by_key = self.state()["limits"]
        self.assertEqual((by_ip["limit"], by_ip["largest"], fullest["ip"]), ("20/400ms per ip", 20, 20))
        self.assertEqual(by_ip["admitted"], len(windows["ip"][2]))
        self.assertEqual({who: (each["admitted"], each["largest"]) for who, each in by_key["each"].items()},
                         {who: (len(windows[who][2]), fullest[who]) for who in ("default", "key-2")})
        self.assertGreaterEqual(by_ip["refused"] + by_key["refused"], refused)

    def test_who_waits_as_told_is_admitted(self):
        for _ in range(3):
            self.tell("reset", {})
            self.call("GET", "/v1/models")
            time.sleep(0.03)  # the place of this first one is the first to become free
            before = time.time() * 1000
            answers = self.burst(12)
            after = time.time() * 1000
            if answers[-1].status == 200:
                continue  # the machine was so slow that the first request had left the window
            last, lines = answers[-1], self.mock.requests()[-13:]
            self.assertEqual([a.status for a in answers], [200] * 11 + [429])
            self.assertEqual((last.json["error"]["type"], last.json["error"]["code"]),
                             ("rate_limit_error", "rate_limit_exceeded"))
            self.assertEqual((last.header("X-RateLimit-Limit"), last.header("X-RateLimit-Remaining")), ("12", "0"))
            second, exact = [int(v) for n, v in last.headers if n == "X-RateLimit-Reset"]
            wait = lines[0]["at_ms"] + 250 - lines[-1]["at_ms"]
            self.assertTrue(before + wait - 2 <= exact <= after + wait + 2, (before, wait, exact, after))
            self.assertTrue(exact <= second * 1000 < exact + 1000)
            self.assertGreaterEqual(int(last.header("Retry-After")) * 1000, wait)
            time.sleep(max(0, exact / 1000 - time.time()))
            self.assertEqual(self.call("GET", "/v1/models").status, 200)


class WideLimits(Faults):
    """Windows that no test lives long enough to see slide."""
    flags = ("--limit", "20/10m per ip", "--limit", "12/5m per key", "--key", KEY, "--key", "sk-second")

    def many(self, count, key=KEY, source="127.0.0.1"):
        return [self.call("GET", "/v1/models", key=key, source=source) for _ in range(count)]

    def test_addresses_and_keys_have_windows_of_their_own(self):
        first, second = self.many(13), self.many(9, "sk-second")
        self.assertEqual([a.status for a in first], [200] * 12 + [429])
        self.assertEqual([a.status for a in second], [200] * 8 + [429])
        self.assertEqual(self.many(1, "sk-second", "127.0.0.2")[0].status, 200)
        self.assertEqual(first[-1].header("X-RateLimit-Limit"), "12")
        self.assertEqual(second[-1].header("X-RateLimit-Limit"), "20")
        both = self.many(1)[0]  # closed twice: the longer wait is told
        self.assertEqual(both.header("X-RateLimit-Limit"), "20")
        each = self.state()["limits"][0]["each"]
        self.assertEqual(each["127.0.0.1"], {"admitted": 20, "refused": 2, "largest": 20})
        self.assertEqual(each["127.0.0.2"], {"admitted": 1, "refused": 0, "largest": 1})

    def test_the_address_counts_whatever_the_key_and_the_path(self):
        self.assertEqual([a.status for a in self.many(20, "wrong")], [401] * 20)
        self.assertEqual(self.call("GET", "/api/models", key=None).status, 429)
        self.assertEqual(self.state()["limits"][1]["each"], {})

    def test_the_mocks_own_pages_are_not_counted(self):
        for _ in range(30):
            self.state()
        self.assertEqual(self.many(1)[0].status, 200)
        state = self.state()
        self.assertEqual((state["requests"], state["limits"][0]["admitted"]), (1, 1))
        self.tell("reset", {})
        self.assertEqual(self.state()["limits"][0]["each"], {})


VENDOR = """
errors: detail
max_body: 2KiB
delay: 20ms
models:
  - mock-1
  - {name: small, context_length: 10}
  - name: large
    context_length: 1000000
keys:
  - {name: payg, secret: sk-payg, quota: 2}
  - {name: plan, secret: sk-plan, quota: 0, when_empty: quota+shape=openai}
  - {name: old, secret: sk-old, refuse: {status: 401, code: expired_api_key, shape: openai}}
  - {name: narrow, secret: sk-narrow, models: [small, "la*"], ips: [127.0.0.2]}
  - {name: open, secret: sk-open}
limits:
  - {requests: 3, per: 300ms, scope: all, counts_refused: true, answer: {status: 503, shape: text, retry_after: true}}
"""


class Vendor(Faults):
    """Models, keys and the like, as a script describes them."""
    script = VENDOR.replace("limits:", "#").replace("  - {requests: 3", "# ")

    def code(self, key, model="mock-1", **more):
        answer = self.call("POST", CHAT, body=chat(model), key=key, **more)
        return answer.status, answer.text

    def test_the_quota_is_used_up_and_topped_up(self):
        self.assertEqual(self.call("GET", "/v1/models", key="sk-payg").status, 200)
        self.assertEqual([self.code("sk-payg")[0] for _ in range(3)], [200, 200, 402])
        self.assertEqual(self.call("GET", "/v1/models", key="sk-payg").status, 200)
        self.assertEqual(self.code("sk-open")[0], 200)
        self.assertEqual(self.tell("topup", {"key": "payg", "requests": 1}).json, {"key": "payg", "left": 1})
        self.assertEqual([self.code("sk-payg")[0] for _ in range(2)], [200, 402])
        self.assertEqual(self.tell("topup", {"key": "sk-payg", "requests": 5}).json["left"], 5)
        self.assertEqual(self.tell("topup", {"key": "payg", "requests": 2}).json["left"], 7)
        self.assertEqual(self.state()["keys"]["payg"], {"requests": 7, "refused": 2, "left": 7})
        for wrong in ({"key": "none", "requests": 1}, {"key": "payg"}, {"key": "payg", "requests": -1}, {}, [],
                      {"key": "open", "requests": 1}):
            self.assertIn(self.tell("topup", wrong).status, (400, 404))

    def test_failures_cost_no_quota(self):
        self.assertEqual(self.code("sk-payg", "mock-1+503")[0], 503)
        self.assertEqual(self.code("sk-payg", "nope")[0], 404)
        self.assertEqual([self.code("sk-payg")[0] for _ in range(3)], [200, 200, 402])

    def test_an_empty_key_answers_as_the_script_says(self):
        status, text = self.code("sk-plan")
        self.assertEqual((status, json.loads(text)["error"]["type"]), (429, "insufficient_quota"))

    def test_keys_that_may_not(self):
        self.assertEqual(self.code("sk-wrong"), (401, '{"detail":"Incorrect API key provided."}'))
        self.assertEqual(self.code(KEY)[0], 401)  # the script's keys stand instead of the usual one
        status, text = self.code("sk-old")
        self.assertEqual((status, json.loads(text)["error"]["code"]), (401, "expired_api_key"))
        self.assertEqual((self.code("sk-narrow")[0], "IP" in self.code("sk-narrow")[1]), (403, True))
        self.assertEqual(self.code("sk-narrow", "small", source="127.0.0.2")[0], 200)
        self.assertEqual(self.code("sk-narrow", "large", source="127.0.0.2")[0], 200)
        self.assertEqual(self.code("sk-narrow", "mock-1", source="127.0.0.2")[0], 403)

    def test_models_are_the_scripts_with_their_context(self):
        data = self.call("GET", "/v1/models", key="sk-open").json["data"]
        self.assertEqual([(m["id"], m.get("context_length")) for m in data],
                         [("mock-1", None), ("small", 10), ("large", 1_000_000)])
        self.assertEqual(self.code("sk-open", "mock-reasoner"), (404, '{"detail":"Model not found: mock-reasoner"}'))
        long = {"messages": [{"role": "user", "content": "word " * 11}]}
        answer = self.call("POST", CHAT, body={"model": "small", **long}, key="sk-open")
        self.assertEqual((answer.status, "maximum context length is 10 tokens" in answer.text), (400, True))
        self.assertEqual(self.call("POST", CHAT, body={"model": "large", **long}, key="sk-open").status, 200)

    def test_large_bodies_are_413_before_they_are_read(self):
        headers = self.head([("Content-Length", "2049")], "sk-open")
        with socket.create_connection(self.address, PATIENCE) as peer:
            peer.sendall(request_bytes("POST", CHAT, headers))
            raw, ended = drain(peer)
        self.assertEqual((raw[:12], ended), (b"HTTP/1.1 413", "FIN"))
        headers = self.head([("Transfer-Encoding", "chunked"), ("Content-Type", "application/json")], "sk-open")
        with socket.create_connection(self.address, PATIENCE) as peer:
            peer.sendall(request_bytes("POST", CHAT, headers) + b"801\r\n" + b" " * 0x801)
            raw, ended = drain(peer)
        self.assertEqual((raw[:12], ended), (b"HTTP/1.1 413", "FIN"))
        self.assertEqual(self.mock.requests()[-1]["status"], 413)
        exact = json.dumps(chat()).ljust(2048).encode()
        self.assertEqual(self.call("POST", CHAT, body=exact, key="sk-open").status, 200)

    def test_every_answer_has_the_scripts_delay(self):
        begin = time.monotonic()
        self.call("GET", "/v1/models", key="sk-open")
        self.assertGreaterEqual(time.monotonic() - begin, 0.02)


class Greedy(Faults):
    """A limiter that counts what it refuses, in a form of its own."""
    script = VENDOR.replace("delay: 20ms", "")

    def test_refused_requests_take_places_too(self):
        begin = len(self.mock.requests())
        until = time.monotonic() + 0.7
        while time.monotonic() < until:
            answer = self.call("GET", "/v1/models", key="sk-open")
        time.sleep(0.3)
        self.assertEqual(self.call("GET", "/v1/models", key="sk-open").status, 200)
        self.assertEqual((answer.header("Retry-After"), answer.header("Content-Type")), ("1", "text/plain; charset=utf-8"))
        times = []
        for line in self.mock.requests()[begin:]:
            now = round(line["at_ms"] * 1000)
            self.assertEqual(line["status"], 200 if sum(now - 300_000 < t for t in times) < 3 else 503)
            times.append(now)
        state = self.state()["limits"][0]["each"]["all"]
        self.assertEqual(state["admitted"] + state["refused"], len(times))
        self.assertGreater(state["refused"], 10)


RULES = """{
  "keys": [{"name": "a", "secret": "sk-a"}, {"name": "b", "secret": "sk-b"}],
  "rules": [
    {"when": {"model": "mock-1", "key": "a"},
     "answers": [{"status": 429, "retry_after": 2, "times": 2, "headers": {"X-Extra": "yes"}}, "503+x1+500"]},
    {"when": {"model": ["mock-r*", "Mock-*"], "stream": true}, "answers": [{"sse_error": 1, "status": 529}], "then": "repeat-last"},
    {"when": {"path": "emb*dings"}, "answers": [{"ok": true}, {"status": 503}], "then": "loop"},
    {"when": {"header": {"x-case": "7*"}}, "answers": {"body": {"error": "own", "n": [1, true, null, "1"]}}, "then": "repeat-last"},
    {"when": {"header": {"x-case": "text"}},
     "answers": {"status": 418, "body": "<b>", "headers": {"Content-Type": "text/html"}}, "then": "repeat-last"},
    {"when": {"header": {"x-case": "early"}, "method": "POST"}, "answers": [{"status": 413, "early": true}], "then": "repeat-last"},
    {"when": {"header": {"x-case": "for"}, "ip": "127.*"}, "answers": [{"status": 500, "for": "200ms"}]},
    {"when": {"header": {"x-case": "cut"}}, "answers": [{"close": 30, "times": 1}, {"rst": true}]},
    {"when": {"path": "/v1/models/*"}, "answers": ["404"], "then": "repeat-last"},
    {"when": {"header": {"x-case": "options"}}, "answers": "no_stream_options", "then": "repeat-last"}
  ]
}"""


class Scripts(Faults):
    script = RULES

    def ask(self, fault="", path=CHAT, headers=(), key="sk-b", **more):
        return super().ask(fault, path, headers, key, **more)

    def head(self, headers=(), key="sk-b"):
        return super().head(headers, "sk-b" if key == KEY else key)

    def case(self, name):
        return self.ask(headers=[("x-case", name)])

    def test_answers_come_one_after_another(self):
        answers = [self.ask(key="sk-a") for _ in range(6)]
        self.assertEqual([a.status for a in answers], [429, 429, 503, 500, 200, 200])
        self.assertEqual((answers[1].header("Retry-After"), answers[1].header("X-Extra")), ("2", "yes"))
        self.assertEqual(self.ask(key="sk-b").status, 200)
        self.assertEqual(self.state()["rules"][0], {"line": 4, "given": 4})
        self.tell("reset", {})
        self.assertEqual(self.ask(key="sk-a").status, 429)

    def test_patterns_of_models_and_streams(self):
        for model in ("mock-reasoner", "Mock-Cased-70B"):
            self.assertIn("overloaded", self.call("POST", CHAT, body=chat(model, stream=True)).text)
            self.assertEqual(self.call("POST", CHAT, body=chat(model)).json["object"], "chat.completion")

    def test_a_loop_begins_again(self):
        body = {"model": "mock-embed", "input": "x"}
        self.assertEqual([self.call("POST", "/v1/embeddings", body=body).status for _ in range(5)], [200, 503, 200, 503, 200])

    def test_bodies_of_ones_own(self):
        self.assertEqual(self.case("77").json, {"error": "own", "n": [1, True, None, "1"]})
        answer = self.case("text")
        self.assertEqual((answer.status, answer.body, answer.header("Content-Type")), (418, b"<b>", "text/html"))
        self.assertEqual(self.case("7").json["error"], "own")
        self.assertEqual(self.case("8").json["object"], "chat.completion")

    def test_a_rule_can_answer_early(self):
        headers = self.head([("Content-Length", "1000"), ("x-case", "early")])
        with socket.create_connection(self.address, PATIENCE) as peer:
            peer.sendall(request_bytes("POST", CHAT, headers))
            raw, ended = drain(peer)
        self.assertEqual((raw[:12], ended), (b"HTTP/1.1 413", "FIN"))

    def test_an_answer_for_a_while(self):
        begin = time.monotonic()
        while self.case("for").status == 500:
            pass
        self.assertGreaterEqual(time.monotonic() - begin, 0.15)

    def test_ends_and_paths(self):
        with Connection(self.address) as connection:
            connection.send(request_bytes("GET", "/v1/files", self.head([("x-case", "cut")])))
            self.assertEqual(len(drain(connection.socket)[0]), 30)
        with Connection(self.address) as connection:
            connection.send(request_bytes("GET", "/v1/files", self.head([("x-case", "cut")])))
            self.assertEqual(drain(connection.socket)[1], "RST")
        self.assertEqual(self.call("GET", "/v1/models/mock-1").status, 404)
        self.assertEqual(self.call("GET", "/v1/models").status, 200)

    def test_a_rule_that_does_not_concern_a_request_leaves_it_to_the_next(self):
        case = [("x-case", "options")]
        self.assertEqual(self.ask("503", headers=case).status, 503)
        wanted = {"stream": True, "stream_options": {"include_usage": True}}
        self.assertEqual(self.ask("503", headers=case, **wanted).status, 400)

    def test_header_rule_name_is_the_order(self):
        self.assertEqual(self.ask("400", headers=[("x-case", "text"), ("x-mock-fault", "500+x1")]).status, 500)
        self.assertEqual(self.ask("400", headers=[("x-case", "text"), ("x-mock-fault", "500+x1")]).status, 418)
        self.assertEqual(self.ask("400").status, 400)


class Mistakes(unittest.TestCase):
    def run_with(self, text, *flags):
        with tempfile.TemporaryDirectory() as folder:
            name = os.path.join(folder, "s.yaml")
            with open(name, "w") as file:
                file.write(text)
            command = [BINARY, "mock", "--listen", "127.0.0.1:0", "--script", name, *flags]
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
            self.assertEqual((done.returncode, done.stdout), (1, ""), text)
            return done.stderr.replace(name, "FILE").splitlines()

    def test_all_mistakes_of_a_file_are_told_with_their_place(self):
        lines = self.run_with("""\
rule: []
models: [mock-1, mock-1, {name: x, context: 5}]
keys:
  - {name: a}
  - {name: b, secret: s, quota: many}
limits:
  - 5 a minute
  - {requests: 5, per: 1s, scope: town, answer: 429+x2}
  - {requests: 0, per: 1s}
max_body: huge
delay: slow
errors: round
rules:
  - when: {modell: x, key: c, stream: perhaps}
    answers:
      - {status: 429, retry_aftr: 2}
      - {status: 42}
      - 503+x0
      - {headers: {Content-Length: 5}}
      - {status: 500, times: 0}
      - {retry_after: true}
      - {status: 500, times: 2, for: 1s}
    then: again
  - {answers: [{early: true, status: 413}], when: {model: x}}
  - {when: {path: x}}
""")
        wanted = [(1, 1, "did you mean `rules`"), (2, 18, "listed twice"), (2, 36, "known are name, context_length"),
                  (4, 5, "a `name` and a `secret`"), (5, 33, "`quota` must be a whole number"),
                  (7, 5, "1500/3m per ip"), (8, 35, "ip, key or all"), (8, 49, "no count"),
                  (9, 16, "from 1 on"), (10, 11, "64KiB"), (11, 8, "250ms"), (12, 9, "openai, apertis"),
                  (14, 12, "did you mean `model`"), (14, 28, "no key is named `c`"), (14, 39, "true or false"),
                  (16, 23, "did you mean `retry_after`"), (17, 18, "from 200 to 599"), (18, 9, "at least 1"),
                  (19, 20, "by the mock itself"), (20, 30, "from 1 on"), (21, 23, "needs a value"),
                  (22, 9, "not both"), (23, 11, "healthy, repeat-last or loop"), (24, 15, "`early` comes before the body"),
                  (25, 5, "needs `answers`")]
        for line, (row, column, text) in zip(lines, wanted):
            self.assertTrue(line.startswith(f"FILE:{row}:{column}: ") and text in line, (line, row, column, text))
        self.assertEqual(len(lines), len(wanted), lines)

    def test_what_is_no_yaml_at_all(self):
        for text, place in (("rules: [", r"FILE:\d+:\d+: YAML syntax"), ("- a\n", "FILE:1:1: .*must be a map"),
                            ('{"rules": [}', r"FILE:\d+:\d+: YAML syntax"), ("delay: 5s\ndelay: 6s\n", "FILE:2:1: .*twice")):
            lines = self.run_with(text)
            self.assertRegex(lines[0], place)

    def test_flags(self):
        for flags, why in ((["--limit", "5 per key"], "1500/3m per ip"), (["--limit", "5/1s 503+bogus"], "no word"),
                           (["--script", "/nonexistent/x"], "cannot read"), (["--key", ""], "empty"),
                           (["--listen", "0.0.0.0:0"], "--key")):
            command = [BINARY, "mock", "--listen", "127.0.0.1:0", *flags]
            if flags[0] == "--listen":
                command = [BINARY, "mock", *flags]
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
            self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (1, "", 1), done.stderr)
            self.assertIn(why, done.stderr)


class Readme(Faults):
    """What the user's page shows works as it stands there."""
    text = (Path(__file__).parent / "../../src/mock/README.md").read_text(encoding="utf-8")
    script = re.search(r"```yaml\n(.*?)```", text, re.S).group(1)

    def test_its_examples_are_understood(self):
        examples = set(re.findall(r"(?:^|`)(mock-1\+[\w+=.-]+)", self.text, re.M))
        self.assertGreater(len(examples), 8)
        for model in examples:
            with Connection(self.address) as connection:
                connection.send(request_bytes("POST", CHAT, self.head(key="sk-one"), chat(model)))
                with contextlib.suppress(AssertionError):  # a reset shows no head
                    self.assertNotEqual(connection.read_response().status, 400, model)
        self.assertEqual(self.mock.requests()[-1]["key"], "payg")


class Many(Faults):
    def test_hundreds_of_connections_at_once(self):
        request = request_bytes("POST", CHAT, self.head([("x-mock-tokens", "3")]), chat("mock-1+429+x500+id=many"))
        connections = [Connection(self.address) for _ in range(300)]
        for connection in connections:
            self.addCleanup(connection.close)
        statuses = []
        for _ in range(3):
            for connection in connections:
                connection.send(request)
            statuses += [connection.read_response().status for connection in connections]
        self.assertEqual((statuses.count(429), statuses.count(200)), (500, 400))
        self.assertEqual(self.state()["models"], {"mock-1": 900})


if __name__ == "__main__":
    unittest.main()
