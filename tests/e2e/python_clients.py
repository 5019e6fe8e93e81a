"""One call of a Python SDK each, as users write it, and the final object that its user holds."""

import json
import threading

from broken_streams import PROMPT, SHAPES, TOOL, TOOL_SHAPES

FUNCTION = {"type": "function", "function": TOOL}
RESPONSES_TOOL = {"type": "function", **TOOL}
CLAUDE_TOOL = {"name": TOOL["name"], "description": TOOL["description"], "input_schema": TOOL["parameters"]}


def final(text="", reasoning="", calls=(), finish=None, role=None, id=None, model=None, usage=False):
    return {"text": text, "reasoning": reasoning, "calls": [list(call) for call in calls], "finish": finish, "role": role,
            "id": id, "model": model, "usage": usage}


class Call:
    """What a call of any client needs."""

    def __init__(self, openai, anthropic, model, shape, headers):
        self.openai, self.anthropic, self.headers = openai, anthropic, headers
        self.model, self.prompt = model, SHAPES[shape][2]
        self.tools = shape in TOOL_SHAPES
        self.messages = [{"role": "user", "content": self.prompt}]
        self.chat = {"model": model, "messages": self.messages, "extra_headers": headers}
        if self.tools:
            self.chat["tools"] = [FUNCTION]


def chat(call):
    got, calls, roles, finishes = final(), {}, [], []
    ids, models = set(), set()
    for chunk in call.openai.chat.completions.create(**call.chat, stream=True, stream_options={"include_usage": True}):
        ids.add(chunk.id)
        models.add(chunk.model)
        got["usage"] = got["usage"] or bool(chunk.usage)
        for choice in chunk.choices:
            delta = choice.delta
            roles += [delta.role] if delta.role else []
            finishes += [choice.finish_reason] if choice.finish_reason else []
            got["text"] += delta.content or ""
            got["reasoning"] += (delta.model_extra or {}).get("reasoning_content") or ""
            for piece in delta.tool_calls or []:
                one = calls.setdefault(piece.index, ["", "", ""])
                one[0] += piece.id or ""
                one[1] += piece.function.name or ""
                one[2] += piece.function.arguments or ""
    got.update(calls=list(calls.values()), finish=finishes, role=roles, id=sorted(ids), model=sorted(models))
    return got


def of_completion(answer):
    choice = answer.choices[0]
    message = choice.message
    calls = [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or []]
    return final(message.content or "", (message.model_extra or {}).get("reasoning_content") or "", calls,
                 choice.finish_reason, message.role, answer.id, answer.model, bool(answer.usage))


def chat_stream(call):
    with call.openai.chat.completions.stream(**call.chat) as stream:
        return of_completion(stream.get_final_completion())


def chat_plain(call):
    return of_completion(call.openai.chat.completions.create(**call.chat))


def completions(call):
    got, finishes, ids = final(), [], set()
    for chunk in call.openai.completions.create(model=call.model, prompt=PROMPT, stream=True, extra_headers=call.headers):
        ids.add(chunk.id)
        for choice in chunk.choices:
            got["text"] += choice.text or ""
            finishes += [choice.finish_reason] if choice.finish_reason else []
    got.update(finish=finishes, id=len(ids))  # the mock's id here has the whole name of the model in it
    return got


def of_response(response, deltas):
    calls = [(item.call_id, item.name, item.arguments) for item in response.output if item.type == "function_call"]
    if deltas is not None and deltas != response.output_text:
        raise AssertionError(f"the deltas say {deltas!r}, the response {response.output_text!r}")
    return final(response.output_text, "", calls, response.status, None, response.id, response.model, bool(response.usage))


def responses_arguments(call):
    arguments = {"model": call.model, "input": call.prompt, "extra_headers": call.headers}
    return arguments | ({"tools": [RESPONSES_TOOL]} if call.tools else {})


def responses(call):
    text, last, numbers = "", None, []
    for event in call.openai.responses.create(**responses_arguments(call), stream=True):
        text += event.delta if event.type == "response.output_text.delta" else ""
        numbers.append(event.sequence_number)
        last = event
    if numbers != sorted(set(numbers)):
        raise AssertionError(f"sequence numbers: {numbers}")
    if last is None or last.type != "response.completed":
        return final(text, finish=last.type if last else None)
    return of_response(last.response, text)


def responses_stream(call):
    with call.openai.responses.stream(**responses_arguments(call)) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        return of_response(stream.get_final_response(), text)


def of_message(message):
    text = "".join(block.text for block in message.content if block.type == "text")
    thinking = "".join(block.thinking for block in message.content if block.type == "thinking")
    calls = [(block.id, block.name, json.dumps(block.input)) for block in message.content if block.type == "tool_use"]
    got = final(text, thinking, calls, message.stop_reason, message.role, message.id, message.model, bool(message.usage))
    got["blocks"] = [block.type for block in message.content]
    return got


def message_arguments(call):
    arguments = {"model": call.model, "max_tokens": 500, "messages": call.messages, "extra_headers": call.headers}
    return arguments | ({"tools": [CLAUDE_TOOL]} if call.tools else {})


def messages_stream(call):
    with call.anthropic.messages.stream(**message_arguments(call)) as stream:
        return of_message(stream.get_final_message())


def messages_plain(call):
    return of_message(call.anthropic.messages.create(**message_arguments(call)))


RUN = {
    "openai-python chat": chat, "openai-python chat.stream()": chat_stream, "openai-python completions": completions,
    "openai-python responses": responses, "openai-python responses.stream()": responses_stream,
    "anthropic-python messages.stream()": messages_stream, "openai-python chat, plain": chat_plain,
    "anthropic-python messages, plain": messages_plain,
}


class Clients:
    """The SDKs before one address; nothing is tried again by themselves."""

    def __init__(self, url, key, timeout):
        import anthropic
        import openai
        self.openai = openai.OpenAI(base_url=url + "/v1", api_key=key, max_retries=0, timeout=timeout)
        self.anthropic = anthropic.Anthropic(base_url=url, api_key=key, max_retries=0, timeout=timeout)

    def run(self, client, model, shape, headers, limit):
        """{"final": …} or {"threw": …}; {"hung": true} if there is no outcome after `limit` seconds: an SDK's own limit
        begins anew with every comment."""
        outcome = {}
        thread = threading.Thread(target=self._run, args=(client, model, shape, headers, outcome), daemon=True)
        thread.start()
        thread.join(limit)
        return dict(outcome) or {"hung": True}

    def _run(self, client, model, shape, headers, outcome):
        try:
            outcome["final"] = RUN[client](Call(self.openai, self.anthropic, model, shape, headers))
        except AssertionError as error:
            outcome["final"] = {"text": str(error)}
        except Exception as error:  # whatever an SDK throws is loud
            outcome["threw"] = f"{type(error).__name__}: {error}"[:200]
