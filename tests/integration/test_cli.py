"""The command line: help, mistakes, `check`, and the way of a key from a paste into a private file."""
import json
import os
import pty
import re
import select
import shutil
import stat
import subprocess
import tempfile
import termios
import time
import unittest

from harness import BINARY, PATIENCE, config_for

SECRET = "sk-planted-0123456789abcdef"
ROOT = os.geteuid() == 0
NOBODY = 65534


def scratch(test):
    folder = tempfile.mkdtemp(prefix="cli-")
    test.addCleanup(shutil.rmtree, folder, True)
    os.chmod(folder, 0o755)
    return folder


def write(folder, name, text, mode=0o600):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


def run(*arguments, env=None, **options):
    full = {k: v for k, v in os.environ.items() if k not in ("STREAMKEEPER_CONFIG", "XDG_CONFIG_HOME", "HOME")}
    full.update(env or {})
    options.setdefault("stdin", subprocess.DEVNULL) if "input" not in options else None
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=30, env=full, **options)


class Words(unittest.TestCase):
    def test_help_names_every_command_and_every_command_has_help(self):
        out = run("--help")
        self.assertEqual((out.returncode, out.stderr), (0, ""))
        for verb in ("serve", "check", "key", "demo", "mock"):
            self.assertIn(verb, out.stdout)
        for words in (["serve"], ["check"], ["key"], ["key", "set"], ["demo"], ["mock"]):
            out = run(*words, "--help")
            self.assertEqual((out.returncode, out.stderr), (0, ""), words)
            self.assertIn("Usage", out.stdout)

    def test_version_is_one_line(self):
        for words in ([], ["serve"], ["check"], ["key"], ["key", "set"], ["demo"], ["mock"], ["explain"]):
            out = run(*words, "--version")
            self.assertEqual(out.returncode, 0, words)
            self.assertRegex(out.stdout, r"^streamkeeper \d+\.\d+\.\d+\n$")

    def refused(self, *arguments):
        out = run(*arguments)
        self.assertEqual((out.returncode, out.stdout), (2, ""), arguments)
        self.assertIn("--help", out.stderr)
        return out.stderr

    def test_an_unknown_command_exits_2_with_a_neighbour(self):
        self.assertIn("unknown command 'serv'; did you mean 'serve'?", self.refused("serv"))
        self.assertIn("unknown command 'st'; did you mean 'set'?", self.refused("key", "st", "a/b"))

    def test_an_unknown_command_without_a_neighbour_lists_them_all(self):
        self.assertIn("unknown command 'frobnicate'; it may be serve, check, key, demo, mock", self.refused("frobnicate"))

    def test_an_unknown_option_exits_2_with_a_neighbour(self):
        self.assertIn("unknown option '--confg'; did you mean '--config'?", self.refused("serve", "--confg", "x"))
        self.assertIn("unknown option '--shema'; did you mean '--schema'?", self.refused("check", "--shema"))

    def test_a_value_that_looks_like_a_command_is_no_command(self):
        self.assertIn("unknown option '--listn'", self.refused("serve", "--config", "serve", "--listn", "1"))

    def test_no_command_and_contradicting_options_exit_2(self):
        self.refused()
        self.refused("key")
        self.assertIn("--config", self.refused("serve", "--upstream", "http://127.0.0.1:1/v1", "--config", "x"))
        self.assertIn("--upstream", self.refused("serve", "--key-file", "x"))
        self.refused("serve", "--config")


class Check(unittest.TestCase):
    def setUp(self):
        self.folder = scratch(self)
        write(self.folder, "key", SECRET + "\n")
        write(self.folder, "token", "tok-planted-0123456789\n")

    def config(self, text):
        return write(self.folder, "streamkeeper.yaml", text)

    def test_a_good_file_exits_0_and_prints_the_effective_one_with_secrets_masked(self):
        file = self.config(config_for("http://127.0.0.1:9/v1", extra="clients: [{name: cline, token_file: token}]"))
        out = run("check", "--config", file)
        self.assertEqual(out.returncode, 0, out.stderr)
        self.assertIn("no mistakes", out.stderr)
        self.assertIn("first_byte: 300s", out.stdout.replace("5m", "300s"))
        self.assertIn("sk-…cdef", out.stdout)
        self.assertNotIn(SECRET, out.stdout + out.stderr)
        self.assertNotIn("tok-planted", out.stdout + out.stderr)

    def test_what_it_prints_is_a_configuration_that_it_takes(self):
        file = self.config(config_for("http://127.0.0.1:9/v1"))
        printed = write(self.folder, "again.yaml", run("check", "--config", file).stdout)
        self.assertEqual(run("check", "--config", printed).returncode, 0)

    def test_every_mistake_is_a_line_on_stderr_and_nothing_is_printed(self):
        file = self.config("upstreams: {one: {base_url: 'http://127.0.0.1:9/v1', kees: []}}\ndrian: 5s\nlimits: {head: -1}\n")
        out = run("check", "--config", file)
        self.assertEqual((out.returncode, out.stdout), (1, ""))
        lines = out.stderr.strip().split("\n")
        self.assertGreaterEqual(len(lines), 3)
        for line in lines:
            self.assertRegex(line, rf"^{re.escape(file)}:\d+:\d+: ")
        self.assertIn("did you mean `keys`?", out.stderr)
        self.assertIn("did you mean `drain`?", out.stderr)

    def test_the_schema_is_json_and_knows_the_keys(self):
        schema = json.loads(run("check", "--schema").stdout)
        self.assertIn("upstreams", schema["properties"])
        self.assertIn("$schema", schema)

    def test_the_file_is_looked_for_where_the_contract_says(self):
        text = config_for("http://127.0.0.1:9/v1").replace("file: key", f"file: {self.folder}/key")
        named = write(self.folder, "named.yaml", text)
        xdg = write(self.folder, "xdg/streamkeeper/streamkeeper.yaml", text)
        home = write(self.folder, "home/.config/streamkeeper/streamkeeper.yaml", text)
        places = {"HOME": f"{self.folder}/home"}
        self.assertIn(home, run("check", env=places).stderr)
        places["XDG_CONFIG_HOME"] = f"{self.folder}/xdg"
        self.assertIn(xdg, run("check", env=places).stderr)
        places["STREAMKEEPER_CONFIG"] = named
        self.assertIn(named, run("check", env=places).stderr)
        given = self.config(text)
        self.assertIn(given, run("check", "--config", given, env=places).stderr)

    def test_a_full_disk_is_no_success(self):
        file = self.config(config_for("http://127.0.0.1:9/v1"))
        with open("/dev/full", "w") as full:
            out = subprocess.run([BINARY, "check", "--config", file], stdout=full, stderr=subprocess.PIPE, text=True, timeout=30)
        self.assertEqual(out.returncode, 1)


class KeySet(unittest.TestCase):
    """As a plain user: keys go below $XDG_CONFIG_HOME or ~/.config. Root's go to /etc, so tests run by root step down."""

    def setUp(self):
        if ROOT and not shutil.which("setpriv"):
            self.skipTest("needs setpriv, to be a plain user")
        self.home = scratch(self)
        if ROOT:
            os.chown(self.home, NOBODY, NOBODY)
        self.step_down = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if ROOT else []
        self.env = {k: v for k, v in os.environ.items() if k not in ("STREAMKEEPER_CONFIG", "XDG_CONFIG_HOME")}
        self.env["HOME"] = self.home
        self.stored = os.path.join(self.home, ".config/streamkeeper/keys/apertis-payg")
        self.binary = BINARY
        if ROOT:  # the build folder may be closed to others
            self.binary = os.path.join(self.home, "streamkeeper")
            shutil.copy(BINARY, self.binary)
            os.chmod(self.binary, 0o755)

    def pipe(self, text, name="apertis/payg", **env):
        return subprocess.run([*self.step_down, self.binary, "key", "set", name], input=text, capture_output=True, text=True,
                              timeout=30, env={**self.env, **env})

    def content(self):
        with open(self.stored) as file:
            return file.read()

    def test_a_key_from_a_pipe_is_stored_0600_in_folders_0700(self):
        out = self.pipe(SECRET + "\n")
        self.assertEqual((out.returncode, out.stderr), (0, ""))
        self.assertEqual(self.content(), SECRET + "\n")
        self.assertEqual(stat.S_IMODE(os.stat(self.stored).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(self.stored)).st_mode), 0o700)
        self.assertEqual(os.listdir(os.path.dirname(self.stored)), ["apertis-payg"], "no draft is left")

    def test_what_is_said_shows_the_place_and_the_next_step_but_never_the_key(self):
        out = self.pipe(SECRET + "\n")
        self.assertIn(self.stored, out.stdout)
        self.assertIn("sk-…cdef", out.stdout)
        self.assertIn("- {name: payg, file: keys/apertis-payg}", out.stdout)
        self.assertNotIn(SECRET, out.stdout + out.stderr)

    def test_the_lines_it_prints_make_a_configuration_that_works(self):
        out = self.pipe(SECRET + "\n").stdout
        lines = out[out.index("\nupstreams:"):out.index("\n\nThen")]
        file = os.path.join(self.home, ".config/streamkeeper/streamkeeper.yaml")
        write(os.path.dirname(file), "streamkeeper.yaml", lines + "\n", 0o644)
        check = subprocess.run([*self.step_down, self.binary, "check"], capture_output=True, text=True, timeout=30, env=self.env)
        self.assertEqual(check.returncode, 0, check.stderr)
        self.assertIn("sk-…cdef", check.stdout)
        again = self.pipe(SECRET + "\n").stdout
        self.assertIn("Make it live", again)

    def test_xdg_config_home_is_obeyed(self):
        out = self.pipe(SECRET, XDG_CONFIG_HOME=os.path.join(self.home, "xdg"))
        self.assertEqual(out.returncode, 0, out.stderr)
        self.assertTrue(os.path.exists(os.path.join(self.home, "xdg/streamkeeper/keys/apertis-payg")))

    def test_a_paste_is_cleaned_and_what_was_stripped_is_said(self):
        out = self.pipe(f'  "Bearer {SECRET}"\u00a0\r\n')
        self.assertEqual(out.returncode, 0, out.stderr)
        self.assertEqual(self.content(), SECRET + "\n")
        self.assertRegex(out.stdout, "Stripped: .*quotes")

    def test_an_empty_paste_and_one_of_two_lines_store_nothing_and_keep_what_was(self):
        self.assertEqual(self.pipe(SECRET).returncode, 0)
        for paste in ("", "\n", "  \n\n", "sk-first-000000\nsk-second-000000\n"):
            out = self.pipe(paste)
            self.assertEqual((out.returncode, out.stdout), (1, ""), repr(paste))
            self.assertIn("nothing was stored", out.stderr)
            self.assertNotIn("sk-second", out.stderr)
        self.assertEqual(self.content(), SECRET + "\n")

    def test_a_new_key_replaces_the_old_one_and_closes_its_mode(self):
        self.pipe(SECRET)
        os.chmod(self.stored, 0o644)
        self.pipe("sk-another-0123456789")
        self.assertEqual(self.content(), "sk-another-0123456789\n")
        self.assertEqual(stat.S_IMODE(os.stat(self.stored).st_mode), 0o600)

    def test_a_name_without_its_upstream_or_with_a_path_in_it_exits_2(self):
        for name in ("payg", "a/b/c", "../x", "a/..", "/", "a b/c"):
            out = self.pipe(SECRET, name)
            self.assertEqual(out.returncode, 2, name)
            self.assertIn("UPSTREAM/NAME", out.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.home, ".config")))

    def test_a_folder_that_can_not_be_written_is_one_clear_line(self):
        out = self.pipe(SECRET, HOME="/proc")
        self.assertEqual((out.returncode, out.stderr.count("\n")), (1, 1), out.stderr)
        self.assertIn("not stored: /proc/.config", out.stderr)

    def terminal(self, paste, interrupt=False):
        """(exit status, what the terminal showed, whether echo was on before and after)."""
        leader, follower = pty.openpty()
        echo = lambda: bool(termios.tcgetattr(follower)[3] & termios.ECHO)
        before = echo()
        child = subprocess.Popen([*self.step_down, self.binary, "key", "set", "apertis/payg"], stdin=follower, stdout=follower,
                                 stderr=follower, env=self.env, start_new_session=True)
        seen, sent, end = b"", False, time.monotonic() + PATIENCE
        while child.poll() is None or select.select([leader], [], [], 0.1)[0]:
            self.assertLess(time.monotonic(), end, seen)
            if select.select([leader], [], [], 0.05)[0]:
                seen += os.read(leader, 4096)
            if not sent and b"(nothing is shown)" in seen:
                self.assertFalse(echo(), "echo must be off before the prompt asks")
                sent = True
                if interrupt:
                    child.send_signal(2)
                else:
                    os.write(leader, paste.encode())
        after = echo()
        os.close(follower)
        os.close(leader)
        return child.wait(), seen.decode(), (before, after)

    def test_on_a_terminal_it_asks_shows_nothing_and_gives_the_echo_back(self):
        status, seen, echo = self.terminal(SECRET + "\n")
        self.assertEqual(status, 0, seen)
        self.assertIn("Key for apertis/payg", seen)
        self.assertNotIn(SECRET, seen)
        self.assertEqual(echo, (True, True))
        self.assertEqual(self.content(), SECRET + "\n")

    def test_on_a_terminal_two_lines_are_refused(self):
        status, seen, echo = self.terminal("sk-first-000000\nsk-second-000000\n")
        self.assertEqual(status, 1, seen)
        self.assertIn("nothing was stored", seen)
        self.assertNotIn("sk-second", seen)
        self.assertFalse(os.path.exists(self.stored))
        self.assertTrue(echo[1])

    def test_control_c_at_the_prompt_gives_the_echo_back_and_stores_nothing(self):
        status, _, echo = self.terminal("", interrupt=True)
        self.assertEqual(status, -2)
        self.assertTrue(echo[1])
        self.assertFalse(os.path.exists(self.stored))


class KeySetAsRoot(unittest.TestCase):
    @unittest.skipUnless(ROOT and shutil.which("unshare"), "needs root, and unshare for an /etc of its own")
    def test_roots_keys_go_to_etc_and_the_entry_is_a_credential(self):
        folder = scratch(self)
        script = 'mount -t tmpfs none /etc && printf %s "$2" | "$1" key set apertis/payg && stat -c %a:%n /etc/streamkeeper /etc/streamkeeper/keys /etc/streamkeeper/keys/*'
        if subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode:
            self.skipTest("no mounts in this container")
        out = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", BINARY, SECRET], capture_output=True, text=True, timeout=30,
                             cwd=folder, env={k: v for k, v in os.environ.items() if k not in ("STREAMKEEPER_CONFIG", "XDG_CONFIG_HOME", "HOME")})
        self.assertEqual(out.returncode, 0, out.stderr)
        self.assertIn("- {name: payg, credential: apertis-payg}", out.stdout)
        self.assertTrue(out.stdout.endswith("755:/etc/streamkeeper\n700:/etc/streamkeeper/keys\n600:/etc/streamkeeper/keys/apertis-payg\n"), out.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
