"""Resumption, cell by cell: where an answer breaks, how, and what the client must get (the matrix), then the properties
that are about time, memory and the number of calls. scripts/sweep plays the same at every byte."""
import bisect
import contextlib
import os
import socket
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "resumption"))
import checker  # noqa: E402
import harness  # noqa: E402
import rig as rigs  # noqa: E402
import sweep  # noqa: E402
from cases import BEFORE, CALL, EMPTY, FINISHED, LATE_CALL, REASONING, TEXT, WHOLE, Case, Fault  # noqa: E402
from checker import CHAT, COMPLETIONS, MESSAGES, RESPONSES  # noqa: E402

CASES = {
    BEFORE: Case("plain"),
    EMPTY: Case("plain"),
    REASONING: Case("reasoning", model="mock-reasoner", words=["reasoning=5"]),
    TEXT: Case("plain"),
    CALL: Case("call", calls=True),
    LATE_CALL: Case("text, then a call", words=["text_then_tool"], calls=True),
    FINISHED: Case("plain"),
}
SAYS = {BEFORE: "before_the_headers", EMPTY: "before_any_payload", REASONING: "in_the_reasoning", TEXT: "in_the_text",
        CALL: "in_a_held_call", LATE_CALL: "in_a_call_behind_text", FINISHED: "behind_the_finish"}


def at_byte(word):
    return lambda spot: Fault(word, f"{word}={spot.byte}+x1", byte=spot.byte)


def at_payload(word):
    return lambda spot: Fault(word, f"{word}={spot.payload}+x1", payload=spot.payload) if spot.payload is not None else None


def at_event(words, terminal=False):
    return lambda spot: Fault(words, words.format(n=spot.event) + "+x1", event=spot.event, terminal=terminal) if spot.event is not None else None


# (as the test's name says it, the fault at a spot, the daemon's configuration)
FAULTS = [
    ("a_closed_connection", at_byte("close"), "exact"),
    ("a_reset", at_byte("rst"), "exact"),
    ("a_closed_compressed_stream", at_byte("gzip+close"), "exact"),
    ("a_closed_HTTP_1_0_answer", at_byte("http10+close"), "exact"),
    ("a_close_at_a_chunk_border", at_byte("fin_chunk"), "exact"),
    ("a_clean_end_without_a_finish", at_payload("end_chunked"), "exact"),
    ("an_early_DONE", at_event("early_done={n}"), "exact"),
    ("half_an_event", at_event("torn={n}"), "exact"),
    ("an_event_that_is_no_JSON", at_event("garbage={n}"), "exact"),
    ("an_error_event", at_event("503+sse_error={n}"), "exact"),
    ("an_error_field", at_event("sse_error={n}+shape=field"), "exact"),
    ("a_finish_that_says_error", at_event("sse_error={n}+shape=finish_error"), "exact"),
    ("silence", at_byte("stall"), "impatient"),
    ("comments_without_end", at_byte("stall_comments"), "impatient"),
]


class Spot:
    """The middle of a column in an answer: as a byte of the wire, of the payload, and as a number of events. Columns
    follow one another, so that their borders can be searched for."""

    def __init__(self, case, model, column):
        blocks = checker.events_of(model.payload)[0]
        starts = [sum(len(block) + 2 for block in blocks[:n]) for n in range(len(blocks) + 1)]

        def place(raw):
            return checker.COLUMNS.index(checker.place_of(case.dialect, raw)[0])

        def payload_place(payload):
            return place(b"HTTP/1.1 200 OK\r\n\r\n" + payload)

        def middle(count, place_at):
            wanted = checker.COLUMNS.index(column)
            first = bisect.bisect_left(range(count), wanted, key=place_at)
            end = bisect.bisect_right(range(count), wanted, key=place_at)
            return (first + end) // 2 if first < end else None
        self.byte = middle(len(model.raw), lambda k: place(model.raw[:k]))
        self.payload = self.event = None
        if column != BEFORE:
            self.payload = middle(starts[-1], lambda k: payload_place(model.payload[:k]))
            self.event = middle(len(blocks), lambda n: payload_place(model.payload[:starts[n]]))


class Streams(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.player = sweep.Player(1)

    @classmethod
    def tearDownClass(cls):
        breaches = cls.player.end()
        assert not breaches, "\n".join(breaches)

    def play(self, case, fault, due):
        end, column, breaches, seen = self.player.play(case, fault)
        self.assertEqual(breaches, [], f"{case.name}, {fault.acts}: {column}, {end}")
        self.assertIn(end, due, f"{case.name}, {fault.acts}: {seen.cause} {seen.error}")
        return seen

    def spot(self, column, case=None, config="exact"):
        case = case or Case(CASES[column].name, CASES[column].dialect, config, CASES[column].words, CASES[column].model,
                            extra=CASES[column].extra, tokens=None)
        case.prompt = CASES[column].prompt if case.dialect == CHAT and case.name == CASES[column].name else case.prompt
        return case, Spot(case, self.player.model(case), column)


class Matrix(Streams):
    """One test for each cell whose break no client sees."""


def add_cell(name, fault, config, column):
    def test(self):
        case, spot = self.spot(column, config=config)
        made = fault(spot)
        if made is None:
            self.skipTest("there is no such place")
        self.play(case, made, ("success",))
    setattr(Matrix, f"test_{name}_{SAYS[column]}_is_not_seen", test)


for name, fault, config in FAULTS:
    for column in SAYS:
        if column != BEFORE or "byte" in fault.__qualname__:
            add_cell(name, fault, config, column)


class Terminal(Streams):
    """An error that would come again: never resumed."""

    CONTEXT = staticmethod(at_event("sse_error={n}+context", terminal=True))

    def ends(self, column, due):
        case, spot = self.spot(column)
        seen = self.play(case, self.CONTEXT(spot), due)
        if "success" not in due:
            self.assertEqual(seen.error["code"], "context_length_exceeded")
        return seen

    def test_a_terminal_error_before_any_payload_is_a_real_status(self):
        self.ends(EMPTY, ("refused",))

    def test_a_terminal_error_in_the_reasoning_is_an_error_event(self):
        self.ends(REASONING, ("loud",))

    def test_a_terminal_error_in_the_text_is_an_error_event_behind_the_beginning_of_the_text(self):
        self.assertTrue(self.ends(TEXT, ("loud",)).text)

    def test_a_terminal_error_in_a_held_call_shows_nothing_of_the_call(self):
        self.assertEqual(self.ends(CALL, ("loud", "refused")).calls, [])

    def test_a_terminal_error_in_a_call_behind_text_shows_nothing_of_the_call(self):
        self.assertEqual(self.ends(LATE_CALL, ("loud",)).calls, [])

    def test_a_terminal_error_behind_the_finish_is_not_seen(self):
        self.ends(FINISHED, ("success",))


class Continuations(Streams):
    """What happens to the call that goes on."""

    def in_text(self, case, then, due, config="exact"):
        case, spot = self.spot(TEXT, case, config)
        return self.play(case, Fault("close", f"close={spot.byte}+x1{then}", byte=spot.byte), due)

    def test_a_503_to_the_continuation_is_tried_again(self):
        self.in_text(None, "+503+x1", ("success",))

    def test_a_429_to_the_continuation_is_waited_for(self):
        self.in_text(None, "+429+retry_after_ms=30+x1", ("success",))

    def test_three_cuts_in_a_row_still_succeed(self):
        case, spot = self.spot(TEXT)
        self.play(case, Fault("close", f"close={spot.byte}+x3", byte=spot.byte, cuts=3), ("success",))

    def test_a_cut_in_the_first_words_of_the_continuation_still_succeeds(self):
        case, spot = self.spot(TEXT)
        head = self.player.model(case).raw.index(b"\r\n\r\n") + 4
        for k in (0, 10, head, head + 100, head + 300, head + 500):
            self.play(case, Fault("close", f"close={spot.byte}+x1+close={k}+x1", byte=spot.byte, cuts=2), ("success",))

    def test_more_cuts_than_attempts_end_loudly(self):
        case = Case("long enough", tokens=60)
        case, spot = self.spot(TEXT, case)
        head = self.player.model(case).raw.index(b"\r\n\r\n") + 4
        self.play(case, Fault("close", f"close={spot.byte}+x1+close={head + 10}+x8", byte=spot.byte, cuts=9), ("loud",))

    def test_a_refused_continuation_of_a_short_text_is_replayed(self):
        self.in_text(Case("refuses", words=["as=reject400"]), "", ("success",))

    def test_a_refused_continuation_of_a_long_text_ends_loudly(self):
        self.in_text(Case("refuses much", words=["as=reject400"], tokens=90), "", ("loud",))

    def test_without_the_capability_a_short_text_is_replayed(self):
        self.in_text(Case("short", config="none"), "", ("success",))

    def test_without_the_capability_a_long_text_ends_loudly(self):
        self.in_text(Case("long", config="none", tokens=90), "", ("loud",))

    def test_a_deterministic_upstream_replays_a_long_text(self):
        self.in_text(Case("deterministic", config="deterministic", tokens=90), "", ("success",))

    def test_a_replay_that_says_something_else_ends_loudly(self):
        self.in_text(Case("drifts", config="deterministic", words=["drift=20"], tokens=90), "", ("loud",))

    def test_another_model_does_not_go_on(self):
        self.in_text(Case("swaps", words=["model_swap"], tokens=90), "", ("loud",))

    def test_a_model_that_repeats_the_prefix_is_stripped_of_it(self):
        self.in_text(Case("echoes", config="echo", words=["as=echo"], tokens=90), "", ("success",))

    def test_a_model_that_was_said_to_repeat_and_does_not_ends_loudly(self):
        self.in_text(Case("does not echo", config="echo", tokens=90), "", ("loud",))

    def test_a_probe_finds_a_model_that_goes_on(self):
        self.in_text(Case("probed, open", config="probed", tokens=90), "", ("success",))

    def test_a_probe_finds_models_that_do_not_go_on(self):
        for manner in ("closed", "newpara", "preamble", "reject400", "echo"):
            with self.subTest(manner):
                self.in_text(Case(f"probed, {manner}", config="probed", words=[f"as={manner}"], tokens=90), "", ("loud",))

    def test_in_whole_mode_every_manner_of_model_succeeds(self):
        for manner in ("exact", "closed", "newpara", "preamble", "reject400", "echo", "token_sensitive"):
            with self.subTest(manner):
                case = Case(f"whole, {manner}", config="probed", headers=WHOLE, words=[f"as={manner}"], tokens=90)
                self.in_text(case, f"+close=9000+x1", ("success",))

    def test_an_answer_that_never_finishes_ends_loudly(self):
        self.play(Case("never finishes", words=["never_finish"]), Fault("close", "ok"), ("loud",))

    def test_reasoning_that_comes_again_behind_text_is_not_shown(self):
        self.in_text(Case("thinks again", model="mock-reasoner", words=["reasoning=5", "rethink"]), "", ("success",))


class Dialects(Streams):
    """The same breaks in the other dialects."""

    def cut(self, case, column, due):
        case, spot = self.spot(column, case)
        self.play(case, Fault("close", f"close={spot.byte}+x1", byte=spot.byte), due)
        self.play(case, Fault("end_chunked", f"end_chunked={spot.payload}+x1", payload=spot.payload), due)

    def test_completions_go_on_in_the_text(self):
        self.cut(Case("completions", COMPLETIONS, tokens=60), TEXT, ("success",))

    def test_messages_go_on_in_the_text(self):
        self.cut(Case("messages", MESSAGES, tokens=60), TEXT, ("success",))

    def test_messages_begin_again_in_thinking_that_was_not_shown(self):
        self.cut(Case("messages thinking", MESSAGES, model="mock-reasoner", words=["reasoning=5"]), REASONING, ("success",))

    def test_messages_go_on_in_a_call_behind_text(self):
        self.cut(Case("messages call", MESSAGES, words=["text_then_tool"], calls=True), LATE_CALL, ("success",))

    def test_responses_are_replayed_while_they_are_short(self):
        self.cut(Case("responses", RESPONSES), TEXT, ("success",))

    def test_long_responses_end_loudly(self):
        self.cut(Case("long responses", RESPONSES, tokens=90), TEXT, ("loud",))

    def test_long_responses_of_a_deterministic_upstream_are_replayed(self):
        self.cut(Case("deterministic responses", RESPONSES, config="deterministic", tokens=90), TEXT, ("success",))


class Documents(Streams):
    """JSON answers: nothing was shown, so every break is a retry."""

    def cuts(self, dialect, words):
        case = Case(f"{dialect} document", dialect, stream=False)
        model = self.player.model(case)
        for part in (0, 1, 2, 3):
            size = len(model.raw) if words != "end_chunked" else len(model.payload)
            self.play(case, Fault(words, f"{words}={part * size // 4 + 5}+x1"), ("success",))

    def test_a_document_that_is_cut_is_asked_for_again(self):
        for dialect in checker.DIALECTS:
            with self.subTest(dialect):
                self.cuts(dialect, "close")

    def test_half_a_document_with_a_clean_end_is_asked_for_again(self):
        for dialect in checker.DIALECTS:
            with self.subTest(dialect):
                self.cuts(dialect, "end_chunked")

    def test_a_document_that_stays_half_is_an_error(self):
        # Five failures in a row close a gate for half a minute, which this client does not wait for.
        case = Case("document", stream=False, headers=(("x-streamkeeper-max-wait", "5s"),))
        end, _, breaches, seen = self.player.play(case, Fault("four cuts", "close=500", cuts=9))
        self.assertEqual((end, breaches), ("refused", []))


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

    def test_a_token_is_shown_before_the_next_one_is_made(self):
        """P7, P8, P9: the mock makes N events and waits; their text has to be there, but white space at its end."""
        for shape in ("words", "code", "chinese"):
            name = f"mock-1+tokens=12+text={shape}"
            text = self.rig.uncut(rigs.request(CHAT, name))
            blocks = checker.events_of(text[1].body)[0]
            for hold in (2, 3, 5, 9, 13):
                made = checker.read(CHAT, checker.Answer(200, {}, b"".join(block + b"\n\n" for block in blocks[:hold]), False)).text
                with self.subTest(shape=shape, events=hold), self.opened(name, hold) as connection:
                    last = checker.read(CHAT, checker.Answer(200, {}, blocks[hold - 1] + b"\n\n", False)).text
                    shown = made if not last[-1:].isspace() else made[:len(made) - len(last)]
                    self.read_text(connection, shown)

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

    def test_tokens_are_counted_as_the_mock_says_they_were_billed(self):
        """P6: of each answer that came to its usage."""
        daemon = self.rig.daemon("exact")

        def counted(kind):
            return harness.metric(daemon.metrics(), "streamkeeper_tokens_total", kind=kind)
        before, due = counted("output"), 0
        for number, acts in enumerate(["ok", "close=1500+x1", "close=900+x1+close=1200+x1", "end_chunked=1000+x1", "503+x1"]):
            _, records = self.rig.ask("exact", rigs.request(CHAT, f"mock-1+tokens=12+id=bill{number}+{acts}"))
            due += records[-1]["tokens"]
        self.assertEqual(counted("output") - before, due)

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
    """A forwarder between daemon and mock that can cut all its connections at once, with a reset."""

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
        for end in pair:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self.lock:
            self.over.append(pair)

    def cut(self):
        with self.lock:
            pairs, self.pairs = self.pairs, set()
        for near, far in pairs:
            with contextlib.suppress(OSError):
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            for end in (near, far):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
        return len(pairs)

    def stop(self):
        self.listener.close()
        self.cut()
        for pair in self.over:
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
            f"http://127.0.0.1:{switch.port}/v1", retry=None, extra="retry: {base: 1ms}\n",
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
            self.assertEqual((one.end, one.breaches), ("success", []), f"{number}: {one.cause} {one.error}")
            self.assertEqual(one.text, texts[str(number)])
        self.assertLessEqual(switch.most, most)
        harness.wait_for(lambda: harness.metric(daemon.metrics(), "streamkeeper_requests_in_flight") == 0)
        self.assertEqual(harness.metric(daemon.metrics(), "streamkeeper_memory_budget_bytes"), 0)

    def test_all_of_many_streams_that_are_cut_at_once_recover(self):
        self.check(256)

    def test_streams_that_are_cut_at_once_do_not_break_the_limit_of_calls_in_flight(self):
        self.check(24)


if __name__ == "__main__":
    unittest.main()
