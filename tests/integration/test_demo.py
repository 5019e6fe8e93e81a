"""The demo: what a newcomer runs first, on a terminal and without one; and that it leaves nothing behind."""
import os
import pty
import signal
import subprocess
import tempfile
import unittest

from harness import BINARY, PATIENCE, Process, chat, http


def environment(folder, **more):
    env = {k: v for k, v in os.environ.items() if k != "NO_COLOR" and not k.lower().endswith("_proxy")}
    env.update(TMPDIR=folder, TERM="xterm", **more)
    return env


class Demo(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def run_demo(self, **more):
        return subprocess.run([BINARY, "demo"], capture_output=True, text=True, timeout=60, env=environment(self.folder, **more))

    def test_it_ends_well_shows_every_ability_and_says_nothing_on_stderr(self):
        run = self.run_demo()
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        for words in ("answered as JSON", "as it arrives", "tool call", "line 2, column 15", "x-streamkeeper-model: mock-1",
                      "model_not_found", "mock-1, mock-reasoner", 'requests_total{code="200",outcome="ok"}',
                      'tokens_total{kind="output"}', "before", "after"):
            self.assertIn(words, run.stdout)

    def test_it_says_what_to_type_into_the_tools_and_is_honest_about_cursor(self):
        out = self.run_demo().stdout
        for tool in ("Cline", "Continue", "Cursor", "Codex", "Claude Code", "OpenAI SDKs"):
            self.assertIn(tool, out)
        self.assertIn("http://127.0.0.1:8817/v1", out)
        self.assertRegex(out, r"Cursor +can't use http://127\.0\.0\.1:8817/v1")
        self.assertIn("tunnel", out)

    def test_it_leaves_no_file_behind_and_shows_no_key(self):
        run = self.run_demo()
        self.assertEqual(os.listdir(self.folder), [])
        self.assertNotIn("sk-mock", run.stdout + run.stderr)

    def test_there_is_no_colour_without_a_terminal(self):
        self.assertNotIn("\x1b", self.run_demo().stdout)

    def on_terminal(self, **more):
        leader, follower = pty.openpty()
        child = subprocess.Popen([BINARY, "demo"], stdin=subprocess.DEVNULL, stdout=follower, stderr=follower,
                                 env=environment(self.folder, **more))
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
        self.assertEqual(child.wait(PATIENCE), 0)
        return seen.decode()

    def test_a_terminal_gets_colour_and_no_color_takes_it_away(self):
        self.assertIn("\x1b[1;36m1. ", self.on_terminal())
        self.assertNotIn("\x1b", self.on_terminal(NO_COLOR="1"))

    def test_a_full_disk_is_no_success(self):
        with open("/dev/full", "w") as full:
            run = subprocess.run([BINARY, "demo"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, env=environment(self.folder))
        self.assertEqual(run.returncode, 1)
        self.assertIn("stdout could not be written", run.stderr)

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
            port = int(demo.wait_line(r"Staying up at http://127\.0\.0\.1:(\d+)/v1").group(1))
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
