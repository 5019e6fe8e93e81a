"""A vendor whose model does a small job with an agent's own tools, in chat completions and in responses, and whose streams
break: each answer first in its text, then inside its tool call, then it comes whole."""

import json
import threading

from harness import Origin

SCRIPT = "#!/bin/sh\necho hello from the script > out.txt\n"
COMMAND = "sh hello.sh && rm -r build/cache"  # cut behind `build`, it would delete more than it should
SAYS = ["I write the script first, then I run it.", "The script is there, so now I run it and clear the cache.",
        "Done: the script ran, and the cache is gone."]
SHELLS = {"bash": "command", "exec_command": "cmd", "shell_command": "command", "shell": "command"}
CONTINUED = "CONTINUED WRONGLY"


def functions(request):
    """The tools that the agent offers: name to the schema of its arguments."""
    found = {}
    for tool in request.get("tools") or []:
        function = tool.get("function") or tool
        found[function.get("name")] = function.get("parameters") or {}
    return found


def fill(schema, **wanted):
    """Arguments in this shape: what we want to say, and something for all else that is required."""
    blank = {"string": "as asked", "number": 10000, "integer": 10000, "boolean": False, "array": [], "object": {}}
    properties = schema.get("properties") or {}
    required = {name: blank.get(properties.get(name, {}).get("type"), "as asked") for name in schema.get("required") or []}
    return required | {name: value for name, value in wanted.items() if not properties or name in properties}


def run_call(tools, command):
    for name, argument in SHELLS.items():
        if name in tools:
            of_list = (tools[name].get("properties") or {}).get(argument, {}).get("type") == "array"
            return name, fill(tools[name], **{argument: ["sh", "-c", command] if of_list else command})
    raise AssertionError(f"no tool here runs a command: {sorted(tools)}")


def write_call(tools):
    if "write" in tools:
        return "write", fill(tools["write"], filePath="hello.sh", content=SCRIPT)
    return run_call(tools, f"cat > hello.sh <<'END'\n{SCRIPT}END")


def played(request):
    """(step, text, call): what the model says now. A request without tools wants a title or the like."""
    tools = functions(request)
    if not tools:
        return None, "A small script", None
    results = sum(1 for item in request.get("messages") or request.get("input") or []
                  if item.get("role") == "tool" or str(item.get("type", "")).endswith("_call_output"))
    step = min(results, 2)
    return step, SAYS[step], [write_call, lambda offered: run_call(offered, COMMAND), lambda offered: None][step](tools)


def pieces(text, size):
    return [text[at:at + size] for at in range(0, len(text), size)]


def event(data, typed=False):
    return (f"event: {data['type']}\n" if typed else "") + f"data: {json.dumps(data)}\n\n"


def chat_events(request, number, text, call):
    """The events; a continuation of what the last message has begun if that is the assistant's."""
    last = request["messages"][-1]
    if last["role"] == "assistant" and not last.get("tool_calls"):
        text = text[len(last["content"]):] if text.startswith(last["content"]) else CONTINUED
    deltas = [{"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces(text, 6))]
    if call:
        name, arguments = call
        opening = {"index": 0, "id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": ""}}
        deltas.append({"tool_calls": [opening]})
        deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in pieces(json.dumps(arguments), 8)]
    chunk = {"id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": 1767225600, "model": request["model"]}
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "tool_calls" if call else "stop"})
    events = [event({**chunk, "choices": [choice]}) for choice in choices]
    usage = {"prompt_tokens": 20, "completion_tokens": len(deltas), "total_tokens": 20 + len(deltas)}
    return [*events, event({**chunk, "choices": [], "usage": usage}), "data: [DONE]\n\n"]


def response_events(request, number, text, call):
    base = {"id": f"resp_{number}", "object": "response", "created_at": 1767225600, "model": request["model"], "output": []}
    item = {"id": f"msg_{number}", "type": "message", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}]}
    at = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    events = [{"type": "response.created", "response": {**base, "status": "in_progress"}},
              {"type": "response.output_item.added", "output_index": 0, "item": {**item, "status": "in_progress", "content": []}},
              {"type": "response.content_part.added", **at, "part": {"type": "output_text", "text": "", "annotations": []}}]
    events += [{"type": "response.output_text.delta", **at, "delta": piece} for piece in pieces(text, 6)]
    events += [{"type": "response.output_text.done", **at, "text": text},
               {"type": "response.content_part.done", **at, "part": item["content"][0]},
               {"type": "response.output_item.done", "output_index": 0, "item": item}]
    output = [item]
    if call:
        name, arguments = call[0], json.dumps(call[1])
        made = {"id": f"fc_{number}", "type": "function_call", "call_id": f"call_{number}", "name": name,
                "arguments": arguments, "status": "completed"}
        at = {"item_id": made["id"], "output_index": 1}
        events.append({"type": "response.output_item.added", "output_index": 1, "item": {**made, "arguments": "", "status": "in_progress"}})
        events += [{"type": "response.function_call_arguments.delta", **at, "delta": piece} for piece in pieces(arguments, 8)]
        events += [{"type": "response.function_call_arguments.done", **at, "arguments": arguments},
                   {"type": "response.output_item.done", "output_index": 1, "item": made}]
        output.append(made)
    usage = {"input_tokens": 20, "output_tokens": 9, "total_tokens": 29}
    events.append({"type": "response.completed", "response": {**base, "status": "completed", "output": output, "usage": usage}})
    return [event({**data, "sequence_number": place}, typed=True) for place, data in enumerate(events)]


class ScriptedModel:
    """An origin. `cut`: None, `fin` (the connection is closed without the last chunk) or `clean` (the stream ends as a
    whole one does, with `[DONE]` in chat, but without a finish)."""

    def __init__(self, cut):
        self.cut, self.lock = cut, threading.Lock()
        self.calls = []      # (step, where it was cut)
        self.tried = {}      # by step
        self.origin = Origin(self.play)
        self.base_url = self.origin.base_url

    def where(self, step, call):
        """Where this answer breaks: the first of a step in its text, the second in its call."""
        with self.lock:
            tried = self.tried[step] = self.tried.get(step, 0) + 1
            places = [] if step is None or not self.cut else ["the text", "the call"] if call else ["the text"]
            where = places[tried - 1] if tried <= len(places) else None
            self.calls.append((step, where))
            return where, len(self.calls)

    def play(self, peer, origin):
        while True:
            head, body = peer.read_request()
            if not head.startswith(b"POST"):
                peer.answer(200, {"object": "list", "data": [{"id": "scripted", "object": "model"}]})
                continue
            request = json.loads(body)
            step, text, call = played(request)
            where, number = self.where(step, call)
            chat = b"/chat/completions" in head.split(b"\r\n")[0]
            events = (chat_events if chat else response_events)(request, number, text, call)
            marks = {"the text": '"content": "' if chat else "output_text.delta",
                     "the call": '"arguments": "' if chat else "arguments.delta"}
            within = [place for place, data in enumerate(events) if where and marks[where] in data]
            peer.start_stream()
            for data in events[:within[len(within) * 2 // 3]] if within else events:
                peer.chunk(data)
            if where and self.cut == "fin":
                return
            if where and chat:
                peer.chunk("data: [DONE]\n\n")
            peer.end_chunks()

    def stop(self):
        self.origin.stop()
