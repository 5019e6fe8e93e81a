"""Until the first output every recoverable failure is invisible: what is waited out, what is tried again, what is not, and
what of it holds for pass-through (contract, sections 2 "Retry" and 4; errors.md)."""
import gzip
import json
import socket
import threading
import time
import unittest

from harness import Play, http, metric, raw, raw_stream
from stage import (ANTHROPICS, CHAT, DONE, FORMS, LATE, WORD, Case, Stage, chunk, close, failure, http_date, refusal, reset, silent,
                   together)

GOOD = CHAT.good()


# ---- what the vendor asks for

def hinted(*fields, status=429, **error):
    """A refusal made when it is due, since some fields tell the time of day. A field's value may be a function of it."""
    def answer(peer):
        now = int(time.time())
        peer.send(refusal(status, [(name, value(now) if callable(value) else value) for name, value in fields], **error))
    return answer


def google(retry_delay):
    error = {"code": 429, "message": "Resource has been exhausted (e.g. check quota).", "status": "RESOURCE_EXHAUSTED",
             "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": retry_delay}]}
    return raw(429, {"error": error})


MINUTES = 600  # how wrong the vendor's clock is
ANSWERS_WITH_A_WAIT = {  # the sentence: (the answer, the seconds that it asks for)
    "retry_after_in_seconds": (hinted(("Retry-After", "1")), 1),
    "retry_after_with_a_fraction": (hinted(("Retry-After", "1.3")), 1.3),
    "retry_after_as_a_date_of_a_vendor_whose_clock_is_ten_minutes_fast": (
        hinted(("Date", lambda now: http_date(now + MINUTES)), ("Retry-After", lambda now: http_date(now + MINUTES + 1))), 1),
    "retry_after_as_a_date_of_a_vendor_whose_clock_is_ten_minutes_slow": (
        hinted(("Date", lambda now: http_date(now - MINUTES)), ("Retry-After", lambda now: http_date(now - MINUTES + 1))), 1),
    "retry_after_as_a_date_of_the_old_form_of_rfc_850": (
        hinted(("Date", http_date), ("Retry-After", lambda now: time.strftime("%A, %d-%b-%y %H:%M:%S GMT", time.gmtime(now + 1)))), 1),
    "retry_after_as_a_date_of_the_old_form_of_asctime": (
        hinted(("Date", http_date), ("Retry-After", lambda now: time.strftime("%a %b %e %H:%M:%S %Y", time.gmtime(now + 1)))), 1),
    "retry_after_ms_before_retry_after": (hinted(("Retry-After", "60"), ("retry-after-ms", "700")), 0.7),
    "azures_x_ms_retry_after_ms": (hinted(("x-ms-retry-after-ms", "700")), 0.7),
    "a_reset_as_seconds_since_1970_of_a_vendor_whose_clock_is_fast": (
        hinted(("Date", lambda now: http_date(now + MINUTES)), ("X-RateLimit-Reset", lambda now: str(now + MINUTES + 1))), 1),
    "a_reset_as_seconds_since_1970_of_a_vendor_whose_clock_is_slow": (
        hinted(("Date", lambda now: http_date(now - MINUTES)), ("X-RateLimit-Reset", lambda now: str(now - MINUTES + 1))), 1),
    "a_reset_as_milliseconds_since_1970": (
        hinted(("Date", http_date), ("X-RateLimit-Reset", lambda now: str(1000 * now + 900))), 0.9),
    "a_reset_as_seconds_from_now": (hinted(("x-ratelimit-reset", "1")), 1),
    "a_reset_in_go_s_notation_where_nothing_remains_and_none_where_something_does": (
        hinted(("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "900ms"),
               ("x-ratelimit-remaining-tokens", "12"), ("x-ratelimit-reset-tokens", "1h0m0s")), 0.9),
    "anthropics_reset_as_a_moment": (
        hinted(("Date", http_date), ("anthropic-ratelimit-requests-remaining", "0"),
               ("anthropic-ratelimit-requests-reset", lambda now: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + 1)))), 1),
    "ratelimit_reset_of_the_early_drafts": (hinted(("RateLimit-Reset", "1")), 1),
    "ratelimit_of_the_late_drafts": (hinted(("RateLimit", '"default";r=0;t=1')), 1),
    "retry_after_seconds_in_the_errors_metadata": (hinted(metadata={"retry_after_seconds": 1}), 1),
    "a_reset_in_the_headers_that_a_gateway_hands_on_in_the_body": (
        hinted(("Date", http_date), metadata={"headers": {"Retry-After": "1"}}), 1),
    "googles_retry_delay": (google("0.9s"), 0.9),
    "try_again_in_of_the_message": (hinted(message="Rate limit reached. Please try again in 900ms."), 0.9),
    "retry_after_of_the_message": (hinted(message="Too many requests. Please retry after 1 second."), 1),
    "retry_after_of_a_503": (hinted(("Retry-After", "1"), status=503), 1),
    "retry_after_of_a_500": (hinted(("Retry-After", "1"), status=500), 1),
    "retry_after_of_a_529": (hinted(("Retry-After", "1"), status=529, type="overloaded_error"), 1),
    "retry_after_of_a_402": (hinted(("Retry-After", "1"), status=402), 1),
    "retry_after_of_a_429_that_says_overload": (hinted(("Retry-After", "1"), type="engine_overloaded_error"), 1),
    "retry_after_of_an_error_in_a_200": (hinted(("Retry-After", "1"), status=200, code="rate_limit_exceeded"), 1),
    "a_wait_in_an_error_event_that_comes_first": (
        raw_stream(f"data: {json.dumps(failure('Please try again in 900ms.', code='rate_limit_exceeded'))}\n\n"), 0.9),
    "two_seconds_while_a_model_is_loaded": (refusal(503, message="Loading model", type="unavailable_error"), 2),
}


class WaitsThatTheVendorNames(Stage):
    """All of them are waited for at the same time, as a document and as a stream; each test looks at one."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()

        def performed(answer, stream):
            return lambda: cls().perform(answer, CHAT.good(stream), stream=stream)
        keys = [(name, stream) for name in ANSWERS_WITH_A_WAIT for stream in (False, True)]
        cls.performances = dict(zip(keys, together([performed(ANSWERS_WITH_A_WAIT[name][0], stream) for name, stream in keys])))

    def check(self, name):
        wait = ANSWERS_WITH_A_WAIT[name][1]
        for stream in (False, True):
            with self.subTest(stream=stream):
                answer, play = self.performances[name, stream]
                self.assertTrue(CHAT.shows(answer, stream), answer.text)
                self.assertEqual(len(play.calls), 2)
                self.assertGreaterEqual(play.gaps[0], wait)
                self.assertLess(play.gaps[0], 1.25 * wait + LATE)


for sentence in ANSWERS_WITH_A_WAIT:
    setattr(WaitsThatTheVendorNames, f"test_{sentence}_is_waited_out",
            lambda self, sentence=sentence: self.check(sentence))


class WaitsInEveryDialect(Stage):
    RETRY = "{base: 5ms, cap: 20ms}"

    def check(self, bad, wait):
        results = together([lambda form=form: self.perform(bad, form[0].good(form[1]), dialect=form[0], stream=form[1]) for form in FORMS])
        for (dialect, stream), (answer, play) in zip(FORMS, results):
            with self.subTest(dialect=dialect.name, stream=stream):
                self.assertTrue(dialect.shows(answer, stream), answer.text)
                self.assertEqual(len(play.calls), 2)
                self.assertGreaterEqual(play.gaps[0], wait)

    def test_a_429_is_waited_out_in_every_dialect(self):
        self.check(refusal(429, [("retry-after-ms", "300")]), 0.3)

    def test_a_503_is_waited_out_in_every_dialect(self):
        self.check(refusal(503, [("retry-after-ms", "300")]), 0.3)

    def test_anthropics_overload_is_waited_out_in_every_dialect(self):
        body = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        self.check(raw(529, body, [("retry-after-ms", "300")]), 0.3)

    def test_waits_follow_each_other_and_cost_no_attempt(self):
        waits = [refusal(429, [("retry-after-ms", "60")])] * 8
        answer, play = self.perform(*waits, GOOD)
        self.assertTrue(CHAT.shows(answer))
        self.assertEqual((len(play.calls), answer.header("x-streamkeeper-attempts")), (9, "9"))
        self.assertGreaterEqual(min(play.gaps), 0.06)


# ---- what it does not ask for

class Backoff(Stage):
    """A pause before attempt n is max(hint·U(1, 1.25), U(½, 1)·min(cap, base·2ⁿ⁻¹))."""
    RETRY = "{base: 100ms, cap: 300ms}"
    FORMULA = [0.2, 0.3, 0.3]  # of the second, third and fourth attempt; U is 1

    def check(self, bad, formula):
        answer, play = self.perform(*[bad] * len(formula), GOOD)
        self.assertTrue(CHAT.shows(answer), answer.text)
        self.assertEqual(len(play.calls), len(formula) + 1)
        for gap, whole in zip(play.gaps, formula):
            self.assertGreaterEqual(gap, whole / 2)
            self.assertLess(gap, whole + LATE)

    def test_the_pause_doubles_up_to_the_cap(self):
        self.check(refusal(500), self.FORMULA)

    def test_the_cap_bounds_every_own_pause(self):
        for bad in (refusal(500), refusal(429)):
            play = Play(bad, bad, GOOD)
            daemon, _ = self.behind(play, retry="{base: 30s, cap: 60ms}")
            self.assertTrue(CHAT.shows(self.ask(daemon)))
            self.assertGreaterEqual(min(play.gaps), 0.03)

    def test_a_closed_connection_is_no_reason_to_hurry(self):
        self.check(lambda peer: (peer.send(b"HTTP/1.1 200"), peer.close()), self.FORMULA)

    def test_a_429_without_any_hint_is_waited_out_by_the_same_formula(self):
        self.check(refusal(429), self.FORMULA)

    def test_a_503_without_any_hint_too(self):
        self.check(refusal(503), self.FORMULA)

    def test_a_wait_of_nothing_is_not_below_the_own_pause(self):
        fields = ["0", "-5", "soon", "nan", "inf", "1e3", "", http_date(time.time() - 100)]
        together([lambda field=field, status=status: self.check(refusal(status, [("Retry-After", field)]), self.FORMULA[:1])
                  for field in fields for status in (429, 503)])

    def test_a_wait_that_is_shorter_than_the_own_pause_does_not_shorten_it(self):
        together([lambda status=status: self.check(refusal(status, [("retry-after-ms", "20")]), self.FORMULA) for status in (429, 500, 503)])

    def test_a_reset_says_nothing_where_no_limit_was_met(self):
        fields = [[("x-ratelimit-reset", "60")], [("x-ratelimit-remaining-requests", "1"), ("x-ratelimit-reset-requests", "1m0s")]]
        together([lambda some=some, status=status: self.check(refusal(status, some), self.FORMULA[:1]) for some in fields for status in (500, 503)])

    def test_pauses_differ_so_that_clients_do_not_come_back_together(self):
        results = together([lambda: self.perform(refusal(500), GOOD) for _ in range(20)])
        gaps = sorted(play.gaps[0] for _, play in results)
        self.assertGreater(gaps[-1] - gaps[0], 0.01)


# ---- failures that pass

class FailuresThatPass(Stage):
    EXTRA = "stream: {assemble: off}"  # test_assemble.py has what becomes of documents that are cut

    def recovers(self, *bad, forms=FORMS, calls=None, headers=()):
        """In every form the client sees the good answer that follows, and nothing of what came before."""
        results = together([lambda form=form: self.perform(*bad, form[0].good(form[1]), dialect=form[0], stream=form[1], headers=headers) for form in forms])
        for (dialect, stream), (answer, play) in zip(forms, results):
            with self.subTest(dialect=dialect.name, stream=stream):
                self.assertTrue(dialect.shows(answer, stream), answer.text)
                self.assertEqual(len(play.calls), len(bad) + 1)
                self.assertEqual(answer.header("x-streamkeeper-attempts"), str(len(bad) + 1))
                self.assertEqual(len({(call.head, call.body) for call in play.calls}), 1)

    streams = [form for form in FORMS if form[1]]
    documents = [form for form in FORMS if not form[1]]

    # Two closes in a row: the first one may meet a pooled connection and is replaced as a stale one.
    def test_a_vendor_that_closes_without_a_word(self):
        self.recovers(close, close)

    def test_a_vendor_that_resets_the_connection(self):
        self.recovers(reset, reset)

    def test_a_close_in_the_middle_of_the_head(self):
        self.recovers(lambda peer: (peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: appl"), peer.close()))

    def test_a_head_against_the_rules(self):
        self.recovers(lambda peer: (peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nhello"), peer.close()))

    def test_bytes_that_are_no_http(self):
        self.recovers(lambda peer: (peer.send(b"SSH-2.0-OpenSSH_9.2\r\n"), peer.close()))

    def test_a_document_that_is_cut(self):
        self.recovers(lambda peer: (peer.send(CHAT.good()[:-30]), peer.close()), forms=self.documents)

    def test_a_document_in_broken_chunks(self):
        self.recovers(lambda peer: (peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"id\r\nZZ\r\n"), peer.close()),
                      forms=self.documents)

    def test_a_document_that_is_broken_gzip(self):
        self.recovers(raw(200, gzip.compress(b'{"object":"x"}')[:-9] + b"x" * 9, [("Content-Encoding", "gzip")]), forms=self.documents)

    def test_a_stream_that_ends_before_its_first_event(self):
        self.recovers(raw_stream(), forms=self.streams)

    def test_a_stream_that_is_cut_before_its_first_event(self):
        self.recovers(lambda peer: (peer.send(raw_stream(end=False)), peer.close()), forms=self.streams)

    def test_a_stream_of_comments_alone(self):
        self.recovers(raw_stream(": PROCESSING\n\n", ": PROCESSING\n\n"), forms=self.streams)

    def test_a_stream_of_done_alone(self):
        self.recovers(raw_stream(DONE), forms=[(CHAT, True)])

    def test_a_stream_that_breaks_after_its_role(self):
        self.recovers(lambda peer: (peer.send(raw_stream(chunk({"role": "assistant", "content": ""}), end=False)), peer.close()), forms=[(CHAT, True)])

    def test_a_document_that_can_not_be_told_as_the_stream_that_was_asked_for(self):
        cut = json.dumps(CHAT.document).encode()[:-40]
        for bad in (raw(200, b""), raw(200, b"upstream error"), raw(200, cut), raw(200, {}), raw(200, []), b"HTTP/1.1 204 No Content\r\n\r\n"):
            self.recovers(bad, forms=self.streams)

    def test_nor_is_it_shown_to_a_stream_that_is_kept_waiting(self):
        def late(peer):
            time.sleep(0.3)
            peer.send(raw(200, b"upstream error"))
        daemon, _ = self.behind(Play(late, CHAT.good(True)), retry="{base: 5ms}", extra="stream: {commit_hold: 50ms}")
        answer = self.ask(daemon, stream=True)
        self.assertTrue(CHAT.shows(answer, True), answer.text)
        self.assertTrue(answer.text.startswith(": hb\n\n"))

    def test_nor_one_that_is_larger_than_memory_allows(self):
        large = json.dumps({**CHAT.document, "padding": "x" * (2 << 20)}).encode()
        daemon, _ = self.behind(Play(raw(200, large), CHAT.good(True)), retry="{base: 5ms}", extra="limits: {memory: 1MiB}")
        self.assertTrue(CHAT.shows(self.ask(daemon, stream=True), True))

    def test_what_was_held_of_a_stream_that_failed_is_never_shown(self):
        role = chunk({"role": "assistant", "content": ""}).replace("c1", "held")
        answer, _ = self.perform(raw_stream(role), CHAT.good(True), stream=True)
        self.assertTrue(CHAT.shows(answer, True))
        self.assertNotIn("held", answer.text)

    def test_an_error_event_before_any_other(self):
        for error in (failure("The server had an error", code="server_error"), failure("try later", "overloaded_error", None),
                      failure("Provider returned error", code=502)):
            self.recovers(raw_stream(f"data: {json.dumps(error)}\n\n", DONE), forms=self.streams)

    def test_anthropics_error_event_before_any_other(self):
        error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        self.recovers(raw_stream(f"event: error\ndata: {json.dumps(error)}\n\n"), forms=[(ANTHROPICS, True)])

    def test_an_error_event_after_the_role(self):
        self.recovers(raw_stream(chunk({"role": "assistant"}), f"data: {json.dumps(failure())}\n\n"), forms=[(CHAT, True)])

    def test_an_error_in_the_json_of_a_200(self):
        self.recovers(raw(200, failure("upstream error", code=503)))
        self.recovers(raw(200, failure("The server had an error", code="server_error")))

    def test_an_error_that_is_encoded_although_identity_was_asked_for(self):
        self.recovers(raw(500, gzip.compress(json.dumps(failure()).encode()), [("Content-Encoding", "gzip")]))

    def test_an_error_without_a_body(self):
        self.recovers(raw(500, b""))

    def test_an_error_that_is_cut(self):
        self.recovers(lambda peer: (peer.send(refusal(502)[:-20]), peer.close()))

    def test_an_unknown_5xx(self):
        for status in (520, 521, 522, 530, 599):
            self.recovers(refusal(status), forms=FORMS[:2])

    def test_five_failures_in_a_row(self):
        self.recovers(*[refusal(500), refusal(502), close, raw(504, b""), refusal(425)][:4], forms=FORMS[:2])


for status in (408, 409, 424, 425, 498, 499, 500, 502, 503, 504, 524, 529):
    setattr(FailuresThatPass, f"test_a_{status}", lambda self, status=status: self.recovers(refusal(status)))


class VendorsThatAreNotThere(Case):
    def test_a_vendor_that_goes_down_and_comes_back_is_waited_for(self):
        play = Play(raw(200, CHAT.document, [("Connection", "close")]), CHAT.good(True))
        vendor = self.origin(play)
        daemon = self.daemon(vendor.base_url, retry="{base: 100ms}", extra="log: {level: debug}")
        self.ask(daemon)
        vendor.stop()
        held = socket.socket()  # bound and not listening: the port stays ours, and refuses
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", vendor.port))
        asking = []
        client = threading.Thread(target=lambda: asking.append(self.ask(daemon, stream=True)))
        client.start()
        daemon.wait_line(r"attempt 2: one.*no answer, network")
        held.close()
        self.origin(play, port=vendor.port)
        client.join()
        self.assertTrue(CHAT.shows(asking[0], True), asking[0].text)
        self.assertEqual(len(play.calls), 2)

    def test_a_name_that_can_not_be_found_is_asked_for_as_often_as_anything(self):
        daemon = self.daemon("https://nonexistent.invalid/v1", upstream_extra="proxy: none", retry="{attempts: 3, base: 5ms}")
        error = self.failed(self.ask(daemon), 502, "upstream_dns")
        self.assertEqual([attempt.get("status") for attempt in error["streamkeeper"]["attempts"]], [None] * 3)

    def test_a_vendor_that_is_never_there_is_502_after_the_attempts(self):
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            daemon = self.daemon(f"http://127.0.0.1:{held.getsockname()[1]}/v1", retry="{attempts: 4, base: 5ms}")
            for stream in (False, True):
                answer = self.ask(daemon, f"m-{stream}", stream=stream)
                error = self.failed(answer, 502, "upstream_unreachable")
                self.assertEqual(len(error["streamkeeper"]["attempts"]), 4)
                self.assertEqual(answer.header("x-should-retry"), "false")

    def test_a_vendor_that_answers_503_before_it_has_read_the_body_is_asked_again(self):
        for answer, seen in together([lambda ends=ends: self.early(refusal(503, [("Connection", "close")]), ends) for ends in self.ENDS]):
            self.assertTrue(CHAT.shows(answer), answer.text)
            self.assertEqual(seen, ["early", "whole"])

    def test_a_vendor_that_answers_413_or_401_before_it_has_read_the_body_is_heard(self):
        for status, code in ((413, "request_too_large"), (401, "invalid_api_key")):
            bad = refusal(status, [("Connection", "close")], type="request_too_large", code=code)
            for answer, seen in together([lambda ends=ends: self.early(bad, ends) for ends in self.ENDS]):
                self.failed(answer, status, code)
                self.assertEqual(seen, ["early"])

    ENDS = [close, lambda peer: (peer.socket.shutdown(socket.SHUT_WR), silent(peer))]

    def early(self, bad, ends):
        """Asks a vendor with a body that fills every buffer; its first connection answers at the head."""
        seen = []

        def script(peer, origin):
            if seen:
                peer.read_request()
                seen.append("whole")
                return peer.send(GOOD)
            seen.append("early")
            peer.read_until(b"\r\n\r\n")
            peer.send(bad)
            ends(peer)
        daemon, _ = self.behind(script, retry="{base: 5ms}")
        return self.ask(daemon, padding="x" * (12 << 20)), seen


class Slowness(Stage):
    def test_a_vendor_that_says_nothing_for_the_clients_timeout_is_asked_again(self):
        answers = together([lambda stream=stream: self.perform(silent, CHAT.good(stream), stream=stream, headers=[("x-streamkeeper-timeout", "1s")])
                            for stream in (False, True)])
        for stream, (answer, play) in zip((False, True), answers):
            self.assertTrue(CHAT.shows(answer, stream), answer.text)
            self.assertEqual(len(play.calls), 2)
            self.assertGreaterEqual(play.gaps[0], 1.0)
            self.assertNotIn(b"x-streamkeeper-timeout", play.calls[0].head.lower())

    def test_a_stream_that_shows_nothing_for_the_clients_timeout_is_begun_again(self):
        def stalls(peer):
            peer.send(raw_stream(chunk({"role": "assistant", "content": ""}), end=False))
            silent(peer)
        answer, play = self.perform(stalls, CHAT.good(True), stream=True, headers=[("x-streamkeeper-timeout", "1s")])
        self.assertTrue(CHAT.shows(answer, True), answer.text)
        self.assertEqual(len(play.calls), 2)

    def test_a_vendor_that_never_answers_is_504(self):
        model, play = self.cast(silent)
        answer = self.ask(self.proxy, model, headers=[("x-streamkeeper-timeout", "200ms"), ("x-streamkeeper-max-wait", "300ms")])
        error = self.failed(answer, 504, "upstream_timeout")
        self.assertEqual(error["streamkeeper"]["reason"], "timeout")
        self.assertEqual(len(play.calls), len(error["streamkeeper"]["attempts"]))

    def test_an_override_that_is_no_duration_is_refused_and_nothing_sent(self):
        for name in ("x-streamkeeper-timeout", "x-streamkeeper-max-wait"):
            for value in ("soon", "-1s", "5"):
                answer, play = self.perform(GOOD, headers=[(name, value)])
                self.assertEqual((answer.status, len(play.calls)), (400, 0), (name, value))
                self.assertIn(name, answer.json["error"]["message"])


# ---- failures that do not pass

class FailuresThatDoNotPass(Stage):
    EXTRA = "resume: {mode: off}"

    def fails(self, bad, status, code, forms=FORMS):
        for dialect, stream in forms:
            with self.subTest(dialect=dialect.name, stream=stream):
                answer, play = self.perform(bad, dialect.good(stream), dialect=dialect, stream=stream)
                self.failed(answer, status, None if dialect is ANTHROPICS and code is None else code)
                self.assertEqual(answer.header("x-should-retry"), "false")
                self.assertIsNone(answer.header("retry-after"))
                self.assertEqual(len(play.calls), 1)

    def test_a_web_page_in_a_200(self):
        self.fails(raw(200, b"<!doctype html><html><title>console</title></html>", [("Content-Type", "text/html")]), 502, "upstream_not_an_api")

    def test_a_web_page_that_calls_itself_json(self):
        self.fails(raw(200, b"<!doctype html><html><title>console</title></html>"), 502, "upstream_not_an_api")

    def test_a_redirect_which_is_not_followed(self):
        elsewhere = self.origin(Play(GOOD))
        for status in (301, 302, 307, 308):
            self.fails(raw(status, b"", [("Location", elsewhere.base_url + "/chat/completions")]), 502, "upstream_not_an_api", FORMS[:2])
        self.assertEqual(elsewhere.connections, 0)

    def test_a_request_that_is_wrong(self):
        for status in (400, 405, 415, 422, 431):
            self.fails(refusal(status, type="invalid_request_error", code="bad_thing"), status, "bad_thing", FORMS[:2])

    def test_a_wrong_path(self):
        self.fails(raw(404, {"detail": "Not Found"}), 404, None, [(CHAT, False)])

    def test_what_is_not_implemented(self):
        for status in (501, 505):
            self.fails(refusal(status, code="not_supported"), status, "not_supported", FORMS[:2])

    def test_a_filter_of_contents(self):
        self.fails(refusal(400, message="The response was filtered", code="content_filter"), 400, "content_filter")

    def test_a_prompt_that_is_too_long(self):
        self.fails(refusal(400, message="This model's maximum context length is 8192 tokens", code="context_length_exceeded"), 400, "context_length_exceeded")

    def test_one_request_above_the_limit_of_a_minute(self):
        message = "Request too large for m on tokens per min (TPM): Limit 10000, Requested 20000."
        self.fails(refusal(429, message=message, type="tokens", code="rate_limit_exceeded"), 429, "rate_limit_exceeded", FORMS[:2])

    def test_an_error_event_of_that_kind_before_any_other(self):
        error = failure("The response was filtered", "invalid_request_error", "content_filter")
        self.fails(raw_stream(f"data: {json.dumps(error)}\n\n"), 400, "content_filter", [form for form in FORMS if form[1]])

    def test_an_error_of_that_kind_in_the_json_of_a_200(self):
        self.fails(raw(200, failure("no", "invalid_request_error", "content_filter")), 400, "content_filter")

    def test_an_error_of_that_kind_that_is_encoded(self):
        body = gzip.compress(json.dumps(failure("no", "invalid_request_error", "bad_thing")).encode())
        self.fails(raw(400, body, [("Content-Encoding", "gzip")]), 400, "bad_thing")

    def test_nothing_is_tried_again_once_output_was_shown(self):
        word = chunk({"content": "half"})
        for broken in (lambda peer: (peer.send(raw_stream(word, end=False)), peer.close()), raw_stream(word), raw_stream(word, f"data: {json.dumps(failure())}\n\n")):
            answer, play = self.perform(broken, CHAT.good(True), stream=True)
            self.assertEqual((answer.status, answer.complete, len(play.calls)), (200, False, 1))
            self.assertTrue(answer.text.startswith(word))
            self.assertNotIn(WORD, answer.text)


class TheVendorsWill(Stage):
    """x-should-retry, both ways."""

    def test_what_shall_not_be_sent_again_is_not(self):
        for status in (500, 503, 504):
            for stream in (False, True):
                answer, play = self.perform(refusal(status, [("x-should-retry", "false")]), GOOD, stream=stream)
                self.failed(answer, status, "oops")
                self.assertEqual((len(play.calls), answer.header("x-should-retry")), (1, "false"))

    def test_a_429_that_shall_not_be_sent_again_is_not_even_with_a_wait(self):
        answer, play = self.perform(refusal(429, [("x-should-retry", "false"), ("Retry-After", "1")]), GOOD)
        self.failed(answer, 429, "oops")
        self.assertEqual(len(play.calls), 1)

    def test_a_refusal_of_no_known_kind_that_may_be_sent_again_is(self):
        for stream in (False, True):
            answer, play = self.perform(refusal(400, [("x-should-retry", "true")]), CHAT.good(stream), stream=stream)
            self.assertTrue(CHAT.shows(answer, stream), answer.text)
            self.assertEqual(len(play.calls), 2)

    def test_a_refusal_of_a_known_kind_is_what_it_is_all_the_same(self):
        answer, play = self.perform(refusal(400, [("x-should-retry", "true")], code="content_filter"), GOOD)
        self.failed(answer, 400, "content_filter")
        self.assertEqual(len(play.calls), 1)


# ---- pass-through

FILE = raw(200, b'{"id":"file-1"}')
VENDORS_ERROR = b'{ "error" : "as the vendor wrote it" }\n'


class PassThrough(Case):
    def ask(self, daemon, method="GET", body=b"", headers=()):
        return http(daemon.address, method, "/v1/files", headers, body)

    def test_a_get_or_head_without_a_body_is_tried_again(self):
        def check(method, bad):
            play = Play(bad, FILE if method == "GET" else raw(200, b"", [("Content-Length", "15")]))
            daemon, _ = self.behind(play, retry="{base: 5ms}")
            self.assertEqual(self.ask(daemon, method).status, 200)
            self.assertEqual(len(play.calls), 2)
        bads = [raw(500, b""), raw(503, b""), raw(408, b""), lambda peer: (peer.send(b"HTTP/1.1 2"), peer.close())]
        together([lambda method=method, bad=bad: check(method, bad) for method in ("GET", "HEAD") for bad in bads])

    def test_a_get_that_says_it_has_no_body_has_none(self):
        play = Play(raw(503, b""), FILE)
        daemon, _ = self.behind(play, retry="{base: 5ms}")
        self.assertEqual((self.ask(daemon, headers=[("Content-Length", "0")]).status, len(play.calls)), (200, 2))

    def test_after_the_attempts_it_is_the_vendors_error_as_it_is(self):
        play = Play(*[raw(503, b"not this one")] * 5, raw(503, VENDORS_ERROR, [("x-vendor", "yes")]))
        daemon, _ = self.behind(play, retry="{base: 5ms}")
        answer = self.ask(daemon)
        self.assertEqual((answer.status, answer.body, answer.header("x-vendor"), len(play.calls)), (503, VENDORS_ERROR, "yes", 6))

    def test_nothing_else_is_tried_again_once_it_may_have_arrived(self):
        requests = [("POST", b"{}"), ("POST", b""), ("PUT", b"x"), ("DELETE", b""), ("PATCH", b"x"), ("GET", b"body")]
        for bad, status in ((raw(503, VENDORS_ERROR), 503), (close, 502), (raw(409, VENDORS_ERROR), 409)):
            play = Play(bad)
            daemon, _ = self.behind(play, retry="{base: 5ms}")
            for number, (method, body) in enumerate(requests, 1):
                with self.subTest(method=method, status=status):
                    answer = self.ask(daemon, method, body)
                    self.assertEqual((answer.status, len(play.calls)), (status, number))
                    if status != 502:
                        self.assertEqual(answer.body, VENDORS_ERROR)

    def test_what_could_not_connect_is_tried_again_whatever_it_is(self):
        def check(method, body):
            play = Play(FILE)
            held = socket.socket()
            held.bind(("127.0.0.1", 0))
            port = held.getsockname()[1]
            daemon = self.daemon(f"http://127.0.0.1:{port}/v1", retry="{base: 100ms}", extra="log: {level: debug}")
            answers = []
            client = threading.Thread(target=lambda: answers.append(self.ask(daemon, method, body)))
            client.start()
            daemon.wait_line(r"attempt 2: one.*no answer, network")
            held.close()
            self.origin(play, port=port)
            client.join()
            self.assertEqual((answers[0].status, len(play.calls)), (200, 1))
            self.assertEqual(play.calls[0].body, body)
        together([lambda: check("POST", b"x" * 100000), lambda: check("DELETE", b"")])

    def test_a_get_waits_out_a_429(self):
        play = Play(raw(429, VENDORS_ERROR, [("retry-after-ms", "600")]), FILE)
        daemon, _ = self.behind(play, retry="{base: 5ms}")
        self.assertEqual(self.ask(daemon).status, 200)
        self.assertGreaterEqual(play.gaps[0], 0.6)

    def test_a_post_is_told_its_429_and_the_next_one_waits(self):
        play = Play(raw(429, VENDORS_ERROR, [("Retry-After", "1")]), FILE)
        daemon, _ = self.behind(play, retry="{base: 5ms}")
        answer = self.ask(daemon, "POST", b"x")
        self.assertEqual((answer.status, answer.body), (429, VENDORS_ERROR))
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_gate_closed", upstream="one", cause="rate_limit"), 1)
        self.assertEqual(self.ask(daemon, "POST", b"x").status, 200)
        self.assertEqual(len(play.calls), 2)
        self.assertGreaterEqual(play.gaps[0], 1)

    def test_a_day_is_told_by_the_vendor_first_and_then_here(self):
        play = Play(raw(429, VENDORS_ERROR, [("Retry-After", "86400")]))
        daemon, _ = self.behind(play, retry="{base: 5ms}")
        self.assertEqual(self.ask(daemon).body, VENDORS_ERROR)
        answer = self.ask(daemon)
        self.assertEqual((answer.status, answer.json["error"]["code"], answer.header("retry-after"), len(play.calls)), (429, "rate_limited", "60", 1))

    def test_its_429_does_not_hold_up_a_model(self):
        def answer(peer):
            peer.send(raw(429, VENDORS_ERROR, [("Retry-After", "86400")]))
        daemon, _ = self.behind(Play(answer, GOOD), retry=None)
        self.ask(daemon)
        self.assertTrue(CHAT.shows(http(daemon.address, "POST", CHAT.path, (), CHAT.request("m"))))

    def test_its_failures_close_no_model_and_are_not_held_up_by_one(self):
        play = Play(raw(500, VENDORS_ERROR))
        daemon, _ = self.behind(play, retry="{attempts: 1}")
        for _ in range(7):
            self.ask(daemon)
        self.assertEqual(len(play.calls), 7)


if __name__ == "__main__":
    unittest.main()
