"""openai-python and anthropic through the daemon, as a user would call them: any key, the daemon's address."""

import json
import os
import subprocess
import sys
import unittest

import stack

PYTHON = stack.SDKS / "venv" / "bin" / "python"
MESSAGES = [{"role": "user", "content": "Say something about rivers."}]
TOOL = {"name": "get_weather", "description": "Weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        import anthropic
        import openai
        cls.sdk, cls.claude_sdk = openai, anthropic
        cls.stack = stack.Stack()
        cls.enterClassContext(cls.stack)
        cls.openai = openai.OpenAI(base_url=cls.stack.url + "/v1", api_key="unused", max_retries=0, timeout=30)
        # The SDK appends /v1/messages itself.
        cls.anthropic = anthropic.Anthropic(base_url=cls.stack.url, api_key="unused", max_retries=0, timeout=30)

    def test_chat(self):
        answer = self.openai.chat.completions.create(model="mock-1", messages=MESSAGES)
        self.assertTrue(answer.choices[0].message.content)
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertEqual(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)

    def test_a_chat_stream_has_the_text_of_the_plain_answer(self):
        plain = self.openai.chat.completions.create(model="mock-1", messages=MESSAGES).choices[0].message.content
        text, finishes, usages = "", [], []
        for chunk in self.openai.chat.completions.create(model="mock-1", messages=MESSAGES, stream=True):
            usages += [chunk.usage] if chunk.usage else []
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finishes += [choice.finish_reason] if choice.finish_reason else []
        self.assertEqual(text, plain)
        self.assertEqual(finishes, ["stop"])
        self.assertEqual(usages, [], "usage that the client did not ask for is hidden")

    def test_a_chat_stream_tells_usage_to_those_who_ask(self):
        chunks = list(self.openai.chat.completions.create(
            model="mock-1", messages=MESSAGES, stream=True, stream_options={"include_usage": True}))
        self.assertEqual(chunks[-1].choices, [])
        self.assertGreater(chunks[-1].usage.completion_tokens, 0)

    def test_an_alias_is_answered_by_the_real_model(self):
        answer = self.openai.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
        self.assertEqual(answer.model, "mock-1")

    def test_responses(self):
        answer = self.openai.responses.create(model="mock-1", input="Say something about rivers.")
        self.assertTrue(answer.output_text)
        self.assertEqual(answer.status, "completed")
        self.assertGreater(answer.usage.output_tokens, 0)

    def test_a_responses_stream_ends_with_the_whole_response(self):
        text, last = "", None
        for event in self.openai.responses.create(model="mock-1", input="Say something about rivers.", stream=True):
            text += event.delta if event.type == "response.output_text.delta" else ""
            last = event
        self.assertEqual(last.type, "response.completed")
        self.assertEqual(last.response.output_text, text)
        self.assertTrue(text)

    def test_messages(self):
        answer = self.anthropic.messages.create(model="mock-1", max_tokens=200, messages=MESSAGES)
        self.assertEqual(answer.content[0].type, "text")
        self.assertTrue(answer.content[0].text)
        self.assertEqual(answer.stop_reason, "end_turn")
        self.assertGreater(answer.usage.output_tokens, 0)

    def test_a_messages_stream_has_the_text_of_the_plain_answer(self):
        plain = self.anthropic.messages.create(model="mock-1", max_tokens=200, messages=MESSAGES).content[0].text
        with self.anthropic.messages.stream(model="mock-1", max_tokens=200, messages=MESSAGES) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        self.assertEqual(text, plain)
        self.assertEqual(final.stop_reason, "end_turn")

    def test_embeddings(self):
        # The SDK asks for base64 and decodes it.
        answer = self.openai.embeddings.create(model="mock-embed", input=["one", "two"])
        self.assertEqual([entry.index for entry in answer.data], [0, 1])
        self.assertGreater(len(answer.data[0].embedding), 1)
        self.assertNotEqual(answer.data[0].embedding, answer.data[1].embedding)

    def test_a_tool_call(self):
        asked = [{"role": "user", "content": "Use the tool to look up the weather in Bonn."}]
        tools = [{"type": "function", "function": TOOL}]
        message = self.openai.chat.completions.create(model="mock-1", messages=asked, tools=tools).choices[0]
        call = message.message.tool_calls[0]
        self.assertEqual(message.finish_reason, "tool_calls")
        self.assertEqual(call.function.name, "get_weather")
        self.assertIsInstance(json.loads(call.function.arguments), dict)
        pieces = ""
        for chunk in self.openai.chat.completions.create(model="mock-1", messages=asked, tools=tools, stream=True):
            for choice in chunk.choices:
                for delta in choice.delta.tool_calls or []:
                    pieces += delta.function.arguments or ""
        self.assertEqual(json.loads(pieces), json.loads(call.function.arguments))

    def test_a_tool_call_in_messages(self):
        tool = {"name": TOOL["name"], "description": TOOL["description"], "input_schema": TOOL["parameters"]}
        asked = [{"role": "user", "content": "Use the tool to look up the weather in Bonn."}]
        with self.anthropic.messages.stream(model="mock-1", max_tokens=200, messages=asked, tools=[tool]) as stream:
            final = stream.get_final_message()
        self.assertEqual(final.stop_reason, "tool_use")
        self.assertIn("get_weather", [block.name for block in final.content if block.type == "tool_use"])

    def test_an_audio_upload(self):
        sound = b"RIFF" + bytes(range(256)) * 2000
        answer = self.openai.audio.transcriptions.create(model="mock-voice", file=("speech.wav", sound))
        self.assertTrue(answer.text)

    def test_the_model_list(self):
        self.assertIn("mock-1", [model.id for model in self.openai.models.list()])

    def test_an_unknown_model_is_the_error_that_the_sdk_knows(self):
        with self.assertRaises(self.sdk.NotFoundError) as caught:
            self.openai.chat.completions.create(model="no-such-model", messages=MESSAGES)
        self.assertEqual(caught.exception.code, "model_not_found")
        with self.assertRaises(self.claude_sdk.NotFoundError) as caught:
            self.anthropic.messages.create(model="no-such-model", max_tokens=20, messages=MESSAGES)
        self.assertEqual(caught.exception.body["type"], "error")

    def test_an_unknown_model_in_a_stream_is_an_error_too(self):
        with self.assertRaises(self.sdk.NotFoundError):
            list(self.openai.chat.completions.create(model="no-such-model", messages=MESSAGES, stream=True))

    def test_wrong_json_is_answered_with_line_and_column(self):
        with self.assertRaises(self.sdk.BadRequestError) as caught:
            self.openai.post("/chat/completions", cast_to=object, content=b'{"model": "mock-1",\n  oops}',
                             options={"headers": {"content-type": "application/json"}})
        self.assertRegex(str(caught.exception), r"line 2\b.*column 3\b")


if __name__ == "__main__":
    if not PYTHON.exists():
        stack.skip("no Python SDKs in build/e2e (tests/e2e/prepare fetches them)")
    if os.path.abspath(sys.executable) != str(PYTHON):
        sys.exit(subprocess.run([str(PYTHON), "-B", *sys.argv]).returncode)
    unittest.main(verbosity=2)
