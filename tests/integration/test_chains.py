"""Chains: which upstream and model a request goes to, and where it goes when that one fails (contract, sections 2, 3
"Routing" and "Request overrides", and 4)."""
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import unittest

from harness import Daemon, Play, http, metric, playing, raw, raw_stream
from stage import CHAT, FORMS, Case, chunk, close, failure, refusal, together

GOOD = CHAT.good()
PAGE = raw(200, b"<!doctype html><html>console</html>", [("Content-Type", "text/html")])
FIREWALL = raw(403, b"<html>Attention Required! | Cloudflare</html>", [("Content-Type", "text/html; charset=UTF-8")])
UNKNOWN = refusal(404, message="The model does not exist or you do not have access to it.", type="invalid_request_error", code="model_not_found")
TOO_LONG = refusal(400, message="This model's maximum context length is 8192 tokens.", type="invalid_request_error", code="context_length_exceeded")
FILTERED = refusal(400, message="The response was filtered.", type="invalid_request_error", code="content_filter")


def listing(*entries):
    """A model list; an entry is an id or a whole object."""
    return raw(200, {"object": "list", "data": [entry if isinstance(entry, dict) else {"id": entry, "object": "model"} for entry in entries]})


class Vendor:
    """An upstream's origin: a play for each model, one for its list, and what it was asked in order."""

    def __init__(self, case, models, listed, path="/v1", tls=None):
        self.models = {name: answers if isinstance(answers, Play) else Play(*answers) for name, answers in models.items()}
        self.list = Play(*(listed or [raw(404, b"")]))
        self.asked = []
        self.path = path
        self.origin = case.origin(playing(self, self.kind), tls=tls)

    def kind(self, head, body):
        if head.startswith(b"GET"):
            return None
        model = json.loads(body)["model"]
        self.asked.append(model)
        return model

    def __getitem__(self, model):
        return self.list if model is None else self.models.get(model) or Play(UNKNOWN)

    @property
    def base_url(self):
        return self.origin.base_url.replace("/v1", self.path)

    def calls(self, model):
        return self.models[model].calls


class Chains(Case):
    def vendors(self, one, two=None, extra="", listed=None, two_listed=None, retry="{attempts: 2, base: 5ms}", one_extra="", auth="x-api-key"):
        """A daemon with an upstream `one` and, if there are models for it, `two`: another key, another style of
        authentication, another base path."""
        self.one = Vendor(self, one, listed)
        text = f'listen: ["127.0.0.1:0"]\ndefault_upstream: one\nretry: {retry}\nupstreams:\n'
        text += f"  one:\n    base_url: {self.one.base_url}\n    keys: [{{name: main, file: key}}]\n" + one_extra
        if two is not None:
            self.two = Vendor(self, two, two_listed, "/v2")
            text += f"  two:\n    base_url: {self.two.base_url}\n    auth: {auth}\n    keys: [{{name: spare, file: spare}}]\n"
        daemon = Daemon(text + extra + "\n", files={"spare": "sk-spare-0123456789"})
        self.addCleanup(daemon.stop)
        return daemon

    def came_from(self, answer, upstream, model, why=None, form=(CHAT, False)):
        self.assertTrue(form[0].shows(answer, form[1]), answer.text)
        self.assertEqual((answer.header("x-streamkeeper-upstream"), answer.header("x-streamkeeper-model"), answer.header("x-streamkeeper-fallback")),
                         (upstream, model, why))

    def post(self, daemon, body, headers=(), path=CHAT.path):
        return http(daemon.address, "POST", path, headers, body)


# ---- where a request goes

class Routing(Chains):
    def routed(self, daemon, model, headers=(), path=CHAT.path):
        answer = self.post(daemon, CHAT.request(model), headers, path)
        self.assertEqual(answer.status, 200, answer.text)
        return answer.header("x-streamkeeper-upstream"), answer.header("x-streamkeeper-model")

    def both(self, *names, **options):
        return self.vendors({name: [GOOD] for name in names}, {name: [GOOD] for name in names}, **options)

    def test_a_plain_name_goes_to_the_default(self):
        self.assertEqual(self.routed(self.both("m"), "m"), ("one", "m"))

    def test_an_upstreams_name_before_the_models_leads_there(self):
        self.assertEqual(self.routed(self.both("m"), "two/m"), ("two", "m"))
        self.assertEqual(self.two.asked, ["m"])

    def test_but_not_where_the_default_upstreams_list_has_the_full_name(self):
        daemon = self.both("two/m", "m", listed=[listing("two/m", "other")])
        self.assertEqual(self.routed(daemon, "two/m"), ("one", "two/m"))

    def test_a_name_with_a_slash_that_names_no_upstream_is_a_models_own(self):
        self.assertEqual(self.routed(self.both("openai/gpt-4o"), "openai/gpt-4o"), ("one", "openai/gpt-4o"))

    def test_the_configuration_places_a_model(self):
        self.assertEqual(self.routed(self.both("m", extra="models: {m: {upstream: two}}"), "m"), ("two", "m"))

    def test_an_alias_may_place_it_too(self):
        daemon = self.both("real", extra="aliases: {fast: two/real, faster: fast}")
        self.assertEqual([self.routed(daemon, name) for name in ("fast", "faster")], [("two", "real")] * 2)

    def test_the_path_names_an_upstream_and_then_no_prefix_is_interpreted(self):
        daemon = self.both("m", "one/m")
        self.assertEqual(self.routed(daemon, "m", path="/u/two/v1/chat/completions"), ("two", "m"))
        self.assertEqual(self.routed(daemon, "one/m", path="/u/two/v1/chat/completions"), ("two", "one/m"))

    def test_the_header_wins_over_everything(self):
        daemon = self.both("m", extra="models: {m: {upstream: two}}")
        header = [("x-streamkeeper-upstream", "one")]
        self.assertEqual(self.routed(daemon, "m", header), ("one", "m"))
        self.assertEqual(self.routed(daemon, "m", header, "/u/two/v1/chat/completions"), ("one", "m"))
        self.assertNotIn(b"x-streamkeeper", self.one.calls("m")[0].head.lower())

    def test_an_unknown_upstream_is_404(self):
        daemon = self.both("m")
        for headers, path in (([], "/u/three/v1/chat/completions"), ([("x-streamkeeper-upstream", "three")], CHAT.path)):
            answer = self.post(daemon, CHAT.request("m"), headers, path)
            self.failed(answer, 404, "unknown_upstream")
        self.assertEqual((self.one.asked, self.two.asked), ([], []))

    def test_each_upstream_gets_its_own_key_in_its_own_way_and_its_own_path(self):
        daemon = self.both("m")
        self.routed(daemon, "m")
        self.routed(daemon, "two/m")
        one, two = self.one.calls("m")[0].head, self.two.calls("m")[0].head
        self.assertTrue(one.startswith(b"POST /v1/chat/completions ") and two.startswith(b"POST /v2/chat/completions "))
        self.assertTrue(b"Authorization: Bearer sk-mock" in one and b"sk-spare" not in one and b"x-api-key" not in one)
        self.assertTrue(b"x-api-key: sk-spare" in two and b"sk-mock" not in two and b"Authorization" not in two)


    def test_whatever_its_way_to_be_shown_a_key(self):
        for auth, field in (("bearer", b"Authorization: Bearer sk-spare-0123456789\r\n"), ("x-api-key", b"x-api-key: sk-spare-0123456789\r\n"), ("api-key", b"api-key: sk-spare-0123456789\r\n")):
            daemon = self.vendors({"m": [refusal(402)]}, {"other": [GOOD]}, extra="models: {m: {fallback: [two/other]}}", auth=auth)
            self.came_from(self.ask(daemon, "m"), "two", "other", "billing")
            head = self.two.calls("other")[0].head
            self.assertEqual((head.count(b"\r\n" + field), head.count(b"sk-")), (1, 1))


# ---- where it goes then

class Falling(Chains):
    WITHIN, ACROSS = "models: {big: {fallback: [small]}}", "models: {big: {fallback: [two/other]}}"

    def test_a_model_that_fails_is_followed_by_the_next_one_in_every_dialect(self):
        def check(dialect, stream):
            case = Falling()
            try:
                daemon = case.vendors({"big": [refusal(500)], "small": [dialect.good(stream)]}, extra=self.WITHIN)
                answer = case.ask(daemon, "big", dialect, stream)
                case.came_from(answer, "one", "small", "server", (dialect, stream))
                self.assertEqual((case.one.asked, answer.header("x-streamkeeper-attempts")), (["big", "small"], "2"))
            finally:
                case.doCleanups()
        together([lambda form=form: check(*form) for form in FORMS])

    def test_so_it_is_on_another_upstream(self):
        def check(dialect, stream):
            case = Falling()
            try:
                daemon = case.vendors({"big": [refusal(500)]}, {"other": [dialect.good(stream)]}, extra=self.ACROSS)
                case.came_from(case.ask(daemon, "big", dialect, stream), "two", "other", "server", (dialect, stream))
                head = case.two.calls("other")[0].head
                self.assertIn(b"POST /v2" + dialect.path[3:].encode() + b" ", head)
                self.assertTrue(b"x-api-key: sk-spare" in head and b"sk-mock" not in head)
            finally:
                case.doCleanups()
        together([lambda form=form: check(*form) for form in FORMS])

    def test_what_answers_first_names_no_fallback(self):
        daemon = self.vendors({"big": [GOOD], "small": [GOOD]}, extra=self.WITHIN)
        self.came_from(self.ask(daemon, "big"), "one", "big")
        self.assertEqual(self.one.asked, ["big"])

    def test_only_the_models_name_differs_in_the_next_ones_body(self):
        daemon = self.vendors({"big": [refusal(500)]}, {"other": [CHAT.good(True)]}, extra=self.ACROSS)
        body = b'{ "n":1.0e0,\r\n "model" :\t"big" , "stream":true,"stream_options":{"include_usage":true},"messages":[{"content":"\\u00e9 big","role":"user"}]} '
        self.came_from(self.post(daemon, body), "two", "other", "server", (CHAT, True))
        self.assertEqual(self.one.calls("big")[0].body, body)
        self.assertEqual(self.two.calls("other")[0].body, body.replace(b'"big"', b'"other"', 1))

    def test_why_it_fell_is_said(self):
        for bad, why in ((refusal(500), "server"), (refusal(503), "overload"), (refusal(504), "timeout"), (refusal(402), "billing"), (refusal(401), "auth"),
                         (refusal(429, [("Retry-After", "60")]), "rate_limit"), (close, "network"), (raw(200, failure(code=503)), "overload")):
            daemon = self.vendors({"big": [bad, bad]}, {"other": [GOOD]}, extra=self.ACROSS)
            self.came_from(self.ask(daemon, "big"), "two", "other", why)

    def test_it_is_counted_and_logged(self):
        daemon = self.vendors({"big": [refusal(500)]}, {"other": [GOOD]}, extra=self.ACROSS)
        self.ask(daemon, "big")
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_fallbacks_total", **{"from": "one/big"}, to="two/other", reason="server"), 1)
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_fallbacks_total"), 1)
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_upstream_attempts_total", upstream="one", model="big", code="500", reason="server"), 1)
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_upstream_attempts_total", upstream="two", model="other", code="200"), 1)
        line = daemon.wait_request_lines(1)[0]
        self.assertEqual((line["fallback"], line["model_asked"], line["model"], line["upstream"]), ("server", "big", "other", "two"))
        self.assertEqual([(one["upstream"], one.get("model", "other"), one["status"]) for one in line["attempts"]], [("one", "big", 500), ("two", "other", 200)])

    def test_the_chain_goes_on_until_one_answers(self):
        daemon = self.vendors({"a": [refusal(500)], "b": [refusal(408)], "d": [refusal(502)]}, {"c": [refusal(503)], "e": [GOOD]},
                              extra="models: {a: {fallback: [b, two/c, d, two/e]}}", retry="{attempts: 5, base: 5ms}")
        self.came_from(self.ask(daemon, "a"), "two", "e", "server")
        self.assertEqual((self.one.asked, self.two.asked), (["a", "b", "d"], ["c", "e"]))

    def test_models_of_a_key_that_is_spent_are_passed_over(self):
        for spent in (refusal(402), refusal(401), refusal(403, code="ip_not_allowed")):
            daemon = self.vendors({"a": [spent], "b": [GOOD]}, {"c": [GOOD]}, extra="models: {a: {fallback: [b, two/c]}}")
            answer = self.ask(daemon, "a")
            self.assertEqual((answer.header("x-streamkeeper-upstream"), self.one.asked), ("two", ["a"]))

    def test_a_403_of_one_model_leaves_the_keys_other_models_alone(self):
        daemon = self.vendors({"a": [refusal(403, code="model_access_denied")], "b": [GOOD]}, {"c": [GOOD]}, extra="models: {a: {fallback: [b, two/c]}}")
        self.came_from(self.ask(daemon, "a"), "one", "b", "auth")
        self.came_from(self.ask(daemon, "a"), "one", "b", "key")
        self.assertEqual(self.one.asked, ["a", "b", "b"])

    def test_what_is_named_twice_is_asked_once(self):
        daemon = self.vendors({"a": [refusal(409)], "b": [refusal(409)]}, retry="{attempts: 6, per_target: 1, base: 5ms}")
        answer = self.ask(daemon, "a", headers=[("x-streamkeeper-fallback", "a, one/a, b, b")])
        self.failed(answer, 409)
        self.assertEqual(self.one.asked, ["a"] + ["b"] * 5)  # the last one that is left gets all that remain

    def test_it_never_outlives_the_attempts(self):
        daemon = self.vendors({name: [refusal(500, code=f"of_{name}")] for name in "abcd"}, extra="models: {a: {fallback: [b, c, d]}}", retry="{attempts: 3, base: 5ms}")
        error = self.failed(self.ask(daemon, "a"), 500, "of_c")
        self.assertEqual(self.one.asked, ["a", "b", "c"])
        self.assertEqual(len(error["streamkeeper"]["attempts"]), 3)

    def test_the_last_failure_is_told_with_all_that_was_tried(self):
        daemon = self.vendors({"big": [refusal(500)]}, {"other": [refusal(503, type="their_type", code="their_code")]}, extra=self.ACROSS)
        error = self.failed(self.ask(daemon, "big"), 503, "their_code")
        self.assertEqual((error["type"], error["streamkeeper"]["upstream"], error["streamkeeper"]["model"]), ("their_type", "two", "other"))
        self.assertTrue(error["message"].startswith("two: "))
        self.assertEqual([(one["upstream"], one["key"], one["status"]) for one in error["streamkeeper"]["attempts"]], [("one", "main", 500), ("two", "spare", 503)])

    def test_who_may_wait_elsewhere_does_not_wait_here(self):
        daemon = self.vendors({"big": [refusal(429, [("Retry-After", "60")])]}, {"other": [GOOD]}, extra=self.ACROSS)
        for _ in range(3):  # and while the gate is closed the first one is not even asked
            self.came_from(self.ask(daemon, "big"), "two", "other", "rate_limit")
        self.assertEqual(self.one.asked, ["big"])
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_fallbacks_total", **{"from": "one/big"}, to="two/other", reason="rate_limit"), 3)

    def test_a_model_without_a_chain_has_none(self):
        daemon = self.vendors({"big": [GOOD], "plain": [refusal(500)], "small": [GOOD]}, extra=self.WITHIN)
        self.failed(self.ask(daemon, "plain"), 500)
        self.assertEqual(self.one.asked, ["plain"] * 2)

    def test_a_chain_begins_at_the_model_that_an_alias_means_and_may_have_aliases(self):
        daemon = self.vendors({"big": [refusal(500)], "middle": [refusal(500)]}, {"real": [GOOD]}, retry="{attempts: 3, base: 5ms}",
                              extra="models: {big: {fallback: [mid, spare]}}\naliases: {mine: big, mid: middle, spare: two/real}")
        self.came_from(self.ask(daemon, "mine"), "two", "real", "server")
        self.assertEqual((self.one.asked, self.two.asked), (["big", "middle"], ["real"]))

    def test_an_entry_goes_where_its_model_is_placed(self):
        daemon = self.vendors({"big": [refusal(500)]}, {"placed": [GOOD]}, extra="models: {big: {fallback: [placed]}, placed: {upstream: two}}")
        self.came_from(self.ask(daemon, "big"), "two", "placed", "server")

    def test_what_shall_not_be_sent_again_to_the_same_is_sent_to_the_next(self):
        for status in (429, 500, 503):
            bad = refusal(status, [("x-should-retry", "false"), ("retry-after-ms", "100")])
            daemon = self.vendors({"big": [bad]}, {"other": [GOOD]}, extra=self.ACROSS, retry="{base: 5ms}")
            self.assertEqual(self.ask(daemon, "big").header("x-streamkeeper-model"), "other")
            self.assertEqual(self.one.asked, ["big"])

    def test_nothing_falls_once_output_was_shown(self):
        half = chunk({"content": "half"})
        daemon = self.vendors({"big": [raw_stream(half)]}, {"other": [CHAT.good(True)]}, extra=self.ACROSS)
        answer = self.ask(daemon, "big", stream=True)
        self.assertEqual((answer.status, answer.complete, self.two.asked), (200, False, []))


# ---- who says where

class Precedence(Chains):
    """Header, then the body's field, then the configured chain."""
    MODELS = {"big": [refusal(500)], "configured": [GOOD], "bodys": [GOOD], "headers": [GOOD], "second": [GOOD]}
    CHAIN = "models: {big: {fallback: [configured]}}"

    def chosen(self, headers=(), extra=CHAIN, one_extra="", models=None, **body):
        daemon = self.vendors(models or self.MODELS, {"far": [GOOD]}, extra=extra, one_extra=one_extra, retry="{attempts: 3, per_target: 1, base: 5ms}")
        return self.ask(daemon, "big", headers=headers, **body)

    def test_the_configured_one(self):
        self.came_from(self.chosen(), "one", "configured", "server")

    def test_the_bodys_before_it_and_taken_out_of_the_body(self):
        self.came_from(self.chosen(fallback_models=["bodys"]), "one", "bodys", "server")
        for model in ("big", "bodys"):
            self.assertNotIn(b"fallback", self.one.calls(model)[0].body)

    def test_the_headers_before_both(self):
        self.came_from(self.chosen([("x-streamkeeper-fallback", "headers")], fallback_models=["bodys"]), "one", "headers", "server")
        self.assertNotIn(b"fallback", self.one.calls("headers")[0].head.lower() + self.one.calls("headers")[0].body)

    def test_a_header_names_several_with_blanks_and_upstreams(self):
        models = {**self.MODELS, "headers": [refusal(500)]}
        self.came_from(self.chosen([("x-streamkeeper-fallback", " headers , two/far ")], models=models), "two", "far", "server")
        self.assertEqual(self.one.asked, ["big", "headers"])

    def test_off_in_the_header_switches_every_chain_off(self):
        answer = self.chosen([("x-streamkeeper-fallback", "off")], fallback_models=["bodys"])
        self.failed(answer, 500)
        self.assertEqual(set(self.one.asked), {"big"})
        self.assertNotIn(b"fallback", self.one.calls("big")[0].body)

    def test_the_bodys_field_is_taken_out_wherever_it_stands(self):
        rest = b'"messages":[ {"role":"user","content":"x"} ]'
        for body, wanted in ((b'{"fallback_models":["bodys"],"model":"big", %s}', b'{"model":"big", %s}'),
                             (b'{"model":"big" , "fallback_models" : ["bodys"] , %s}', b'{"model":"big" , %s}'),
                             (b'{"model":"big", %s, "fallback_models":["bodys"]}', b'{"model":"big", %s}'),
                             (b'{"model":"big","fallback_enabled":true,"fallback_models":["bodys"],%s}', b'{"model":"big",%s}')):
            daemon = self.vendors(self.MODELS, retry="{attempts: 3, per_target: 1, base: 5ms}")
            self.came_from(self.post(daemon, body % rest), "one", "bodys", "server")
            self.assertEqual(json.loads(self.one.calls("big")[0].body), json.loads(wanted % rest))
            self.assertIn(rest, self.one.calls("big")[0].body)

    def test_by_vendor_the_bodys_is_sent_with_the_switch_and_nothing_is_walked_here(self):
        answer = self.chosen(one_extra="    fallback_by: vendor\n", fallback_models=["bodys", "second"])
        self.failed(answer, 500)
        self.assertEqual(set(self.one.asked), {"big"})
        sent = json.loads(self.one.calls("big")[0].body)
        self.assertEqual((sent["fallback_models"], sent["fallback_enabled"]), (["bodys", "second"], True))

    def test_by_vendor_so_are_the_headers_and_the_configured_one(self):
        for headers, wanted in (([("x-streamkeeper-fallback", "headers, second")], ["headers", "second"]), ([], ["configured"])):
            self.failed(self.chosen(headers, one_extra="    fallback_by: vendor\n"), 500)
            sent = json.loads(self.one.calls("big")[0].body)
            self.assertEqual((sent["fallback_models"], sent["fallback_enabled"], set(self.one.asked)), (wanted, True, {"big"}))

    def test_by_vendor_off_in_the_header_sends_none(self):
        self.failed(self.chosen([("x-streamkeeper-fallback", "off")], one_extra="    fallback_by: vendor\n", fallback_models=["bodys"]), 500)
        self.assertNotIn(b"fallback", self.one.calls("big")[0].body)

    def test_by_nobody_there_is_none(self):
        self.failed(self.chosen(one_extra="    fallback_by: off\n", fallback_models=["bodys"]), 500)
        self.assertEqual(set(self.one.asked), {"big"})


# ---- for one cause alone

class ByCause(Chains):
    def test_a_prompt_that_is_too_long_goes_to_a_larger_model_alone(self):
        daemon = self.vendors({"a": [TOO_LONG], "same": [GOOD], "smaller": [GOOD], "unknown": [GOOD], "larger": [GOOD]},
                              extra="models: {a: {context: 8192, fallback: [same, smaller, unknown, larger]}, same: {context: 8192}, smaller: {context: 4096}, larger: {context: 16384}}")
        for stream in (False, True):
            self.one.models["larger"].answers = (CHAT.good(stream),)
            self.came_from(self.ask(daemon, "a", stream=stream), "one", "larger", "context_length", (CHAT, stream))
        self.assertEqual(self.one.asked, ["a", "larger"] * 2)

    def test_the_windows_of_the_model_list_count_where_none_is_configured(self):
        daemon = self.vendors({"a": [TOO_LONG], "smaller": [GOOD], "larger": [GOOD]}, extra="models: {a: {fallback: [smaller, larger]}}",
                              listed=[listing({"id": "a", "context_length": 8192}, {"id": "smaller", "max_model_len": 4096}, {"id": "larger", "context_window": 16384})])
        self.assertEqual(http(daemon.address, "GET", "/v1/models").status, 200)
        self.came_from(self.ask(daemon, "a"), "one", "larger", "context_length")
        self.assertEqual(self.one.asked, ["a", "larger"])

    def test_without_a_larger_one_it_is_told_at_once(self):
        daemon = self.vendors({"a": [TOO_LONG], "b": [GOOD]}, extra="models: {a: {context: 8192, fallback: [b]}, b: {context: 4096}}")
        answer = self.ask(daemon, "a")
        self.assertTrue(self.failed(answer, 400, "context_length_exceeded")["streamkeeper"]["hint"])
        self.assertEqual((self.one.asked, answer.header("x-should-retry")), (["a"], "false"))

    def test_the_chain_for_it_comes_before_the_models_own(self):
        daemon = self.vendors({"a": [TOO_LONG], "own": [GOOD]}, {"long": [GOOD]},
                              extra="models: {a: {context: 8192, fallback: [own]}, own: {context: 16384}}\nfallback_on: {context_length: [two/long]}")
        self.came_from(self.ask(daemon, "a"), "two", "long", "context_length")
        self.assertEqual((self.one.asked, self.two.asked), (["a"], ["long"]))

    def test_and_is_for_nothing_else(self):
        daemon = self.vendors({"a": [refusal(500)], "own": [GOOD]}, {"long": [GOOD]}, extra="models: {a: {fallback: [own]}}\nfallback_on: {context_length: [two/long]}")
        self.came_from(self.ask(daemon, "a"), "one", "own", "server")
        self.assertEqual(self.two.asked, [])

    def test_a_filter_of_contents_is_final_unless_a_chain_is_for_it(self):
        daemon = self.vendors({"a": [FILTERED], "own": [GOOD]}, {"far": [GOOD]}, extra="models: {a: {fallback: [own, two/far]}}")
        for stream in (False, True):
            self.failed(self.ask(daemon, "a", stream=stream), 400, "content_filter")
        self.assertEqual((self.one.asked, self.two.asked), (["a"] * 2, []))

    def test_and_goes_where_one_is(self):
        daemon = self.vendors({"a": [FILTERED], "own": [GOOD]}, {"far": [GOOD]}, extra="models: {a: {fallback: [own]}}\nfallback_on: {content_policy: [two/far]}")
        self.came_from(self.ask(daemon, "a"), "two", "far", "content_policy")
        self.assertEqual((self.one.asked, self.two.asked), (["a"], ["far"]))

    def test_and_no_further(self):
        daemon = self.vendors({"a": [FILTERED], "own": [GOOD]}, {"far": [FILTERED]}, extra="models: {a: {fallback: [own]}}\nfallback_on: {content_policy: [two/far]}")
        self.failed(self.ask(daemon, "a"), 400, "content_filter")
        self.assertEqual((self.one.asked, self.two.asked), (["a"], ["far"]))

    def test_a_request_that_is_wrong_is_wrong_everywhere(self):
        daemon = self.vendors({"a": [refusal(400, code="bad_thing")], "own": [GOOD]}, {"far": [GOOD]}, extra="models: {a: {fallback: [own, two/far]}}")
        self.failed(self.ask(daemon, "a"), 400, "bad_thing")
        self.assertEqual((self.one.asked, self.two.asked), (["a"], []))

    def test_one_request_above_the_limit_of_a_minute_goes_to_another_model(self):
        bad = refusal(429, message="Request too large for a: Limit 10000, Requested 20000.", type="tokens", code="rate_limit_exceeded")
        daemon = self.vendors({"a": [bad], "own": [GOOD]}, extra="models: {a: {fallback: [own]}}")
        self.came_from(self.ask(daemon, "a"), "one", "own", "request_too_large")


# ---- names that a vendor does not know

class Names(Chains):
    LISTED = [listing("GPT-4.1", "claude-sonnet-4.5", "gemini-3-pro", "text-embedding-3", "o4")]

    def test_a_name_that_differs_in_spelling_alone_is_put_right_and_remembered(self):
        for dialect, stream in FORMS:
            daemon = self.vendors({"GPT-4.1": [dialect.good(stream)], "gpt 4_1": [UNKNOWN]}, listed=self.LISTED)
            for _ in range(2):
                self.came_from(self.ask(daemon, "gpt 4_1", dialect, stream), "one", "GPT-4.1", None, (dialect, stream))
            self.assertEqual((self.one.asked, len(self.one.list.calls)), (["gpt 4_1", "GPT-4.1", "GPT-4.1"], 1))

    def test_whatever_the_vendor_calls_it(self):
        for bad in (refusal(400, message="gpt-4_1 is not a valid model ID", code=400), raw(404, {"error": "model 'gpt-4_1' not found"}),
                    refusal(410), raw(503, failure("No available channel for model gpt-4_1 under group default", "new_api_error", ""))):
            daemon = self.vendors({"GPT-4.1": [GOOD], "gpt-4_1": [bad]}, listed=self.LISTED)
            self.came_from(self.ask(daemon, "gpt-4_1"), "one", "GPT-4.1")

    def test_exact_puts_nothing_right(self):
        daemon = self.vendors({"GPT-4.1": [GOOD]}, listed=self.LISTED, extra="model_names: exact")
        self.failed(self.ask(daemon, "gpt-4.1"), 404, "model_not_found")
        self.assertEqual(self.one.asked, ["gpt-4.1"])

    def test_two_names_that_fit_are_none(self):
        daemon = self.vendors({"GPT-4": [GOOD], "gpt 4": [GOOD]}, listed=[listing("GPT-4", "gpt 4")])
        self.failed(self.ask(daemon, "gpt-4"), 404, "model_not_found")

    def test_a_name_that_was_new_to_the_vendor_is_asked_for_again(self):
        daemon = self.vendors({"fresh": [UNKNOWN, GOOD]}, listed=[listing("fresh")])
        self.came_from(self.ask(daemon, "fresh"), "one", "fresh")

    def test_the_nearest_names_are_told(self):
        daemon = self.vendors({}, listed=self.LISTED)
        error = self.failed(self.ask(daemon, "claude-sonet-4.5"), 404, "model_not_found")
        self.assertRegex(error["streamkeeper"]["hint"], r"claude-sonnet-4\.5")
        self.assertEqual(error["streamkeeper"]["hint"].count("claude-sonnet-4.5"), 1)

    def test_a_list_that_can_not_be_had_changes_nothing(self):
        for listed in ([raw(500, b"")], [raw(200, b"<html>")], [close]):
            daemon = self.vendors({}, listed=listed)
            self.failed(self.ask(daemon, "anything"), 404, "model_not_found")

    def test_the_list_is_asked_for_at_most_once_a_minute_after_its_first_time(self):
        daemon = self.vendors({}, listed=self.LISTED)
        for number in range(5):
            self.failed(self.ask(daemon, f"unknown-{number}"), 404, "model_not_found")
        together([lambda number=number: self.ask(daemon, f"unknown-{number}") for number in range(5, 10)])
        self.assertLessEqual(len(self.one.list.calls), 2)

    def test_a_model_that_is_not_there_falls(self):
        daemon = self.vendors({"gone": [UNKNOWN], "small": [GOOD]}, {"other": [GOOD]}, listed=self.LISTED, extra="models: {gone: {fallback: [small]}}")
        self.came_from(self.ask(daemon, "gone"), "one", "small", "model_not_found")

    def test_a_chains_names_are_put_right_too(self):
        daemon = self.vendors({"big": [refusal(500)]}, {"GPT-4.1": [GOOD]}, two_listed=self.LISTED, extra="models: {big: {fallback: [two/gpt-4.1]}}", retry="{attempts: 3, per_target: 1, base: 5ms}")
        self.came_from(self.ask(daemon, "big"), "two", "GPT-4.1", "server")
        self.assertEqual(self.two.asked, ["gpt-4.1", "GPT-4.1"])

    def test_the_list_is_asked_for_with_the_upstreams_own_key_and_path(self):
        daemon = self.vendors({}, {"GPT-4.1": [GOOD]}, two_listed=self.LISTED)
        self.came_from(self.ask(daemon, "two/gpt-4.1"), "two", "GPT-4.1")
        head = self.two.list.calls[0].head
        self.assertTrue(head.startswith(b"GET /v2/models ") and b"x-api-key: sk-spare" in head and b"sk-mock" not in head)


# ---- what one upstream has and another has not

class OneUpstreamsOwn(Chains):
    CHAIN = "models: {big: {fallback: [small, two/other]}}"

    def moves_on(self, bad, why):
        for stream in (False, True):
            daemon = self.vendors({"big": [bad], "small": [GOOD]}, {"other": [CHAT.good(stream)]}, extra=self.CHAIN, retry="{attempts: 3, base: 5ms}")
            self.came_from(self.ask(daemon, "big", stream=stream), "two", "other", why, (CHAT, stream))
            self.assertEqual(self.one.asked, ["big"])  # its other models would meet the same

    def test_a_wrong_base_url_that_answers_with_a_page(self):
        self.moves_on(PAGE, "not_an_api")

    def test_one_that_answers_404_with_a_page(self):
        self.moves_on(raw(404, b"<html>404 page not found</html>", [("Content-Type", "text/html")]), "bad_request")

    def test_one_that_redirects(self):
        self.moves_on(raw(301, b"", [("Location", "https://elsewhere.invalid/")]), "not_an_api")

    def test_a_firewalls_page(self):
        self.moves_on(FIREWALL, "not_an_api")

    def test_a_country_that_is_not_served(self):
        self.moves_on(refusal(403, message="Country, region, or territory not supported", type="request_forbidden", code="unsupported_country_region_territory"), "geo")

    def test_a_firewalls_page_does_not_blame_the_key(self):
        daemon = self.vendors({"big": [FIREWALL]}, {"other": [GOOD]}, extra="models: {big: {fallback: [two/other]}}")
        self.ask(daemon, "big")
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_key_usable", upstream="one", key="main"), 1)

    def unreachable(self, base_url, why, attempts, proxy="none"):
        two = Vendor(self, {"other": [GOOD]}, None)
        daemon = Daemon(f'listen: ["127.0.0.1:0"]\ndefault_upstream: one\nretry: {{base: 5ms}}\nmodels: {{big: {{fallback: [two/other]}}}}\nupstreams:\n'
                        f"  one:\n    base_url: {base_url}\n    proxy: {proxy}\n    keys: [{{name: main, file: key}}]\n"
                        f"  two:\n    base_url: {two.base_url}\n    keys: [{{name: main, file: key}}]\n")
        self.addCleanup(daemon.stop)
        answer = self.ask(daemon, "big")
        self.came_from(answer, "two", "other", why)
        self.assertEqual(answer.header("x-streamkeeper-attempts"), str(attempts))

    def test_a_certificate_that_can_not_be_verified(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        certificate, key = os.path.join(folder, "c.pem"), os.path.join(folder, "k.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
                        "-days", "30", "-subj", "/CN=localhost"], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.unreachable(self.origin(Play(GOOD), tls=context).base_url, "tls", 2)

    def test_a_proxy_that_does_not_let_it_through(self):
        proxy = self.origin(Play(raw(407, b"", [("Proxy-Authenticate", "Basic")])))
        self.unreachable("https://vendor.invalid/v1", "proxy", 2, f"http://127.0.0.1:{proxy.port}")

    def test_a_name_that_can_not_be_found_after_two_tries(self):
        self.unreachable("https://nonexistent.invalid/v1", "network", 3)

    def test_a_vendor_that_is_not_there_after_the_tries_of_one_target(self):
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            self.unreachable(f"http://127.0.0.1:{held.getsockname()[1]}/v1", "network", 5)


if __name__ == "__main__":
    unittest.main()
