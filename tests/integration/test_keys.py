"""Keys: which one is used, what makes one unusable and for what, when it is tried again, and that it never shows (contract,
section 4 "Keys")."""
import json
import unittest

from harness import Play, http, metric, playing, raw, raw_stream
from stage import ANTHROPICS, CHAT, FORMS, Case, close, failure, refusal, together
from test_reload import reload

GOOD = CHAT.good()


def secret(name):
    return f"sk-{name}-0123456789"


def key_of(head, body):
    """The name of the key that a request came with."""
    return head.split(b"Bearer sk-")[1].split(b"-")[0].decode()


def key_list(names):
    return "[" + ", ".join(f"{{name: {name}, file: {name}}}" for name in names) + "]"


class Keys(Case):
    def vendor(self, retry="{base: 5ms}", upstream_extra="", extra="", listed=None, **plays):
        """A daemon with a key for each play; each key gets its own play's answers."""
        self.plays = {name: play if isinstance(play, Play) else Play(*play) for name, play in plays.items()}
        self.base_url = self.origin(playing(self.plays, key_of)).base_url
        return self.daemon(self.base_url, keys=key_list(listed or plays), retry=retry, upstream_extra=upstream_extra, extra=extra,
                           files={name: secret(name) for name in plays})

    def calls(self):
        return {name: len(play.calls) for name, play in self.plays.items()}

    def status(self, daemon):
        """What the status says of each key."""
        upstream = http(daemon.address, "GET", "/-/status").json["upstreams"][0]
        return {key["name"]: key for key in upstream["keys"]}

    def usable(self, daemon):
        metrics = daemon.metrics()
        return {name: int(metric(metrics, "streamkeeper_key_usable", upstream="one", key=name)) for name in self.status(daemon)}

    def ready(self, daemon):
        return http(daemon.address, "GET", "/readyz").status

    def served_by(self, daemon, *arguments, **options):
        """The key whose answer a client got."""
        answer = self.ask(daemon, *arguments, **options)
        self.assertEqual(answer.status, 200, answer.text)
        return answer.header("x-streamkeeper-key")


GOOGLE = {"error": {"code": 400, "message": "Please pass a valid one.", "status": "INVALID_ARGUMENT", "details": [
    {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}]}}
SPENT = {"type": "error", "error": {"type": "rate_limit_error", "message": "This request would exceed the limit.", "details": {"error_code": "enforced_spend_limit_reached"}}}

RETIRES = {  # the sentence: the answer
    "a_401": refusal(401, type="invalid_request_error", code="invalid_api_key"),
    "a_401_without_a_body": raw(401, b""),
    "a_400_that_says_incorrect_api_key": refusal(400, message="Incorrect API key provided: xai-12. You can obtain one.", type="x", code="y"),
    "a_400_with_googles_reason": raw(400, GOOGLE),
    "a_401_in_the_json_of_a_200": raw(200, failure("bad key", "authentication_error", 401)),
}
PARKS = {
    "a_402": refusal(402, code="quota_exceeded"),
    "a_402_without_a_body": raw(402, b""),
    "a_429_of_insufficient_quota": refusal(429, [("Retry-After", "1")], type="insufficient_quota", code="insufficient_quota"),
    "a_403_of_insufficient_user_quota": refusal(403, type="new_api_error", code="insufficient_user_quota"),
    "a_400_of_a_low_credit_balance": raw(400, {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low to access the API."}}),
    "a_429_of_a_spend_limit": raw(429, SPENT),
    "a_412_of_a_suspended_account": refusal(412, message="Account is suspended, see billing"),
    "a_balance_in_chinese": refusal(403, message="用户额度不足, 剩余额度: 0", code=""),
    "a_used_up_quota_in_the_json_of_a_200": raw(200, failure("no money", "x", "insufficient_quota")),
}


class Refusals(Keys):
    def check(self, bad, state):
        def ask(dialect, stream):
            case = Refusals()  # its own plays
            try:
                daemon = case.vendor(first=[bad], second=[dialect.good(stream)])
                answers = [case.ask(daemon, "m", dialect, stream) for _ in range(3)]
                return answers, case.calls(), case.status(daemon), case.usable(daemon), case.ready(daemon)
            finally:
                case.doCleanups()
        for form, (answers, calls, status, usable, ready) in zip(FORMS, together([lambda form=form: ask(*form) for form in FORMS])):
            with self.subTest(dialect=form[0].name, stream=form[1]):
                for answer in answers:
                    self.assertTrue(form[0].shows(answer, form[1]), answer.text)
                    self.assertEqual((answer.header("x-streamkeeper-key"), answer.header("x-streamkeeper-fallback")), ("second", None))
                self.assertEqual([answer.header("x-streamkeeper-attempts") for answer in answers], ["2", "1", "1"])
                self.assertEqual(calls, {"first": 1, "second": 3})
                self.assertEqual({name: key["state"] for name, key in status.items()}, {"first": state, "second": "usable"})
                self.assertEqual(usable, {"first": 0, "second": 1})
                self.assertEqual(ready, 200)

    def test_a_key_refused_by_an_error_event_that_comes_first(self):
        error = failure("no money left", "x", "insufficient_quota")
        daemon = self.vendor(first=[raw_stream(f"data: {json.dumps(error)}\n\n")], second=[CHAT.good(True)])
        self.assertTrue(CHAT.shows(self.ask(daemon, stream=True), True))
        self.assertEqual(self.status(daemon)["first"]["state"], "parked")

    def test_the_status_says_how_it_was_refused(self):
        daemon = self.vendor(first=[PARKS["a_402"]], second=[RETIRES["a_401"]], third=[GOOD])
        self.assertEqual(self.served_by(daemon), "third")
        status = self.status(daemon)
        self.assertEqual(status["first"]["refused_with"], {"status": 402, "code": "quota_exceeded"})
        self.assertEqual(status["second"]["refused_with"], {"status": 401, "code": "invalid_api_key"})
        self.assertNotIn("refused_with", status["third"])


for sentence, answer in RETIRES.items():
    setattr(Refusals, f"test_{sentence}_retires_the_key_and_the_next_one_serves_unseen",
            lambda self, answer=answer: self.check(answer, "retired"))
for sentence, answer in PARKS.items():
    setattr(Refusals, f"test_{sentence}_parks_the_key_and_the_next_one_serves_unseen",
            lambda self, answer=answer: self.check(answer, "parked"))


class Order(Keys):
    def test_failover_uses_the_first_as_long_as_it_is_usable(self):
        daemon = self.vendor(first=[GOOD], second=[GOOD])
        self.assertEqual([self.served_by(daemon) for _ in range(4)], ["first"] * 4)

    def test_round_robin_uses_each_in_turn(self):
        daemon = self.vendor(first=[GOOD], second=[GOOD], third=[GOOD], upstream_extra="key_order: round_robin")
        turns = [self.served_by(daemon) for _ in range(6)]
        self.assertEqual(turns[:3], turns[3:])
        self.assertEqual(set(turns), {"first", "second", "third"})

    def test_round_robin_passes_over_what_is_not_usable(self):
        daemon = self.vendor(first=[GOOD], second=[PARKS["a_402"]], third=[GOOD], upstream_extra="key_order: round_robin")
        turns = [self.served_by(daemon) for _ in range(9)]
        self.assertEqual(self.calls()["second"], 1)
        self.assertGreaterEqual(min(turns.count("first"), turns.count("third")), 3)

    def test_a_limit_of_one_key_sends_the_request_to_the_next_one_at_once(self):
        for stream in (False, True):
            daemon = self.vendor(first=[refusal(429, [("Retry-After", "60")])], second=[CHAT.good(stream)], upstream_extra="limit_scope: key")
            self.assertEqual([self.served_by(daemon, stream=stream) for _ in range(3)], ["second"] * 3)
            self.assertEqual(self.calls(), {"first": 1, "second": 3})
            self.assertEqual(self.usable(daemon), {"first": 1, "second": 1})  # it waits; nothing is wrong with it

    def test_a_limit_that_all_keys_share_is_waited_for(self):
        for scope in ("account", "ip"):
            daemon = self.vendor(first=[refusal(429, [("retry-after-ms", "400")]), GOOD], second=[GOOD], upstream_extra=f"limit_scope: {scope}")
            self.assertEqual(self.served_by(daemon), "first")
            self.assertEqual(self.calls(), {"first": 2, "second": 0})
            self.assertGreaterEqual(self.plays["first"].gaps[0], 0.4)

    def test_where_every_keys_own_limit_is_met_the_first_to_open_is_waited_for(self):
        daemon = self.vendor(first=[refusal(429, [("Retry-After", "60")])], second=[refusal(429, [("retry-after-ms", "300")]), GOOD])
        self.assertEqual(self.served_by(daemon), "second")
        self.assertEqual(self.calls(), {"first": 1, "second": 2})
        self.assertGreaterEqual(self.plays["second"].gaps[0], 0.3)

    def test_a_failure_that_is_no_keys_fault_is_tried_again_with_the_same(self):
        daemon = self.vendor(first=[refusal(500), close, GOOD], second=[GOOD])
        self.assertEqual(self.served_by(daemon), "first")
        self.assertEqual(self.calls(), {"first": 3, "second": 0})


class NoKeyLeft(Keys):
    def test_the_last_real_status_is_told_with_its_own_code(self):
        for bad, status, code in ((PARKS["a_402"], 402, "quota_exceeded"), (RETIRES["a_401"], 401, "invalid_api_key"), (PARKS["a_403_of_insufficient_user_quota"], 403, "insufficient_user_quota"),
                                  (PARKS["a_429_of_insufficient_quota"], 402, "insufficient_quota")):
            for stream in (False, True):
                with self.subTest(code=code, stream=stream):
                    daemon = self.vendor(first=[RETIRES["a_401_without_a_body"]], second=[bad])
                    answer = self.ask(daemon, stream=stream)
                    own = self.failed(answer, status, code)["streamkeeper"]
                    self.assertEqual([(one["key"], one["status"]) for one in own["attempts"]][0], ("first", 401))
                    self.assertEqual(own["attempts"][-1]["key"], "second")
                    self.assertTrue(own["hint"])
                    self.assertEqual((answer.header("x-should-retry"), answer.header("retry-after")), ("false", None))

    def test_a_top_up_works_at_once(self):
        for bad in (PARKS["a_402"], RETIRES["a_401"]):
            daemon = self.vendor(only=[bad, GOOD])
            self.assertGreaterEqual(self.ask(daemon).status, 400)
            self.assertEqual(self.usable(daemon), {"only": 0})
            self.assertEqual(self.served_by(daemon), "only")
            self.assertEqual((self.usable(daemon), self.status(daemon)["only"]["state"]), ({"only": 1}, "usable"))

    def test_a_key_that_stays_refused_is_not_tried_again_for_a_minute(self):
        for bad, status, code, word in ((PARKS["a_402"], 402, "quota_exceeded", "op up"), (RETIRES["a_401"], 401, "invalid_api_key", "key")):
            daemon = self.vendor(only=[bad])
            for _ in range(6):
                answer = self.ask(daemon)
                error = self.failed(answer, status, code)
                self.assertEqual(answer.header("x-should-retry"), "false")
                self.assertIn(word, error["streamkeeper"]["hint"])
            self.assertEqual(self.calls(), {"only": 2})  # the first, and one on demand
            self.assertIn("only", error["message"])

    def test_nor_is_either_of_two(self):
        daemon = self.vendor(first=[PARKS["a_402"]], second=[RETIRES["a_401"]])
        for _ in range(6):
            self.assertIn(self.ask(daemon).status, (401, 402))
        self.assertLessEqual(max(self.calls().values()), 2)

    def test_nobody_is_ready_without_a_usable_key(self):
        daemon = self.vendor(first=[PARKS["a_402"], GOOD], second=[RETIRES["a_401"]])
        self.assertEqual(self.ready(daemon), 200)
        self.ask(daemon)
        self.assertEqual((self.usable(daemon), self.ready(daemon)), ({"first": 0, "second": 0}, 503))
        self.assertEqual(http(daemon.address, "GET", "/healthz").status, 200)
        self.assertEqual(self.served_by(daemon), "first")
        self.assertEqual((self.usable(daemon), self.ready(daemon)), ({"first": 1, "second": 0}, 200))

    def test_messages_is_told_in_anthropics_shape(self):
        daemon = self.vendor(only=[PARKS["a_402"]])
        for _ in range(3):
            answer = self.ask(daemon, dialect=ANTHROPICS)
            self.assertEqual((answer.status, answer.json["type"], answer.json["error"]["type"]), (402, "error", "billing_error"))

    def test_pass_through_uses_and_loses_keys_like_the_rest(self):
        for state, bad in (("retired", raw(401, b"no")), ("parked", raw(402, b"no"))):
            daemon = self.vendor(first=[bad], second=[raw(200, b"{}")])
            get = http(daemon.address, "GET", "/v1/files")
            self.assertEqual((get.status, get.header("x-streamkeeper-key")), (200, "second"))
            self.assertEqual(self.status(daemon)["first"]["state"], state)

    def test_a_post_of_pass_through_is_told_and_the_next_one_takes_the_next_key(self):
        daemon = self.vendor(first=[raw(401, b"as it is")], second=[raw(200, b"{}")])
        first, second = (http(daemon.address, "POST", "/v1/files", [("Content-Type", "text/plain")], b"x") for _ in range(2))
        self.assertEqual((first.status, first.body, second.status, second.header("x-streamkeeper-key")), (401, b"as it is", 200, "second"))


class Permissions(Keys):
    """A 403 is about one model, or about where the request comes from; the key itself is not to blame."""
    DENIED = refusal(403, type="permission_error", code="model_access_denied")

    def denied_for(self, model, denied):
        """A play of a key that may not use one model."""
        def answer(peer):
            asked = json.loads(self.plays["first"].calls[-1].body)["model"]
            peer.send(denied if asked == model else GOOD)
        return [answer]

    def test_a_403_is_remembered_for_its_model_alone(self):
        for denied in (self.DENIED, raw(403, b""), refusal(401, type="key_model_access_denied", code="x")):
            daemon = self.vendor(first=self.denied_for("large", denied), second=[GOOD])
            self.assertEqual([self.served_by(daemon, model) for model in ("large", "small", "large", "large", "small")],
                             ["second", "first", "second", "second", "first"])
            self.assertEqual(self.calls(), {"first": 3, "second": 3})
            self.assertEqual((self.usable(daemon), self.status(daemon)["first"]["state"]), ({"first": 1, "second": 1}, "usable"))

    def test_without_another_key_it_is_answered_here_for_that_model_alone(self):
        daemon = self.vendor(first=self.denied_for("large", self.DENIED))
        for _ in range(3):
            self.failed(self.ask(daemon, "large"), 403, "model_access_denied")
        self.assertEqual(self.calls(), {"first": 1})
        self.assertEqual(self.served_by(daemon, "small"), "first")
        self.assertEqual(self.ready(daemon), 200)

    def test_an_address_that_is_not_allowed_and_a_suspended_account_hold_for_the_whole_upstream(self):
        for code in ("ip_not_allowed", "account_suspended"):
            daemon = self.vendor(first=self.denied_for("large", refusal(403, type="permission_error", code=code)), second=[GOOD])
            self.assertEqual([self.served_by(daemon, model) for model in ("large", "small", "large")], ["second"] * 3)
            self.assertEqual(self.calls(), {"first": 1, "second": 3})

    def test_without_another_key_it_is_answered_here_for_every_model_of_that_upstream(self):
        daemon = self.vendor(first=[refusal(403, type="permission_error", code="ip_not_allowed")])
        for model in ("large", "small", "large"):
            self.failed(self.ask(daemon, model), 403, "ip_not_allowed")
        self.assertEqual(self.calls(), {"first": 1})

    def test_a_403_in_every_dialect_goes_to_the_next_key_unseen(self):
        for dialect, stream in FORMS:
            daemon = self.vendor(first=[self.DENIED], second=[dialect.good(stream)])
            answer = self.ask(daemon, "m", dialect, stream)
            self.assertTrue(dialect.shows(answer, stream), answer.text)
            self.assertEqual(answer.header("x-streamkeeper-key"), "second")


class Reloads(Keys):
    def rewrite(self, daemon, old, new):
        with open(daemon.config_file) as file:
            text = file.read()
        self.assertIn(old, text)
        daemon.write_config(text.replace(old, new))
        reload(daemon)

    def parked(self, **options):
        daemon = self.vendor(first=[PARKS["a_402"]], second=[GOOD], fresh=[GOOD], listed=["first", "second"], **options)
        self.assertEqual([self.served_by(daemon) for _ in range(2)], ["second"] * 2)
        return daemon

    def test_a_parked_key_stays_parked(self):
        daemon = self.parked()
        reload(daemon)
        self.assertEqual((self.usable(daemon), self.served_by(daemon)), ({"first": 0, "second": 1}, "second"))
        self.assertEqual(self.calls()["first"], 1)

    def test_a_replaced_key_is_fresh(self):
        daemon = self.parked()
        daemon.write("first", secret("fresh"))
        reload(daemon)
        self.assertEqual((self.usable(daemon), self.served_by(daemon)), ({"first": 1, "second": 1}, "first"))
        self.assertEqual(self.calls(), {"first": 1, "second": 2, "fresh": 1})

    def test_the_state_follows_the_key_and_not_its_name_or_place(self):
        daemon = self.parked()
        self.rewrite(daemon, key_list(["first", "second"]), "[{name: work, file: second}, {name: home, file: first}, {name: new, file: fresh}]")
        self.assertEqual(self.usable(daemon), {"work": 1, "home": 0, "new": 1})
        self.assertEqual(self.served_by(daemon), "work")

    def test_a_key_that_comes_back_is_remembered(self):
        daemon = self.parked()
        for content in (secret("fresh"), secret("first")):
            daemon.write("first", content)
            reload(daemon)
        self.assertEqual((self.usable(daemon), self.served_by(daemon)), ({"first": 0, "second": 1}, "second"))

    def test_a_model_that_a_key_may_not_use_stays_so(self):
        daemon = self.vendor(first=[Permissions.DENIED], second=[GOOD])
        self.assertEqual(self.served_by(daemon), "second")
        reload(daemon)
        self.assertEqual(self.served_by(daemon), "second")
        self.assertEqual(self.calls()["first"], 1)

    def test_another_address_of_the_vendor_is_another_vendor(self):
        daemon = self.parked()
        elsewhere = self.origin(playing(self.plays, key_of))
        self.plays["first"] = Play(GOOD)
        self.rewrite(daemon, self.base_url, elsewhere.base_url)
        self.assertEqual(self.served_by(daemon), "first")


class Secrecy(Keys):
    def test_no_key_shows_in_answers_logs_metrics_or_status(self):
        everything = "".join(secret(name) for name in ("first", "second"))

        def echo(status, **error):
            return raw(status, failure(**{"message": everything, "type": everything, "code": everything, **error}),
                       [("x-request-id", everything), ("x-echo", everything)])
        answers = []
        for bad in (echo(401), echo(402), echo(403), echo(400), echo(429), echo(500), echo(200), raw(400, everything.encode(), [("Content-Type", "text/plain")]),
                    raw_stream(f"data: {json.dumps(failure(everything, 'x', 'insufficient_quota'))}\n\n"), raw(200, b"<html>" + everything.encode(), [("Content-Type", "text/html")])):
            daemon = self.vendor(first=[bad], second=[bad], retry="{attempts: 3, base: 5ms, deadline: {stream: 1s, other: 1s}}", extra="log: {level: debug}")
            told = [self.ask(daemon, "m", dialect, stream) for dialect, stream in ((CHAT, False), (CHAT, True), (ANTHROPICS, False))]
            self.assertTrue(all(answer.status >= 400 for answer in told), [answer.status for answer in told])
            answers += [*told, http(daemon.address, "GET", "/v1/files")]
            pages = [http(daemon.address, "GET", path).text for path in ("/metrics", "/-/status")]
            daemon.wait_request_lines(4)
            daemon.stop()
            for name in ("first", "second"):
                for text in [daemon.output, *pages, *((answer.raw + answer.body).decode("utf-8", "replace") for answer in answers if answer.status >= 400)]:
                    self.assertNotIn(secret(name), text)

    def test_a_key_goes_to_its_own_upstream_only_and_the_clients_own_nowhere(self):
        daemon = self.vendor(first=[PARKS["a_402"]], second=[GOOD])
        answer = self.ask(daemon, headers=[("Authorization", "Bearer sk-client-1"), ("x-api-key", "sk-client-2")])
        self.assertEqual(answer.status, 200)
        for name, other in (("first", "second"), ("second", "first")):
            text = b"".join(call.head + call.body for call in self.plays[name].calls).decode()
            self.assertEqual((text.count(secret(name)), secret(other) in text, "sk-client" in text), (1, False, False))


if __name__ == "__main__":
    unittest.main()
