"""The properties that every answer of a resumed stream must have (P1 to P14), in one place.

`read(dialect, answer)` takes apart what a client received, in all dialects, and notes every breach of form (P4, P5).
`judge(seen, oracle)` compares it with what the model would have said uncut (P1, P2). Nothing here talks to a daemon.
"""
import json
import re

from dialects import Blocks, Chunks, Items
from seen import (BARE_CR, CHAT, COMPLETIONS, DIALECTS, MESSAGES, RESPONSES, Answer, Call, Seen, events_of, whole_calls,  # noqa: F401
                  whole_characters)


def read(dialect, answer):
    """What the client of a stream saw."""
    seen = Seen()
    if answer.extra:
        seen.breach(f"bytes behind the end: {answer.extra[:60]!r}")
    if answer.status != 200:
        return read_refusal(seen, answer)
    try:
        answer.body.decode("utf-8")
    except UnicodeDecodeError as error:
        seen.breach(f"no UTF-8: {error}")
    if b"\r" in answer.body.replace(b"\r\n", b""):  # who splits at LF loses the line behind it
        seen.breach(BARE_CR)
    blocks, rest = events_of(answer.body)
    if rest.strip(b"\n"):
        seen.breach(f"a piece of an event: {rest[-80:]!r}")
    reader = {CHAT: Chunks, COMPLETIONS: Chunks, MESSAGES: Blocks, RESPONSES: Items}[dialect](seen, dialect)
    for block in blocks:
        _read_block(seen, reader, block)
    reader.close(answer.complete)
    seen.text, seen.reasoning = whole_characters(seen.text), whole_characters(seen.reasoning)
    if answer.complete and seen.finish is not None and seen.error is None:
        seen.end = "success"
    elif not answer.complete or seen.error is not None:
        seen.end = "loud"
        if seen.finish is not None:
            seen.breach("a failure behind the finish")
        if seen.terminal:
            seen.breach("a failed answer has the mark of the end")
    else:
        seen.end = "silent"
        seen.breach("a clean end without a finish")
    return seen


def read_refusal(seen, answer):
    seen.end = "refused"
    if not answer.complete:
        seen.breach("an error document that is cut")
    try:
        seen.error = json.loads(answer.body)["error"]
    except (ValueError, KeyError, TypeError):
        seen.breach(f"an error that is no error document: {answer.body[:80]!r}")
    return seen


def _read_block(seen, reader, block):
    name, data = "", None
    try:
        lines = block.decode("utf-8", "replace").split("\n")
    except UnicodeDecodeError:
        return
    for line in lines:
        if not line:  # a blank line too many, which means nothing
            continue
        if line.startswith("data: "):
            if data is not None:
                seen.breach("an event of two data lines")
            data = line[6:]
        elif line.startswith("event: "):
            name = line[7:]
        elif line.startswith(": streamkeeper "):
            seen.cause = line[15:]
        elif line != ": hb":
            seen.breach(f"a line that no client should see: {line[:60]!r}")
    if seen.cause is not None and data is not None:
        seen.breach("an event behind the cause of the end")
    if data is None:
        if name:
            seen.breach(f"an event without data: {name}")
        return
    if seen.terminal or (seen.error is not None):
        seen.breach(f"an event behind the end: {data[:60]!r}")
    if data == "[DONE]":
        seen.payloads.append(data)
        reader.done()
        return
    try:
        value = json.loads(data)
    except ValueError:
        seen.breach(f"an event that is no JSON: {data[:80]!r}")
        return
    if not isinstance(value, dict):
        seen.breach(f"an event that is no object: {data[:80]!r}")
        return
    seen.payloads.append(data)
    reader.take(name, value)


def read_document(dialect, answer):
    """What the client of a JSON answer saw."""
    seen = Seen()
    if answer.extra:
        seen.breach(f"bytes behind the end: {answer.extra[:60]!r}")
    if answer.status != 200:
        return read_refusal(seen, answer)
    if not answer.complete:
        seen.breach("partial JSON")
        seen.end = "loud"
        return seen
    try:
        value = json.loads(answer.body)
        _document(dialect, seen, value)
        seen.payloads = [value]
        seen.end = "success" if seen.finish is not None else "silent"
    except (ValueError, KeyError, TypeError, IndexError) as error:
        seen.breach(f"no document of this endpoint: {error!r} in {answer.body[:100]!r}")
        seen.end = "silent"
    return seen


def _document(dialect, seen, value):
    seen.id, seen.model, seen.usage = value["id"], value["model"], value.get("usage")
    if dialect == CHAT:
        message = value["choices"][0]["message"]
        seen.text, seen.reasoning = message.get("content") or "", message.get("reasoning_content") or ""
        for call in message.get("tool_calls") or ():
            seen.calls.append(Call(call["id"], call["function"]["name"], call["function"]["arguments"]))
        seen.finish = value["choices"][0]["finish_reason"]
    elif dialect == COMPLETIONS:
        seen.text, seen.finish = value["choices"][0]["text"], value["choices"][0]["finish_reason"]
    elif dialect == MESSAGES:
        for block in value["content"]:
            seen.text += block.get("text", "")
            seen.reasoning += block.get("thinking", "")
            if block["type"] == "tool_use":
                seen.calls.append(Call(block["id"], block["name"], json.dumps(block["input"])))
        seen.finish = value["stop_reason"]
    else:
        for item in value["output"]:
            if item["type"] == "message":
                seen.text += "".join(part.get("text", "") for part in item["content"])
            elif item["type"] == "function_call":
                seen.calls.append(Call(item["call_id"], item["name"], item["arguments"]))
        seen.finish = "response." + value["status"]
    whole_calls(seen)


# ---- against the oracle

def _same_calls(seen, uncut):
    """Names and arguments as values: a document of `messages` has no text of its own for them."""
    def plain(calls):
        return [(call.name, json.loads(call.arguments or "{}")) for call in calls]
    try:
        return plain(seen.calls) == plain(uncut.calls)
    except ValueError:
        return False


def judge(seen, uncut):
    """P1: a success is the uncut answer, a failure a beginning of it. Returns the breaches, those of form included."""
    breaches = list(seen.breaches)
    if seen.end == "success":
        if seen.text != uncut.text:
            breaches.append(f"P1: {differing(seen.text, uncut.text)}")
        if not uncut.reasoning.startswith(seen.reasoning):
            breaches.append(f"P1: reasoning: {differing(seen.reasoning, uncut.reasoning)}")
        if uncut.reasoning and not seen.reasoning:
            breaches.append("P1: the reasoning is missing")
        if not _same_calls(seen, uncut):
            breaches.append(f"P5: {[call.plain() for call in seen.calls]} for {[call.plain() for call in uncut.calls]}")
        if seen.finish != uncut.finish:
            breaches.append(f"P4: finish {seen.finish}, uncut {uncut.finish}")
    elif seen.end == "loud":
        if not uncut.text.startswith(seen.text):
            breaches.append(f"P1: no beginning of the text: {differing(seen.text, uncut.text)}")
        if not uncut.reasoning.startswith(seen.reasoning):
            breaches.append(f"P1: reasoning: {differing(seen.reasoning, uncut.reasoning)}")
        names = [call.plain() for call in uncut.calls]
        if [call.plain() for call in seen.calls] != names[:len(seen.calls)]:
            breaches.append("P5: calls that the model did not make")
    return breaches


def differing(have, want):
    at = next((i for i, (a, b) in enumerate(zip(have, want)) if a != b), min(len(have), len(want)))
    return f"text differs at {at}: have {have[max(0, at - 20):at + 30]!r} want {want[max(0, at - 20):at + 30]!r} ({len(have)} for {len(want)})"


def judge_requests(records, seen):
    """P12: what a continuation was asked with is what the client has: the beginning of an answer that it gave itself,
    and the text that it was shown (white space at the end of that may be left out, and is asked for again)."""
    given, breaches = records[0].get("prefix") or "", []
    for record in records[1:]:
        prefix = record.get("prefix")
        if prefix and not (given + seen.text).startswith(prefix):
            breaches.append(f"P12: asked to go on behind {prefix[-30:]!r}, which the client does not have")
    return breaches


def judge_overlap(answers, slack=50.0):
    """P10: of one client request's upstream calls (as in /mock/state), none begins before the one before has ended.
    What the client's side ended (`left`) is noticed a little later by the mock: `slack`, in milliseconds."""
    breaches = []
    for before, after in zip(answers, answers[1:]):
        if before.get("ended_ms") is None:
            breaches.append("P10: a call began while another one had not ended")
        elif after["at_ms"] < before["ended_ms"] - (slack if before.get("left") else 1.0):
            breaches.append(f"P10: a call began {before['ended_ms'] - after['at_ms']:.1f} ms before the one before had ended")
    return breaches


def judge_log(lines, secrets):
    """P14: none of these texts is in the log."""
    return [f"P14: {secret[:20]!r} in the log: {line[:120]}" for line in lines for secret in secrets if secret and secret in line]


# ---- where a cut falls

def payload_of(raw):
    """(head or None, payload so far) of the raw bytes of an answer that may be cut anywhere."""
    end = raw.find(b"\r\n\r\n")
    if end < 0:
        return None, b""
    head, rest = raw[:end + 4], raw[end + 4:]
    if not re.search(rb"\r\ntransfer-encoding: chunked", head.lower()):
        return head, rest
    out = bytearray()
    while True:
        line = rest.find(b"\r\n")
        if line < 0:
            break
        try:
            size = int(rest[:line].split(b";")[0], 16)
        except ValueError:
            break
        out += rest[line + 2:line + 2 + size]
        if size == 0 or len(rest) < line + 2 + size + 2:
            break
        rest = rest[line + 2 + size + 2:]
    return head, bytes(out)


COLUMNS = ("before headers", "no payload yet", "in reasoning", "in text", "in a held call", "call after text", "after finish")


def place_of(dialect, raw):
    """(column of the matrix, what a client of these bytes would have seen)"""
    head, payload = payload_of(raw)
    if head is None:
        return COLUMNS[0], Seen()
    blocks, _ = events_of(payload)
    whole = b"".join(block + b"\n\n" for block in blocks)
    seen = read(dialect, Answer(200, [], whole, False))
    if seen.finish is not None:
        return COLUMNS[6], seen
    if seen.calls:
        return COLUMNS[5 if seen.text else 4], seen
    if seen.text:
        return COLUMNS[3], seen
    return COLUMNS[2 if seen.reasoning else 1], seen
