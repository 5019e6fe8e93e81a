"""`streamkeeper explain`: one raw response in, what would be done about it out."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import BINARY

HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "..", "fixtures", "upstream_errors.json"), encoding="utf-8") as file:
    FIXTURES = json.load(file)
NOW = 1703894355  # Fri, 29 Dec 2023 23:59:15 GMT
CLASSES = {"retry_same", "retry_after_wait", "other_key", "other_model", "refresh_model_list", "fail_now"}


def raw(status, headers=(), body="", line_end="\r\n", version="HTTP/1.1"):
    lines = [f"{version} {status}"] + [f"{name}: {value}" for name, value in headers]
    return "".join(line + line_end for line in lines + [""]) + body


def run(text, *arguments, now=NOW):
    if isinstance(text, str):
        text = text.encode()
    clock = ["--now", str(now)] if now is not None else []
    return subprocess.run([BINARY, "explain", *clock, *arguments], input=text, capture_output=True, timeout=30)


class Base(unittest.TestCase):
    def told(self, text, *arguments, now=NOW):
        """The one line of JSON, with its form checked."""
        out = run(text, "--json", *arguments, now=now)
        self.assertEqual((out.returncode, out.stderr), (0, b""), text)
        self.assertRegex(out.stdout.decode(), r"\A[^\n]+\n\Z")
        said = json.loads(out.stdout)
        self.assertEqual(list(said), ["class", "reason", "wait_s", "hint"])
        self.assertIn(said["class"], CLASSES | {"none"})
        return said

    def line(self, text, *arguments):
        said = self.told(text, *arguments)
        return f"{said['class']} {said['reason']} {said['wait_s']}"


class Fixtures(Base):
    def check(self, line_end):
        right = 0
        for case in FIXTURES:
            with self.subTest(case["id"]):
                text = raw(case["status"], case["headers"].items(), case["body"], line_end)
                said = self.told(text, now=case["now_epoch"])
                self.assertEqual((said["class"], said["reason"], said["wait_s"]),
                                 (case["expect_class"], case["expect_reason"], case["expect_wait_s"]))
                self.assertTrue(said["hint"])
                right += 1
        self.assertEqual(right, 96)

    def test_all_are_told_as_expected(self):
        self.check("\r\n")

    def test_all_are_told_as_expected_with_bare_line_feeds(self):
        self.check("\n")

    def test_no_hint_and_no_verdict_repeats_what_the_vendor_wrote(self):
        for case in FIXTURES:
            said = run(raw(case["status"], case["headers"].items(), case["body"]), "--json").stdout.decode()
            self.assertNotIn("org-abc123", said)


class Numbers(Base):
    def wait(self, *headers, status=429):
        out = run(raw(status, headers), "--json")
        return re.search(rb'"wait_s":([^,]+),', out.stdout).group(1).decode()

    def test_whole_seconds_have_no_fraction_and_fractions_no_padding(self):
        for value, text in (("17", "17"), ("1.50", "1.5"), ("0", "0"), ("0.000001", "0.000001"), ("soon", "null"),
                            ("86400", "86400"), ("0.0000001", "0.000001")):
            self.assertEqual(self.wait(("Retry-After", value)), text)
        self.assertEqual(self.wait(("retry-after-ms", "174")), "0.174")

    def test_moments_are_counted_from_now_or_from_the_answers_date(self):
        at = ("X-RateLimit-Reset", NOW + 45)
        self.assertEqual(self.wait(at), "45")
        self.assertEqual(self.wait(("Date", "Fri, 29 Dec 2023 23:59:05 GMT"), at), "55")
        self.assertEqual(self.told(raw(429, [at]), now=f"{NOW}.5")["wait_s"], 44.5)
        self.assertEqual(self.told(raw(429, [at]), now=None)["wait_s"], 0)  # long ago, by the real clock
        self.assertEqual(self.wait(("Retry-After", "Friday, 29-Dec-23 23:59:35 GMT")), "20")
        self.assertEqual(self.wait(("Retry-After", "soon"), ("Retry-After", "Fri Dec 29 23:59:35 2023")), "20")


class Forms(Base):
    def test_status_lines_of_every_version(self):
        for version in ("HTTP/1.1", "HTTP/1.0", "HTTP/2", "HTTP/3", "HTTP/2.0"):
            for reason in ("", " Too Many Requests", " "):
                self.assertEqual(self.line(raw(f"429{reason}", version=version)), "retry_after_wait rate_limit None")

    def test_what_may_be_missing_or_too_much(self):
        body = '{"error":{"message":"Please try again in 2s"}}'
        for text in (f"HTTP/1.1 429\r\n\r\n{body}", f"HTTP/1.1 429\n\n{body}", f"\n \r\n\nHTTP/1.1 429 x\n\n{body}",
                     f"\ufeffHTTP/1.1 429\n\n{body}", f"HTTP/1.1 429\n{body}", f"HTTP/1.1 429\nA: b\n\n\n\n{body}\n\n",
                     f"HTTP/1.1 429\nRetry-After: 2", "HTTP/1.1 429\nRETRY-AFTER:2\n", "HTTP/1.1 429\nretry-after:\t2 \n\n",
                     f"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 x\r\n\r\n{body}",
                     f"HTTP/1.1 200 Connection established\r\n\r\nHTTP/2 429 \r\n\r\n{body}",
                     f"HTTP/1.1 429\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n{body}"):
            self.assertEqual(self.line(text), "retry_after_wait rate_limit 2", text)

    def test_a_file_a_dash_and_nothing(self):
        folder = tempfile.mkdtemp(prefix="explain-")
        self.addCleanup(shutil.rmtree, folder, True)
        name = os.path.join(folder, "answer.txt")
        with open(name, "wb") as out:
            out.write(raw(402).encode())
        self.assertEqual(self.line(raw(429), name), "other_key billing None")
        self.assertEqual(self.line(raw(429), "-"), "retry_after_wait rate_limit None")
        self.assertEqual(self.line(raw(429)), "retry_after_wait rate_limit None")

    def test_bytes_that_are_no_text_do_no_harm(self):
        for body in (b"\xff\xfe\x00", b"{\"error\":{\"message\":\"\xff\"}}", b"\x1f\x8b\x08", b"[" * 100000, b"{" * 100000,
                     b'{"error":{"message":"' + b"x" * (4 << 20) + b'"}}'):
            self.assertEqual(self.line(raw(400).encode() + body), "fail_now bad_request None")


class Successes(Base):
    def event_stream(self, *events, ending="\n\n"):
        headers = [("Content-Type", "text/event-stream")]
        return self.line(raw(200, headers, ": hb\n\n" + "".join(event + ending for event in events)))

    @staticmethod
    def chunk(content="", finish=None):
        return "data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish}]})

    HEALTHY = "none  None"
    BROKEN = "retry_same stream_interrupted None"
    EMPTY = "retry_same empty_stream None"

    def test_a_healthy_answer_has_the_class_none(self):
        said = self.told(raw(200, [("Content-Type", "application/json")], '{"choices":[{"message":{"content":"x"}}]}'))
        self.assertEqual((said["class"], said["reason"], said["wait_s"]), ("none", "", None))
        self.assertIn("healthy", said["hint"])
        out = run(raw(200, [("Content-Type", "application/json")], "{}"))
        self.assertEqual(out.returncode, 0)
        self.assertIn(b"healthy", out.stdout)

    def test_streams_that_are_whole(self):
        self.assertEqual(self.event_stream(self.chunk("a"), self.chunk("", "stop"), "data: [DONE]"), self.HEALTHY)
        self.assertEqual(self.event_stream(self.chunk("a"), self.chunk("", "stop")), self.HEALTHY)
        self.assertEqual(self.event_stream(self.chunk("a", "stop"), ending="\r\n\r\n"), self.HEALTHY)
        # After completion every fault is ignored.
        self.assertEqual(self.event_stream(self.chunk("a", "stop"), 'data: {"error":{"message":"m"}}'), self.HEALTHY)

    def test_streams_that_break(self):
        self.assertEqual(self.event_stream(), self.EMPTY)
        self.assertEqual(self.event_stream("data: [DONE]"), self.EMPTY)
        self.assertEqual(self.event_stream(self.chunk()), self.EMPTY)
        self.assertEqual(self.event_stream(self.chunk("a")), self.BROKEN)
        self.assertEqual(self.event_stream(self.chunk("a"), "data: [DONE]"), self.BROKEN)
        two = '{"choices":[{"index":1,"delta":{"content":"b"},"finish_reason":null}]}'
        self.assertEqual(self.event_stream(self.chunk("a"), "data: " + two, self.chunk("", "stop")), self.BROKEN)

    def test_an_error_counts_by_what_was_shown_before_it(self):
        error = 'data: {"error":{"code":429,"message":"Please try again in 3s"}}'
        self.assertEqual(self.event_stream(self.chunk(), error), "retry_after_wait rate_limit 3")
        self.assertEqual(self.event_stream(self.chunk("a"), error), "retry_same stream_interrupted 3")

    def test_streams_of_the_other_dialects(self):
        text = 'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}'
        overload = 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"m"}}'
        stop = 'event: message_stop\ndata: {"type":"message_stop"}'
        finish = 'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}'
        self.assertEqual(self.event_stream(overload), "retry_same overload None")
        self.assertEqual(self.event_stream(text, overload), self.BROKEN)
        self.assertEqual(self.event_stream(text, finish, stop), self.HEALTHY)
        delta = 'data: {"type":"response.output_text.delta","delta":"x"}'
        failed = 'data: {"type":"response.failed","response":{"error":{"code":"server_error","message":"m"}}}'
        done = 'data: {"type":"response.completed","response":{"status":"completed"}}'
        self.assertEqual(self.event_stream(failed), "retry_same server None")
        self.assertEqual(self.event_stream(delta, failed), self.BROKEN)
        self.assertEqual(self.event_stream(delta, done), self.HEALTHY)

    def test_other_bodies_of_a_success(self):
        page = "<!doctype html><html></html>"
        as_json = [("Content-Type", "application/json")]
        for headers in ([("Content-Type", "text/html; charset=utf-8")], as_json, []):
            self.assertEqual(self.line(raw(200, headers, page)), "fail_now not_an_api None")
        self.assertEqual(self.line(raw(200, [("Content-Type", "text/html")])), "fail_now not_an_api None")
        self.assertEqual(self.line(raw(200)), self.EMPTY)
        self.assertEqual(self.line(raw(200, as_json, '{"choices":[{"mess')), "retry_same network None")
        for headers in (as_json, [], [("Content-Type", "text/event-stream")]):
            self.assertEqual(self.line(raw(200, headers, '\n\n{"error":{"code":503,"message":"m"}}')),
                             "retry_same overload None")


class Texts(Base):
    def test_a_person_reads_what_why_how_long_and_what_to_do(self):
        out = run(raw(429, [("Retry-After", "17")], '{"error":{"message":"Slow down"}}')).stdout.decode()
        lines = dict(line.split(None, 1) for line in out.splitlines())
        self.assertEqual(list(lines), ["answer", "verdict", "wait", "reason", "rule", "hint"])
        self.assertEqual(lines["answer"], 'HTTP 429: "Slow down"')
        self.assertTrue(lines["verdict"].startswith("retry_after_wait: "))
        self.assertEqual(lines["wait"], "17 s")
        self.assertEqual(lines["reason"], "rate_limit")
        self.assertTrue(lines["rule"].startswith("R9b "))
        self.assertIn("R2b", run(raw(402)).stdout.decode())
        inside = run(raw(200, [], '{"error":{"code":503,"message":"m"}}')).stdout.decode()
        self.assertIn("HTTP 200, meant as 503", inside)

    def test_a_vendors_words_cannot_reach_into_the_terminal(self):
        body = json.dumps({"error": {"message": "a\x1b[31mb\r\nc\x07\x9b\x00d" + "x" * 5000}})
        out = run(raw(429, [], body)).stdout.decode()
        self.assertFalse([c for c in out if (ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0])
        self.assertEqual(len(out.splitlines()), 5)
        self.assertLess(len(out), 1500)


class Mistakes(unittest.TestCase):
    def refused(self, text, *arguments, now=NOW):
        for form in ([], ["--json"]):
            out = run(text, *form, *arguments, now=now)
            self.assertEqual((out.returncode, out.stdout), (2, b""), text)
        self.assertRegex(out.stderr.decode(), r"\Astreamkeeper explain: [^\n]+\n\Z")
        return out.stderr.decode()

    def test_what_is_no_response_is_refused_with_the_place_and_the_way_out(self):
        for text in ("", "\n\n", "hello", '{"error":{"message":"m"}}', "HTTP", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 42 x",
                     "HTTP/1.1 4290", "HTTP/1.1 429x", "HTTP/11 429", "HTTP/x 429", "GET / HTTP/1.1\n\n", "\x00\x01",
                     "429 Too Many Requests"):
            message = self.refused(text)
            self.assertIn("stdin:", message)
            self.assertIn("curl -i", message)
        self.assertIn("stdin:3: ", self.refused("\n\nhello"))
        self.assertIn("between 100 and 599", self.refused("HTTP/1.1 999 x\n\n"))
        self.assertIn("no HTTP response", self.refused("HTTP/1.1 100 Continue\n\n"))
        self.assertNotIn("\x1b", self.refused("\x1b[31mred"))

    def test_a_line_that_is_no_header_is_named(self):
        for line in ("no colon here", ": value", "na me: value", "name : value"):
            self.assertIn("stdin:3: ", self.refused(f"HTTP/1.1 429 x\nA: b\n{line}\n\n"))

    def test_files_that_cannot_be_read(self):
        for name in ("/nonexistent/answer.txt", os.path.dirname(HERE)):
            self.assertIn(name, self.refused("", name))

    def test_now_is_a_moment(self):
        for now in ("nan", "soon", "-5", "1e9", "0x10", "99999999999", "1703894400000"):
            self.assertIn("--now takes seconds since 1970", self.refused(raw(429), now=now))

    def test_unknown_options_are_refused_with_a_neighbour(self):
        out = run("", "--jsn")
        self.assertEqual((out.returncode, out.stdout), (2, b""))
        self.assertIn(b"did you mean '--json'?", out.stderr)

    def test_a_full_disk_is_no_success(self):
        with open("/dev/full", "wb") as full:
            out = subprocess.run([BINARY, "explain", "--json"], input=raw(429).encode(), stdout=full, stderr=subprocess.PIPE,
                                 timeout=30)
        self.assertEqual(out.returncode, 1)


if __name__ == "__main__":
    unittest.main()
