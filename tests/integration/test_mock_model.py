"""The mock's model as an oracle: one text for a conversation whatever its shape, how it goes on with a text that was
begun, its characters, and what the record tells a test about it."""
import json
import re
import subprocess
import tempfile
import unittest

from harness import BINARY, KEY, Connection, Mock, http, request_bytes, wait_for

CHAT, TEXT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/responses"
SHAPES = ("words", "prose", "chinese", "code", "repetitive", "yaml", "emoji", "json")
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {
    "city": {"type": "string"}, "days": {"type": "integer"}}}}}]
HELP = subprocess.run([BINARY, "mock", "--help"], capture_output=True, text=True).stdout
PROBE = "Repeat exactly, nothing else: alpha bravo charlie delta echo"


class Model(unittest.TestCase):
    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.mock = Mock(*cls.flags)
        cls.addClassCleanup(cls.mock.stop)

    def setUp(self):
        self.post("/mock/reset", {})

    def post(self, path, body, headers=(), status=200):
        fields = [("Authorization", "Bearer " + KEY), *headers]
        answer = http(("127.0.0.1", self.mock.port), "POST" if body is not None else "GET", path, fields, body or b"")
        self.assertEqual(answer.status, status, answer.text)
        return answer

    def state(self):
        return self.post("/mock/state", None).json["answers"]

    def ask(self, model="mock-1", text="hello", prefix=None, **more):
        messages = [{"role": "system", "content": "be kind"}, {"role": "user", "content": text}]
        if prefix is not None:
            messages.append({"role": "assistant", "content": prefix, **more.pop("flag", {})})
        return {"model": model, "messages": messages, **more}

    def chunks(self, body, headers=()):
        """The JSON of each event of a chat stream, `[DONE]` last."""
        text = self.post(CHAT, dict(body, stream=True), headers).text
        found = [line[6:] for line in text.split("\n") if line.startswith("data: ")]
        self.assertEqual(found[-1], "[DONE]")
        return [json.loads(each) for each in found[:-1]]

    def deltas(self, body, headers=(), kind="content"):
        found = [choice["delta"].get(kind) for chunk in self.chunks(body, headers) for choice in chunk["choices"]]
        return [each for each in found if each]

    def whole(self, body, headers=(), path=CHAT):
        answer = self.post(path, body, headers).json
        if path == MESSAGES:
            return "".join(part.get("text", "") for part in answer["content"])
        return answer["choices"][0]["text"] if path == TEXT else answer["choices"][0]["message"]["content"]

    def fields(self, body, headers=()):
        """All of a chat document but what says which request it was."""
        return {key: value for key, value in self.post(CHAT, body, headers).json.items() if key != "id"}


class Texts(Model):
    """Shapes of text; the same text streamed, whole, and continued from anywhere."""

    def test_stream_document_and_every_continuation_tell_one_text(self):
        for shape in SHAPES:
            headers = [("x-mock-text", shape), ("x-mock-tokens", "60")]
            tokens = self.deltas(self.ask(), headers)
            text = "".join(tokens)
            self.assertEqual(len(tokens), 60)
            self.assertEqual(self.whole(self.ask(), headers), text, shape)
            self.assertEqual(self.whole(self.ask(f"mock-1+tokens=60+text={shape}")), text, shape)
            for cut in sorted({0, 1, 2, len(text) // 3, len(text) // 2, len(text) - 1, len(text)}):
                rest = self.deltas(self.ask(prefix=text[:cut]), headers)
                self.assertEqual("".join(rest), text[cut:], (shape, cut))
                self.assertEqual(rest[1:], tokens[len(tokens) - len(rest) + 1:], "tokens end where they ended")
            self.assertEqual(self.whole(self.ask(prefix=text[:20]), headers), text[20:], shape)

    def test_what_each_shape_is_for(self):
        tokens = {shape: self.deltas(self.ask(), [("x-mock-text", shape), ("x-mock-tokens", "300")]) for shape in SHAPES}
        text = {shape: "".join(each) for shape, each in tokens.items()}
        for shape, patterns in (("prose", (r"\. [A-Z]", r"\n\n", r"## ", ",")), ("chinese", ("[一-龥]{4}", "，", "。", "\n\n")),
                                ("code", ("\n    ", "\t", '"', r"\\\\")), ("repetitive", (r"(la ){4}", "\n", r"(la la.*\n)")),
                                ("yaml", (r"\w+:\n", "  - ")), ("emoji", ("[\U0001F300-\U0001FAFF]", "\u200d"))):
            for pattern in patterns:
                self.assertRegex(text[shape], pattern, shape)
        self.assertTrue(any(token != token.rstrip() and token.strip() for token in tokens["code"]))
        self.assertTrue({"\n", "    ", ";\n"} <= set(tokens["code"]))
        self.assertLessEqual(max(map(len, tokens["chinese"])), 4)
        self.assertIn("items", json.loads(text["json"]))

    def test_messages_and_completions_continue_too(self):
        headers = [("x-mock-text", "code")]
        body = dict(self.ask(), max_tokens=1000)
        text = self.whole(body, headers, MESSAGES)
        for prefix in (text[:33], [{"type": "text", "text": text[:20]}, {"type": "text", "text": text[20:33]}]):
            body = dict(self.ask(prefix=prefix), max_tokens=1000)
            self.assertEqual(self.whole(body, headers, MESSAGES), text[33:])
            stream = self.post(MESSAGES, dict(body, stream=True), headers).text
            deltas = [json.loads(line[6:]).get("delta", {}) for line in stream.split("\n") if line.startswith("data: ")]
            self.assertEqual("".join(delta.get("text", "") for delta in deltas), text[33:])
        prompt = "Tell me\n\n###\nof it\n\n###\n"
        text = self.whole({"model": "mock-1", "prompt": prompt}, headers, TEXT)
        self.assertEqual(self.whole({"model": "mock-1", "prompt": prompt + text[:17]}, headers, TEXT), text[17:])
        self.assertEqual(self.whole({"model": "mock-1", "prompt": prompt + "x"}, headers, TEXT), "⟂BADPREFIX")
        self.assertNotIn("⟂", self.whole({"model": "mock-1", "prompt": "no marker"}, headers, TEXT))

    def test_a_beginning_that_is_not_the_models_own_is_told(self):
        self.assertEqual(self.whole(self.ask(prefix="never said")), "⟂BADPREFIX")
        self.assertEqual(self.deltas(self.ask(prefix="never said")), ["⟂BADPREFIX"])

    def test_texts_that_must_be_made_have_an_end(self):
        for body in (self.ask(stop="x"), self.ask(prefix="x"), self.ask(n=2)):
            self.post(CHAT, body, [("x-mock-tokens", "1000001")], status=400)

    def test_a_turn_that_calls_tools_is_no_beginning(self):
        body = self.ask(prefix="", flag={"tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]})
        self.post(CHAT, body)
        self.assertIsNone(self.state()[-1]["prefix"])

    def test_a_probe_is_repeated_from_any_place(self):
        self.assertEqual(self.whole(self.ask(text=PROBE)), "alpha bravo charlie delta echo")
        self.assertEqual(self.deltas(self.ask(text=PROBE, prefix="alpha bravo char")), ["lie", " delta", " echo"])
        self.assertEqual(self.whole({"model": "mock-1", "prompt": PROBE + "\n\n###\nalpha"}, path=TEXT), " bravo charlie delta echo")

    def test_max_tokens_counts_the_tokens_of_a_call(self):
        text = self.whole(self.ask())
        first = self.post(CHAT, self.ask(max_tokens=5)).json
        got = first["choices"][0]["message"]["content"]
        second = self.post(CHAT, self.ask(prefix=got, max_tokens=4)).json
        more = second["choices"][0]["message"]["content"]
        self.assertTrue(text.startswith(got + more) and len((got + more).split()) == 9)
        self.assertEqual([one["choices"][0]["finish_reason"] for one in (first, second)], ["length", "length"])
        self.assertEqual([one["usage"]["completion_tokens"] for one in (first, second)], [5, 4])
        self.assertEqual(second["usage"]["prompt_tokens"], first["usage"]["prompt_tokens"] + 5)
        self.assertNotEqual(first["id"], second["id"])

    def test_stop_strings_end_the_text_before_them(self):
        text = self.whole(self.ask())
        stop = text.split(" ")[6]
        at = text.index(stop)
        for wish in (stop, ["never there", stop]):
            for body in (self.ask(stop=wish), self.ask(stop=wish, prefix=text[:9])):
                answer = self.post(CHAT, body).json["choices"][0]
                begun = len(body["messages"][2]["content"]) if len(body["messages"]) == 3 else 0
                self.assertEqual((answer["message"]["content"], answer["finish_reason"]), (text[begun:at], "stop"))
            self.assertEqual("".join(self.deltas(self.ask(stop=wish))), text[:at])
        behind = text[:text.index(" ", at + 3)]
        self.assertEqual(self.whole(self.ask(stop=stop, prefix=behind)), text[len(behind):], "a stop string of the client's own")
        answer = self.post(MESSAGES, dict(self.ask(), max_tokens=99, stop_sequences=[stop])).json
        self.assertEqual((answer["stop_reason"], answer["stop_sequence"]), ("stop_sequence", stop))
        self.assertEqual(self.post(CHAT, self.ask(stop="")).json["choices"][0]["message"]["content"], text)

    def test_escapes_and_torn_pairs_say_the_same(self):
        plain = "".join(self.deltas(self.ask(), [("x-mock-text", "emoji")]))
        escaped = self.post(CHAT, self.ask("mock-1+text=emoji+escape=ascii", stream=True)).body
        self.assertTrue(escaped.isascii() and b"\\ud83" in escaped)
        self.assertEqual("".join(self.deltas(self.ask("mock-1+text=emoji+escape=ascii"))), plain)
        self.assertTrue(self.post(CHAT, self.ask("mock-1+text=emoji+escape=ascii")).body.isascii())
        torn = self.deltas(self.ask("mock-1+text=emoji+split=surrogates"))
        self.assertTrue(any(token[-1] in map(chr, range(0xD800, 0xDC00)) for token in torn))
        self.assertEqual("".join(torn).encode("utf-16", "surrogatepass").decode("utf-16"), plain)
        self.assertEqual(self.whole(self.ask("mock-1+text=emoji+split=surrogates")), plain)

    def test_two_choices_take_turns(self):
        for path, body in ((CHAT, self.ask(n=2)), (TEXT, {"model": "mock-1", "prompt": "hello", "n": 2})):
            choices = self.post(path, body).json["choices"]
            said = [c["text"] if path == TEXT else c["message"]["content"] for c in choices]
            self.assertEqual([c["index"] for c in choices], [0, 1])
            self.assertNotEqual(*said)
            self.assertEqual(said[0], self.whole({**body, "n": 1}, path=path))
            raw = self.post(path, dict(body, stream=True)).text
            events = [json.loads(line[6:]) for line in raw.split("\n") if line.startswith("data: {")]
            indices = [event["choices"][0]["index"] for event in events]
            self.assertEqual(indices[:6], [0, 1, 0, 1, 0, 1])
            for index in (0, 1):
                own = [event["choices"][0] for event in events if event["choices"][0]["index"] == index]
                text = "".join(c.get("text") or c.get("delta", {}).get("content") or "" for c in own)
                self.assertEqual((text, [c["finish_reason"] for c in own if c["finish_reason"]]), (said[index], ["stop"]))
            self.assertEqual(len({event["id"] for event in events}), 1)

    def test_log_probabilities_belong_to_their_tokens(self):
        whole = self.post(CHAT, self.ask(logprobs=True)).json["choices"][0]["logprobs"]["content"]
        chunks = [c["choices"][0] for c in self.chunks(self.ask(logprobs=True))]
        streamed = [one for c in chunks if c["logprobs"] for one in c["logprobs"]["content"]]
        self.assertEqual(whole, streamed)
        self.assertEqual([one["token"] for one in whole], self.deltas(self.ask()))
        self.assertEqual(bytes(whole[3]["bytes"]).decode(), whole[3]["token"])
        self.assertTrue(all(c["logprobs"] is None for c in chunks if not c["delta"].get("content")))
        old = self.post(TEXT, {"model": "mock-1", "prompt": "x", "logprobs": 1}).json["choices"][0]
        self.assertEqual("".join(old["logprobs"]["tokens"]), old["text"])


class Characters(Model):
    """What each makes of the beginning of an answer."""

    def setUp(self):
        super().setUp()
        self.text = self.whole(self.ask())
        self.begun = self.text[:self.text.index(" ", 10) + 1]  # ends in a space
        self.rest = self.text[len(self.begun):]

    def continued(self, words, prefix=None, **more):
        return self.whole(self.ask("mock-1" + words, prefix=self.begun if prefix is None else prefix, **more))

    def test_every_character_answers_a_fresh_conversation_alike(self):
        for name in ("exact", "trim", "echo", "closed", "newpara", "preamble", "reject400", "ws400", "token_sensitive",
                     "grammar_reset", "tool_prose"):
            self.assertEqual(self.whole(self.ask("mock-1+as=" + name)), self.text, name)

    def test_manners(self):
        for words, said in (("", self.rest), ("+as=exact", self.rest), ("+as=trim", " " + self.rest),
                            ("+as=echo", self.text), ("+as=closed", self.text),
                            ("+as=preamble", "Sure, here is the rest: " + self.rest)):
            self.assertEqual(self.continued(words), said, words)
            self.assertEqual("".join(self.deltas(self.ask("mock-1" + words, prefix=self.begun))), said, words)
        other = self.continued("+as=newpara")
        self.assertTrue(other.startswith("\n\n") and self.rest not in other)
        for words in ("", "+as=trim", "+as=echo", "+as=preamble"):
            self.assertIn("⟂BADPREFIX", self.continued(words, "never said"), words)

    def test_refusals(self):
        answer = self.post(CHAT, self.ask("mock-1+as=reject400", prefix=self.begun), status=400)
        self.assertEqual(answer.json["error"]["message"], "This model does not support assistant message prefill. "
                                                         "The conversation must end with a user message.")
        body = dict(self.ask("mock-reject400", prefix=self.begun), max_tokens=9)
        self.assertEqual(self.post(MESSAGES, body, status=400).json["error"]["type"], "invalid_request_error")
        for prefix, status in ((self.begun, 400), (self.begun.rstrip() + "\n", 400), (self.begun.rstrip(), 200)):
            self.post(CHAT, self.ask("mock-1+as=ws400", prefix=prefix), status=status)

    def test_token_borders_matter_to_some(self):
        border = self.begun.rstrip()  # a token has its space before it
        self.assertEqual(self.continued("+as=token_sensitive", border), self.text[len(border):])
        self.assertEqual(self.continued("+as=token_sensitive", border[:-1]), "⟂TOKEN")

    def test_a_grammar_begins_again(self):
        form = {"response_format": {"type": "json_object"}}
        text = self.whole(self.ask("mock-1+as=grammar_reset", **form))
        json.loads(text)
        self.assertEqual(self.continued("+as=grammar_reset", text[:9], **form), text)
        self.assertEqual(self.continued("+as=exact+text=json", text[:9], **form), text[9:])
        self.assertEqual(self.continued("+as=grammar_reset"), self.rest)

    def test_tools_and_a_beginning(self):
        body = self.ask(text="use a tool", tools=TOOLS)
        self.assertEqual(self.post(CHAT, body).json["choices"][0]["finish_reason"], "tool_calls")
        prose = self.post(CHAT, self.ask("mock-1+as=tool_prose", "use a tool", "", tools=TOOLS)).json["choices"][0]
        self.assertEqual((prose["finish_reason"], "tool_calls" in prose["message"]), ("stop", False))
        self.assertTrue(prose["message"]["content"])

    def test_a_drifting_model_says_something_else_the_second_time(self):
        asks = [self.ask("mock-1+drift=12") for _ in range(3)]
        said = [self.whole(body) for body in asks]
        self.assertEqual(said[0], self.text)
        self.assertEqual(said[1], said[2])
        self.assertEqual(said[1].encode()[:12], self.text.encode()[:12])
        self.assertNotEqual(said[1], self.text)
        self.assertNotEqual(self.whole(self.ask("mock-drift")), self.whole(self.ask("mock-drift")))

    def test_flags_that_are_needed(self):
        for flag, body in (("prefix", {"flag": {"prefix": True}}), ("partial", {"flag": {"partial": True}}),
                           ("continue_final_message", {"continue_final_message": True})):
            self.assertEqual(self.continued("+needs_flag=" + flag), self.text, flag)
            self.assertEqual(self.continued("+needs_flag=" + flag, **body), self.rest, flag)
            self.assertEqual(self.continued("", **body), self.rest, flag)

    def test_whole_names_are_characters_and_stand_in_no_list(self):
        text = self.whole(self.ask("mock-echo"))
        self.assertEqual(self.whole(self.ask("mock-echo", prefix=text[:9])), text)
        self.assertEqual(self.whole(self.ask("mock-trim", prefix=self.whole(self.ask("mock-trim")))), "")
        listed = http(("127.0.0.1", self.mock.port), "GET", "/v1/models", [("Authorization", "Bearer " + KEY)]).text
        self.assertNotIn("mock-echo", listed)

    def test_a_character_holds_for_every_act(self):
        model = "mock-1+as=echo+503+x1"
        self.post(CHAT, self.ask(model), status=503)
        self.assertEqual(self.whole(self.ask(model, prefix=self.begun)), self.text)
        self.post(CHAT, self.ask(), [("x-mock-fault", "503+x1+as=closed")], status=503)
        self.assertEqual(self.whole(self.ask(prefix=self.begun), [("x-mock-fault", "503+x1+as=closed")]), self.text)

    def test_words_that_do_not_fit_are_refused_with_a_hint(self):
        for words, hint in (("as=trimm", "reject400"), ("txt=code", "text"), ("as=trim+as=echo", "twice"), ("drift", "value"),
                            ("needs_flag=no", "partial"), ("rethink=1", "no value"), ("escape=utf8", "ascii"),
                            ("shape=field+500", "sse_error"), ("coalesce=0", "at least 1"), ("close=1+fin_chunk=2", "one end")):
            error = self.post(CHAT, self.ask("mock-1+" + words), status=400).json["error"]
            self.assertEqual(error["code"], "mock_fault", words)
            self.assertIn(hint, error["message"])
        self.post(CHAT, self.ask(), [("x-mock-text", "klingon")], status=400)

    def test_a_script_gives_a_character_to_one_answer(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write('rules:\n  - {when: {model: mock-1}, answers: [{as: echo, times: 1}]}\n')
            file.flush()
            mock = Mock("--script", file.name)
            self.addCleanup(mock.stop)
            said = [http(("127.0.0.1", mock.port), "POST", CHAT, [("Authorization", "Bearer " + KEY)],
                         self.ask(prefix=self.begun)).json["choices"][0]["message"]["content"] for _ in range(2)]
        self.assertEqual(said, [self.text, self.rest])


class Manners(Model):
    """What a model does besides its text."""

    def test_reasoning_comes_again_only_from_one_that_thinks_anew(self):
        for model, again in (("mock-reasoner", False), ("mock-reasoner+rethink", True), ("mock-reasoner+as=closed", True)):
            first = self.post(CHAT, self.ask(model)).json["choices"][0]["message"]
            self.assertTrue(first["reasoning_content"])
            second = self.post(CHAT, self.ask(model, prefix=first["content"][:9])).json["choices"][0]["message"]
            self.assertEqual("reasoning_content" in second, again, model)
        self.assertEqual(len(self.deltas(self.ask("mock-1+reasoning=5"), kind="reasoning_content")), 5)

    def test_text_before_a_call_and_two_calls(self):
        model = "mock-1+text_then_tool+two_calls+tokens=6"
        body = self.ask(model, "use a tool", tools=TOOLS)
        whole = self.post(CHAT, body).json["choices"][0]
        choices = [chunk["choices"][0] for chunk in self.chunks(body)]
        calls = [call for choice in choices for call in choice["delta"].get("tool_calls", [])]
        arguments = ["".join(c["function"]["arguments"] for c in calls if c["index"] == i) for i in (0, 1)]
        self.assertEqual([c["function"]["arguments"] for c in whole["message"]["tool_calls"]], arguments)
        self.assertEqual([c["index"] for c in calls[:6]], [0, 1, 0, 1, 0, 1])
        self.assertNotEqual(*(json.dumps(json.loads(each)) for each in arguments))
        self.assertEqual(len({c["id"] for c in whole["message"]["tool_calls"]}), 2)
        self.assertGreater(len(calls), 6)
        text = whole["message"]["content"]
        self.assertEqual((len(text.split()), whole["finish_reason"], choices[-1]["finish_reason"]), (6, "tool_calls", "tool_calls"))
        rest = self.post(CHAT, self.ask(model, "use a tool", text[:8], tools=TOOLS)).json["choices"][0]
        self.assertEqual((rest["message"]["content"], len(rest["message"]["tool_calls"])), (text[8:], 2))
        blocks = self.post(MESSAGES, {**body, "max_tokens": 99, "tools": [{"name": "weather", "input_schema": {}}]}).json
        self.assertEqual([block["type"] for block in blocks["content"]], ["text", "tool_use", "tool_use"])
        stream = self.post(MESSAGES, {**body, "max_tokens": 99, "stream": True, "tools": [{"name": "weather", "input_schema": {}}]}).text
        self.assertEqual(re.findall(r'"index":(\d),"content_block"', stream), ["0", "1", "2"])
        self.assertEqual(stream.count("event: content_block_stop"), 3)
        items = self.post(RESPONSES, {"model": model, "input": "use a tool", "tools": [{"type": "function", "name": "weather"}]}).json
        self.assertEqual([item["type"] for item in items["output"]], ["message", "function_call", "function_call"])
        events = self.post(RESPONSES, {"model": model, "input": "use a tool", "stream": True,
                                       "tools": [{"type": "function", "name": "weather"}]}).text
        self.assertEqual([json.loads(line[6:])["sequence_number"] for line in events.split("\n") if line.startswith("data: ")],
                         list(range(events.count("data: "))))

    def test_vendors_mistakes(self):
        plain = self.chunks(self.ask())
        self.assertEqual(sum("role" in c["choices"][0]["delta"] for c in plain), 1)
        every = self.chunks(self.ask("mock-1+role_every"))
        self.assertTrue(all("role" in c["choices"][0]["delta"] for c in every[:-1]))
        fresh = self.chunks(self.ask("mock-1+fresh_ids"))
        self.assertEqual(len({c["id"] for c in fresh}), len(fresh))
        self.assertEqual(len({c["created"] for c in fresh}), len(fresh))
        endless = self.chunks(self.ask("mock-1+never_finish"))
        self.assertEqual([c["choices"][0]["finish_reason"] for c in endless], [None] * (len(plain) - 1))
        for path, body, word in ((MESSAGES, dict(self.ask("mock-1+never_finish"), max_tokens=99), "message_delta"),
                                 (RESPONSES, {"model": "mock-1+never_finish", "input": "x"}, "response.completed")):
            self.assertNotIn("event: " + word, self.post(path, dict(body, stream=True)).text)
        text = "".join(self.deltas(self.ask()))
        for prefix, model in ((None, "mock-1"), (text[:7], "mock-swapped")):
            self.assertEqual(self.post(CHAT, self.ask("mock-1+model_swap", prefix=prefix)).json["model"], model)

    def test_thinking_is_signed(self):
        text = self.post(MESSAGES, dict(self.ask("mock-reasoner"), max_tokens=99, stream=True)).text
        self.assertLess(text.index("thinking_delta"), text.index("signature_delta"))
        self.assertLess(text.index("signature_delta"), text.index("text_delta"))


class Background(Model):
    """Responses whose events can be had again."""

    def make(self, model="mock-1", **more):
        raw = self.post(RESPONSES, {"model": model, "input": "hello", "stream": True, "background": True}, **more).text
        events = [event + "\n\n" for event in raw.split("\n\n")[:-1]]
        return json.loads(events[0].split("data: ")[1])["response"]["id"], events

    def test_events_can_be_had_again_from_any_place(self):
        name, events = self.make()
        for after in (0, 1, 7, len(events) - 2, len(events) - 1, 9999):
            got = self.post(f"/v1/responses/{name}?stream=true&starting_after={after}", None).text
            self.assertEqual(got, "".join(events[after + 1:]))
        self.assertEqual(self.post(f"/v1/responses/{name}?stream=true", None).text, "".join(events))
        document = self.post(f"/v1/responses/{name}", None).json
        self.assertEqual((document["status"], document["background"]), ("completed", True))
        self.post(f"/v1/responses/{name}?stream=true&starting_after=x", None, status=400)

    def test_what_is_not_known_is_404(self):
        self.post("/v1/responses/resp_none?stream=true", None, status=404)
        raw = self.post(RESPONSES, {"model": "mock-1", "input": "in front", "stream": True}).text
        name = json.loads(raw.split("data: ")[1].split("\n")[0])["response"]["id"]
        self.post(f"/v1/responses/{name}?stream=true", None, status=404)

    def test_only_the_newest_are_kept(self):
        names = []
        for i in range(65):
            raw = self.post(RESPONSES, {"model": "mock-1", "input": str(i), "stream": True, "background": True}).text
            names.append(json.loads(raw.split("data: ")[1].split("\n")[0])["response"]["id"])
        self.post(f"/v1/responses/{names[0]}", None, status=404)
        self.post(f"/v1/responses/{names[1]}", None)

    def test_cancelling(self):
        name, _ = self.make()
        for _ in range(2):
            answer = self.post(f"/v1/responses/{name}/cancel", {"any": 1}).json
            self.assertEqual(answer["status"], "cancelled")
        self.post("/v1/responses/resp_none/cancel", {"any": 1}, status=404)

    def test_a_play_goes_on_with_the_next_request_for_it(self):
        name, _ = self.make("mock-1+ok+x1+expired+x1")
        error = self.post(f"/v1/responses/{name}?stream=true&starting_after=3", None, status=400).json["error"]
        self.assertEqual(error["message"], "This response can no longer be streamed because it is more than 5 minutes old")
        self.post(f"/v1/responses/{name}?stream=true&starting_after=3", None)


class Record(Model):
    """What a test can ask afterwards."""

    def test_the_record_and_the_state_are_an_oracle(self):
        text = self.whole(self.ask())
        self.post(CHAT, self.ask("mock-1+503", prefix=text[:9], max_tokens=7, stream=True), status=503)
        self.chunks(self.ask(prefix=text[:9], max_tokens=7))
        refused, served = self.mock.requests()[-2:]
        for line in (refused, served):
            self.assertEqual((line["prefix"], line["max_tokens"], line["stream"], line["text"], line["tokens"]),
                             (text[:9], 7, True, text, 7))
        first, second, third = self.state()
        self.assertEqual((second["emitted"], third["emitted"]), (0, 7))
        self.assertEqual(first["emitted"], len(text.split()))
        self.assertEqual((third["sequence"], third["text"], third["left"]), (served["sequence"], text, False))
        self.assertEqual(len(third["emitted_ms"]), 7)
        self.assertLessEqual(third["at_ms"], third["emitted_ms"][0])
        self.assertLessEqual(third["emitted_ms"][-1], third["ended_ms"])
        self.post("/v1/embeddings", {"model": "mock-embed", "input": "x"})
        self.assertEqual((self.mock.requests()[-1]["text"], self.mock.requests()[-1]["tokens"]), (None, 0))

    def test_only_tokens_that_went_out_whole_count(self):
        self.post(CHAT, self.ask("mock-1+events=4", stream=True))
        self.assertEqual(self.state()[-1]["emitted"], 3)
        raw = Connection(("127.0.0.1", self.mock.port))
        self.addCleanup(raw.close)
        raw.send(request_bytes("POST", CHAT, [("Authorization", "Bearer " + KEY)], self.ask("mock-1+close=1500", stream=True)))
        while raw.more():
            pass
        wait_for(lambda: self.state()[-1]["ended_ms"])
        whole = re.findall(rb'"content":"[^"]+".*?\n\n\r\n', raw.buffer, re.S)
        self.assertEqual((len(raw.buffer), self.state()[-1]["emitted"]), (1500, len(whole)))
        self.assertGreater(len(whole), 0)

    def test_the_state_keeps_the_newest(self):
        for i in range(66):
            self.post(CHAT, self.ask(text=str(i)))
        self.assertEqual(len(self.state()), 64)


@unittest.skipUnless("--record-tokens" in HELP, "this program has no such flag")
class TokenRecord(Model):
    flags = ("--record-tokens",)

    def test_a_line_behind_an_answer_tells_when_each_token_went_out(self):
        self.chunks(self.ask(max_tokens=5))
        wait_for(lambda: len(self.mock.requests()) == 2)
        asked, ended = self.mock.requests()
        self.assertEqual((ended["end_of"], ended["emitted"], len(ended["emitted_ms"])), (asked["sequence"], 5, 5))


if __name__ == "__main__":
    unittest.main()
