"""How a stream ends that can't be completed after its 200 was sent (contract, section 4, "giving up after the commit"): so that
agents try again by themselves where that may help, and stop where it does not."""
import contextlib
import json
import time
import unittest

from harness import KEY, config_for, Daemon, metric, raw, request_bytes
from stage import ANTHROPICS, CHAT, COMPLETIONS, RESPONSES, WORD, failure
from waiting import APIS, BEAT, FAST, Case, cut, parts, stream, wait_idle, whole

AT_ONCE = "stream: {commit_hold: 0s, heartbeat: 100ms}\n"
ONE_TRY = "{attempts: 1, deadline: {stream: 240s}}"
HOUR = [("Retry-After", "3600")]
DAY = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota exceeded for this model", "details": [
    {"@type": "type.googleapis.com/google.rpc.QuotaFailure",
     "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}]}}
PAGE = b"<!DOCTYPE html><html><body>Welcome to the console</body></html>"


def says(status, headers=(), body=None, **error):
    return lambda peer, dialect: peer.answer(status, json.dumps(body or failure(**error)).encode() if not isinstance(body, bytes) else body, headers)


def error_event(dialect, **error):
    data = json.dumps({**({"type": "error"} if dialect in (RESPONSES, ANTHROPICS) else {}), **failure(**error)})
    return ("event: error\n" if dialect in (RESPONSES, ANTHROPICS) else "") + f"data: {data}\n\n"


def in_stream(**error):
    return lambda peer, dialect: stream(peer, error_event(dialect, **error))


# What fails and may work when it is asked again, with the reason that its client is told.
RETRYABLE = {
    "a failing vendor": (says(500), "server"),
    "an overloaded vendor": (says(503), "overload"),
    "a limit that lasts longer than the deadline": (says(429, HOUR), "rate_limit"),
    "a gateway's timeout": (says(504), "timeout"),
    "no answer": (lambda peer, _: cut(peer), "network"),
    "half a head": (lambda peer, _: (peer.send(b"HTTP/1.1 200 OK\r\nConte"), cut(peer)), "network"),
    "a broken head": (lambda peer, _: peer.send(b"HTTP/9 nonsense\r\n\r\n"), "network"),
    "half a document": (lambda peer, _: (peer.send(raw(200, CHAT.document)[:-20]), cut(peer)), "network"),
    "an empty stream": (lambda peer, _: stream(peer), "empty_stream"),
    "a stream without output": (lambda peer, dialect: stream(peer, *parts(dialect)[0]), "empty_stream"),
    "an error in a stream": (in_stream(type="overloaded_error", code=503), "overload"),
    "an error in a document": (says(200, code=503), "overload"),
    "a cut after output": (lambda peer, dialect: (stream(peer, parts(dialect)[1][0], end=False), cut(peer)), "stream_interrupted"),
}

# What will fail again however often it is asked: (what fails, the code that its client is told).
TERMINAL = {
    "a refused request": (says(400, code="bad_thing"), "bad_thing"),
    "a refused key": (says(401, code="invalid_api_key"), "invalid_api_key"),
    "an empty purse": (says(402, code="quota_exceeded"), "quota_exceeded"),
    "an empty purse dressed as a limit": (says(429, code="insufficient_quota"), "insufficient_quota"),
    "a forbidden model": (says(403, code="model_access_denied"), "model_access_denied"),
    "an unknown path": (says(404, body={"detail": "Not Found"}), None),
    "a long prompt": (says(400, code="context_length_exceeded"), "context_length_exceeded"),
    "a policy": (says(400, code="content_policy_violation"), "content_policy_violation"),
    "a request larger than its limit": (says(429, code="rate_limit_exceeded", message="Request too large for m: Limit 1000, Requested 2000"),
                                        "rate_limit_exceeded"),
    "a day's quota": (says(429, body=DAY), None),
    "what is not implemented": (says(501, code="not_supported"), "not_supported"),
    "a vendor that says itself not to try again": (says(503, [("x-should-retry", "false")], code="down"), "down"),
    "a page": (says(200, [("Content-Type", "text/html")], PAGE), "upstream_not_an_api"),
    "a page that calls itself JSON": (says(200, (), PAGE), "upstream_not_an_api"),
    "a redirect": (says(302, [("Location", "http://elsewhere.test/")]), "upstream_not_an_api"),
    "an error in a stream": (in_stream(type="invalid_request_error", code="bad_thing", status_code=400), "bad_thing"),
    "an error in a document": (says(200, type="invalid_request_error", code="bad_thing", status_code=400), "bad_thing"),
}


class GivingUp(Case):
    def failing(self, fail, dialect, extra=AT_ONCE + "\nresume: {mode: off}", retry=ONE_TRY, **options):
        """A client whose stream was committed before it fails: (client, daemon)."""
        vendor, daemon = self.pair(extra=extra, retry=retry)
        client = self.client(daemon, dialect, **options)
        peer = vendor.next()
        client.commit()
        if options.get("version") != "1.0":
            client.beat()
        fail(peer, dialect)
        return client, daemon

    def check_counted(self, daemon, outcome):
        line = self.line(daemon)
        self.assertEqual((line["outcome"], line["status"]), (outcome, 200))
        metrics = daemon.metrics()
        self.assertEqual(metric(metrics, "streamkeeper_requests_total", outcome=outcome, code="200"), 1)
        self.assertEqual(metric(metrics, "streamkeeper_requests_total"), 1)
        self.assertEqual(metric(metrics, "streamkeeper_stream_ends_total"), 1, "once for each stream of a client")
        wait_idle(daemon)

    def check_error(self, dialect, event, code=None):
        """The dialect's error event, of which SDKs make an exception. Gives back the error object."""
        self.assertTrue(event.endswith("\n\n") and event.count("\n\n") == 1, event)
        lines = event.rstrip("\n").split("\n")
        data = json.loads(lines.pop().removeprefix("data: "))
        self.assertEqual(lines, ["event: error"] if dialect in (RESPONSES, ANTHROPICS) else [])
        if dialect in (RESPONSES, ANTHROPICS):
            self.assertEqual(data["type"], "error")
        if dialect is RESPONSES:
            self.assertEqual((data["message"], data["code"]), (data["error"]["message"], data["error"]["code"]))
        self.assertTrue(data["error"]["message"])
        if code and dialect is not ANTHROPICS:  # whose errors know no code
            self.assertEqual(data["error"]["code"], code)
        return data

    def test_where_asking_again_may_help_one_comment_says_why_and_the_last_chunk_never_comes(self):
        for number, (name, (fail, reason)) in enumerate(RETRYABLE.items()):
            dialect = APIS[number % 4]
            with self.subTest(f"{name}, {dialect.name}"):
                client, daemon = self.failing(fail, dialect)
                text, ended = client.rest()
                comment = f": streamkeeper {reason}\n\n"
                shown = parts(dialect)[1][0] if "after output" in name else ""
                self.assertEqual((text, ended), (shown + comment, False))
                self.check_counted(daemon, "aborted")

    def test_where_it_does_not_the_dialects_error_event_comes_and_a_clean_end(self):
        for number, (name, (fail, code)) in enumerate(TERMINAL.items()):
            dialect = APIS[number % 4]
            with self.subTest(f"{name}, {dialect.name}"):
                client, daemon = self.failing(fail, dialect)
                text, ended = client.rest()
                self.assertTrue(ended, text)
                self.check_error(dialect, text, code)
                self.assertNotIn("[DONE]", text, "nothing was done")
                self.check_counted(daemon, "error")

    def test_both_ends_in_every_dialect(self):
        for dialect in APIS:
            with self.subTest(dialect.name):
                client, daemon = self.failing(says(500), dialect)
                self.assertEqual(client.rest(), (": streamkeeper server\n\n", False))
                self.check_counted(daemon, "aborted")
                client, daemon = self.failing(says(400, code="bad_thing", message="the bad thing"), dialect)
                text, ended = client.rest()
                self.assertTrue(ended)
                self.assertIn("the bad thing", self.check_error(dialect, text, "bad_thing")["error"]["message"])
                self.check_counted(daemon, "error")

    def test_an_error_after_output_is_told_apart_like_one_before(self):
        for dialect in APIS:
            opening, (first, *_) = parts(dialect)
            for terminal in (False, True):
                with self.subTest(dialect.name, terminal=terminal):
                    error = {"type": "invalid_request_error", "code": "bad_thing", "status_code": 400} if terminal else {"type": "overloaded_error"}
                    fail = lambda peer, _: stream(peer, *opening, first, error_event(dialect, **error))
                    client, daemon = self.failing(fail, dialect, AT_ONCE + "\nresume: {mode: off}")
                    text, ended = client.rest()
                    shown = "".join([*opening, first])
                    self.assertEqual(text[:len(shown)], shown)
                    if terminal:
                        self.assertTrue(ended, text)
                        self.check_error(dialect, text[len(shown):], "bad_thing")
                    else:
                        self.assertEqual((text[len(shown):], ended), (": streamkeeper stream_interrupted\n\n", False))
                    self.check_counted(daemon, "error" if terminal else "aborted")

    def test_it_ends_so_after_all_attempts_not_after_one(self):
        vendor, daemon = self.pair(retry="{attempts: 3, base: 5ms}")
        client = self.client(daemon)
        peer = vendor.next()
        client.commit()
        for _ in range(2):
            peer.answer(500, failure())
            peer = vendor.next()
            client.beat()
        peer.answer(500, failure())
        self.assertEqual(client.rest(), (": streamkeeper server\n\n", False))
        self.assertEqual(len(vendor.seen), 3)
        self.assertEqual(len(self.line(daemon)["attempts"]), 3)

    def test_after_an_error_event_the_connection_carries_the_next_request(self):
        vendor, daemon = self.pair(retry=ONE_TRY)
        client = self.client(daemon)
        peer = vendor.next()
        client.commit()
        peer.answer(400, failure())
        self.assertTrue(client.rest()[1])
        client.send(request_bytes("POST", CHAT.path, body=CHAT.request("m", True)))
        stream(vendor.next(), *CHAT.events)
        self.assertEqual(client.read_response().text, whole(CHAT))

    def test_abort_and_error_force_one_of_the_ends(self):
        for dialect in APIS:
            with self.subTest(dialect.name):
                client, daemon = self.failing(says(400), dialect, AT_ONCE + "resume: {on_failure: abort}\n")
                self.assertEqual(client.rest(), (": streamkeeper bad_request\n\n", False))
                self.check_counted(daemon, "aborted")
                client, daemon = self.failing(says(503, code="busy"), dialect, AT_ONCE + "resume: {on_failure: error}\n")
                text, ended = client.rest()
                self.assertTrue(ended)
                self.check_error(dialect, text, "busy")
                self.check_counted(daemon, "error")

    def test_an_old_client_always_gets_the_error_event(self):
        for dialect in APIS:
            for on_failure in ("auto", "abort"):
                with self.subTest(dialect.name, on_failure=on_failure):
                    client, daemon = self.failing(says(503, code="busy"), dialect, AT_ONCE + f"resume: {{on_failure: {on_failure}}}\n", version="1.0")
                    client.at_end()
                    self.check_error(dialect, client.buffer.decode().replace(BEAT.decode(), ""), "busy")
                    self.check_counted(daemon, "error")

    def test_a_key_in_the_vendors_message_is_masked(self):
        client, _ = self.failing(says(400, message=f"the key {KEY} is wrong"), CHAT)
        text, _ = client.rest()
        self.assertNotIn(KEY, text)
        self.assertIn("is wrong", text)

    def test_the_error_names_the_request(self):
        vendor, daemon = self.pair(retry=ONE_TRY)
        client = self.client(daemon)
        peer = vendor.next()
        request_id = client.commit()["x-streamkeeper-request-id"]
        peer.answer(400, failure())
        error = self.check_error(CHAT, client.rest()[0])["error"]
        self.assertEqual(error["streamkeeper"]["request_id"], request_id)

    # ---- refusals of our own

    def test_a_gate_that_outlasts_the_deadline_is_a_reason_to_ask_again(self):
        vendor, daemon = self.pair(retry="{deadline: {stream: 60s}}")
        client = self.client(daemon)
        peer = vendor.next()
        client.commit()
        peer.answer(429, failure(), HOUR)
        self.assertEqual(client.rest(), (": streamkeeper rate_limit\n\n", False))
        self.assertLess(client.waited, 20, "refused at once")
        self.check_counted(daemon, "aborted")
        self.assertEqual(self.client(daemon).read_response().status, 429, "and before the commit it is a real status")

    def test_a_queue_that_outlasts_the_deadline_is_one_too(self):
        vendor, daemon = self.pair(retry="{deadline: {stream: 1s, other: 60s}}", upstream_extra="max_in_flight: 1")
        first = self.connect(daemon)
        first.send(request_bytes("POST", CHAT.path, body=CHAT.request("m")))
        peer = vendor.next()
        client = self.client(daemon)
        client.commit()
        self.assertEqual(client.rest(), (": streamkeeper in_flight\n\n", False))
        self.assertGreaterEqual(client.waited, 1)
        peer.answer(body=json.dumps(CHAT.document).encode())
        self.assertEqual(first.read_response().status, 200)
        self.assertEqual(len(vendor.seen), 1)

    def test_a_deadline_that_passes_in_the_attempts_ends_them(self):
        vendor, daemon = self.pair(retry="{base: 300ms, deadline: {stream: 800ms}}")
        client = self.client(daemon)
        client.commit()
        vendor.next().answer(500, failure())
        with self.assertRaises(AssertionError):
            while True:
                vendor.next(1.5).answer(500, failure())
        self.assertEqual(client.rest(), (": streamkeeper server\n\n", False))

    # ---- answers that can't be told

    def test_what_is_neither_events_nor_a_document_never_brings_a_second_head(self):
        """Whatever is made of it, the client's chunked body must stay one."""
        bodies = {"nothing": b"", "white space": b" \n ", "words": b"oops", "broken JSON": b'{"id":1,,}', "half of it": b'{"error":',
                  "a list": b"[1,2]", "a number": b"17", "another object": b'{"hello":"world"}', "no choices": b'{"choices":[]}'}
        for number, (name, body) in enumerate(bodies.items()):
            for dialect in APIS if number == 0 else (APIS[number % 4],):
                with self.subTest(f"{name}, {dialect.name}"):
                    client, daemon = self.failing(lambda peer, _: peer.answer(200, body), dialect)
                    text, ended = client.rest()
                    self.assertNotIn("HTTP/1.1", text)
                    self.assertEqual((text[:15], text[-2:], ended), (": streamkeeper ", "\n\n", False), text)
                    self.check_counted(daemon, "aborted")

    def test_a_document_too_large_to_hold_never_brings_a_second_head_nor_heartbeats_into_it(self):
        large = json.dumps(CHAT.document).replace(WORD, "x" * (3 << 20)).encode()
        vendor, daemon = self.pair(extra=AT_ONCE + "limits: {memory: 1MiB}\n", retry=ONE_TRY)
        client = self.client(daemon)
        peer = vendor.next()
        client.commit()
        with contextlib.suppress(OSError):  # the daemon may have had enough
            peer.answer(200, large)
        text, ended = client.rest()
        self.assertNotIn("HTTP/1.1", text)
        self.assertFalse(ended)
        connection = self.connect(daemon)
        connection.send(request_bytes("POST", CHAT.path, body=CHAT.request("n", True)))
        peer = vendor.next()
        answer = raw(200, large)
        with contextlib.suppress(OSError):  # the daemon may have had enough
            peer.send(answer[:2 << 20])
            time.sleep(0.7)
            peer.send(answer[2 << 20:])
        answer = connection.read_response()
        self.assertTrue(answer.status == 502 or answer.body == large or not answer.complete, answer.raw)
        self.assertNotIn(BEAT + b"x", answer.body)


if __name__ == "__main__":
    unittest.main(verbosity=2)
