"""What people see: every metric that the daemon can move, its own pages, its log; and what nobody may ever see in them."""
import json
import re
import threading
import time
import unittest

from harness import (KEY, PATIENCE, Connection, Daemon, Mock, Origin, answering, chat, config_for, delta, http, metric, parse_metrics,
                     request_bytes, wait_for)

P = "streamkeeper_"
TIMEOUTS = "timeouts: {first_byte: 400ms, stream_idle: 400ms}"


def started(test, thing):
    test.addCleanup(thing.stop)
    return thing


def ask(daemon, body=None, path="/v1/chat/completions", headers=()):
    return http(daemon.address, "POST", path, headers, body if body is not None else chat())


class Moved:
    """How much each series moved while the `with` block ran."""

    def __init__(self, daemon):
        self.daemon = daemon

    def __enter__(self):
        self.before = self.daemon.metrics()
        return self

    def __exit__(self, *_):
        self.after = self.daemon.metrics()

    def __call__(self, name, **labels):
        return metric(self.after, P + name, **labels) - metric(self.before, P + name, **labels)

    def by(self, name, label):
        """{value of this label: how much it moved}, without what did not."""
        values = {dict(labels).get(label) for series, labels in self.after if series == P + name}
        return {value: self(name, **{label: value}) for value in values if self(name, **{label: value})}


class WithMock(unittest.TestCase):
    CONFIG = "models: {mock-1: {}}\naliases: {fast: mock-1}\n" + TIMEOUTS

    @classmethod
    def setUpClass(cls):
        cls.mock = Mock()
        cls.addClassCleanup(cls.mock.stop)
        cls.daemon = Daemon(config_for(cls.mock.base_url, extra=cls.CONFIG))
        cls.addClassCleanup(cls.daemon.stop)


class Requests(WithMock):
    def test_a_good_request_counts_once_with_every_label(self):
        with Moved(self.daemon) as moved:
            ask(self.daemon)
        self.assertEqual(moved("requests_total"), 1)
        self.assertEqual(moved("requests_total", client="none", endpoint="chat_completions", upstream="one", model="mock-1", code="200", outcome="ok"), 1)

    def test_each_endpoint_has_its_label(self):
        bodies = {"chat/completions": chat(), "completions": {"model": "mock-1", "prompt": "hi"}, "responses": {"model": "mock-1", "input": "hi"},
                  "messages": chat(max_tokens=5), "embeddings": {"model": "mock-embed", "input": "hi"}}
        for path, body in bodies.items():
            with Moved(self.daemon) as moved:
                self.assertEqual(ask(self.daemon, body, "/v1/" + path).status, 200)
            self.assertEqual(moved.by("requests_total", "endpoint"), {path.replace("/", "_"): 1})
        with Moved(self.daemon) as moved:
            http(self.daemon.address, "GET", "/v1/models")
            http(self.daemon.address, "GET", "/v1/files")
        self.assertEqual(moved.by("requests_total", "endpoint"), {"models": 1, "other": 1})

    def test_a_vendors_error_is_an_error_and_a_4xx_of_the_upstream(self):
        with Moved(self.daemon) as moved:
            ask(self.daemon, chat("nope"))
        self.assertEqual(moved("requests_total", code="404", outcome="error", upstream="one"), 1)
        self.assertEqual(moved("upstream_attempts_total", code="404", reason="model_not_found", upstream="one"), 1)
        self.assertEqual(moved.by("upstream_errors_total", "class"), {"4xx": 1})

    def test_an_error_made_here_calls_no_upstream(self):
        with Moved(self.daemon) as moved:
            ask(self.daemon, b'{"model":')
        self.assertEqual(moved("requests_total", code="400", outcome="error", upstream="none", model="none"), 1)
        self.assertEqual(moved("upstream_attempts_total"), 0)

    def test_a_5xx_is_counted_as_one(self):
        with Moved(self.daemon) as moved:
            ask(self.daemon, headers=[("x-mock-status", "503")])
        self.assertEqual(moved("requests_total", code="503", outcome="error"), 1)
        self.assertEqual(moved("upstream_errors_total", **{"class": "5xx"}, reason="overload"), 1)

    def test_a_vendor_that_says_nothing_is_a_timeout(self):
        with Moved(self.daemon) as moved:
            ask(self.daemon, headers=[("x-mock-delay-ms", "60000")])
        self.assertEqual(moved("requests_total", code="504", outcome="error"), 1)
        self.assertEqual(moved("upstream_attempts_total", code="none", reason="timeout"), 1)
        self.assertEqual(moved.by("upstream_errors_total", "class"), {"timeout": 1})

    def test_own_pages_are_not_requests(self):
        with Moved(self.daemon) as moved:
            for path in ("/metrics", "/healthz", "/readyz", "/-/status"):
                self.assertEqual(http(self.daemon.address, "GET", path).status, 200)
        self.assertEqual(moved("requests_total"), 0)

    def test_durations_overhead_and_first_tokens_are_observed(self):
        with Moved(self.daemon) as moved:
            ask(self.daemon)
            ask(self.daemon, chat(stream=True), headers=[("x-mock-interval-ms", "5"), ("x-mock-tokens", "20")])
        labels = dict(upstream="one", model="mock-1")
        self.assertEqual(moved("request_duration_seconds_count", **labels), 2)
        self.assertGreater(moved("request_duration_seconds_sum", **labels), 0.05)
        self.assertEqual(moved("request_duration_seconds_bucket", le="600", **labels), 2)
        self.assertEqual(moved("time_to_first_token_seconds_count", **labels), 1)
        self.assertLess(moved("time_to_first_token_seconds_sum", **labels), moved("request_duration_seconds_sum", **labels))
        self.assertEqual(moved("time_per_output_token_seconds_count", **labels), 1)
        self.assertGreater(moved("time_per_output_token_seconds_sum", **labels), 0.003)
        self.assertEqual(moved("overhead_seconds_count"), 2)
        self.assertGreater(moved("overhead_seconds_sum"), 0)
        self.assertLess(moved("overhead_seconds_sum"), moved("request_duration_seconds_sum"))

    def test_the_loop_says_how_late_it_is(self):
        with Connection(self.daemon.address):  # a session keeps the loop's timer going
            wait_for(lambda: metric(self.daemon.metrics(), P + "loop_lag_seconds_count") > 2)

    def test_a_held_request_shows_in_flight_busy_and_in_the_memory_budget(self):
        body = chat(pad="x" * 50000, stream=True)
        with Connection(self.daemon.address) as connection:
            connection.send(request_bytes("POST", "/v1/chat/completions", [("x-mock-interval-ms", "50"), ("x-mock-tokens", "400")], body))
            connection.read_head()
            now = self.daemon.metrics()
            self.assertEqual(metric(now, P + "requests_in_flight", upstream="one"), 1)
            self.assertEqual(metric(now, P + "upstream_connections", upstream="one", state="busy"), 1)
            self.assertGreaterEqual(metric(now, P + "memory_budget_bytes", kind="bodies"), 50000)
        wait_for(lambda: metric(self.daemon.metrics(), P + "requests_in_flight", upstream="one") == 0)
        now = self.daemon.metrics()
        self.assertEqual(metric(now, P + "upstream_connections", upstream="one", state="busy"), 0)
        self.assertEqual(metric(now, P + "memory_budget_bytes", kind="bodies"), 0)

    def test_an_idle_connection_is_counted_as_idle(self):
        ask(self.daemon)
        self.assertGreaterEqual(metric(self.daemon.metrics(), P + "upstream_connections", upstream="one", state="idle"), 1)

    def test_a_client_that_leaves_is_no_error(self):
        with Moved(self.daemon) as moved:
            with Connection(self.daemon.address) as connection:
                connection.send(request_bytes("POST", "/v1/chat/completions", [("x-mock-interval-ms", "50"), ("x-mock-tokens", "400")], chat(stream=True)))
                connection.read_head()
                connection.read_chunk()
            wait_for(lambda: metric(self.daemon.metrics(), P + "requests_total", outcome="client_closed") > metric(moved.before, P + "requests_total", outcome="client_closed"))
        self.assertEqual(moved("requests_total", code="499", outcome="client_closed", model="mock-1"), 1)
        self.assertEqual(moved.by("stream_ends_total", "how"), {"client_closed": 1})
        self.assertEqual(moved("upstream_errors_total"), 0)

    def test_what_stands_once_is_there(self):
        now = self.daemon.metrics()
        self.assertEqual(metric(now, P + "key_usable", upstream="one", key="main"), 1)
        self.assertEqual(metric(now, P + "config_last_reload_successful"), 1)
        self.assertLess(abs(metric(now, P + "config_last_reload_timestamp_seconds") - time.time()), 300)
        info = [dict(labels) for name, labels in now if name == P + "build_info"]
        self.assertRegex(info[0]["version"], r"^\d+\.\d+\.\d+$")
        self.assertEqual(metric(now, P + "build_info"), 1)
        for name in ("cpu_seconds_total", "resident_memory_bytes", "virtual_memory_bytes", "open_fds", "max_fds", "start_time_seconds"):
            self.assertGreater(metric(now, "process_" + name), 0, name)


class Tokens(WithMock):
    """`tokens_total` is what the vendor said, in disjoint kinds, for every dialect, streamed or not."""

    PROMPT = "one two three four five six seven eight nine"

    def counted(self, path, body, headers=()):
        with Moved(self.daemon) as moved:
            answer = ask(self.daemon, body, "/v1/" + path, headers)
            self.assertEqual(answer.status, 200, answer.text)
        self.assertEqual(moved("usage_missing_total"), 0)
        return answer, {kind: int(count) for kind, count in moved.by("tokens_total", "kind").items()}

    def last_usage(self, answer):
        """The last usage object of an event stream, wherever its dialect puts it."""
        found = None
        for line in answer.text.split("\n"):
            if line.startswith("data: {"):
                event = json.loads(line[6:])
                for place in (event, event.get("response") or {}):
                    found = place.get("usage") or found
        return found

    def openai_kinds(self, usage, prompt="prompt_tokens", completion="completion_tokens"):
        details = lambda name: usage.get(name + "_details") or {}
        cached, reasoning = details(prompt).get("cached_tokens", 0), details(completion).get("reasoning_tokens", 0)
        kinds = dict(input=usage[prompt] - cached, cache_read=cached, output=usage.get(completion, 0) - reasoning, reasoning=reasoning)
        self.assertEqual(sum(kinds.values()), usage["total_tokens"])
        return {kind: count for kind, count in kinds.items() if count}

    def messages(self):
        return [{"role": "user", "content": self.PROMPT}]

    def test_chat_as_json_with_cache_and_reasoning(self):
        answer, kinds = self.counted("chat/completions", {"model": "mock-reasoner", "messages": self.messages()})
        self.assertEqual(kinds, self.openai_kinds(answer.json["usage"]))
        self.assertEqual(set(kinds), {"input", "cache_read", "output", "reasoning"})

    def test_chat_streamed_with_usage_asked_for(self):
        answer, kinds = self.counted("chat/completions", {"model": "mock-reasoner", "messages": self.messages(), "stream": True, "stream_options": {"include_usage": True}})
        self.assertEqual(kinds, self.openai_kinds(self.last_usage(answer)))
        self.assertIn("reasoning", kinds)

    def test_chat_streamed_without_asking_is_metered_all_the_same_and_the_client_sees_none(self):
        body = {"model": "mock-1", "messages": self.messages()}
        whole, expected = self.counted("chat/completions", body)
        answer, kinds = self.counted("chat/completions", {**body, "stream": True})
        self.assertEqual(kinds, expected)
        self.assertIsNone(self.last_usage(answer))
        self.assertEqual(json.loads(self.mock.requests()[-1]["body"])["stream_options"], {"include_usage": True})
        self.assertEqual(whole.json["usage"]["total_tokens"], sum(kinds.values()))

    def test_completions_both_ways(self):
        body = {"model": "mock-1", "prompt": self.PROMPT}
        answer, kinds = self.counted("completions", body)
        self.assertEqual(kinds, self.openai_kinds(answer.json["usage"]))
        _, streamed = self.counted("completions", {**body, "stream": True})
        self.assertEqual(streamed, kinds)

    def test_responses_both_ways(self):
        body = {"model": "mock-reasoner", "input": self.PROMPT}
        answer, kinds = self.counted("responses", body)
        self.assertEqual(kinds, self.openai_kinds(answer.json["usage"], "input_tokens", "output_tokens"))
        self.assertEqual(set(kinds), {"input", "cache_read", "output", "reasoning"})
        answer, streamed = self.counted("responses", {**body, "stream": True})
        self.assertEqual(streamed, self.openai_kinds(self.last_usage(answer), "input_tokens", "output_tokens"))
        self.assertEqual(streamed, kinds)

    def test_messages_both_ways_where_the_cache_comes_on_top(self):
        body = {"model": "mock-1", "max_tokens": 99, "messages": self.messages()}
        answer, kinds = self.counted("messages", body)
        usage = answer.json["usage"]
        self.assertGreater(usage["cache_read_input_tokens"], 0)
        self.assertEqual(kinds, dict(input=usage["input_tokens"], cache_read=usage["cache_read_input_tokens"], output=usage["output_tokens"]))
        answer, streamed = self.counted("messages", {**body, "stream": True})
        self.assertEqual(streamed["output"], self.last_usage(answer)["output_tokens"])
        self.assertEqual(streamed, kinds)

    def test_embeddings(self):
        answer, kinds = self.counted("embeddings", {"model": "mock-embed", "input": self.PROMPT})
        usage = answer.json["usage"]
        self.assertEqual(sum(kinds.values()), usage["total_tokens"])
        self.assertNotIn("output", kinds)

    def test_what_was_written_to_a_cache_is_a_kind_of_its_own(self):
        usage = {"input_tokens": 10, "cache_creation_input_tokens": 7, "cache_read_input_tokens": 5, "output_tokens": 3}
        origin = started(self, Origin(answering(lambda peer: peer.answer(body=json.dumps({"type": "message", "usage": usage}).encode()))))
        daemon = started(self, Daemon(config_for(origin.base_url)))
        ask(daemon, path="/v1/messages")
        now = daemon.metrics()
        kinds = {kind: metric(now, P + "tokens_total", kind=kind, model="mock-1") for kind in ("input", "cache_write", "cache_read", "output", "reasoning")}
        self.assertEqual(kinds, dict(input=10, cache_write=7, cache_read=5, output=3, reasoning=0))

    def test_an_answer_without_counts_is_missed(self):
        origin = started(self, Origin(answering(lambda peer: peer.answer(body=b'{"choices":[]}'), lambda peer: stream(peer, delta("x"), delta(finish="stop")))))
        daemon = started(self, Daemon(config_for(origin.base_url)))
        ask(daemon)
        self.assertEqual(metric(daemon.metrics(), P + "usage_missing_total", upstream="one", model="mock-1"), 1)
        ask(daemon, chat(stream=True))
        self.assertEqual(metric(daemon.metrics(), P + "usage_missing_total", upstream="one", model="mock-1"), 2)

    def test_a_failed_request_is_not_missed(self):
        with Moved(self.daemon) as moved:
            ask(self.daemon, chat("nope"))
        self.assertEqual(moved("usage_missing_total"), 0)


def stream(peer, *events, end=True, done=True, headers=()):
    peer.start_stream(headers)
    for event in events:
        peer.chunk(event)
    if done:
        peer.chunk("data: [DONE]\n\n")
    if end:
        peer.end_chunks()


class StreamEnds(unittest.TestCase):
    """Each `how` of stream_ends_total, and what it means for the request and the upstream."""

    def end(self, script, dialect="chat/completions"):
        origin = started(self, Origin(answering(script)))
        daemon = started(self, Daemon(config_for(origin.base_url, extra=TIMEOUTS)))
        answer = ask(daemon, chat(stream=True), "/v1/" + dialect)
        now = daemon.metrics()
        hows = {dict(labels)["how"]: count for (name, labels), count in now.items() if name == P + "stream_ends_total"}
        self.assertEqual(sum(hows.values()), 1, hows)
        outcome = [dict(labels)["outcome"] for (name, labels), count in now.items() if name == P + "requests_total"]
        classes = [dict(labels)["class"] for (name, labels), count in now.items() if name == P + "upstream_errors_total"]
        return list(hows)[0], outcome[0], classes, answer

    def test_finish(self):
        how, outcome, classes, _ = self.end(lambda peer: stream(peer, delta("x"), delta(finish="stop")))
        self.assertEqual((how, outcome, classes), ("finish", "ok", []))

    def test_length(self):
        how, outcome, classes, _ = self.end(lambda peer: stream(peer, delta("x"), delta(finish="length")))
        self.assertEqual((how, outcome, classes), ("length", "ok", []))

    def test_length_of_anthropics_dialect(self):
        events = [("message_start", {"message": {"usage": {"input_tokens": 1}}}),
                  ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "x"}}),
                  ("message_delta", {"delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 2}}), ("message_stop", {})]
        script = lambda peer: stream(peer, *(f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n" for name, data in events), done=False)
        how, outcome, classes, _ = self.end(script, "messages")
        self.assertEqual((how, outcome, classes), ("length", "ok", []))

    def test_tool_calls(self):
        call = 'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}]},"finish_reason":null}]}\n\n'
        how, outcome, classes, _ = self.end(lambda peer: stream(peer, call, delta(finish="tool_calls")))
        self.assertEqual((how, outcome, classes), ("tool_calls", "ok", []))

    def test_content_filter(self):
        how, outcome, classes, _ = self.end(lambda peer: stream(peer, delta("x"), delta(finish="content_filter")))
        self.assertEqual((how, outcome, classes), ("content_filter", "ok", []))

    def test_error_after_output(self):
        how, outcome, classes, _ = self.end(lambda peer: stream(peer, delta("x"), 'data: {"error":{"message":"boom","type":"server_error","code":500}}\n\n', done=False))
        self.assertEqual((how, outcome, classes), ("error", "aborted", ["stream"]))

    def test_truncated_is_aborted_and_an_error_of_the_stream(self):
        how, outcome, classes, answer = self.end(lambda peer: stream(peer, delta("x"), done=False))
        self.assertEqual((how, outcome, classes), ("truncated", "aborted", ["stream"]))
        self.assertFalse(answer.complete)

    def test_stalled_is_aborted_and_a_timeout(self):
        ended = threading.Event()
        self.addCleanup(ended.set)

        def script(peer):
            stream(peer, delta("x"), end=False, done=False)
            ended.wait(PATIENCE)
        how, outcome, classes, answer = self.end(script)
        self.assertEqual((how, outcome, classes), ("stalled", "aborted", ["timeout"]))
        self.assertFalse(answer.complete)


class Upstreams(unittest.TestCase):
    def test_a_vendor_that_is_not_there_is_a_network_error(self):
        gone = Origin(answering(lambda peer: None))
        gone.stop()
        daemon = started(self, Daemon(config_for(gone.base_url)))
        self.assertEqual(ask(daemon).status, 502)
        now = daemon.metrics()
        self.assertEqual(metric(now, P + "upstream_errors_total", upstream="one", **{"class": "network"}, reason="network"), 1)
        self.assertEqual(metric(now, P + "upstream_attempts_total", upstream="one", code="none", reason="network"), 1)

    def test_a_free_replacement_of_a_stale_connection_is_a_retry_and_two_attempts(self):
        origin = started(self, Origin(self.closes_behind_its_back))
        daemon = started(self, Daemon(config_for(origin.base_url)))
        self.assertEqual(ask(daemon).status, 200)
        self.assertEqual(ask(daemon).status, 200)
        now = daemon.metrics()
        self.assertEqual(metric(now, P + "requests_total", code="200"), 2)
        self.assertEqual(metric(now, P + "upstream_attempts_total"), 3)
        self.assertEqual(metric(now, P + "retries_total", upstream="one", reason="network"), 1)

    @staticmethod
    def closes_behind_its_back(peer, _):
        peer.read_request()
        peer.answer()
        peer.read_request()  # and says nothing to the second one: it closes

    def limits(self, *headers):
        origin = started(self, Origin(answering(lambda peer: peer.answer(headers=headers))))
        daemon = started(self, Daemon(config_for(origin.base_url)))
        ask(daemon)
        return daemon.metrics()

    def test_what_the_vendor_says_of_its_limits_becomes_gauges(self):
        now = self.limits(("x-ratelimit-remaining-requests", "59"), ("x-ratelimit-remaining-tokens", "149984"), ("x-ratelimit-limit-requests", "60"))
        self.assertEqual(metric(now, P + "ratelimit_remaining", upstream="one", dimension="requests"), 59)
        self.assertEqual(metric(now, P + "ratelimit_remaining", upstream="one", dimension="tokens"), 149984)

    def test_a_moment_of_reset_is_a_timestamp(self):
        at = int(time.time()) + 60
        now = self.limits(("X-RateLimit-Remaining", "7"), ("X-RateLimit-Reset", str(at)))
        self.assertEqual(metric(now, P + "ratelimit_remaining", upstream="one", dimension="requests"), 7)
        self.assertEqual(metric(now, P + "ratelimit_reset_timestamp_seconds", upstream="one", dimension="requests"), at)

    def test_nonsense_about_limits_is_not_shown(self):
        now = self.limits(("x-ratelimit-remaining-requests", "many"), ("x-ratelimit-remaining-tokens", "-5"))
        self.assertFalse([name for name, _ in now if "ratelimit" in name])

    def test_each_client_has_a_label(self):
        origin = started(self, Origin(answering(lambda peer: peer.answer())))
        clients = "clients: [{name: cline, token_file: t1}, {name: codex, token_file: t2}]"
        daemon = started(self, Daemon(config_for(origin.base_url, extra=clients), files={"t1": "token-of-cline-0001", "t2": "token-of-codex-0002"}))
        for token in ("token-of-cline-0001", "token-of-codex-0002", "token-of-codex-0002", "wrong"):
            ask(daemon, headers=[("Authorization", "Bearer " + token)])
        now = daemon.metrics()
        self.assertEqual(metric(now, P + "requests_total", client="cline", code="200"), 1)
        self.assertEqual(metric(now, P + "requests_total", client="codex", code="200"), 2)
        self.assertEqual(metric(now, P + "requests_total", client="none", code="401", outcome="error"), 1)

    def test_the_label_model_is_bounded(self):
        origin = started(self, Origin(answering(lambda peer: peer.answer())))
        daemon = started(self, Daemon(config_for(origin.base_url, extra="metrics: {model_labels: 3}\nmodels: {configured: {}}")))
        for name in ("a", "b", "configured", "c", "d", "a"):
            self.assertEqual(ask(daemon, chat(name)).status, 200)
        now = daemon.metrics()
        counts = {dict(labels)["model"]: count for (name, labels), count in now.items() if name == P + "requests_total"}
        self.assertEqual(counts, {"a": 2, "b": 1, "configured": 1, "other": 2})

    def test_a_name_that_no_upstream_knows_is_no_label(self):
        origin = started(self, Origin(answering(lambda peer: peer.answer(404, b'{"error":{"message":"no such model","code":"model_not_found"}}'))))
        daemon = started(self, Daemon(config_for(origin.base_url)))
        for i in range(5):
            ask(daemon, chat(f"made-up-{i}"))
        text = http(daemon.address, "GET", "/metrics").text
        self.assertNotIn("made-up", text)
        self.assertEqual(metric(parse_metrics(text), P + "requests_total", model="other", code="404"), 5)


class Pages(WithMock):
    def test_metrics_are_prometheus_text_with_help_and_type_of_every_family(self):
        ask(self.daemon)
        answer = http(self.daemon.address, "GET", "/metrics")
        self.assertEqual(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8")
        for name in {re.sub(r"_(bucket|sum|count)$", "", name) for name, _ in parse_metrics(answer.text)}:
            self.assertRegex(answer.text, rf"(?m)^# TYPE {name} (counter|gauge|histogram)$")
            self.assertRegex(answer.text, rf"(?m)^# HELP {name} \S")

    def test_alive_and_ready(self):
        for path, text in (("/healthz", "ok\n"), ("/readyz", "ready\n")):
            answer = http(self.daemon.address, "GET", path)
            self.assertEqual((answer.status, answer.text), (200, text))

    def test_the_status_says_what_is_going_on(self):
        ask(self.daemon, chat("fast"))
        status = http(self.daemon.address, "GET", "/-/status").json
        self.assertRegex(status["version"], r"^\d+\.\d+\.\d+$")
        self.assertGreaterEqual(status["uptime_seconds"], 0)
        self.assertEqual(status["configuration"], {"file": self.daemon.config_file, "last_reload_successful": True})
        self.assertIs(status["draining"], False)
        self.assertEqual(status["listening"], [f"http://127.0.0.1:{self.daemon.port}"])
        self.assertEqual(status["connections"], 1)
        self.assertEqual(status["requests_in_flight"], 0)
        self.assertEqual(status["memory_budget"], {"total": 256 << 20, "bodies": 0})
        self.assertEqual(status["log_lines_dropped"], 0)
        upstream, = status["upstreams"]
        self.assertEqual(upstream["name"], "one")
        self.assertEqual(upstream["base_url"], self.mock.base_url)
        self.assertEqual(upstream["keys"], [{"name": "main", "key": "main (sk-…6789)", "state": "usable"}])
        self.assertGreaterEqual(upstream["connections"]["idle"], 1)
        latest = status["recent"][0]
        self.assertEqual((latest["model_asked"], latest["model"], latest["status"]), ("fast", "mock-1", 200))

    def test_the_status_keeps_the_last_hundred_the_newest_first(self):
        with Connection(self.daemon.address) as connection:
            for _ in range(105):
                connection.send(request_bytes("POST", "/v1/chat/completions", body=b"x"))
                connection.read_response()
        ask(self.daemon)
        recent = http(self.daemon.address, "GET", "/-/status").json["recent"]
        self.assertEqual(len(recent), 100)
        self.assertEqual([one["status"] for one in recent[:2]], [200, 400])

    def test_metrics_can_have_a_listener_of_their_own_which_serves_nothing_else(self):
        daemon = started(self, Daemon(config_for(self.mock.base_url, extra='metrics: {listen: "127.0.0.1:0"}')))
        port = int(daemon.wait_line(r"listening on http://127\.0\.0\.1:(\d+) \(metrics\)").group(1))
        self.assertEqual(http(("127.0.0.1", port), "GET", "/metrics").status, 200)
        self.assertEqual(http(daemon.address, "GET", "/metrics").status, 404)
        self.assertEqual(http(("127.0.0.1", port), "POST", "/v1/chat/completions", body=chat()).status, 404)


class Log(WithMock):
    def line(self, body, path="/v1/chat/completions", headers=(), daemon=None):
        """The access log's line of this one request."""
        daemon = daemon or self.daemon
        request_id = ask(daemon, body, path, headers).header("x-streamkeeper-request-id")
        of_it = lambda: [line for line in daemon.request_lines() if line["id"] == request_id]
        wait_for(of_it)
        line, = of_it()
        return line

    def test_a_request_is_one_line_of_json_with_all_that_is_promised(self):
        line = self.line(chat("fast", stream=True))
        mock_id = f"req_mock_{self.mock.requests()[-1]['sequence']}"
        self.assertRegex(line["id"], r"^sk_\w+$")
        expected = dict(method="POST", endpoint="chat_completions", model_asked="fast", model="mock-1", upstream="one", key="main", status=200,
                        outcome="ok", end="finish", vendor_request_id=mock_id)
        self.assertEqual({name: line.get(name) for name in expected}, expected)
        self.assertLessEqual(line["ttft_ms"], line["ms"])
        self.assertGreater(line["tokens"]["input"], 0)
        self.assertGreater(line["tokens"]["output"], 0)
        self.assertGreater(line["bytes_in"], 0)
        self.assertGreater(line["bytes_out"], 0)
        attempt, = line["attempts"]
        self.assertEqual((attempt["upstream"], attempt["key"], attempt["status"]), ("one", "main", 200))
        self.assertIn("ms", attempt)

    def test_every_line_is_json_with_time_and_level(self):
        ask(self.daemon)
        self.daemon.wait_request_lines(1)
        for line in list(self.daemon.lines):
            entry = json.loads(line)
            self.assertRegex(entry["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            self.assertIn(entry["level"], ("error", "warning", "info"))
            self.assertEqual(len({"message", "request"} & set(entry)), 1)

    def test_an_end_by_length_comes_with_a_hint(self):
        line = self.line(chat(stream=True, max_tokens=3))
        self.assertEqual(line["end"], "length")
        self.assertIn("max_tokens", line["hint"])

    def test_a_failure_names_its_cause(self):
        line = self.line(chat("nope"))
        self.assertEqual((line["status"], line["outcome"], line["code"]), (404, "error", "model_not_found"))
        self.assertEqual(line["attempts"][0]["reason"], "model_not_found")
        line = self.line(chat(), headers=[("x-mock-delay-ms", "60000")])
        self.assertEqual((line["status"], line["code"]), (504, "upstream_timeout"))
        self.assertEqual((line["attempts"][0]["reason"], line["attempts"][0]["detail"]), ("timeout", "timeouts.first_byte passed"))

    def test_a_name_with_quotes_and_line_breaks_stays_one_line(self):
        line = self.line(chat('evil"\n{"level":"error"}'))
        self.assertEqual(line["model_asked"], 'evil"\n{"level":"error"}')

    def test_text_on_request_and_a_name_can_not_forge_a_line(self):
        daemon = started(self, Daemon(config_for(self.mock.base_url, extra="log: {format: text}\naliases: {fast: mock-1}")))
        ask(daemon, chat("fast"))
        daemon.wait_line(r"^\d{4}-\d\d-\d\dT\S+Z info sk_\w+ POST chat_completions fast -> mock-1 @one 200 ok .*\d+ms tokens=\d+\+\d+$")
        ask(daemon, chat("evil\n2026-01-01T00:00:00.000Z info forged \x1b[31m"))
        daemon.wait_line("404 error")
        self.assertFalse([line for line in daemon.lines if not re.match(r"\d{4}-\S+Z (info|warning|error) ", line) or "\x1b" in line], daemon.output)

    def test_a_name_of_a_megabyte_is_not_kept_whole(self):
        line = self.line(chat("n" * (1 << 20)))
        self.assertLessEqual(len(line["model_asked"]), 256)
        self.assertLess(len(http(self.daemon.address, "GET", "/-/status").body), 1 << 18)

    def test_levels_hide_what_is_below_them(self):
        daemon = started(self, Daemon(config_for(self.mock.base_url, extra="log: {level: warning}").replace("127.0.0.1:0", f"unix:{self.daemon.folder}/s"), wait=False))
        wait_for(lambda: self.try_unix(f"{self.daemon.folder}/s"))
        daemon.process.terminate()
        daemon.wait()
        self.assertEqual(daemon.output, "")

    @staticmethod
    def try_unix(path):
        try:
            return http(path, "POST", "/v1/chat/completions", body=chat()).status == 200
        except OSError:
            return False

    def test_debug_adds_a_line_per_attempt_with_header_names_and_no_value(self):
        daemon = started(self, Daemon(config_for(self.mock.base_url, extra="log: {level: debug}")))
        ask(daemon, headers=[("x-planted-name", "planted-value"), ("Authorization", "Bearer planted-token")])
        line = daemon.wait_line(r'"level":"debug","message":"(sk_\w+ attempt 1: one, key main, new connection, status 200, .*)"').group(1)
        sent, received = re.search(r"; sent: (.*); received: (.*)", line).groups()
        for name in ("Host", "Authorization", "Content-Length", "x-planted-name"):
            self.assertIn(name.lower(), sent.lower())
        self.assertIn("x-request-id", received.lower())
        self.assertNotIn("planted-value", daemon.output)
        self.assertNotIn("planted-token", daemon.output)
        self.assertNotIn(KEY, daemon.output)
        http(daemon.address, "GET", "/v1/files?secret=planted-query")
        daemon.wait_line(r"attempt 1: one, key main, (new|pooled) connection, status 200.*sent: .*received: ")
        self.assertNotIn("planted-query", daemon.output)

    def test_debug_says_when_no_answer_came(self):
        gone = Origin(answering(lambda peer: None))
        gone.stop()
        daemon = started(self, Daemon(config_for(gone.base_url, extra="log: {level: debug}")))
        ask(daemon)
        daemon.wait_line("attempt 1: one, key main, new connection, no answer, network, ")

    def test_info_has_no_debug_lines(self):
        self.line(chat())
        self.assertNotIn('"level":"debug"', self.daemon.output)

    def test_under_the_journal_each_line_carries_its_priority(self):
        daemon = started(self, Daemon(config_for(self.mock.base_url, extra="log: {level: debug}"), env={"JOURNAL_STREAM": "8:1"}))
        ask(daemon)
        daemon.wait_line(r'^<6>\{"time".*"request":')
        daemon.wait_line(r'^<7>\{"time".*attempt 1')
        daemon.write_config("nonsense: 1")
        daemon.process.send_signal(1)
        daemon.wait_line(r'^<3>\{"time".*nonsense')
        self.assertTrue(all(re.match("<[3467]>", line) for line in daemon.lines))


class NothingLeaks(unittest.TestCase):
    """Planted markers: none of them may come back in a log line, a page, a metric or an error."""

    KEY = "sk-planted-key-0123456789"
    TOKEN = "planted-token-0123456789"
    MARKS = ("planted-prompt", "planted-answer", "planted-query", "planted-body-key", "planted-vendor-message", "planted-reasoning")

    def vendor(self, peer, origin):
        """Echoes what a careless vendor would: the prompt and the key, in answers and in errors."""
        while True:
            head, body = peer.read_request()
            if b"/files" in head:
                peer.answer(500, b"planted-vendor-message " + self.KEY.encode() + b" planted-prompt")
            elif b"planted-fail" in body:
                message = "planted-vendor-message: your key " + self.KEY + " may not ask planted-prompt"
                peer.answer(int(re.search(rb"planted-fail-(\d+)", body).group(1)), json.dumps({"error": {"message": message, "type": "t", "code": "c " + self.KEY}}).encode())
            elif b"planted-cut" in body:
                stream(peer, delta("planted-answer"), end=False, done=False)
                return
            elif b"planted-event" in body:
                stream(peer, delta("planted-answer"), 'data: {"error":{"message":"planted-vendor-message ' + self.KEY + '","code":400}}\n\n', done=False)
            elif b'"stream": true' in body:
                stream(peer, 'data: {"choices":[{"index":0,"delta":{"reasoning_content":"planted-reasoning"},"finish_reason":null}]}\n\n',
                       delta("planted-answer"), delta(finish="length"), headers=[("x-vendor", "planted-header " + self.KEY)])
            else:
                peer.answer(body=json.dumps({"choices": [{"message": {"content": "planted-answer"}}]}).encode())

    def provoke(self, daemon):
        """All kinds of requests and endings; returns the errors that the client saw."""
        token = [("Authorization", "Bearer " + self.TOKEN)]
        prompt = lambda text="", **more: {"model": "m", "messages": [{"role": "user", "content": "planted-prompt " + text}], "planted-body-key": 1, **more}
        errors = []
        for path in ("/v1/chat/completions", "/v1/messages", "/v1/responses"):
            for body in (prompt(), prompt(stream=True), prompt("planted-fail-400"), prompt("planted-fail-401"), prompt("planted-fail-429"),
                         prompt("planted-fail-500"), prompt("planted-cut", stream=True), prompt("planted-event", stream=True)):
                answer = ask(daemon, body, path + "?api_key=planted-query&x=planted-query", token)
                errors.append(answer.text)
        errors.append(ask(daemon, b'{"model":"m","planted-prompt": planted-body-key}', headers=token).text)
        errors.append(ask(daemon, prompt(), headers=[("Authorization", "Bearer wrong-" + self.TOKEN)]).text)
        errors.append(http(daemon.address, "GET", "/v1/files?key=planted-query&purpose=planted-query", token).text)
        errors.append(http(daemon.address, "GET", "/v1/../planted-query?" + self.TOKEN, token).text)
        with Connection(daemon.address) as connection:
            connection.send(b"GET / HTTP/1.1\r\nHost: x\r\nplanted-prompt " + self.TOKEN.encode() + b"\r\n\r\n")
            errors.append(connection.read_response().text)
        return errors

    def check(self, extra):
        origin = started(self, Origin(self.vendor))
        daemon = started(self, Daemon(config_for(origin.base_url, extra=f"clients: [{{name: tool, token_file: token}}]\n{TIMEOUTS}\n{extra}"),
                                      files={"key": self.KEY + "\n", "token": self.TOKEN + "\n"}))
        errors = self.provoke(daemon)
        daemon.write_config("upstreams: {one: {keys: [{name: a, file: key, oops: " + self.TOKEN + "x}]}}")
        daemon.process.send_signal(1)
        daemon.wait_line("the last good one stays")
        pages = {path: http(daemon.address, "GET", path).text for path in ("/metrics", "/-/status", "/healthz", "/readyz", "/")}
        daemon.process.terminate()
        self.assertEqual(daemon.wait(), 0)
        for name, text in {**pages, "the log": daemon.output}.items():
            for mark in (*self.MARKS, self.KEY, self.TOKEN, "planted-header"):
                self.assertNotIn(mark, text, f"in {name}")
        for text in errors:
            self.assertNotIn(self.KEY, text)
            self.assertNotIn(self.TOKEN, text)
        return daemon

    def test_at_level_info(self):
        daemon = self.check("log: {level: info}")
        self.assertGreater(len(daemon.request_lines()), 20)

    def test_at_level_debug(self):
        daemon = self.check("log: {level: debug}")
        self.assertIn('"level":"debug"', daemon.output)

    def test_as_text(self):
        self.check("log: {format: text, level: debug}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
