"""Resumption, cell by cell: where an answer breaks, how, and what the client must get (the matrix). scripts/sweep plays
the same at every byte."""
import bisect
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "resumption"))
import checker  # noqa: E402
import player  # noqa: E402
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
        cls.player = player.Player(1)

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


if __name__ == "__main__":
    unittest.main()
