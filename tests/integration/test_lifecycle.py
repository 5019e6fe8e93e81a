"""Birth, reload and death: what systemd, an operator and a bad day do to the daemon."""
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from harness import (BINARY, KEY, PATIENCE, Connection, Daemon, Mock, Origin, Process, answering, chat, config_for, delta, http,
                     metric, request_bytes, wait_for)

SOCKET_ACTIVATE = shutil.which("systemd-socket-activate")


def origin_of(test, *answers):
    origin = Origin(answering(*(answers or (lambda peer: peer.answer(body=b'{"id":"x"}'),))))
    test.addCleanup(origin.stop)
    return origin


def daemon_of(test, *arguments, **options):
    daemon = Daemon(*arguments, **options)
    test.addCleanup(daemon.stop)
    return daemon


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def post(address, body=None, headers=()):
    return http(address, "POST", "/v1/chat/completions", headers, body or chat())


def refused(address):
    """True once nobody listens there any more."""
    try:
        socket.create_connection(address, 1).close()
        return False
    except ConnectionRefusedError:
        return True


class Held:
    """An origin whose stream sends one token, then waits to be told to end."""

    def __init__(self, test):
        self.end = threading.Event()
        self.origin = Origin(self.script)
        test.addCleanup(self.origin.stop)
        test.addCleanup(self.end.set)

    def script(self, peer, _):
        while True:
            peer.read_request()
            peer.start_stream()
            peer.chunk(delta("first"))
            self.end.wait(PATIENCE)
            peer.chunk(delta(" last", finish="stop"))
            peer.chunk("data: [DONE]\n\n")
            peer.end_chunks()

    def begin(self, address):
        """A client's connection on which the first token has been seen."""
        connection = Connection(address)
        connection.send(request_bytes("POST", "/v1/chat/completions", body=chat(stream=True)))
        status, _, _ = connection.read_head()
        assert status == 200
        assert b"first" in connection.read_chunk()
        return connection

    def finish(self, connection):
        """Everything up to the last chunk; None if the stream was cut."""
        self.end.set()
        text = b""
        while chunk := connection.read_chunk():
            text += chunk
        return None if chunk is None else text


class NotifySocket:
    """What systemd's side of sd_notify receives."""

    def __init__(self, test):
        self.folder = tempfile.mkdtemp(prefix="notify-")
        test.addCleanup(shutil.rmtree, self.folder, True)
        self.path = os.path.join(self.folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        test.addCleanup(self.socket.close)
        self.socket.bind(self.path)
        self.socket.settimeout(PATIENCE)
        self.seen = []

    def wait(self, word):
        """The next message with this assignment, as a dictionary."""
        while True:
            message = dict(line.split("=", 1) for line in self.socket.recv(4096).decode().split("\n"))
            self.seen.append(message)
            if word in message:
                return message


class Notify(unittest.TestCase):
    def setUp(self):
        self.notify = NotifySocket(self)
        self.origin = origin_of(self)

    def daemon(self, **env):
        return daemon_of(self, config_for(self.origin.base_url), env={"NOTIFY_SOCKET": self.notify.path, **env})

    def test_ready_is_sent_once_it_listens_with_a_status(self):
        daemon = self.daemon()
        message = self.notify.wait("READY")
        self.assertEqual(message["READY"], "1")
        self.assertIn("1 upstream", message["STATUS"])
        self.assertEqual(http(daemon.address, "GET", "/readyz").status, 200)

    def test_a_reload_is_announced_with_its_moment_and_ended_with_ready(self):
        daemon = self.daemon()
        self.notify.wait("READY")
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        daemon.process.send_signal(signal.SIGHUP)
        message = self.notify.wait("RELOADING")
        self.assertGreaterEqual(int(message["MONOTONIC_USEC"]), before)  # sd_notify(3): Type=notify-reload compares it
        self.assertIn("reloaded", self.notify.wait("READY")["STATUS"])

    def test_a_failed_reload_ends_with_ready_too_and_the_status_says_so(self):
        daemon = self.daemon()
        self.notify.wait("READY")
        daemon.write_config("nonsense: 1\n")
        daemon.process.send_signal(signal.SIGHUP)
        self.notify.wait("RELOADING")
        self.assertIn("failed", self.notify.wait("READY")["STATUS"])

    def test_stopping_is_sent_with_what_it_waits_for(self):
        daemon = self.daemon()
        self.notify.wait("READY")
        daemon.process.terminate()
        message = self.notify.wait("STOPPING")
        self.assertIn("draining", message["STATUS"])
        self.assertEqual(daemon.wait(), 0)

    def test_the_watchdog_is_fed_again_and_again(self):
        self.daemon(WATCHDOG_USEC="200000")
        for _ in range(3):
            self.assertEqual(self.notify.wait("WATCHDOG")["WATCHDOG"], "1")

    def test_a_watchdog_of_another_process_is_not_fed(self):
        daemon = self.daemon(WATCHDOG_USEC="20000", WATCHDOG_PID="1")
        self.notify.wait("READY")
        post(daemon.address)
        daemon.process.terminate()
        self.notify.wait("STOPPING")
        self.assertFalse([message for message in self.notify.seen if "WATCHDOG" in message])

    def test_an_abstract_notify_socket_works(self):
        name = f"streamkeeper-test-{os.getpid()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as abstract:
            abstract.bind("\0" + name)
            abstract.settimeout(PATIENCE)
            self.daemon(NOTIFY_SOCKET="@" + name)
            self.assertIn(b"READY=1", abstract.recv(4096))


class Inherited(unittest.TestCase):
    """Sockets that systemd passes: clients wait through a restart."""

    # LISTEN_PID must be the daemon's own: a process that knows its id and then becomes the daemon. The sockets come as
    # numbers clear of what Python itself holds, and are moved to 3, 4 … here.
    LAUNCHER = ("import os, sys\n"
                "count, first = int(sys.argv[1]), int(sys.argv[2])\n"
                "for i in range(count): os.dup2(first + i, 3 + i)\n"
                "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(count))\n"
                "os.execv(sys.argv[3], sys.argv[3:])\n")
    lowest = 200

    def serve(self, sockets, config):
        folder = tempfile.mkdtemp(prefix="inherited-")
        self.addCleanup(shutil.rmtree, folder, True)
        for name, text in (("key", KEY), ("c.yaml", config)):
            with open(os.path.join(folder, name), "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                file.write(text)
        Inherited.lowest += 10
        first = Inherited.lowest
        copies = [os.dup2(one.fileno(), first + i) for i, one in enumerate(sockets)]
        self.addCleanup(lambda: [os.close(copy) for copy in copies])
        daemon = Process([sys.executable, "-c", self.LAUNCHER, str(len(copies)), str(first), BINARY, "serve", "--config",
                          os.path.join(folder, "c.yaml")], pass_fds=copies)
        self.addCleanup(daemon.stop)
        return daemon

    def listener(self):
        one = socket.socket()
        self.addCleanup(one.close)
        one.bind(("127.0.0.1", 0))
        one.listen(16)
        return one

    def test_sockets_that_systemd_passes_are_served_and_listen_is_not(self):
        origin, port = origin_of(self), free_port()
        sockets = [self.listener(), self.listener()]
        daemon = self.serve(sockets, config_for(origin.base_url).replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        for one in sockets:
            daemon.wait_line(f"listening on http://127.0.0.1:{one.getsockname()[1]}\\b")
            self.assertEqual(post(one.getsockname()).status, 200)
        self.assertTrue(refused(("127.0.0.1", port)))

    def test_a_client_that_came_before_the_daemon_is_served(self):
        one, origin = self.listener(), origin_of(self)
        with Connection(one.getsockname()) as early:
            early.send(request_bytes("GET", "/healthz"))
            self.serve([one], config_for(origin.base_url))
            self.assertEqual(early.read_response().status, 200)

    def test_a_unix_socket_of_systemd_is_served_and_its_file_left_alone(self):
        folder = tempfile.mkdtemp(prefix="unix-")
        self.addCleanup(shutil.rmtree, folder, True)
        path = os.path.join(folder, "http.sock")
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path)
            one.listen(16)
            daemon = self.serve([one], config_for(origin_of(self).base_url))
            self.assertEqual(post(path).status, 200)
            daemon.process.terminate()
            self.assertEqual(daemon.wait(), 0)
            self.assertTrue(os.path.exists(path))

    def test_sockets_meant_for_another_process_are_not_taken(self):
        one, origin = self.listener(), origin_of(self)
        daemon = daemon_of(self, config_for(origin.base_url), env={"LISTEN_PID": "1", "LISTEN_FDS": "1"})
        self.assertNotEqual(daemon.port, one.getsockname()[1])
        self.assertEqual(post(daemon.address).status, 200)

    def test_after_a_drain_the_passed_socket_still_queues_clients_for_the_next_daemon(self):
        one, origin = self.listener(), origin_of(self)
        daemon = self.serve([one], config_for(origin.base_url))
        self.assertEqual(http(one.getsockname(), "GET", "/healthz").status, 200)
        daemon.process.terminate()
        self.assertEqual(daemon.wait(), 0)
        with Connection(one.getsockname()) as waiting:  # accepted by the kernel, answered by nobody yet
            waiting.send(request_bytes("GET", "/healthz"))
            self.serve([one], config_for(origin.base_url))
            self.assertEqual(waiting.read_response().status, 200)

    @unittest.skipUnless(SOCKET_ACTIVATE, "no systemd-socket-activate")
    def test_systemd_socket_activate_starts_it_with_the_first_client(self):
        origin, port = origin_of(self), free_port()
        folder = tempfile.mkdtemp(prefix="activate-")
        self.addCleanup(shutil.rmtree, folder, True)
        key = os.path.join(folder, "key")
        with open(key, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(KEY)
        activator = Process(["systemd-socket-activate", "-l", f"127.0.0.1:{port}", BINARY, "serve", "--upstream",
                             origin.base_url, "--key-file", key])
        self.addCleanup(activator.stop)
        activator.wait_line("Listening on 127.0.0.1")
        self.assertEqual(post(("127.0.0.1", port)).status, 200)
        self.assertEqual(len(origin.seen), 1)
        activator.process.terminate()  # it became the daemon
        self.assertEqual(activator.wait(), 0)


class Reload(unittest.TestCase):
    def reload(self, daemon, config, well=True):
        count = daemon.output.count("was reloaded"), daemon.output.count("the last good one stays")
        daemon.write_config(config)
        daemon.process.send_signal(signal.SIGHUP)
        if well:
            wait_for(lambda: daemon.output.count("was reloaded") > count[0])
        else:
            wait_for(lambda: daemon.output.count("the last good one stays") > count[1])

    def test_a_changed_alias_is_taken(self):
        mock = Mock()
        self.addCleanup(mock.stop)
        daemon = daemon_of(self, config_for(mock.base_url, extra="aliases: {fast: mock-1}"))
        self.assertEqual(post(daemon.address, chat("fast")).header("x-streamkeeper-model"), "mock-1")
        self.reload(daemon, config_for(mock.base_url, extra="aliases: {fast: mock-reasoner}"))
        self.assertEqual(post(daemon.address, chat("fast")).header("x-streamkeeper-model"), "mock-reasoner")

    def test_a_changed_key_file_is_read_again(self):
        origin = origin_of(self)
        config = config_for(origin.base_url)
        daemon = daemon_of(self, config)
        post(daemon.address)
        daemon.write("key", "sk-the-second-key-00\n")
        self.reload(daemon, config)
        post(daemon.address)
        self.assertIn(b"Bearer " + KEY.encode() + b"\r\n", origin.seen[0][0])
        self.assertIn(b"Bearer sk-the-second-key-00\r\n", origin.seen[1][0])

    def test_changed_limits_hold_for_the_next_request_even_on_an_open_connection(self):
        origin = origin_of(self)
        daemon = daemon_of(self, config_for(origin.base_url))
        body = chat(pad="x" * 5000)
        with Connection(daemon.address) as connection:
            connection.send(request_bytes("POST", "/v1/chat/completions", body=body))
            self.assertEqual(connection.read_response().status, 200)
            self.reload(daemon, config_for(origin.base_url, extra="limits: {body: 4KiB}"))
        self.assertEqual(post(daemon.address, body).status, 413)

    def test_changed_clients_and_hosts_are_taken(self):
        origin = origin_of(self)
        daemon = daemon_of(self, config_for(origin.base_url), files={"token": "tok-0123456789abcdef\n"})
        self.assertEqual(post(daemon.address).status, 200)
        self.reload(daemon, config_for(origin.base_url, extra="clients: [{name: cline, token_file: token}]\nallowed_hosts: [box.example]"))
        self.assertEqual(post(daemon.address).status, 401)
        allowed = http(daemon.address, "POST", "/v1/chat/completions", [("Authorization", "Bearer tok-0123456789abcdef")], chat(), host="box.example")
        self.assertEqual(allowed.status, 200)

    def test_a_changed_log_format_is_taken(self):
        origin = origin_of(self)
        daemon = daemon_of(self, config_for(origin.base_url))
        self.reload(daemon, config_for(origin.base_url, extra="log: {format: text}"))
        post(daemon.address)
        daemon.wait_line(r"^\d{4}-\S+ info sk_\w+ POST chat_completions mock-1")

    def test_an_upstream_that_is_new_is_used_and_one_that_went_is_unknown(self):
        origin = origin_of(self)
        daemon = daemon_of(self, config_for(origin.base_url, origin.base_url))
        self.assertEqual(http(daemon.address, "POST", "/u/two/v1/chat/completions", body=chat()).status, 200)
        self.reload(daemon, config_for(origin.base_url))
        answer = http(daemon.address, "POST", "/u/two/v1/chat/completions", body=chat())
        self.assertEqual((answer.status, answer.json["error"]["code"]), (404, "unknown_upstream"))

    def test_a_running_request_keeps_the_configuration_it_began_with(self):
        held, other = Held(self), origin_of(self)
        daemon = daemon_of(self, config_for(held.origin.base_url))
        with held.begin(daemon.address) as connection:
            self.reload(daemon, config_for(other.base_url, extra="timeouts: {stream_idle: 100ms}"))
            self.assertEqual(post(daemon.address).status, 200)  # goes to the other one
            self.assertEqual(len(other.seen), 1)
            text = held.finish(connection)
        self.assertIsNotNone(text, "the stream was cut")
        self.assertIn(b"last", text)

    def test_metrics_and_idle_connections_survive_a_reload(self):
        origin = origin_of(self)
        config = config_for(origin.base_url)
        daemon = daemon_of(self, config)
        post(daemon.address)
        self.reload(daemon, config + "aliases: {x: y}\n")
        post(daemon.address)
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_requests_total", code="200"), 2)
        self.assertEqual(origin.connections, 1)

    def test_a_broken_file_keeps_the_last_good_one_says_where_and_moves_the_metric_there_and_back(self):
        origin = origin_of(self)
        good = config_for(origin.base_url)
        daemon = daemon_of(self, good)
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_config_last_reload_successful"), 1)
        loaded = metric(daemon.metrics(), "streamkeeper_config_last_reload_timestamp_seconds")
        self.reload(daemon, good + "drian: 5s\ntimeouts: {connect: soon}\n", well=False)
        line = good.count("\n") + 1
        daemon.wait_line(rf"streamkeeper\.yaml:{line}:1: .*drian.*drain")
        daemon.wait_line(rf"streamkeeper\.yaml:{line + 1}:21: .*timeouts.connect.*duration")
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_config_last_reload_successful"), 0)
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_config_last_reload_timestamp_seconds"), loaded)
        self.assertFalse(http(daemon.address, "GET", "/-/status").json["configuration"]["last_reload_successful"])
        self.assertEqual(post(daemon.address).status, 200)
        self.reload(daemon, good)
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_config_last_reload_successful"), 1)
        self.assertTrue(http(daemon.address, "GET", "/-/status").json["configuration"]["last_reload_successful"])

    def test_a_file_that_is_gone_keeps_the_last_good_one(self):
        origin = origin_of(self)
        daemon = daemon_of(self, config_for(origin.base_url))
        os.unlink(daemon.config_file)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_line("streamkeeper.yaml: .*No such file")
        self.assertEqual(post(daemon.address).status, 200)

    def test_a_slow_key_command_does_not_hold_up_requests_and_a_second_hangup_does_no_harm(self):
        origin = origin_of(self)
        folder = tempfile.mkdtemp(prefix="slow-")
        self.addCleanup(shutil.rmtree, folder, True)
        pipe, begun = os.path.join(folder, "pipe"), os.path.join(folder, "begun")
        os.mkfifo(pipe)
        daemon = daemon_of(self, config_for(origin.base_url))
        daemon.write_config(config_for(origin.base_url).replace(
            "file: key", f'command: [sh, -c, "touch {begun}; cat {pipe}"]'))
        daemon.process.send_signal(signal.SIGHUP)
        wait_for(lambda: os.path.exists(begun))
        daemon.process.send_signal(signal.SIGHUP)
        self.assertEqual(post(daemon.address).status, 200)
        self.assertNotIn("was reloaded", daemon.output)
        with open(pipe, "w") as file:
            file.write("sk-from-a-command-00\n")
        daemon.wait_line("was reloaded")
        post(daemon.address)
        self.assertIn(b"Bearer sk-from-a-command-00\r\n", origin.seen[-1][0])


class Drain(unittest.TestCase):
    def test_a_stream_under_way_ends_whole_while_new_connections_are_refused_and_idle_ones_closed(self):
        held = Held(self)
        daemon = daemon_of(self, config_for(held.origin.base_url))
        with held.begin(daemon.address) as connection, Connection(daemon.address) as idle:
            idle.send(request_bytes("GET", "/healthz"))
            self.assertEqual(idle.read_response().status, 200)
            daemon.process.terminate()
            self.assertTrue(idle.at_end())
            wait_for(lambda: refused(daemon.address))
            self.assertIsNone(daemon.process.poll())
            text = held.finish(connection)
            self.assertIsNotNone(text, "the stream was cut")
            self.assertIn(b"[DONE]", text)
            self.assertEqual(daemon.wait(), 0)
        self.assertEqual(daemon.request_lines()[-1]["outcome"], "ok")

    def test_a_request_that_ends_while_draining_closes_its_connection(self):
        released = threading.Event()
        self.addCleanup(released.set)

        def slow(peer):
            released.wait(PATIENCE)
            peer.answer()
        origin = origin_of(self, slow)
        daemon = daemon_of(self, config_for(origin.base_url))
        with Connection(daemon.address) as connection:
            connection.send(request_bytes("POST", "/v1/chat/completions", body=chat()))
            origin.wait_seen(1)
            daemon.process.terminate()
            daemon.wait_line("no new connections; 1 request")
            released.set()
            answer = connection.read_response()
            self.assertTrue(answer.complete)
            self.assertEqual(answer.status, 200)
            self.assertTrue(connection.at_end())
        self.assertEqual(daemon.wait(), 0)

    def test_a_second_signal_ends_at_once(self):
        held = Held(self)
        daemon = daemon_of(self, config_for(held.origin.base_url))
        with held.begin(daemon.address) as connection:
            daemon.process.terminate()
            daemon.wait_line("stopping: ")
            daemon.process.terminate()
            self.assertEqual(daemon.wait(), 0)
            while chunk := connection.read_chunk():
                pass
            self.assertIsNone(chunk, "a stream that was cut must not end with the last chunk")
        self.assertIn("stopping at once", daemon.output)

    def test_control_c_drains_too(self):
        daemon = daemon_of(self, config_for(origin_of(self).base_url))
        daemon.process.send_signal(signal.SIGINT)
        self.assertEqual(daemon.wait(), 0)

    def test_drain_bounds_the_wait(self):
        held = Held(self)
        daemon = daemon_of(self, config_for(held.origin.base_url, extra="drain: 500ms"))
        with held.begin(daemon.address) as connection:
            began = time.monotonic()
            daemon.process.terminate()
            self.assertEqual(daemon.wait(), 0)
            self.assertGreaterEqual(time.monotonic() - began, 0.45)
            self.assertLess(time.monotonic() - began, 10)
            chunk = connection.read_chunk()  # at most a reason, never the last chunk: it was cut, and says so
            while chunk:
                chunk = connection.read_chunk()
            self.assertIsNone(chunk)


class Startup(unittest.TestCase):
    def run_serve(self, *arguments, env=None, cwd=None):
        full = {k: v for k, v in os.environ.items() if k not in ("STREAMKEEPER_CONFIG", "XDG_CONFIG_HOME")}
        full.update(env or {})
        return subprocess.run([BINARY, "serve", *arguments], capture_output=True, text=True, timeout=30, env=full, cwd=cwd)

    def folder(self, config, **files):
        folder = tempfile.mkdtemp(prefix="startup-")
        self.addCleanup(shutil.rmtree, folder, True)
        for name, text in {"streamkeeper.yaml": config, "key": KEY + "\n", **files}.items():
            path = os.path.join(folder, name)
            with open(path, "w") as file:
                file.write(text)
            os.chmod(path, 0o600)
        return folder, os.path.join(folder, "streamkeeper.yaml")

    def test_after_kill_it_starts_again_on_the_same_port(self):
        held, port = Held(self), free_port()
        config = config_for(held.origin.base_url).replace("127.0.0.1:0", f"127.0.0.1:{port}")
        first = daemon_of(self, config)
        with held.begin(first.address):
            first.process.kill()
            first.process.wait(PATIENCE)
            second = daemon_of(self, config)
            self.assertEqual(second.port, port)
            self.assertEqual(http(second.address, "GET", "/healthz").status, 200)

    def test_after_kill_the_stale_unix_socket_is_replaced(self):
        origin = origin_of(self)
        folder = tempfile.mkdtemp(prefix="unix-")
        self.addCleanup(shutil.rmtree, folder, True)
        path = os.path.join(folder, "http.sock")
        config = config_for(origin.base_url).replace("127.0.0.1:0", f"unix:{path}")
        first = daemon_of(self, config, wait=False)
        first.wait_line("listening on unix:")
        first.process.kill()
        first.process.wait(PATIENCE)
        self.assertTrue(os.path.exists(path))
        second = daemon_of(self, config, wait=False)
        second.wait_line("listening on unix:")
        self.assertEqual(post(path).status, 200)
        second.process.terminate()
        self.assertEqual(second.wait(), 0)
        self.assertFalse(os.path.exists(path), "its own socket file is removed at the end")

    def test_a_unix_socket_in_use_is_not_taken_away_and_a_plain_file_not_removed(self):
        origin = origin_of(self)
        folder = tempfile.mkdtemp(prefix="unix-")
        self.addCleanup(shutil.rmtree, folder, True)
        path = os.path.join(folder, "http.sock")
        config = config_for(origin.base_url).replace("127.0.0.1:0", f"unix:{path}")
        first = daemon_of(self, config, wait=False)
        first.wait_line("listening on unix:")
        _, file = self.folder(config)
        run = self.run_serve("--config", file)
        self.assertEqual((run.returncode, run.stderr.count("\n")), (1, 1), run.stderr)
        self.assertEqual(post(path).status, 200)
        plain = os.path.join(folder, "plain")
        with open(plain, "w") as kept:
            kept.write("precious")
        _, file = self.folder(config.replace(path, plain))
        self.assertEqual(self.run_serve("--config", file).returncode, 1)
        with open(plain) as kept:
            self.assertEqual(kept.read(), "precious")

    def test_a_port_in_use_is_one_clear_line_and_nothing_is_half_started(self):
        origin, spare = origin_of(self), free_port()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            config = config_for(origin.base_url).replace('"127.0.0.1:0"', f'"127.0.0.1:{spare}", "127.0.0.1:{port}"')
            notify = NotifySocket(self)
            _, file = self.folder(config)
            run = self.run_serve("--config", file, env={"NOTIFY_SOCKET": notify.path})
            self.assertEqual(run.returncode, 1)
            self.assertEqual(run.stderr.count("\n"), 1, run.stderr)
            self.assertRegex(run.stderr, rf"^streamkeeper: can't listen on 127\.0\.0\.1:{port}: Address already in use \(.*ss -ltnp.*\)")
            self.assertTrue(refused(("127.0.0.1", spare)))
            notify.socket.setblocking(False)
            self.assertRaises(BlockingIOError, notify.socket.recv, 10)

    def test_all_mistakes_are_told_at_once_with_file_line_and_column(self):
        config = ('listen: ["127.0.0.1:0"]\nupstreems: {}\nupstreams:\n  one:\n    base_url: ftp://x\n'
                  '    keys: [{name: a, file: missing}, {name: b, file: open}]\ndrain: long\n')
        folder, file = self.folder(config, open=KEY)
        os.chmod(os.path.join(folder, "open"), 0o640)
        run = self.run_serve("--config", file)
        self.assertEqual(run.returncode, 1)
        lines = run.stderr.strip().split("\n")
        self.assertEqual(len(lines), 5, run.stderr)
        for line, (place, word) in zip(lines, (("2:1", "upstreams"), ("5:15", "base_url"), (r"6:\d+", "No such file"), (r"6:\d+", "group"), (r"7:\d+", "drain"))):
            self.assertRegex(line, rf"^streamkeeper: {file}:{place}: .*{word}")
        self.assertNotIn(KEY, run.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "root reads every file")
    def test_a_key_file_that_another_user_owns_is_refused(self):
        folder, file = self.folder(config_for("http://127.0.0.1:9/v1"))
        os.chown(os.path.join(folder, "key"), 65534, 65534)
        run = self.run_serve("--config", file)
        self.assertEqual(run.returncode, 1)
        self.assertRegex(run.stderr, r"streamkeeper\.yaml:6:\d+: .*owner")

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "needs root and setpriv")
    def test_a_key_file_that_may_not_be_read_is_refused(self):
        folder, file = self.folder(config_for("http://127.0.0.1:9/v1"))
        for path in (folder, file):
            os.chown(path, 65534, 65534)
        run = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", BINARY, "serve", "--config", file],
                             capture_output=True, text=True, timeout=30)
        self.assertEqual((run.returncode, run.stderr.count("\n")), (1, 1), run.stderr)
        self.assertRegex(run.stderr, r"streamkeeper\.yaml:6:\d+: .*Permission denied")

    def test_without_any_configuration_a_clear_line_says_what_to_do(self):
        home = tempfile.mkdtemp(prefix="home-")
        self.addCleanup(shutil.rmtree, home, True)
        if os.path.exists("/etc/streamkeeper/streamkeeper.yaml"):
            self.skipTest("this machine has a configuration of its own")
        run = self.run_serve(env={"HOME": home})
        self.assertEqual((run.returncode, run.stderr.count("\n")), (1, 1), run.stderr)
        for words in ("no configuration", "--config", "--upstream", "streamkeeper demo"):
            self.assertIn(words, run.stderr)

    def test_a_file_that_does_not_exist_is_one_clear_line(self):
        run = self.run_serve("--config", "/nonexistent/streamkeeper.yaml")
        self.assertEqual((run.returncode, run.stderr.count("\n")), (1, 1), run.stderr)
        self.assertIn("/nonexistent/streamkeeper.yaml: cannot be read: No such file", run.stderr)

    def test_it_runs_without_a_file_from_an_upstream_and_a_key_file(self):
        origin = origin_of(self)
        folder, _ = self.folder("")
        daemon = Process([BINARY, "serve", "--upstream", origin.base_url, "--key-file", os.path.join(folder, "key"), "--listen", "127.0.0.1:0"])
        self.addCleanup(daemon.stop)
        port = int(daemon.wait_line(r"listening on http://127\.0\.0\.1:(\d+)").group(1))
        self.assertEqual(post(("127.0.0.1", port)).status, 200)
        self.assertIn(b"Bearer " + KEY.encode(), origin.seen[0][0])

    def test_without_a_file_a_wrong_flag_is_named(self):
        folder, _ = self.folder("")
        run = self.run_serve("--upstream", "http://127.0.0.1:9/v1", "--key-file", os.path.join(folder, "nothing"), "--listen", "127.0.0.1:0")
        self.assertEqual((run.returncode, run.stderr.count("\n")), (1, 1), run.stderr)
        self.assertRegex(run.stderr, "--key-file: .*nothing.*No such file")

    def test_the_process_can_not_be_dumped(self):
        daemon = daemon_of(self, config_for(origin_of(self).base_url))
        # A process that is not dumpable has a /proc that belongs to root (proc(5)); for root, the mode of `mem` is no help.
        with open(f"/proc/{daemon.pid}/status") as status:
            self.assertIn("State", status.read())
        self.assertEqual(os.stat(f"/proc/{daemon.pid}/environ").st_uid, 0)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Scarcity(unittest.TestCase):
    def test_with_64_descriptors_it_warns_serves_and_neither_spins_nor_dies(self):
        held = Held(self)
        daemon = daemon_of(self, config_for(held.origin.base_url),
                           preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
        cap = int(daemon.wait_line(r"only 64 file descriptors may be open \(RLIMIT_NOFILE\): at most (\d+) connections").group(1))
        busy = [held.begin(daemon.address) for _ in range(cap)]
        for one in busy:
            self.addCleanup(one.close)
        more = [Connection(daemon.address) for _ in range(100)]  # they wait in the backlog
        for one in more:
            one.send(request_bytes("GET", "/healthz"))
        before, began = cpu_seconds(daemon.pid), time.monotonic()
        time.sleep(1.0)  # what is measured is the time itself: a spinning loop would use all of it
        self.assertLess(cpu_seconds(daemon.pid) - before, 0.5 * (time.monotonic() - began))
        self.assertIsNone(daemon.process.poll())
        for one in busy:
            self.assertIsNotNone(held.finish(one))
            one.close()
        for one in more:
            self.assertEqual(one.read_response().status, 200)
            one.close()
        self.assertEqual(http(daemon.address, "GET", "/healthz").status, 200)

    def test_at_the_cap_the_longest_idle_connection_makes_room(self):
        daemon = daemon_of(self, config_for(origin_of(self).base_url, extra="limits: {connections: 2}"))
        with Connection(daemon.address) as oldest, Connection(daemon.address) as newer:
            for one in (oldest, newer):
                one.send(request_bytes("GET", "/healthz"))
                self.assertEqual(one.read_response().status, 200)
            self.assertEqual(http(daemon.address, "GET", "/healthz").status, 200)
            self.assertTrue(oldest.at_end())

    def test_at_the_cap_an_idle_connection_stays_while_nobody_needs_its_place(self):
        daemon = daemon_of(self, config_for(origin_of(self).base_url, extra="limits: {connections: 2}"))
        with Connection(daemon.address) as first, Connection(daemon.address) as second:
            for one in (first, second, first):
                one.send(request_bytes("GET", "/healthz"))
                self.assertEqual(one.read_response().status, 200)

    def test_a_full_disk_for_the_log_costs_log_lines_and_nothing_else(self):
        origin, port = origin_of(self), free_port()
        with open("/dev/full", "w") as full:
            daemon = daemon_of(self, config_for(origin.base_url).replace("127.0.0.1:0", f"127.0.0.1:{port}"), wait=False, stderr=full)
        wait_for(lambda: not refused(("127.0.0.1", port)))
        for _ in range(5):
            self.assertEqual(post(("127.0.0.1", port)).status, 200)
        status = lambda: http(("127.0.0.1", port), "GET", "/-/status").json["log_lines_dropped"]
        wait_for(lambda: status() >= 6)  # five requests and where it listens
        daemon.process.terminate()
        self.assertEqual(daemon.wait(), 0)

    def test_a_log_that_nobody_reads_never_holds_up_a_request(self):
        origin, port = origin_of(self), free_port()
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        daemon = daemon_of(self, config_for(origin.base_url, extra="limits: {memory: 16MiB}").replace("127.0.0.1:0", f"127.0.0.1:{port}"),
                           wait=False, stderr=writer)
        os.close(writer)
        wait_for(lambda: not refused(("127.0.0.1", port)))
        wrong = request_bytes("POST", "/v1/chat/completions", body=b"x" * 10)  # about 300 bytes of log
        with Connection(("127.0.0.1", port)) as connection:
            for _ in range(60):
                connection.send(wrong * 100)
                for _ in range(100):
                    self.assertEqual(connection.read_response().status, 400)
            connection.send(request_bytes("GET", "/-/status"))
            self.assertGreater(connection.read_response().json["log_lines_dropped"], 0)
        daemon.process.terminate()
        self.assertEqual(daemon.wait(), 0, "a stalled log must not hold up the end")


if __name__ == "__main__":
    program = unittest.main(verbosity=2, exit=False)
    if program.result.wasSuccessful() and not SOCKET_ACTIVATE:
        print("skipped: no systemd-socket-activate here (Debian's package systemd); all the others passed")
        sys.exit(77)
    sys.exit(not program.result.wasSuccessful())
