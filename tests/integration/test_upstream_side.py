"""The way to an upstream: names, connections, the pool, proxies, TLS, and every timeout."""
import base64
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
import warnings

import harness
from harness import (PATIENCE, Connection, Daemon, Mock, Origin, answering, chat, config_for, delta, http, metric, request_bytes,
                     wait_for)

OK = b'{"object":"chat.completion","choices":[]}'
DONE = "data: [DONE]\n\n"
SOON = 12.0  # seconds: more than any short timeout below can take on a loaded machine, less than any default


class Case(harness.Case):
    def post(self, daemon, body=None, headers=()):
        return http(daemon.address, "POST", "/v1/chat/completions", headers, chat() if body is None else body)

    def refused(self, daemon, status, code, words="", body=None):
        answer = self.post(daemon, body)
        error = answer.json["error"]
        self.assertEqual((answer.status, error["code"]), (status, code), error)
        self.assertIn(words, error["message"])
        self.assertEqual(answer.header("x-should-retry"), "false")
        return error

    def held(self):
        """An event that is set when the test ends, for origins that are silent until then."""
        event = threading.Event()
        self.addCleanup(event.set)
        return event


def fine(peer):
    peer.answer(200, OK)


# ---- the pool

class Pool(Case):
    def test_a_connection_is_used_again(self):
        daemon, origin = self.behind(answering(fine))
        for _ in range(5):
            self.assertEqual(self.post(daemon).status, 200)
        self.assertEqual((origin.connections, len(origin.seen)), (1, 5))
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_upstream_connections", state="idle"), 1)

    def test_streams_leave_their_connection_for_the_next_request(self):
        def stream(peer):
            peer.start_stream()
            peer.chunk(delta("x") + delta(finish="stop") + DONE)
            peer.end_chunks()
        daemon, origin = self.behind(answering(stream, fine))
        self.post(daemon, chat(stream=True))
        self.assertEqual(self.post(daemon).status, 200)
        self.assertEqual(origin.connections, 1)

    def test_two_requests_at_once_take_two_connections_and_both_are_kept(self):
        both = threading.Barrier(2, timeout=PATIENCE)

        def script(peer, origin):
            while True:
                head, _ = peer.read_request()
                if b"x-wait" in head:
                    both.wait()
                fine(peer)
        daemon, origin = self.behind(script)
        for _ in range(2):
            threads = [threading.Thread(target=self.post, args=(daemon, None, [("x-wait", "1")])) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(origin.connections, 2)

    def stale(self, *later):
        """The first connection answers once; the second request is read from it and the connection closed unanswered."""
        def script(peer, origin):
            mine = origin.connections
            if mine == 1:
                peer.read_request()
                fine(peer)
                peer.read_request()
                return
            later[min(mine - 2, len(later) - 1)](peer)
        return script

    def test_a_pooled_connection_that_closes_unanswered_is_replaced_unseen_and_free(self):
        daemon, origin = self.behind(self.stale(lambda peer: (peer.read_request(), fine(peer))))
        self.post(daemon)
        answer = self.post(daemon)
        self.assertEqual(answer.status, 200)
        self.assertEqual(len(origin.seen), 3)
        self.assertEqual(origin.seen[1][1], origin.seen[2][1])
        self.assertEqual(daemon.wait_request_lines(2)[1]["outcome"], "ok")

    def test_it_is_replaced_only_once(self):
        daemon, origin = self.behind(self.stale(lambda peer: peer.read_request()))
        self.post(daemon)
        self.refused(daemon, 502, "upstream_closed")
        self.assertEqual((origin.connections, len(origin.seen)), (2, 3))

    def test_a_fresh_connection_that_closes_unanswered_is_not_replaced(self):
        daemon, origin = self.behind(lambda peer, origin: peer.read_request())
        self.refused(daemon, 502, "upstream_closed")
        self.assertEqual(origin.connections, 1)

    def test_once_a_byte_of_the_answer_came_it_is_not_replaced(self):
        def script(peer, origin):
            peer.read_request()
            fine(peer)
            peer.read_request()
            peer.send(b"HTTP/1.1 2")
        daemon, origin = self.behind(script)
        self.post(daemon)
        self.refused(daemon, 502, "upstream_closed")
        self.assertEqual(origin.connections, 1)

    def test_a_connection_closed_while_it_was_idle_is_not_even_tried(self):
        def script(peer, origin):
            peer.read_request()
            fine(peer)
        daemon, origin = self.behind(script)
        for _ in range(4):
            self.assertEqual(self.post(daemon).header("x-streamkeeper-attempts"), "1")
            wait_for(lambda: origin.finished == len(origin.seen))
        self.assertEqual(origin.connections, 4)
        self.assertEqual(len(origin.seen), 4)

    POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"

    def test_a_connection_with_bytes_that_nobody_asked_for_is_not_used(self):
        def script(peer, origin):
            while True:
                peer.read_request()
                peer.answer(200, OK)
                peer.send(self.POISON)
                origin.note(b"poison", b"")
        daemon, origin = self.behind(script)
        for count in (1, 2, 3):
            self.assertEqual(self.post(daemon).body, OK)
            origin.wait_seen(2 * count)  # the bytes have left
            self.assertEqual(origin.connections, count)

    def test_a_connection_whose_answer_was_followed_by_more_in_the_same_breath_is_not_used(self):
        whole = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(OK) + OK
        daemon, origin = self.behind(answering(lambda peer: peer.send(whole + self.POISON)))
        for count in (1, 2, 3):
            self.assertEqual(self.post(daemon).body, OK)
            self.assertEqual(origin.connections, count)

    def test_a_connection_whose_answer_says_close_is_not_kept(self):
        daemon, origin = self.behind(answering(lambda peer: peer.answer(200, OK, [("Connection", "close")])))
        self.post(daemon)
        self.post(daemon)
        self.assertEqual(origin.connections, 2)

    def test_a_connection_of_an_old_server_is_not_kept(self):
        old = lambda peer: peer.send(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(OK) + OK)
        daemon, origin = self.behind(answering(old))
        self.post(daemon)
        self.post(daemon)
        self.assertEqual(origin.connections, 2)

    def test_an_idle_connection_is_closed_after_pool_idle(self):
        ended = threading.Event()

        def script(peer, origin):
            peer.read_request()
            fine(peer)
            if not peer.more():
                ended.set()
        daemon, origin = self.behind(script, extra="timeouts: {pool_idle: 300ms}")
        self.post(daemon)
        self.assertTrue(ended.wait(SOON))
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_upstream_connections", state="idle"), 0)

    def test_pool_idle_can_be_the_upstreams_own(self):
        ended = threading.Event()

        def script(peer, origin):
            peer.read_request()
            fine(peer)
            if not peer.more():
                ended.set()
        daemon, _ = self.behind(script, upstream_extra="timeouts: {pool_idle: 200ms}")
        self.post(daemon)
        self.assertTrue(ended.wait(SOON))

    def test_a_delete_on_a_pooled_connection_is_not_sent_twice(self):
        daemon, origin = self.behind(self.stale(lambda peer: (peer.read_request(), fine(peer))))
        self.post(daemon)
        for _ in range(2):
            http(daemon.address, "DELETE", "/v1/files/f1")
        heads = [head for head, _ in origin.seen if head.startswith(b"DELETE")]
        self.assertEqual(len(heads), 2)

    def test_a_get_on_a_pooled_connection_that_closed_is_sent_again(self):
        daemon, origin = self.behind(self.stale(lambda peer: (peer.read_request(), fine(peer))))
        self.post(daemon)
        self.assertEqual(http(daemon.address, "GET", "/v1/files/f1").status, 200)
        self.assertEqual(len(origin.seen), 3)


# ---- connecting

class Connecting(Case):
    def closed_port(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            return free.getsockname()[1]

    def test_a_refused_connection_is_502_upstream_unreachable(self):
        daemon = self.daemon(f"http://127.0.0.1:{self.closed_port()}/v1")
        self.refused(daemon, 502, "upstream_unreachable", "Connection refused")
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_upstream_errors_total", **{"class": "network"}), 1)

    def test_a_name_that_does_not_exist_is_502_upstream_dns(self):
        daemon = self.daemon("https://nonexistent.invalid/v1", upstream_extra="proxy: none")
        self.refused(daemon, 502, "upstream_dns", "nonexistent.invalid")

    def test_localhost_is_found_where_only_ipv4_listens(self):
        origin = self.origin(answering(fine))
        daemon = self.daemon(f"http://localhost:{origin.port}/v1")
        self.assertEqual(self.post(daemon).status, 200)
        self.assertIn(f"Host: localhost:{origin.port}".encode(), origin.seen[0][0])

    def with_hosts(self, text, port, name):
        """A daemon that sees these contents as /etc/hosts (a mount of its own: needs to be root)."""
        folder = tempfile.mkdtemp(prefix="hosts-")
        self.addCleanup(shutil.rmtree, folder, True)
        hosts = os.path.join(folder, "hosts")
        with open(hosts, "w") as file:
            file.write(text)
        mounted = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts]
        if not shutil.which("unshare") or subprocess.run([*mounted, "true"], capture_output=True).returncode != 0:
            self.skipTest("/etc/hosts can't be replaced here")
        config = config_for(f"http://{name}:{port}/v1", upstream_extra="cleartext: true\nproxy: none")
        daemon = Daemon(config, prefix=mounted)
        self.addCleanup(daemon.stop)
        return daemon

    def test_both_families_are_tried_whichever_of_them_listens(self):
        both = "127.0.0.1 localhost both.test\n::1 localhost both.test\n"
        for family in (socket.AF_INET, socket.AF_INET6):
            with self.subTest(family=family.name):
                origin = self.origin(answering(fine), family=family)
                self.assertEqual(self.post(self.with_hosts(both, origin.port, "both.test")).status, 200)

    def test_an_address_that_swallows_everything_does_not_hold_up_the_other_family(self):
        swallow = socket.socket(socket.AF_INET6)
        self.addCleanup(swallow.close)
        swallow.bind(("::1", 0))
        port = swallow.getsockname()[1]
        fill_backlog(self, swallow, ("::1", port), socket.AF_INET6)
        try:
            self.origin(answering(fine), port=port)
        except OSError:
            self.skipTest("the port is taken on the other family")
        daemon = self.with_hosts("::1 both.test\n127.0.0.1 both.test\n", port, "both.test")
        began = time.monotonic()
        self.assertEqual(self.post(daemon).status, 200)
        self.assertLess(time.monotonic() - began, 8, "timeouts.connect is 10 s")

    def test_a_connection_that_does_not_come_up_ends_by_timeouts_connect(self):
        listener = socket.socket()
        self.addCleanup(listener.close)
        listener.bind(("127.0.0.1", 0))
        fill_backlog(self, listener, listener.getsockname(), socket.AF_INET)
        daemon = self.daemon(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", extra="timeouts: {connect: 300ms}")
        began = time.monotonic()
        self.refused(daemon, 502, "upstream_unreachable", "timeouts.connect passed")
        self.assertLess(time.monotonic() - began, SOON - 3)


def fill_backlog(case, listener, address, family):
    """Connects to a listener that accepts nobody until the kernel takes no more."""
    listener.listen(0)
    for _ in range(32):
        filler = socket.socket(family)
        filler.setblocking(False)
        case.addCleanup(filler.close)
        filler.connect_ex(address)
    time.sleep(0.05)  # loopback handshakes are done by the kernel at once


# ---- timeouts

class Timeouts(Case):
    def silent(self, *first):
        """An origin that reads a request, sends these pieces and then nothing."""
        held = self.held()

        def script(peer, origin):
            peer.read_request()
            for piece in first:
                piece(peer)
            held.wait(PATIENCE)
        return self.origin(script)

    def test_first_byte_bounds_the_wait_for_the_head(self):
        daemon = self.daemon(self.silent().base_url, extra="timeouts: {first_byte: 300ms}")
        self.refused(daemon, 504, "upstream_timeout", "timeouts.first_byte passed")
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_upstream_errors_total", **{"class": "timeout"}), 1)

    def dripping(self, pieces, pause=0.1):
        held = self.held()

        def script(peer, origin):
            peer.read_request()
            for piece in pieces:
                peer.send(piece)
                if held.wait(pause):
                    return
        return self.origin(script)

    def test_first_byte_is_not_extended_by_interim_answers(self):
        origin = self.dripping([b"HTTP/1.1 103 Early Hints\r\n\r\n"] * 200)
        self.refused(self.daemon(origin.base_url, extra="timeouts: {first_byte: 600ms}"), 504, "upstream_timeout", "timeouts.first_byte")

    def test_first_byte_is_not_extended_by_a_dripping_head(self):
        origin = self.dripping([b"HTTP/1.1 200 OK\r\nX-Slow: "] + [b"x"] * 200)
        self.refused(self.daemon(origin.base_url, extra="timeouts: {first_byte: 600ms}"), 504, "upstream_timeout", "timeouts.first_byte")

    def test_first_byte_bounds_the_silence_before_the_first_output(self):
        start = lambda peer: (peer.start_stream(), peer.chunk(delta("")))
        daemon = self.daemon(self.silent(start).base_url, extra="timeouts: {first_byte: 300ms}")
        self.refused(daemon, 504, "upstream_timeout", "timeouts.first_byte", chat(stream=True))

    def test_first_byte_bounds_the_silence_in_a_json_answer(self):
        start = lambda peer: peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{")
        daemon = self.daemon(self.silent(start).base_url, extra="timeouts: {first_byte: 300ms}")
        self.refused(daemon, 504, "upstream_timeout", "timeouts.first_byte")

    def test_first_byte_bounds_the_time_in_which_no_byte_of_the_request_is_taken(self):
        held = self.held()
        origin = self.origin(lambda peer, origin: held.wait(PATIENCE), receive_buffer=4096)
        daemon = self.daemon(origin.base_url, extra="timeouts: {first_byte: 400ms}")
        self.refused(daemon, 504, "upstream_timeout", "timeouts.first_byte", chat(user="x" * (16 << 20)))

    def test_an_upstream_that_takes_a_long_request_slowly_is_waited_for(self):
        def script(peer, origin):
            head = peer.read_until(b"\r\n\r\n")
            left = int([line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")][0].split(b":")[1]) - len(peer.buffer)
            peer.buffer = b""
            while left > 0:
                left -= len(peer.socket.recv(min(left, 1 << 20), socket.MSG_WAITALL))
                time.sleep(0.2)
            fine(peer)
        origin = self.origin(script, receive_buffer=1 << 20)
        daemon = self.daemon(origin.base_url, extra="timeouts: {first_byte: 3s}")
        began = time.monotonic()
        self.assertEqual(self.post(daemon, chat(user="x" * (24 << 20))).status, 200)
        self.assertGreater(time.monotonic() - began, 3, "longer than first_byte, and never without progress")

    def aborted(self, daemon, why, how):
        answer = self.post(daemon, chat(stream=True))
        self.assertEqual((answer.status, answer.complete), (200, False))
        self.assertTrue(answer.text.endswith(": streamkeeper stream_interrupted\n\n"))
        line = daemon.wait_request_lines(1)[0]
        self.assertIn(why, json.dumps(line))
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_stream_ends_total", how=how), 1)

    def test_stream_idle_bounds_the_silence_once_output_has_begun(self):
        start = lambda peer: (peer.start_stream(), peer.chunk(delta("x")))
        self.aborted(self.daemon(self.silent(start).base_url, extra="timeouts: {stream_idle: 300ms}"), "timeouts.stream_idle", "stalled")

    def test_comments_are_no_silence(self):
        def script(peer, origin):
            peer.read_request()
            peer.start_stream()
            peer.chunk(delta("x"))
            for _ in range(12):
                peer.chunk(": ping\n\n")
                time.sleep(0.1)
            peer.chunk(delta(finish="stop") + DONE)
            peer.end_chunks()
        daemon, _ = self.behind(script, extra="timeouts: {stream_idle: 800ms}")
        self.assertTrue(self.post(daemon, chat(stream=True)).text.endswith(DONE))

    def pinging(self, first=""):
        held = self.held()

        def script(peer, origin):
            peer.read_request()
            peer.start_stream()
            if first:
                peer.chunk(first)
            while not held.wait(0.05):
                peer.chunk(": ping\n\n")
        return self.origin(script)

    def test_stream_progress_bounds_the_time_with_comments_only(self):
        daemon = self.daemon(self.pinging(delta("x")).base_url, extra="timeouts: {stream_progress: 500ms}")
        self.aborted(daemon, "timeouts.stream_progress", "stalled")

    def test_stream_progress_counts_before_the_first_output_too(self):
        daemon = self.daemon(self.pinging().base_url, extra="timeouts: {stream_progress: 500ms}")
        self.refused(daemon, 504, "upstream_timeout", "timeouts.stream_progress", chat(stream=True))

    def endless(self):
        held = self.held()

        def script(peer, origin):
            peer.read_request()
            peer.start_stream()
            while not held.wait(0.05):
                peer.chunk(delta("x"))
        return self.origin(script)

    def test_total_bounds_an_attempt_that_goes_well(self):
        daemon = self.daemon(self.endless().base_url, extra="timeouts: {total: 700ms}")
        answer = self.post(daemon, chat(stream=True))
        self.assertGreater(answer.text.count("data:"), 1)
        self.assertFalse(answer.complete)
        self.assertIn("timeouts.total", json.dumps(daemon.wait_request_lines(1)[0]))

    def test_total_is_off_unless_it_is_set(self):
        daemon = self.daemon(self.silent().base_url, extra="timeouts: {first_byte: 300ms, total: off}")
        self.refused(daemon, 504, "upstream_timeout", "timeouts.first_byte")

    def test_an_upstreams_own_timeouts_override_the_global_ones(self):
        daemon = self.daemon(self.silent().base_url, upstream_extra="timeouts: {first_byte: 300ms}")
        self.refused(daemon, 504, "upstream_timeout", "timeouts.first_byte")

    def test_a_models_timeouts_override_the_upstreams(self):
        daemon = self.daemon(self.silent().base_url, upstream_extra="timeouts: {first_byte: 100s}", extra="models: {slow: {timeouts: {first_byte: 300ms}}}")
        self.refused(daemon, 504, "upstream_timeout", "timeouts.first_byte", chat("slow"))

    def test_a_model_without_its_own_keeps_the_upstreams(self):
        daemon = self.daemon(self.silent().base_url, upstream_extra="timeouts: {first_byte: 300ms}", extra="models: {slow: {timeouts: {total: 100s}}}")
        self.refused(daemon, 504, "upstream_timeout", "timeouts.first_byte", chat("slow"))

    def test_pass_through_is_bounded_by_first_byte_and_stream_idle(self):
        daemon = self.daemon(self.silent().base_url, extra="timeouts: {first_byte: 300ms}")
        answer = http(daemon.address, "GET", "/v1/files/x")
        self.assertEqual((answer.status, answer.json["error"]["code"]), (504, "upstream_timeout"))
        start = lambda peer: peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf")
        daemon = self.daemon(self.silent(start).base_url, extra="timeouts: {stream_idle: 300ms}")
        answer = http(daemon.address, "GET", "/v1/files/x")
        self.assertEqual((answer.status, answer.body, answer.complete), (200, b"half", False))

    # ---- those of the client

    def client_daemon(self, timeouts):
        return self.behind(answering(fine), extra=f"timeouts: {{{timeouts}}}")[0]

    def test_a_slow_head_is_408(self):
        connection = self.connect(self.client_daemon("client_head: 300ms"))
        connection.send("POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        answer = connection.read_response()
        self.assertEqual(answer.status, 408)
        self.assertEqual(answer.header("connection"), "close")
        self.assertTrue(connection.at_end())

    def test_a_dripping_head_is_408(self):
        connection = self.connect(self.client_daemon("client_head: 500ms"))
        stop = self.held()

        def drip():
            try:
                connection.send("GET /v1/models HTTP/1.1\r\nX: ")
                while not stop.wait(0.05):
                    connection.send("x")
            except OSError:
                pass
        threading.Thread(target=drip, daemon=True).start()
        self.assertEqual(connection.read_head()[0], 408)

    def test_a_second_slow_head_is_408_too(self):
        connection = self.connect(self.client_daemon("client_head: 300ms"))
        connection.send(request_bytes("POST", "/v1/chat/completions", body=chat()))
        self.assertEqual(connection.read_response().status, 200)
        connection.send("GET /v1")
        self.assertEqual(connection.read_response().status, 408)

    def test_a_connection_that_says_nothing_is_closed_without_a_word(self):
        self.assertTrue(self.connect(self.client_daemon("client_head: 300ms")).at_end())

    def test_a_slow_body_is_408(self):
        connection = self.connect(self.client_daemon("client_body_idle: 300ms"))
        connection.send(request_bytes("POST", "/v1/chat/completions", [("Content-Length", "100")]) + b'{"model"')
        answer = connection.read_response()
        self.assertEqual((answer.status, answer.json["error"]["code"]), (408, "request_timeout"))

    def test_a_slow_upload_is_408_and_ends_the_upstreams_connection(self):
        ended = threading.Event()

        def script(peer, origin):
            peer.read_until(b"\r\n\r\n")
            while peer.more():
                pass
            ended.set()
        daemon, _ = self.behind(script, extra="timeouts: {client_body_idle: 300ms}")
        connection = self.connect(daemon)
        connection.send(request_bytes("POST", "/v1/files", [("Content-Length", "100"), ("Content-Type", "application/octet-stream")]) + b"part")
        self.assertEqual(connection.read_response().status, 408)
        self.assertTrue(ended.wait(SOON))

    def test_a_body_that_keeps_coming_is_waited_for(self):
        connection = self.connect(self.client_daemon("client_body_idle: 900ms"))
        data = json.dumps(chat(user="x" * 20)).encode()
        connection.send(request_bytes("POST", "/v1/chat/completions", [("Content-Length", str(len(data))), ("Content-Type", "application/json")]))
        for at in range(0, len(data), 8):
            connection.send(data[at:at + 8])
            time.sleep(0.15)
        self.assertEqual(connection.read_response().status, 200)

    def test_an_idle_connection_is_closed_after_client_keepalive(self):
        connection = self.connect(self.client_daemon("client_keepalive: 300ms"))
        connection.send(request_bytes("POST", "/v1/chat/completions", body=chat()))
        self.assertEqual(connection.read_response().status, 200)
        self.assertTrue(connection.at_end())


# ---- proxies

def relay(one, other):
    """Bytes from one socket to the other until the end."""
    try:
        while data := one.recv(65536):
            other.sendall(data)
    except OSError:
        pass
    for end in (one, other):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def connect_proxy(target_port, reply=b"HTTP/1.1 200 Connection established\r\n\r\n"):
    """A CONNECT proxy that takes everybody to one port, whatever the name asked for."""
    def script(peer, origin):
        head = peer.read_until(b"\r\n\r\n")
        origin.note(head, b"")
        peer.send(reply)
        if b" 200 " not in reply.split(b"\r\n")[0] + b" ":
            return
        with socket.create_connection(("127.0.0.1", target_port)) as upstream:
            back = threading.Thread(target=relay, args=(upstream, peer.socket), daemon=True)
            back.start()
            relay(peer.socket, upstream)
            back.join()
    return script


class Proxies(Case):
    NAME = "http://vendor.test/v1"
    OPEN = "cleartext: true"

    def setUp(self):
        self.target = self.origin(answering(fine))

    def proxy(self, **options):
        return self.origin(connect_proxy(self.target.port, **options))

    def test_the_setting_leads_through_connect(self):
        proxy = self.proxy()
        daemon = self.daemon(self.NAME, upstream_extra=f"{self.OPEN}\nproxy: http://127.0.0.1:{proxy.port}")
        for _ in range(2):
            self.assertEqual(self.post(daemon).status, 200)
        head = proxy.seen[0][0]
        self.assertTrue(head.startswith(b"CONNECT vendor.test:80 HTTP/1.1\r\n"), head)
        self.assertIn(b"Host: vendor.test:80\r\n", head)
        self.assertNotIn(b"sk-mock", head)
        self.assertIn(b"Host: vendor.test\r\n", self.target.seen[0][0])
        self.assertEqual((proxy.connections, self.target.connections, len(self.target.seen)), (1, 1, 2), "pooled")

    def test_a_refusal_is_502_upstream_proxy_and_names_the_setting(self):
        proxy = self.proxy(reply=b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
        daemon = self.daemon(self.NAME, upstream_extra=f"{self.OPEN}\nproxy: http://127.0.0.1:{proxy.port}")
        error = self.refused(daemon, 502, "upstream_proxy", "407")
        self.assertIn("the setting 'proxy' of upstream one", error["message"])

    def test_every_failure_of_the_proxy_is_502_upstream_proxy(self):
        held = self.held()
        scripts = {
            "closes": lambda peer, origin: peer.read_until(b"\r\n\r\n"),
            "no HTTP": lambda peer, origin: (peer.read_until(b"\r\n\r\n"), peer.send(b"SSH-2.0-x\r\n\r\n")),
            "403": lambda peer, origin: (peer.read_until(b"\r\n\r\n"), peer.send(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")),
            "silent": lambda peer, origin: held.wait(PATIENCE),
        }
        for name, script in scripts.items():
            with self.subTest(name):
                proxy = self.origin(script)
                daemon = self.daemon(self.NAME, upstream_extra=f"{self.OPEN}\nproxy: http://127.0.0.1:{proxy.port}", extra="timeouts: {connect: 1s}")
                self.refused(daemon, 502, "upstream_proxy")

    def test_a_proxy_that_is_not_there_is_502_upstream_proxy(self):
        proxy = self.proxy()
        proxy.stop()
        daemon = self.daemon(self.NAME, upstream_extra=f"{self.OPEN}\nproxy: http://127.0.0.1:{proxy.port}")
        self.refused(daemon, 502, "upstream_proxy", "can't be reached")

    def test_the_environment_names_a_proxy_in_both_spellings(self):
        for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            with self.subTest(variable):
                proxy = self.proxy()
                daemon = self.daemon(self.NAME, upstream_extra=self.OPEN, env={variable: f"http://127.0.0.1:{proxy.port}"})
                self.assertEqual(self.post(daemon).status, 200)
                self.assertEqual(len(proxy.seen), 1)

    def test_a_proxy_of_the_environment_may_come_without_scheme_and_with_credentials(self):
        proxy = self.proxy()
        daemon = self.daemon(self.NAME, upstream_extra=self.OPEN, env={"HTTP_PROXY": f"us%40er:p%3Aw@127.0.0.1:{proxy.port}"})
        self.assertEqual(self.post(daemon).status, 200)
        wanted = base64.b64encode(b"us@er:p:w")
        self.assertIn(b"Proxy-Authorization: Basic " + wanted + b"\r\n", proxy.seen[0][0])
        self.assertNotIn(b"Proxy-Authorization", self.target.seen[0][0])

    def test_an_https_upstream_follows_https_proxy_only(self):
        proxy = self.proxy(reply=b"HTTP/1.1 403 No\r\n\r\n")
        daemon = self.daemon("https://vendor.test/v1", env={"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}", "HTTP_PROXY": "http://127.0.0.1:1"})
        error = self.refused(daemon, 502, "upstream_proxy", "HTTPS_PROXY")
        self.assertTrue(proxy.seen[0][0].startswith(b"CONNECT vendor.test:443 "))

    def test_no_proxy_exempts_hosts_and_domains(self):
        for value in ("vendor.test", "other, .test", "*", "test", "*.test"):
            with self.subTest(value):
                proxy = self.proxy()
                env = {"HTTP_PROXY": f"http://127.0.0.1:{proxy.port}", "NO_PROXY": value}
                daemon = self.daemon("http://vendor.test:1/v1", upstream_extra=self.OPEN, env=env, extra="timeouts: {connect: 5s}")
                self.assertIn(self.post(daemon).json["error"]["code"], ("upstream_dns", "upstream_unreachable"))
                self.assertEqual(proxy.connections, 0)

    def test_no_proxy_does_not_exempt_others(self):
        for value in ("endor.test", "vendor.tes", "other.test", ""):
            with self.subTest(value):
                proxy = self.proxy()
                daemon = self.daemon(self.NAME, upstream_extra=self.OPEN, env={"HTTP_PROXY": f"http://127.0.0.1:{proxy.port}", "no_proxy": value})
                self.assertEqual(self.post(daemon).status, 200)
                self.assertEqual(proxy.connections, 1)

    def test_loopback_upstreams_and_proxy_none_never_go_through_it(self):
        proxy = self.proxy()
        env = {"HTTP_PROXY": f"http://127.0.0.1:{proxy.port}", "ALL_PROXY": f"http://127.0.0.1:{proxy.port}"}
        self.assertEqual(self.post(self.daemon(self.target.base_url, env=env)).status, 200)
        daemon = self.daemon("http://vendor.test/v1", upstream_extra=f"{self.OPEN}\nproxy: none", env=env, extra="timeouts: {connect: 5s}")
        self.assertEqual(self.post(daemon).status, 502)
        self.assertEqual(proxy.connections, 0)


# ---- TLS

class Certificates:
    """A certificate authority of our own, made once with openssl."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="certificates-")
        self.ca, self.ca_key = self.path("ca.pem"), self.path("ca.key")
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.ca_key, "-out", self.ca,
                     "-days", "30", "-subj", "/CN=Test CA", "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign")

    def path(self, name):
        return os.path.join(self.folder, name)

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)

    def make(self, name, alt="DNS:localhost,IP:127.0.0.1", expired=False):
        """(certificate, key) for these names, signed by the authority."""
        certificate, key, request, extensions = (self.path(f"{name}.{ending}") for ending in ("pem", "key", "csr", "ext"))
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        with open(extensions, "w") as file:
            file.write(f"subjectAltName={alt}\n")
        days = ["-days", "-1"] if expired else ["-days", "30"]
        self.openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key, "-CAcreateserial", "-out", certificate,
                     "-extfile", extensions, *days)
        return certificate, key

    def self_signed(self):
        certificate, key = self.path("self.pem"), self.path("self.key")
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
                     "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        return certificate, key

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def server_context(pair):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    return context


class Tls(Case):
    @classmethod
    def setUpClass(cls):
        cls.certificates = Certificates()
        cls.good = cls.certificates.make("good")

    @classmethod
    def tearDownClass(cls):
        cls.certificates.remove()

    def https(self, script, pair=None, context=None, host="127.0.0.1", ca=True, **options):
        origin = self.origin(script, tls=context or server_context(pair or self.good))
        tls = f"tls: {{ca_file: {self.certificates.ca}}}" if ca else ""
        return self.daemon(f"https://{host}:{origin.port}/v1", upstream_extra=tls, **options), origin

    def test_a_ca_file_of_ones_own_is_trusted_by_address_and_by_name(self):
        for host in ("127.0.0.1", "localhost"):
            with self.subTest(host):
                daemon, origin = self.https(answering(fine), host=host)
                self.assertEqual(self.post(daemon).status, 200)
                self.assertEqual(self.post(daemon).status, 200)
                self.assertEqual(origin.connections, 1, "pooled")

    def test_the_name_is_told_and_only_http_1_1_is_offered(self):
        told = []
        context = server_context(self.good)
        context.sni_callback = lambda connection, name, _: told.append(name)
        context.set_alpn_protocols(["h2", "http/1.1"])
        chosen = []

        def script(peer, origin):
            chosen.append((peer.socket.selected_alpn_protocol(), peer.socket.version()))
            peer.read_request()
            fine(peer)
        daemon, _ = self.https(script, context=context, host="localhost")
        self.assertEqual(self.post(daemon).status, 200)
        self.assertEqual(told, ["localhost"])
        self.assertEqual(chosen, [("http/1.1", "TLSv1.3")])

    def test_a_session_is_used_again_on_the_next_connection(self):
        for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
            with self.subTest(version=version.name):
                context = server_context(self.good)
                context.maximum_version = version
                reused = []

                def script(peer, origin):
                    reused.append(peer.socket.session_reused)
                    peer.read_request()
                    peer.answer(200, OK, [("Connection", "close")])
                daemon, _ = self.https(script, context=context)
                for _ in range(3):
                    self.assertEqual(self.post(daemon).status, 200)
                self.assertEqual(reused, [False, True, True])

    def refusal(self, words, **options):
        daemon, origin = self.https(answering(fine), **options)
        error = self.refused(daemon, 502, "upstream_tls", words)
        self.assertEqual(origin.seen, [], "no request and no key went out")
        return error

    def test_a_certificate_for_another_host_is_refused(self):
        pair = self.certificates.make("other", "DNS:other.test")
        error = self.refusal("IP address mismatch", pair=pair)
        self.assertIn("never skipped", error["streamkeeper"]["hint"])
        self.refusal("ostname mismatch", pair=pair, host="localhost")

    def test_an_expired_certificate_is_refused_and_the_clock_named(self):
        self.refusal("certificate has expired; check this machine's clock too", pair=self.certificates.make("old", expired=True))

    def test_a_self_signed_certificate_is_refused_and_ca_file_named(self):
        self.refusal("tls.ca_file", pair=self.certificates.self_signed(), ca=False)

    def test_an_unknown_authority_is_refused_and_ca_file_named(self):
        error = self.refusal("tls.ca_file", ca=False)
        self.assertIn("issuer certificate", error["message"])

    def test_a_server_that_knows_only_tls_1_1_is_refused(self):
        context = server_context(self.good)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        self.refusal("", context=context)

    def test_a_server_that_speaks_no_tls_is_refused(self):
        origin = self.origin(lambda peer, origin: (peer.more(), peer.send(b"HTTP/1.1 400 Bad\r\n\r\n")))
        daemon = self.daemon(f"https://127.0.0.1:{origin.port}/v1")
        self.refused(daemon, 502, "upstream_tls")

    def test_a_handshake_that_stops_ends_by_timeouts_connect(self):
        held = self.held()
        origin = self.origin(lambda peer, origin: held.wait(PATIENCE))
        daemon = self.daemon(f"https://127.0.0.1:{origin.port}/v1", extra="timeouts: {connect: 300ms}")
        self.refused(daemon, 502, "upstream_tls", "timeouts.connect passed")

    def cutting(self, data):
        """Sends this and closes TCP without close_notify."""
        def script(peer, origin):
            peer.read_request()
            peer.send(data)
            os.close(peer.socket.detach())
        return script

    def test_a_whole_message_needs_no_close_notify(self):
        whole = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(OK) + OK
        daemon, _ = self.https(self.cutting(whole))
        self.assertEqual(self.post(daemon).body, OK)
        stream = (delta("x") + delta(finish="stop") + DONE).encode()
        chunked = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(stream), stream)
        daemon, _ = self.https(self.cutting(chunked))
        answer = self.post(daemon, chat(stream=True))
        self.assertEqual((answer.body, answer.complete), (stream, True))

    def test_a_message_cut_in_the_middle_is_a_failure(self):
        daemon, _ = self.https(self.cutting(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n" + OK))
        self.refused(daemon, 502, "upstream_closed")
        text = delta("x").encode()
        daemon, _ = self.https(self.cutting(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(text), text)))
        answer = self.post(daemon, chat(stream=True))
        self.assertFalse(answer.complete)
        daemon, _ = self.https(self.cutting(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf"))
        answer = http(daemon.address, "GET", "/v1/files/x")
        self.assertEqual((answer.body, answer.complete), (b"half", False))

    def test_large_bodies_go_both_ways(self):
        def script(peer, origin):
            while True:
                _, body = peer.read_request()
                peer.answer(200, body, [("Content-Type", "application/octet-stream")])
        daemon, _ = self.https(script)
        body = os.urandom(6 << 20)
        answer = http(daemon.address, "POST", "/v1/files", [("Content-Type", "application/octet-stream")], body)
        self.assertTrue(answer.body == body)
        text = json.dumps(chat(user="x" * (6 << 20))).encode()
        answer = self.post(daemon, text)
        self.assertTrue(answer.body == text)

    def test_many_events_in_many_records_arrive_as_they_are(self):
        events = [delta(f"word {i} " + "x" * (i % 700)) for i in range(3000)]

        def script(peer, origin):
            peer.read_request()
            peer.start_stream()
            for event in events:
                peer.chunk(event)
            peer.chunk(delta(finish="stop") + DONE)
            peer.end_chunks()
        daemon, _ = self.https(script)
        answer = self.post(daemon, chat(stream=True))
        self.assertTrue(answer.text == "".join(events) + delta(finish="stop") + DONE)

    def test_a_proxy_carries_tls_end_to_end(self):
        pair = self.certificates.make("vendor", "DNS:vendor.test")
        target = self.origin(answering(fine), tls=server_context(pair))
        proxy = self.origin(connect_proxy(target.port))
        tls = f"tls: {{ca_file: {self.certificates.ca}}}\nproxy: http://127.0.0.1:{proxy.port}"
        daemon = self.daemon("https://vendor.test/v1", upstream_extra=tls)
        self.assertEqual(self.post(daemon).status, 200)
        self.assertTrue(proxy.seen[0][0].startswith(b"CONNECT vendor.test:443 HTTP/1.1\r\n"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
