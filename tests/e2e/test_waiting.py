"""openai-python and anthropic before a vendor that makes them wait: what they see is the answer as if nothing had happened, or
an exception."""

import json
import os
import subprocess
import sys
import time
import unittest

import stack

from harness import KEY, Daemon, Mock, Origin, Play, config_for, http, raw, raw_stream
from preload import Clock
from stage import together

PYTHON = stack.SDKS / "venv" / "bin" / "python"
MESSAGES = [{"role": "user", "content": "Say something about rivers."}]
TOOL = {"name": "get_weather", "description": "Weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}
LIMIT = raw(429, {"error": {"message": "Slow down", "type": "rate_limit_error", "code": "rate_limit_exceeded"}}, [("Retry-After", "2")])
BUSY = raw(503, {"error": {"message": "Busy", "type": "server_error", "code": None}})
REFUSED = raw(400, {"error": {"message": "That is no city", "type": "invalid_request_error", "code": "bad_city"}})
EAGER = "stream: {commit_hold: 200ms, heartbeat: 200ms}\n"
EARLY = "stream: {commit_hold: 0s, heartbeat: 100ms}\n"
QUICK = "{attempts: 2, base: 300ms}"

# (name, the request as the SDK's user writes it); the vendor's part is told by the mock, once.
CALLS = {
    "chat": lambda sdk: sdk.openai.chat.completions.create(model="mock-1", messages=MESSAGES, stream=True),
    "chat with usage": lambda sdk: sdk.openai.chat.completions.create(
        model="mock-1", messages=MESSAGES, stream=True, stream_options={"include_usage": True}),
    "a tool call": lambda sdk: sdk.openai.chat.completions.create(
        model="mock-1", messages=[{"role": "user", "content": "Use the tool to look up the weather in Bonn."}],
        tools=[{"type": "function", "function": TOOL}], stream=True),
    "completions": lambda sdk: sdk.openai.completions.create(model="mock-1", prompt="Rivers", stream=True),
    "responses": lambda sdk: sdk.openai.responses.create(model="mock-1", input="Say something about rivers.", stream=True),
    "messages": lambda sdk: sdk.anthropic.messages.create(model="mock-1", max_tokens=200, messages=MESSAGES, stream=True),
}


class Sdk:
    """Both SDKs before a daemon before a vendor that plays."""

    def __init__(self, case, *answers, extra=EAGER, retry=None, env=None):
        import anthropic
        import openai
        self.play = Play(*answers)
        origin = Origin(self.play)
        case.addCleanup(origin.stop)
        daemon = Daemon(config_for(origin.base_url, extra=extra, retry=retry), env=env)
        case.addCleanup(daemon.stop)
        url = f"http://127.0.0.1:{daemon.port}"
        self.openai = openai.OpenAI(base_url=url + "/v1", api_key="unused", max_retries=0, timeout=60)
        self.anthropic = anthropic.Anthropic(base_url=url, api_key="unused", max_retries=0, timeout=60)
        case.addCleanup(self.openai.close)
        case.addCleanup(self.anthropic.close)


def seen(events):
    return [event.model_dump() for event in events]


def text_of(events):
    """All text, in whichever dialect."""
    text = ""
    for event in events:
        for choice in getattr(event, "choices", None) or []:
            text += (choice.delta.content if hasattr(choice, "delta") else choice.text) or ""
        delta = getattr(event, "delta", None)
        text += delta if isinstance(delta, str) else getattr(delta, "text", None) or ""
    return text


class Waiting(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """The vendor's answers, as the mock gives them, and what the SDKs make of them when nothing fails."""
        cls.mock = Mock()
        cls.addClassCleanup(cls.mock.stop)
        cls.answers, cls.unfaulted = {}, {}

    def answer(self, name):
        """The raw stream with which the vendor answers this call."""
        if name not in self.answers:
            sdk = Sdk(self, REFUSED)
            with self.assertRaises(Exception):
                list(CALLS[name](sdk))
            call = sdk.play.calls[0]
            path = call.head.split(b" ")[1].decode()
            told = http(("127.0.0.1", self.mock.port), "POST", path, [("Authorization", "Bearer " + KEY)], call.body)
            self.assertEqual(told.status, 200)
            self.answers[name] = told.text
            self.unfaulted[name] = seen(CALLS[name](Sdk(self, raw_stream(told.text))))
            self.assertGreater(len(self.unfaulted[name]), 2)
        return self.answers[name]

    def check_waited(self, *failures, least):
        """Every call, at the same time: each has a vendor and a daemon of its own."""
        sdks = {name: Sdk(self, *failures, raw_stream(self.answer(name))) for name in CALLS}
        began = time.monotonic()
        results = together([lambda name=name: (seen(CALLS[name](sdks[name])), time.monotonic() - began) for name in CALLS])
        for name, (events, took) in zip(CALLS, results):
            with self.subTest(name):
                self.assertEqual(events, self.unfaulted[name])
                self.assertGreaterEqual(took, least)
                self.assertEqual(len(sdks[name].play.calls), len(failures) + 1)

    def test_a_limit_of_two_seconds_is_waited_out(self):
        self.check_waited(LIMIT, least=2)

    def test_an_overloaded_vendor_is_asked_again(self):
        self.check_waited(BUSY, least=0.5)

    def test_a_stream_that_ends_before_its_output_is_asked_again(self):
        cut = lambda peer: (peer.send(raw_stream(": queued\n\n", end=False)), peer.close())
        self.check_waited(raw_stream(": queued\n\n"), cut, least=0.5)

    def test_when_nothing_helps_iterating_throws(self):
        for name in CALLS:
            with self.subTest(name):
                sdk = Sdk(self, BUSY, extra=EARLY, retry=QUICK)
                got = []
                with self.assertRaises(Exception) as caught:
                    for event in CALLS[name](sdk):  # the call itself has long returned
                        got.append(event)
                self.assertNotIsInstance(caught.exception, AssertionError)
                self.assertEqual(got, [])
                self.assertEqual(len(sdk.play.calls), 2)

    def test_a_cut_after_output_throws_too(self):
        for name in CALLS:
            with self.subTest(name):
                events = self.answer(name).split("\n\n")[:-1]
                sdk = Sdk(self, lambda peer: (peer.send(raw_stream(*(event + "\n\n" for event in events[:-3]), end=False)), peer.close()),
                          extra=EARLY, retry=QUICK)
                got = []
                with self.assertRaises(Exception):
                    for event in CALLS[name](sdk):
                        got.append(event)
                self.assertEqual(seen(got), self.unfaulted[name][:len(got)], "what was shown before is as it was")

    def test_a_terminal_error_after_the_200_is_the_sdks_own_exception(self):
        import anthropic
        import openai
        for name in CALLS:
            with self.subTest(name):
                sdk = Sdk(self, lambda peer: (time.sleep(0.4), peer.send(REFUSED)), extra=EARLY, retry=QUICK)
                with self.assertRaises((openai.APIError, anthropic.APIError)) as caught:
                    list(CALLS[name](sdk))
                self.assertIn("That is no city", str(caught.exception))
                self.assertEqual(len(sdk.play.calls), 1)

    def test_the_no_ops_of_long_silences_are_understood(self):
        for name in CALLS:
            with self.subTest(name):
                events = [event + "\n\n" for event in self.answer(name).split("\n\n")[:-1]]
                clock = Clock(self)

                def silent(peer):
                    for pause in range(3):  # before the head, before the output, in the middle
                        if pause == 1:
                            peer.start_stream()
                        if pause == 2:
                            for event in events[:-3]:
                                peer.chunk(event)
                            time.sleep(0.2)
                        clock.jump(60)
                        time.sleep(0.4)
                    for event in events[-3:]:
                        peer.chunk(event)
                    peer.end_chunks()

                sdk = Sdk(self, silent, env=clock.env, extra="timeouts: {first_byte: off, stream_idle: off}\n")
                plain = text_of(CALLS[name](Sdk(self, raw_stream("".join(events)))))
                self.assertEqual(text_of(CALLS[name](sdk)), plain)


if __name__ == "__main__":
    if not PYTHON.exists():
        stack.skip("no Python SDKs in build/e2e (tests/e2e/prepare fetches them)")
    if os.path.abspath(sys.executable) != str(PYTHON):
        sys.exit(subprocess.run([str(PYTHON), "-B", *sys.argv]).returncode)
    unittest.main(verbosity=2)
