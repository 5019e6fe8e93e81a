"""The demo: what a newcomer runs first, on a terminal and without one; and that it leaves nothing behind."""
import concurrent.futures
import contextlib
import os
import pty
import re
import signal
import subprocess
import tempfile
import time
import unittest

from harness import BINARY, PATIENCE, Process, chat, http


def environment(folder, **more):
    env = {k: v for k, v in os.environ.items() if k != "NO_COLOR" and not k.lower().endswith("_proxy")}
    env.update(TMPDIR=folder, TERM="xterm", **more)
    return env


def on_terminal(folder, **more):
    """The exit code and the output of a run on a terminal of its own."""
    leader, follower = pty.openpty()
    child = subprocess.Popen([BINARY, "demo"], stdin=subprocess.DEVNULL, stdout=follower, stderr=follower, env=environment(folder, **more))
    os.close(follower)
    seen = b""
    while True:
        try:
            data = os.read(leader, 65536)
        except OSError:  # the terminal's other side is closed
            break
        if not data:
            break
        seen += data
    os.close(leader)
    return child.wait(PATIENCE), seen.decode()


def plainly(folder):
    began = time.monotonic()
    run = subprocess.run([BINARY, "demo"], capture_output=True, text=True, timeout=60, env=environment(folder))
    run.seconds, run.left = time.monotonic() - began, os.listdir(folder)
    return run


def before_of(step):
    return re.search(r"last words before:   (.*)\n", step).group(1)


def into_a_full_disk(folder):
    with open("/dev/full", "w") as full:
        return subprocess.run([BINARY, "demo"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, env=environment(folder))


class Demo(unittest.TestCase):
    """The demo mostly waits, so it runs in every way at once and the tests look at what came."""

    @classmethod
    def setUpClass(cls):
        with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor() as pool:
            folder = lambda: stack.enter_context(tempfile.TemporaryDirectory())
            runs = [pool.submit(plainly, folder()), pool.submit(on_terminal, folder()),
                    pool.submit(on_terminal, folder(), NO_COLOR="1"), pool.submit(into_a_full_disk, folder())]
            cls.run_plain, cls.coloured, cls.uncoloured, cls.full = [run.result() for run in runs]

    def test_it_ends_well_shows_every_ability_and_says_nothing_on_stderr(self):
        run = self.run_plain
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        for words in ("answered as JSON", "as it arrives", "tool call", "line 2, column 15", "x-streamkeeper-model: mock-1",
                      "model_not_found", "mock-1, mock-reasoner", 'requests_total{code="200",outcome="ok"}',
                      'tokens_total{kind="output"}', "before", "after"):
            self.assertIn(words, run.stdout)

    def step(self, title):
        """What is said below the heading that contains these words."""
        for part in re.split(r"\n\n(?=\d+\. )", self.run_plain.stdout):
            if title in part.split("\n")[0]:
                return part
        self.fail(f"no step is called {title!r}")

    def test_each_trouble_says_what_a_tool_gets_directly_and_through_streamkeeper(self):
        for title, alone, here in (
                ("come back in 2 seconds", "directly: 429   retry-after: 2", r"the answer, after [2-9]\.\d s, in 2 calls"),
                ("503: ", "directly: 503", r"the answer, after \d+\.\d s, in 2 calls"),
                ("402: ", "directly: 402", "the answer, .*, with key `spare`"),
                ("misspelt", "directly: 404", "the answer, .*, from Mock-Cased-70B"),
                ("a chain", "directly: 503", "the answer, .*, from second/steady-1"),
                ("kept alive", "directly: 429", r"(\d\.\d s   : hb.*\n +){2,}[2-9]\.\d s   the first word"),
                ("no waiting can mend", "directly: 429", "429 in .* x-should-retry: false   after 1 call")):
            with self.subTest(title):
                self.assertIn(alone, self.step(title))
                self.assertRegex(self.step(title), here)

    def test_each_break_says_what_a_tool_gets_directly_and_through_streamkeeper(self):
        for title, alone, here in (
                ("middle of a sentence", r"directly: \d+ bytes of 311, and no finish", "311 bytes, equal to the uncut text; finish_reason stop"),
                ("inside a tool call", r'directly: .* then read_file\(\{"path":"\w+   and no more',
                 r'the first that came after:   read_file\(\{"path":"needle ✓"\}\)\n +< text and arguments equal'),
                ("can't go on", r"through streamkeeper: 2\d\d bytes, then", r": streamkeeper stream_interrupted\n.*closed without its end"),
                ("mode `whole`", "x-streamkeeper-resume: whole", r"nothing for \d+\.\d s, then all \d+ bytes at once, equal to the uncut text"),
                ("plain answer that breaks off", r"directly: \d+ bytes of \d+, and no JSON", "200 in .*, one document, equal to the uncut one")):
            with self.subTest(title):
                self.assertRegex(self.step(title), alone)
                self.assertRegex(self.step(title), here)

    def test_both_sides_of_the_seam_are_parts_of_the_uncut_text(self):
        for title in ("middle of a sentence", "inside a tool call"):
            with self.subTest(title):
                before, after = re.search(r"last words before:   (.*)\n +the first .* after:   (.*)\n", self.step(title)).groups()
                self.assertRegex(before, r'^"….*\w"$')
                self.assertGreater(len(after), 10)
        said = re.search(r"no finish: (.*)", self.step("middle of a sentence")).group(1)
        self.assertIn(said.strip('"…'), before_of(self.step("middle of a sentence")), "the seam is where the vendor broke off")

    def test_the_metrics_that_moved_are_shown(self):
        table = self.step("What was counted")
        for row in (r'retries_total\{reason="rate_limit"\} +0 +2', r'retries_total\{reason="billing"\} +0 +1',
                    r'fallbacks_total\{to="second/steady-1",reason="overload"\} +0 +1',
                    r'resumes_total\{strategy="prefix",outcome="ok"\} +0 +2', r'resume_gap_seconds_count +0 +2', r'resume_gap_seconds_sum +0 +\d',
                    r'requests_total\{code="200",outcome="aborted"\} +0 +1', r'stream_ends_total\{how="truncated"\} +0 +1',
                    r'wait_seconds_sum\{cause="rate_limit"\} +0 +[4-9]', r'key_usable\{key="main"\} +1 +0'):
            self.assertRegex(table, row)
        self.assertNotIn('key="spare"', table, "it did not move")

    def test_it_fits_into_a_hundred_columns_and_into_twenty_seconds(self):
        self.assertEqual([line for line in self.run_plain.stdout.split("\n") if len(line) > 100 or line.endswith(" ")], [])
        self.assertLess(self.run_plain.seconds, 20)

    def test_it_says_what_to_type_into_the_tools_and_is_honest_about_cursor(self):
        out = self.run_plain.stdout
        for tool in ("Cline", "Continue", "Cursor", "Codex", "Claude Code", "OpenAI SDKs"):
            self.assertIn(tool, out)
        self.assertIn("http://127.0.0.1:8817/v1", out)
        self.assertRegex(out, r"Cursor +can't use http://127\.0\.0\.1:8817/v1")
        self.assertIn("tunnel", out)

    def test_it_leaves_no_file_behind_and_shows_no_key(self):
        self.assertEqual(self.run_plain.left, [])
        self.assertNotIn("sk-mock", self.run_plain.stdout + self.run_plain.stderr)

    def test_there_is_no_colour_without_a_terminal(self):
        self.assertNotIn("\x1b", self.run_plain.stdout)

    def test_a_terminal_gets_colour_and_no_color_takes_it_away(self):
        self.assertEqual((self.coloured[0], self.uncoloured[0]), (0, 0))
        self.assertIn("\x1b[1;36m1. ", self.coloured[1])
        self.assertNotIn("\x1b", self.uncoloured[1])

    def test_a_full_disk_is_no_success(self):
        self.assertEqual(self.full.returncode, 1)
        self.assertIn("stdout could not be written", self.full.stderr)

    def test_without_a_place_for_its_files_it_fails_with_one_clear_line(self):
        run = subprocess.run([BINARY, "demo"], capture_output=True, text=True, timeout=60, env=environment("/dev/null/nowhere"))
        self.assertEqual(run.returncode, 1)
        self.assertEqual(run.stderr.count("\n"), 1, run.stderr)
        self.assertIn("streamkeeper demo: failed: ", run.stderr)


class Staying(unittest.TestCase):
    def test_with_stay_it_serves_until_control_c_then_leaves_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            demo = Process([BINARY, "demo", "--stay"], env={"TMPDIR": folder})
            self.addCleanup(demo.stop)
            port = int(demo.wait_line(r"Staying up at http://127\.0\.0\.1:(\d+)/v1", 60).group(1))
            answer = http(("127.0.0.1", port), "POST", "/v1/chat/completions", (), chat("fast"))
            self.assertEqual(answer.status, 200)
            self.assertIn(f"apiBase: http://127.0.0.1:{port}/v1", demo.output)
            demo.process.send_signal(signal.SIGINT)
            self.assertEqual(demo.wait(), 0)
            self.assertEqual(os.listdir(folder), [])
            self.assertFalse([line for line in demo.lines if line.startswith("{")], "log lines in the narration")

    def test_control_c_in_the_middle_ends_it_and_leaves_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            demo = Process([BINARY, "demo"], env={"TMPDIR": folder})
            self.addCleanup(demo.stop)
            demo.wait_line("as it arrives")
            demo.process.send_signal(signal.SIGINT)
            self.assertEqual(demo.wait(), 1)
            self.assertIn("interrupted", demo.output)
            self.assertEqual(os.listdir(folder), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
