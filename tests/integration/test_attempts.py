"""How often and how long a request is tried, what is sent again, and what the client is told when it was in vain (contract,
sections 2 "Retry", 4 and 5)."""
import json
import time
import unittest

from harness import KEY, Connection, Play, http, metric, raw, raw_stream, request_bytes
from stage import ANTHROPICS, CHAT, DIALECTS, FORMS, LATE, Case, Stage, close, failure, refusal, together

GOOD = CHAT.good()


# ---- how often, how long

class Budget(Case):
    """By 4xx mostly: five failures in a row of another kind close the model for half a minute (test_gates.py)."""

    def calls(self, *answers, retry, status=409, stream=False, **options):
        play = Play(*answers)
        daemon, _ = self.behind(play, retry=retry, **options)
        answer = self.ask(daemon, stream=stream)
        self.assertEqual(answer.status, status, answer.text)
        return play, answer

    def test_six_calls_unless_it_is_set(self):
        for play, answer in together([lambda stream=stream: self.calls(refusal(409), retry="{base: 5ms, cap: 40ms}", stream=stream) for stream in (False, True)]):
            self.assertEqual((len(play.calls), answer.header("x-streamkeeper-attempts")), (6, "6"))
            self.assertEqual(len(answer.json["error"]["streamkeeper"]["attempts"]), 6)

    def test_as_many_as_are_set_whatever_the_failure(self):
        for bad, status in ((refusal(500), 500), (refusal(503), 503), (refusal(504), 504), (refusal(408), 408)):
            play, _ = self.calls(bad, retry="{attempts: 3, base: 5ms}", status=status)
            self.assertEqual(len(play.calls), 3)

    def test_one_attempt_is_one_call(self):
        self.assertEqual(len(self.calls(refusal(409), retry="{attempts: 1}")[0].calls), 1)

    def test_a_single_target_gets_all_of_them_whatever_per_target_says(self):
        self.assertEqual(len(self.calls(refusal(409), retry="{attempts: 5, per_target: 1, base: 5ms}")[0].calls), 5)

    def test_a_call_that_was_told_to_wait_costs_none(self):
        wait = refusal(429, [("retry-after-ms", "50")])
        play, _ = self.calls(wait, refusal(409), wait, wait, refusal(409), GOOD, retry="{attempts: 2, base: 5ms}")
        self.assertEqual(len(play.calls), 5)

    def test_waits_before_the_last_attempt_still_lead_to_it(self):
        wait = refusal(429, [("retry-after-ms", "50")])
        play, _ = self.calls(refusal(409), wait, wait, wait, GOOD, retry="{attempts: 2, base: 5ms}", status=200)
        self.assertEqual(len(play.calls), 5)

    def by_key(self, *answers, retry, keys=2):
        """The keys of the calls, in order, when each of several answers the same."""
        names = ["first", "second", "third"][:keys]
        play = Play(*answers)
        daemon, _ = self.behind(play, retry=retry, keys="[" + ", ".join(f"{{name: {name}, file: {name}}}" for name in names) + "]",
                                files={name: f"sk-{name}-0123456789" for name in names})
        self.ask(daemon)
        return [call.head.split(b"Bearer sk-")[1].split(b"-")[0].decode() for call in play.calls]

    def test_per_target_bounds_the_calls_of_one_key_while_another_is_left(self):
        self.assertEqual(self.by_key(refusal(409), retry="{base: 5ms}"), ["first"] * 4 + ["second"] * 2)
        self.assertEqual(self.by_key(refusal(409), retry="{per_target: 2, base: 5ms}"), ["first"] * 2 + ["second"] * 4)

    def test_each_target_gets_its_turn_before_the_attempts_are_used_up(self):
        self.assertEqual(self.by_key(refusal(409), retry="{attempts: 3, base: 5ms}", keys=3), ["first", "second", "third"])
        self.assertEqual(self.by_key(refusal(409), retry="{attempts: 4, base: 5ms}", keys=3), ["first"] * 2 + ["second", "third"])

    def test_a_slow_vendor_is_asked_twice_where_another_target_is_left(self):
        self.assertEqual(self.by_key(refusal(408), retry="{base: 5ms}"), ["first"] * 2 + ["second"] * 4)

    def test_so_is_one_without_room(self):
        self.assertEqual(self.by_key(refusal(498), retry="{base: 5ms}"), ["first"] * 2 + ["second"] * 4)


class Deadlines(Stage):
    def refused_at_once(self, bad, headers, retry_after, **options):
        began = time.monotonic()
        answer, play = self.perform(bad, GOOD, headers=headers, **options)
        self.assertLess(time.monotonic() - began, LATE)
        self.failed(answer, 429, "oops")
        self.assertEqual(len(play.calls), 1)
        self.told_to_wait(answer, retry_after)

    def told_to_wait(self, answer, seconds):
        """The gate's own time: the vendor's and up to a quarter of it more, and never above a minute."""
        self.assertRegex(answer.header("retry-after"), r"^\d+$")
        self.assertGreaterEqual(int(answer.header("retry-after")), min(seconds, 60))
        self.assertLessEqual(int(answer.header("retry-after")), min(1.25 * seconds + 1, 60))
        self.assertIsNone(answer.header("x-should-retry"))

    def test_a_wait_beyond_max_wait_is_refused_at_once_with_its_length(self):
        for stream in (False, True):
            self.refused_at_once(refusal(429, [("Retry-After", "30")]), [("x-streamkeeper-max-wait", "20s")], 30, stream=stream)

    def test_a_wait_beyond_the_clients_own_timeout_too(self):
        for seconds in ("20", "20.5"):
            self.refused_at_once(refusal(429, [("Retry-After", "30")]), [("x-stainless-timeout", seconds)], 30)

    def test_a_503_with_such_a_wait_is_a_503(self):
        answer, play = self.perform(refusal(503, [("Retry-After", "30")]), GOOD, headers=[("x-streamkeeper-max-wait", "20s")])
        self.failed(answer, 503, "oops")
        self.assertEqual(len(play.calls), 1)
        self.told_to_wait(answer, 30)

    def test_a_pause_beyond_it_is_not_begun(self):
        began = time.monotonic()
        answer, play = self.perform(refusal(500, [("Retry-After", "30")]), GOOD, headers=[("x-streamkeeper-max-wait", "20s")])
        self.failed(answer, 500, "oops")
        self.assertLess(time.monotonic() - began, LATE)
        self.assertEqual((len(play.calls), answer.header("x-should-retry"), answer.header("retry-after")), (1, "false", None))

    def test_a_day_is_never_slept_and_is_told_as_a_minute(self):
        for stream in (False, True):
            self.refused_at_once(refusal(429, [("Retry-After", "86400")]), [], 86400, stream=stream)

    def test_who_asks_for_the_same_model_then_is_refused_without_touching_the_vendor(self):
        model, play = self.cast(refusal(429, [("Retry-After", "86400")]))
        self.ask(self.proxy, model)
        for stream in (False, True):
            answer = self.ask(self.proxy, model, stream=stream)
            error = self.failed(answer, 429, "rate_limited")
            self.assertEqual((answer.header("retry-after"), answer.header("x-streamkeeper-attempts")), ("60", "0"))
            self.assertEqual(error["streamkeeper"]["reason"], "rate_limit")
        self.assertEqual(len(play.calls), 1)

    def test_googles_minute_without_a_delay_is_a_minute(self):
        error = {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED", "details": [
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerMinutePerProject"}]}]}
        answer, play = self.perform(raw(429, {"error": error}), GOOD, headers=[("x-streamkeeper-max-wait", "20s")])
        self.assertEqual((answer.status, answer.header("retry-after"), len(play.calls)), (429, "60", 1))

    def test_no_attempt_begins_after_it(self):
        began = time.monotonic()
        answer, play = self.perform(refusal(500, [("retry-after-ms", "300")]), headers=[("x-streamkeeper-max-wait", "1s")])
        self.failed(answer, 500, "oops")
        self.assertLess(time.monotonic() - began, 1 + LATE)
        self.assertIn(len(play.calls), (2, 3, 4))  # at 0, 0.3, 0.6 and 0.9 s or later

    def test_max_wait_of_nothing_is_one_attempt(self):
        for bad in (refusal(500), refusal(429), close):
            answer, play = self.perform(bad, close, GOOD, headers=[("x-streamkeeper-max-wait", "0s")])
            self.assertGreaterEqual(answer.status, 400)
            self.assertLessEqual(len(play.calls), 2)  # a pooled connection that closes is replaced once

    def test_it_never_bounds_an_attempt_that_runs(self):
        def slow(peer):
            time.sleep(0.8)
            peer.send(GOOD)
        answer, play = self.perform(slow, headers=[("x-streamkeeper-max-wait", "200ms")])
        self.assertTrue(CHAT.shows(answer))
        self.assertEqual(len(play.calls), 1)

    def test_a_client_can_not_raise_what_is_configured(self):
        for stream, kind in ((False, "other"), (True, "stream")):
            play = Play(refusal(429, [("Retry-After", "30")]), GOOD)
            daemon, _ = self.behind(play, retry=f"{{deadline: {{{kind}: 10s}}}}")
            answer = self.ask(daemon, stream=stream, headers=[("x-streamkeeper-max-wait", "100s")])
            self.assertEqual((answer.status, len(play.calls)), (429, 1))
            self.told_to_wait(answer, 30)

    def test_what_is_configured_for_streams_does_not_bound_the_others(self):
        for stream, kind in ((True, "other"), (False, "stream")):
            play = Play(refusal(429, [("retry-after-ms", "200")]), CHAT.good(stream))
            daemon, _ = self.behind(play, retry=f"{{base: 5ms, deadline: {{{kind}: 0s}}}}")
            self.assertTrue(CHAT.shows(self.ask(daemon, stream=stream), stream))


# ---- what is sent again

ODD = b'{ "temperature" : 1.0e0,\r\n\t"messages":[{"content":"\\u00e9\\ud83d\\ude00","role":"user"}] ,"model":"%s", "seed":12345678901234567890,"top_p":0.10 %s}  '


class WhatIsSentAgain(Stage):
    def post(self, model, body, headers=()):
        return http(self.proxy.address, "POST", "/v1/chat/completions", headers, body)

    def test_every_attempt_carries_the_clients_bytes(self):
        model, play = self.cast(refusal(500), close, close, refusal(429, [("retry-after-ms", "20")]), raw(200, failure()), GOOD)
        body = ODD % (model.encode(), b"")
        self.assertTrue(CHAT.shows(self.post(model, body)))
        self.assertEqual(len(play.calls), 6)
        self.assertEqual({call.body for call in play.calls}, {body})
        self.assertEqual(len({call.head for call in play.calls}), 1)

    def test_a_streams_attempts_differ_from_them_in_the_span_for_usage_alone(self):
        model, play = self.cast(refusal(500), raw_stream(), close, close, CHAT.good(True))
        body = ODD % (model.encode(), b',"stream":true ')
        self.assertTrue(CHAT.shows(self.post(model, body), True))
        self.assertEqual(len(play.calls), 5)
        end = body.rindex(b"}")
        self.assertEqual({call.body for call in play.calls}, {body[:end] + b',"stream_options":{"include_usage":true}' + body[end:]})

    def test_an_idempotency_key_goes_with_identical_attempts(self):
        answer, play = self.perform(refusal(500), refusal(429), close, close, GOOD, headers=[("Idempotency-Key", "once")])
        self.assertTrue(CHAT.shows(answer))
        self.assertEqual([call.head.lower().count(b"idempotency-key: once") for call in play.calls], [1] * 5)

    def test_none_is_added(self):
        _, play = self.perform(refusal(500), GOOD)
        self.assertFalse(any(b"idempotency" in call.head.lower() for call in play.calls))

    def test_it_does_not_go_to_another_key(self):
        play = Play(refusal(402), GOOD)
        daemon, _ = self.behind(play, retry=None, keys="[{name: main, file: key}, {name: other, file: other}]", files={"other": "sk-other-0123456789"})
        self.assertEqual(self.ask(daemon, headers=[("Idempotency-Key", "once")]).status, 200)
        self.assertEqual([b"once" in call.head for call in play.calls], [True, False])

    def test_it_does_not_go_with_other_bytes(self):
        option = refusal(400, message="Unrecognized request argument supplied: stream_options", type="invalid_request_error", code=None)
        play = Play(option, CHAT.good(True))
        daemon, _ = self.behind(play, retry=None)
        self.assertTrue(CHAT.shows(self.ask(daemon, stream=True, headers=[("Idempotency-Key", "once")]), True))
        self.assertEqual([b"once" in call.head for call in play.calls], [True, False])

    def test_a_vendor_that_refuses_stream_options_is_asked_without_and_is_not_asked_for_it_again(self):
        option = refusal(400, message="Unrecognized request argument supplied: stream_options", type="invalid_request_error", code=None)
        play = Play(option, CHAT.good(True))
        daemon, _ = self.behind(play, retry="{base: 30s}")
        began = time.monotonic()
        for _ in range(2):
            self.assertTrue(CHAT.shows(self.ask(daemon, stream=True), True))
        self.assertEqual([b"stream_options" in call.body for call in play.calls], [True, False, False])
        self.assertLess(time.monotonic() - began, LATE)  # it was our own wish: there is nothing to pause for

    def test_a_vendor_that_refuses_the_clients_own_stream_options_is_believed(self):
        option = refusal(400, message="Unrecognized request argument supplied: stream_options", type="invalid_request_error", code="unknown")
        answer, play = self.perform(option, CHAT.good(True), stream=True, stream_options={"include_usage": True})
        self.failed(answer, 400, "unknown")
        self.assertEqual(len(play.calls), 1)


class ClientsThatLeave(Case):
    def leave(self, bad, retry, stream):
        """Asks, leaves once the vendor has refused, and waits for the log's line."""
        play = Play(bad, GOOD)
        daemon, _ = self.behind(play, retry=retry, extra="log: {level: debug}")
        connection = Connection(daemon.address)
        connection.send(request_bytes("POST", CHAT.path, body=CHAT.request("m", stream)))
        daemon.wait_line("attempt 1: one")
        connection.close()
        line = daemon.wait_request_lines(1)[0]
        self.assertEqual((line["status"], line["outcome"]), (499, "client_closed"))
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_requests_total", code="499", outcome="client_closed"), 1)
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_requests_in_flight"), 0)
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_requests_waiting"), 0)
        return daemon, play, line

    def both(self, check):
        together([lambda stream=stream: check(stream) for stream in (False, True)])

    def noticed_at_once(self, bad, retry):
        self.both(lambda stream: self.assertLess(self.leave(bad, retry, stream)[2]["ms"], 1000 * LATE))

    def costs_nothing_more(self, bad, retry):
        def check(stream):
            daemon, play, _ = self.leave(bad, retry, stream)
            time.sleep(1.0)  # longer than the pause: nothing can be awaited that must not come
            self.assertEqual(len(play.calls), 1)
            self.assertTrue(CHAT.shows(self.ask(daemon)))  # and nobody else is held up by it
        self.both(check)

    def test_who_leaves_during_a_pause_is_noticed_at_once(self):
        self.noticed_at_once(refusal(500), "{base: 30s}")

    def test_who_leaves_while_he_waits_for_the_vendors_time_is_noticed_at_once(self):
        self.noticed_at_once(refusal(429, [("Retry-After", "30")]), "{base: 5ms}")

    def test_who_leaves_during_a_pause_costs_nothing_more(self):
        self.costs_nothing_more(refusal(500), "{base: 300ms}")

    def test_who_leaves_while_he_waits_for_the_vendors_time_costs_nothing_more(self):
        self.costs_nothing_more(refusal(429, [("retry-after-ms", "600")]), "{base: 5ms}")


# ---- what the client is told

class FinalErrors(Stage):
    RETRY = "{attempts: 3, base: 5ms}"

    def test_the_vendors_status_type_code_and_param_are_kept(self):
        answer, _ = self.perform(raw(422, {"error": {"message": "no such tool", "type": "vendor_type", "code": "vendor_code", "param": "tools"}}))
        error = self.failed(answer, 422, "vendor_code")
        self.assertEqual((error["type"], error["param"]), ("vendor_type", "tools"))
        self.assertTrue(error["message"].startswith("one: no such tool"), error)

    def test_each_attempt_is_named(self):
        answer, play = self.perform(refusal(502), raw(503, b""), refusal(500))
        own = self.failed(answer, 500, "oops")["streamkeeper"]
        self.assertEqual([(one["upstream"], one["key"], one["status"]) for one in own["attempts"]],
                         [("one", "main", 502), ("one", "main", 503), ("one", "main", 500)])
        for one in own["attempts"]:
            self.assertIsInstance(one["ms"], int)
        self.assertEqual(own["request_id"], answer.header("x-streamkeeper-request-id"))
        self.assertEqual((own["upstream"], own["reason"]), ("one", "server"))
        self.assertTrue(own["model"].startswith("model-") and own["hint"])
        self.assertEqual(json.loads(own["vendor_body"]), failure())

    def test_the_last_attempts_failure_is_the_one_that_is_told(self):
        answer, _ = self.perform(refusal(500, code="first"), refusal(500, code="second"), refusal(502, code="third"))
        self.failed(answer, 502, "third")

    def test_an_answer_that_will_not_change_says_so_and_names_no_time(self):
        for answer, _ in together([lambda form=form, bad=bad: self.perform(bad, dialect=form[0], stream=form[1]) for form in FORMS for bad in (refusal(500), refusal(400))]):
            self.assertEqual(answer.header("x-should-retry"), "false")
            self.assertIsNone(answer.header("retry-after"))
            self.assertEqual(answer.header("content-type"), "application/json")

    def test_a_hard_quota_dressed_as_429_is_402(self):
        def check(dialect, stream):
            play = Play(refusal(429, [("Retry-After", "5")], message="You exceeded your current quota", type="insufficient_quota", code="insufficient_quota"))
            daemon, _ = self.behind(play, retry=None)
            answer = self.ask(daemon, "m", dialect, stream)
            error = self.failed(answer, 402, "insufficient_quota")
            self.assertEqual(error["type"], "billing_error" if dialect is ANTHROPICS else "insufficient_quota")
            self.assertEqual((answer.header("x-should-retry"), answer.header("retry-after"), len(play.calls)), ("false", None, 1))
        together([lambda form=form: check(*form) for form in FORMS])

    def test_the_status_of_an_error_in_a_200_is_the_one_it_means(self):
        for error, status in (({"code": 503}, 503), ({"type": "invalid_request_error"}, 400), ({"code": "rate_limit_exceeded"}, 429), ({}, 500)):
            answer, _ = self.perform(raw(200, failure(**error)), headers=[("x-streamkeeper-max-wait", "0s")])
            self.failed(answer, status)

    def test_a_detail_becomes_the_one_shape(self):
        answer, _ = self.perform(raw(400, {"detail": "the thing is wrong"}))
        error = self.failed(answer, 400)
        self.assertIn("the thing is wrong", error["message"])
        self.assertEqual(set(error), {"message", "type", "code", "param", "streamkeeper"})

    def test_plain_text_and_nothing_become_it_too(self):
        for body in (b"upstream connect error or disconnect", b""):
            answer, _ = self.perform(raw(503, body, [("Content-Type", "text/plain")]))
            error = self.failed(answer, 503)
            self.assertEqual(error["streamkeeper"]["reason"], "overload")
            self.assertTrue(error["message"])

    def test_a_web_page_is_502_whatever_its_status(self):
        def check(status):
            play = Play(raw(status, b"<html><body>Bad gateway</body></html>", [("Content-Type", "text/html")]))
            daemon, _ = self.behind(play, retry="{attempts: 2, base: 5ms}")
            error = self.failed(self.ask(daemon), 502, "upstream_not_an_api")
            self.assertNotIn("<", error["message"])
        together([lambda status=status: check(status) for status in (200, 403, 404, 500, 502, 503)])

    def test_messages_is_told_in_anthropics_shape(self):
        for stream in (False, True):
            for status, kind in ((400, "invalid_request_error"), (429, "rate_limit_error"), (500, "api_error"), (503, "overloaded_error"), (529, "overloaded_error")):
                answer, _ = self.perform(refusal(status, code="oops"), dialect=ANTHROPICS, stream=stream, headers=[("x-streamkeeper-max-wait", "0s")])
                self.assertEqual(answer.status, status)
                self.assertEqual((answer.json["type"], answer.json["error"]["type"]), ("error", kind))
                self.assertIn("it failed", answer.json["error"]["message"])
                self.assertEqual(answer.json["request_id"], answer.header("x-streamkeeper-request-id"))

    def test_the_others_are_told_in_openais_even_what_anthropic_said(self):
        body = {"type": "error", "error": {"type": "api_error", "message": "Internal server error"}, "request_id": "req_1"}
        for dialect in DIALECTS:
            if dialect is not ANTHROPICS:
                answer, _ = self.perform(raw(500, body), dialect=dialect)
                error = self.failed(answer, 500)
                self.assertEqual((error["type"], "type" in answer.json), ("api_error", False))
                self.assertIn("Internal server error", error["message"])

    def test_a_key_that_the_vendor_echoes_is_masked_everywhere(self):
        for dialect, stream in FORMS:
            answer, _ = self.perform(refusal(400, message=f"Bad key {KEY}", type=KEY, code=KEY, param=KEY), dialect=dialect, stream=stream)
            self.assertEqual(answer.status, 400)
            self.assertNotIn(KEY, answer.raw.decode() + answer.text)
            self.assertIn("*" * len(KEY), answer.text)

    def test_the_vendors_body_is_bounded(self):
        answer, _ = self.perform(raw(400, failure("x" * 10000, code="long")))
        own = self.failed(answer, 400, "long")["streamkeeper"]
        self.assertLessEqual(len(own["vendor_body"]), 4096)

    def test_the_head_of_an_error_made_here_carries_no_limits_of_the_vendor(self):
        answer, _ = self.perform(refusal(500, [("x-ratelimit-remaining-requests", "5"), ("x-request-id", "vendors")]))
        self.assertIsNone(answer.header("x-ratelimit-remaining-requests"))


class WhatIsCounted(Stage):
    def counted(self, before, **labels):
        return {name: self.moved(before, "streamkeeper_" + name, **labels) for name in ("retries_total", "upstream_attempts_total", "upstream_errors_total")}

    def test_every_call_and_every_retry_by_its_reason(self):
        before = self.proxy.metrics()
        self.perform(refusal(500), refusal(503), refusal(504), refusal(429, [("retry-after-ms", "10")]), GOOD)
        for code, reason, kind in (("500", "server", "5xx"), ("503", "overload", "5xx"), ("504", "timeout", "5xx"), ("429", "rate_limit", "4xx")):
            self.assertEqual(self.moved(before, "streamkeeper_upstream_attempts_total", upstream="one", code=code, reason=reason), 1, code)
            self.assertEqual(self.moved(before, "streamkeeper_upstream_errors_total", upstream="one", **{"class": kind}, reason=reason), 1, code)
            self.assertEqual(self.moved(before, "streamkeeper_retries_total", upstream="one", reason=reason), 1, reason)
        self.assertEqual(self.moved(before, "streamkeeper_upstream_attempts_total", code="200"), 1)
        self.assertEqual(self.moved(before, "streamkeeper_retries_total"), 4)
        self.assertEqual(self.moved(before, "streamkeeper_requests_total"), 1)
        self.assertEqual(self.moved(before, "streamkeeper_requests_total", code="200", outcome="ok"), 1)

    def test_a_last_failure_is_an_attempt_and_no_retry(self):
        before = self.proxy.metrics()
        self.perform(refusal(500), refusal(400))
        self.assertEqual(self.moved(before, "streamkeeper_upstream_attempts_total"), 2)
        self.assertEqual(self.moved(before, "streamkeeper_retries_total"), 1)
        self.assertEqual(self.moved(before, "streamkeeper_requests_total", code="400", outcome="error"), 1)

    def test_a_wait_by_its_cause(self):
        before = self.proxy.metrics()
        answer, _ = self.perform(refusal(429, [("retry-after-ms", "300")]), refusal(500, [("retry-after-ms", "300")]), GOOD)
        self.assertTrue(CHAT.shows(answer))
        for cause in ("rate_limit", "backoff"):
            self.assertEqual(self.moved(before, "streamkeeper_wait_seconds_count", upstream="one", cause=cause), 1)
            self.assertGreaterEqual(self.moved(before, "streamkeeper_wait_seconds_sum", upstream="one", cause=cause), 0.299)

    def test_the_head_says_how_often_and_how_long(self):
        for answer, _ in together([lambda stream=stream: self.perform(refusal(429, [("retry-after-ms", "300")]), refusal(500, [("retry-after-ms", "300")]), CHAT.good(stream), stream=stream)
                                   for stream in (False, True)]):
            self.assertEqual(answer.header("x-streamkeeper-attempts"), "3")
            self.assertEqual((answer.header("x-streamkeeper-key"), answer.header("x-streamkeeper-fallback")), ("main", None))
            queue = float(answer.header("server-timing").split("queue;dur=")[1].split(",")[0])
            self.assertGreaterEqual(queue, 600)
            self.assertLess(queue, 1.25 * 600 + 1000 * LATE)

    def test_the_log_line_tells_the_same(self):
        answer, _ = self.perform(refusal(429, [("retry-after-ms", "200")]), refusal(500), GOOD)
        identifier = answer.header("x-streamkeeper-request-id")
        self.proxy.wait_line(identifier)
        line = next(line for line in self.proxy.request_lines() if line["id"] == identifier)
        self.assertEqual([(one.get("status"), one.get("reason")) for one in line["attempts"]], [(429, "rate_limit"), (500, "server"), (200, None)])
        self.assertEqual([wait["cause"] for wait in line["waits"]], ["rate_limit", "backoff"])
        self.assertGreaterEqual(line["waits"][0]["ms"], 200)
        self.assertEqual((line["status"], line["outcome"]), (200, "ok"))

    def test_what_a_client_says_is_a_resend_is_counted(self):
        before = self.proxy.metrics()
        for count in ("0", "1", "2"):
            self.perform(GOOD, headers=[("x-stainless-retry-count", count)])
        self.assertEqual(self.moved(before, "streamkeeper_resends_total", upstream="one"), 2)

    def test_a_body_that_comes_again_after_it_failed_is_one_and_after_it_went_well_is_none(self):
        before = self.proxy.metrics()
        model, _ = self.cast(refusal(400), refusal(400), GOOD)
        for expected in (0, 1, 2, 2 + 1):
            self.ask(self.proxy, model)
            self.assertEqual(self.moved(before, "streamkeeper_resends_total", upstream="one"), expected)
        self.ask(self.proxy, model, temperature=1)
        self.assertEqual(self.moved(before, "streamkeeper_resends_total", upstream="one"), 3)


if __name__ == "__main__":
    unittest.main()
