"""Pass-through: uploads, binary answers, files and WebSockets go both ways as they come and are never held whole."""
import hashlib
import json
import os
import socket
import threading
import unittest

import harness
from harness import (KEY, PATIENCE, Connection, Daemon, Mock, Origin, answering, chat, config_for, http, metric, request_bytes,
                     resident_bytes, wait_for)

BINARY = [("Content-Type", "application/octet-stream")]
MIB = 1 << 20


def multipart(content, boundary="XbX"):
    """A form as the SDKs send one: a file and a model."""
    return (f'--{boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\nmock-voice\r\n--{boundary}\r\n'
            f'Content-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n').encode() + content + (
                f"\r\n--{boundary}--\r\n").encode()


FORM = [("Content-Type", "multipart/form-data; boundary=XbX")]


class Case(harness.Case):
    def released(self):
        """An event that is set when the test ends, for origins that wait until then."""
        event = threading.Event()
        self.addCleanup(event.set)
        return event


class WithTheMock(Case):
    @classmethod
    def setUpClass(cls):
        cls.mock = Mock()
        cls.proxy = Daemon(config_for(cls.mock.base_url))

    @classmethod
    def tearDownClass(cls):
        cls.proxy.stop()
        cls.mock.stop()

    def ask(self, method, target, headers=(), body=b""):
        return http(self.proxy.address, method, target, headers, body)

    def test_an_audio_upload_is_answered_and_arrives_byte_for_byte(self):
        body = multipart(bytes(range(256)) * 200)
        answer = self.ask("POST", "/v1/audio/transcriptions", FORM, body)
        self.assertEqual(answer.status, 200, answer.text)
        self.assertIn("text", answer.json)
        seen = self.mock.requests()[-1]
        self.assertEqual(seen["body_bytes"], len(body))
        self.assertEqual(seen["body"].encode(seen["body_encoding"]), body[:65536])
        self.assertEqual(seen["headers"]["content-type"], FORM[0][1])
        self.assertEqual(seen["headers"]["authorization"], "Bearer " + KEY)

    def test_speech_comes_back_as_binary_of_any_size(self):
        body = {"model": "mock-voice", "input": "hello", "voice": "alloy"}
        for size in (1, 70000, 3 * MIB):
            knobs = [("x-mock-bytes", str(size))]
            straight = http(("127.0.0.1", self.mock.port), "POST", "/v1/audio/speech", [("Authorization", "Bearer " + KEY), *knobs], body)
            through = self.ask("POST", "/v1/audio/speech", knobs, body)
            self.assertEqual((through.status, len(through.body)), (200, size))
            self.assertEqual(through.header("content-type"), straight.header("content-type"))
            self.assertTrue(through.body == straight.body)
            self.assertTrue(through.complete)

    def test_a_chunked_upload_is_chunked_anew_and_its_trailers_are_dropped(self):
        body = multipart(b"sound" * 5000)
        chunks = b"".join(b"%X;note=1\r\n%s\r\n" % (len(body[i:i + 999]), body[i:i + 999]) for i in range(0, len(body), 999))
        connection = self.connect(self.proxy)
        connection.send(request_bytes("POST", "/v1/audio/transcriptions", [*FORM, ("Transfer-Encoding", "chunked"), ("Trailer", "x-sum")]))
        connection.send(chunks + b"0\r\nx-sum: 12345\r\nx-mock-status: 500\r\n\r\n")
        self.assertEqual(connection.read_response().status, 200)
        seen = self.mock.requests()[-1]
        self.assertEqual(seen["body_bytes"], len(body))
        self.assertEqual(seen["headers"]["transfer-encoding"], "chunked")
        for name in ("content-length", "trailer", "x-sum"):
            self.assertNotIn(name, seen["headers"])

    def test_methods_arrive_as_they_are(self):
        for method in ("GET", "DELETE"):
            self.ask(method, "/v1/files/file-1?after=2")
            self.assertEqual((self.mock.requests()[-1]["method"], self.mock.requests()[-1]["target"]), (method, "/v1/files/file-1?after=2"))

    def test_a_head_request_has_no_body_and_the_connection_goes_on(self):
        connection = self.connect(self.proxy)
        for _ in range(2):
            connection.send(request_bytes("HEAD", "/v1/files"))
            answer = connection.read_response(to_head=True)
            self.assertEqual(self.mock.requests()[-1]["method"], "HEAD")
        connection.send(request_bytes("GET", "/v1/files"))
        self.assertEqual(connection.read_response().status, 200)
        self.assertEqual(connection.buffer, b"")

    def test_204_and_304_have_no_body_and_the_connection_goes_on(self):
        connection = self.connect(self.proxy)
        for status in (204, 304, 204):
            connection.send(request_bytes("GET", "/v1/files", [("x-mock-status", str(status))]))
            answer = connection.read_response()
            self.assertEqual(answer.status, status)
            self.assertIsNone(answer.header("transfer-encoding"))
            if status == 204:
                self.assertIsNone(answer.header("content-length"))
        connection.send(request_bytes("GET", "/v1/files"))
        self.assertEqual(connection.read_response().status, 200)
        self.assertEqual(connection.buffer, b"")

    def test_errors_are_the_vendors_bytes(self):
        for status in (400, 401, 404, 429, 500, 503):
            knobs = [("x-mock-status", str(status))]
            straight = http(("127.0.0.1", self.mock.port), "GET", "/v1/files", [("Authorization", "Bearer " + KEY), *knobs])
            daemon = Daemon(config_for(self.mock.base_url))  # its own: a 401 retires the key
            self.addCleanup(daemon.stop)
            through = http(daemon.address, "GET", "/v1/files", knobs)
            self.assertEqual((through.status, through.body), (status, straight.body))

    def test_64_mib_go_through_a_slow_upstream_in_bounded_memory(self):
        self.ask("GET", "/v1/files")
        before = resident_bytes(self.proxy.pid)
        head = request_bytes("POST", "/v1/audio/transcriptions", [*FORM, ("x-mock-read-pause-ms", "2"), ("Content-Length", str(64 * MIB + len(multipart(b""))))])
        frame = multipart(b"|").split(b"|")
        connection = self.connect(self.proxy)
        connection.send(head + frame[0])
        piece, highest = os.urandom(MIB), 0
        for _ in range(64):
            connection.send(piece)
            highest = max(highest, resident_bytes(self.proxy.pid))
        connection.send(frame[1])
        connection.socket.settimeout(60)
        self.assertEqual(connection.read_response().status, 200)
        self.assertLess(highest - before, 16 * MIB)  # a sanitizer's quarantine and shadow included
        self.assertEqual(self.mock.requests()[-1]["body_bytes"], 64 * MIB + len(multipart(b"")))
        self.assertEqual(metric(self.proxy.metrics(), "streamkeeper_memory_budget_bytes", kind="bodies"), 0)

    def test_it_is_counted(self):
        before = self.proxy.metrics()
        self.ask("GET", "/v1/files")
        after = self.proxy.metrics()
        moved = lambda name, **labels: metric(after, name, **labels) - metric(before, name, **labels)
        self.assertEqual(moved("streamkeeper_requests_total", code="200", outcome="ok", upstream="one"), 1)
        self.assertEqual(moved("streamkeeper_upstream_attempts_total", code="200", upstream="one"), 1)


class BothWays(Case):
    def test_an_upload_arrives_while_it_is_sent_and_its_answer_while_it_is_made(self):
        def script(peer, origin):
            peer.read_until(b"\r\n\r\n")
            origin.note(peer.read_exactly(5), b"")
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(3):  # each piece is answered before the next one is sent
                peer.chunk(peer.read_exactly(5).upper())
            peer.end_chunks()

        daemon, origin = self.behind(script)
        connection = self.connect(daemon)
        connection.send(request_bytes("POST", "/v1/audio/translations", [*BINARY, ("Content-Length", "20")]) + b"first")
        self.assertEqual(origin.wait_seen(1)[0][0], b"first")
        for number, piece in enumerate((b"secon", b"third", b"forth")):
            connection.send(piece)
            if number == 0:
                self.assertEqual(connection.read_head()[0], 200)
            self.assertEqual(connection.read_chunk(), piece.upper())
        self.assertEqual(connection.read_chunk(), b"")

    def test_an_upload_may_dribble_in_byte_by_byte(self):
        daemon, origin = self.behind(answering(lambda peer: peer.answer(200)))
        connection = self.connect(daemon)
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        body = b"4\r\nabcd\r\n1\r\ne\r\nA;x\r\n0123456789\r\n0\r\n\r\n"
        for byte in request_bytes("POST", "/v1/files", [*BINARY, ("Transfer-Encoding", "chunked")]) + body:
            connection.send(bytes([byte]))
        self.assertEqual(connection.read_response().status, 200)
        self.assertEqual(origin.seen[0][1], b"abcde0123456789")

    def test_an_answer_may_dribble_out_byte_by_byte(self):
        whole = b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nContent-Length: 300\r\n\r\n" + bytes(range(150)) * 2

        def script(peer, origin):
            peer.read_request()
            peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in whole:
                peer.send(bytes([byte]))
        daemon, _ = self.behind(script)
        self.assertEqual(http(daemon.address, "GET", "/v1/files/f/content").body, whole[-300:])

    def test_an_answer_in_many_chunks_is_not_mixed_with_the_upload(self):
        pieces = [b"%05d" % i * 20 for i in range(3000)]
        whole = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)

        def script(peer, origin):
            peer.read_until(b"\r\n\r\n")
            writer = threading.Thread(target=lambda: (peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + whole), peer.end_chunks()))
            writer.start()
            while peer.more():
                peer.buffer = b""
            writer.join(PATIENCE)
        daemon, _ = self.behind(script)
        connection = self.connect(daemon)
        connection.send(request_bytes("POST", "/v1/audio/translations", [*BINARY, ("Content-Length", str(16 * MIB))]))

        def upload():
            try:
                for _ in range(16):
                    connection.send(b"u" * MIB)
            except OSError:
                pass  # the answer was complete before the upload
        writer = threading.Thread(target=upload, daemon=True)
        writer.start()
        answer = connection.read_response()
        self.assertTrue(answer.complete)
        self.assertTrue(answer.body == b"".join(pieces))
        connection.close()
        writer.join(PATIENCE)

    def test_a_large_answer_to_a_slow_client_is_not_held(self):
        def script(peer, origin):
            peer.read_request()
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nContent-Length: %d\r\n\r\n" % (64 * MIB))
            piece = b"\xff" * MIB
            for _ in range(64):
                peer.send(piece)
        daemon, _ = self.behind(script)
        http(daemon.address, "GET", "/healthz")
        before = resident_bytes(daemon.pid)
        connection = self.connect(daemon)
        connection.send(request_bytes("GET", "/v1/files/f/content"))
        connection.read_head()
        total, highest = len(connection.buffer), 0
        while total < 64 * MIB:
            total += len(connection.socket.recv(MIB))
            if total % 16 == 0:
                highest = max(highest, resident_bytes(daemon.pid))
        self.assertLess(max(highest, resident_bytes(daemon.pid)) - before, 16 * MIB)  # likewise

    def test_a_body_above_limits_body_is_passed_all_the_same(self):
        digest = []

        def script(peer, origin):
            _, body = peer.read_request()
            digest.append(hashlib.sha256(body).digest())
            peer.answer(200)
        daemon, _ = self.behind(script, extra="limits: {body: 64KiB, memory: 1MiB}")
        body = os.urandom(4 * MIB)
        self.assertEqual(http(daemon.address, "POST", "/v1/files", BINARY, body).status, 200)
        self.assertEqual(digest, [hashlib.sha256(body).digest()])

    def test_an_answer_of_unknown_length_is_chunked_and_ended_by_close_for_old_clients(self):
        def script(peer, origin):
            peer.read_request()
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\n\r\nuntil the end")
        daemon, _ = self.behind(script)
        answer = http(daemon.address, "GET", "/v1/files/f/content")
        self.assertEqual((answer.header("transfer-encoding"), answer.body, answer.complete), ("chunked", b"until the end", True))
        connection = self.connect(daemon)
        connection.send(b"GET /v1/files/f/content HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        answer = connection.read_response()
        self.assertIsNone(answer.header("transfer-encoding"))
        self.assertEqual(answer.body, b"until the end")

    def test_trailers_of_the_upstream_are_dropped(self):
        def script(peer, origin):
            peer.read_request()
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n")
        daemon, _ = self.behind(script)
        connection = self.connect(daemon)
        connection.send(request_bytes("GET", "/v1/files/f/content"))
        answer = connection.read_response()
        self.assertEqual(answer.body, b"abc")
        self.assertEqual(connection.buffer, b"")
        self.assertNotIn(b"x-sum", answer.raw)

    def test_a_cut_answer_is_cut_for_the_client_too(self):
        def script(peer, origin):
            peer.read_request()
            peer.send((b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")[origin.connections - 1])
        daemon, _ = self.behind(script)
        for _ in range(2):
            answer = http(daemon.address, "GET", "/v1/files/f/content")
            self.assertEqual((answer.status, answer.body, answer.complete), (200, b"half", False))
        self.assertEqual([line["outcome"] for line in daemon.wait_request_lines(2)], ["aborted", "aborted"])

    def test_a_failed_upload_is_not_sent_again(self):
        daemon, origin = self.behind(lambda peer, origin: peer.read_request())
        answer = http(daemon.address, "POST", "/v1/files", BINARY, b"x" * 1000)
        self.assertEqual((answer.status, answer.json["error"]["code"]), (502, "upstream_closed"))
        self.assertEqual(origin.connections, 1)

    def test_broken_chunks_of_the_client_are_400_and_never_look_whole(self):
        ended = threading.Semaphore(0)
        got = []

        def script(peer, origin):
            peer.read_until(b"\r\n\r\n")
            while peer.more():
                pass
            got.append(peer.buffer)
            ended.release()
        daemon, _ = self.behind(script)
        connection = self.connect(daemon)
        connection.send(request_bytes("POST", "/v1/files", [*BINARY, ("Transfer-Encoding", "chunked")]) + b"4\r\ngood\r\nZZ\r\n")
        self.assertEqual(connection.read_response().status, 400)
        self.assertTrue(ended.acquire(timeout=PATIENCE))
        self.assertNotIn(b"0\r\n\r\n", got[0])


class Interim(Case):
    def test_expect_100_continue_is_answered_here(self):
        daemon, origin = self.behind(answering(lambda peer: peer.answer(200)))
        connection = self.connect(daemon)
        connection.send(request_bytes("POST", "/v1/files", [*BINARY, ("Expect", "100-continue"), ("Content-Length", "4")]))
        self.assertEqual(connection.read_until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.send(b"body")
        self.assertEqual(connection.read_response().status, 200)
        self.assertNotIn(b"expect", origin.seen[0][0].lower())
        self.assertEqual(origin.seen[0][1], b"body")

    def test_so_it_is_on_policy_paths(self):
        daemon, origin = self.behind(answering(lambda peer: peer.answer(200)))
        body = json.dumps(chat()).encode()
        connection = self.connect(daemon)
        connection.send(request_bytes("POST", "/v1/chat/completions", [("Content-Type", "application/json"), ("Expect", "100-continue"), ("Content-Length", str(len(body)))]))
        self.assertEqual(connection.read_until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.send(body)
        self.assertEqual(connection.read_response().status, 200)
        self.assertNotIn(b"expect", origin.seen[0][0].lower())

    def test_a_body_that_is_too_large_is_refused_instead_of_100_continue(self):
        daemon, _ = self.behind(answering(lambda peer: peer.answer(200)), extra="limits: {body: 64KiB}")
        connection = self.connect(daemon)
        connection.send(request_bytes("POST", "/v1/chat/completions", [("Content-Type", "application/json"), ("Expect", "100-continue"), ("Content-Length", "70000")]))
        self.assertEqual(connection.read_head()[0], 413)

    def test_interim_answers_of_the_upstream_are_swallowed(self):
        interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        daemon, _ = self.behind(answering(lambda peer: (peer.send(interim), peer.answer(200, b'{"a":1}'))))
        for target, body in (("/v1/files", b""), ("/v1/chat/completions", chat())):
            connection = self.connect(daemon)
            connection.send(request_bytes("POST" if body else "GET", target, body=body))
            status, _, raw = connection.read_head()
            self.assertEqual(status, 200)
            self.assertNotIn(b"Link", raw)


class EarlyAnswers(Case):
    def early(self, linger):
        """An origin that answers 413 after the first bytes of a body and closes."""
        refusal = b'{"error":{"message":"too large","code":"too_large"}}'

        def script(peer, origin):
            peer.read_until(b"\r\n\r\n")
            peer.read_exactly(10)
            peer.answer(413, refusal, [("Connection", "close")])
            if linger:  # an orderly server reads on for a while; others close at once, which resets the connection
                peer.socket.shutdown(socket.SHUT_WR)
                while peer.more():
                    peer.buffer = b""
        return script, refusal

    def test_an_answer_in_the_middle_of_an_upload_reaches_the_client(self):
        for linger in (True, False):
            with self.subTest(orderly=linger):
                script, refusal = self.early(linger)
                daemon, _ = self.behind(script)
                connection = self.connect(daemon)
                connection.send(request_bytes("POST", "/v1/files", [*BINARY, ("Content-Length", str(64 * MIB))]) + b"x" * 100000)
                answer = connection.read_response()  # the client has not sent the rest and need not
                self.assertEqual((answer.status, answer.body), (413, refusal))

    def test_a_client_that_writes_on_reads_it_too(self):
        script, refusal = self.early(True)
        daemon, _ = self.behind(script)
        connection = self.connect(daemon)

        def write():
            try:
                connection.send(request_bytes("POST", "/v1/files", [*BINARY, ("Content-Length", str(64 * MIB))]))
                for _ in range(64):
                    connection.send(b"x" * MIB)
            except OSError:
                pass  # the daemon stopped listening, as it may
        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        answer = connection.read_response()
        self.assertEqual((answer.status, answer.body), (413, refusal))
        connection.close()
        writer.join(PATIENCE)

    def test_so_it_does_on_policy_paths(self):
        script, _ = self.early(True)
        daemon, _ = self.behind(script)
        answer = http(daemon.address, "POST", "/v1/chat/completions", body=chat(user="x" * (8 * MIB)))
        self.assertEqual(answer.status, 413)
        self.assertEqual(answer.json["error"]["code"], "too_large")

    def test_the_connection_is_not_used_for_another_request(self):
        def script(peer, origin):
            peer.read_until(b"\r\n\r\n")
            origin.note(b"", b"")
            peer.answer(413, b"no")
            while peer.more():
                peer.buffer = b""
        daemon, origin = self.behind(script)
        for count in (1, 2):
            connection = self.connect(daemon)
            connection.send(request_bytes("POST", "/v1/files", [*BINARY, ("Content-Length", "1000")]) + b"part")
            self.assertEqual(connection.read_response().status, 413)
            self.assertTrue(connection.at_end())
            connection.close()
            self.assertEqual(origin.connections, count)


class WebSockets(Case):
    UPGRADE = [("Connection", "keep-alive, Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
               ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Protocol", "realtime"), ("Authorization", "Bearer of-the-client")]
    SWITCH = (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: realtime\r\n\r\n")

    def echo(self, ended=None, first=b""):
        def script(peer, origin):
            head = peer.read_until(b"\r\n\r\n")
            origin.note(head, b"")
            peer.send(self.SWITCH + first)
            while True:
                if peer.buffer:
                    peer.send(peer.buffer[::-1] if len(peer.buffer) < 1000 else peer.buffer)
                    peer.buffer = b""
                if not peer.more():
                    break
            if ended:
                ended.set()
        return script

    def upgrade(self, daemon, target="/v1/realtime?model=m", more=b""):
        connection = self.connect(daemon)
        connection.send(request_bytes("GET", target, self.UPGRADE) + more)
        return connection, connection.read_head()

    def test_an_upgrade_is_passed_with_the_key_and_its_own_fields(self):
        daemon, origin = self.behind(self.echo())
        _, (status, headers, _) = self.upgrade(daemon)
        self.assertEqual(status, 101)
        fields = {name.lower(): value for name, value in headers}
        self.assertEqual(fields["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        self.assertEqual((fields["upgrade"], fields["connection"].lower()), ("websocket", "upgrade"))
        head = origin.seen[0][0]
        self.assertTrue(head.startswith(b"GET /v1/realtime?model=m HTTP/1.1\r\n"))
        for field in (b"Upgrade: websocket\r\n", b"Connection: Upgrade\r\n", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
                      b"Sec-WebSocket-Version: 13\r\n", b"Sec-WebSocket-Protocol: realtime\r\n", b"Authorization: Bearer " + KEY.encode()):
            self.assertIn(field, head)
        self.assertNotIn(b"of-the-client", head)

    def test_bytes_go_both_ways_as_they_come(self):
        daemon, _ = self.behind(self.echo(first=b"hello at once"))
        connection, _ = self.upgrade(daemon)
        self.assertEqual(connection.read_exactly(13), b"hello at once")
        for text in (b"abc", b"\x00\xff", b"\r\n\r\nGET / HTTP/1.1"):
            connection.send(text)
            self.assertEqual(connection.read_exactly(len(text)), text[::-1])

    def test_bytes_sent_together_with_the_upgrade_are_not_lost(self):
        daemon, _ = self.behind(self.echo())
        connection, _ = self.upgrade(daemon, more=b"early")
        self.assertEqual(connection.read_exactly(5), b"ylrae")

    def test_megabytes_go_both_ways_at_once(self):
        def script(peer, origin):
            peer.read_until(b"\r\n\r\n")
            peer.send(self.SWITCH)
            writer = threading.Thread(target=lambda: peer.socket.sendall(b"d" * (8 * MIB)), daemon=True)
            writer.start()
            got = len(peer.buffer)
            while got < 8 * MIB:
                got += len(peer.socket.recv(65536))
            writer.join()
            origin.note(b"all", b"")
            peer.more()
        daemon, origin = self.behind(script)
        connection, _ = self.upgrade(daemon)
        writer = threading.Thread(target=lambda: connection.send(b"u" * (8 * MIB)), daemon=True)
        writer.start()
        self.assertEqual(connection.read_exactly(100), b"d" * 100)
        left = 8 * MIB - 100 - len(connection.buffer)
        while left > 0:
            left -= len(connection.socket.recv(65536))
        writer.join()
        origin.wait_seen(1)

    def test_when_the_client_closes_the_upstream_is_closed(self):
        ended = threading.Event()
        daemon, _ = self.behind(self.echo(ended))
        connection, _ = self.upgrade(daemon)
        connection.close()
        self.assertTrue(ended.wait(PATIENCE))
        self.assertEqual(daemon.wait_request_lines(1)[0]["status"], 101)
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_upstream_connections", state="busy"), 0)

    def test_what_the_client_sent_last_arrives_before_the_end(self):
        got = []
        ended = threading.Event()

        def script(peer, origin):
            peer.read_until(b"\r\n\r\n")
            peer.send(self.SWITCH)
            while peer.more():
                pass
            got.append(peer.buffer)
            ended.set()
        daemon, _ = self.behind(script)
        connection, _ = self.upgrade(daemon)
        connection.send(b"close frame")
        connection.close()
        self.assertTrue(ended.wait(PATIENCE))
        self.assertEqual(got, [b"close frame"])

    def test_when_the_upstream_closes_the_client_is_closed_after_its_last_bytes(self):
        def script(peer, origin):
            peer.read_until(b"\r\n\r\n")
            peer.send(self.SWITCH + b"bye" * 100000)
        daemon, _ = self.behind(script)
        connection, _ = self.upgrade(daemon)
        self.assertEqual(len(connection.read_exactly(300000)), 300000)
        self.assertTrue(connection.at_end())

    def test_a_silent_tunnel_is_left_alone(self):
        daemon, _ = self.behind(self.echo(), extra="timeouts: {first_byte: 300ms, stream_idle: 300ms, client_body_idle: 300ms, client_keepalive: 300ms}")
        connection, _ = self.upgrade(daemon)
        connection.socket.settimeout(1.2)
        with self.assertRaises(TimeoutError):
            connection.more()
        connection.socket.settimeout(PATIENCE)
        connection.send(b"abc")
        self.assertEqual(connection.read_exactly(3), b"cba")

    def test_a_refused_upgrade_is_an_answer(self):
        daemon, _ = self.behind(answering(lambda peer: peer.answer(403, b'{"error":"no"}')))
        connection = self.connect(daemon)
        connection.send(request_bytes("GET", "/v1/realtime", self.UPGRADE))
        answer = connection.read_response()
        self.assertEqual((answer.status, answer.body), (403, b'{"error":"no"}'))

    def test_an_upgrade_on_responses_is_always_426(self):
        daemon, origin = self.behind(self.echo())
        for target in ("/v1/responses", "/u/one/v1/responses", "/responses"):
            connection = self.connect(daemon)
            connection.send(request_bytes("GET", target, self.UPGRADE))
            answer = connection.read_response()
            self.assertEqual(answer.status, 426)
            self.assertEqual(answer.header("upgrade"), "HTTP/1.1")
        self.assertEqual(origin.connections, 0)

    def test_a_switch_that_nobody_asked_for_is_a_broken_answer(self):
        daemon, _ = self.behind(answering(lambda peer: peer.send(self.SWITCH)))
        answer = http(daemon.address, "GET", "/v1/files")
        self.assertEqual((answer.status, answer.json["error"]["code"]), (502, "upstream_closed"))


class Masking(Case):
    def echoing(self, status, framing="length"):
        body = f'{{"error":"Incorrect API key provided: {KEY}. ({KEY}) caf\u00e9"}}'.encode()

        def reply(peer):
            if framing == "length":
                peer.answer(status, body)
            elif framing == "close":
                peer.send(b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n\r\n" % status + body)
                peer.close()
            else:
                peer.send(b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" % status)
                for i in range(0, len(body), 7):
                    peer.chunk(body[i:i + 7])
                peer.end_chunks()
        return answering(reply), body

    def test_errors_lose_keys_and_nothing_else(self):
        for status in (400, 401, 403, 404, 429, 500, 503):
            for framing in ("length", "chunked", "close"):
                with self.subTest(status=status, framing=framing):
                    script, body = self.echoing(status, framing)
                    daemon, _ = self.behind(script)
                    answer = http(daemon.address, "GET", "/v1/files")
                    self.assertEqual(answer.status, status)
                    self.assertEqual(answer.body, body.replace(KEY.encode(), b"*" * len(KEY)))
                    self.assertTrue(answer.complete)
                    self.assertNotIn(KEY, daemon.output)

    def test_a_clients_token_and_other_upstreams_keys_are_masked_too(self):
        body = b'{"error":"tok-abcdefgh and sk-of-the-other"}'
        origin = self.origin(answering(lambda peer: peer.answer(401, body)))
        config = config_for(origin.base_url, origin.base_url, extra="clients: [{name: me, token_file: token}]").replace("file: key", "file: key", 1)
        config = config.replace("keys: [{name: main, file: key}]", "keys: [{name: main, file: other}]", 2).replace("file: other", "file: key", 1)
        daemon = Daemon(config, files={"token": "tok-abcdefgh\n", "other": "sk-of-the-other\n"})
        self.addCleanup(daemon.stop)
        answer = http(daemon.address, "GET", "/v1/files", [("Authorization", "Bearer tok-abcdefgh")])
        self.assertEqual(answer.body, b'{"error":"************ and ***************"}')

    def test_answers_below_400_are_untouched(self):
        script, body = self.echoing(200)
        daemon, _ = self.behind(script)
        self.assertEqual(http(daemon.address, "GET", "/v1/files").body, body)

    def test_an_error_to_a_head_request_has_no_body(self):
        daemon, _ = self.behind(answering(lambda peer: peer.send(b"HTTP/1.1 404 X\r\nContent-Length: 10\r\n\r\n")))
        connection = self.connect(daemon)
        for _ in range(2):
            connection.send(request_bytes("HEAD", "/v1/files/none"))
            answer = connection.read_response(to_head=True)
            self.assertEqual((answer.status, answer.header("content-length")), (404, "10"))
        self.assertEqual(connection.buffer, b"")


if __name__ == "__main__":
    unittest.main(verbosity=2)
