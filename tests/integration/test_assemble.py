"""A client that wants one document, and an upstream that does better with a stream (`stream.assemble`): the document is
put together from the events, and nobody can tell the difference."""
import itertools
import json
import unittest

from harness import Case, Connection, Daemon, Mock, answering, chat, config_for, delta, http, metric, raw, raw_stream, request_bytes

# Five failures in a row would close the gate of the model for half a minute.
QUICK = "{attempts: 4, base: 1ms, cap: 2ms, deadline: {stream: 60s, other: 60s}}"
TOOLS = [{"type": "function", "function": {"name": "read_file", "parameters": {
    "type": "object", "properties": {"path": {"type": "string"}, "lines": {"type": "integer"}}}}}]
ANTHROPIC_TOOLS = [{"name": "read_file", "input_schema": TOOLS[0]["function"]["parameters"]}]
RESPONSES_TOOLS = [{"type": "function", "name": "read_file", "parameters": TOOLS[0]["function"]["parameters"]}]


def says(text):
    return [{"role": "user", "content": text}]


CHAT, COMPLETIONS, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/responses"
# What is asked for: (name, path, body, further words of the model's character)
REQUESTS = [
    ("chat text", CHAT, {"model": "mock-1", "messages": says("hello")}, ""),
    ("chat, two choices", CHAT, {"model": "mock-1", "n": 2, "messages": says("hello")}, ""),
    ("chat, logprobs", CHAT, {"model": "mock-1", "logprobs": True, "top_logprobs": 2, "messages": says("hello")}, ""),
    ("chat, two choices and logprobs", CHAT, {"model": "mock-1", "n": 2, "logprobs": True, "messages": says("hello")}, ""),
    ("chat, reasoning", CHAT, {"model": "mock-reasoner", "messages": says("hello")}, ""),
    ("chat, a call", CHAT, {"model": "mock-1", "tools": TOOLS, "messages": says("use the tool")}, ""),
    ("chat, text and a call", CHAT, {"model": "mock-1", "tools": TOOLS, "messages": says("use the tool")}, "text_then_tool"),
    ("chat, two calls", CHAT, {"model": "mock-1", "tools": TOOLS, "messages": says("use the tool")}, "two_calls"),
    ("chat, cut by its limit", CHAT, {"model": "mock-1", "max_tokens": 3, "messages": says("hello")}, ""),
    ("chat, quotes, tabs and line ends", CHAT, {"model": "mock-1", "messages": says("hello")}, "text=code"),
    ("chat, torn pairs of surrogates", CHAT, {"model": "mock-1", "messages": says("hello")}, "text=emoji+escape=ascii+split=surrogates"),
    ("completions", COMPLETIONS, {"model": "mock-1", "prompt": "hello"}, ""),
    ("completions, two choices", COMPLETIONS, {"model": "mock-1", "prompt": "hello", "n": 2}, ""),
    ("completions, logprobs", COMPLETIONS, {"model": "mock-1", "prompt": "hello", "logprobs": 2}, ""),
    ("messages", MESSAGES, {"model": "mock-1", "max_tokens": 500, "messages": says("hello")}, ""),
    ("messages, thinking", MESSAGES, {"model": "mock-reasoner", "max_tokens": 500, "messages": says("hello")}, ""),
    ("messages, a call", MESSAGES, {"model": "mock-1", "max_tokens": 500, "tools": ANTHROPIC_TOOLS, "messages": says("use the tool")}, ""),
    ("messages, text and two calls", MESSAGES, {"model": "mock-1", "max_tokens": 500, "tools": ANTHROPIC_TOOLS,
                                                "messages": says("use the tool")}, "text_then_tool+two_calls"),
    ("responses", RESPONSES, {"model": "mock-1", "input": "hello"}, ""),
    ("responses, reasoning", RESPONSES, {"model": "mock-reasoner", "input": "hello"}, ""),
    ("responses, a call", RESPONSES, {"model": "mock-1", "input": "use the tool", "tools": RESPONSES_TOOLS}, ""),
]
PLAIN = [request for request in REQUESTS if request[0] in ("chat text", "completions", "messages", "responses")]
# Failures of a plain request behind which a stream does better: the first answer is cut, late, or said to be.
SWITCHING = {"a cut in the body": "close=400", "a reset": "rst=400", "silence in the body": "stall=400", "no answer": "hang", "504": "504",
             "524": "524", "a body that ends in order and is half": "end_chunked=120"}
STAYING = {"500": "500", "503": "503", "429": "429+retry_after=0", "529": "529", "no head": "close=0", "half a head": "close=60"}


class Assembling(Case):
    counter = itertools.count(1)

    @classmethod
    def setUpClass(cls):
        cls.mock = Mock()
        cls.daemons = {}
        for mode in ("off", "auto", "always"):
            cls.daemons[mode] = Daemon(config_for(
                cls.mock.base_url, retry=QUICK, upstream_extra="timeouts: {first_byte: 1500ms, stream_idle: 1500ms, stream_progress: 1500ms}",
                extra=f"stream: {{assemble: {mode}}}\nlog: {{level: debug}}\n"))

    @classmethod
    def tearDownClass(cls):
        for daemon in cls.daemons.values():
            daemon.stop()
        cls.mock.stop()

    def fields(self, words):
        """A play of one's own: names are equal to those of an answer without faults."""
        return [("x-mock-fault", words + f"+id=assemble{next(self.counter)}")] if words else []

    def directly(self, path, body, character=""):
        answer = http(("127.0.0.1", self.mock.port), "POST", path,
                      [("Authorization", "Bearer " + self.mock.key), *self.fields(character)], body)
        self.assertEqual(answer.status, 200, answer.text)
        return answer

    def through(self, mode, path, body, words=""):
        """The answer, and the bodies of the calls that it took."""
        before = len(self.mock.requests())
        answer = http(self.daemons[mode].address, "POST", path, self.fields(words), body)
        return answer, self.mock.requests()[before:]

    def streams(self, calls):
        return [json.loads(call["body"]).get("stream", False) for call in calls]

    def same(self, answer, path, body, character=""):
        self.assertEqual(answer.status, 200, answer.text)
        self.assertEqual(answer.json, self.directly(path, body, character).json)
        self.assertEqual(answer.header("content-type"), "application/json")
        self.assertEqual(answer.header("content-length"), str(len(answer.body)))
        self.assertIsNone(answer.header("transfer-encoding"))


def joined(*words):
    return "+".join(word for word in words if word)


class TheDocument(Assembling):
    def test_always_gives_what_the_upstream_would_have_sent(self):
        for name, path, body, character in REQUESTS:
            with self.subTest(name):
                answer, calls = self.through("always", path, body, character)
                self.same(answer, path, body, character)
                self.assertEqual(self.streams(calls), [True])

    def test_auto_gives_it_behind_an_answer_that_was_cut(self):
        for name, path, body, character in REQUESTS:
            with self.subTest(name):
                answer, calls = self.through("auto", path, body, joined(character, "close=400+x1"))
                self.same(answer, path, body, character)
                self.assertEqual(self.streams(calls), [False, True])
                self.assertEqual(answer.header("x-streamkeeper-attempts"), "2")

    def test_a_stream_that_breaks_anywhere_is_asked_for_again(self):
        for name, path, body, character in PLAIN:
            for fault in ("close=900", "rst=900", "fin_chunk=900", "end_chunked=500", "early_done=4", "torn=4", "garbage=4", "503+sse_error=4",
                          "stall_comments=900" if name == "chat text" else "gzip+close=500"):
                with self.subTest(name, fault=fault):
                    answer, calls = self.through("always", path, body, fault + "+x1")
                    self.same(answer, path, body)
                    self.assertEqual(self.streams(calls), [True, True])

    def test_it_may_break_as_often_as_there_are_attempts(self):
        _, path, body, _ = REQUESTS[0]
        answer, calls = self.through("auto", path, body, "close=400+x1+rst=900+x1+early_done=3+x1")
        self.same(answer, path, body)
        self.assertEqual(self.streams(calls), [False, True, True, True])

    def test_the_same_stream_written_in_another_way_is_the_same_document(self):
        for name, path, body, _ in PLAIN:
            for way in ("crlf", "cr", "bom", "comments", "ids", "no_space", "multi_line", "empty_data_first", "coalesce=7", "drip_bytes=1",
                        "gzip", "http10", "no_blank_at_end", "no_done"):
                with self.subTest(name, way=way):
                    answer, calls = self.through("always", path, body, way)
                    self.same(answer, path, body)
                    self.assertEqual(len(calls), 1)

    def test_usage_that_the_stream_ended_without_is_not_made_up(self):
        for path, body in ((path, body) for name, path, body, _ in PLAIN if path in (CHAT, COMPLETIONS)):
            with self.subTest(path):
                answer, calls = self.through("always", path, body, "finish_no_done")
                self.assertEqual((answer.status, len(calls)), (200, 1))
                self.assertIsNone(answer.json["usage"])
                wanted = self.directly(path, body).json
                self.assertEqual(answer.json["choices"], wanted["choices"])


class WhenItSwitches(Assembling):
    def test_auto_asks_for_a_stream_behind_what_cuts_long_silence(self):
        for name, path, body, _ in PLAIN:
            for what, fault in SWITCHING.items():
                if name != "chat text" and fault in ("hang", "stall=400"):
                    continue  # they take their time
                with self.subTest(name, what=what):
                    answer, calls = self.through("auto", path, body, fault + "+x1")
                    self.same(answer, path, body)
                    self.assertEqual(self.streams(calls), [False, True])

    def test_auto_asks_for_a_document_again_behind_other_failures(self):
        for name, path, body, _ in PLAIN:
            for what, fault in STAYING.items():
                with self.subTest(name, what=what):
                    answer, calls = self.through("auto", path, body, fault + "+x1")
                    self.same(answer, path, body)
                    self.assertEqual(self.streams(calls), [False, False])

    def test_off_never_asks_for_a_stream(self):
        for name, path, body, _ in PLAIN:
            for fault in ("close=400", "504"):
                with self.subTest(name, fault=fault):
                    answer, calls = self.through("off", path, body, fault + "+x1")
                    self.same(answer, path, body)
                    self.assertEqual(self.streams(calls), [False, False])

    def test_a_request_for_a_stream_stays_one(self):
        for mode in self.daemons:
            with self.subTest(mode):
                body = {"model": "mock-1", "stream": True, "messages": says("hello")}
                answer, calls = self.through(mode, CHAT, body)
                self.assertTrue(answer.text.endswith("data: [DONE]\n\n"))
                self.assertEqual(self.streams(calls), [True])

    def test_embeddings_have_no_stream(self):
        answer, calls = self.through("always", "/v1/embeddings", {"model": "mock-embed", "input": "hello"})
        self.assertEqual((answer.status, self.streams(calls)), (200, [False]))


class Failing(Assembling):
    def test_an_error_inside_the_stream_is_a_real_status(self):
        for name, path, body, _ in PLAIN:
            for behind in (0, 1, 4):
                with self.subTest(name, behind=behind):
                    answer, calls = self.through("always", path, body, f"context+sse_error={behind}")
                    self.assertEqual(answer.status, 400, answer.text)
                    if path == CHAT:
                        self.assertEqual(answer.json["error"]["code"], "context_length_exceeded")
                    self.assertEqual(len(calls), 1)
                    self.assertEqual(answer.header("x-should-retry"), "false")

    def test_when_every_stream_breaks_there_is_an_error_and_no_half_document(self):
        for name, path, body, _ in PLAIN:
            with self.subTest(name):
                # Names of their own, because five failures of one model in a row would close its gate.
                body = {**body, "model": f"mock-1+close=400+x1+rst=900+id=assemble{next(self.counter)}"}
                answer, calls = self.through("auto", path, body)
                self.assertEqual((answer.status, len(calls)), (502, 4), answer.text)
                self.assertTrue(answer.complete)
                self.assertIn("error", answer.json)

    def test_an_answer_that_memory_has_no_room_for_is_refused_and_what_it_held_is_given_back(self):
        part = "x" * (64 << 10)

        def parts(count):
            return lambda peer: peer.send(raw_stream(*[delta(part)] * count, delta(finish="stop"), "data: [DONE]\n\n"))
        daemon, origin = self.behind(answering(parts(64), parts(64), parts(8)), retry="{attempts: 2, base: 1ms, cap: 2ms}",
                                     extra="stream: {assemble: always}\nlimits: {memory: 2MiB, body: 512KiB}\n")
        large = http(daemon.address, "POST", CHAT, (), chat("m"))
        self.assertEqual((large.status, len(origin.seen)), (502, 2))
        self.assertIn("limits.memory", large.text)
        small = http(daemon.address, "POST", CHAT, (), chat("m"))
        self.assertEqual(small.status, 200)
        self.assertEqual(small.json["choices"][0]["message"]["content"], part * 8)
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_memory_budget_bytes", kind="held"), 0)


class WhatIsSent(Assembling):
    """The client's bytes, and the wish for a stream."""

    def bodies(self, body, path=CHAT, assemble="always", stream_usage="off", answer=None):
        """What an upstream is asked."""
        done = raw_stream(delta("Hi"), delta(finish="stop"), "data: [DONE]\n\n")
        daemon, origin = self.behind(answering(lambda peer: peer.send(answer or done)), upstream_extra=f"stream_usage: {stream_usage}",
                                     extra=f"stream: {{assemble: {assemble}}}\n")
        got = http(daemon.address, "POST", path, [("Content-Type", "application/json")], body)
        self.assertEqual(got.status, 200, got.text)
        return [body for _, body in origin.seen]

    def test_the_member_is_put_before_the_last_brace_and_the_rest_stays_byte_for_byte(self):
        odd = b' { "messages" : [{"role":"user","content":"\\u0041 {}"}],\t"temperature":1.0e-0 , "model":"m" \n} '
        self.assertEqual(self.bodies(odd), [odd.replace(b"\n}", b"\n,\"stream\":true}")])

    def test_a_member_that_says_false_or_null_says_true_in_its_place(self):
        for value in (b"false", b"null"):
            with self.subTest(value):
                body = b'{"stream" : ' + value + b' ,"model":"m","messages":[{"role":"user","content":"hi, \\"stream\\": false"}]}'
                self.assertEqual(self.bodies(body), [body.replace(b'"stream" : ' + value, b'"stream" : true')])

    def test_usage_is_wished_for_beside_it(self):
        (sent,) = self.bodies(b'{"model":"m","messages":[]}', stream_usage="on")
        self.assertEqual(json.loads(sent), {"model": "m", "messages": [], "stream": True, "stream_options": {"include_usage": True}})
        self.assertTrue(sent.startswith(b'{"model":"m","messages":[]'))

    def test_what_a_stream_can_not_carry_is_left_alone(self):
        answer = raw(body={"id": "c1", "object": "chat.completion", "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]})
        text = raw(body={"id": "c1", "object": "text_completion", "choices": [{"index": 0, "text": "Hi", "finish_reason": "stop"}]})
        response = raw(body={"id": "r1", "object": "response", "status": "queued", "output": []})
        for what, path, body, document in (
                ("the best of several", COMPLETIONS, b'{"model":"m","prompt":"x", "best_of" : 3}', text),
                ("audio", CHAT, b'{"model":"m","modalities":["text","audio"],"audio":{"voice":"alloy","format":"wav"},"messages":[]}', answer),
                ("a response in the background", RESPONSES, b'{"model":"m","input":"x","background":true}', response)):
            with self.subTest(what):
                self.assertEqual(self.bodies(body, path, answer=document), [body])

    def test_it_is_left_alone_behind_a_cut_too(self):
        cut = raw(body=b"x" * 100)[:-50]
        whole = raw(body={"id": "c1", "choices": [{"index": 0, "text": "Hi", "finish_reason": "stop"}]})

        def cut_off(peer):
            peer.send(cut)
            raise ValueError("closed")
        body = b'{"model":"m","prompt":"x","best_of":2}'
        daemon, origin = self.behind(answering(cut_off, lambda peer: peer.send(whole)), retry=QUICK)
        self.assertEqual(http(daemon.address, "POST", COMPLETIONS, (), body).status, 200)
        self.assertEqual([sent for _, sent in origin.seen], [body, body])

    def test_best_of_one_is_no_obstacle(self):
        done = raw_stream('data: {"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":"Hi",'
                          '"finish_reason":"stop"}]}\n\n', "data: [DONE]\n\n")
        (sent,) = self.bodies(b'{"model":"m","prompt":"x","best_of":1}', COMPLETIONS, answer=done)
        self.assertEqual(sent, b'{"model":"m","prompt":"x","best_of":1,"stream":true}')


class OddUpstreams(Assembling):
    def test_one_that_answers_the_wish_for_a_stream_with_a_document_is_taken_at_its_word(self):
        for name, path, body, _ in PLAIN:
            with self.subTest(name):
                answer, calls = self.through("always", path, body, "json")
                self.same(answer, path, body)
                self.assertEqual(self.streams(calls), [True])

    def test_members_that_no_standard_knows_are_kept(self):
        first = ('data: {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","provider":"Elsewhere","service_tier":"flex",'
                 '"choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"},"native_finish_reason":null,"finish_reason":null}]}\n\n')
        last = ('data: {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","citations":["https://a.example"],'
                '"choices":[{"index":0,"delta":{"content":" you"},"native_finish_reason":"STOP","finish_reason":"stop"}],'
                '"usage":{"prompt_tokens":2,"completion_tokens":2,"total_tokens":4,"cost":0.00031000}}\n\n')
        stream = raw_stream(first, last, "data: [DONE]\n\n")
        daemon, _ = self.behind(answering(lambda peer: peer.send(stream)), extra="stream: {assemble: always}\n")
        answer = http(daemon.address, "POST", CHAT, (), {"model": "m", "messages": says("hello")})
        got = answer.json
        self.assertEqual(got["object"], "chat.completion")
        self.assertEqual((got["provider"], got["service_tier"], got["citations"]), ("Elsewhere", "flex", ["https://a.example"]))
        self.assertEqual(got["choices"][0]["native_finish_reason"], "STOP")
        self.assertEqual(got["choices"][0]["message"]["content"], "Hi you")
        self.assertIn('"cost":0.00031000', answer.text, "numbers are kept as they were written")

    def test_a_connection_goes_on_behind_it(self):
        body = {"model": "mock-1", "messages": says("hello")}
        with Connection(self.daemons["always"].address) as connection:
            connection.send(request_bytes("POST", CHAT, (), body))
            first = connection.read_response()
            connection.send(request_bytes("POST", CHAT, (), body))
            self.assertEqual(connection.read_response().json, first.json)


class Counting(Assembling):
    def test_usage_is_counted_once_and_said_to_the_client(self):
        daemon = self.daemon(self.mock.base_url, retry=QUICK, extra="stream: {assemble: always}\n")
        wanted = {"input": 0, "cache_read": 0, "output": 0, "reasoning": 0}
        for name, path, body, _ in PLAIN:
            usage = http(daemon.address, "POST", path, (), body).json["usage"]
            details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
            cached = details.get("cached_tokens", usage.get("cache_read_input_tokens", 0))
            # Of messages `input_tokens` leaves out what came from the cache.
            prompt = usage.get("prompt_tokens", usage.get("input_tokens"))
            wanted["input"] += prompt if path == MESSAGES else prompt - cached
            wanted["cache_read"] += cached
            wanted["output"] += usage.get("completion_tokens", usage.get("output_tokens"))
        metrics = daemon.metrics()
        for kind, tokens in wanted.items():
            self.assertEqual(metric(metrics, "streamkeeper_tokens_total", kind=kind), tokens, kind)
        self.assertEqual(metric(metrics, "streamkeeper_usage_missing_total"), 0)
        self.assertEqual(metric(metrics, "streamkeeper_requests_total", outcome="ok"), len(PLAIN))
        self.assertEqual(metric(metrics, "streamkeeper_stream_ends_total"), 0, "no client had a stream")
        self.assertEqual(metric(metrics, "streamkeeper_resumes_total"), 0, "nothing had been shown")


if __name__ == "__main__":
    unittest.main(verbosity=2)
