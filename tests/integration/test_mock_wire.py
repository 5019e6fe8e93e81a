"""How the mock's answers break and how else they are written, plain and under TLS: each end at its byte, each fault of a
stream at its event, and rewrites that a reader of the standard does not notice."""
import json
import os
import re
import select
import socket
import ssl
import subprocess
import tempfile
import unittest
import zlib

from harness import KEY, PATIENCE, Mock, request_bytes

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"


def payload_of(raw):
    """(the body without its chunks, whether the last chunk came, offsets in `raw` where a chunk ended)"""
    head, _, _ = raw.partition(b"\r\n\r\n")
    at, body, borders = len(head) + 4, b"", [len(head) + 4]
    while found := re.compile(rb"([0-9a-f]+)\r\n").match(raw, at):
        size = int(found.group(1), 16)
        piece = raw[found.end():found.end() + size]
        body += piece
        at = found.end() + size + 2
        if size == 0:
            return body, True, borders
        if at > len(raw):
            break
        borders.append(at)
    return body, False, borders


def read_events(stream):
    """(event, data) of each event as the standard has it: a text/event-stream of any line ends. Names without an event
    are None; a last event without its blank line counts when it is whole."""
    text = stream.decode("utf-8").removeprefix("\ufeff")
    events, name, data = [], None, []
    for line in re.split("\r\n|\n|\r", text) + [""]:
        if line == "":
            if data:
                events.append((name, "\n".join(data)))
            name, data = None, []
        elif line.startswith(":"):
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
    return events


def meaning(stream):
    return [(name, data if data == "[DONE]" else json.loads(data)) for name, data in read_events(stream)]


class TlsPeer:
    """A TLS client over a plain socket of ours: Python's own can't tell a reset from a FIN."""

    def __init__(self, peer, context):
        self.peer, self.incoming, self.outgoing = peer, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing)
        self.pump(self.tls.do_handshake)

    def pump(self, step, *arguments):
        while True:
            try:
                return step(*arguments)
            except ssl.SSLWantReadError:
                self.flush()
                raw = self.peer.recv(65536)
                self.incoming.write(raw) if raw else self.incoming.write_eof()
            finally:
                self.flush()

    def flush(self):
        if self.outgoing.pending:
            self.peer.sendall(self.outgoing.read())

    def sendall(self, data):
        self.pump(self.tls.write, data)

    def recv(self, most):
        try:
            return self.pump(self.tls.read, most)
        except ssl.SSLZeroReturnError:
            return b""

    def fileno(self):
        return self.peer.fileno()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.peer.close()


class Wire(unittest.TestCase):
    tls = None
    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.mock = Mock(*cls.flags)
        cls.addClassCleanup(cls.mock.stop)
        cls.healthy = {}

    def setUp(self):
        for path in () if self.healthy else (CHAT, MESSAGES, RESPONSES):
            self.healthy[path] = self.fetch("", path)[0]

    def connect(self):
        peer = socket.create_connection(("127.0.0.1", self.mock.port), PATIENCE)
        return TlsPeer(peer, self.tls) if self.tls else peer

    def send(self, peer, fault, path=CHAT, headers=(), text="hello", **more):
        body = {"model": "mock-1" + ("+" + fault if fault else ""), "stream": True, **more}
        body.update({"input": text} if path == RESPONSES else {"messages": [{"role": "user", "content": text}]})
        if path == MESSAGES:
            body["max_tokens"] = 1000
        fields = [("Authorization", "Bearer " + KEY), ("Connection", "close"), *headers]
        peer.sendall(request_bytes("POST", path, fields, body))

    def fetch(self, fault, path=CHAT, headers=(), **more):
        """(all bytes of the answer, how it ended: FIN, RST, or under TLS a FIN without close_notify: RAGGED)"""
        with self.connect() as peer:
            self.send(peer, fault, path, headers, **more)
            return self.drain(peer)

    @staticmethod
    def drain(peer):
        raw = b""
        try:
            while piece := peer.recv(65536):
                raw += piece
            return raw, "FIN"
        except ConnectionResetError:
            return raw, "RST"
        except ssl.SSLEOFError:
            return raw, "RAGGED"

    def fresh(self, fault):
        """The fault under an id of its own: its play begins anew."""
        Wire.counter = getattr(Wire, "counter", 0) + 1
        return f"{fault}+id={Wire.counter}"

    def without_date(self, raw):
        return re.sub(rb"(Date|X-Request-Id): [^\r]*", b"", raw)


class Ends(Wire):
    """Where and how the bytes end. The cuts stand behind the head's names of the request, which differ in length."""
    CUTS = (0, 1, 40, 250, 330, 331, 332, 600, 777, 1000, 2000)
    ABRUPT = "FIN"

    def test_an_end_behind_a_byte(self):
        for words, end in (("close", self.ABRUPT), ("tls_fin", self.ABRUPT), ("close_notify", "FIN"), ("rst", "RST")):
            for cut in self.CUTS:
                raw, how = self.fetch(self.fresh(f"{words}={cut}"))
                self.assertEqual((len(raw), how), (cut, end), (words, cut))
                self.assertEqual(self.without_date(raw)[:15], self.without_date(self.healthy[CHAT])[:min(cut, 15)])

    def test_a_fin_on_a_chunk_border(self):
        for cut in self.CUTS + (10 ** 6,):
            raw, how = self.fetch(self.fresh(f"fin_chunk={cut}"))
            self.assertEqual(how, self.ABRUPT, cut)
            _, whole, borders = payload_of(raw)
            self.assertFalse(whole)
            self.assertEqual(len(raw), borders[-1], "nothing behind the border")
            self.assertGreaterEqual(len(raw), min(cut, 2001))
            if len(borders) > 1 and cut < 10 ** 6:
                self.assertLess(borders[-2], cut, "it is the first one")

    def test_a_border_at_the_byte_itself_is_the_one(self):
        borders = payload_of(self.healthy[CHAT])[2]
        head = self.fetch(self.fresh("fin_chunk=0"))[0]
        shift = len(head) - borders[0]  # the request's number in the head may be longer by now
        for border in borders[:4]:
            self.assertEqual(len(self.fetch(self.fresh(f"fin_chunk={border + shift}"))[0]), border + shift)

    def test_torn_json_is_torn_between_characters(self):
        for before in range(4):
            text = "Repeat exactly, nothing else: " + "x" * before + "日" * 300
            self.assertIn("日\n\n", payload_of(self.fetch(self.fresh("garbage=1"), text=text)[0])[0].decode())

    def test_a_clean_end_behind_a_byte_of_the_payload(self):
        whole = payload_of(self.healthy[CHAT])[0]
        for cut in (0, 1, 100, len(whole) // 2, len(whole), 10 ** 6):
            raw, how = self.fetch(self.fresh(f"end_chunked={cut}"))
            payload, ended, _ = payload_of(raw)
            self.assertTrue(ended)
            self.assertEqual((len(payload), how), (min(cut, len(whole)), "FIN"))
        raw, _ = self.fetch(self.fresh("end_chunked=50"), stream=False)
        self.assertEqual((len(payload_of(raw)[0]), payload_of(raw)[1]), (50, True))

    def test_comments_and_nothing_else(self):
        for cut in (1, 700, 1500):
            with self.connect() as peer:
                self.send(peer, self.fresh(f"stall_comments={cut}"))
                raw = b""
                while raw.count(b": keep-alive\n\n") < 3:
                    raw += peer.recv(65536)
            events, _, comments = payload_of(raw)[0].partition(b": keep-alive\n\n")
            self.assertEqual(comments.replace(b": keep-alive\n\n", b""), b"")
            self.assertTrue(payload_of(self.healthy[CHAT])[0].startswith(events))
            self.assertTrue(events == b"" or events.endswith(b"\n\n"))
            self.assertGreater(len(raw), cut)
        with self.connect() as peer:
            self.send(peer, self.fresh("stall_comments=300"), stream=False)
            raw = b""
            while len(raw) < 300:
                raw += peer.recv(300)
            self.assertEqual(len(raw), 300)
            self.assertEqual(select.select([peer], [], [], 0.12)[0], [])

    def test_a_stall_is_silence(self):
        with self.connect() as peer:
            self.send(peer, self.fresh("stall=500"))
            raw = b""
            while len(raw) < 500:
                raw += peer.recv(65536)
            self.assertEqual((len(raw), select.select([peer], [], [], 0.12)[0]), (500, []))

    def test_compressed_answers(self):
        for stream in (True, False):
            raw, _ = self.fetch(self.fresh("gzip"), stream=stream)
            plain, _ = self.fetch("", stream=stream)
            self.assertIn(b"Content-Encoding: gzip\r\n", raw)
            body = payload_of(raw)[0] if stream else raw.split(b"\r\n\r\n", 1)[1]
            self.assertEqual(zlib.decompress(body, 31), payload_of(plain)[0] if stream else plain.split(b"\r\n\r\n", 1)[1])
        raw, how = self.fetch(self.fresh("gzip+close=700"))
        reader = zlib.decompressobj(31)
        got = reader.decompress(payload_of(raw)[0])
        self.assertEqual((len(raw), how, reader.eof), (700, self.ABRUPT, False))
        self.assertTrue(got and payload_of(self.healthy[CHAT])[0].startswith(got))

    def test_http_1_0_ends_by_closing(self):
        for stream in (True, False):
            raw, how = self.fetch(self.fresh("http10"), stream=stream)
            plain, _ = self.fetch("", stream=stream)
            head, _, body = raw.partition(b"\r\n\r\n")
            self.assertTrue(head.startswith(b"HTTP/1.0 200 OK"))
            self.assertNotRegex(head, b"(?i)transfer-encoding|content-length")
            self.assertEqual((body, how), (payload_of(plain)[0] if stream else plain.split(b"\r\n\r\n", 1)[1], "FIN"))
        raw, how = self.fetch(self.fresh("http10+close=800"))
        self.assertEqual((len(raw), how), (800, self.ABRUPT))

    def test_acts_break_the_first_answers_only(self):
        fault = self.fresh("close=900+x1+rst=300+x1+503+x1")
        seen = [(len(raw), how) for raw, how in (self.fetch(fault) for _ in range(2))]
        self.assertEqual(seen, [(900, self.ABRUPT), (300, "RST")])
        self.assertTrue(self.fetch(fault)[0].startswith(b"HTTP/1.1 503"))
        self.assertEqual(payload_of(self.fetch(fault)[0])[:2], payload_of(self.healthy[CHAT])[:2])

    def test_breaks_between_events(self):
        for path in (CHAT, MESSAGES, RESPONSES):
            whole = payload_of(self.healthy[path])[0].decode().split("\n\n")[:-1]
            for count in (0, 1, 4):
                before = "".join(event + "\n\n" for event in whole[:count])
                for word, behind in (("events", ""), ("early_done", "data: [DONE]\n\n")):
                    payload, ended, _ = payload_of(self.fetch(self.fresh(f"{word}={count}"), path)[0])
                    self.assertEqual((payload.decode(), ended), (before + behind, True), (word, path))
                payload, ended, _ = payload_of(self.fetch(self.fresh(f"torn={count}"), path)[0])
                half = payload.decode().removeprefix(before)
                self.assertTrue(ended and half and (whole[count] + "\n\n").startswith(half) and "\n\n" not in half)
                payload = payload_of(self.fetch(self.fresh(f"garbage={count}"), path)[0])[0].decode().split("\n\n")[:-1]
                self.assertEqual(payload[:count] + payload[count + 1:], whole[:count] + whole[count + 1:])
                self.assertTrue(whole[count].startswith(payload[count]))
                with self.assertRaises(ValueError):
                    json.loads(payload[count].split("data: ")[1])

    def test_errors_in_a_stream(self):
        def last(words, path=CHAT, count=3):
            events = payload_of(self.fetch(self.fresh(f"sse_error={count}+{words}"), path)[0])[0].decode().split("\n\n")[:-1]
            self.assertEqual(events[:count], payload_of(self.healthy[path])[0].decode().split("\n\n")[:count])
            return events[count:]
        self.assertEqual(json.loads(last("503")[0][6:])["error"]["type"], "server_error")
        self.assertEqual(json.loads(last("context")[0][6:])["error"]["code"], "context_length_exceeded")
        self.assertEqual(json.loads(last("500+shape=string+message=gone")[0][6:]), {"error": "gone"})
        self.assertTrue(last("500+shape=field+message=gone")[0].startswith('error: {"message":"gone"'))
        self.assertTrue(last("500+shape=event+message=gone")[0].startswith('event: error\ndata: {"error":{"message":"gone"'))
        chunk = json.loads(last("502+shape=finish_error+message=gone")[0][6:])
        self.assertEqual((chunk["choices"][0]["finish_reason"], chunk["error"]), ("error", {"code": 502, "message": "gone"}))
        for shape in ("openai", "string", "field", "event", "finish_error"):
            self.assertEqual(len(last(f"500+shape={shape}")), 1)
            self.assertEqual(last(f"500+shape={shape}+then_done")[1:], ["data: [DONE]"], shape)
        for path in (MESSAGES, RESPONSES):
            self.assertTrue(last("529", path)[0].startswith("event: error\n"))


class Rewrites(Wire):
    """Other ways to write the same stream. Each is really another one, and says the same."""
    WORDS = ("crlf", "cr", "bom", "comments", "coalesce=3", "coalesce=1000", "no_space", "multi_line", "ids", "no_blank_at_end",
             "empty_data_first", "drip=1ms+drip_bytes=300", "drip_bytes=9", "crlf+bom+comments+multi_line+ids+no_space+empty_data_first+coalesce=2",
             "cr+comments+multi_line", "gzip+crlf+multi_line")

    def test_a_reader_sees_no_difference(self):
        for path in (CHAT, MESSAGES, RESPONSES):
            plain = payload_of(self.healthy[path])[0]
            for words in self.WORDS:
                raw, _ = self.fetch(self.fresh(words), path, [("x-mock-text", "words")])
                payload, ended, borders = payload_of(raw)
                payload = zlib.decompress(payload, 31) if words.startswith("gzip") else payload
                self.assertTrue(ended)
                self.assertEqual(meaning(payload), meaning(plain), (words, path))
                same = words.startswith(("coalesce", "drip"))
                self.assertEqual(payload == plain, same, words)
                if words.startswith("coalesce"):
                    self.assertLess(len(borders), len(payload_of(self.healthy[path])[2]) / 2)

    def test_brackets_and_quotes_inside_strings_stay_on_their_line(self):
        for shape in ("code", "json", "emoji"):
            plain, laid = (payload_of(self.fetch(self.fresh(words), headers=[("x-mock-text", shape), ("x-mock-tokens", "200")])[0])[0]
                           for words in ("ok", "multi_line"))
            self.assertEqual(meaning(laid), meaning(plain))
        tools = [{"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": {}, "b": {}, "c": {}}}}}]
        plain, laid = (meaning(payload_of(self.fetch(self.fresh(words), tools=tools, tool_choice="required")[0])[0])
                       for words in ("ok", "multi_line"))
        self.assertEqual(laid, plain)

    def test_a_dribble_is_many_writes(self):
        with self.connect() as peer:
            self.send(peer, self.fresh("drip=1ms+drip_bytes=1"))
            self.assertLess(len(peer.recv(65536)), 40)

    def test_what_each_writes(self):
        def written(words):
            return payload_of(self.fetch(self.fresh(words), headers=[("x-mock-text", "code")])[0])[0]
        self.assertNotRegex(written("crlf"), b"[^\r]\n")
        self.assertNotIn(b"\n", written("cr"))
        self.assertEqual(written("bom")[:3], b"\xef\xbb\xbf")
        self.assertRegex(written("comments"), b"(?s): OPENROUTER PROCESSING\n\n.*\n\n\n.*\n:inside\ndata: ")
        self.assertNotIn(b"data: ", written("no_space"))
        self.assertIn(b'\ndata: "delta":{\ndata: ', written("multi_line"))
        self.assertRegex(written("ids"), b"id: 0\nretry: 3000\ndata: ")
        self.assertTrue(written("no_blank_at_end").endswith(b"data: [DONE]\n") and not written("no_blank_at_end").endswith(b"\n\n"))
        self.assertTrue(written("empty_data_first").startswith(b"data:\ndata: {"))

    def test_what_comes_behind_the_finish_may_be_missing(self):
        with_usage = {"stream_options": {"include_usage": True}}
        plain = meaning(payload_of(self.fetch("", **with_usage)[0])[0])
        self.assertEqual(meaning(payload_of(self.fetch(self.fresh("no_done"), **with_usage)[0])[0]), plain[:-1])
        self.assertEqual(meaning(payload_of(self.fetch(self.fresh("finish_no_done"), **with_usage)[0])[0]), plain[:-2])
        self.assertEqual(plain[-3][1]["choices"][0]["finish_reason"], "stop")


class UnderTls:
    """The same over TLS, where an end without close_notify is seen as one."""
    ABRUPT = "RAGGED"

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        certificate, key = (os.path.join(folder.name, name) for name in ("cert.pem", "key.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                        "/CN=mock", "-days", "2", "-keyout", key, "-out", certificate], check=True, capture_output=True)
        cls.tls = ssl.create_default_context()
        cls.tls.check_hostname, cls.tls.verify_mode = False, ssl.CERT_NONE
        cls.flags = ("--certificate", certificate, "--certificate-key", key)
        super().setUpClass()


class EndsUnderTls(UnderTls, Ends):
    pass


class RewritesUnderTls(UnderTls, Rewrites):
    pass


if __name__ == "__main__":
    unittest.main()
