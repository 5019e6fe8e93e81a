"""What surrounds a continuation: the probe that may have to come before it, what ends a request that is not gone on with,
what is said of it, and which of the client's fields go with it."""
import json
import unittest

from harness import Case, Mock, Play, chat, delta, http, metric, playing, raw, raw_stream

DONE = "data: [DONE]\n\n"
LONG = ("It was a bright cold day in April, and the clocks were striking thirteen; " * 4).rstrip()  # no replay: more than 200 bytes
EXACT = "resume: {capability: {prefill: trailing, seam: exact}}"
PROBED = raw(body=json.dumps({"choices": [{"message": {"role": "assistant", "content": "lie delta echo"}}],
                              "usage": {"prompt_tokens": 20, "completion_tokens": 3, "total_tokens": 23}}).encode())


def cut(*events):
    def answer(peer):
        peer.send(raw_stream(*events, end=False))
        peer.close()
    return answer


def kind_of(_, body):
    """`asked`: the client's own request; `probe`; `continued`: with the answer so far."""
    body = json.loads(body)
    if body.get("max_tokens") == 8:
        return "probe"
    return "continued" if body["messages"][-1]["role"] == "assistant" else "asked"


def text_of(body):
    text = ""
    for line in body.decode().split("\n"):
        if line.startswith("data: {"):
            for choice in json.loads(line[6:]).get("choices", []):
                text += choice.get("delta", {}).get("content") or ""
    return text


class GoingOn(Case):
    def set_up(self, upstream="", asked=None, probe=(PROBED,), continued=None, **options):
        self.plays = {"asked": Play(*(asked or (cut(delta(LONG)),))), "probe": Play(*probe),
                      "continued": Play(*(continued or (raw_stream(delta("end."), delta(finish="stop"), DONE),)))}
        options.setdefault("extra", "retry: {base: 20ms}\nlog: {level: info, format: json}")
        self.gateway, self.upstream = self.behind(playing(self.plays, kind_of), upstream_extra=upstream, retry=None, **options)

    def ask(self, headers=(), **more):
        return http(self.gateway.address, "POST", "/v1/chat/completions", headers, {**chat(), "stream": True, **more})

    def calls(self):
        return {kind: len(play.calls) for kind, play in self.plays.items()}

    def line(self):
        return self.gateway.wait_request_lines(1)[-1]


class Probes(GoingOn):
    def test_whoever_says_that_a_seam_is_unknown_a_probe_ends_the_question(self):
        for upstream in ("", "resume: {capability: {seam: unknown}}", "resume: {capability: {prefill: trailing, seam: unknown}}",
                         "resume: {capability: {seam: exact}}", "preset: deepseek\nresume: {capability: {seam: unknown}}"):
            with self.subTest(upstream, answer="open"):
                self.set_up(upstream)
                answer = self.ask()
                self.assertEqual((answer.complete, text_of(answer.body)), (True, LONG + "end."))
                self.assertEqual(self.calls(), {"asked": 1, "probe": 1, "continued": 1})
            with self.subTest(upstream, answer="closed"):
                closed = raw(body=b'{"choices":[{"message":{"content":"alpha bravo charlie"}}]}')
                self.set_up(upstream, probe=(closed,))
                answer = self.ask()
                self.assertEqual((answer.complete, text_of(answer.body)), (False, LONG))
                self.assertEqual(self.calls(), {"asked": 1, "probe": 1, "continued": 0})

    def test_a_probe_that_has_to_wait_waits(self):
        self.set_up(probe=(raw(429, b"{}", [("Retry-After", "1")]), PROBED))
        answer = self.ask()
        self.assertEqual(text_of(answer.body), LONG + "end.")
        self.assertGreaterEqual(self.plays["probe"].gaps[0], 1)

    def test_a_probe_that_fails_is_made_again_after_a_pause(self):
        for failure in (raw(503), lambda peer: peer.close()):
            self.set_up(probe=(failure, failure, PROBED), extra="retry: {base: 200ms}\nlog: {format: json}")
            answer = self.ask()
            self.assertEqual(text_of(answer.body), LONG + "end.")
            self.assertEqual(self.calls(), {"asked": 1, "probe": 3, "continued": 1})
            self.assertGreaterEqual(self.plays["probe"].gaps[0], 0.1)
            self.assertGreaterEqual(self.plays["probe"].gaps[1], 0.2)

    def test_a_probe_that_always_fails_ends_loudly(self):
        self.set_up(probe=(raw(503),))
        answer = self.ask()
        self.assertEqual((answer.complete, text_of(answer.body)), (False, LONG))
        self.assertIn(b": streamkeeper stream_interrupted", answer.body)
        self.assertEqual(self.calls(), {"asked": 1, "probe": 3, "continued": 0})

    def test_a_probe_takes_another_key_where_one_is_used_up(self):
        self.set_up(probe=(raw(402), PROBED), keys="[{name: a, file: key}, {name: b, file: key}]")
        self.assertEqual(text_of(self.ask().body), LONG + "end.")
        self.assertEqual(self.calls()["probe"], 2)

    def test_an_error_in_a_200_teaches_nothing(self):
        self.set_up(probe=(raw(body=b'{"error":{"message":"overloaded","code":503}}'), PROBED))
        self.assertEqual(text_of(self.ask().body), LONG + "end.")


class Ends(GoingOn):
    def test_a_refused_continuation_ends_as_the_break_that_it_was(self):
        refusal = raw(400, b'{"error":{"type":"invalid_request_error","message":"This model does not support assistant message prefill."}}')
        self.set_up(EXACT, continued=(refusal,))
        answer = self.ask()
        self.assertEqual((answer.complete, text_of(answer.body)), (False, LONG))
        self.assertIn(b": streamkeeper stream_interrupted", answer.body)
        self.assertNotIn(b"prefill", answer.body)
        self.assertEqual(self.line()["not_resumed"], "refused")

    def test_the_log_says_why_an_answer_was_not_gone_on_with(self):
        reasons = {"stop": ({"stop": ["x"]}, EXACT), "response_format": ({"response_format": {"type": "json_object"}}, EXACT),
                   "n": ({"n": 2}, EXACT), "mode_off": ({}, "resume: {mode: off}"),
                   "no_prefill": ({}, "resume: {capability: {prefill: none}}"), "probe_never": ({}, "resume: {probe: never}"),
                   "transcript": ({}, EXACT.replace("{capability", "{transcript: 1KiB, capability")),
                   "max_tokens": ({"max_tokens": 3}, EXACT)}
        for reason, (more, upstream) in reasons.items():
            with self.subTest(reason):
                self.set_up(upstream, asked=(cut(delta(LONG), *[delta(LONG)] * 4 * (reason == "transcript")),))
                self.assertFalse(self.ask(**more).complete)
                self.assertEqual(self.line()["not_resumed"], "transcript" if reason == "n" else reason)
                if reason == "transcript":
                    self.assertEqual(metric(self.gateway.metrics(), "streamkeeper_resumes_total", outcome="refused"), 1)

    def test_attempts_that_are_used_up_are_given_up(self):
        self.set_up(EXACT, continued=(cut(),))
        self.assertFalse(self.ask().complete)
        self.assertEqual((self.calls()["continued"], self.line()["not_resumed"]), (3, "given_up"))

    def test_an_answer_that_is_whole_is_said_to_be_nothing_else(self):
        self.set_up(EXACT)
        self.assertTrue(self.ask().complete)
        self.assertNotIn("not_resumed", self.line())


class Requests(GoingOn):
    def test_a_continuation_is_another_request_for_who_counts_them_by_a_key(self):
        self.set_up(EXACT)
        self.assertTrue(self.ask([("Idempotency-Key", "abc")]).complete)
        sent = [b"\r\nidempotency-key: abc" in self.plays[kind].calls[0].head.lower() for kind in ("asked", "continued")]
        self.assertEqual(sent, [True, False])

    def test_the_client_s_last_turn_is_gone_on_with_only_where_it_was_open(self):
        turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "Once"}]
        cases = [("trailing", {}, {}, True), ("prefix", {}, {}, False), ("prefix", {"prefix": True}, {}, True),
                 ("partial", {}, {}, False), ("partial", {"partial": True}, {}, True), ("continue_final_message", {}, {}, False),
                 ("continue_final_message", {}, {"continue_final_message": True, "add_generation_prompt": False}, True)]
        for prefill, flag, more, goes_on in cases:
            with self.subTest(prefill, **flag, **more):
                first = Play(cut(delta(LONG)), raw_stream(delta("end."), delta(finish="stop"), DONE))
                daemon, _ = self.behind(first, upstream_extra=f"resume: {{capability: {{prefill: {prefill}, seam: exact}}}}", retry="{base: 1ms}")
                messages = [turns[0], {**turns[1], **flag}]
                answer = http(daemon.address, "POST", "/v1/chat/completions", [], {"model": "m", "stream": True, "messages": messages, **more})
                self.assertEqual(answer.complete, goes_on)
                if goes_on:
                    self.assertEqual(json.loads(first.calls[1].body)["messages"][-1]["content"], "Once" + LONG)

    def test_what_is_known_of_an_upstream_is_on_the_status_page(self):
        for upstream, known in {EXACT: ("trailing", "exact", "configuration"), "preset: deepseek": ("prefix", "exact", "preset"), "": (None, None, "nothing")}.items():
            self.set_up(upstream)
            status = http(self.gateway.address, "GET", "/-/status").json
            shown = status["upstreams"][0]["capability"]
            self.assertEqual((shown["prefill"], shown["seam"], shown["from"]), known)


class Documents(GoingOn):
    def document_of(self, *events):
        daemon, _ = self.behind(Play(raw_stream(*events)), extra="stream: {assemble: always}")
        return http(daemon.address, "POST", "/v1/chat/completions", [], chat())

    def test_a_document_is_made_of_what_a_stream_s_client_would_see(self):
        hello = (delta("Hello"), delta(finish="stop"))
        late_error = 'data: {"id":"c1","error":{"code":502,"message":"late"},"choices":[{"index":0,"delta":{"content":" junk"},"finish_reason":"error"}]}\n\n'
        for behind in (['data: {"id":"c1","choices":[],"usage":{"prompt_tokens":1,"comp'], [late_error, DONE], [DONE, delta(" junk")],
                       [delta(" junk"), DONE]):
            with self.subTest(behind):
                answer = self.document_of(*hello, *behind)
                choice = answer.json["choices"][0]
                self.assertEqual((answer.status, choice["message"]["content"], choice["finish_reason"]), (200, "Hello", "stop"))
                self.assertNotIn("error", answer.json)

    def test_usage_behind_the_finish_is_in_the_document(self):
        usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
        answer = self.document_of(delta("Hello"), delta(finish="stop"), f'data: {json.dumps({"choices": [], "usage": usage})}\n\n', DONE)
        self.assertEqual(answer.json["usage"], usage)


class Background(Case):
    def response(self, words, background=True, **options):
        """(the answer, the numbers of its events, the methods of the calls that it took)"""
        mock = Mock()
        self.addCleanup(mock.stop)
        daemon = self.daemon(mock.base_url, **options)
        body = {"model": words, "input": "hello", "stream": True, **({"background": True} if background else {})}
        answer = http(daemon.address, "POST", "/v1/responses", [], body)
        numbers = [json.loads(line[6:])["sequence_number"] for line in answer.body.decode().split("\n") if line.startswith("data: {")]
        return answer, numbers, [record["method"] for record in mock.requests()]

    def test_a_background_answer_is_gone_on_with_natively_whatever_was_shown(self):
        answer, numbers, methods = self.response("mock-reasoner+reasoning=12+tokens=12+close=3000+x1", retry=None, extra="retry: {base: 1ms}")
        self.assertTrue(answer.complete)
        self.assertIn(b"event: response.completed", answer.body)
        self.assertEqual(methods, ["POST", "GET"])
        self.assertEqual(numbers, list(range(len(numbers))))

    def test_a_background_answer_that_is_forgotten_ends_as_the_break_that_it_was(self):
        answer, _, methods = self.response("mock-1+text=prose+tokens=90+close=15000+x1+expired+x1", retry=None, extra="retry: {base: 1ms}")
        self.assertFalse(answer.complete)
        self.assertNotIn(b"event: error", answer.body)
        self.assertIn(b": streamkeeper stream_interrupted", answer.body)
        self.assertEqual(methods, ["POST", "GET"])

    def test_the_error_that_ends_a_response_has_the_next_number(self):
        answer, numbers, _ = self.response("mock-1+tokens=60+text=prose+close=8430+x1", False, upstream_extra="resume: {mode: off, on_failure: error}")
        self.assertIn(b"event: error", answer.body)
        self.assertEqual(numbers, sorted(set(numbers)))


if __name__ == "__main__":
    unittest.main()
