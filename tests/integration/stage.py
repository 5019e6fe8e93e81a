"""A stage for plays: a small request and a good answer to it in each dialect, and one daemon before an origin that plays."""
import concurrent.futures
import email.utils
import itertools
import json

import harness
from harness import Daemon, Origin, Play, config_for, http, metric, model_of, playing, raw, raw_stream

LATE = 4.0  # seconds: how much later than it may a thing happens on a loaded machine
WORD = "pomegranate"  # the whole answer


class Dialect:
    def __init__(self, name, path, ask, document, events, terminal):
        self.name, self.path, self.ask, self.document, self.events, self.terminal = name, path, ask, document, events, terminal

    def request(self, model, stream=False, **more):
        return {"model": model, **self.ask, **({"stream": True} if stream else {}), **more}

    def good(self, stream=False, word=WORD):
        """The raw answer."""
        text = json.dumps(self.document).replace(WORD, word)
        return raw_stream(*(event.replace(WORD, word) for event in self.events)) if stream else raw(200, text.encode())

    def shows(self, answer, stream=False, word=WORD):
        """True if this answer came through, whole and once."""
        end = self.terminal if stream else "}"
        return answer.status == 200 and answer.complete and answer.text.count(word) == 1 and answer.text.rstrip().endswith(end)


def event(data, name=None):
    return (f"event: {name}\n" if name else "") + f"data: {json.dumps(data)}\n\n"


def typed(**data):
    return event(data, data["type"])


def chunk(delta, finish=None, kind="chat.completion.chunk"):
    choice = {"index": 0, "finish_reason": finish, **(delta if kind == "text_completion" else {"delta": delta})}
    return event({"id": "c1", "object": kind, "created": 1, "model": "m", "choices": [choice]})


USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
DONE = "data: [DONE]\n\n"
MESSAGES = [{"role": "user", "content": "Which fruit?"}]
RESPONSE = {"id": "resp_1", "object": "response", "created_at": 1, "status": "in_progress", "model": "m", "output": []}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": WORD, "annotations": []}]}
COMPLETED = {**RESPONSE, "status": "completed", "output": [MESSAGE], "usage": {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}}
ANTHROPIC = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None, "usage": {"input_tokens": 7, "output_tokens": 1}}

CHAT = Dialect(
    "chat", "/v1/chat/completions", {"messages": MESSAGES},
    {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "usage": USAGE,
     "choices": [{"index": 0, "message": {"role": "assistant", "content": WORD}, "finish_reason": "stop"}]},
    [chunk({"role": "assistant", "content": ""}), chunk({"content": WORD}), chunk({}, "stop"), DONE], "[DONE]")

COMPLETIONS = Dialect(
    "completions", "/v1/completions", {"prompt": "Which fruit?"},
    {"id": "c1", "object": "text_completion", "created": 1, "model": "m", "usage": USAGE,
     "choices": [{"index": 0, "text": WORD, "finish_reason": "stop"}]},
    [chunk({"text": WORD}, None, "text_completion"), chunk({"text": ""}, "stop", "text_completion"), DONE], "[DONE]")

RESPONSES = Dialect(
    "responses", "/v1/responses", {"input": "Which fruit?"}, COMPLETED,
    [typed(type="response.created", sequence_number=0, response=RESPONSE),
     typed(type="response.output_text.delta", sequence_number=1, item_id="msg_1", output_index=0, content_index=0, delta=WORD),
     typed(type="response.completed", sequence_number=2, response={**COMPLETED, "output": []})], "}")

ANTHROPICS = Dialect(
    "messages", "/v1/messages", {"max_tokens": 64, "messages": MESSAGES},
    {**ANTHROPIC, "content": [{"type": "text", "text": WORD}], "stop_reason": "end_turn", "usage": {"input_tokens": 7, "output_tokens": 2}},
    [typed(type="message_start", message=ANTHROPIC),
     typed(type="content_block_start", index=0, content_block={"type": "text", "text": ""}),
     typed(type="content_block_delta", index=0, delta={"type": "text_delta", "text": WORD}),
     typed(type="content_block_stop", index=0),
     typed(type="message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 2}),
     typed(type="message_stop")], "}")

EMBEDDINGS = Dialect(
    "embeddings", "/v1/embeddings", {"input": "Which fruit?"},
    {"object": "list", "model": WORD, "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 1e-3]}], "usage": {"prompt_tokens": 7, "total_tokens": 7}},
    [], "")

DIALECTS = [CHAT, COMPLETIONS, RESPONSES, ANTHROPICS, EMBEDDINGS]
# Every form in which a client can ask: (dialect, is it a stream).
FORMS = [(dialect, stream) for dialect in DIALECTS for stream in ((False, True) if dialect.events else (False,))]


# ---- what vendors say when they fail

def failure(message="it failed", type="server_error", code="oops", **more):
    return {"error": {"message": message, "type": type, "param": None, "code": code, **more}}


def refusal(status, headers=(), **error):
    return raw(status, failure(**error), headers)


def close(peer):
    peer.close()


def reset(peer):
    peer.reset()


def silent(peer):
    """Says nothing until the daemon closes the connection."""
    while peer.more():
        pass


def http_date(seconds):
    return email.utils.formatdate(seconds, usegmt=True)


def together(thunks):
    """Runs them at the same time; their results in order."""
    with concurrent.futures.ThreadPoolExecutor(max(1, len(thunks))) as pool:
        return [future.result() for future in [pool.submit(thunk) for thunk in thunks]]


class Case(harness.Case):
    def ask(self, daemon, model="m", dialect=CHAT, stream=False, headers=(), **more):
        return http(daemon.address, "POST", dialect.path, headers, dialect.request(model, stream, **more))

    def failed(self, answer, status, code=None):
        """The error of an answer that failed in our own shape."""
        self.assertEqual(answer.status, status, answer.text)
        error = answer.json["error"]
        if code is not None:
            self.assertEqual(error["code"], code, error)
        return error


class Stage(Case):
    """One daemon before one origin. Each play has a model of its own, so that none meets another's gates."""
    RETRY, EXTRA = "{base: 5ms}", ""

    @classmethod
    def setUpClass(cls):
        cls.plays, cls.numbers = {}, itertools.count()
        cls.vendor = Origin(playing(cls.plays, model_of))
        cls.addClassCleanup(cls.vendor.stop)
        cls.proxy = Daemon(config_for(cls.vendor.base_url, retry=cls.RETRY, extra=cls.EXTRA, upstream_extra="max_in_flight: 1000"))
        cls.addClassCleanup(cls.proxy.stop)

    @classmethod
    def cast(cls, *answers):
        """A play of these answers, and the model whose requests it gets."""
        model = f"model-{next(cls.numbers)}"
        cls.plays[model] = Play(*answers)
        return model, cls.plays[model]

    def perform(self, *answers, dialect=CHAT, stream=False, headers=(), **more):
        """What a client gets when the vendor answers so, and the play as it went."""
        model, play = self.cast(*answers)
        return self.ask(self.proxy, model, dialect, stream, headers, **more), play

    def moved(self, before, name, **labels):
        """By how much these series moved since."""
        return metric(self.proxy.metrics(), name, **labels) - metric(before, name, **labels)
