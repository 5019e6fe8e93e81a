"""The list of what the sweep plays: (case, kinds of fault, step between two bytes)."""
from cases import WHOLE, Case
from checker import CHAT, COMPLETIONS, MESSAGES, RESPONSES

OFTEN = ["close", "rst", "end_chunked", "early_done", "torn", "garbage", "events", "sse_error", "sse_error terminal", "benign", "none",
         "two cuts", "three cuts", "a fault in the continuation", "two in the continuations", "refused then well"]
TRANSPORT = ["close", "end_chunked"]
EXHAUSTIVE = ["close", "end_chunked"]  # of the plain cases, in every dialect: each byte, whatever the sample


def name_of(dialect):
    return "chat" if dialect == CHAT else dialect


def units():
    """(case, fault kinds or None, step)"""
    every = ["close", "rst", "end_chunked", "fin_chunk", "gzip+close", "http10+close", "crlf+close", "crlf+drip+close", "drip+close", "early_done",
             "torn", "garbage", "events", "sse_error", "sse_error terminal", "two cuts", "three cuts", "four cuts",
             "a fault in the continuation", "two in the continuations", "refused then well", "429 then well", "benign", "none"]
    found = []
    for dialect in (CHAT, COMPLETIONS, MESSAGES, RESPONSES):
        found.append((Case(name_of(dialect), dialect), EXHAUSTIVE, 1))
        found.append((Case(name_of(dialect), dialect), [kind for kind in every if kind not in EXHAUSTIVE], 1 if dialect == CHAT else 5))
    found.append((Case("chat usage", usage=True), OFTEN, 3))
    for limit in (1, 4, 6, 9):
        for dialect in (CHAT, COMPLETIONS, MESSAGES):
            found.append((Case(f"{dialect} limit {limit}", dialect, extra={"max_tokens": limit}), TRANSPORT + ["two cuts", "none"], 19))
    found.append((Case("chat completion limit", extra={"max_completion_tokens": 5}), TRANSPORT, 19))
    for flag in ("prefix", "partial", "continue_final_message"):
        found.append((Case(f"flagged: chat {flag}", config=flag, words=[f"needs_flag={flag}"], tokens=40), ["close", "two cuts", "three cuts", "none"], 61))
    own = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Repeat exactly, nothing else: alpha beta gamma delta, epsilon"}]
    found.append((Case("chat repeat", extra={"messages": own}), TRANSPORT + ["two cuts", "three cuts"], 11))
    prefill = [*own, {"role": "assistant", "content": "alpha beta"}]
    for dialect in (CHAT, MESSAGES):
        words = prefill[1:] if dialect == MESSAGES else prefill
        found.append((Case(f"{dialect} own prefill", dialect, extra={"messages": words}), TRANSPORT + ["two cuts", "three cuts"], 11))
    for manner in ("exact", "trim"):
        found.append((Case(f"stop: chat {manner}", words=[f"as={manner}"], extra={"stop": ["nosuchword"]}, tokens=40), TRANSPORT, 97))
        found.append((Case(f"format: chat {manner}", words=[f"as={manner}"], extra={"response_format": {"type": "json_object"}}, tokens=40), TRANSPORT, 97))
    found.append((Case("format: chat grammar_reset", words=["as=grammar_reset"], extra={"response_format": {"type": "json_object"}}, tokens=40), TRANSPORT, 97))
    found.append((Case("chat document", stream=False), ["close", "rst", "end_chunked", "gzip+close", "http10+close", "two cuts", "benign", "none"], 2))
    for dialect in (COMPLETIONS, MESSAGES, RESPONSES):
        found.append((Case(dialect + " document", dialect, stream=False), ["close", "end_chunked", "none"], 5))
    for dialect in (CHAT, COMPLETIONS, MESSAGES, RESPONSES):
        found.append((Case(dialect + " whole", dialect, headers=WHOLE), OFTEN, 9))
    for shape in ("prose", "chinese", "code", "repetitive", "yaml", "emoji", "json"):
        found.append((Case("chat " + shape, words=[f"text={shape}"], tokens=16), OFTEN, 13))
        found.append((Case("messages " + shape, MESSAGES, words=[f"text={shape}"], tokens=16), TRANSPORT, 23))
        found.append((Case("completions " + shape, COMPLETIONS, words=[f"text={shape}"], tokens=16), TRANSPORT, 23))
    for shape in ("emoji", "chinese"):
        for spelling in ("escape=ascii", "split=surrogates"):
            for dialect in (CHAT, COMPLETIONS, MESSAGES, RESPONSES):
                found.append((Case(f"{dialect} {shape} {spelling}", dialect, words=[f"text={shape}", spelling], tokens=12), TRANSPORT + ["two cuts"], 17))
    for manner in ("trim", "ws400", "token_sensitive", "grammar_reset", "reject400"):
        for shape in ("words", "code", "prose", "repetitive"):
            found.append((Case(f"chat {manner} {shape}", words=[f"as={manner}", f"text={shape}"], tokens=24), TRANSPORT + ["two cuts", "three cuts"], 37))
        found.append((Case(f"messages {manner}", MESSAGES, words=[f"as={manner}"], tokens=24), TRANSPORT, 37))
        if manner != "reject400":  # a prompt with the mark is one with a prefix
            found.append((Case(f"completions {manner}", COMPLETIONS, words=[f"as={manner}"], tokens=24), TRANSPORT, 37))
    for manner in ("echo", "exact"):
        for shape in ("words", "code", "repetitive", "emoji"):
            if (manner, shape) == ("exact", "repetitive"):  # going on looks like an echo here: the configuration is wrong
                continue
            found.append((Case(f"echo: chat {manner} {shape}", config="echo", words=[f"as={manner}", f"text={shape}"], tokens=40), TRANSPORT + ["two cuts", "three cuts"], 61))
    for manner in ("exact", "trim", "echo", "closed", "newpara", "preamble", "reject400", "ws400", "token_sensitive", "grammar_reset"):
        for shape in ("words", "repetitive", "code"):
            found.append((Case(f"probed: chat {manner} {shape}", config="probed", words=[f"as={manner}", f"text={shape}"], tokens=48), ["close", "two cuts"], 97))
        found.append((Case(f"probed: messages {manner}", MESSAGES, config="probed", words=[f"as={manner}"], tokens=48), ["close"], 97))
        found.append((Case(f"none: chat {manner}", config="none", words=[f"as={manner}"], tokens=48), ["close"], 97))
        for dialect in (CHAT, MESSAGES, RESPONSES):
            found.append((Case(f"whole: {dialect} {manner}", dialect, config="probed", headers=WHOLE, words=[f"as={manner}"], tokens=24), ["close", "end_chunked", "two cuts"], 53))
    for dialect in (CHAT, COMPLETIONS, MESSAGES, RESPONSES):
        found.append((Case(f"deterministic: {dialect}", dialect, config="deterministic", tokens=48), ["close", "end_chunked", "two cuts", "three cuts"], 61))
    for word in ("drift=10", "drift=60", "drift=240"):
        for config in ("exact", "probed", "none", "deterministic"):
            found.append((Case(f"{config}: chat {word}", config=config, words=[word], tokens=48), ["close", "two cuts"], 61))
    for word in ("rethink", "model_swap", "never_finish", "role_every", "fresh_ids"):
        for dialect in (CHAT, MESSAGES, COMPLETIONS):
            for config in ("exact", "probed"):
                found.append((Case(f"{config}: {dialect} {word}", dialect, config=config, words=[word], tokens=24), ["close", "end_chunked", "two cuts", "none"], 41))
    for dialect in (CHAT, MESSAGES, RESPONSES):
        found.append((Case(f"{dialect} reasoner", dialect, model="mock-reasoner", words=["reasoning=5"]), OFTEN, 7))
        found.append((Case(f"{dialect} rethink", dialect, model="mock-reasoner", words=["reasoning=5", "rethink"]), TRANSPORT + ["two cuts"], 17))
        found.append((Case(f"{dialect} reasoner whole", dialect, model="mock-reasoner", words=["reasoning=5"], headers=WHOLE), TRANSPORT, 31))
        for word in ("text_then_tool", "two_calls", ""):
            found.append((Case(f"{dialect} calls {word}", dialect, words=[word] if word else [], calls=True), OFTEN, 7))
            found.append((Case(f"{dialect} calls whole {word}", dialect, words=[word] if word else [], calls=True, headers=WHOLE), TRANSPORT, 31))
            found.append((Case(f"probed: {dialect} tool_prose {word}", dialect, config="probed", words=[word, "as=tool_prose"] if word else ["as=tool_prose"], calls=True, tokens=48), TRANSPORT, 61))
            found.append((Case(f"{dialect} calls document {word}", dialect, words=[word] if word else [], calls=True, stream=False), ["close"], 17))
    found.append((Case("impatient", config="impatient"), ["stall", "stall_comments"], 47))
    found.append((Case("impatient messages", MESSAGES, config="impatient"), ["stall"], 97))
    found.append((Case("impatient responses", RESPONSES, config="impatient"), ["stall"], 197))
    found.append((Case("impatient document", config="impatient", stream=False), ["stall"], 97))
    for dialect in (CHAT, MESSAGES):
        found.append((Case(f"tls {dialect}", dialect, config="tls"), ["tls_fin", "close_notify", "rst", "end_chunked"], 3))
    return found
