"""What the sweep plays: who is asked for what (cases), what breaks (faults), and what must come of it (the matrix)."""
import random

from checker import CHAT, COLUMNS, COMPLETIONS, MESSAGES, RESPONSES

BEFORE, EMPTY, REASONING, TEXT, CALL, LATE_CALL, FINISHED = COLUMNS
WHOLE = (("x-streamkeeper-resume", "whole"),)
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city", "days"]}


def tools_for(dialect):
    if dialect == MESSAGES:
        return [{"name": "weather", "description": "d", "input_schema": WEATHER}]
    if dialect == RESPONSES:
        return [{"type": "function", "name": "weather", "parameters": WEATHER}]
    return [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]


class Case:
    """`config`: of the daemon; `words`: the model's character; `calls`: what is asked for makes the model call tools."""

    def __init__(self, name, dialect=CHAT, config="exact", words=(), model="mock-1", stream=True, headers=(), calls=False,
                 usage=False, extra=None, tokens=6):
        self.name, self.dialect, self.config, self.words, self.model = name, dialect, config, tuple(words), model
        self.stream, self.headers, self.usage = stream, tuple(headers), usage
        self.whole = headers == WHOLE
        self.extra = dict(extra or {})
        if tokens:
            self.words += (f"tokens={tokens}",)
        if calls:
            self.extra["tools"] = tools_for(dialect)
        self.prompt = "Use the tool for PROMPTSECRET." if calls else "Tell me about the PROMPTSECRET harbour."

    def named(self, acts="", number=0):
        parts = [self.model, *self.words]
        if acts:
            parts += [f"id={number}", acts]
        return "+".join(parts)

    def word(self, start):
        """What a word of the character says; None if it is not there."""
        return next((word[len(start):] for word in self.words if word.startswith(start)), None)


class Fault:
    """`acts`: for the model's name; `kind`: for the table; `cut`: the raw byte or payload byte at which the first answer
    ends, if that is known exactly."""

    def __init__(self, kind, acts, byte=None, payload=None, event=None, terminal=False, cuts=1):
        self.kind, self.acts, self.byte, self.payload, self.event = kind, acts, byte, payload, event
        self.terminal, self.cuts = terminal, cuts


RETRYABLE = ["sse_error={n}", "503+sse_error={n}", "529+sse_error={n}+shape=anthropic", "sse_error={n}+shape=string",
             "sse_error={n}+shape=detail", "503+sse_error={n}+shape=google", "sse_error={n}+shape=field",
             "sse_error={n}+shape=event", "sse_error={n}+shape=finish_error", "502+sse_error={n}+shape=openrouter",
             "sse_error={n}+then_done", "sse_error={n}+shape=apertis", "sse_error={n}+shape=top_level",
             "sse_error={n}+shape=detail_list"]
# Not here: errors that park the key (quota, 401), which would spoil the streams that follow.
TERMINAL = ["sse_error={n}+context", "sse_error={n}+policy", "sse_error={n}+context+shape=event", "400+sse_error={n}",
            "sse_error={n}+policy+then_done"]
# What may befall a continuation.
LATER = ["rst={k}", "end_chunked={k}", "fin_chunk={k}", "gzip+close={k}", "http10+close={k}", "crlf+close={k}", "drip_bytes=3+close={k}",
         "early_done={n}", "torn={n}", "garbage={n}", "events={n}", "503", "500", "502", "empty", "json_error", "503+sse_error={n}",
         "sse_error={n}+shape=field", "sse_error={n}+shape=detail", "comments+close={k}", "coalesce=3+close={k}", "close=0", "408"]
BENIGN = ["crlf", "cr", "bom", "comments", "no_space", "no_done", "multi_line", "ids", "no_blank_at_end", "empty_data_first",
          "coalesce=3", "drip_bytes=1", "drip_bytes=7", "crlf+drip_bytes=1", "gzip", "http10", "finish_no_done"]


def faults_of(case, size, payload_size, events, texts, kinds=None, step=1, seed=1):
    """Every fault of this case, in order. `texts`: numbers of events with text."""
    found = []

    def add(kind, *args, **more):
        if kinds is None or kind in kinds:
            found.append(Fault(kind, *args, **more))

    for k in range(0, size + 4, step):
        add("close", f"close={k}+x1", byte=k)
        add("rst", f"rst={k}+x1", byte=k)
        add("gzip+close", f"gzip+close={k}+x1")
        add("http10+close", f"http10+close={k}+x1")
        add("crlf+close", f"crlf+close={k}+x1")
        add("drip+close", f"drip_bytes=5+close={k}+x1")
        add("crlf+drip+close", f"crlf+drip_bytes=1+close={k}+x1")
        add("tls_fin", f"tls_fin={k}+x1", byte=k)
        add("close_notify", f"close_notify={k}+x1", byte=k)
        add("fin_chunk", f"fin_chunk={k}+x1")
        add("stall", f"stall={k}+x1", byte=k)
        add("stall_comments", f"stall_comments={k}+x1")
    for k in range(0, payload_size, step):
        add("end_chunked", f"end_chunked={k}+x1", payload=k)
    if case.stream:
        for n in range(0, events + 1):
            add("early_done", f"early_done={n}+x1", event=n)
            add("torn", f"torn={n}+x1", event=n)
            add("garbage", f"garbage={n}+x1", event=n)
            add("events", f"events={n}+x1", event=n)
            for words in RETRYABLE:
                add("sse_error", words.format(n=n) + "+x1", event=n)
            for words in TERMINAL:
                add("sse_error terminal", words.format(n=n) + "+x1", event=n, terminal=True)
    chance = random.Random(f"{seed} {case.name}")
    for _ in range(0, size, step):
        cuts = [chance.randrange(size) for _ in range(3)]
        add("two cuts", "+".join(f"close={k}+x1" for k in cuts[:2]), cuts=2)
        add("three cuts", "+".join(f"close={k}+x1" for k in cuts), cuts=3)
        add("refused then well", f"close={cuts[0]}+x1+503+x1")
        add("429 then well", f"close={cuts[0]}+x1+429+x1")
        second = chance.choice(LATER).format(k=chance.choice((cuts[1], cuts[1] % 700)), n=chance.randrange(events + 1))
        add("a fault in the continuation", f"close={cuts[0]}+x1+{second}+x1", cuts=2)
        third = chance.choice(LATER).format(k=cuts[2], n=chance.randrange(events + 1))
        add("two in the continuations", f"end_chunked={cuts[0]}+x1+{second}+x1+{third}+x1", cuts=3)
        add("four cuts", "+".join(f"close={cuts[0] // 2 + size // 2}+x1" for _ in range(5)), cuts=5)
    for words in BENIGN if case.stream else ["drip_bytes=1", "drip_bytes=7", "gzip", "http10"]:
        add("benign", words)
    add("none", "ok")
    return found


# ---- what must come of it: S success, E loud failure, H an HTTP error; several letters: any of these

ALWAYS_OPEN = ("exact", "trim", "ws400", "token_sensitive", "grammar_reset")


def wanted(case, fault, column, shown):
    """The matrix. `shown` is how many bytes of text the client had been shown at the break, at most."""
    if case.word("never_finish") is not None:
        return "EH"
    if fault.kind in ("benign", "none"):
        return "S"
    if fault.terminal:
        if column == FINISHED:
            return "S"
        thinking = case.dialect == MESSAGES and case.model == "mock-reasoner"  # a block without its signature is held
        if column == CALL or (case.whole and column != EMPTY) or (thinking and column == EMPTY):  # nothing of it was shown; the head may be out
            return "EH"
        return "H" if column in (BEFORE, EMPTY) or not case.stream or case.whole else "E"
    if fault.cuts > 3:
        return "SEH"
    if not case.stream or case.whole:
        return "S"
    if column is None:  # several breaks, or one at a place that is not known
        if case.config == "probed":  # the second fault may befall the probe
            return "SE"
        return _seam(case, True, 1 << 30) or "S"
    if column in (BEFORE, EMPTY, REASONING, CALL, FINISHED):
        return "S"
    return _seam(case, column == LATE_CALL, shown) or "S"


def _seam(case, calls, shown):
    """None: success is due."""
    manner = case.word("as=") or "exact"
    short = shown <= 200
    if case.dialect == RESPONSES:
        return None if short or case.config == "deterministic" else "SE"
    if case.word("drift=") is not None or case.model == "mock-drift":
        return "SE"
    if case.word("model_swap") is not None:
        return "SE"
    if case.dialect == MESSAGES and case.model == "mock-reasoner" or case.dialect == MESSAGES and case.word("reasoning=") is not None:
        return None if short else "SE"
    if case.name.startswith(("stop:", "format:")):  # not continued: replayed while short
        return None if short else "SE"
    if case.config in ("exact", "impatient", "tls", "prefix", "partial", "continue_final_message"):
        if manner in ALWAYS_OPEN:
            return None
        return None if short and manner == "reject400" else "SE"
    if case.config == "echo":
        return None if manner == "echo" else "SE"
    if case.config == "deterministic":
        return None
    if case.config == "none":
        return None if short else "SE"
    # A probe's prefix ends inside a token.
    if short or (manner in ALWAYS_OPEN and manner != "token_sensitive"):
        return None
    return "SE"
