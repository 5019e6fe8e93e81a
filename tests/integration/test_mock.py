"""The mock upstream alone, as `streamkeeper mock` serves it: shapes, event order, true usage, knobs, the record."""
import base64
import contextlib
import hashlib
import http.client
import json
import os
import re
import resource
import select
import signal
import socket
import struct
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

KEY = "sk-mock-0123456789"
PATIENCE = 20


class Mock:
    """One running mock, stopped by its process id."""

    def __init__(self, *arguments):
        command = [os.environ["STREAMKEEPER"], "mock", "--listen", "127.0.0.1:0", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        self.line = self.process.stdout.readline() if ready else ""
        found = re.fullmatch(r"mock upstream on https?://127\.0\.0\.1:(\d+)/v1 \(key (.+)\)\n", self.line)
        if not found:
            self.stop()
            raise AssertionError("no address printed: %r" % self.line)
        self.port = int(found.group(1))

    def stop(self, number=signal.SIGTERM):
        """The exit code; what it wrote to stderr is shown when that is not 0."""
        self.process.send_signal(number)
        try:
            _, complaint = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        if self.process.returncode != 0:
            sys.stderr.write(complaint)
        return self.process.returncode

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def call(self, method, path, body=None, headers=None, key=KEY):
        connection = self.connect()
        try:
            fields = {"Authorization": "Bearer " + key} if key else {}
            fields.update(headers or {})
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
                fields.setdefault("Content-Type", "application/json")
            connection.request(method, path, body, fields)
            answer = connection.getresponse()
            answer.bytes = answer.read()
            return answer
        finally:
            connection.close()

    def json(self, method, path, body=None, headers=None, status=200, key=KEY):
        answer = self.call(method, path, body, headers, key)
        if answer.status != status:
            raise AssertionError("%s %s: %d %r" % (method, path, answer.status, answer.bytes[:500]))
        return json.loads(answer.bytes)

    def events(self, path, body, headers=None):
        """The data of each event; named events as {"event": name, **data}."""
        answer = self.call("POST", path, dict(body, stream=True), headers)
        if answer.status != 200 or not answer.headers["content-type"].startswith("text/event-stream"):
            raise AssertionError("%s: %d %r" % (path, answer.status, answer.bytes[:500]))
        return parse_events(answer.bytes)


def parse_events(stream):
    events = []
    for block in stream.decode().split("\n\n")[:-1]:
        name, data = None, None
        for line in block.split("\n"):
            if line.startswith("event: "):
                name = line[7:]
            if line.startswith("data: "):
                data = line[6:]
        value = data if data == "[DONE]" else json.loads(data)
        events.append(dict(value, event=name) if name else value)
    return events


def chunks(raw):
    """Payloads of the chunks of an HTTP response in bytes; its head first."""
    head, _, rest = raw.partition(b"\r\n\r\n")
    found = [head]
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        size = int(size, 16)
        found.append(rest[:size])
        rest = rest[size + 2:]
        if size == 0:
            break
    return found


def multipart(parts, boundary="b0undary"):
    body = b""
    for name, filename, content in parts:
        body += ("--%s\r\nContent-Disposition: form-data; name=\"%s\"" % (boundary, name)).encode()
        if filename:
            body += ("; filename=\"%s\"\r\nContent-Type: application/octet-stream" % filename).encode()
        body += b"\r\n\r\n" + content + b"\r\n"
    return body + ("--%s--\r\n" % boundary).encode(), {"Content-Type": "multipart/form-data; boundary=" + boundary}


WEATHER = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"},
                                            "unit": {"type": "string", "enum": ["°C", "°F"]}}}
CHAT_TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]


def ask(text="one two three", **more):
    return dict({"model": "mock-1", "messages": [{"role": "user", "content": text}]}, **more)


def message(text="one two three", **more):
    return ask(text, **dict({"max_tokens": 1000}, **more))


class WithMock(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.record = os.path.join(cls.directory.name, "record.jsonl")
        cls.mock = Mock("--record", cls.record)
        cls.addClassCleanup(cls.directory.cleanup)
        cls.addClassCleanup(cls.stop_cleanly)

    @classmethod
    def stop_cleanly(cls):
        code = cls.mock.stop()
        if code != 0:  # a sanitizer's report makes it another one
            raise AssertionError("the mock ended with %d" % code)

    def recorded(self):
        with open(self.record, encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]


class Door(WithMock):
    def test_a_wrong_or_missing_key_is_401_in_the_shape_of_the_path(self):
        error = self.mock.json("POST", "/v1/chat/completions", ask(), status=401, key="wrong")["error"]
        self.assertEqual((error["type"], error["code"]), ("authentication_error", "invalid_api_key"))
        error = self.mock.json("GET", "/v1/models", status=401, key=None)["error"]
        self.assertEqual(error["code"], "missing_api_key")
        document = self.mock.json("POST", "/v1/messages", message(), status=401, key="wrong")
        self.assertEqual((document["type"], document["error"]["type"]), ("error", "authentication_error"))
        self.assertNotIn("wrong", json.dumps(document))

    def test_both_spellings_of_the_key_are_taken(self):
        self.mock.json("GET", "/v1/models", headers={"x-api-key": KEY}, key=None)
        self.mock.json("GET", "/v1/models", headers={"Authorization": "bearer " + KEY}, key=None)

    def test_the_public_model_list_needs_no_key(self):
        ids = [m["id"] for m in self.mock.json("GET", "/api/models", key=None)["data"]]
        self.assertIn("mock-1", ids)

    def test_models_carry_what_strict_clients_want(self):
        models = self.mock.json("GET", "/v1/models")
        self.assertEqual(models["object"], "list")
        for model in models["data"]:
            self.assertEqual(set(model), {"id", "object", "created", "owned_by"})
        ids = {m["id"] for m in models["data"]}
        self.assertLessEqual({"mock-1", "mock-reasoner", "Mock-Cased-70B", "mock-embed"}, ids)
        for name in ids:
            self.assertEqual(self.mock.json("GET", "/v1/models/" + name)["id"], name)
            escaped = "/v1/models/" + name.replace("/", "%2F").replace("-", "%2d")
            self.assertEqual(self.mock.json("GET", escaped)["id"], name)
        self.assertEqual(self.mock.json("GET", "/v1/models/none", status=404)["error"]["code"], "model_not_found")

    def test_unknown_paths_and_methods(self):
        self.assertEqual(self.mock.json("POST", "/v1/nothing", {}, status=404)["error"]["code"], "endpoint_not_found")
        self.assertEqual(self.mock.json("POST", "/elsewhere", {}, status=404)["error"]["code"], "endpoint_not_found")
        self.assertEqual(self.mock.call("GET", "/v1/chat/completions").status, 405)

    def test_bad_bodies_are_400_and_unknown_models_404(self):
        for path in ("chat/completions", "completions", "responses", "messages", "embeddings"):
            path = "/v1/" + path
            with self.subTest(path):
                self.mock.json("POST", path, '{"model": "mock-1",', status=400)
                self.mock.json("POST", path, "[]", status=400)
                self.mock.json("POST", path, {"model": "mock-1"}, status=400)
                self.mock.json("POST", path, {"messages": []}, status=400)
                self.mock.json("POST", path, dict(ask(), input="x", prompt="x", model="MOCK-1"), status=404)
        error = self.mock.json("POST", "/v1/chat/completions", ask(model="gpt-none"), status=404)["error"]
        self.assertEqual((error["code"], error["type"]), ("model_not_found", "invalid_request_error"))
        self.mock.json("POST", "/v1/chat/completions", ask(stream_options={"include_usage": True}), status=400)
        self.mock.json("POST", "/v1/chat/completions", ask(n=5), status=400)
        self.mock.json("POST", "/v1/messages", ask(), status=400)
        self.mock.json("POST", "/v1/chat/completions", ask(max_tokens=0), status=400)

    def test_a_forced_status_is_answered_in_the_shape_of_the_path(self):
        for status in (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529, 418):
            headers = {"x-mock-status": str(status)}
            error = self.mock.json("POST", "/v1/chat/completions", ask(), headers, status)["error"]
            self.assertEqual(set(error), {"message", "type", "param", "code"})
            document = self.mock.json("POST", "/v1/messages", message(), headers, status)
            self.assertEqual(set(document), {"type", "error", "request_id"})
        answer = self.mock.call("GET", "/v1/models", headers={"x-mock-status": "204"})
        self.assertEqual((answer.status, answer.bytes, answer.headers["content-length"]), (204, b"", None))

    def test_a_knob_that_does_not_fit_is_400(self):
        for knob, value in (("tokens", "many"), ("status", "200"), ("chunk-bytes", "0"), ("typo", "1"), ("hold", "")):
            self.mock.json("GET", "/v1/models", headers={"x-mock-" + knob: value}, status=400)


class Chat(WithMock):
    path = "/v1/chat/completions"

    def usage(self, document, prompt, completion, reasoning=0):
        self.assertEqual(document["prompt_tokens"], prompt)
        self.assertEqual(document["completion_tokens"], completion)
        self.assertEqual(document["total_tokens"], prompt + completion)
        self.assertEqual(document["prompt_tokens_details"]["cached_tokens"], prompt // 4)
        self.assertEqual(document["completion_tokens_details"]["reasoning_tokens"], reasoning)

    def test_json_and_stream_say_the_same_and_usage_is_true(self):
        whole = self.mock.json("POST", self.path, ask("one two three four five"), {"x-mock-tokens": "7"})
        choice = whole["choices"][0]
        self.assertEqual((whole["object"], choice["finish_reason"]), ("chat.completion", "stop"))
        self.usage(whole["usage"], 5, 7)
        events = self.mock.events(self.path, ask("one two three four five", stream_options={"include_usage": True}),
                                  {"x-mock-tokens": "7"})
        self.assertEqual(events[-1], "[DONE]")
        self.assertEqual(events[0]["choices"][0]["delta"]["role"], "assistant")
        pieces = [e["choices"][0]["delta"]["content"] for e in events[1:8]]
        self.assertEqual("".join(pieces), choice["message"]["content"])
        self.assertEqual(events[8]["choices"][0]["finish_reason"], "stop")
        self.assertEqual(events[9]["choices"], [])
        self.usage(events[9]["usage"], 5, 7)
        self.assertEqual([e["usage"] for e in events[:9]], [None] * 9)
        self.assertEqual({e["id"] for e in events[:-1]}, {whole["id"]})
        self.assertEqual(len(events), 11)

    def test_without_include_usage_no_event_mentions_usage(self):
        events = self.mock.events(self.path, ask())
        self.assertTrue(all("usage" not in e for e in events[:-1]))
        self.assertTrue(all(e["choices"] for e in events[:-1]))

    def test_equal_requests_get_equal_bytes_and_others_do_not(self):
        def text(**more):
            return self.mock.call("POST", self.path, ask(**more)).bytes
        same = text()
        self.assertEqual(same, text())
        spaced = json.dumps(ask(), indent=3)
        self.assertEqual(same, self.mock.call("POST", self.path, spaced).bytes)
        others = [text(seed=1), text(seed=2), text(text="one two four"), text(model="Mock-Cased-70B")]
        contents = {json.loads(t)["choices"][0]["message"]["content"] for t in [same, *others]}
        self.assertEqual(len(contents), 5)
        self.assertNotIn(b"one two three", same)

    def test_the_limit_cuts_with_length(self):
        for key in ("max_tokens", "max_completion_tokens"):
            whole = self.mock.json("POST", self.path, ask(**{key: 3}), {"x-mock-tokens": "9"})
            self.assertEqual(whole["choices"][0]["finish_reason"], "length")
            self.assertEqual(whole["usage"]["completion_tokens"], 3)
            self.assertEqual(len(whole["choices"][0]["message"]["content"].split()), 3)
            events = self.mock.events(self.path, ask(**{key: 3}), {"x-mock-tokens": "9"})
            self.assertEqual(events[-2]["choices"][0]["finish_reason"], "length")

    def test_the_reasoner_thinks_first(self):
        body = ask(model="mock-reasoner", stream_options={"include_usage": True})
        events = self.mock.events(self.path, body, {"x-mock-tokens": "4"})
        kinds = [next(iter(e["choices"][0]["delta"]), None) for e in events[1:-3]]
        thoughts = kinds.count("reasoning_content")
        self.assertGreaterEqual(thoughts, 8)
        self.assertEqual(kinds, ["reasoning_content"] * thoughts + ["content"] * 4)
        self.usage(events[-2]["usage"], 3, thoughts + 4, thoughts)
        whole = self.mock.json("POST", self.path, ask(model="mock-reasoner"), {"x-mock-tokens": "4"})
        shown = "".join(e["choices"][0]["delta"].get("reasoning_content", "") for e in events[1:-3])
        self.assertEqual(whole["choices"][0]["message"]["reasoning_content"], shown)

    def test_a_tool_is_called_when_asked_for(self):
        body = ask("use a tool please", tools=CHAT_TOOLS)
        whole = self.mock.json("POST", self.path, body)
        choice = whole["choices"][0]
        call = choice["message"]["tool_calls"][0]
        self.assertEqual((choice["finish_reason"], choice["message"]["content"]), ("tool_calls", None))
        arguments = json.loads(call["function"]["arguments"])
        self.assertEqual((call["function"]["name"], arguments["unit"]), ("weather", "°C"))
        self.assertEqual({type(v) for v in arguments.values()}, {str, int})
        events = self.mock.events(self.path, dict(body, stream_options={"include_usage": True}))
        deltas = [e["choices"][0]["delta"]["tool_calls"][0] for e in events[1:-3]]
        self.assertEqual(deltas[0]["id"], call["id"])
        self.assertEqual("".join(d["function"]["arguments"] for d in deltas), call["function"]["arguments"])
        self.assertEqual(events[-3]["choices"][0]["finish_reason"], "tool_calls")
        self.usage(events[-2]["usage"], 4, len(deltas) - 1)
        self.usage(whole["usage"], 4, len(deltas) - 1)

    def test_when_a_tool_is_not_called(self):
        result = [{"role": "user", "content": "use a tool"}, {"role": "tool", "tool_call_id": "x", "content": "a tool"}]
        for body in (ask("nothing special", tools=CHAT_TOOLS), ask("a tool"),
                     ask("a tool", tools=CHAT_TOOLS, tool_choice="none"), ask(tools=CHAT_TOOLS, messages=result)):
            self.assertEqual(self.mock.json("POST", self.path, body)["choices"][0]["finish_reason"], "stop")
        for choice in ("required", {"type": "function", "function": {"name": "weather"}}):
            body = ask("hello", tools=CHAT_TOOLS, tool_choice=choice)
            self.assertEqual(self.mock.json("POST", self.path, body)["choices"][0]["finish_reason"], "tool_calls")

    def test_the_older_completions(self):
        path, body = "/v1/completions", {"model": "mock-1", "prompt": "one two"}
        whole = self.mock.json("POST", path, body, {"x-mock-tokens": "5"})
        self.assertEqual((whole["object"], whole["choices"][0]["finish_reason"]), ("text_completion", "stop"))
        self.assertEqual((whole["usage"]["prompt_tokens"], whole["usage"]["completion_tokens"]), (2, 5))
        events = self.mock.events(path, dict(body, stream_options={"include_usage": True}), {"x-mock-tokens": "5"})
        self.assertEqual("".join(e["choices"][0]["text"] for e in events[:5]), whole["choices"][0]["text"])
        self.assertEqual(events[5]["choices"][0]["finish_reason"], "stop")
        self.assertEqual((events[6]["choices"], events[6]["usage"], events[7]), ([], whole["usage"], "[DONE]"))


class Responses(WithMock):
    path = "/v1/responses"

    def names(self, events):
        """Event types, runs of deltas shortened to one."""
        kinds = []
        for number, event in enumerate(events):
            self.assertEqual((event["event"], event["sequence_number"]), (event["type"], number))
            if not (kinds and kinds[-1] == event["type"] and event["type"].endswith(".delta")):
                kinds.append(event["type"])
        return [k.removeprefix("response.") for k in kinds]

    def test_text_has_the_whole_event_sequence(self):
        body = {"model": "mock-1", "input": "one two three four", "instructions": "be brief"}
        events = self.mock.events(self.path, body, {"x-mock-tokens": "6"})
        self.assertEqual(self.names(events), [
            "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta",
            "output_text.done", "content_part.done", "output_item.done", "completed"])
        deltas = [e["delta"] for e in events if e["type"].endswith("text.delta")]
        final = events[-1]["response"]
        self.assertEqual(len(deltas), 6)
        self.assertEqual(final["output"][0]["content"][0]["text"], "".join(deltas))
        self.assertEqual(events[-4]["text"], "".join(deltas))
        self.assertEqual((final["status"], final["instructions"]), ("completed", "be brief"))
        self.assertEqual(events[0]["response"]["usage"], None)
        usage = final["usage"]
        self.assertEqual((usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]), (6, 6, 12))
        self.assertEqual((usage["input_tokens_details"], usage["output_tokens_details"]),
                         ({"cached_tokens": 1}, {"reasoning_tokens": 0}))
        self.assertEqual(self.mock.json("POST", self.path, body, {"x-mock-tokens": "6"}), final)

    def test_reasoning_is_an_item_of_its_own(self):
        events = self.mock.events(self.path, {"model": "mock-reasoner", "input": "hi"})
        self.assertEqual(self.names(events)[2:8], [
            "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
            "reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done"])
        output = events[-1]["response"]["output"]
        self.assertEqual([item["type"] for item in output], ["reasoning", "message"])
        thoughts = [e["delta"] for e in events if e["type"] == "response.reasoning_summary_text.delta"]
        self.assertEqual(output[0]["summary"][0]["text"], "".join(thoughts))
        self.assertEqual(events[-1]["response"]["usage"]["output_tokens_details"]["reasoning_tokens"], len(thoughts))
        self.assertEqual({e["output_index"] for e in events if e["type"].startswith("response.output_text")}, {1})

    def test_tools_are_function_call_items(self):
        tools = [{"type": "function", "name": "weather", "parameters": WEATHER}]
        conversation = [{"role": "user", "content": [{"type": "input_text", "text": "use the tool"}]}]
        events = self.mock.events(self.path, {"model": "mock-1", "input": conversation, "tools": tools})
        self.assertEqual(self.names(events)[2:], [
            "output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done",
            "completed"])
        item = events[-1]["response"]["output"][0]
        self.assertEqual((item["type"], item["name"], item["status"]), ("function_call", "weather", "completed"))
        deltas = [e["delta"] for e in events if e["type"].endswith("arguments.delta")]
        self.assertEqual("".join(deltas), item["arguments"])
        self.assertEqual(set(json.loads(item["arguments"])), {"city", "days", "unit"})
        self.assertEqual(events[-1]["response"]["usage"]["output_tokens"], len(deltas))
        conversation.append({"type": "function_call_output", "call_id": item["call_id"], "output": "sunny tool"})
        after = self.mock.json("POST", self.path, {"model": "mock-1", "input": conversation, "tools": tools})
        self.assertEqual(after["output"][0]["type"], "message")

    def test_the_limit_makes_it_incomplete(self):
        body = {"model": "mock-1", "input": "x", "max_output_tokens": 2}
        events = self.mock.events(self.path, body, {"x-mock-tokens": "9"})
        self.assertEqual(events[-1]["type"], "response.incomplete")
        final = events[-1]["response"]
        self.assertEqual(final["status"], "incomplete")
        self.assertEqual(final["incomplete_details"], {"reason": "max_output_tokens"})
        self.assertEqual(final["usage"]["output_tokens"], 2)


class Messages(WithMock):
    path = "/v1/messages"

    def test_text_stream(self):
        events = self.mock.events(self.path, message("a b c d e", system="f g h"), {"x-mock-tokens": "4"})
        self.assertEqual([e["type"] for e in events], [
            "message_start", "content_block_start", "ping", *["content_block_delta"] * 4, "content_block_stop",
            "message_delta", "message_stop"])
        self.assertTrue(all(e["event"] == e["type"] for e in events))
        start, delta = events[0]["message"], events[-2]
        self.assertEqual((start["usage"]["input_tokens"], start["usage"]["cache_read_input_tokens"]), (6, 2))
        self.assertEqual((delta["delta"]["stop_reason"], delta["usage"]["output_tokens"]), ("end_turn", 4))
        whole = self.mock.json("POST", self.path, message("a b c d e", system="f g h"), {"x-mock-tokens": "4"})
        self.assertEqual(whole["content"][0]["text"], "".join(e["delta"]["text"] for e in events[3:7]))
        self.assertEqual(whole["usage"], delta["usage"])
        self.assertEqual((whole["id"], whole["stop_reason"]), (start["id"], "end_turn"))

    def test_tool_use(self):
        tools = [{"name": "weather", "input_schema": WEATHER}]
        whole = self.mock.json("POST", self.path, message("take a tool", tools=tools))
        self.assertEqual((whole["stop_reason"], whole["content"][0]["type"]), ("tool_use", "tool_use"))
        events = self.mock.events(self.path, message("take a tool", tools=tools))
        deltas = [e["delta"] for e in events if e["type"] == "content_block_delta"]
        self.assertEqual({d["type"] for d in deltas}, {"input_json_delta"})
        self.assertEqual(json.loads("".join(d["partial_json"] for d in deltas)), whole["content"][0]["input"])
        self.assertEqual(events[1]["content_block"], dict(whole["content"][0], input={}))
        self.assertEqual(events[-2]["usage"]["output_tokens"], len(deltas))
        forced = self.mock.json("POST", self.path, message("go", tools=tools, tool_choice={"type": "any"}))
        self.assertEqual(forced["stop_reason"], "tool_use")

    def test_thinking_comes_in_a_block_of_its_own(self):
        events = self.mock.events(self.path, message(model="mock-reasoner"))
        self.assertEqual([e["content_block"]["type"] for e in events if e["type"] == "content_block_start"],
                         ["thinking", "text"])
        kinds = [e["delta"]["type"] for e in events if e["type"] == "content_block_delta"]
        thoughts = kinds.count("thinking_delta")
        self.assertEqual(kinds[thoughts], "signature_delta")
        self.assertEqual(events[-2]["usage"]["output_tokens"], len(kinds) - 1)

    def test_limit_and_count(self):
        whole = self.mock.json("POST", self.path, message(max_tokens=2), {"x-mock-tokens": "5"})
        self.assertEqual((whole["stop_reason"], whole["usage"]["output_tokens"]), ("max_tokens", 2))
        count = self.mock.json("POST", "/v1/messages/count_tokens", ask("a b c", system="d"))
        self.assertEqual(count, {"input_tokens": 4})


class Other(WithMock):
    def test_embeddings_in_both_encodings(self):
        body = {"model": "mock-embed", "input": ["one two", "three"], "dimensions": 10}
        plain = self.mock.json("POST", "/v1/embeddings", body)
        packed = self.mock.json("POST", "/v1/embeddings", dict(body, encoding_format="base64"))
        self.assertEqual(plain["usage"], {"prompt_tokens": 3, "total_tokens": 3})
        self.assertEqual([d["index"] for d in plain["data"]], [0, 1])
        self.assertNotEqual(plain["data"][0]["embedding"], plain["data"][1]["embedding"])
        for number, text in zip(plain["data"], packed["data"]):
            floats = list(struct.unpack("<10f", base64.b64decode(text["embedding"])))
            self.assertEqual(floats, number["embedding"])
        single = self.mock.json("POST", "/v1/embeddings", {"model": "mock-embed", "input": [5, 6, 7]})
        self.assertEqual((len(single["data"]), single["usage"]["prompt_tokens"]), (1, 3))

    def test_a_transcription_counts_the_upload(self):
        sound = os.urandom(300_000) + b"\r\n--b0undar\r\n--b0undary"[:-1]
        body, headers = multipart([("model", None, b"mock-voice"), ("file", "a.wav", sound), ("language", None, b"de")])
        answer = self.mock.json("POST", "/v1/audio/transcriptions", body, headers)
        self.assertEqual(answer["bytes"], len(sound))
        self.assertTrue(answer["text"])
        self.assertEqual(self.recorded()[-1]["body_bytes"], len(body))
        self.mock.json("POST", "/v1/audio/transcriptions", body[:-20], headers, status=400)
        self.mock.json("POST", "/v1/audio/transcriptions", ask(), status=400)

    def test_speech_is_binary_and_chunked(self):
        body = {"model": "mock-voice", "input": "say it", "voice": "alloy"}
        first = self.mock.call("POST", "/v1/audio/speech", body, {"x-mock-bytes": "10000"})
        self.assertEqual((first.headers["transfer-encoding"], first.headers["content-type"]), ("chunked", "audio/mpeg"))
        self.assertEqual(len(first.bytes), 10000)
        self.assertGreater(len(set(first.bytes)), 250)
        again = self.mock.call("POST", "/v1/audio/speech", body, {"x-mock-bytes": "10000", "x-mock-chunk-bytes": "7"})
        self.assertEqual(hashlib.sha256(first.bytes).digest(), hashlib.sha256(again.bytes).digest())

    def test_files_are_listed(self):
        body, headers = multipart([("file", "notes.jsonl", b"x" * 777), ("purpose", None, b"batch")])
        stored = self.mock.json("POST", "/v1/files", body, headers)
        self.assertEqual((stored["bytes"], stored["filename"], stored["purpose"]), (777, "notes.jsonl", "batch"))
        self.assertIn(stored, self.mock.json("GET", "/v1/files")["data"])
        self.assertEqual(self.mock.json("GET", "/v1/files/" + stored["id"]), stored)
        self.mock.json("GET", "/v1/files/file-none", status=404)


class Wire(WithMock):
    def exchange(self, request, until=None):
        """Bytes of everything answered until the peer closes or `until` has been seen."""
        with socket.create_connection(("127.0.0.1", self.mock.port), PATIENCE) as peer:
            peer.sendall(request)
            raw = b""
            while not (until and until in raw):
                piece = peer.recv(65536)
                if not piece:
                    break
                raw += piece
            return raw

    def post(self, body, *headers, path="/v1/chat/completions", version="1.1"):
        body = json.dumps(body).encode()
        lines = ["POST %s HTTP/%s" % (path, version), "Host: x", "Authorization: Bearer " + KEY,
                 "Content-Length: %d" % len(body), *headers]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def test_every_event_is_a_chunk_of_its_own(self):
        raw = self.exchange(self.post(ask(stream=True), "Connection: close", "x-mock-tokens: 5"))
        pieces = chunks(raw)[1:]
        self.assertEqual(pieces[-1], b"")
        self.assertEqual(len(pieces), 1 + 5 + 1 + 1 + 1)
        self.assertTrue(all(p.startswith(b"data: ") and p.endswith(b"\n\n") for p in pieces[:-1]))

    def test_chunk_bytes_cuts_streams_and_json_anywhere(self):
        whole = self.mock.call("POST", "/v1/chat/completions", ask(stream=True)).bytes
        pieces = chunks(self.exchange(self.post(ask(stream=True), "Connection: close", "x-mock-chunk-bytes: 10")))[1:]
        self.assertEqual(b"".join(pieces), whole)
        self.assertEqual({len(p) for p in pieces[:-2]}, {10})
        document = self.mock.call("POST", "/v1/chat/completions", ask(), {"x-mock-chunk-bytes": "9"})
        self.assertEqual(document.headers["transfer-encoding"], "chunked")
        self.assertEqual(document.bytes, self.mock.call("POST", "/v1/chat/completions", ask()).bytes)

    def test_http_1_0_gets_no_chunks_and_head_no_body(self):
        raw = self.exchange(self.post(ask(stream=True), version="1.0"))
        head, _, body = raw.partition(b"\r\n\r\n")
        self.assertNotIn(b"chunked", head)
        self.assertEqual(parse_events(body)[-1], "[DONE]")
        answer = self.mock.call("HEAD", "/v1/models")
        self.assertEqual((answer.status, answer.bytes), (200, b""))
        self.assertGreater(int(answer.headers["content-length"]), 100)

    def test_pipelined_requests_are_answered_in_order(self):
        first, last = self.post(ask(stream=True, seed=1)), self.post(ask(seed=2), "Connection: close")
        raw = self.exchange(first + first + last)
        self.assertEqual(raw.count(b"HTTP/1.1 200"), 3)
        self.assertEqual(raw.count(b"[DONE]"), 2)
        self.assertIn(b'"chat.completion"', raw.rpartition(b"HTTP/1.1 200")[2])

    def test_a_request_in_single_bytes(self):
        with socket.create_connection(("127.0.0.1", self.mock.port), PATIENCE) as peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in self.post(ask(), "Connection: close"):
                peer.sendall(bytes([byte]))
            raw = b""
            while piece := peer.recv(65536):
                raw += piece
        self.assertTrue(raw.startswith(b"HTTP/1.1 200 OK\r\n"))

    def test_chunked_uploads_and_expect_are_taken(self):
        body = json.dumps(ask()).encode()
        head = ("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nConnection: close\r\n"
                "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n" % KEY).encode()
        with socket.create_connection(("127.0.0.1", self.mock.port), PATIENCE) as peer:
            peer.sendall(head)
            self.assertEqual(peer.recv(1000), b"HTTP/1.1 100 Continue\r\n\r\n")
            for at in range(0, len(body), 11):
                peer.sendall(b"%x\r\n%s\r\n" % (len(body[at:at + 11]), body[at:at + 11]))
            peer.sendall(b"0\r\n\r\n")
            self.assertTrue(peer.recv(65536).startswith(b"HTTP/1.1 200"))

    def test_nonsense_is_400_and_the_connection_ends(self):
        self.assertTrue(self.exchange(b"NONSENSE\r\n\r\n").startswith(b"HTTP/1.1 400"))
        raw = self.exchange(self.post(message(), path="/v1/messages") + b"NONSENSE\r\n\r\n")
        self.assertRegex(raw, rb"(?s)HTTP/1.1 200 OK.*HTTP/1.1 400 Bad Request")

    def test_hold_sends_the_first_event_then_nothing(self):
        request = self.post(ask(stream=True), "x-mock-hold: 1")
        with socket.create_connection(("127.0.0.1", self.mock.port), PATIENCE) as peer:
            peer.sendall(request)
            raw = b""
            while raw.count(b"\n\n") < 1:
                raw += peer.recv(65536)
            peer.settimeout(0.3)
            with self.assertRaises(socket.timeout):
                peer.recv(1)
            self.assertEqual(len(chunks(raw)), 2)
        raw = self.exchange(self.post(ask(), "x-mock-hold: 1"), until=b"\r\n\r\n")
        self.assertTrue(raw.endswith(b"\r\n\r\n"))

    def test_a_thousand_idle_streams_and_all_are_let_go(self):
        mock = Mock()  # one that no other connection has touched, so that its descriptors can be counted
        self.addCleanup(mock.stop)

        def descriptors():
            return len(os.listdir("/proc/%d/fd" % mock.process.pid))
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limit)
        before, request, peers = descriptors(), self.post(ask(stream=True), "x-mock-hold: 2"), []
        with contextlib.ExitStack() as all_peers:
            for _ in range(1000):
                peers.append(all_peers.enter_context(socket.create_connection(("127.0.0.1", mock.port), PATIENCE)))
            for peer in peers:
                peer.sendall(request)
            for peer in peers:
                raw = b""
                while raw.count(b"\n\n") < 2:
                    raw += peer.recv(65536)
            self.assertEqual(descriptors(), before + 1000)
        until = time.monotonic() + PATIENCE
        while descriptors() > before and time.monotonic() < until:
            time.sleep(0.02)
        self.assertEqual(descriptors(), before)

    def test_pauses_are_kept(self):
        begin = time.monotonic()
        self.mock.call("GET", "/v1/models", headers={"x-mock-delay-ms": "150"})
        self.assertGreaterEqual(time.monotonic() - begin, 0.15)
        begin = time.monotonic()
        self.mock.events("/v1/chat/completions", ask(), {"x-mock-interval-ms": "40", "x-mock-tokens": "6"})
        self.assertGreaterEqual(time.monotonic() - begin, 0.2)
        begin = time.monotonic()
        self.mock.call("POST", "/v1/chat/completions", ask("x " * 100_000), {"x-mock-read-pause-ms": "50"})
        self.assertGreaterEqual(time.monotonic() - begin, 0.1)

    def test_bytes_sets_the_size_about(self):
        for size in (2_000, 50_000):
            answer = self.mock.call("POST", "/v1/chat/completions", ask(), {"x-mock-bytes": str(size)})
            self.assertAlmostEqual(len(answer.bytes), size, delta=size * 0.1)

    def test_requests_are_recorded(self):
        self.mock.call("POST", "/v1/chat/completions?a=b", ask("größer"), {"X-Thing": "seen"})
        self.mock.call("POST", "/v1/audio/transcriptions", b"\xff\x00\xfe", {"Content-Type": "audio/wav"})
        text, binary = self.recorded()[-2:]
        self.assertEqual((text["method"], text["target"]), ("POST", "/v1/chat/completions?a=b"))
        self.assertEqual(text["headers"]["x-thing"], "seen")
        self.assertEqual(text["headers"]["authorization"], "Bearer " + KEY)
        self.assertEqual(json.loads(text["body"]), ask("größer"))
        self.assertEqual(text["body_bytes"], len(json.dumps(ask("größer"))))
        self.assertEqual(binary["sequence"], text["sequence"] + 1)
        self.assertEqual((binary["body_encoding"], binary["body"].encode("latin-1")), ("latin-1", b"\xff\x00\xfe"))

    def test_a_large_body_is_counted_and_only_its_beginning_recorded(self):
        self.mock.call("POST", "/v1/chat/completions", ask("ü" * 200_000))
        line = self.recorded()[-1]
        self.assertGreater(line["body_bytes"], 400_000)
        self.assertLessEqual(len(line["body"].encode()), 64 * 1024)


class Verb(unittest.TestCase):
    def run_mock(self, *arguments):
        command = [os.environ["STREAMKEEPER"], "mock", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)

    def test_it_prints_one_line_and_ends_with_0(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            mock = Mock()
            self.assertEqual(mock.line, "mock upstream on http://127.0.0.1:%d/v1 (key %s)\n" % (mock.port, KEY))
            self.assertEqual(mock.stop(number), 0)

    def test_mistakes_are_one_line(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            results = [self.run_mock("--listen", "127.0.0.1:%d" % taken.getsockname()[1]),
                       self.run_mock("--listen", "0.0.0.0:0"), self.run_mock("--listen", "nowhere"),
                       self.run_mock("--listen", "127.0.0.1:0", "--record", "/nonexistent/x")]
        for result in results:
            self.assertEqual((result.returncode, result.stdout, result.stderr.count("\n")), (1, "", 1), result.stderr)

    def test_tls(self):
        with tempfile.TemporaryDirectory() as directory:
            certificate, key = os.path.join(directory, "c.pem"), os.path.join(directory, "k.pem")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-days", "2", "-subj", "/CN=mock", "-addext", "subjectAltName=IP:127.0.0.1",
                            "-keyout", key, "-out", certificate], check=True, capture_output=True)
            mock = Mock("--certificate", certificate, "--certificate-key", key)
            try:
                self.assertIn("https://127.0.0.1:", mock.line)
                context = ssl.create_default_context(cafile=certificate)
                mock.connect = lambda: http.client.HTTPSConnection("127.0.0.1", mock.port, timeout=PATIENCE,
                                                                   context=context)
                self.assertEqual(mock.events("/v1/chat/completions", ask())[-1], "[DONE]")
                large = mock.json("POST", "/v1/chat/completions", ask("x " * 100_000), {"x-mock-bytes": "300000"})
                self.assertEqual(large["usage"]["prompt_tokens"], 100_000)
                for stream in (False, True):
                    answer = mock.call("POST", "/v1/chat/completions", ask(stream=stream), {"Connection": "close"})
                    self.assertEqual((answer.status, answer.headers["connection"]), (200, "close"))
                held = mock.connect()
                held.request("POST", "/v1/chat/completions", json.dumps(ask(stream=True)),
                             {"Authorization": "Bearer " + KEY, "x-mock-hold": "2"})
                self.addCleanup(held.close)  # still open when the mock ends
                self.assertEqual(held.getresponse().status, 200)
                with socket.create_connection(("127.0.0.1", mock.port), PATIENCE) as plain:
                    plain.sendall(b"GET / HTTP/1.1\r\n\r\n")  # no TLS: it must survive that
                self.assertEqual(mock.call("GET", "/v1/models").status, 200)
            finally:
                self.assertEqual(mock.stop(), 0)
            result = self.run_mock("--certificate", certificate, "--certificate-key", certificate)
            self.assertEqual((result.returncode, result.stderr.count("\n")), (1, 1))

    def test_a_key_of_ones_own(self):
        mock = Mock("--key", "sk-own")
        try:
            self.assertNotIn("sk-own", mock.line)
            mock.json("GET", "/v1/models", key="sk-own")
            mock.json("GET", "/v1/models", key=KEY, status=401)
        finally:
            mock.stop()


if __name__ == "__main__":
    unittest.main()
