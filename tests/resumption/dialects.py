"""The events of each dialect, as a strict client reads them: every breach of their form is noted (P4, P5)."""
from seen import CHAT, Call, whole_calls, whole_characters


class Chunks:
    """Chat and completions."""

    def __init__(self, seen, dialect):
        self.seen, self.chat = seen, dialect == CHAT
        self.names, self.roles, self.choices = {}, 0, {}

    def take(self, name, value):
        seen = self.seen
        if name and "error" not in value:
            seen.breach(f"a chunk with the event name {name}")
        if "error" in value:
            seen.error = value["error"]
            return
        self._names(value)
        if value.get("usage") is not None:
            if seen.usage is not None:
                seen.breach("usage twice")
            seen.usage = value["usage"]
        elif seen.usage is not None:
            seen.breach("a chunk behind usage")
        for choice in value.get("choices", ()):
            if choice.get("index") != 0:
                seen.breach(f"choice {choice.get('index')}")
            self._choice(choice)

    def _names(self, value):
        for name in ("id", "created", "model", "object"):
            if value.get(name) in ("", 0):
                continue  # a no-op before the first chunk
            if name not in value:
                self.seen.breach(f"a chunk without {name}")
            elif self.names.setdefault(name, value[name]) != value[name]:
                self.seen.breach(f"{name} changed: {self.names[name]} to {value[name]}")
        self.seen.id, self.seen.model = self.names.get("id"), self.names.get("model")

    def _choice(self, choice):
        seen = self.seen
        delta = choice.get("delta", {}) if self.chat else {"content": choice.get("text")}
        content = delta.get("content") or ""
        reasoning = delta.get("reasoning_content") or delta.get("reasoning") or ""
        if seen.finish is not None and (content or reasoning or delta.get("tool_calls")):
            seen.breach("content behind the finish")
        if delta.get("role"):
            self.roles += 1
            if self.roles > 1:
                seen.breach("a second role")
        if reasoning and seen.text:
            seen.breach("reasoning behind text")
        seen.text += content
        seen.reasoning += reasoning
        for piece in delta.get("tool_calls") or ():
            self._call(piece)
        if choice.get("finish_reason") is not None:
            if seen.finish is not None:
                seen.breach("a second finish")
            seen.finish = choice["finish_reason"]

    def _call(self, piece):
        calls, index = self.seen.calls, piece.get("index")
        if index == len(calls):
            calls.append(Call())
        if not isinstance(index, int) or index >= len(calls):
            self.seen.breach(f"a call's index: {index}")
            return
        call, function = calls[index], piece.get("function", {})
        call.pieces += 1
        if call.pieces > 1:
            self.seen.breach("a call in two pieces")
        call.id, call.name = piece.get("id") or call.id, function.get("name") or call.name
        call.arguments += function.get("arguments") or ""

    def done(self):
        self.seen.terminal = True

    def close(self, complete):
        seen = self.seen
        if complete and seen.error is None and not seen.terminal:
            seen.breach("a clean end without [DONE]")
        if seen.text and self.chat and self.roles != 1:
            seen.breach(f"{self.roles} roles")
        whole_calls(seen)


class Blocks:
    """Messages."""

    def __init__(self, seen, _):
        self.seen, self.started, self.open, self.count, self.kind, self.call = seen, False, None, 0, None, None

    def take(self, name, value):
        seen, kind = self.seen, value.get("type")
        if name != kind:
            seen.breach(f"event {name!r} says it is {kind!r}")
        if kind == "error":
            seen.error = value.get("error")
        elif kind == "message_start":
            if self.started:
                seen.breach("a second message_start")
            self.started = True
            seen.id, seen.model = value["message"]["id"], value["message"]["model"]
        elif kind == "ping":
            pass
        elif not self.started:
            seen.breach(f"{kind} before message_start")
        elif kind == "content_block_start":
            self._start(value)
        elif kind == "content_block_delta":
            self._delta(value)
        elif kind == "content_block_stop":
            if value["index"] != self.open:
                seen.breach(f"stop of block {value['index']}, open is {self.open}")
            self.open = None
        elif kind == "message_delta":
            self._finish(value)
        elif kind == "message_stop":
            seen.terminal = True
            if seen.finish is None:
                seen.breach("message_stop without stop_reason")
        else:
            seen.breach(f"an event of type {kind}")

    def _start(self, value):
        if self.open is not None:
            self.seen.breach("a block begins inside a block")
        if value["index"] != self.count:
            self.seen.breach(f"block {value['index']} where {self.count} is due")
        self.open, self.count = value["index"], self.count + 1
        block = value["content_block"]
        self.kind = block["type"]
        if self.kind == "text":
            self.seen.text += block.get("text", "")
        elif self.kind == "thinking":
            if self.seen.text:
                self.seen.breach("thinking behind text")
        elif self.kind == "tool_use":
            self.call = Call(block["id"], block["name"])
            self.call.pieces = 1
            self.seen.calls.append(self.call)

    def _delta(self, value):
        if value["index"] != self.open:
            self.seen.breach(f"a delta for block {value['index']}, open is {self.open}")
        delta = value["delta"]
        if self.seen.finish is not None:
            self.seen.breach("content behind the finish")
        wanted = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "thinking", "input_json_delta": "tool_use"}
        if wanted.get(delta["type"]) != self.kind:
            self.seen.breach(f"{delta['type']} in a block of {self.kind}")
        self.seen.text += delta.get("text", "")
        self.seen.reasoning += delta.get("thinking", "")
        if self.call is not None:
            self.call.arguments += delta.get("partial_json", "")

    def _finish(self, value):
        if value.get("delta", {}).get("stop_reason"):
            if self.seen.finish is not None:
                self.seen.breach("a second finish")
            if self.open is not None:
                self.seen.breach("a finish while a block is open")
            self.seen.finish = value["delta"]["stop_reason"]
        self.seen.usage = value.get("usage") or self.seen.usage

    def done(self):
        self.seen.breach("[DONE] in messages")

    def close(self, complete):
        if complete and self.seen.error is None and not self.seen.terminal:
            self.seen.breach("a clean end without message_stop")
        whole_calls(self.seen)


class Items:
    """Responses."""

    def __init__(self, seen, _):
        self.seen, self.sequence, self.items, self.parts, self.created = seen, -1, {}, {}, 0
        self.item_text, self.item_arguments = {}, {}

    def take(self, name, value):
        seen, kind = self.seen, value.get("type")
        if name != kind:
            seen.breach(f"event {name!r} says it is {kind!r}")
        if kind == "error":
            seen.error = value.get("error") or value
            return
        number = value.get("sequence_number")
        if kind == "keepalive":
            self.sequence = number
            return
        if number != self.sequence + 1:
            seen.breach(f"sequence_number {number} behind {self.sequence}")
        self.sequence = number if isinstance(number, int) else self.sequence + 1
        if kind == "response.created":
            self.created += 1
            if self.created > 1:
                seen.breach("a second response.created")
            seen.id, seen.model = value["response"]["id"], value["response"]["model"]
        elif not self.created:
            seen.breach(f"{kind} before response.created")
        self._known(kind, value)
        response = value.get("response")
        if response and response.get("id") != seen.id:
            seen.breach(f"the response's id changed: {seen.id} to {response.get('id')}")

    def _known(self, kind, value):
        seen = self.seen
        if kind == "response.output_item.added":
            item, index = value["item"], value["output_index"]
            if index != len(self.items):
                seen.breach(f"item {index} where {len(self.items)} is due")
            if any(have["id"] == item["id"] for have in self.items.values()):
                seen.breach("an item's id twice")
            self.items[index] = item
            if item["type"] == "function_call":
                call = Call(item.get("call_id"), item.get("name"))
                call.pieces = 1
                self.item_arguments[item["id"]] = call
                seen.calls.append(call)
        elif kind == "response.output_text.delta":
            self._same_item(value)
            if seen.finish is not None:
                seen.breach("content behind the finish")
            seen.text += value["delta"]
            self.item_text[value["item_id"]] = self.item_text.get(value["item_id"], "") + value["delta"]
        elif kind == "response.output_text.done":
            self._same_item(value)
            if value["text"] != whole_characters(self.item_text.get(value["item_id"], "")):
                seen.breach("output_text.done says another text than its deltas")
        elif kind in ("response.reasoning_summary_text.delta", "response.reasoning_text.delta"):
            if seen.text:
                seen.breach("reasoning behind text")
            seen.reasoning += value["delta"]
        elif kind == "response.function_call_arguments.delta":
            call = self.item_arguments.get(value["item_id"])
            if call is None:
                seen.breach("arguments of no item")
            else:
                call.arguments += value["delta"]
        elif kind == "response.function_call_arguments.done":
            call = self.item_arguments.get(value["item_id"])
            if call is not None and call.arguments and call.arguments != value["arguments"]:
                seen.breach("arguments.done says other arguments than its deltas")
            if call is not None:
                call.arguments = value["arguments"]
        elif kind in ("response.completed", "response.incomplete", "response.cancelled"):
            self._completed(kind, value["response"])
        elif kind == "response.failed":
            seen.error = (value.get("response") or {}).get("error") or {"code": "failed"}

    def _same_item(self, value):
        item = self.items.get(value["output_index"])
        if item is None or item["id"] != value["item_id"]:
            self.seen.breach("a delta of an item that did not begin")

    def _completed(self, kind, response):
        seen = self.seen
        if seen.finish is not None:
            seen.breach("a second finish")
        seen.finish, seen.terminal, seen.usage = kind, True, response.get("usage")
        text = "".join(part.get("text", "") for item in response.get("output", ()) if item.get("type") == "message"
                       for part in item.get("content", ()))
        if text != whole_characters(seen.text):
            seen.breach(f"{kind} says another text than the deltas: {text[-40:]!r}")
        if [item["id"] for item in response.get("output", ())] != [item["id"] for item in self.items.values()]:
            seen.breach(f"{kind} lists other items than were shown")

    def done(self):
        self.seen.breach("[DONE] in responses")

    def close(self, complete):
        whole_calls(self.seen)
