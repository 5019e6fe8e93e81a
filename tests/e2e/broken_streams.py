"""Seeded faults for real SDKs: what is asked, how the mock's answer breaks, and what may become of it."""

import json
import random
import socket
from dataclasses import dataclass

TOOL = {"name": "get_weather", "description": "Weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                       "required": ["city"]}}
RIVERS = "Say something about rivers."
PROMPT = RIVERS + "\n\n###\n"  # of a plain completion: the mock takes what stands behind this mark as begun by itself
WEATHER = "Use the tool to look up the weather in Bonn."

# The answer's shape: model, the mock's words about it, the prompt.
SHAPES = {
    "words": ("mock-1", "tokens=30", RIVERS),
    "prose": ("mock-1", "text=prose+tokens=60", RIVERS),
    "chinese": ("mock-1", "text=chinese+tokens=30", RIVERS),
    "code": ("mock-1", "text=code+tokens=60", RIVERS),
    "repetitive": ("mock-1", "text=repetitive+tokens=80", RIVERS),
    "yaml": ("mock-1", "text=yaml+tokens=40", RIVERS),
    "json": ("mock-1", "text=json+tokens=40", RIVERS),
    "emoji": ("mock-1", "text=emoji+tokens=30", RIVERS),
    "escapes": ("mock-1", "text=emoji+escape=ascii+split=surrogates+tokens=30", RIVERS),
    "reasoning": ("mock-reasoner", "reasoning=8+tokens=20", RIVERS),
    "tool": ("mock-1", "", WEATHER),
    "two calls": ("mock-1", "two_calls", WEATHER),
    "text and tool": ("mock-1", "text_then_tool+tokens=8", WEATHER),
}
TOOL_SHAPES = {"tool", "two calls", "text and tool"}

# Client: its dialect and whether it runs in node. "plain" is a call without a stream.
CLIENTS = {
    "openai-python chat": ("chat", False), "openai-python chat.stream()": ("chat", False),
    "openai-python completions": ("completions", False), "openai-python responses": ("responses", False),
    "openai-python responses.stream()": ("responses", False), "anthropic-python messages.stream()": ("messages", False),
    "openai-python chat, plain": ("chat", False), "anthropic-python messages, plain": ("messages", False),
    "openai-node chat": ("chat", True), "openai-node chat.stream()": ("chat", True),
    "openai-node responses": ("responses", True), "openai-node chat, plain": ("chat", True),
    "AI SDK streamText": ("chat", True), "AI SDK generateText": ("chat", True),
    "anthropic-node messages.stream()": ("messages", True),
}
FINISH = {"chat": b'"finish_reason":"', "completions": b'"finish_reason":"', "messages": b'"stop_reason":"',
          "responses": b'"response.completed"'}

# How the daemon is set up or asked, and how the model takes a continuation.
MODES = {
    "exact": ("exact", "exact", None),     # the upstream's capability is configured
    "trimmed": ("exact", "trim", None),    # it drops white space at the end of what it continues
    "echoed": ("echoing", "echo", None),   # its continuation begins with all that was there
    "found": ("asked", "exact", None),     # it is not, so a probe finds it
    "closed": ("asked", "closed", None),   # a vendor that can't go on: loud
    "whole": ("asked", "closed", "whole"),
}
CONFIG = """\
listen: ["127.0.0.1:0"]
default_upstream: exact
upstreams:
  exact:
    base_url: {base_url}
    proxy: none
    keys: [{{name: e2e, file: key}}]
    resume: {{capability: {{prefill: trailing, seam: exact}}}}
  echoing:
    base_url: {base_url}
    proxy: none
    keys: [{{name: e2e, file: key}}]
    resume: {{capability: {{prefill: trailing, seam: echo}}}}
  asked:
    base_url: {base_url}
    proxy: none
    keys: [{{name: e2e, file: key}}]
retry: {{base: 1ms, cap: 20ms}}
timeouts: {{first_byte: 4s, stream_idle: 2s, stream_progress: 2s}}
"""
RETRYABLE = [500, 502, 503, 529]
ERROR_SHAPES = ["openai", "string", "detail", "google", "top_level", "field", "event", "finish_error"]


@dataclass
class Measure:
    """An uncut answer as bytes on the wire."""
    size: int
    head: int
    events: int
    finish: int          # the byte with which the event that finishes begins
    finish_event: int    # its number, from 0


@dataclass
class Case:
    number: int
    client: str
    shape: str
    mode: str
    fault: str
    terminal: bool
    after_finish: bool   # the break lies behind the finish: only usage may then be missing

    @property
    def dialect(self):
        return CLIENTS[self.client][0]

    @property
    def plain(self):
        return "plain" in self.client or "generate" in self.client

    def model(self, where=""):
        name, words, _ = SHAPES[self.shape]
        return "+".join(word for word in (name, words, f"as={MODES[self.mode][1]}", self.fault, f"id={where}{self.number}") if word)

    @property
    def headers(self):
        upstream, _, resume = MODES[self.mode]
        return {"x-streamkeeper-upstream": upstream} | ({"x-streamkeeper-resume": resume} if resume else {})

    @property
    def may_throw(self):
        """Where the design leaves no way to a whole answer once output was shown."""
        if self.terminal:
            return True
        if self.plain or self.mode == "whole":
            return False
        return (self.mode == "closed" or self.dialect == "responses"
                or (self.mode == "found" and self.fault.count("+x1") > 1)  # the second one may hit the probe
                or (self.dialect == "messages" and self.shape == "reasoning"))

    def __str__(self):
        return f"#{self.number} {self.client}, {self.mode}: {self.model()}"


def fits(client, shape):
    dialect = CLIENTS[client][0]
    return dialect != "completions" or (shape not in TOOL_SHAPES and shape != "reasoning")


def measure(port, key, request, dialect):
    """The mock's answer to this recorded request, unbroken, in bytes."""
    body = request["body"].encode()
    head = (f"POST {request['target']} HTTP/1.1\r\nHost: mock\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n")
    raw = b""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(head.encode() + body)
        while data := connection.recv(65536):
            raw += data
    finish = raw.rfind(b"data: ", 0, max(raw.find(FINISH[dialect]), 0))
    return Measure(len(raw), raw.index(b"\r\n\r\n") + 4, raw.count(b"data: "), finish if finish >= 0 else len(raw),
                   raw[:max(finish, 0)].count(b"data: "))


def one_fault(draw, found, plain):
    """(words, terminal, position in bytes) of one act."""
    anywhere = draw.randrange(0, found.size - 1)
    within = draw.randrange(found.head, found.size - 1)
    event = draw.randrange(0, max(1, found.events))
    at_event = found.size if event > found.finish_event else 0
    status = draw.choice(RETRYABLE)
    if plain:
        return draw.choice([(f"close={anywhere}", False, 0), (f"rst={anywhere}", False, 0), (f"stall={anywhere}", False, 0),
                            (f"http10+close={anywhere}", False, 0), (f"{status}", False, 0), (f"{status}+json_error", False, 0),
                            ("empty", False, 0), ("400", True, 0)])
    shape = draw.choice(ERROR_SHAPES)
    done = draw.choice(["", "+then_done"])
    size = found.size - found.head
    later = within + 1000  # the event with this byte comes whole
    unframed = within + 8 * found.events  # with fewer lines of chunks in front of it
    payload = draw.randrange(0, max(1, size * 9 // 10 - 6 * found.events))
    return draw.choice([
        (f"close={anywhere}", False, anywhere), (f"close={within}", False, within), (f"rst={within}", False, within),
        (f"fin_chunk={within}", False, later), (f"end_chunked={payload}", False, payload + found.head),
        (f"end_chunked={payload}", False, payload + found.head), (f"stall={within}", False, within),
        (f"stall_comments={within}", False, later), (f"http10+close={within}", False, unframed),
        (f"gzip+close={draw.randrange(0, 1500)}", False, found.size),
        (f"early_done={event}", False, at_event), (f"early_done={event}", False, at_event), (f"torn={event}", False, at_event),
        (f"garbage={event}", False, at_event), (f"events={event}", False, at_event),
        (f"{status}+sse_error={event}+shape={shape}{done}", False, at_event), (f"{status}", False, 0), ("empty", False, 0),
        (f"sse_error={event}+{draw.choice(['context', 'policy'])}", True, at_event),
        (f"crlf+drip_bytes=1+drip=0ms+close={within}", False, within), (f"comments+bom+rst={within}", False, within),
        (f"coalesce=7+close={within}", False, unframed)])


def plan(count, seed, measured, clients):
    """`count` cases, the clients in turn, everything else drawn; `measured` by (client, shape)."""
    draw = random.Random(seed)
    cases = []
    for number in range(count):
        client = clients[number % len(clients)]
        shape = draw.choice([shape for shape in SHAPES if (client, shape) in measured])
        found = measured[client, shape]
        plain = "plain" in client or "generate" in client
        fault, terminal, at = one_fault(draw, found, plain)
        fault += "+x1"
        if draw.random() < 0.3:  # the continuation breaks too
            second, again, _ = one_fault(draw, found, plain)
            # The continuation is shorter than what was measured, so where its break lies is not known.
            fault, terminal, at = f"{fault}+{second}+x1", terminal or again, found.finish
        mode = draw.choice(list(MODES))
        cases.append(Case(number, client, shape, mode, fault, terminal, at >= found.finish))
    return cases


def whole_text(text):
    """One code point where an SDK put two surrogates side by side."""
    return (text or "").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def differences(case, final, uncut):
    """What the client has that it should not, or lacks."""
    wrong = []
    for name in ("text", "calls", "finish", "role", "id", "model"):
        have, want = final.get(name), uncut.get(name)
        if name == "text":
            have, want = whole_text(have), whole_text(want)
        if name == "calls":  # one that was not shown before the break has the id of its own attempt
            ids = [call[0] for call in have or []]
            have, want = [call[1:] for call in have or []], [call[1:] for call in want or []]
            if not all(ids) or len(set(ids)) < len(ids):
                wrong.append(f"ids of calls: {ids}")
        if have != want:
            wrong.append(f"{name}: {json.dumps(have)[:300]} instead of {json.dumps(want)[:300]}")
    # Reasoning that was shown may come from the attempt that was cut (contract, promise 1).
    if not whole_text(uncut.get("reasoning")).startswith(whole_text(final.get("reasoning"))):
        wrong.append(f"reasoning: {final.get('reasoning')!r}")
    if final.get("usage") != uncut.get("usage") and not case.after_finish:
        wrong.append(f"usage: {final.get('usage')} instead of {uncut.get('usage')}")
    return wrong
