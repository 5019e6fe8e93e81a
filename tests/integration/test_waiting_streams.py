"""What the client of a stream sees while streamkeeper waits: a real status for as long as one is possible, then a 200 and
signs of life, then the whole answer or a loud end."""
import contextlib
import json
import socket
import threading
import time
import unittest

from harness import (PATIENCE, Connection, Daemon, chat, config_for, delta, http, metric, raw, request_bytes, resident_bytes,
                     wait_for)
from preload import Clock
from stage import ANTHROPICS, CHAT, COMPLETIONS, DONE, RESPONSES, WORD, close, failure, http_date
from waiting import (APIS, BEAT, EARLY_FIELDS, FAST, FRAMING_FIELDS, HOLD, SOON, Case, Client, Vendor, cut, idle, parts, stream,
                     wait_idle, whole)

ONE_TRY = "{attempts: 1, deadline: {stream: 240s}}"
QUICK = "{base: 5ms}"
NO_OUTPUT = {"chat": delta(""), "completions": 'data: {"id":"c1","object":"text_completion","choices":[]}\n\n',
             "responses": RESPONSES.events[0], "messages": "".join(ANTHROPICS.events[:2])}


def full_backlog(case):
    """The port of a listener that accepts nobody, and that the kernel takes no connection for any more."""
    listener = socket.socket()
    case.addCleanup(listener.close)
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    for _ in range(32):
        filler = socket.socket()
        filler.setblocking(False)
        case.addCleanup(filler.close)
        filler.connect_ex(listener.getsockname())
    return listener.getsockname()[1]


# ---- when the 200 is sent

class Commit(Case):
    def test_before_commit_hold_every_failure_is_a_real_status(self):
        error_event = 'data: {"error":{"message":"overloaded","type":"server_error","code":503}}\n\n'
        failures = {
            "a status": (lambda peer, _: peer.answer(500, failure()), 500),
            "a limit": (lambda peer, _: peer.answer(429, failure(), [("Retry-After", "3600")]), 429),
            "a terminal one": (lambda peer, _: peer.answer(400, failure()), 400),
            "an error in a 200": (lambda peer, _: peer.answer(200, failure(code=503)), 503),
            "a page": (lambda peer, _: peer.answer(200, b"<html></html>", [("Content-Type", "text/html")]), 502),
            "no answer": (lambda peer, _: cut(peer), 502),
            "an error event": (lambda peer, events: stream(peer, events, error_event), 503),
            "a cut before the output": (lambda peer, events: (stream(peer, events, end=False), cut(peer)), 502),
            "an empty stream": (lambda peer, _: stream(peer), 502)}
        for dialect in APIS:
            vendor, daemon = self.pair(extra="")
            for number, (name, (fail, status)) in enumerate(failures.items()):
                with self.subTest(f"{dialect.name}: {name}"):
                    client = self.client(daemon, dialect, model=f"m{number}")
                    fail(vendor.next(), NO_OUTPUT[dialect.name])
                    answer = client.read_response()
                    self.assertEqual((answer.status, answer.header("content-type")), (status, "application/json"))
                    self.assertIn("error", answer.json)
                    self.assertLess(client.waited, 5, "commit_hold: then this test proves nothing")

    def test_after_it_comes_a_200_with_the_allowed_fields_alone(self):
        for dialect in APIS:
            with self.subTest(dialect.name):
                vendor, daemon = self.pair()
                client = self.client(daemon, dialect)
                fields = client.commit()
                self.assertGreaterEqual(client.waited, HOLD)
                self.assertLessEqual(EARLY_FIELDS, set(fields))
                self.assertLessEqual(set(fields), EARLY_FIELDS | FRAMING_FIELDS)
                self.assertTrue(fields["content-type"].startswith("text/event-stream"))
                self.assertEqual(fields["cache-control"], "no-cache")
                self.assertEqual(fields["x-accel-buffering"], "no")
                self.assertEqual(fields["transfer-encoding"], "chunked")
                client.beat()
                stream(vendor.next(), *dialect.events)
                self.assertEqual(client.rest(), (whole(dialect), True))
                self.assertEqual(self.line(daemon)["id"], fields["x-streamkeeper-request-id"])

    def test_an_allowed_web_page_gets_its_fields_too(self):
        vendor, daemon = self.pair(extra=FAST + "allowed_origins: [http://tool.test]\n")
        fields = self.client(daemon, headers=[("Origin", "http://tool.test")]).commit()
        self.assertEqual(fields["access-control-allow-origin"], "http://tool.test")
        self.assertEqual(fields["vary"], "Origin")

    def test_an_old_client_gets_a_200_that_ends_by_close(self):
        vendor, daemon = self.pair()
        client = self.client(daemon, version="1.0")
        fields = client.commit()
        self.assertNotIn("transfer-encoding", fields)
        self.assertEqual(fields["connection"], "close")
        self.assertEqual(client.read_exactly(len(BEAT)), BEAT)
        stream(vendor.next(), *CHAT.events)
        client.at_end()
        self.assertEqual(client.buffer.decode().replace(BEAT.decode(), ""), whole(CHAT))

    def test_it_is_five_seconds_by_default_and_so_is_the_heartbeat(self):
        clock = Clock(self)
        vendor = self.vendor()
        daemon = self.daemon(vendor.base_url, env=clock.env)
        client = self.client(daemon)
        vendor.next()
        clock.jump(4)
        self.assertTrue(client.nothing_for(0.3))
        clock.jump(1)
        client.commit()
        client.beat()
        clock.jump(4)
        self.assertTrue(client.nothing_for(0.3))
        clock.jump(1)
        client.beat()
        self.assertLess(client.waited, 4, "the rest of it is the clock's")

    def test_heartbeats_come_every_heartbeat_each_a_chunk_of_its_own(self):
        vendor, daemon = self.pair(extra="stream: {commit_hold: 100ms, heartbeat: 400ms}")
        client = self.client(daemon)
        client.commit()
        client.beat()
        first = client.waited
        for count in range(1, 5):
            self.assertEqual(client.buffer, b"", "nothing came with the one before")
            client.beat()
            self.assertGreater(client.waited - first, 0.4 * count - 0.2)
        self.assertLess(client.waited - first, 4, "four of them")

    def test_the_commit_counts_from_the_requests_arrival_not_from_the_attempt(self):
        vendor, daemon = self.pair(extra="stream: {commit_hold: 1500ms}", retry=QUICK)
        client = self.client(daemon)
        peer = vendor.next()
        time.sleep(1.2)
        peer.answer(500, failure())
        vendor.next()
        client.commit()
        self.assertGreaterEqual(client.waited, 1.5)
        self.assertLess(client.waited, 2.7, "that would be the second attempt's")

    def test_at_0s_it_is_sent_at_once(self):
        vendor, daemon = self.pair(extra="stream: {commit_hold: 0s}")
        for dialect in APIS:
            with self.subTest(dialect.name):
                client = self.client(daemon, dialect)
                client.commit()
                self.assertLess(client.waited, 2)
                stream(vendor.next(), *dialect.events)
                self.assertEqual(client.rest(), (whole(dialect), True))

    def test_off_waits_for_the_first_output_however_long(self):
        clock = Clock(self)
        vendor = self.vendor()
        daemon = self.daemon(vendor.base_url, env=clock.env, extra="stream: {commit_hold: off}")
        client = self.client(daemon)
        peer = vendor.next()
        clock.jump(100)
        self.assertTrue(client.nothing_for(0.3))
        stream(peer, *CHAT.events[:2], end=False)
        status, fields = client.head()
        self.assertEqual((status, fields["x-streamkeeper-upstream"]), (200, "one"))
        self.assertEqual(client.read_chunk().decode(), "".join(CHAT.events[:2]))
        clock.jump(5)
        client.beat()  # the commit is one thing, the heartbeat another
        late = self.client(daemon)
        peer = vendor.next()
        clock.jump(100)
        peer.answer(503, failure())
        self.assertEqual(late.read_response().status, 503, "a real status as long as nothing was shown")

    def test_without_heartbeats_the_head_is_all(self):
        vendor, daemon = self.pair(extra="stream: {commit_hold: 200ms, heartbeat: off}")
        client = self.client(daemon)
        peer = vendor.next()
        client.commit()
        self.assertTrue(client.nothing_for(0.5))
        stream(peer, *CHAT.events, end=False)
        text = ""
        while not text.endswith(DONE):
            text += client.read_chunk().decode()
        self.assertEqual(text, whole(CHAT))
        self.assertTrue(client.nothing_for(0.5))

    def test_a_request_without_a_stream_is_never_committed(self):
        vendor, daemon = self.pair(retry="{base: 600ms}")
        for path, body in ((CHAT.path, CHAT.request("m")), ("/v1/embeddings", {"model": "e", "input": "x", "stream": True})):
            with self.subTest(path):
                connection = self.connect(daemon)
                connection.send(request_bytes("POST", path, body=body))
                peer = vendor.next()
                quiet = Client.nothing_for(connection, 0.6)
                peer.answer(500, failure())
                self.assertTrue(quiet and Client.nothing_for(connection, 0.2))
                vendor.next().answer(418, failure(code="teapot"))
                answer = connection.read_response()
                self.assertEqual((answer.status, answer.json["error"]["code"]), (418, "teapot"))


# ---- every phase in which a request may hang

class Phases(Case):
    """Each is a way of hanging: given the client's dialect it starts everything and gives back the client, the vendor
    (or None) and the daemon, with the request hanging where its name says. Nothing of it ends before a minute."""
    PATIENT = FAST + "timeouts: {connect: 100s}\n"

    def connecting(self, dialect):
        daemon = self.daemon(f"http://127.0.0.1:{full_backlog(self)}/v1", extra=self.PATIENT)
        return self.client(daemon, dialect), None, daemon

    def resolving(self, dialect):
        daemon = self.daemon("http://vendor.never.test/v1", extra=self.PATIENT, env=Clock(self).env,
                             upstream_extra="proxy: none\ncleartext: true")
        return self.client(daemon, dialect), None, daemon

    def in_the_tls_handshake(self, dialect):
        vendor = self.vendor()
        daemon = self.daemon(vendor.base_url.replace("http:", "https:"), extra=self.PATIENT)
        return self.client(daemon, dialect), vendor, daemon

    def sending(self, dialect):
        def deaf(peer, origin):
            peer.socket.recv(1024)
            stuck.wait(PATIENCE)
            while peer.more():
                peer.buffer = b""
        stuck = threading.Event()
        self.addCleanup(stuck.set)
        vendor = self.origin(deaf, receive_buffer=4096)
        vendor.release = stuck.set
        daemon = self.daemon(vendor.base_url, extra=self.PATIENT)
        return self.client(daemon, dialect, user="x" * (16 << 20)), vendor, daemon

    def answered_by(self, dialect, answer, **options):
        vendor, daemon = self.pair(extra=self.PATIENT, **options)
        client = self.client(daemon, dialect)
        answer(vendor.next())
        return client, vendor, daemon

    def before_the_head(self, dialect):
        return self.answered_by(dialect, lambda peer: None)

    def in_the_head(self, dialect):
        return self.answered_by(dialect, lambda peer: peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/ev"))

    def before_the_first_event(self, dialect):
        return self.answered_by(dialect, lambda peer: peer.start_stream())

    def behind_events_that_show_nothing(self, dialect):
        return self.answered_by(dialect, lambda peer: stream(peer, NO_OUTPUT[dialect.name], end=False))

    def behind_comments(self, dialect):
        return self.answered_by(dialect, lambda peer: stream(peer, ": queued\n\n", end=False))

    def in_the_first_event(self, dialect):
        return self.answered_by(dialect, lambda peer: stream(peer, parts(dialect)[1][0][:-9], end=False))

    def in_a_document(self, dialect):
        half = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        return self.answered_by(dialect, lambda peer: peer.send(half))

    def in_an_errors_body(self, dialect):
        half = b"HTTP/1.1 500 Bad\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        return self.answered_by(dialect, lambda peer: peer.send(half))

    def in_a_pause(self, dialect):
        return self.answered_by(dialect, lambda peer: peer.answer(500, failure()), retry="{base: 100s, cap: 100s}")

    def at_a_closed_gate(self, dialect):
        limit = [("Retry-After", "100")]
        return self.answered_by(dialect, lambda peer: peer.answer(429, failure(code="rate_limit_exceeded"), limit), retry=None)

    def in_the_queue_for_a_place(self, dialect):
        vendor, daemon = self.pair(extra=self.PATIENT, retry=None, upstream_extra="max_in_flight: 1")
        self.first = self.connect(daemon)
        self.first.send(request_bytes("POST", CHAT.path, body=CHAT.request("m")))
        self.first_peer = vendor.next()
        return self.client(daemon, dialect), vendor, daemon

    def at_the_pace(self, dialect):
        vendor, daemon = self.pair(extra=self.PATIENT, retry=None, upstream_extra="rate_limits: [{requests: 1, per: 100s, scope: ip}]")
        first = self.connect(daemon)
        first.send(request_bytes("POST", CHAT.path, body=CHAT.request("m")))
        vendor.next().answer(body=json.dumps(CHAT.document).encode())
        first.read_response()
        return self.client(daemon, dialect), vendor, daemon

    def while_the_models_list_is_fetched_for_a_wrong_name(self, dialect):
        vendor, daemon = self.pair(extra=self.PATIENT, retry=None)
        client = self.client(daemon, dialect)
        vendor.next().answer(404, failure(code="model_not_found"))
        self.assertIn(b"GET /v1/models", vendor.next().head)
        return client, vendor, daemon

    def while_the_models_list_is_fetched_for_a_route(self, dialect):
        vendor = self.vendor()
        daemon = self.daemon(vendor.base_url, vendor.base_url, extra=self.PATIENT)
        client = self.client(daemon, dialect, model="two/m")
        self.assertIn(b"GET /v1/models", vendor.next().head)
        return client, vendor, daemon

    ALL = [connecting, resolving, in_the_tls_handshake, sending, before_the_head, in_the_head, before_the_first_event,
           behind_events_that_show_nothing, behind_comments, in_the_first_event, in_a_document, in_an_errors_body, in_a_pause,
           at_a_closed_gate, in_the_queue_for_a_place, at_the_pace, while_the_models_list_is_fetched_for_a_wrong_name,
           while_the_models_list_is_fetched_for_a_route]


    def test_the_200_and_heartbeats_come_in_every_phase(self):
        for number, phase in enumerate(self.ALL):
            with self.subTest(phase.__name__):
                client, _, _ = phase(self, APIS[number % 4])
                self.assertTrue(EARLY_FIELDS <= set(client.commit()))
                self.assertGreaterEqual(client.waited, HOLD)
                for _ in range(3):
                    client.beat()
                self.assertLess(client.waited, SOON)

    def test_a_client_that_leaves_ends_everything_at_once_in_every_phase(self):
        for number, phase in enumerate(self.ALL):
            with self.subTest(phase.__name__):
                client, vendor, daemon = phase(self, APIS[(number + 1) % 4])
                client.commit()
                client.beat()
                calls = len(vendor.seen) if vendor else 0
                (Connection.close if number % 2 else Connection.reset)(client)
                left = time.monotonic()
                line = self.left(daemon)
                self.assertEqual((line["outcome"], line["status"]), ("client_closed", 499))
                if phase is Phases.in_the_queue_for_a_place:
                    self.first_peer.answer(body=json.dumps(CHAT.document).encode())
                    self.assertEqual(self.first.read_response().status, 200)
                wait_idle(daemon)
                if vendor:
                    getattr(vendor, "release", lambda: None)()
                    pooled = metric(daemon.metrics(), "streamkeeper_upstream_connections", state="idle")
                    wait_for(lambda: vendor.connections - vendor.finished == pooled, SOON)
                    self.assertEqual(len(vendor.seen), calls, "nothing was sent for it any more")
                self.assertLess(time.monotonic() - left, SOON)

    def left(self, daemon):
        wait_for(lambda: any(line["outcome"] == "client_closed" for line in daemon.request_lines()), SOON)
        return next(line for line in daemon.request_lines() if line["outcome"] == "client_closed")

    def test_a_second_signal_ends_the_wait_loudly_in_every_phase(self):
        for number, phase in enumerate(self.ALL):
            with self.subTest(phase.__name__):
                client, _, daemon = phase(self, APIS[(number + 2) % 4])
                client.commit()
                client.beat()
                daemon.process.terminate()
                daemon.wait_line("stopping: ")
                client.beat()  # a wait goes on while the daemon drains
                daemon.process.terminate()
                self.assertEqual(client.rest(), (": streamkeeper shutdown\n\n", False))
                self.assertEqual(daemon.wait(), 0)
                self.assertIn("aborted", [line["outcome"] for line in daemon.request_lines()])


# ---- signs of life

def data_of(event):
    """The JSON of an event's data line."""
    return json.loads(next(line for line in event.split("\n") if line.startswith("data: "))[6:])


class Heartbeats(Case):
    def test_silence_after_output_is_bridged_too(self):
        for dialect in APIS:
            with self.subTest(dialect.name):
                vendor, daemon = self.pair(extra="stream: {commit_hold: off, heartbeat: 150ms}")
                opening, (first, *more) = parts(dialect)
                client = self.client(daemon, dialect)
                peer = vendor.next()
                stream(peer, "".join([*opening, first]), end=False)
                self.assertEqual(client.head()[0], 200)
                self.assertEqual(client.read_chunk().decode(), "".join([*opening, first]))
                kept = ""  # the end of a text is shown with what comes next
                for event in more:
                    client.beat()
                    client.beat()
                    peer.chunk(event)
                    kept += event
                    if "content_block_stop" not in event:
                        self.assertEqual(client.next(), kept)
                        kept = ""
                peer.end_chunks()
                self.assertEqual(client.rest(), ("", True))

    def test_one_never_stands_inside_an_event(self):
        vendor, daemon = self.pair(extra="stream: {heartbeat: 100ms}")
        client = self.client(daemon)
        peer = vendor.next()
        event = delta("a long one")
        stream(peer, event, event[:30], end=False)
        client.head()
        self.assertEqual(client.next(), event)
        for cut_at in (30, 31, len(event) - 1):
            client.beat()
            client.beat()
            peer.chunk(event[cut_at:cut_at + 1] if cut_at < 31 else event[cut_at:-1] if cut_at < len(event) - 1 else "\n")
        self.assertEqual(client.next(), event)

    def test_while_events_flow_there_is_none(self):
        vendor, daemon = self.pair(extra="stream: {commit_hold: off, heartbeat: 1500ms}")
        client = self.client(daemon)
        peer = vendor.next()
        peer.start_stream()
        end = time.monotonic() + 3.5
        sent = ""
        while time.monotonic() < end:
            sent += delta("x")
            peer.chunk(delta("x"))
            time.sleep(0.02)
        stream_end = delta(finish="stop") + DONE
        peer.chunk(stream_end)
        peer.end_chunks()
        self.assertEqual(client.read_response().text, sent + stream_end)

    def test_none_comes_after_the_end(self):
        vendor, daemon = self.pair(extra="stream: {commit_hold: 100ms, heartbeat: 100ms}")
        for dialect in APIS:
            with self.subTest(dialect.name):
                client = self.client(daemon, dialect)
                client.commit()
                peer = vendor.next()
                stream(peer, *dialect.events, end=False)  # the vendor does not close for as long as it is waited for
                text, ended = "", None
                while chunk := client.read_chunk():
                    text += chunk.decode()
                    ended = ended or (time.monotonic() if dialect.events[-1] in text else None)
                self.assertEqual(chunk, b"", "the last chunk")
                self.assertTrue(text.endswith(dialect.events[-1]), text[-60:])
                self.assertTrue(client.nothing_for(0.3), "nor after the last chunk")
                cut(peer)

    def test_while_the_client_takes_nothing_none_is_kept_for_it(self):
        vendor, daemon = self.pair(extra="stream: {commit_hold: 100ms, heartbeat: 10ms}")
        client = Client.__new__(Client)  # one with a small buffer, that reads nothing
        client.socket, client.buffer = socket.socket(), b""
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        client.socket.settimeout(PATIENCE)
        client.socket.connect(daemon.address)
        self.addCleanup(client.close)
        client.send(request_bytes("POST", CHAT.path, body=CHAT.request("m", True)))
        peer = vendor.next()
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        peer.start_stream()
        event = delta("x" * 4000)
        peer.chunk(event)
        peer.socket.settimeout(0.5)
        sent = 1
        with contextlib.suppress(TimeoutError):  # until the way to the client is full
            while True:
                peer.chunk(event)
                sent += 1
        before = resident_bytes(daemon.pid)
        time.sleep(2)  # 200 heartbeats
        self.assertLess(resident_bytes(daemon.pid) - before, 1 << 20)
        client.head()
        seen = beats = 0
        while seen < sent // 2:  # what was on its way before the silence
            chunk = client.read_chunk()
            events = chunk.count(event.encode())
            self.assertIn(chunk, (BEAT, event.encode() * events), "whole events or a heartbeat, never both")
            seen += events
            beats += chunk == BEAT
        self.assertLess(beats, 20)


class NoOps(Case):
    """The clock is put forward: every no-op stands for a minute of silence."""

    def silent(self, dialect, *events, **more):
        """A client of a vendor that says this and no more: (client, peer, clock)."""
        clock = Clock(self)
        vendor = self.vendor()
        daemon = self.daemon(vendor.base_url, env=clock.env, extra="timeouts: {first_byte: off, stream_idle: off, stream_progress: off}")
        client = self.client(daemon, dialect, **more)
        peer = vendor.next()
        if events:
            stream(peer, "".join(events), end=False)
        return client, peer, clock

    def committed(self, dialect):
        client, peer, clock = self.silent(dialect)
        clock.jump(5)
        client.commit()
        client.beat()
        return client, peer, clock

    def minutes(self, client, clock, count=3):
        """What comes besides heartbeats in some minutes of silence."""
        for _ in range(count):
            clock.jump(54)
            client.beat()
            self.assertTrue(client.nothing_for(0.15), "no minute has passed")
            clock.jump(6)
            client.beat()
            yield client.read_chunk().decode()

    def test_chat_waits_with_empty_deltas_like_azures_first_chunk(self):
        client, peer, clock = self.committed(CHAT)
        for noop in self.minutes(client, clock):
            chunk = data_of(noop)
            self.assertEqual((chunk["id"], chunk["model"], chunk["created"], chunk["object"]), ("", "", 0, "chat.completion.chunk"))
            self.assertEqual(chunk["choices"], [{"index": 0, "delta": {}, "finish_reason": None}])
        stream(peer, *CHAT.events)
        self.assertEqual(client.rest(), (whole(CHAT), True))

    def test_completions_wait_with_empty_texts(self):
        client, peer, clock = self.committed(COMPLETIONS)
        for noop in self.minutes(client, clock):
            self.assertEqual((data_of(noop)["object"], data_of(noop)["id"]), ("text_completion", ""))
            choice, = data_of(noop)["choices"]
            self.assertEqual((choice["index"], choice["text"], choice["finish_reason"]), (0, "", None))
        stream(peer, *COMPLETIONS.events)
        self.assertEqual(client.rest(), (whole(COMPLETIONS), True))

    def test_messages_wait_with_pings(self):
        client, peer, clock = self.committed(ANTHROPICS)
        for noop in self.minutes(client, clock):
            self.assertTrue(noop.startswith("event: ping\n"))
            self.assertEqual(data_of(noop), {"type": "ping"})
        stream(peer, *ANTHROPICS.events)
        self.assertEqual(client.rest(), (whole(ANTHROPICS), True))

    def test_responses_have_none_before_response_created_was_shown(self):
        client, peer, clock = self.committed(RESPONSES)
        for count in range(3):
            if count == 1:
                stream(peer, RESPONSES.events[0], end=False)  # it came, but shows nothing yet
            clock.jump(60)
            client.beat()
            self.assertTrue(client.nothing_for(0.3))
        for event in RESPONSES.events[1:]:
            peer.chunk(event)
        peer.end_chunks()
        self.assertEqual(client.rest(), (whole(RESPONSES), True))

    def test_responses_wait_with_keepalives_of_the_last_sequence_number(self):
        client, peer, clock = self.silent(RESPONSES, *RESPONSES.events[:2])
        client.head()
        self.assertEqual(client.next(), "".join(RESPONSES.events[:2]))
        for noop in self.minutes(client, clock):
            self.assertTrue(noop.startswith("event: keepalive\n"))
            self.assertEqual(data_of(noop), {"type": "keepalive", "sequence_number": 1})
        peer.chunk(RESPONSES.events[1].replace('"sequence_number": 1', '"sequence_number": 41'))
        client.next()
        noop, = self.minutes(client, clock, 1)
        self.assertEqual(data_of(noop)["sequence_number"], 41)

    def test_after_the_first_chunk_a_no_op_changes_neither_id_nor_model(self):
        for dialect in (CHAT, COMPLETIONS):
            for early in (False, True):
                with self.subTest(dialect.name, early=early):
                    opening, (first, *_) = parts(dialect)
                    client, peer, clock = self.committed(dialect) if early else self.silent(dialect, *opening, first)
                    if early:
                        stream(peer, *opening, first, end=False)
                    else:
                        client.head()
                    shown = data_of(client.next().split("\n\n")[-2])
                    for noop in self.minutes(client, clock, 2):
                        self.assertEqual({name: data_of(noop)[name] for name in ("id", "object", "created", "model")},
                                         {name: shown[name] for name in ("id", "object", "created", "model")})

    def test_messages_are_pinged_after_output_too(self):
        client, peer, clock = self.silent(ANTHROPICS, *ANTHROPICS.events[:3])
        client.head()
        client.next()
        for noop in self.minutes(client, clock, 2):
            self.assertEqual(noop, 'event: ping\ndata: {"type":"ping"}\n\n')

    def test_an_old_client_gets_them_unframed(self):
        client, peer, clock = self.silent(ANTHROPICS, version="1.0")
        clock.jump(5)
        client.commit()
        clock.jump(60)
        client.read_until(b'event: ping\ndata: {"type":"ping"}\n\n')


# ---- the answer comes after all

class Answers(Case):
    USAGE = 'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}\n\n'

    def test_it_is_relayed_whole_after_failures_and_waits_that_nobody_sees(self):
        for dialect in APIS:
            with self.subTest(dialect.name):
                vendor, daemon = self.pair(retry=QUICK)
                client = self.client(daemon, dialect)
                vendor.next().answer(500, failure())
                peer = vendor.next()
                stream(peer, NO_OUTPUT[dialect.name], end=False)  # shows nothing: this is thrown away with the attempt
                client.commit()
                cut(peer)
                vendor.next().answer(429, failure(), [("Retry-After", "1")])
                stream(vendor.next(), *dialect.events)
                self.assertEqual(client.rest(), (whole(dialect), True))
                line = self.line(daemon)
                self.assertEqual((line["outcome"], line["status"]), ("ok", 200))
                self.assertEqual([attempt["status"] for attempt in line["attempts"]], [500, 200, 429, 200])
                metrics = daemon.metrics()
                self.assertEqual(metric(metrics, "streamkeeper_requests_total", outcome="ok", code="200"), 1)
                self.assertEqual(metric(metrics, "streamkeeper_requests_total"), 1)
                self.assertEqual(metric(metrics, "streamkeeper_stream_ends_total", how="finish"), 1)
                self.assertEqual(metric(metrics, "streamkeeper_stream_ends_total"), 1)
                self.assertTrue(idle(daemon))

    def test_usage_is_shown_to_those_who_asked_and_metered_for_all(self):
        for asked in (False, True):
            with self.subTest(asked=asked):
                vendor, daemon = self.pair()
                client = self.client(daemon, **({"stream_options": {"include_usage": True}} if asked else {}))
                client.commit()
                peer = vendor.next()
                self.assertEqual(json.loads(peer.body)["stream_options"], {"include_usage": True})
                stream(peer, *CHAT.events[:-1], self.USAGE, DONE)
                self.assertEqual(client.rest(), (whole(CHAT).replace(DONE, self.USAGE * asked + DONE), True))
                self.line(daemon)
                self.assertEqual(metric(daemon.metrics(), "streamkeeper_tokens_total", kind="input"), 7)

    def test_a_missing_done_is_supplied_after_a_real_finish_and_only_then(self):
        vendor, daemon = self.pair()
        client = self.client(daemon)
        client.commit()
        stream(vendor.next(), *CHAT.events[:-1])
        self.assertEqual(client.rest(), (whole(CHAT), True))
        client = self.client(daemon)
        client.commit()
        stream(vendor.next(), *CHAT.events[:-2])
        text, ended = client.rest()
        self.assertEqual((text, ended), ("".join(CHAT.events[:-2]) + ": streamkeeper stream_interrupted\n\n", False))

    def test_the_connection_carries_the_next_request(self):
        for dialect in APIS:
            with self.subTest(dialect.name):
                vendor, daemon = self.pair()
                client = self.client(daemon, dialect)
                client.commit()
                # The next one is sent before the first is answered.
                client.send(request_bytes("POST", dialect.path, body=dialect.request("m", True)))
                client.beat()
                stream(vendor.next(), *dialect.events)
                self.assertEqual(client.rest(), (whole(dialect), True))
                stream(vendor.next(), *dialect.events)
                answer = client.read_response()
                self.assertEqual((answer.text, answer.complete, answer.header("x-streamkeeper-upstream")), (whole(dialect), True, "one"))

    def test_a_client_that_expects_100_is_told_to_go_on_first(self):
        vendor, daemon = self.pair()
        connection = self.connect(daemon)
        body = json.dumps(CHAT.request("m", True)).encode()
        head = request_bytes("POST", CHAT.path, [("Expect", "100-continue"), ("Content-Length", str(len(body)))])
        connection.send(head)
        self.assertEqual(connection.read_until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.send(body)
        peer = vendor.next()
        Client.commit(client := connection_as_client(connection))
        client.beat()
        stream(peer, *CHAT.events)
        self.assertEqual(client.rest(), (whole(CHAT), True))

    def test_a_draining_daemon_waits_for_it_and_then_closes(self):
        vendor, daemon = self.pair(retry=QUICK)
        client = self.client(daemon)
        peer = vendor.next()
        client.commit()
        daemon.process.terminate()
        daemon.wait_line("stopping: ")
        client.beat()
        peer.answer(500, failure())
        stream(vendor.next(), *CHAT.events)
        self.assertEqual(client.rest(), (whole(CHAT), True))
        self.assertTrue(client.at_end())
        self.assertEqual(daemon.wait(), 0)
        self.assertEqual(daemon.request_lines()[-1]["outcome"], "ok")

    def test_drain_bounds_the_wait(self):
        vendor, daemon = self.pair(extra=FAST + "drain: 700ms\n")
        client = self.client(daemon)
        vendor.next()
        client.commit()
        daemon.process.terminate()
        self.assertEqual(client.rest(), (": streamkeeper shutdown\n\n", False))
        self.assertEqual(daemon.wait(), 0)

    def test_many_clients_wait_and_each_gets_its_own_answer(self):
        vendor, daemon = self.pair()
        clients = {f"m{i}": self.client(daemon, APIS[i % 4], model=f"m{i}") for i in range(40)}
        peers = [vendor.next() for _ in clients]
        for client in clients.values():
            client.commit()
        for peer in peers:
            name = json.loads(peer.body)["model"]
            stream(peer, *(event.replace(WORD, "for " + name) for event in APIS[int(name[1:]) % 4].events))
        for number, (name, client) in enumerate(clients.items()):
            self.assertEqual(client.rest(), (whole(APIS[number % 4]).replace(WORD, "for " + name), True))
        wait_idle(daemon)


def connection_as_client(connection):
    connection.__class__ = Client
    return connection


if __name__ == "__main__":
    unittest.main(verbosity=2)
