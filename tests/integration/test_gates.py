"""Gates (contract, section 4): who waits for what and how long, who goes first, and what a vendor then sees. By the real
daemon and, mostly, the mock, whose record says when each request had arrived. STREAMKEEPER_LONG=1 runs the long forms."""
import contextlib
import json
import os
import re
import select
import signal
import tempfile
import threading
import time
import unittest

from harness import BINARY, PATIENCE, Connection, Daemon, Mock, chat, config_for, http, metric, request_bytes, resident_bytes, sanitized, wait_for
from stage import CHAT
from waiting import Case as WaitingCase
from waiting import wait_idle

LONG = os.environ.get("STREAMKEEPER_LONG") == "1"
OPTIMISED = "/release/" in BINARY
PATH = "/v1/chat/completions"
LATE = 0.15  # seconds: what was sent before a refusal was known reaches a loaded machine's mock so much later at most


def post(body, headers=(), path=PATH):
    return request_bytes("POST", path, headers, body)


def numbered(case, *more):
    """Fields that let the record say which request it was."""
    return [("x-case", str(case)), *more]


def cases(calls):
    return [call["headers"].get("x-case") for call in calls]


def most_at_once(calls, seconds):
    """The most requests that the mock had at a time, if it took so long for the head of each answer."""
    times = sorted(call["at_ms"] for call in calls)
    return max(sum(begin - seconds * 1000 < t <= begin for t in times) for begin in times)


def undisturbed(*processes):
    """What is measured here is these processes' own slowness, not that of a machine on which others work too. Needs root."""
    for process in processes:
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, process.pid, -20)


def open_files(daemon):
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


class Case(WaitingCase):
    def mock(self, *flags, script=""):
        if script:
            folder = tempfile.TemporaryDirectory()
            self.addCleanup(folder.cleanup)
            name = os.path.join(folder.name, "script.yaml")
            with open(name, "w") as file:
                file.write(script)
            flags += ("--script", name)
        mock = Mock(*flags)
        self.addCleanup(mock.stop)
        return mock

    def before(self, mock, *lines, retry=None, extra=""):
        """A daemon before this mock, with these lines in its upstream `one`."""
        return self.daemon(mock.base_url, upstream_extra="\n".join(lines), retry=retry, extra=extra)

    def start(self, daemon, model="mock-1", headers=(), **more):
        """A request under way, on a connection of its own."""
        connection = self.connect(daemon)
        connection.send(post(chat(model, **more), headers))
        return connection

    def ask(self, daemon, model="mock-1", headers=(), path=PATH):
        return http(daemon.address, "POST", path, headers, chat(model))

    def waiting(self, daemon, count):
        """Waits until exactly so many requests wait."""
        wait_for(lambda: metric(daemon.metrics(), "streamkeeper_requests_waiting") == count)

    def gates(self, daemon, upstream=0):
        return http(daemon.address, "GET", "/-/status").json["upstreams"][upstream]["gates"]

    def reload(self, daemon, text=None):
        if text is not None:
            daemon.write_config(text)
        before = daemon.output.count("the configuration was reloaded")
        os.kill(daemon.pid, signal.SIGHUP)
        wait_for(lambda: daemon.output.count("the configuration was reloaded") > before)

    def refused(self, answer, status, code):
        self.assertEqual((answer.status, answer.json["error"]["code"]), (status, code), answer.text)
        return answer


# ---- rate_limits

def allowance(limits, seconds):
    """How many requests a vendor with these limits, each (requests, per), lets through in so long if as many as possible
    come."""
    times = []
    while True:
        frees = [times[-requests] + per for requests, per in limits if len(times) >= requests]
        now = max([*frees, times[-1] if times else 0.0])
        if now > seconds:
            return len(times)
        times.append(now)


class Pace(Case):
    """A vendor that counts exactly, as Apertis does per address and per key, scaled down: but not so far that the margin
    for the way, 1 % of the span, is less than what a loaded machine takes to run the mock."""
    LIMITS = [(200, 10.0, "ip"), (120, 4.0, "key")]
    SECONDS = 35 if LONG else 11
    CLIENTS = 10

    def greedy(self, daemon, until, index, counts):
        with Connection(daemon.address) as connection:
            request = post(chat(max_tokens=1), [("User-Agent", f"tool-{index}")])
            while time.monotonic() < until:
                connection.send(request)
                answer = connection.read_response()
                counts[index].append(answer.status)

    def test_ten_greedy_clients_are_never_refused_use_the_allowance_and_share_it(self):
        flags = [part for requests, per, scope in self.LIMITS for part in ("--limit", f"{requests}/{per:.0f}s per {scope}")]
        mock = self.mock(*flags)
        rates = ", ".join(f"{{requests: {requests}, per: {per:.0f}s, scope: {scope}}}" for requests, per, scope in self.LIMITS)
        daemon = self.before(mock, f"rate_limits: [{rates}]")
        undisturbed(mock, daemon)
        counts = [[] for _ in range(self.CLIENTS)]
        until = time.monotonic() + self.SECONDS + 0.3
        threads = [threading.Thread(target=self.greedy, args=(daemon, until, i, counts)) for i in range(self.CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        calls = mock.requests()
        self.assertEqual({call["status"] for call in calls}, {200}, "the vendor refuses none")
        limits = http(("127.0.0.1", mock.port), "GET", "/mock/state").json["limits"]
        self.assertEqual([limit["refused"] for limit in limits], [0, 0])
        used = sum(call["at_ms"] - calls[0]["at_ms"] <= self.SECONDS * 1000 for call in calls)
        possible = allowance([limit[:2] for limit in self.LIMITS], self.SECONDS)
        self.assertGreaterEqual(used, 0.95 * possible, f"{used} of {possible}")
        self.assertLessEqual(used, possible)
        self.assertEqual({status for statuses in counts for status in statuses}, {200})
        # Once the first window is used up; before that nobody waits, and the fastest get most.
        later = [call["headers"]["user-agent"] for call in calls if call["at_ms"] - calls[0]["at_ms"] > 2000]
        shares = [later.count(f"tool-{i}") for i in range(self.CLIENTS)]
        self.assertGreaterEqual(2 * min(shares), max(shares), shares)
        wait_idle(daemon)

    def test_repeated_sends_count_too(self):
        mock = self.mock("--limit", "4/1s per key")
        daemon = self.before(mock, "rate_limits: [{requests: 4, per: 1s, scope: key}]", retry="{base: 5ms}")
        answers = [self.ask(daemon, "mock-1+503+x1+ok+x1+loop").status for _ in range(5)]
        calls = mock.requests()
        self.assertEqual((answers, [call["status"] for call in calls]), ([200] * 5, [503, 200] * 5))
        times = [call["at_ms"] for call in calls]
        self.assertTrue(all(later - earlier >= 1000 for earlier, later in zip(times, times[4:])), times)

    def test_a_wait_beyond_the_deadline_is_refused_at_once(self):
        mock = self.mock()
        daemon = self.before(mock, "rate_limits: [{requests: 1, per: 20s, scope: key}]")
        self.assertEqual(self.ask(daemon).status, 200)
        answer = self.refused(self.ask(daemon, headers=[("x-streamkeeper-max-wait", "2s")]), 429, "rate_limited")
        self.assertLessEqual(abs(int(answer.header("Retry-After")) - 17), 4)
        self.assertEqual(len(mock.requests()), 1)


# ---- a vendor's 429

class Limited(Case):
    def check_ramp(self, calls, seconds):
        """Of these calls, the head of whose answer comes `seconds` after they have arrived: at most 1, 2, 4, 8 … are
        without one."""
        times = sorted(call["at_ms"] for call in calls)
        for sent, now in enumerate(times, 1):
            heads = sum(t + seconds * 1000 <= now + 1 for t in times)
            self.assertLessEqual(sent - heads, 2**heads, f"{sent} sent and {heads} answered at {now}: {times}")
        return times

    def test_one_429_informs_all_and_then_one_goes_and_2_and_4_and_8(self):
        mock = self.mock()
        daemon = self.before(mock, retry="{base: 20ms}")
        model = "mock-1+429+retry_after=1+delay=300ms+for=900ms+ok+delay=200ms"
        connections = [self.connect(daemon) for _ in range(50)]
        for connection in connections:
            connection.send(post(chat(model)))
        self.assertEqual([connection.read_response().status for connection in connections], [200] * 50)
        calls = mock.requests()
        refused = [call["at_ms"] for call in calls if call["status"] == 429]
        served = [call for call in calls if call["status"] == 200]
        self.assertEqual(len(served), 50)
        self.assertLess(refused[-1], refused[0] + 300 + LATE * 1000, "none was sent once a refusal was known")
        times = self.check_ramp(served, 0.2)
        self.assertGreaterEqual(times[0], refused[-1] + 300 + 1000, "none was sent before the time the vendor named")
        self.assertGreaterEqual(times[1], times[0] + 200, "one went first")
        self.assertLess(times[-1] - times[0], 25 * 200, "not one after the other")
        wait_idle(daemon)

    def test_a_probe_that_is_refused_closes_the_gate_again_for_all(self):
        mock = self.mock()
        daemon = self.before(mock, retry="{base: 20ms}")
        model = "mock-1+429+retry_after_ms=400+x3+ok+delay=100ms"
        first = self.start(daemon, model)
        wait_for(lambda: self.gates(daemon))
        others = [self.start(daemon, model) for _ in range(20)]
        self.assertEqual([connection.read_response().status for connection in [first, *others]], [200] * 21)
        calls = mock.requests()
        self.assertEqual([call["status"] for call in calls], [429] * 3 + [200] * 21)
        for earlier, later in zip(calls[:3], calls[1:4]):
            self.assertGreaterEqual(later["at_ms"], earlier["at_ms"] + 400)
        self.check_ramp(calls[3:], 0.1)

    def test_limit_scope_and_limit_per_model_say_who_waits(self):
        script = """
keys: [{name: a, secret: sk-a-0123456789}, {name: b, secret: sk-b-0123456789}]
rules:
  - {when: {model: mock-1, key: a}, answers: [429+retry_after=30], then: repeat-last}
"""
        mock = self.mock(script=script)
        combinations = [(scope, per_model) for scope in ("key", "account", "ip") for per_model in ("true", "false")]
        text = 'listen: ["127.0.0.1:0"]\ndefault_upstream: u0\nupstreams:\n'
        for i, (scope, per_model) in enumerate(combinations):
            text += (f"  u{i}:\n    base_url: {mock.base_url}\n    keys: [{{name: a, file: a}}, {{name: b, file: b}}]\n"
                     f"    limit_scope: {scope}\n    limit_per_model: {per_model}\n")
        daemon = Daemon(text, files={"a": "sk-a-0123456789", "b": "sk-b-0123456789"})
        self.addCleanup(daemon.stop)
        for i, (scope, per_model) in enumerate(combinations):
            with self.subTest(limit_scope=scope, limit_per_model=per_model):
                def who(model):
                    answer = self.ask(daemon, model, [("x-streamkeeper-max-wait", "5s")], f"/u/u{i}{PATH}")
                    if answer.status == 200:
                        return answer.header("x-streamkeeper-key")
                    met_it_itself = answer.header("x-streamkeeper-attempts") != "0"
                    self.refused(answer, 429, "rate_limit_exceeded" if met_it_itself else "rate_limited")
                    self.assertTrue(20 <= int(answer.header("Retry-After")) <= 38, answer.header("Retry-After"))
                    return None
                others = {("key", "true"): "a", ("key", "false"): "b", ("account", "true"): "a", ("ip", "true"): "a"}
                same = "b" if scope == "key" else None
                self.assertEqual([who("mock-1"), who("mock-1"), who("mock-reasoner")], [same, same, others.get((scope, per_model))])
                gate, = self.gates(daemon, i)
                self.assertEqual((gate["scope"], gate["cause"], gate.get("key"), gate.get("model")),
                                 (scope, "rate_limit", "a" if scope == "key" else None, "mock-1" if per_model == "true" else None))
        refusals = [call for call in mock.requests() if call["status"] == 429]
        self.assertEqual(len(refusals), len(combinations), "each upstream was refused once")

    def test_a_vendor_that_limits_for_a_long_time_without_any_hint_is_survived(self):
        seconds, retry = (60, None) if LONG else (6, "{base: 100ms, cap: 1s}")
        mock = self.mock()
        daemon = self.before(mock, retry=retry)
        model = f"mock-1+429+for={seconds}s"
        clients = [self.client(daemon, CHAT, model) if i % 2 else self.start(daemon, model) for i in range(6)]
        for client in clients:
            client.socket.settimeout(seconds * 2 + PATIENCE)
        for i, client in enumerate(clients):
            answer = client.read_response()
            self.assertEqual((answer.status, answer.complete), (200, True))
            self.assertIn("[DONE]" if i % 2 else "chat.completion", answer.text)
        calls = mock.requests()
        refused = sum(call["status"] == 429 for call in calls)
        self.assertEqual(len(calls) - refused, 6)
        # All at once at first, then one probe a pause: 0.1, 0.2, 0.4, 0.8 s at least a half of it, then at most twice a second.
        self.assertLessEqual(refused, 6 + 5 + 2 * 6)


# ---- a model that fails

class Failing(Case):
    def test_five_failures_in_a_row_close_the_model_and_others_go_on(self):
        mock = self.mock()
        daemon = self.before(mock, retry="{attempts: 1}")
        bad = "mock-1+500"
        self.assertEqual([self.ask(daemon, bad).status for _ in range(5)], [500] * 5)
        for _ in range(3):
            answer = self.refused(self.ask(daemon, bad, [("x-streamkeeper-max-wait", "10s")]), 503, "upstream_failing")
            self.assertTrue(15 <= int(answer.header("Retry-After")) <= 30, answer.header("Retry-After"))
            self.assertEqual(answer.header("x-streamkeeper-attempts"), "0")
        self.assertEqual(len(mock.requests()), 5, "nobody asked the vendor")
        for model in ("mock-1", "mock-reasoner", "mock-1+ok"):
            self.assertEqual(self.ask(daemon, model).status, 200)
        self.assertEqual(http(daemon.address, "GET", "/v1/files").status, 200, "pass-through does not wait for it")
        gate, = self.gates(daemon)
        self.assertEqual((gate["scope"], gate["cause"], gate["model"]), ("upstream", "failing", bad))
        patient = self.start(daemon, bad)
        self.waiting(daemon, 1)
        self.assertEqual(len([call for call in mock.requests() if call["status"] == 500]), 5)
        patient.close()
        self.waiting(daemon, 0)

    def test_resets_close_it_too_and_one_success_between_does_not_let_it_come_to_that(self):
        mock = self.mock()
        daemon = self.before(mock, retry="{attempts: 1}")
        self.assertEqual([self.ask(daemon, "mock-1+503+x4+ok+x1+loop").status for _ in range(15)], [503, 503, 503, 503, 200] * 3)
        self.assertEqual({self.ask(daemon, "mock-1+rst=0").status for _ in range(5)}, {502})
        answer = self.ask(daemon, "mock-1+rst=0", [("x-streamkeeper-max-wait", "10s")])
        self.refused(answer, 503, "upstream_failing")

    @unittest.skipUnless(LONG, "takes 30 s: STREAMKEEPER_LONG=1")
    def test_it_opens_after_30_s_by_one_probe(self):
        mock = self.mock()
        daemon = self.before(mock, retry="{attempts: 1}")
        model = "mock-1+500+x5+ok+delay=200ms"
        self.assertEqual([self.ask(daemon, model).status for _ in range(5)], [500] * 5)
        clients = [self.start(daemon, model) for _ in range(8)]
        for client in clients:
            client.socket.settimeout(60)
        self.assertEqual([client.read_response().status for client in clients], [200] * 8)
        times = [call["at_ms"] for call in mock.requests()]
        self.assertGreaterEqual(times[5] - times[4], 30_000)
        self.assertGreaterEqual(times[6] - times[5], 200)
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_wait_seconds_count", cause="failing"), 8)


# ---- max_in_flight and the queue

class InFlight(Case):
    def test_never_more_than_max_in_flight_go_and_more_than_queue_are_refused(self):
        mock = self.mock()
        daemon = self.before(mock, "max_in_flight: 3", "queue: 5")
        connections = [self.connect(daemon) for _ in range(20)]
        for connection in connections[:8]:
            connection.send(post(chat(), [("x-mock-delay-ms", "800")]))
        self.waiting(daemon, 5)
        for connection in connections[8:]:
            connection.send(post(chat(), [("x-mock-delay-ms", "800")]))
        for connection in connections[8:]:
            answer = self.refused(connection.read_response(), 429, "queue_full")
            self.assertEqual((answer.header("x-should-retry"), answer.header("x-streamkeeper-attempts")), ("false", "0"))
        gate, = self.gates(daemon)
        self.assertEqual((gate["cause"], gate["waiting"]), ("in_flight", 5))
        self.assertEqual([connection.read_response().status for connection in connections[:8]], [200] * 8)
        self.assertEqual(len(mock.requests()), 8)
        self.assertEqual(most_at_once(mock.requests(), 0.8), 3)
        wait_idle(daemon)

    def line_up(self, daemon, vendor, who):
        """One request holds the only place, and these wait behind it, in this order."""
        first = self.start(daemon, headers=numbered("first", *who("a")))
        holder = vendor.next()
        waiting = {}
        for count, case in enumerate(("a1", "a2", "a3", "b1", "b2", "c1"), 1):
            waiting[case] = self.start(daemon, headers=numbered(case, *who(case[0])))
            self.waiting(daemon, count)
        return first, holder, waiting

    def order(self, daemon, vendor, who):
        first, holder, waiting = self.line_up(daemon, vendor, who)
        order = []
        holder.send(CHAT.good())
        for _ in waiting:
            peer = vendor.next()
            order.append(re.search(rb"x-case: (\w+)", peer.head, re.I).group(1).decode())
            self.assertFalse(vendor._waiting.qsize(), "one at a time")
            peer.send(CHAT.good())
        for connection in (first, *waiting.values()):
            self.assertEqual(connection.read_response().status, 200)
        return order

    ROUND = ["a1", "b1", "c1", "a2", "b2", "a3"]

    def test_tools_take_turns_and_one_tools_requests_go_in_their_order(self):
        vendor, daemon = self.pair(extra="", retry=None, upstream_extra="max_in_flight: 1")
        self.assertEqual(self.order(daemon, vendor, lambda name: [("User-Agent", f"tool-{name}")]), self.ROUND)

    def test_configured_clients_take_turns_whatever_tool_they_are(self):
        names = "abc"
        clients = ", ".join(f"{{name: {name}, token_file: {name}}}" for name in names)
        vendor = self.vendor()
        files = {name: f"token-{name}-0123456789" for name in names}
        daemon = self.daemon(vendor.base_url, retry=None, upstream_extra="max_in_flight: 1", extra=f"clients: [{clients}]", files=files)

        def who(name):
            return [("Authorization", f"Bearer token-{name}-0123456789"), ("User-Agent", "the same")]
        self.assertEqual(self.order(daemon, vendor, who), self.ROUND)

    def test_clients_that_leave_while_they_wait_cost_nothing_and_the_next_goes(self):
        vendor, daemon = self.pair(extra="", retry=None, upstream_extra="max_in_flight: 1")
        _, holder, waiting = self.line_up(daemon, vendor, lambda name: [("User-Agent", f"tool-{name}")])
        for left, case in enumerate(("a1", "b1", "c1", "a3"), 1):
            waiting.pop(case).reset()
            self.waiting(daemon, 6 - left)
        holder.send(CHAT.good())
        for wanted in (b"a2", b"b2"):
            peer = vendor.next()
            self.assertIn(b"x-case: " + wanted, peer.head)
            peer.send(CHAT.good())
        for connection in waiting.values():
            self.assertEqual(connection.read_response().status, 200)
        metrics = daemon.metrics()
        self.assertEqual(metric(metrics, "streamkeeper_requests_total", outcome="client_closed", code="499"), 4)
        self.assertEqual(metric(metrics, "streamkeeper_requests_total", outcome="error"), 0)
        self.assertEqual(vendor.connections, 1)
        wait_idle(daemon)

    def test_if_the_client_of_a_probe_leaves_the_next_waiter_is_the_probe(self):
        mock = self.mock()
        daemon = self.before(mock)
        model = "mock-1+429+retry_after_ms=500+x1+hang+x1"
        probe = self.start(daemon, model, numbered("probe"))
        wait_for(lambda: self.gates(daemon))
        others = []
        for i in range(4):
            others.append(self.start(daemon, model, numbered(i)))
            self.waiting(daemon, i + 2)
        wait_for(lambda: len(mock.requests()) == 2)
        others.pop(0).close()
        self.waiting(daemon, 3)
        self.assertEqual(len(mock.requests()), 2, "the others wait for the probe's head")
        probe.close()
        self.assertEqual([connection.read_response().status for connection in others], [200] * 3)
        self.assertEqual(cases(mock.requests())[:3], ["probe", "probe", "1"])
        self.assertEqual(sorted(cases(mock.requests())[3:]), ["2", "3"])


# ---- reload

class Reload(Case):
    def test_a_reload_keeps_gates_closed_and_waiters_waiting(self):
        mock = self.mock()
        daemon = self.before(mock)
        model = "mock-1+429+retry_after=2+x1"
        clients = [self.start(daemon, model)]
        wait_for(lambda: self.gates(daemon))
        clients += [self.start(daemon, model) for _ in range(5)]
        self.waiting(daemon, 6)
        before, = self.gates(daemon)
        self.reload(daemon, config_for(mock.base_url, upstream_extra="queue: 300", retry="{attempts: 5}"))
        after, = self.gates(daemon)
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_requests_waiting"), 6)
        self.assertLess(after.pop("opens_in_seconds"), before.pop("opens_in_seconds"))
        self.assertEqual(after, before)
        late = self.ask(daemon, model, [("x-streamkeeper-max-wait", "100ms")])
        self.refused(late, 429, "rate_limited")
        self.assertEqual([client.read_response().status for client in clients], [200] * 6)
        calls = mock.requests()
        self.assertEqual([call["status"] for call in calls], [429] + [200] * 6)
        self.assertGreaterEqual(calls[1]["at_ms"], calls[0]["at_ms"] + 2000)

    def test_a_reload_keeps_what_was_counted_for_rate_limits(self):
        mock = self.mock("--limit", "2/2s per key")
        daemon = self.before(mock, "rate_limits: [{requests: 2, per: 2s, scope: key}]")
        for _ in range(2):
            self.assertEqual(self.ask(daemon).status, 200)
        self.reload(daemon)
        self.assertEqual(self.ask(daemon).status, 200)
        self.assertEqual([call["status"] for call in mock.requests()], [200] * 3)

    def test_a_reload_that_raises_max_in_flight_lets_more_go(self):
        vendor, daemon = self.pair(extra="", retry=None, upstream_extra="max_in_flight: 1")
        clients = [self.start(daemon) for _ in range(4)]
        peers = [vendor.next()]
        self.waiting(daemon, 3)
        self.reload(daemon, config_for(vendor.base_url, upstream_extra="max_in_flight: 3", retry=None))
        peers += [vendor.next(), vendor.next()]
        self.waiting(daemon, 1)
        peers[0].send(CHAT.good())
        peers.append(vendor.next())
        for peer in peers[1:]:
            peer.send(CHAT.good())
        self.assertEqual([client.read_response().status for client in clients], [200] * 4)

    def test_a_reload_that_lowers_max_in_flight_holds_the_next_ones_back(self):
        vendor, daemon = self.pair(extra="", retry=None, upstream_extra="max_in_flight: 3")
        clients = [self.start(daemon) for _ in range(3)]
        peers = [vendor.next() for _ in clients]
        self.reload(daemon, config_for(vendor.base_url, upstream_extra="max_in_flight: 1", retry=None))
        clients.append(self.start(daemon))
        self.waiting(daemon, 1)
        for peer in peers[:2]:
            peer.send(CHAT.good())
        wait_for(lambda: metric(daemon.metrics(), "streamkeeper_upstream_connections", state="busy") == 1)
        self.waiting(daemon, 1)
        peers[2].send(CHAT.good())
        vendor.next().send(CHAT.good())
        self.assertEqual([client.read_response().status for client in clients], [200] * 4)


# ---- what can be seen of it

class Shown(Case):
    def check(self, daemon, cause, waiter, because, scope):
        """While `waiter` waits: the gauges and the status page say why."""
        self.waiting(daemon, 1)
        metrics = daemon.metrics()
        self.assertEqual(metric(metrics, "streamkeeper_gate_closed", upstream="one", scope=scope, cause=cause), 1)
        gate, = self.gates(daemon)
        self.assertEqual((gate["cause"], gate["scope"], gate["waiting"]), (cause, scope, 1))
        self.assertRegex(gate["because"], because)
        self.assertEqual("opens_in_seconds" in gate, cause != "in_flight")
        return gate

    def ended(self, daemon, cause, least):
        wait_for(lambda: metric(daemon.metrics(), "streamkeeper_wait_seconds_count", upstream="one", cause=cause) >= 1)
        metrics = daemon.metrics()
        self.assertGreaterEqual(metric(metrics, "streamkeeper_wait_seconds_sum", upstream="one", cause=cause), least)
        self.assertEqual(metric(metrics, "streamkeeper_requests_waiting"), 0)

    def closed_again(self, daemon, cause):
        wait_for(lambda: metric(daemon.metrics(), "streamkeeper_gate_closed", upstream="one", cause=cause) == 0)
        self.assertEqual(self.gates(daemon), [])

    def test_a_rate_limit(self):
        mock = self.mock()
        daemon = self.before(mock, retry="{base: 20ms}")
        waiter = self.start(daemon, "mock-1+429+retry_after=1+x1")
        gate = self.check(daemon, "rate_limit", waiter, "the vendor answered 429", "key")
        self.assertTrue(0 < gate["opens_in_seconds"] <= 1.25, gate)
        self.assertEqual((gate["key"], gate["model"]), ("main", "mock-1+429+retry_after=1+x1"))
        answer = waiter.read_response()
        self.assertEqual((answer.status, answer.header("x-streamkeeper-attempts")), (200, "2"))
        self.ended(daemon, "rate_limit", 0.99)
        self.closed_again(daemon, "rate_limit")

    def test_the_pace(self):
        mock = self.mock()
        daemon = self.before(mock, "rate_limits: [{requests: 1, per: 2s, scope: ip}]")
        self.assertEqual(self.ask(daemon).status, 200)
        waiter = self.start(daemon)
        gate = self.check(daemon, "pace", waiter, "rate_limits", "ip")
        self.assertTrue(0 < gate["opens_in_seconds"] <= 2.02, gate)
        self.assertEqual(waiter.read_response().status, 200)
        self.ended(daemon, "pace", 0.5)
        self.closed_again(daemon, "pace")

    def test_failures(self):
        mock = self.mock()
        daemon = self.before(mock, retry="{attempts: 1}")
        for _ in range(5):
            self.ask(daemon, "mock-1+500")
        waiter = self.start(daemon, "mock-1+500")
        gate = self.check(daemon, "failing", waiter, "five failures in a row", "upstream")
        self.assertTrue(20 < gate["opens_in_seconds"] <= 30, gate)
        time.sleep(0.1)  # it must have waited for some time
        waiter.close()
        self.ended(daemon, "failing", 0.1)

    def test_a_full_max_in_flight(self):
        vendor, daemon = self.pair(extra="", retry=None, upstream_extra="max_in_flight: 1")
        holder, peer = self.start(daemon), vendor.next()
        waiter = self.start(daemon)
        self.check(daemon, "in_flight", waiter, "max_in_flight", "upstream")
        time.sleep(0.1)
        peer.send(CHAT.good())
        vendor.next().send(CHAT.good())
        self.assertEqual([holder.read_response().status, waiter.read_response().status], [200, 200])
        self.ended(daemon, "in_flight", 0.1)
        self.closed_again(daemon, "in_flight")


# ---- a storm

class Storm(Case):
    FLAPPING = ("mock-1+ok+x30+429+retry_after_ms=500+x3+ok+x30+503+x2+ok+x20+rst=0+x2+ok+x20+429+x2"
                "+ok+x20+429+retry_after=1+x1+ok+x20+close=40+x2+loop")
    DEAD = "mock-1+503+id=dead"
    ATTEMPTS = 6
    SECONDS = 60 if LONG else 8

    def storm(self, daemon, seconds, name):
        """(case, what came) of every request of 50 clients."""
        ends, lock, until = [], threading.Lock(), time.monotonic() + seconds

        def client(index):
            connection = None
            for number in range(100_000):
                if time.monotonic() >= until:
                    break
                case, stream = f"{name}-{index}-{number}", index % 2 == 1
                model = self.DEAD if index % 5 == 4 else self.FLAPPING
                connection = connection or Connection(daemon.address)
                connection.send(post(chat(model, **({"stream": True} if stream else {})), numbered(
                    case, ("x-streamkeeper-max-wait", "8s"), ("User-Agent", f"tool-{index % 7}"), ("x-mock-tokens", "4"))))
                answer = connection.read_response()
                with lock:
                    ends.append((case, stream, answer))
                if not answer.complete or (answer.header("connection") or "").lower() == "close":
                    connection.close()
                    connection = None
                if answer.status >= 400:
                    time.sleep(0.1)  # as a polite client does
            if connection:
                connection.close()
        threads = [threading.Thread(target=client, args=(i,)) for i in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(seconds + 60)
            self.assertFalse(thread.is_alive(), "a client got no end")
        return ends

    def check_end(self, stream, answer):
        """An answer, or one final error."""
        if answer.status != 200:
            self.assertIn("error", answer.json, answer.text)
            final = answer.header("x-should-retry") == "false"
            self.assertTrue(final or 1 <= int(answer.header("Retry-After")) <= 60, answer.headers)
        elif not stream:
            self.assertTrue(answer.complete and answer.json["choices"][0]["finish_reason"] == "stop", answer.text)
        elif answer.complete:
            self.assertEqual(answer.text.count("data: [DONE]"), 1, answer.text)
        else:  # it had been committed
            self.assertRegex(answer.text, r": streamkeeper \w+")
            self.assertNotIn("[DONE]", answer.text)

    def check_hints(self, calls):
        """None was sent before the time that a refusal named."""
        limits = [(call["at_ms"], 500 if "retry_after_ms" in call["fault"] else 1000) for call in calls
                  if call["status"] == 429 and "retry_after" in call["fault"]]
        self.assertGreater(len(limits), 3)
        times = [call["at_ms"] for call in calls]
        for at, wait in limits:
            early = [t - at for t in times if at + LATE * 1000 < t < at + wait]
            self.assertEqual(early, [], f"sent after a refusal at {at} that named {wait} ms")

    def test_50_clients_of_a_vendor_that_flaps(self):
        mock = self.mock()
        daemon = self.before(mock, "timeouts: {pool_idle: 300ms}", retry=f"{{attempts: {self.ATTEMPTS}, base: 20ms, cap: 500ms}}")
        self.storm(daemon, 1.5, "warm")
        wait_idle(daemon)

        def files_are(count):
            return lambda: open_files(daemon) <= count
        wait_for(lambda: metric(daemon.metrics(), "streamkeeper_upstream_connections") == 0)
        files, memory = open_files(daemon), resident_bytes(daemon.pid)
        ends = self.storm(daemon, self.SECONDS, "storm")
        wait_idle(daemon)
        wait_for(lambda: metric(daemon.metrics(), "streamkeeper_upstream_connections") == 0)
        wait_for(files_are(files))
        self.assertLess(resident_bytes(daemon.pid) - memory, 8 << 20)
        for case, stream, answer in ends:
            self.check_end(stream, answer)
        good = sum(answer.status == 200 and answer.complete for _, _, answer in ends)
        self.assertGreater(good, 100, "the vendor answers most of the time, and so does the daemon")
        self.check_calls(ends, mock.requests())

    def check_calls(self, ends, calls):
        by_case = {}
        for call in calls:
            by_case.setdefault(call["headers"]["x-case"], []).append(call)
        for case, _, answer in ends:
            sent = by_case.get(case, [])
            waits = sum(call["status"] == 429 for call in sent)
            self.assertLessEqual(len(sent), self.ATTEMPTS + waits + 1, case)
            told = answer.header("x-streamkeeper-attempts")
            if told is not None:
                self.assertEqual(int(told), len(sent), case)
        flapping = [call for call in calls if json.loads(call["body"])["model"] == self.FLAPPING]
        dead = [call for call in calls if json.loads(call["body"])["model"] == self.DEAD]
        self.check_hints(flapping)
        # Five failures close it; nine more may have been under way. Then one probe after 30 s, 90 s …
        self.assertLessEqual(len(dead), 5 + 9 + (2 if LONG else 0))
        closed = sorted(call["at_ms"] for call in dead)[4]
        self.assertEqual([call["at_ms"] - closed for call in dead if closed + 1000 < call["at_ms"] < closed + 29_000], [])


# ---- a crowd

class Crowd(Case):
    COUNT = 9000 if LONG else 2000
    MOST = 6144  # bytes each, body included
    LAG = 0.005 if OPTIMISED else 0.05  # seconds

    def lags(self, daemon):
        """{bucket: how many were later than the one before and not later than this}"""
        metrics = daemon.metrics()
        buckets = sorted((float(dict(labels)["le"]), value) for (name, labels), value in metrics.items()
                         if name == "streamkeeper_loop_lag_seconds_bucket")
        return {le: value - before for (le, value), (_, before) in zip(buckets, [(0, 0), *buckets])}

    def settled(self, daemon):
        """Resident bytes once what a burst needed was given back."""
        lowest, since = resident_bytes(daemon.pid), time.monotonic()
        while time.monotonic() - since < 1.5:
            time.sleep(0.05)
            now = resident_bytes(daemon.pid)
            if now < lowest - 65536:
                lowest, since = now, time.monotonic()
        return lowest

    def read_all(self, connections):
        """The statuses of all, by one thread."""
        poll, by_file, statuses = select.poll(), {}, []
        for connection in connections:
            by_file[connection.socket.fileno()] = connection
            poll.register(connection.socket, select.POLLIN)
        while by_file:
            ready = poll.poll(60_000)
            self.assertTrue(ready, f"{len(by_file)} got nothing")
            for file, _ in ready:
                poll.unregister(file)
                statuses.append(by_file.pop(file).read_response().status)
        return statuses

    def test_a_crowd_at_one_gate_costs_little_memory_and_its_release_stalls_nothing(self):
        mock = self.mock()
        extra = "limits: {connections: 20000}"
        daemon = self.before(mock, "queue: 20000", "max_in_flight: 20000", extra=extra)
        self.assertEqual(self.ask(daemon).status, 200)
        undisturbed(daemon)
        model = "mock-1+429+retry_after_ms=100+x1+hang+x1"
        probe = self.start(daemon, model)
        wait_for(lambda: len(mock.requests()) == 3)
        before = self.settled(daemon)
        request, connections = post(chat(model), [("x-mock-tokens", "1")]), []
        for i in range(self.COUNT):
            connections.append(self.connect(daemon))
            connections[-1].send(request)
            if i % 500 == 499:  # the listener's backlog
                self.waiting(daemon, i + 1)
        self.waiting(daemon, self.COUNT)
        each = (self.settled(daemon) - before) / self.COUNT
        lags = self.lags(daemon)
        probe.close()
        statuses = self.read_all(connections)
        late = {le: count - lags[le] for le, count in self.lags(daemon).items() if count > lags[le]}
        print(f"{self.COUNT} waiting: {each:.0f} bytes each; lags of their release: {late}", flush=True)
        self.assertEqual(statuses.count(200), self.COUNT)
        if not sanitized():
            self.assertLessEqual(each, self.MOST)
        if not OPTIMISED:  # one late timer may be the machine's doing
            late[max(late)] -= 1
        self.assertLessEqual(max(le for le, count in late.items() if count > 0), self.LAG, late)
        for connection in connections:
            connection.close()
        wait_idle(daemon)


if __name__ == "__main__":
    unittest.main()
