// Mistakes in what a file says of chains, limits, retries and streams, each with its place.
#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>

#include "config/schema.hpp"
#include "config_folder.hpp"

namespace streamkeeper {
namespace {

using test::Folder;
using Lines = std::vector<std::string>;

/// Four lines.
const std::string two =
    "upstreams:\n  apertis: {preset: ollama}\n  openrouter: {preset: ollama}\n"
    "default_upstream: apertis\n";

struct Wrong {
    std::string yaml;
    Lines mistakes;
};

void check(const std::vector<Wrong>& table) {
    const Folder folder;
    for (const Wrong& each : table) {
        BOOST_TEST_CONTEXT(each.yaml) {
            BOOST_TEST(folder.mistakes(each.yaml) == each.mistakes, boost::test_tools::per_element());
        }
    }
}

/// The chain of `m`, in line 5; its list begins in column 24.
std::string chain(const std::string& list) { return two + "models: {m: {fallback: " + list + "}}\n"; }

std::string upstream(const std::string& inside) { return "upstreams:\n  o: {preset: ollama, " + inside + "}\n"; }

BOOST_AUTO_TEST_SUITE(config_chains)

BOOST_AUTO_TEST_CASE(good_chains_are_no_mistakes) {
    const std::string aliases = "aliases: {fast: openrouter/mini, far: fast}\n";
    check({
        {chain("[]"), {}},
        {chain("[a, b, openrouter/a, openrouter/x/y]"), {}},
        {chain("[openrouter/m, fast, far2]") + aliases, {}},
        // Loops are none: each chain is walked once, flat.
        {two + "models: {m: {fallback: [n]}, n: {fallback: [m]}}\n", {}},
        {two + "fallback_on: {context_length: [a, openrouter/a], content_policy: [m]}\nmodels: {m: {}}\n", {}},
    });
}

BOOST_AUTO_TEST_CASE(a_full_model_name_is_no_mistake_unless_its_vendor_is_nearly_an_upstream) {
    const std::string slip =
        "5:25: `models.m.fallback[0]` (`opnrouter/auto`) names an unknown upstream `opnrouter`; did you mean "
        "`openrouter/auto`? If it is a model's full name, write its upstream before it: `apertis/opnrouter/auto`";
    check({
        {chain("[openai/gpt-4o, x-ai/grok-4, Qwen/Qwen3]"), {}},
        {chain("[opnrouter/auto]"), {slip}},
        {"upstreams:\n  x: {preset: ollama}\nmodels: {m: {fallback: [y/a, zz/b]}}\n", {}},
        {chain("[Apertis/a]"),
         {"5:25: `models.m.fallback[0]` (`Apertis/a`) names an unknown upstream `Apertis`; did you mean `apertis/a`? "
          "If it is a model's full name, write its upstream before it: `apertis/Apertis/a`"}},
        // Whoever means the model can say so: with its upstream, or in `models`.
        {chain("[apertis/opnrouter/auto]"), {}},
        {two + "models: {m: {fallback: [opnrouter/auto]}, opnrouter/auto: {}}\n", {}},
        {two + "fallback_on: {context_length: [b], content_policy: [a, apetris/a/b]}\n",
         {"5:56: `fallback_on.content_policy[1]` (`apetris/a/b`) names an unknown upstream `apetris`; did you mean "
          "`apertis/a/b`? If it is a model's full name, write its upstream before it: `UPSTREAM/apetris/a/b`"}},
        {two + "models: {m: {upstream: openrouter, fallback: [aprtis/x]}}\n",
         {"5:47: `models.m.fallback[0]` (`aprtis/x`) names an unknown upstream `aprtis`; did you mean `apertis/x`? If "
          "it is a model's full name, write its upstream before it: `openrouter/aprtis/x`"}},
        {chain("[fast]") + "aliases: {fast: apertiss/mini}\n",
         {"5:25: `models.m.fallback[0]` (`fast`) names an unknown upstream `apertiss`; did you mean `apertis/mini`? If "
          "it is a model's full name, write its upstream before it: `apertis/apertiss/mini`"}},
    });
}

BOOST_AUTO_TEST_CASE(an_upstream_alone_is_no_model) {
    check({
        {chain("[openrouter]"),
         {"5:25: `models.m.fallback[0]` (`openrouter`) is an upstream; a chain has models: `openrouter/m`"}},
        {two + "fallback_on: {context_length: [apertis]}\n",
         {"5:32: `fallback_on.context_length[0]` (`apertis`) is an upstream; a chain has models: `apertis/MODEL`"}},
        {two + "models: {m: {fallback: [openrouter]}, openrouter: {}}\n", {}},
        {chain("[openrouter/, /x]"),
         {"5:25: `models.m.fallback[0]` must be a model's name, or `UPSTREAM/MODEL`",
          "5:38: `models.m.fallback[1]` must be a model's name, or `UPSTREAM/MODEL`"}},
    });
}

BOOST_AUTO_TEST_CASE(a_chain_that_comes_back_to_its_own_model_is_a_mistake_however_it_is_spelt) {
    const std::string self = "is the model itself, which has failed by then";
    check({
        {chain("[m]"), {"5:25: `models.m.fallback[0]` (`m`) " + self}},
        {chain("[a, apertis/m]"), {"5:28: `models.m.fallback[1]` (`apertis/m`) " + self}},
        {chain("[far]") + "aliases: {far: near, near: m}\n", {"5:25: `models.m.fallback[0]` (`far`) " + self}},
        {chain("[far]") + "aliases: {far: apertis/m}\n", {"5:25: `models.m.fallback[0]` (`far`) " + self}},
        // The same name elsewhere is another model.
        {chain("[openrouter/m]"), {}},
        {two + "models: {m: {upstream: openrouter, fallback: [apertis/m, m]}}\n",
         {"5:58: `models.m.fallback[1]` (`m`) " + self}},
    });
}

BOOST_AUTO_TEST_CASE(a_model_stands_in_a_chain_once_however_it_is_spelt) {
    const auto twice = [](const std::string& place, const std::string& index, const std::string& entry,
                          const std::string& first) {
        return place + ": `models.m.fallback[" + index + "]` (`" + entry + "`) is the same model as `" + first +
               "` before it";
    };
    check({
        {chain("[a, b, a]"), {twice("5:31", "2", "a", "a")}},
        {chain("[a, apertis/a]"), {twice("5:28", "1", "apertis/a", "a")}},
        {chain("[a, openrouter/a]"), {}},
        {chain("[fast, mini]") + "aliases: {fast: mini}\n", {twice("5:31", "1", "mini", "fast")}},
        {two + "models: {m: {fallback: [n, openrouter/n]}, n: {upstream: openrouter}}\n",
         {twice("5:28", "1", "openrouter/n", "n")}},
        // A bad entry does not hide the mistakes behind it, nor does it shift what they say.
        {chain("[/, a, \"\", a]"),
         {"5:25: `models.m.fallback[0]` must be a model's name, or `UPSTREAM/MODEL`",
          "5:31: `models.m.fallback[2]` must not be empty", twice("5:35", "3", "a", "a")}},
        {two + "fallback_on: {context_length: [a, a], content_policy: [a]}\n",
         {"5:35: `fallback_on.context_length[1]` (`a`) is the same model as `a` before it"}},
    });
}

BOOST_AUTO_TEST_CASE(a_chain_has_sixteen_entries_at_most) {
    std::string sixteen = "a0";
    for (int i = 1; i < 16; ++i) sixteen += ", a" + std::to_string(i);
    const std::string at = std::to_string(25 + sixteen.size() + 2);
    check({
        {chain('[' + sixteen + ']'), {}},
        {chain('[' + sixteen + ", b, a0]"), {"5:" + at + ": `models.m.fallback` has 18 elements; 16 are the most"}},
        {two + "fallback_on: {content_policy: [" + sixteen + ", b]}\n",
         {"5:" + std::to_string(32 + sixteen.size() + 2) +
          ": `fallback_on.content_policy` has 17 elements; 16 are the most"}},
    });
}

BOOST_AUTO_TEST_CASE(an_alias_loop_in_a_chain_ends_and_is_told_at_the_alias) {
    check({{chain("[x]") + "aliases: {x: y, y: x}\n", {"6:14: `aliases.x` is a loop: x → y → x"}}});
}

BOOST_AUTO_TEST_CASE(what_is_no_list_of_models_is_told_at_the_value) {
    check({
        {chain("gpt-4o"), {"5:24: `models.m.fallback` must be a list, like `[a, b]`"}},
        {chain("[[a]]"), {"5:25: `models.m.fallback[0]` must be a single value"}},
        {chain("[a, ~]"), {"5:28: `models.m.fallback[1]` has no value"}},
        {two + "fallback_on: [a]\n", {"5:14: `fallback_on` must be a map (`key: value` lines)"}},
        {two + "fallback_on: {content_polcy: [a]}\n",
         {"5:15: `fallback_on.content_polcy` is not a known key; did you mean `content_policy`?"}},
        {two + "models: {m: {context: -1}}\n",
         {"5:23: `models.m.context` must be a whole number from 0 to 1000000000"}},
        {two + "models: {m: {context: 128k}}\n",
         {"5:23: `models.m.context` must be a whole number from 0 to 1000000000"}},
        {two + "model_names: fixed\n", {"5:14: `model_names` must be `exact` or `fix`"}},
    });
}

BOOST_AUTO_TEST_CASE(limits_that_are_none_are_mistakes) {
    const std::string whole = "must be a whole number from ";
    check({
        {upstream("rate_limits: [{requests: 0, per: 1s}]"),
         {"2:48: `upstreams.o.rate_limits[0].requests` " + whole + "1 to 1000000"}},
        {upstream("rate_limits: [{requests: 1, per: 0s}]"),
         {"2:56: `upstreams.o.rate_limits[0].per` must be longer than 0 and at most 744h"}},
        {upstream("rate_limits: [{requests: 1, per: off}]"),
         {"2:56: `upstreams.o.rate_limits[0].per` must be longer than 0 and at most 744h"}},
        {upstream("rate_limits: [{requests: 1, per: 60}]"),
         {"2:56: `upstreams.o.rate_limits[0].per` must be a duration such as `250ms`, `5s`, `10m` or `2h` (one unit, "
          "no fraction)"}},
        {upstream("rate_limits: [{per: 1s, scope: user}]"),
         {"2:37: `upstreams.o.rate_limits[0]` lacks `requests`",
          "2:54: `upstreams.o.rate_limits[0].scope` must be `key`, `account` or `ip`"}},
        {upstream("rate_limits: [{requests: 1}]"), {"2:37: `upstreams.o.rate_limits[0]` lacks `per`"}},
        {upstream("rate_limits: [5]"), {"2:37: `upstreams.o.rate_limits[0]` must be a map, like `{requests: …}`"}},
        {upstream("rate_limits: {requests: 1, per: 1s}"),
         {"2:36: `upstreams.o.rate_limits` must be a list (`- …` lines)"}},
        {upstream("rate_limit: []"),
         {"2:23: `upstreams.o.rate_limit` is not a known key; did you mean `rate_limits`?"}},
        {upstream("max_in_flight: 0, queue: -1"),
         {"2:38: `upstreams.o.max_in_flight` " + whole + "1 to 1000000",
          "2:48: `upstreams.o.queue` " + whole + "0 to 1000000"}},
        {upstream("key_order: roundrobin, limit_scope: acount"),
         {"2:34: `upstreams.o.key_order` must be `failover` or `round_robin`; did you mean `round_robin`?",
          "2:59: `upstreams.o.limit_scope` must be `key`, `account` or `ip`; did you mean `account`?"}},
        {upstream("limit_per_model: 1, fallback_by: me"),
         {"2:40: `upstreams.o.limit_per_model` must be `true` or `false`",
          "2:56: `upstreams.o.fallback_by` must be `client`, `vendor` or `off`"}},
    });
}

BOOST_AUTO_TEST_CASE(retries_and_streams_that_can_not_be_are_mistakes) {
    const std::string pause = "must be longer than 0 and at most 1h";
    const std::string calls = "must be a whole number from 1 to 100";
    check({
        {two + "retry: {attempts: 0, per_target: 101}\n",
         {"5:19: `retry.attempts` " + calls, "5:34: `retry.per_target` " + calls}},
        {two + "retry: {base: 0s, cap: 61m}\n", {"5:15: `retry.base` " + pause, "5:24: `retry.cap` " + pause}},
        {two + "retry: {base: off, cap: off}\n", {"5:15: `retry.base` " + pause, "5:25: `retry.cap` " + pause}},
        {two + "retry: {deadline: {stream: 0s, others: 1s}}\n",
         {"5:32: `retry.deadline.others` is not a known key; did you mean `other`?"}},
        {two + "retry: {deadline: 10s}\n", {"5:19: `retry.deadline` must be a map (`key: value` lines)"}},
        {two + "retry: 3\n", {"5:8: `retry` must be a map (`key: value` lines)"}},
        {two + "stream: {heartbeat: 0s, commit_hold: 0}\n",
         {"5:21: `stream.heartbeat` must be longer than 0, or `off`",
          "5:38: `stream.commit_hold` must be a duration such as `250ms`, `5s`, `10m` or `2h` (one unit, no fraction), "
          "or `off`"}},
        {two + "resume: {on_failure: fail}\n", {"5:22: `resume.on_failure` must be `auto`, `abort` or `error`"}},
        {two + "attempts: 3\n", {"5:1: `attempts` is not a known key here; it belongs at `retry.attempts`"}},
    });
}

BOOST_AUTO_TEST_CASE(the_json_schema_knows_where_off_is_a_word_and_how_long_a_chain_may_be) {
    const auto schema = boost::json::parse(config_schema_json());
    const auto pattern = [&](const char* pointer) { return schema.at_pointer(pointer).as_string(); };
    BOOST_TEST(pattern("/properties/retry/properties/base/pattern") == "^[0-9]+(ms|s|m|h)$");
    BOOST_TEST(pattern("/properties/retry/properties/deadline/properties/stream/pattern") ==
               "^(off|[0-9]+(ms|s|m|h))$");
    BOOST_TEST(schema.at_pointer("/properties/fallback_on/properties/content_policy/maxItems").as_int64() == 16);
}

BOOST_AUTO_TEST_CASE(the_page_lists_what_each_preset_brings) {
    const std::string page = config_reference_markdown();
    BOOST_TEST(page.find("| `apertis` | `https://api.apertis.ai/v1` | `bearer` | `ip` | `{requests: 1500, per: 180s, "
                         "scope: ip}`, `{requests: 3000, per: 60s, scope: key}` | `{}` |") != page.npos);
    BOOST_TEST(page.find("| `mistral` | `https://api.mistral.ai/v1` | `bearer` | `account` | `[]` | `{prefill: prefix, "
                         "seam: echo}` |") != page.npos);
    BOOST_TEST(page.find("| `generic` | yours | `bearer` | `key` | `[]` | `{}` |") != page.npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace streamkeeper
