"""What a client saw of one answer."""
import json

CHAT, COMPLETIONS, MESSAGES, RESPONSES = "chat/completions", "completions", "messages", "responses"
DIALECTS = (CHAT, COMPLETIONS, MESSAGES, RESPONSES)


BARE_CR = "a line that ends in a bare CR"


class Answer:
    """The bytes of one HTTP answer. `complete`: its end was marked (last chunk, or all of Content-Length came);
    `extra`: bytes that came behind the end."""

    def __init__(self, status, headers, body, complete, extra=b""):
        self.status, self.headers, self.body, self.complete, self.extra = status, headers, body, complete, extra


class Call:
    def __init__(self, call_id="", name="", arguments=""):
        self.id, self.name, self.arguments, self.pieces = call_id, name, arguments, 0

    def plain(self):
        return self.name, self.arguments


class Seen:
    """What a client saw. `end`: success (finish and a clean end), loud (the SDK throws), refused (an HTTP error), or
    silent, which is never allowed: a clean end without a finish."""

    def __init__(self):
        self.text = self.reasoning = ""
        self.calls, self.breaches, self.payloads = [], [], []
        self.finish = self.usage = self.error = self.end = self.id = self.model = self.cause = None
        self.terminal = False

    def breach(self, what):
        if len(self.breaches) < 5:
            self.breaches.append(what)


def events_of(body):
    """Blocks of an event stream, and what is left without a blank line."""
    blocks = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n\n")
    return blocks[:-1], blocks[-1]


def whole_characters(text):
    """Halves of a surrogate pair that came in two events are one character."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def whole_calls(seen):
    """P5: a call is shown whole or not at all."""
    for call in seen.calls:
        if not call.id or not call.name:
            seen.breach("a call without id or name")
        try:
            json.loads(call.arguments or "null" if seen.finish is None else call.arguments or "{}")
        except ValueError:
            seen.breach(f"half a call's arguments: {call.arguments[-40:]!r}")
    if len({call.id for call in seen.calls}) != len(seen.calls):
        seen.breach("two calls with one id")
