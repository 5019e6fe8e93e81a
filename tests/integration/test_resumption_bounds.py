"""The properties of resumption that are about time, memory and the number of calls (P6 to P14), and many streams that
break at once."""
import contextlib
import os
import select
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "resumption"))
import checker  # noqa: E402
import harness  # noqa: E402
import rig as rigs  # noqa: E402
from checker import CHAT, COMPLETIONS, MESSAGES, RESPONSES  # noqa: E402


class Times(unittest.TestCase):
    """P6 to P14: calls, tokens, time, memory, the log."""

    @classmethod
    def setUpClass(cls):
        cls.rig = rigs.Rig()

    @classmethod
    def tearDownClass(cls):
        cls.rig.stop()

    def state_of(self, name):
        return [answer for answer in self.rig.answers() if answer["model"] == name]

    def opened(self, name, hold, dialect=CHAT, config="exact"):
        connection = harness.Connection(self.rig.daemon(config).address)
        self.addCleanup(connection.close)
        connection.send(rigs.request(dialect, name, True, [("x-mock-hold", str(hold))] if hold else []))
        return connection

    def read_text(self, connection, wanted, dialect=CHAT):
        """Reads until the text so far is `wanted`."""
        body = b""
        connection.read_head()
        while True:
            seen = checker.read(dialect, checker.Answer(200, {}, body, False))
            if seen.text == wanted:
                return seen
            self.assertTrue(wanted.startswith(seen.text), seen.text)
            chunk = connection.read_chunk()
            self.assertTrue(chunk, f"the stream ended at {seen.text!r}, wanted {wanted!r}")
            body += chunk

    def held_at(self, shape, hold):
        """A stream that stops behind so many events: the open connection, its text, and that of its last event."""
        name = f"mock-1+tokens=30+text={shape}"
        blocks = checker.events_of(self.rig.uncut(rigs.request(CHAT, name))[1].body)[0]

        def text_of(events):
            return checker.read(CHAT, checker.Answer(200, {}, b"".join(block + b"\n\n" for block in events), False)).text
        return self.opened(name, hold), text_of(blocks[:hold]), text_of(blocks[hold - 1:hold])

    def test_a_token_is_shown_before_the_next_one_is_made(self):
        """P7, P8, P9: the mock makes N events and waits; their text has to be there, but white space at its end."""
        for shape in ("words", "code", "chinese"):
            for hold in (2, 3, 5, 9, 13):
                connection, made, last = self.held_at(shape, hold)
                with self.subTest(shape=shape, events=hold), connection:
                    self.read_text(connection, made[:len(made) - len(last)] if last[-1:].isspace() else made)

    def test_text_that_ends_in_white_space_waits_for_the_next_token(self):
        found = 0
        for hold in range(3, 30):
            connection, made, last = self.held_at("code", hold)
            with connection:
                if not last[-1:].isspace() or found == 3:
                    continue
                found += 1
                self.read_text(connection, made[:len(made) - len(last)])
                self.assertEqual(connection.buffer, b"")
                self.assertEqual(select.select([connection.socket], [], [], 0.1)[0], [])
        self.assertEqual(found, 3)

    def test_a_client_that_leaves_ends_the_upstream_call_and_no_other_is_made(self):
        """P11."""
        spots = {"head": ("hang", 0), "no payload": ("", 1), "text": ("", 4), "continuation": ("close=1500+x1+stall=1200", 0)}
        for spot, (acts, hold) in spots.items():
            with self.subTest(spot):
                name = f"mock-1+tokens=12+id={spot.replace(' ', '')}" + (f"+{acts}" if acts else "+ok")
                connection = self.opened(name, hold)
                calls = 2 if spot == "continuation" else 1
                harness.wait_for(lambda: len(self.state_of(name)) == calls)
                if spot in ("text", "continuation"):
                    connection.read_head()
                    connection.read_chunk()
                connection.close()
                harness.wait_for(lambda: all(answer["ended_ms"] is not None for answer in self.state_of(name)))
                harness.wait_for(lambda: harness.metric(self.rig.daemon("exact").metrics(), "streamkeeper_requests_in_flight") == 0)
                self.assertEqual(len(self.state_of(name)), calls)

    def test_an_upstream_s_socket_is_closed_soon_after_the_client_s(self):
        """P11: within 50 ms. The fastest of some counts, since a busy machine may be late at any time."""
        closed, took = threading.Event(), []

        def script(peer, _):
            peer.read_request()
            peer.start_stream()
            peer.chunk(harness.delta("a"))
            self.assertFalse(peer.more())
            took.append(time.monotonic())
            closed.set()
        origin = harness.Origin(script)
        self.addCleanup(origin.stop)
        daemon = harness.Daemon(harness.config_for(origin.base_url))
        self.addCleanup(daemon.stop)
        best = float("inf")
        for _ in range(20):
            closed.clear()
            with harness.Connection(daemon.address) as connection:
                connection.send(rigs.request(CHAT, "mock-1"))
                connection.read_head()
                connection.read_chunk()
                left = time.monotonic()
            self.assertTrue(closed.wait(harness.PATIENCE))
            best = min(best, took[-1] - left)
            if best < 0.05:
                return
        self.fail(f"the fastest took {best:.3f} s")

    def test_tokens_are_counted_as_the_mock_says_they_were_billed(self):
        """P6: of each answer that came to its usage."""
        daemon = self.rig.daemon("exact")

        def counted(kind):
            return harness.metric(daemon.metrics(), "streamkeeper_tokens_total", kind=kind)
        for dialect in (CHAT, COMPLETIONS, RESPONSES, MESSAGES):
            before, due = counted("output"), 0
            for number, acts in enumerate(["ok", "close=2900+x1", "close=1200+x1+close=900+x1", "end_chunked=2000+x1", "503+x1"]):
                answer, records = self.rig.ask("exact", rigs.request(dialect, f"mock-1+tokens=12+id=bill{number}+{acts}"))
                self.assertEqual(checker.read(dialect, answer).end, "success")
                due += records[-1]["tokens"]
                if dialect == MESSAGES and "503" not in acts:
                    due += len(records) - 1  # each answer that broke had said in its first event that it cost a token
            with self.subTest(dialect):
                self.assertEqual(counted("output") - before, due)

    def test_a_probe_s_tokens_are_counted_because_they_are_billed(self):
        daemon = self.rig.daemon("probed")

        def counted(kind):
            return harness.metric(daemon.metrics(), "streamkeeper_tokens_total", kind=kind)
        before = counted("output")
        self.rig.records.new()  # other tests' are not ours
        answer, records = self.rig.ask("probed", rigs.request(CHAT, "mock-1+tokens=12+id=probed+close=2900+x1"))
        self.assertEqual((checker.read(CHAT, answer).end, len(records)), ("success", 3))
        _, probe, last = records
        self.assertEqual(probe["max_tokens"], 8)
        self.assertEqual(counted("output") - before, probe["tokens"] + last["tokens"])
        line = daemon.wait_request_lines(1)[-1]
        self.assertEqual((line["tokens"]["output"], len(line["attempts"])), (probe["tokens"] + last["tokens"], 2))

    def test_the_usage_of_a_resumed_answer_is_the_finishing_call_s_own(self):
        answer, records = self.rig.ask("exact", rigs.request(CHAT, "mock-1+tokens=12+id=own+close=1500+x1", usage=True))
        seen = checker.read(CHAT, answer)
        self.assertEqual((seen.end, len(records)), ("success", 2))
        self.assertEqual(seen.usage["completion_tokens"], records[-1]["tokens"])
        self.assertLess(records[-1]["tokens"], 12)

    def test_the_limit_of_a_continuation_is_what_is_left_of_it(self):
        """The text of a limited answer ends where the uncut one does."""
        for limit in (5, 8, 12, 40):
            extra = {"max_tokens": limit}
            uncut = checker.read(CHAT, self.rig.uncut(rigs.request(CHAT, "mock-1+tokens=12", extra=extra))[1])
            answer, records = self.rig.ask("exact", rigs.request(CHAT, f"mock-1+tokens=12+id=limit{limit}+close=1200+x1", extra=extra))
            seen = checker.read(CHAT, answer)
            self.assertEqual((seen.end, seen.text, seen.finish), ("success", uncut.text, uncut.finish), limit)
            self.assertEqual(len(records), 2)
            self.assertLess(records[1]["max_tokens"], limit)

    def test_calls_of_one_request_never_overlap(self):
        """P10."""
        name = "mock-1+tokens=12+id=overlap+stall=1500+x1+close=900+x1+garbage=3+x1"
        answer, _ = self.rig.ask("impatient", rigs.request(CHAT, name))
        self.assertEqual(checker.read(CHAT, answer).end, "success")
        answers = self.state_of(name)
        self.assertEqual(len(answers), 4)
        self.assertEqual(checker.judge_overlap(answers), [])

    def test_the_prefix_that_is_sent_is_the_text_that_was_shown(self):
        """P12: in words, none of which ends in white space, to the byte."""
        raw = self.rig.uncut(rigs.request(CHAT, "mock-1+tokens=12", usage=True))[0]
        for k in range(500, len(raw) - 400, 97):
            answer, records = self.rig.ask("exact", rigs.request(CHAT, f"mock-1+tokens=12+id=prefix{k}+close={k}+x1"))
            self.assertEqual(checker.read(CHAT, answer).end, "success")
            longer = len(str(records[0]["sequence"])) - 1  # the head names the request by its number
            held = {checker.place_of(CHAT, raw[:k - shift])[1].text for shift in range(-2, longer + 1)}
            prefixes = [record["prefix"] or "" for record in records[1:]] or [None]
            if prefixes != [None]:
                self.assertIn(prefixes[0], held, k)

    def test_neither_key_nor_prompt_nor_answer_is_in_the_log(self):
        """P14."""
        texts = []
        for acts in ("ok", "close=1500+x1", "sse_error=5+context", "garbage=4+x1", "close=1500+x1+400+x9"):
            answer, records = self.rig.ask("exact", rigs.request(CHAT, f"mock-1+tokens=12+id=log+{acts}"))
            texts.append((records[0].get("text") or "")[:24])
        daemon = self.rig.daemon("exact")
        self.assertEqual(checker.judge_log(daemon.lines, [harness.KEY, "PROMPTSECRET", *texts]), [])


class Memory(unittest.TestCase):
    """P13. What x-mock-bytes counts is text; on the wire a chunk weighs some forty times of that."""

    def start(self, resume=""):
        self.rig = rigs.Rig(extra="limits: {memory: 64MiB}\n" + resume)
        self.addCleanup(self.rig.stop)
        return self.rig.daemon("exact")

    def ask(self, size, acts, number):
        """How many bytes came, and the last of them."""
        connection = harness.Connection(self.rig.daemon("exact").address)
        connection.socket.settimeout(120)
        connection.send(rigs.request(CHAT, f"mock-1+id={number}+{acts}", True, [("x-mock-bytes", str(size))]))
        count, tail = 0, b""
        with connection:
            while True:
                data = connection.socket.recv(1 << 18)
                count, tail = count + len(data), (tail + data)[-200:]
                if not data or tail.endswith(b"\r\n0\r\n\r\n"):
                    return count, tail

    def budget(self):
        return harness.metric(self.rig.daemon("exact").metrics(), "streamkeeper_memory_budget_bytes")

    def test_memory_stays_bounded_while_a_long_answer_passes_and_is_given_back(self):
        daemon = self.start()
        small = harness.sanitized()
        size = 300_000 if small else 2_900_000
        self.ask(20_000, "ok", 0)
        before = harness.resident_bytes(daemon.pid)
        count, tail = self.ask(size, "ok", 1)
        self.assertGreater(count, (10 if small else 100) << 20)
        self.assertIn(b"[DONE]", tail)
        if not small:
            self.assertLess(harness.resident_bytes(daemon.pid, "VmHWM") - before, 24 << 20)
        self.assertEqual(self.budget(), 0)

    def test_a_cut_behind_more_text_than_is_kept_ends_loudly(self):
        self.start("resume: {transcript: 16KiB}\n")
        _, tail = self.ask(40_000, "close=1200000+x1", 2)
        self.assertFalse(tail.endswith(b"0\r\n\r\n"), tail)
        self.assertEqual(len(self.rig.records.new()), 1)
        harness.wait_for(lambda: self.budget() == 0)

    def test_a_cut_behind_no_more_text_than_is_kept_is_not_seen(self):
        self.start("resume: {transcript: 64KiB}\n")
        _, tail = self.ask(40_000, "close=1200000+x1", 3)
        self.assertTrue(tail.endswith(b"0\r\n\r\n"), tail)
        self.assertEqual(len(self.rig.records.new()), 2)
        harness.wait_for(lambda: self.budget() == 0)


class Switch:
    """A forwarder between daemon and mock that can cut all its connections at once."""

    def __init__(self, port):
        self.target, self.pairs, self.over, self.most, self.lock = ("127.0.0.1", port), set(), [], 0, threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                pair = (near, socket.create_connection(self.target))
                with self.lock:
                    self.pairs.add(pair)
                    self.most = max(self.most, len(self.pairs))
                for one, other in (pair, pair[::-1]):
                    threading.Thread(target=self.carry, args=(one, other, pair), daemon=True).start()

    def carry(self, one, other, pair):
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with self.lock:
            self.pairs.discard(pair)
            self.over.append(pair)
        for end in pair:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self):
        """Ends all connections. They are closed only in the end: another one must not get their numbers while a thread
        still reads from them."""
        with self.lock:
            pairs, self.pairs = self.pairs, set()
            self.over += pairs
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        return len(pairs)

    def stop(self):
        self.listener.close()
        self.cut()
        for pair in list(self.over):
            for end in pair:
                end.close()


class Wave(unittest.TestCase):
    """Many streams that break at one time."""

    STREAMS = 60 if harness.sanitized() else 200

    def wave(self, most):
        mock = harness.Mock()
        self.addCleanup(mock.stop)
        switch = Switch(mock.port)
        self.addCleanup(switch.stop)
        daemon = harness.Daemon(harness.config_for(
            f"http://127.0.0.1:{switch.port}/v1", retry=None, extra="retry: {base: 1ms}\nlog: {format: json}\n",
            upstream_extra=f"max_in_flight: {most}\n{rigs.CAPABILITIES['exact']}"))
        self.addCleanup(daemon.stop)
        first, seen = threading.Semaphore(0), []

        def client(number):
            with harness.Connection(daemon.address) as connection:
                connection.socket.settimeout(120)
                connection.send(rigs.request(CHAT, "mock-1+tokens=14", True, [("x-mock-interval-ms", "50")], prompt=f"number {number}"))
                connection.read_head()
                chunks = [connection.read_chunk(), connection.read_chunk()]
                first.release()
                while chunks[-1]:
                    chunks.append(connection.read_chunk())
                seen.append((number, checker.read(CHAT, checker.Answer(200, {}, b"".join(chunk for chunk in chunks if chunk), chunks[-1] == b""))))
        threads = [threading.Thread(target=client, args=(number,), daemon=True) for number in range(self.STREAMS)]
        for thread in threads:
            thread.start()
        for _ in range(min(most, self.STREAMS)):
            self.assertTrue(first.acquire(timeout=60))
        cut = switch.cut()
        for thread in threads:
            thread.join(120)
        return mock, daemon, switch, seen, cut

    def check(self, most):
        mock, daemon, switch, seen, cut = self.wave(most)
        self.assertGreaterEqual(cut, min(most, self.STREAMS) // 2)
        self.assertEqual(len(seen), self.STREAMS)
        texts = {}
        for record in mock.requests():
            if record.get("text"):
                texts.setdefault(record["body"].split('"number ')[1].split('"')[0], record["text"])
        for number, one in seen:
            self.assertEqual((one.end, one.breaches), ("success", []), f"{number}: {one.cause} {one.error}\n" +
                             "\n".join(line for line in daemon.lines if '"aborted"' in line))
            self.assertEqual(one.text, texts[str(number)])
        self.assertLess(switch.most, most + 8)  # one that has ended may be noticed here behind the one that replaces it
        harness.wait_for(lambda: harness.metric(daemon.metrics(), "streamkeeper_requests_in_flight") == 0)
        self.assertEqual(harness.metric(daemon.metrics(), "streamkeeper_memory_budget_bytes"), 0)

    def test_all_of_many_streams_that_are_cut_at_once_recover(self):
        self.check(256)

    def test_streams_that_are_cut_at_once_do_not_break_the_limit_of_calls_in_flight(self):
        self.check(24)


if __name__ == "__main__":
    unittest.main()
