"""A vendor that answers a request for a stream with one JSON document: the client gets the equivalent stream (contract,
section 4), also when its 200 had to be sent long before."""
import gzip
import json
import unittest

from harness import metric, request_bytes
from stage import ANTHROPICS, CHAT, COMPLETIONS, DONE, RESPONSES, WORD, failure
from waiting import APIS, BEAT, EARLY_FIELDS, Case, wait_idle

SLOW = "stream: {commit_hold: off}\n"
AT_ONCE = "stream: {commit_hold: 0s, heartbeat: 100ms}\n"
ONE_TRY = "{attempts: 1, deadline: {stream: 240s}}"
CALLS = [{"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at":"north"}'}},
         {"id": "call_2", "type": "function", "function": {"name": "walk", "arguments": "{}"}}]


def events_of(text):
    """(name, data) of each event; the data parsed unless it is [DONE]."""
    found = []
    for event in text.split("\n\n")[:-1]:
        lines = event.split("\n")
        name = lines.pop(0).removeprefix("event: ") if lines[0].startswith("event: ") else None
        assert len(lines) == 1 and lines[0].startswith("data: "), event
        data = lines[0][6:]
        found.append((name, data if data == "[DONE]" else json.loads(data)))
    return found


class Joined:
    """What an SDK makes of chat's or completions' chunks."""

    def __init__(self, case, text):
        events = events_of(text)
        case.assertEqual(events.pop(), (None, "[DONE]"))
        self.roles, self.texts, self.calls, self.finishes, self.usages = {}, {}, {}, {}, []
        self.ids = {(data["id"], data["model"], data["object"]) for _, data in events}
        for _, data in events:
            self.usages += [data["usage"]] if data.get("usage") else []
            for choice in data["choices"]:
                self.join(case, choice["index"], choice, choice.get("delta", choice))
        case.assertTrue(not self.usages or events[-1][1]["choices"] == [], "usage comes last")

    def join(self, case, index, choice, delta):
        case.assertNotIn(index, self.finishes, "nothing comes after the finish")
        if delta.get("role"):
            case.assertNotIn(index, self.roles, "one role")
            self.roles[index] = delta["role"]
        self.texts[index] = self.texts.get(index, "") + (delta.get("content") or delta.get("text") or "")
        for call in delta.get("tool_calls") or []:
            self.calls.setdefault(index, []).append(call)
        if choice["finish_reason"]:
            self.finishes[index] = choice["finish_reason"]


class Documents(Case):
    def answered(self, dialect, document, early, status=200, headers=(), **more):
        """The stream that a client gets for this document: (text, whether the last chunk came, daemon)."""
        vendor, daemon = self.pair(extra=(AT_ONCE if early else SLOW) + "\nresume: {mode: off}", retry=ONE_TRY)
        client = self.client(daemon, dialect, **more)
        peer = vendor.next()
        if early:
            self.assertLessEqual(EARLY_FIELDS, set(client.commit()))
            client.beat()
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        peer.answer(status, body, headers)
        if not early:
            status, fields = client.head()
            self.assertEqual(status, 200)
            self.assertTrue(fields["content-type"].startswith("text/event-stream"))
            self.assertEqual((fields["x-streamkeeper-upstream"], fields["x-streamkeeper-attempts"]), ("one", "1"))
            self.assertEqual(fields["transfer-encoding"], "chunked")
            for name in ("content-length", "content-encoding"):
                self.assertNotIn(name, fields)
        return *client.rest(), daemon

    def joined(self, dialect, document, early, **more):
        text, ended, daemon = self.answered(dialect, document, early, **more)
        self.assertTrue(ended)
        return Joined(self, text), daemon

    def test_a_chat_completion_becomes_chunks(self):
        for early in (False, True):
            for asked in (False, True):
                with self.subTest(early=early, usage_asked=asked):
                    more = {"stream_options": {"include_usage": True}} if asked else {}
                    joined, daemon = self.joined(CHAT, CHAT.document, early, **more)
                    self.assertEqual(joined.ids, {("c1", "m", "chat.completion.chunk")})
                    self.assertEqual((joined.roles, joined.texts, joined.finishes), ({0: "assistant"}, {0: WORD}, {0: "stop"}))
                    self.assertEqual(joined.usages, [CHAT.document["usage"]] if asked else [])
                    self.check_recorded(daemon, "finish", usage=True)

    def check_recorded(self, daemon, how, usage=False):
        line = self.line(daemon)
        self.assertEqual((line["outcome"], line["status"], line["end"]), ("ok", 200, how))
        metrics = daemon.metrics()
        self.assertEqual(metric(metrics, "streamkeeper_stream_ends_total", how=how), 1)
        self.assertEqual(metric(metrics, "streamkeeper_stream_ends_total"), 1)
        self.assertEqual(metric(metrics, "streamkeeper_time_to_first_token_seconds_count"), 1)
        if usage:
            self.assertEqual(metric(metrics, "streamkeeper_tokens_total", kind="input"), 7)
            self.assertEqual(metric(metrics, "streamkeeper_tokens_total", kind="output"), 2)
        wait_idle(daemon)

    def test_a_legacy_completion_becomes_chunks(self):
        for early in (False, True):
            for asked in (False, True):
                with self.subTest(early=early, usage_asked=asked):
                    more = {"stream_options": {"include_usage": True}} if asked else {}
                    joined, daemon = self.joined(COMPLETIONS, COMPLETIONS.document, early, **more)
                    self.assertEqual(joined.ids, {("c1", "m", "text_completion")})
                    self.assertEqual((joined.texts, joined.finishes), ({0: WORD}, {0: "stop"}))
                    self.assertEqual(joined.usages, [COMPLETIONS.document["usage"]] if asked else [])
                    self.check_recorded(daemon, "finish", usage=True)

    def test_a_response_becomes_its_events(self):
        for early in (False, True):
            with self.subTest(early=early):
                text, ended, daemon = self.answered(RESPONSES, RESPONSES.document, early)
                self.assertTrue(ended)
                events = events_of(text)
                self.assertEqual([data["sequence_number"] for _, data in events], list(range(len(events))))
                self.assertEqual([name for name, _ in events], [data["type"] for _, data in events])
                self.assertEqual((events[0][0], events[-1][0]), ("response.created", "response.completed"))
                self.assertEqual([name for name, _ in events].count("response.created"), 1)
                self.assertEqual("".join(data["delta"] for name, data in events if name == "response.output_text.delta"), WORD)
                self.assertEqual(events[-1][1]["response"], RESPONSES.document)
                self.check_recorded(daemon, "finish", usage=True)

    def test_a_message_becomes_its_events(self):
        for early in (False, True):
            with self.subTest(early=early):
                text, ended, daemon = self.answered(ANTHROPICS, ANTHROPICS.document, early)
                self.assertTrue(ended)
                events = events_of(text)
                self.assertEqual([name for name, _ in events if name != "ping"],
                                 ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"])
                data = dict(events)
                self.assertEqual((data["message_start"]["message"]["id"], data["message_start"]["message"]["content"]), ("msg_1", []))
                self.assertIsNone(data["message_start"]["message"]["stop_reason"])
                self.assertEqual(data["content_block_delta"]["delta"], {"type": "text_delta", "text": WORD})
                self.assertEqual(data["message_delta"]["delta"]["stop_reason"], "end_turn")
                self.assertEqual(data["message_delta"]["usage"]["output_tokens"], 2)
                self.check_recorded(daemon, "finish", usage=True)

    def test_every_choice_of_several_comes_whole(self):
        choices = [{"index": i, "message": {"role": "assistant", "content": f"choice {i}"}, "finish_reason": end} for i, end in enumerate(("stop", "length"))]
        for early in (False, True):
            with self.subTest(early=early):
                joined, _ = self.joined(CHAT, {**CHAT.document, "choices": choices}, early, n=2)
                self.assertEqual(joined.roles, {0: "assistant", 1: "assistant"})
                self.assertEqual((joined.texts, joined.finishes), ({0: "choice 0", 1: "choice 1"}, {0: "stop", 1: "length"}))

    def test_tool_calls_come_whole(self):
        message = {"role": "assistant", "content": None, "tool_calls": CALLS}
        for early in (False, True):
            with self.subTest(early=early):
                joined, daemon = self.joined(CHAT, {**CHAT.document, "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}, early)
                self.assertEqual(joined.calls[0], [{"index": i, **call} for i, call in enumerate(CALLS)])
                self.assertEqual(joined.finishes, {0: "tool_calls"})
                self.check_recorded(daemon, "tool_calls")

    def test_tool_calls_of_the_other_dialects_come_whole(self):
        call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": '{"at":"north"}', "status": "completed"}
        use = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "north"}}
        for early in (False, True):
            with self.subTest(early=early):
                text, ended, _ = self.answered(RESPONSES, {**RESPONSES.document, "output": [call]}, early)
                self.assertTrue(ended)
                arguments = [data["delta"] for name, data in events_of(text) if name == "response.function_call_arguments.delta"]
                self.assertEqual("".join(arguments), call["arguments"])
                self.assertEqual(events_of(text)[-1][1]["response"]["output"], [call])
                text, ended, _ = self.answered(ANTHROPICS, {**ANTHROPICS.document, "content": [use], "stop_reason": "tool_use"}, early)
                self.assertTrue(ended)
                events = dict(events_of(text))
                self.assertEqual(events["content_block_start"]["content_block"], {**use, "input": {}})
                self.assertEqual(json.loads(events["content_block_delta"]["delta"]["partial_json"]), use["input"])

    def test_without_a_finish_nothing_is_invented(self):
        unfinished = {
            CHAT: {**CHAT.document, "choices": [{"index": 0, "message": {"role": "assistant", "content": WORD}, "finish_reason": None}]},
            COMPLETIONS: {**COMPLETIONS.document, "choices": [{"index": 0, "text": WORD, "finish_reason": None}]},
            ANTHROPICS: {**ANTHROPICS.document, "stop_reason": None}}
        for dialect, document in unfinished.items():
            for early in (False, True):
                with self.subTest(dialect.name, early=early):
                    text, ended, daemon = self.answered(dialect, document, early)
                    self.assertFalse(ended)
                    self.assertIn(WORD, text)
                    self.assertTrue(text.endswith("\n\n: streamkeeper stream_interrupted\n\n"), text[-60:])
                    self.assertNotIn("[DONE]", text)
                    self.assertNotIn("message_stop", text)
                    self.assertEqual(self.line(daemon)["outcome"], "aborted")

    def test_how_the_bytes_came_does_not_matter(self):
        pretty = json.dumps(CHAT.document, indent=2).replace("\n", "\r\n").encode()
        forms = {"pretty": (pretty, ()), "encoded": (gzip.compress(pretty), [("Content-Encoding", "gzip")]),
                 "named with a charset": (pretty, [("Content-Type", "application/json; charset=utf-8")])}
        for name, (body, headers) in forms.items():
            for early in (False, True):
                with self.subTest(name, early=early):
                    text, ended, _ = self.answered(CHAT, body, early, headers=headers)
                    self.assertTrue(ended)
                    self.assertEqual(Joined(self, text).texts, {0: WORD})

    def test_a_long_one_comes_whole(self):
        long = "The river runs. \u00e4\U0001f30a\n" * 50000
        document = json.loads(json.dumps(CHAT.document).replace(WORD, "X"))
        document["choices"][0]["message"]["content"] = long
        for early in (False, True):
            with self.subTest(early=early):
                joined, _ = self.joined(CHAT, document, early)
                self.assertTrue(joined.texts[0] == long)

    def test_an_old_client_gets_it_too(self):
        for extra in (SLOW, AT_ONCE):
            with self.subTest(extra):
                vendor, daemon = self.pair(extra=extra, retry=ONE_TRY)
                client = self.client(daemon, version="1.0")
                peer = vendor.next()
                if extra is AT_ONCE:
                    client.commit()
                peer.answer(200, json.dumps(CHAT.document).encode())
                if extra is SLOW:
                    self.assertEqual(client.head()[0], 200)
                client.at_end()
                self.assertEqual(Joined(self, client.buffer.decode().replace(BEAT.decode(), "")).texts, {0: WORD})

    def test_after_it_both_connections_carry_the_next_request(self):
        for extra in (SLOW, AT_ONCE):
            with self.subTest(extra):
                vendor, daemon = self.pair(extra=extra, retry=ONE_TRY)
                client = self.client(daemon)
                for _ in range(3):
                    vendor.next().answer(200, json.dumps(CHAT.document).encode())
                    client.head()
                    text, ended = client.rest()
                    self.assertTrue(ended and text.endswith(DONE), text)
                    client.send(request_bytes("POST", CHAT.path, body=CHAT.request("m", True)))
                vendor.next()
                self.assertEqual(vendor.connections, 1)

    def test_a_failure_before_it_is_not_seen(self):
        for extra in (SLOW, AT_ONCE):
            with self.subTest(extra):
                vendor, daemon = self.pair(extra=extra, retry="{base: 5ms}")
                client = self.client(daemon)
                vendor.next().answer(500, failure())
                vendor.next().answer(200, failure(code=503))  # an error in a 200
                vendor.next().answer(200, json.dumps(CHAT.document).encode())
                client.head()
                text, ended = client.rest()
                self.assertTrue(ended)
                self.assertEqual(Joined(self, text).texts, {0: WORD})
                self.assertEqual(self.line(daemon)["outcome"], "ok")

    def test_a_document_that_is_an_error_is_an_error(self):
        for dialect in APIS:
            with self.subTest(dialect.name):
                vendor, daemon = self.pair(extra=SLOW, retry=ONE_TRY)
                client = self.client(daemon, dialect)
                vendor.next().answer(200, failure(type="invalid_request_error", status_code=400, message="a bad thing"))
                answer = client.read_response()
                self.assertEqual((answer.status, answer.header("content-type")), (400, "application/json"))
                self.assertIn("a bad thing", answer.json["error"]["message"])

    def test_what_is_no_answer_of_the_dialect_is_tried_again(self):
        for body in (b"", b"oops", b'{"id":1,,}', b'{"hello":"world"}', b"[]"):
            with self.subTest(body=body):
                vendor, daemon = self.pair(extra=SLOW, retry="{base: 5ms}")
                client = self.client(daemon)
                vendor.next().answer(200, body)
                vendor.next().answer(200, json.dumps(CHAT.document).encode())
                self.assertEqual(client.head()[0], 200)
                self.assertEqual(Joined(self, client.rest()[0]).texts, {0: WORD})

    def test_a_client_that_asked_for_no_stream_gets_the_document_as_it_is(self):
        for dialect in APIS:
            with self.subTest(dialect.name):
                vendor, daemon = self.pair(extra=AT_ONCE, retry=ONE_TRY)
                body = json.dumps(dialect.document, indent=1).encode()
                connection = self.connect(daemon)
                connection.send(request_bytes("POST", dialect.path, body=dialect.request("m")))
                vendor.next().answer(200, body)
                answer = connection.read_response()
                self.assertEqual((answer.status, answer.header("content-type"), answer.body), (200, "application/json", body))


if __name__ == "__main__":
    unittest.main(verbosity=2)
