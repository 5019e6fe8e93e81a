"""Plays streams against daemons and judges them: what the sweep and the named tests share."""
import itertools
import os
import re

import cases as plays
import checker
import rig as rigs
from cases import Case
from checker import CHAT, COMPLETIONS, MESSAGES, RESPONSES

numbers = itertools.count(1)


class Model:
    """What the mock says uncut in this case, and where its bytes are."""

    def __init__(self, rig, case):
        # A model that drifts does so from the second request of a play on: each of these is the first of its own.
        names = [case.named("ok", f"uncut-{next(numbers)}") if case.word("drift=") else case.named() for _ in range(2)]
        data = rigs.request(case.dialect, names[0], case.stream, case.headers, case.extra, case.usage, case.prompt)
        self.raw_client, answer, record = rig.uncut(data)
        self.uncut = self._read(case, answer)
        inner = rigs.request(case.dialect, names[1], case.stream, case.headers, case.extra, True, case.prompt)
        self.raw, self.answer, self.record = rig.uncut(inner)
        full = self._read(case, self.answer)
        self.usage = full.usage
        # Usage is asked for by the daemon, whether the client did or not; then its chunk is not shown.
        self.payloads = full.payloads if case.usage or not case.stream else [data for data in full.payloads if '"choices":[],' not in data]
        self.payload = self.answer.body
        self.events = len(checker.events_of(self.payload)[0])
        if not (case.word("never_finish") is not None) and (self.uncut.breaches or self.uncut.end != "success"):
            for breach in ("a second role", "id changed", "created changed", "output_text.done says", "response.completed says"):
                self.uncut.breaches = [found for found in self.uncut.breaches if not found.startswith(breach)]
            if not self.uncut.breaches and self.uncut.end == "success":
                return
            raise AssertionError(f"{case.name}: the mock's own answer is {self.uncut.end}: {self.uncut.breaches}")

    def _read(self, case, answer):
        if not case.stream:
            return checker.read_document(case.dialect, answer)
        seen = checker.read(case.dialect, answer)
        # The mock streams a call's arguments in pieces: the daemon's client gets them whole.
        seen.breaches = [breach for breach in seen.breaches if breach != "a call in two pieces"]
        return seen

    def place(self, case, fault, sequence):
        """(column, text bytes that were shown at most) of the first break; column None: not known."""
        if not case.stream or fault.cuts > 1:
            return None, 1 << 30
        if fault.byte is not None:
            # The head names the request by its number.
            shift = len(str(sequence)) - len(str(self.record["sequence"]))
            if case.dialect == MESSAGES:
                shift *= 2
            column, seen = checker.place_of(case.dialect, self.raw[:max(0, fault.byte - shift)])
        elif fault.payload is not None:
            column, seen = checker.place_of(case.dialect, b"HTTP/1.1 200 OK\r\n\r\n" + self.payload[:fault.payload])
        elif fault.event is not None:
            blocks = checker.events_of(self.payload)[0][:fault.event]
            column, seen = checker.place_of(case.dialect, b"HTTP/1.1 200 OK\r\n\r\n" + b"".join(block + b"\n\n" for block in blocks))
            if fault.event >= self.events:
                column = checker.COLUMNS[6]
        else:
            return None, 1 << 30
        return column, len(seen.text.encode("utf-8", "surrogatepass"))


class Player:
    """Plays streams of one process."""

    def __init__(self, seed, talk=False):
        self.talk = talk
        self.rigs, self.models, self.number, self.seed, self.since = {}, {}, 0, seed, 0

    def rig(self, case):
        tls = case.config == "tls"
        if tls not in self.rigs:
            self.rigs[tls] = rigs.Rig(tls)
        return self.rigs[tls]

    def model(self, case):
        if case.name not in self.models:
            if case.config == "tls":  # its plain twin says the same
                plain = Case(case.name, case.dialect, "exact", tokens=None, words=case.words)
                if False not in self.rigs:
                    self.rigs[False] = rigs.Rig(False)
                self.models[case.name] = Model(self.rigs[False], plain)
            else:
                self.models[case.name] = Model(self.rig(case), case)
        return self.models[case.name]

    def faults(self, case, kinds, step):
        model = self.model(case)
        return plays.faults_of(case, len(model.raw), len(model.payload), model.events, None, kinds, step, self.seed)

    def play(self, case, fault):
        """(what came, column, breaches, texts)"""
        rig, model = self.rig(case), self.model(case)
        self.number += 1
        self.since += 1
        if self.since >= 500:
            rig.forget()
            self.since = 0
        name = case.named(fault.acts, f"{os.getpid()}-{self.number}")
        data = rigs.request(case.dialect, name, case.stream, case.headers, case.extra, case.usage, case.prompt)
        try:
            answer, records = rig.ask(case.config, data)
        except AssertionError as error:
            rig.records.new()
            return "nothing", None, [f"P1: {error}"], None
        seen = checker.read(case.dialect, answer) if case.stream else checker.read_document(case.dialect, answer)
        if self.talk:
            print(answer.status, "complete" if answer.complete else "cut", seen.end)
            print(answer.body.decode("utf-8", "replace"))
            for record in records:
                print("REQUEST", {key: record.get(key) for key in ("sequence", "status", "fault", "prefix", "tokens", "text")}, record["body"][-400:])
            print("\n".join(rig.daemons[case.config].lines[-6:]))
        return self.judge(case, fault, model, answer, seen, records, rig)

    def judge(self, case, fault, model, answer, seen, records, rig):
        asked = [record for record in records if f"id={os.getpid()}-{self.number}+" in record["body"]]
        own = [record for record in asked if "alpha bravo charlie" not in record["body"]]
        if not own:
            return seen.end, None, [f"the mock saw no request (status {answer.status} {answer.body[:200]!r})"], seen
        column, shown = model.place(case, fault, own[0]["sequence"])
        uncut = model.uncut
        drift = case.word("drift=")
        if drift is not None and len(own) > 1:
            uncut = self.drifted(seen, own, model)
        if fault.acts == "cr":  # the upstream's own line ends
            seen.breaches = [breach for breach in seen.breaches if breach != checker.BARE_CR]
        breaches = checker.judge(seen, uncut)
        if case.dialect != RESPONSES:
            breaches += checker.judge_requests(own, seen)
        breaches += self.amounts(case, fault, model, seen, own, column)
        letter = {"success": "S", "loud": "E", "refused": "H", "silent": "!"}[seen.end]
        due = plays.wanted(case, fault, column, shown)
        if letter not in due:
            why = seen.cause or (seen.error if seen.error else "")
            breaches.append(f"matrix: {seen.end} in column {column!r}, wanted {due}; {len(own)} calls; {str(why)[:160]}")
        if self.number % 8 == 0 and not rig.tls:
            mine = {record["sequence"] for record in asked}
            breaches += checker.judge_overlap([answer for answer in rig.answers() if answer["sequence"] in mine])
        return seen.end, column, breaches, seen

    def drifted(self, seen, own, model):
        """A model that drifts says another text from the second request on. A whole answer of one request is fine, and
        so is what it said to a prefix, whatever that was: it was conditioned on it. Two texts in one are not."""
        whole = checker.Seen()
        whole.__dict__.update(model.uncut.__dict__)
        texts = [record["text"] for record in own if record.get("text")]
        continued = any(record.get("prefix") for record in own)
        if continued and not seen.text.startswith(model.uncut.text[:4]):
            return whole
        if continued or any(text.startswith(seen.text) if seen.end != "success" else text == seen.text for text in texts):
            whole.text = seen.text
        return whole

    def amounts(self, case, fault, model, seen, own, column):
        breaches = []
        limit = 6 + 3
        if len(own) > limit:
            breaches.append(f"{len(own)} upstream calls, more than {limit}")
        healthy = fault.kind == "none" or (fault.kind == "benign")
        if healthy and len(own) != 1 and case.word("never_finish") is None:
            breaches.append(f"P7: {len(own)} upstream calls without a fault")
        if fault.kind == "none" and case.word("never_finish") is None:
            same = without_id(case, seen.payloads) == without_id(case, model.payloads)
            odd = case.word("role_every") is not None or case.word("fresh_ids") is not None
            if not same and not odd and not case.extra.get("tools") and not case.whole:
                breaches.append(f"P7: payloads differ: {differing_payloads(seen.payloads, model.payloads)}")
        if column == checker.COLUMNS[6] and fault.kind in ("close", "end_chunked", "events", "early_done") and len(own) != 1:
            breaches.append(f"{len(own)} upstream calls although the first answer was finished")
        if not case.stream and seen.end == "success" and model.uncut.payloads and fault.kind != "benign":
            have, want = dict(seen.payloads[0]), dict(model.uncut.payloads[0])
            if case.dialect == COMPLETIONS:  # the mock names these by the whole request
                have.pop("id"), want.pop("id")
            if have != want:
                breaches.append(f"document differs: {differing_documents(have, want)}")
        if case.usage and seen.end == "success" and seen.usage and case.dialect == CHAT:
            if seen.usage.get("completion_tokens") != own[-1].get("tokens"):
                breaches.append(f"P6: usage {seen.usage}, the finishing attempt had {own[-1].get('tokens')} tokens")
        return breaches

    def forget_rigs(self):
        """After a mishap of the sweep itself."""
        for rig in self.rigs.values():
            rig.stop()
        self.rigs, self.models = {}, {}

    def end(self):
        """P13, P14 of everything that was played."""
        breaches = []
        for rig in self.rigs.values():
            for kind, daemon in rig.daemons.items():
                if daemon.process.poll() is not None:
                    breaches.append(f"{kind}: the daemon has ended: {daemon.output[-2000:]}")
                    continue
                metrics = daemon.metrics()
                taken = rigs.harness.metric(metrics, "streamkeeper_memory_budget_bytes")
                if taken:
                    breaches.append(f"P13: {kind}: {taken} bytes of the budget are still taken")
                busy = rigs.harness.metric(metrics, "streamkeeper_requests_in_flight") + rigs.harness.metric(metrics, "streamkeeper_requests_waiting")
                if busy > 0:
                    breaches.append(f"P13: {kind}: {busy} requests are still counted in flight or waiting")
                texts = {model.uncut.text[:40] for model in self.models.values() if len(model.uncut.text) > 12}
                breaches += checker.judge_log(daemon.lines, [rigs.harness.KEY, "PROMPTSECRET", *texts])[:3]
        for rig in self.rigs.values():
            try:
                rig.stop()
            except AssertionError as error:
                breaches.append(f"a sanitizer's report: {error}"[:4000])
        return breaches


def without_id(case, payloads):
    """The mock names completions by the whole request, which differs from stream to stream."""
    if case.dialect != COMPLETIONS or not case.stream:
        return payloads
    return [re.sub(r'^{"id":"[^"]*"', "", data) for data in payloads]


def differing_payloads(have, want):
    for a, b in zip(have, want):
        if a != b:
            return f"{a[:200]} for {b[:200]}"
    return f"{len(have)} events for {len(want)}"


def differing_documents(have, want):
    return "; ".join(f"{key}: {have.get(key)!r} for {want.get(key)!r}"[:300] for key in sorted(set(have) | set(want), key=str) if have.get(key) != want.get(key))
