"""Hostile and broken upstreams: what they send never reaches the client as something it is not, the status is the
documented one, and their connection is never used again.
"""
import gzip
import json
import threading
import unittest
import zlib

from harness import (KEY, Connection, Daemon, Origin, chat, config_for, delta, http, request_bytes, wait_for)

GOOD = json.dumps({"id": "c1", "object": "chat.completion", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "good"}, "finish_reason": "stop"}]}).encode()
SHORT = "timeouts: {first_byte: 400ms}"
PATHS = {"policy": ("POST", "/v1/chat/completions"), "pass-through": ("GET", "/v1/files")}


def ok(*lines, status="HTTP/1.1 200 OK", body=b""):
    return "\r\n".join([status, *lines, "", ""]).encode("latin-1") + body


def typed(*lines, **more):
    return ok("Content-Type: application/json", *lines, **more)


def saying(raw):
    """A script: these bytes are the answer to every request, until the other side closes."""
    def script(peer, origin):
        try:
            while True:
                peer.read_request()
                peer.send(raw)
        except (AssertionError, OSError):
            with origin.changed:
                origin.closed = getattr(origin, "closed", 0) + 1
    return script


def saying_and_closing(raw):
    def script(peer, _):
        peer.read_request()
        peer.send(raw)
    return script


def saying_in_chunks(*parts, end=True, headers=("Content-Type: text/event-stream",)):
    def script(peer, _):
        peer.read_request()
        peer.send(ok(*headers, "Transfer-Encoding: chunked"))
        for part in parts:
            peer.chunk(part)
        if end:
            peer.end_chunks()
            peer.more()
    return script


class HostileAnswers(unittest.TestCase):
    def serve(self, script, extra=SHORT, **more):
        self.origin = Origin(script)
        self.addCleanup(self.origin.stop)
        self.daemon = Daemon(config_for(self.origin.base_url, extra=extra, **more))
        self.addCleanup(self.daemon.stop)

    def ask(self, path="policy", **more):
        method, target = PATHS[path]
        return http(self.daemon.address, method, target, body=chat(**more) if method == "POST" else b"")

    def refused(self, answer, status, code, type_name=None):
        self.assertEqual((answer.status, answer.json["error"]["code"]), (status, code), answer.text)
        self.assertTrue(answer.complete)
        if type_name:
            self.assertEqual(answer.json["error"]["type"], type_name)
        return answer.json["error"]

    def stays_alive(self):
        self.assertEqual(http(self.daemon.address, "GET", "/healthz").status, 200)

    def events(self, answer):
        return [event for event in answer.text.split("\n\n") if event]

    def cut_short(self, answer):
        """A committed stream that failed: the client can tell, and nothing pretends that it ended well."""
        self.assertEqual(answer.status, 200)
        self.assertFalse(answer.complete, "the chunked body was ended as if it were whole")
        self.assertTrue(self.events(answer)[-1].startswith(": streamkeeper "), answer.text[-200:])
        self.assertNotIn("[DONE]", answer.text)

    # ---- answers that come in time

    def test_a_head_that_drips_is_bounded_by_first_byte(self):
        stopped = threading.Event()

        def drip(peer, _):
            peer.read_request()
            for byte in ok("X: " + "y" * 100000):
                peer.send(bytes([byte]))
                if stopped.wait(0.02):
                    return
        self.addCleanup(stopped.set)
        self.serve(drip)
        for path in PATHS:
            self.refused(self.ask(path), 504, "upstream_timeout")

    def test_endless_interim_answers_are_bounded_by_first_byte(self):
        stopped = threading.Event()

        def interim(peer, _):
            peer.read_request()
            while not stopped.wait(0.02):
                peer.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        self.addCleanup(stopped.set)
        self.serve(interim)
        for path in PATHS:
            self.refused(self.ask(path), 504, "upstream_timeout")

    def test_a_flood_of_interim_answers_does_not_stop_the_daemon(self):
        stopped = threading.Event()
        flood = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 2000

        def interim(peer, _):
            peer.read_request()
            while not stopped.is_set():
                peer.send(flood)
        self.addCleanup(stopped.set)
        self.serve(interim, extra="")
        self.refused(self.ask(), 502, "upstream_closed")
        self.stays_alive()

    def test_a_body_that_stops_is_bounded_by_first_byte(self):
        self.serve(saying(typed("Content-Length: 100", body=b'{"id":')))
        self.refused(self.ask(), 504, "upstream_timeout")

    def test_an_answer_before_the_request_was_sent_does_not_answer_it(self):
        def early(peer, origin):
            peer.send(typed("Content-Length: 6", body=b'"early"'))
            while peer.more():
                pass
        self.serve(early)
        answer = self.ask()
        self.assertNotEqual(answer.status, 101)
        self.stays_alive()

    # ---- web pages and redirects

    def test_a_web_page_is_no_answer_whatever_its_status(self):
        page = b"<!DOCTYPE html><html><head><title>Welcome</title></head></html>"
        for status in ("200 OK", "403 Forbidden", "404 Not Found", "500 Error", "502 Bad Gateway", "503 Busy"):
            with self.subTest(status):
                self.serve(saying(ok("Content-Type: text/html; charset=utf-8", f"Content-Length: {len(page)}",
                                     status="HTTP/1.1 " + status, body=page)))
                error = self.refused(self.ask(), 502, "upstream_not_an_api")
                if status < "500":
                    self.assertIn("base_url", error["streamkeeper"]["hint"])
                self.refused(self.ask(stream=True), 502, "upstream_not_an_api")

    def test_a_web_page_that_calls_itself_json_is_no_answer(self):
        page = b"<!doctype html><html></html>"
        self.serve(saying(typed(f"Content-Length: {len(page)}", body=page)))
        self.refused(self.ask(), 502, "upstream_not_an_api")

    def test_a_redirect_is_no_answer_and_is_not_followed(self):
        elsewhere = Origin(saying(typed("Content-Length: 2", body=b"{}")))
        self.addCleanup(elsewhere.stop)
        for status in (301, 302, 303, 307, 308):
            with self.subTest(status):
                self.serve(saying(ok(f"Location: {elsewhere.base_url}/chat/completions", "Content-Length: 0",
                                     status=f"HTTP/1.1 {status} Moved")))
                answer = self.ask()
                self.refused(answer, 502, "upstream_not_an_api")
                self.assertIsNone(answer.header("location"))
        self.assertEqual(elsewhere.connections, 0)

    # ---- encodings

    def test_an_encoded_answer_is_inflated_although_identity_was_asked_for(self):
        raw = zlib.compressobj(wbits=-15)
        encodings = {"gzip": gzip.compress(GOOD), "x-gzip": gzip.compress(GOOD), "GZIP": gzip.compress(GOOD),
                     "deflate": zlib.compress(GOOD), "Deflate": raw.compress(GOOD) + raw.flush()}
        for name, body in encodings.items():
            with self.subTest(name):
                self.serve(saying(typed(f"Content-Encoding: {name}", f"Content-Length: {len(body)}", body=body)))
                answer = self.ask()
                self.assertEqual((answer.status, answer.body), (200, GOOD))
                self.assertIsNone(answer.header("content-encoding"))
                self.assertEqual(answer.header("content-length"), str(len(GOOD)))
                self.assertIn(b"\r\nAccept-Encoding: identity\r\n", self.origin.seen[0][0])

    def test_an_encoded_stream_is_inflated_event_by_event(self):
        gate = threading.Event()
        self.addCleanup(gate.set)

        def script(peer, _):
            peer.read_request()
            peer.send(ok("Content-Type: text/event-stream", "Content-Encoding: gzip", "Transfer-Encoding: chunked"))
            packer = zlib.compressobj(wbits=31)
            peer.chunk(packer.compress(delta("Hello").encode()) + packer.flush(zlib.Z_SYNC_FLUSH))
            gate.wait(20)
            peer.chunk(packer.compress((delta(" you") + delta(finish="stop") + "data: [DONE]\n\n").encode()) + packer.flush())
            peer.end_chunks()
        self.serve(script, extra="")
        with Connection(self.daemon.address) as connection:
            connection.send(request_bytes("POST", "/v1/chat/completions", body=chat(stream=True)))
            _, fields, _ = connection.read_head()
            self.assertNotIn("content-encoding", {name.lower() for name, _ in fields})
            self.assertEqual(connection.read_chunk().decode(), delta("Hello"))
            gate.set()
            rest = b""
            while chunk := connection.read_chunk():
                rest += chunk
            self.assertEqual(chunk, b"")
        self.assertEqual(rest.decode(), delta(" you") + delta(finish="stop") + "data: [DONE]\n\n")

    def test_an_encoded_error_is_read(self):
        body = gzip.compress(b'{"error":{"message":"no such thing","type":"invalid_request_error","code":"odd"}}')
        self.serve(saying(typed("Content-Encoding: gzip", f"Content-Length: {len(body)}", status="HTTP/1.1 400 Bad", body=body)))
        self.assertIn("no such thing", self.refused(self.ask(), 400, "odd")["message"])

    def test_broken_and_cut_and_unknown_encodings_are_failures(self):
        packed = bytearray(gzip.compress(GOOD * 3))
        cut = bytes(packed[:-12])
        packed[20:40] = b"\xff" * 20
        for name, coding, body in (("broken", "gzip", bytes(packed)), ("cut", "gzip", cut), ("no gzip at all", "gzip", GOOD),
                                   ("unknown", "br", GOOD), ("twice", "gzip, gzip", gzip.compress(gzip.compress(GOOD))),
                                   ("more after its end", "gzip", gzip.compress(GOOD) + b"more")):
            with self.subTest(name):
                self.serve(saying(typed(f"Content-Encoding: {coding}", f"Content-Length: {len(body)}", body=body)))
                self.refused(self.ask(), 502, "upstream_closed")
                if coding != "gzip":
                    self.refused(self.ask(stream=True), 502, "upstream_closed")

    def test_an_encoded_stream_that_breaks_after_output_is_cut_short(self):
        packer = zlib.compressobj(wbits=31)
        first = packer.compress(delta("Hello").encode()) + packer.flush(zlib.Z_SYNC_FLUSH)
        self.serve(saying_in_chunks(first, b"\xff" * 50, headers=("Content-Type: text/event-stream", "Content-Encoding: gzip")))
        self.cut_short(self.ask(stream=True))

    # ---- bodies that should not be, and connections that must not be used again

    def twice(self, raw, method="GET", target="/v1/files/x", status=200):
        """Both requests are answered alike, and the second one on a connection of its own."""
        self.serve(saying(raw))
        with Connection(self.daemon.address) as connection:
            for count in (1, 2):
                connection.send(request_bytes(method, target, body=chat() if method == "POST" else b""))
                answer = connection.read_response(to_head=method == "HEAD")
                self.assertEqual(answer.status, status)
                self.assertNotIn(b"poison", answer.raw + answer.body + connection.buffer)
                self.origin.wait_seen(count)
                self.assertEqual(self.origin.connections, count)
        wait_for(lambda: getattr(self.origin, "closed", 0) == 2)
        return answer

    POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"

    def test_a_connection_with_bytes_after_the_body_is_not_used_again(self):
        answer = self.twice(typed(f"Content-Length: {len(GOOD)}", body=GOOD + self.POISON), "POST", "/v1/chat/completions")
        self.assertEqual(answer.body, GOOD)

    def test_a_connection_with_bytes_after_the_last_chunk_is_not_used_again(self):
        answer = self.twice(typed("Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\n\r\n" + self.POISON))
        self.assertEqual(answer.body, b"{}")

    def test_a_204_with_a_body_is_shown_without_it(self):
        for line in ("Content-Length: 47", "Transfer-Encoding: chunked"):
            answer = self.twice(ok(line, status="HTTP/1.1 204 No Content", body=self.POISON), "DELETE", status=204)
            self.assertEqual(answer.body, b"")
            self.assertIsNone(answer.header("content-length"))
            self.assertIsNone(answer.header("transfer-encoding"))

    def test_a_304_with_a_body_is_shown_without_it(self):
        self.twice(ok("Content-Length: 47", status="HTTP/1.1 304 Not Modified", body=self.POISON), status=304)

    def test_a_body_behind_a_head_request_is_not_shown(self):
        answer = self.twice(ok("Content-Length: 47", body=self.POISON), "HEAD")
        self.assertEqual(answer.header("content-length"), "47")

    def test_an_answer_nobody_asked_for_is_thrown_away_with_its_connection(self):
        answered, poisoned = threading.Event(), threading.Event()
        self.addCleanup(answered.set)

        def script(peer, origin):
            peer.read_request()
            peer.answer(body=GOOD)
            if len(origin.seen) == 1 and answered.wait(20):
                peer.send(self.POISON)
                poisoned.set()
            peer.more()
        self.serve(script)
        self.assertEqual(self.ask().body, GOOD)
        answered.set()  # by now the connection is in the pool
        self.assertTrue(poisoned.wait(20))
        self.assertEqual(self.ask().body, GOOD)
        self.assertEqual(self.origin.connections, 2)

    def test_a_well_behaved_connection_is_used_again(self):
        self.serve(lambda peer, _: [peer.read_request() and peer.answer(body=GOOD) for _ in range(3)])
        for _ in range(3):
            self.assertEqual(self.ask().body, GOOD)
        self.assertEqual(self.origin.connections, 1)

    # ---- what may not be shown

    def test_a_key_echoed_in_an_error_is_masked_wherever_it_stands(self):
        stars = "*" * len(KEY)
        for path in PATHS:
            for name in ("message", "type", "code", "param"):
                with self.subTest(path=path, name=name):
                    body = json.dumps({"error": {"message": "m", "type": "t", "code": "c", name: f"<{KEY}>"}}).encode()
                    self.serve(saying(typed(f"Content-Length: {len(body)}", f"X-Echo: {KEY}", f"WWW-Authenticate: Bearer {KEY}",
                                            status=f"HTTP/1.1 401 {KEY}", body=body)))
                    answer = self.ask(path)
                    self.assertEqual(answer.status, 401)
                    self.assertNotIn(KEY.encode(), answer.raw + answer.body)
                    self.assertIn(f"<{stars}>", answer.json["error"][name])
                    if path == "pass-through":
                        self.assertEqual(answer.body, body.replace(KEY.encode(), stars.encode()))
                    self.daemon.wait_request_lines(1)
                    self.assertNotIn(KEY, self.daemon.output)

    def test_a_key_that_lies_across_the_end_of_what_is_kept_is_masked(self):
        for size in (2048, 4096):
            for inside in (1, len(KEY) // 2, len(KEY) - 1):
                body = b"x" * (size - inside) + KEY.encode() + b"x" * 100
                self.serve(saying(ok("Content-Type: text/plain", f"Content-Length: {len(body)}", status="HTTP/1.1 400 Bad", body=body)))
                answer = self.ask()
                self.assertEqual(answer.status, 400)
                self.assertNotIn(KEY[:8], answer.text)

    def test_a_key_echoed_in_an_error_inside_a_stream_is_masked(self):
        error = "data: " + json.dumps({"error": {"message": f"<{KEY}>", "type": f"<{KEY}>", "code": "invalid_prompt"}}) + "\n\n"
        for parts in ((error,), (delta("Hi"), error)):
            self.serve(saying_in_chunks(*parts))
            self.assertNotIn(KEY, self.ask(stream=True).text)
            self.daemon.wait_request_lines(1)
            self.assertNotIn(KEY, self.daemon.output)

    def test_fields_that_are_not_for_the_client_are_dropped(self):
        dropped = ["Set-Cookie: a=b", "Set-Cookie: c=d", "Access-Control-Allow-Origin: *", "Access-Control-Allow-Credentials: true",
                   "Alt-Svc: h3=\":443\"", "Strict-Transport-Security: max-age=1", "Clear-Site-Data: \"*\"", "NEL: {}",
                   "Report-To: {}", "Keep-Alive: timeout=1", "Proxy-Authenticate: Basic", "Trailer: X-T", "Upgrade: h2c",
                   "x-streamkeeper-key: forged", "Connection: X-Hop, close", "X-Hop: 1"]
        kept = ["X-Request-Id: r1", "x-ratelimit-remaining-requests: 7", "Openai-Processing-Ms: 3"]
        for path in PATHS:
            self.serve(saying(typed(*dropped, *kept, f"Content-Length: {len(GOOD)}", body=GOOD)))
            answer = self.ask(path)
            self.assertEqual(answer.body, GOOD)
            names = [name.lower() for name, _ in answer.headers]
            for line in dropped:
                name = line.split(":")[0].lower()
                if name not in ("keep-alive", "x-streamkeeper-key"):
                    self.assertNotIn(name, names)
            self.assertEqual(answer.header("x-streamkeeper-key"), "main")
            self.assertEqual(names.count("x-streamkeeper-key"), 1)
            for line in kept:
                name, value = line.split(": ")
                self.assertEqual(answer.header(name), value)

    # ---- errors and ends of streams

    def test_an_event_beyond_16_mib_is_a_failure(self):
        large = [b"data: " + b"x" * (1 << 20)] + [b"x" * (1 << 20)] * 17
        self.serve(saying_in_chunks(*large), extra="")
        self.refused(self.ask(stream=True), 502, "upstream_closed")
        self.serve(saying_in_chunks(delta("Hello"), *large), extra="")
        answer = self.ask(stream=True)
        self.cut_short(answer)
        self.assertEqual(self.events(answer)[0] + "\n\n", delta("Hello"))
        self.assertEqual(len(self.events(answer)), 2)

    def test_a_stream_that_ends_without_a_finish_is_cut_short(self):
        for end in (True, False):
            self.serve(saying_in_chunks(delta("Hello"), end=end))
            answer = self.ask(stream=True)
            self.cut_short(answer)
            self.assertEqual(self.events(answer)[0] + "\n\n", delta("Hello"))

    def test_a_stream_that_ends_before_any_output_is_an_error_with_a_status(self):
        role = delta(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])
        for parts in ((), (": comment\n\n",), (role,)):
            self.serve(saying_in_chunks(*parts))
            self.refused(self.ask(stream=True), 502, "upstream_closed")

    def test_a_done_without_a_finish_is_a_loud_failure(self):
        self.serve(saying_in_chunks("data: [DONE]\n\n"))
        self.refused(self.ask(stream=True), 502, "upstream_closed")
        self.serve(saying_in_chunks(delta("Hello"), "data: [DONE]\n\n"))
        self.cut_short(self.ask(stream=True))

    def test_half_an_event_is_never_shown(self):
        self.serve(saying_in_chunks(delta("Hello"), delta("lost")[:-10], end=False))
        answer = self.ask(stream=True)
        self.cut_short(answer)
        self.assertNotIn("lost", answer.text)

    def test_broken_chunks_in_a_stream_cut_it_short(self):
        self.serve(saying(ok("Content-Type: text/event-stream", "Transfer-Encoding: chunked",
                             body=b"%x\r\n%s\r\nxyz\r\n" % (len(delta("Hello")), delta("Hello").encode()))))
        answer = self.ask(stream=True)
        self.cut_short(answer)

    def test_an_error_event_before_output_becomes_a_real_status(self):
        def event(**error):
            return "data: " + json.dumps({"error": error}) + "\n\n"
        for parts, status, code in (((event(message="slow down", type="rate_limit_error", code="rate_limit_exceeded"),), 429, "rate_limit_exceeded"),
                                    ((": hello\n\n", event(message="no", type="invalid_request_error", code="bad_prompt")), 400, "bad_prompt"),
                                    ((event(message="no", code=403),), 403, "403"),
                                    (("event: error\n" + event(message="busy", type="overloaded_error"),), 503, None)):
            with self.subTest(parts):
                self.serve(saying_in_chunks(*parts))
                self.refused(self.ask(stream=True), status, code)

    def test_an_error_in_the_json_of_a_200_becomes_a_real_status(self):
        body = b'{"error":{"message":"no such model","type":"invalid_request_error","code":"model_not_found"}}'
        self.serve(saying(typed(f"Content-Length: {len(body)}", body=body)))
        self.assertIn(self.ask().status, (400, 404))
        self.assertEqual(self.ask().json["error"]["code"], "model_not_found")

    def test_a_terminal_error_event_after_output_ends_the_stream_with_an_error_event(self):
        error = {"error": {"message": "the prompt is not allowed", "type": "invalid_request_error", "code": "content_policy"}}
        self.serve(saying_in_chunks(delta("Hello"), f"data: {json.dumps(error)}\n\n", delta("after")))
        answer = self.ask(stream=True)
        self.assertTrue(answer.complete)
        events = self.events(answer)
        self.assertEqual(events[0] + "\n\n", delta("Hello"))
        self.assertEqual(json.loads(events[1][len("data: "):])["error"]["code"], "content_policy")
        self.assertEqual(len(events), 2)
        self.assertNotIn("[DONE]", answer.text)

    def test_a_retryable_error_event_after_output_cuts_the_stream_short(self):
        error = {"error": {"message": "overloaded", "type": "overloaded_error", "code": 503}}
        self.serve(saying_in_chunks(delta("Hello"), f"data: {json.dumps(error)}\n\n"))
        self.cut_short(self.ask(stream=True))

    def test_a_client_of_http_1_0_is_told_by_an_error_event(self):
        self.serve(saying_in_chunks(delta("Hello"), end=False))
        with Connection(self.daemon.address) as connection:
            connection.send(request_bytes("POST", "/v1/chat/completions", body=chat(stream=True)).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
            answer = connection.read_response()
        self.assertIsNone(answer.header("transfer-encoding"))
        self.assertIn("error", json.loads(self.events(answer)[-1][len("data: "):]))
        self.assertNotIn("[DONE]", answer.text)

    def test_what_fails_after_the_finish_is_no_failure(self):
        whole = delta("Hello") + delta(finish="stop")
        for parts in ((whole,), (whole, b"data: [DO"), (whole, 'data: {"error":{"message":"late"}}\n\n')):
            self.serve(saying_in_chunks(*parts, end=False))
            answer = self.ask(stream=True)
            self.assertTrue(answer.complete)
            self.assertEqual(answer.text, whole + "data: [DONE]\n\n")

    def test_a_finish_of_one_choice_is_not_the_finish_of_both(self):
        def choice(index, text, finish=None):
            return delta(choices=[{"index": index, "delta": {"content": text}, "finish_reason": finish}])
        self.serve(saying_in_chunks(choice(0, "a"), choice(1, "b"), choice(0, "", "stop")))
        self.cut_short(self.ask(stream=True, n=2))
        self.serve(saying_in_chunks(choice(0, "a"), choice(1, "b"), choice(0, "", "stop"), choice(1, "", "length")))
        answer = self.ask(stream=True, n=2)
        self.assertTrue(answer.complete)
        self.assertEqual(self.events(answer)[-1], "data: [DONE]")

    def test_a_body_of_a_pass_through_that_breaks_off_is_not_ended_well(self):
        for raw in (ok("Content-Length: 100", body=b"half"), ok("Transfer-Encoding: chunked", body=b"4\r\nhalf\r\n"),
                    ok("Transfer-Encoding: chunked", body=b"4\r\nhalf\r\nxyz\r\n")):
            self.serve(saying_and_closing(raw))
            answer = self.ask("pass-through")
            self.assertEqual((answer.status, answer.body, answer.complete), (200, b"half", False))


# ---- heads and bodies against RFC 9112: 502 upstream_closed, on both relays where the head is at fault

BODY = f"Content-Length: {len(GOOD)}"
HEADS = [
    ("a_bare_lf_after_the_status_line", b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\n{}"),
    ("a_bare_lf_after_a_field", b"HTTP/1.1 200 OK\r\nContent-Length: 2\nX: y\r\n\r\n{}"),
    ("a_bare_lf_as_the_blank_line", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\n{}"),
    ("a_bare_cr_in_a_value", typed("X: a\rb", BODY, body=GOOD)),
    ("a_nul_in_a_value", typed("X: a\0b", BODY, body=GOOD)),
    ("a_control_byte_in_the_reason", ok(BODY, status="HTTP/1.1 200 O\x1bK", body=GOOD)),
    ("a_folded_line", typed("X: a", " b", BODY, body=GOOD)),
    ("a_space_before_a_colon", typed(f"Content-Length : {len(GOOD)}", body=GOOD)),
    ("a_field_without_a_colon", typed("nonsense", BODY, body=GOOD)),
    ("content_length_with_chunked", typed(BODY, "Transfer-Encoding: chunked", body=b"0\r\n\r\n")),
    ("two_different_content_lengths", typed("Content-Length: 2", BODY, body=GOOD)),
    ("two_equal_content_lengths", typed(BODY, BODY, body=GOOD)),
    ("a_list_of_content_lengths", typed("Content-Length: 2, 2", body=b"{}")),
    ("a_negative_content_length", typed("Content-Length: -2", body=b"{}")),
    ("a_content_length_in_words", typed("Content-Length: two", body=b"{}")),
    ("a_content_length_beyond_64_bits", typed("Content-Length: 99999999999999999999", body=b"{}")),
    ("another_transfer_coding", typed("Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n")),
    ("two_transfer_encodings", typed("Transfer-Encoding: chunked", "Transfer-Encoding: identity", body=b"0\r\n\r\n")),
    ("chunked_in_http_1_0", ok("Transfer-Encoding: chunked", status="HTTP/1.0 200 OK", body=b"0\r\n\r\n")),
    ("http_2", ok(BODY, status="HTTP/2 200", body=GOOD)),
    ("a_status_of_99", ok(BODY, status="HTTP/1.1 099 X", body=GOOD)),
    ("a_status_of_600", ok(BODY, status="HTTP/1.1 600 X", body=GOOD)),
    ("a_status_in_words", ok(BODY, status="HTTP/1.1 Two OK", body=GOOD)),
    ("a_status_of_four_digits", ok(BODY, status="HTTP/1.1 2000 OK", body=GOOD)),
    ("a_switch_of_protocols_that_nobody_asked_for",
     ok("Upgrade: websocket", "Connection: Upgrade", status="HTTP/1.1 101 Switching Protocols", body=b"hi")),
    ("a_head_over_256_kib", typed(*[f"X{i}: {'y' * 4000}" for i in range(70)], BODY, body=GOOD)),
    ("a_status_line_over_256_kib", b"HTTP/1.1 200 " + b"y" * (300 << 10)),
    ("more_than_256_fields", typed(*[f"X{i}: y" for i in range(300)], BODY, body=GOOD)),
    ("the_banner_of_ssh", b"SSH-2.0-OpenSSH_9.2p1\r\n"),
    ("a_tls_alert", b"\x15\x03\x01\x00\x02\x02\x46"),
    ("a_body_without_a_head", GOOD),
]
CLOSES = [
    ("a_connection_closed_without_a_byte", b""),
    ("a_connection_closed_within_the_status_line", b"HTTP/1.1 2"),
    ("a_connection_closed_within_the_head", b"HTTP/1.1 200 OK\r\nContent-Type: app"),
    ("a_connection_closed_after_an_interim_answer", b"HTTP/1.1 100 Continue\r\n\r\n"),
]
BODIES = [
    ("a_connection_closed_within_the_body", typed("Content-Length: 100", body=b'{"id":"x"')),
    ("a_connection_closed_within_a_chunk", typed("Transfer-Encoding: chunked", body=b"64\r\n{}")),
    ("a_missing_last_chunk", typed("Transfer-Encoding: chunked", body=b"2\r\n{}\r\n")),
    ("a_body_until_the_close_that_is_cut", typed("Connection: close", body=GOOD[:-5])),
    ("a_chunk_size_that_is_no_number", typed("Transfer-Encoding: chunked", body=b"xyz\r\n{}\r\n0\r\n\r\n")),
    ("a_negative_chunk_size", typed("Transfer-Encoding: chunked", body=b"-2\r\n{}\r\n0\r\n\r\n")),
    ("a_chunk_size_beyond_64_bits", typed("Transfer-Encoding: chunked", body=b"10000000000000002\r\n{}\r\n0\r\n\r\n")),
    ("a_bare_lf_after_a_chunk_size", typed("Transfer-Encoding: chunked", body=b"2\n{}\r\n0\r\n\r\n")),
    ("a_chunk_longer_than_its_size", typed("Transfer-Encoding: chunked", body=b"1\r\n{}\r\n0\r\n\r\n")),
    ("an_endless_chunk_extension", typed("Transfer-Encoding: chunked", body=b"2;" + b"a" * 10000 + b"\r\n{}\r\n0\r\n\r\n")),
    ("a_bad_trailer", typed("Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\nX : y\r\n\r\n")),
]


def answer_case(raw, paths, script):
    def run(self):
        self.serve(script(raw))
        for path in paths:
            answer = self.ask(path)
            self.refused(answer, 502, "upstream_closed")
            self.assertNotIn("good", answer.text)
        self.refused(self.ask(stream=True), 502, "upstream_closed")
        self.assertEqual(self.origin.connections, len(self.origin.seen))  # none was used twice
        if script is saying:
            wait_for(lambda: self.origin.closed == len(self.origin.seen))
        self.stays_alive()
    return run


for case_name, case_raw in HEADS:
    setattr(HostileAnswers, f"test_{case_name}_is_refused", answer_case(case_raw, PATHS, saying))
for case_name, case_raw in CLOSES:
    setattr(HostileAnswers, f"test_{case_name}_is_a_failure", answer_case(case_raw, PATHS, saying_and_closing))
for case_name, case_raw in BODIES:
    setattr(HostileAnswers, f"test_{case_name}_is_a_failure", answer_case(case_raw, ["policy"], saying_and_closing))


if __name__ == "__main__":
    unittest.main(verbosity=2)
