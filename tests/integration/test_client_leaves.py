"""A client that leaves, at every moment of a request: the upstream's connection ends at once, and it is nobody's error."""
import socket
import threading
import unittest

import harness
from harness import PATIENCE, Connection, Daemon, Origin, answering, chat, config_for, delta, http, metric, request_bytes, wait_for

AT_ONCE = 8.0  # seconds: generous for a loaded machine, far from every timeout that would end the connection too
DONE = "data: [DONE]\n\n"


class Leaving(harness.Case):
    """Each way of leaving (an orderly close, a reset) at each moment."""

    def watching(self, begin):
        """An origin that runs `begin(peer)`, then waits for the end of its connection: (origin, begun, ended)."""
        begun, ended = threading.Semaphore(0), threading.Semaphore(0)

        def script(peer, origin):
            begin(peer)
            begun.release()
            try:
                while peer.more():
                    peer.buffer = b""
            except OSError:
                pass
            ended.release()
        return self.origin(script), begun, ended

    def check_counted(self, daemon, line, status=499):
        self.assertEqual((line["outcome"], line["status"]), ("client_closed", status))
        metrics = daemon.metrics()
        self.assertGreaterEqual(metric(metrics, "streamkeeper_requests_total", outcome="client_closed", code="499"), 1)
        self.assertEqual(metric(metrics, "streamkeeper_requests_total", outcome="error"), 0)
        self.assertEqual(metric(metrics, "streamkeeper_upstream_errors_total"), 0)
        self.assertEqual(metric(metrics, "streamkeeper_requests_in_flight"), 0)
        self.assertEqual(metric(metrics, "streamkeeper_upstream_connections", state="busy"), 0)

    def leave_while(self, begin, data, until=lambda connection: None):
        """Sends `data`, waits until the origin has done `begin`, then leaves; the origin must see the end at once."""
        origin, begun, ended = self.watching(begin)
        daemon = self.daemon(origin.base_url)
        for count, leave in enumerate((Connection.close, Connection.reset), 1):
            with self.subTest(leave.__name__):
                connection = Connection(daemon.address)
                self.addCleanup(connection.close)
                connection.send(data)
                self.assertTrue(begun.acquire(timeout=PATIENCE))
                until(connection)
                leave(connection)
                self.assertTrue(ended.acquire(timeout=AT_ONCE), "the upstream's connection is still open")
                self.check_counted(daemon, daemon.wait_request_lines(count)[-1])
        return daemon, origin

    CHAT = request_bytes("POST", "/v1/chat/completions", body=chat())
    STREAM = request_bytes("POST", "/v1/chat/completions", body=chat(stream=True))
    UPLOAD = request_bytes("POST", "/v1/audio/transcriptions", [("Content-Type", "multipart/form-data; boundary=b"), ("Content-Length", "1000000")])

    # ---- before anything goes out

    def test_in_its_head_it_leaves_no_trace(self):
        origin, _, _ = self.watching(lambda peer: None)
        daemon = self.daemon(origin.base_url)
        for leave in (Connection.close, Connection.reset):
            connection = Connection(daemon.address)
            connection.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0")
            leave(connection)
        wait_for(lambda: daemon_sessions(daemon) == 1)
        self.assertEqual(origin.connections, 0)
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_requests_total"), 0)

    def test_in_its_body_nothing_is_sent(self):
        origin, _, _ = self.watching(lambda peer: None)
        daemon = self.daemon(origin.base_url)
        for count, leave in enumerate((Connection.close, Connection.reset), 1):
            connection = Connection(daemon.address)
            connection.send(request_bytes("POST", "/v1/chat/completions", [("Content-Length", "1000")]) + b'{"model":"m"')
            wait_for(lambda: metric(daemon.metrics(), "streamkeeper_memory_budget_bytes", kind="bodies") > 0)
            leave(connection)
            self.check_counted(daemon, daemon.wait_request_lines(count)[-1])
            self.assertEqual(metric(daemon.metrics(), "streamkeeper_memory_budget_bytes", kind="bodies"), 0)
        self.assertEqual(origin.connections, 0)

    def test_while_it_waits_for_the_budget_it_gives_up_its_place(self):
        origin, _, _ = self.watching(lambda peer: None)
        daemon = self.daemon(origin.base_url, extra="limits: {memory: 2MiB, body: 1MiB}")
        fillers = []
        for _ in range(2):  # two bodies of half the budget, never finished
            fillers.append(Connection(daemon.address))
            self.addCleanup(fillers[-1].close)
            fillers[-1].send(request_bytes("POST", "/v1/chat/completions", [("Content-Length", str(1 << 20))]) + b"{")
        wait_for(lambda: metric(daemon.metrics(), "streamkeeper_memory_budget_bytes", kind="bodies") == 2 << 20)
        for count, leave in enumerate((Connection.close, Connection.reset), 1):
            with self.subTest(leave.__name__):
                connection = Connection(daemon.address)
                # Small enough for the socket's buffer: behind a full one no end can be seen.
                connection.send(request_bytes("POST", "/v1/chat/completions", body=chat(user="x" * 20000)))
                wait_for(lambda: daemon_sessions(daemon) == 4)
                leave(connection)
                self.check_counted(daemon, daemon.wait_request_lines(count, AT_ONCE)[-1])
        self.assertEqual(origin.connections, 0)

    def test_while_connecting_the_connect_is_given_up(self):
        listener = socket.socket()
        self.addCleanup(listener.close)
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(32):  # the kernel takes no more
            filler = socket.socket()
            filler.setblocking(False)
            self.addCleanup(filler.close)
            filler.connect_ex(listener.getsockname())
        daemon = self.daemon(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", extra="timeouts: {connect: 100s}")
        for count, leave in enumerate((Connection.close, Connection.reset), 1):
            connection = Connection(daemon.address)
            connection.send(self.CHAT)
            wait_for(lambda: metric(daemon.metrics(), "streamkeeper_requests_in_flight") == 1)
            leave(connection)
            self.check_counted(daemon, daemon.wait_request_lines(count, AT_ONCE)[-1])

    def test_in_a_tls_handshake_it_is_given_up(self):
        origin, begun, ended = self.watching(lambda peer: None)
        daemon = self.daemon(f"https://127.0.0.1:{origin.port}/v1", extra="timeouts: {connect: 100s}")
        connection = Connection(daemon.address)
        connection.send(self.CHAT)
        self.assertTrue(begun.acquire(timeout=PATIENCE))
        wait_for(lambda: metric(daemon.metrics(), "streamkeeper_requests_in_flight") == 1)
        connection.close()
        self.assertTrue(ended.acquire(timeout=AT_ONCE))
        self.check_counted(daemon, daemon.wait_request_lines(1)[-1])

    # ---- while the upstream works

    def test_while_a_long_request_is_being_sent(self):
        # The origin reads the head alone: the daemon's writes stand still.
        stuck = threading.Event()
        self.addCleanup(stuck.set)
        ended = threading.Semaphore(0)

        def script(peer, origin):
            peer.socket.recv(1024)
            origin.note(b"", b"")
            stuck.wait(PATIENCE)
            try:
                while peer.more():
                    peer.buffer = b""
            except OSError:
                pass
            ended.release()
        origin = self.origin(script, receive_buffer=4096)
        daemon = self.daemon(origin.base_url)
        connection = Connection(daemon.address)
        connection.send(request_bytes("POST", "/v1/chat/completions", body=chat(user="x" * (16 << 20))))
        origin.wait_seen(1)
        connection.close()
        self.check_counted(daemon, daemon.wait_request_lines(1, AT_ONCE)[-1])
        stuck.set()
        self.assertTrue(ended.acquire(timeout=AT_ONCE))

    def test_before_the_head(self):
        _, origin = self.leave_while(lambda peer: peer.read_request(), self.CHAT)
        self.assertEqual(len(origin.seen), 2, "nothing was sent again")

    def test_in_the_middle_of_the_head(self):
        self.leave_while(lambda peer: (peer.read_request(), peer.send(b"HTTP/1.1 200 OK\r\nContent-")), self.CHAT)

    def test_in_a_json_answer(self):
        half = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        self.leave_while(lambda peer: (peer.read_request(), peer.send(half)), self.CHAT)

    def test_in_an_error_answer(self):
        half = b"HTTP/1.1 500 Bad\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        self.leave_while(lambda peer: (peer.read_request(), peer.send(half)), self.CHAT)

    def test_in_a_stream_before_its_first_output(self):
        self.leave_while(lambda peer: (peer.read_request(), peer.start_stream(), peer.chunk(delta(""))), self.STREAM)

    def test_in_a_stream(self):
        until = lambda connection: (connection.read_head(), connection.read_chunk())
        daemon, _ = self.leave_while(lambda peer: (peer.read_request(), peer.start_stream(), peer.chunk(delta("x"))), self.STREAM, until)
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_stream_ends_total", how="client_closed"), 2)

    def test_in_a_stream_that_it_does_not_read(self):
        ended = threading.Semaphore(0)

        def script(peer, origin):
            peer.read_request()
            peer.start_stream()
            try:
                while True:
                    peer.chunk(delta("x" * 60000))
                    origin.note(b"", b"")
            except OSError:
                ended.release()
        origin = self.origin(script)
        daemon = self.daemon(origin.base_url)
        connection = Connection(daemon.address)
        connection.send(self.STREAM)
        origin.wait_seen(20)
        connection.close()
        self.assertTrue(ended.acquire(timeout=AT_ONCE))
        self.check_counted(daemon, daemon.wait_request_lines(1)[-1])

    def test_in_a_passed_through_answer(self):
        half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
        until = lambda connection: (connection.read_head(), connection.read_exactly(4))
        self.leave_while(lambda peer: (peer.read_request(), peer.send(half)), request_bytes("GET", "/v1/files/f/content"), until)

    def test_before_a_passed_through_head(self):
        self.leave_while(lambda peer: peer.read_request(), request_bytes("GET", "/v1/files/f/content"))

    def test_in_an_upload(self):
        self.leave_while(lambda peer: peer.read_until(b"part"), self.UPLOAD + b"part")

    def test_in_a_chunked_upload(self):
        head = request_bytes("POST", "/v1/files", [("Content-Type", "application/octet-stream"), ("Transfer-Encoding", "chunked")])
        self.leave_while(lambda peer: peer.read_until(b"part"), head + b"4\r\npart\r\n")

    def test_in_an_upload_that_the_upstream_does_not_take(self):
        stuck = threading.Event()
        self.addCleanup(stuck.set)
        ended = threading.Semaphore(0)

        def script(peer, origin):
            peer.socket.recv(1024)
            stuck.wait(PATIENCE)
            try:
                while peer.more():
                    peer.buffer = b""
            except OSError:
                pass
            ended.release()
        origin = self.origin(script, receive_buffer=4096)
        daemon = self.daemon(origin.base_url)
        connection = Connection(daemon.address)
        connection.send(request_bytes("POST", "/v1/files", [("Content-Type", "application/octet-stream"), ("Content-Length", str(1 << 30))]))
        connection.socket.settimeout(1.0)  # everything on the way is full
        try:
            while True:
                connection.send(b"x" * (1 << 20))
        except TimeoutError:
            pass
        connection.reset()  # an orderly end would wait in the client's kernel behind the bytes
        self.check_counted(daemon, daemon.wait_request_lines(1, AT_ONCE)[-1])
        stuck.set()
        self.assertTrue(ended.acquire(timeout=AT_ONCE))

    def test_while_the_model_list_is_fetched(self):
        self.leave_while(lambda peer: peer.read_request(), request_bytes("GET", "/v1/models"))

    # ---- when all is done

    def finished_stream(self, *after):
        """The client has read the terminal event; the origin then does `after` once the client has left."""
        left = threading.Event()

        def script(peer, origin):
            peer.read_request()
            peer.start_stream()
            peer.chunk(delta("x") + delta(finish="stop") + DONE)
            left.wait(PATIENCE)
            for do in after:
                do(peer)
            while peer.more():
                pass
        return self.origin(script), left

    def check_success(self, leave, *after):
        origin, left = self.finished_stream(*after)
        daemon = self.daemon(origin.base_url)
        connection = Connection(daemon.address)
        connection.send(self.STREAM)
        connection.read_head()
        self.assertIn(b"[DONE]", connection.read_chunk())
        leave(connection)
        left.set()
        line = daemon.wait_request_lines(1)[0]
        self.assertEqual((line["outcome"], line["status"], line["end"]), ("ok", 200, "finish"))
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_stream_ends_total", how="finish"), 1)

    def test_right_after_the_terminal_event_it_is_success(self):
        self.check_success(Connection.close, lambda peer: peer.end_chunks())

    def test_right_after_it_without_the_last_chunk_it_is_success_too(self):
        self.check_success(Connection.close)

    def test_a_reset_right_after_the_terminal_event_is_success(self):
        self.check_success(Connection.reset)

    def test_after_a_whole_answer_it_is_no_news(self):
        origin = self.origin(answering(lambda peer: peer.answer(200, b"{}")))
        daemon = self.daemon(origin.base_url)
        for leave in (Connection.close, Connection.reset):
            connection = Connection(daemon.address)
            connection.send(self.CHAT)
            self.assertEqual(connection.read_response().status, 200)
            leave(connection)
        wait_for(lambda: daemon_sessions(daemon) == 1)
        self.assertEqual([line["outcome"] for line in daemon.wait_request_lines(2)], ["ok", "ok"])
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_requests_total", outcome="client_closed"), 0)


def daemon_sessions(daemon):
    """How many connections the daemon has, the one that asks included."""
    return http(daemon.address, "GET", "/-/status").json["connections"]


if __name__ == "__main__":
    unittest.main(verbosity=2)
