"""The first five minutes: JSON, a stream, models, aliases, errors, metrics, through the daemon in front of the mock."""
import json
import unittest

from harness import Connection, Daemon, Mock, chat, config_for, http, metric, request_bytes


class ProxyBasics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mock = Mock()
        cls.daemon = Daemon(config_for(cls.mock.base_url, extra="aliases: {fast: mock-1}"))

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.mock.stop()

    def post(self, path, body, headers=()):
        return http(self.daemon.address, "POST", path, headers, body)

    def test_a_json_answer_comes_with_the_stored_key_and_our_headers(self):
        answer = self.post("/v1/chat/completions", chat(), [("Authorization", "Bearer sk-of-the-client")])
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.json["object"], "chat.completion")
        self.assertEqual(answer.header("x-streamkeeper-upstream"), "one")
        self.assertEqual(answer.header("x-streamkeeper-model"), "mock-1")
        self.assertEqual(answer.header("x-streamkeeper-attempts"), "1")
        self.assertEqual(answer.header("x-streamkeeper-key"), "main")
        seen = self.mock.requests()[-1]["headers"]
        self.assertEqual(seen["authorization"], "Bearer " + self.mock.key)
        self.assertNotIn("sk-of-the-client", json.dumps(seen))

    def test_a_stream_is_relayed_and_ends_with_done(self):
        answer = self.post("/v1/chat/completions", chat(stream=True))
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.complete)
        events = [line for line in answer.text.split("\n\n") if line]
        self.assertEqual(events[-1], "data: [DONE]")
        self.assertNotIn('"choices":[]', answer.text, "the usage chunk was not asked for")

    def test_the_usage_chunk_is_shown_to_those_who_ask(self):
        answer = self.post("/v1/chat/completions", chat(stream=True, stream_options={"include_usage": True}))
        self.assertIn('"choices":[]', answer.text)

    def test_an_alias_changes_the_model_and_nothing_else(self):
        body = b'{ "seed" : 1.50,"model":"fast" , "messages":[{"role":"user","content":"h\\u0069"}]}'
        answer = self.post("/v1/chat/completions", body)
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.mock.requests()[-1]["body"].encode(), body.replace(b'"fast"', b'"mock-1"'))

    def test_wrong_json_never_leaves_and_is_told_by_line_and_column(self):
        before = len(self.mock.requests())
        answer = self.post("/v1/chat/completions", b'{"model":"m",\n "messages": [}')
        self.assertEqual(answer.status, 400)
        self.assertEqual(answer.json["error"]["code"], "invalid_json")
        self.assertIn("line 2, column 15", answer.json["error"]["message"])
        self.assertEqual(len(self.mock.requests()), before)

    def test_two_models_in_one_body_are_refused(self):
        answer = self.post("/v1/chat/completions", b'{"model":"a","mod\\u0065l":"b"}')
        self.assertEqual(answer.status, 400)

    def test_an_unknown_model_is_the_vendors_error_in_one_shape(self):
        answer = self.post("/v1/chat/completions", chat("nope"))
        self.assertEqual(answer.status, 404)
        error = answer.json["error"]
        self.assertEqual(error["code"], "model_not_found")
        self.assertEqual(error["streamkeeper"]["upstream"], "one")
        self.assertEqual(answer.header("x-should-retry"), "false")

    def test_models_are_listed_with_aliases(self):
        ids = [model["id"] for model in http(self.daemon.address, "GET", "/v1/models").json["data"]]
        self.assertIn("mock-1", ids)
        self.assertIn("fast", ids)

    def test_metrics_count_what_happened(self):
        before = self.daemon.metrics()
        answer = self.post("/v1/chat/completions", chat())
        after = self.daemon.metrics()
        labels = dict(upstream="one", model="mock-1", client="none")
        self.assertEqual(metric(after, "streamkeeper_requests_total", code="200", outcome="ok", **labels) -
                         metric(before, "streamkeeper_requests_total", code="200", outcome="ok", **labels), 1)
        moved = metric(after, "streamkeeper_tokens_total", **labels) - metric(before, "streamkeeper_tokens_total", **labels)
        self.assertEqual(moved, answer.json["usage"]["total_tokens"])

    def test_pipelined_requests_are_answered_in_order(self):
        with Connection(self.daemon.address) as connection:
            connection.send(b"".join(request_bytes("POST", "/v1/chat/completions", body=chat(max_tokens=n)) for n in (1, 2, 3)))
            counts = [connection.read_response().json["usage"]["completion_tokens"] for _ in range(3)]
        self.assertEqual(counts, [1, 2, 3])


if __name__ == "__main__":
    unittest.main(verbosity=2)
