#include <boost/test/unit_test.hpp>

#include "config_folder.hpp"

namespace streamkeeper {
namespace {

using test::Folder;
using Lines = std::vector<std::string>;

/// A right rest for files whose point is elsewhere; it has two lines.
const std::string rest = "upstreams:\n  o: {preset: ollama}\n";

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

BOOST_AUTO_TEST_SUITE(config_mistakes)

BOOST_AUTO_TEST_CASE(unknown_keys_are_told_with_the_nearest_known_one) {
    check({
        {"listn: [a]\n" + rest, {"1:1: `listn` is not a known key; did you mean `listen`?"}},
        {rest + "timeouts: {frist_byte: 1s}\n",
         {"3:12: `timeouts.frist_byte` is not a known key; did you mean `first_byte`?"}},
        {"upstreams:\n  o:\n    preset: ollama\n    kyes: []\n",
         {"4:5: `upstreams.o.kyes` is not a known key; did you mean `keys`?"}},
        {"upstreams:\n  o: {preset: openai, auth: none, keys: [{nmae: x}]}\n",
         {"2:29: `upstreams.o` has keys, which `auth: none` never sends; remove one of the two",
          "2:42: `upstreams.o.keys[0]` lacks `name`",
          "2:42: `upstreams.o.keys[0]` must have exactly one of `credential`, `file`, `env`, `command`",
          "2:43: `upstreams.o.keys[0].nmae` is not a known key; did you mean `name`?"}},
        {rest + "timeouts: {head: 1KiB}\n",
         {"3:12: `timeouts.head` is not a known key here; it belongs at `limits.head`"}},
        {rest + "banana: 1\n", {"3:1: `banana` is not a known key"}},
        {rest + "NAME: 1\naliases.NAME: 1\n",
         {"3:1: `NAME` is not a known key", "4:1: `aliases.NAME` is not a known key"}},
    });
}

BOOST_AUTO_TEST_CASE(a_key_at_a_wrong_place_is_told_where_it_belongs_and_not_where_it_overrides) {
    check({
        {rest + "mode: whole\n", {"3:1: `mode` is not a known key here; it belongs at `resume.mode`"}},
        {rest + "stream_progress: 1s\n",
         {"3:1: `stream_progress` is not a known key here; it belongs at `timeouts.stream_progress`"}},
        {rest + "resume: {capability: {seam: exact}}\n",
         {"3:10: `resume.capability` is not a known key here; it belongs at `upstreams.NAME.resume.capability`"}},
        {rest.substr(0, 31) + ", resume: {seam: exact}}\n",
         {"2:32: `upstreams.o.resume.seam` is not a known key here; it belongs at "
          "`upstreams.NAME.resume.capability.seam`"}},
    });
}

BOOST_AUTO_TEST_CASE(mistakes_of_resumption_are_told_at_their_place) {
    const std::string attempts = "must be a whole number from 0 to 100";
    const std::string size = "must be from 1KiB to 1GiB";
    check({
        {rest + "resume: {mode: on, attempts: -1, tool_calls: stream}\n",
         {"3:16: `resume.mode` must be `off`, `exact` or `whole`", "3:30: `resume.attempts` " + attempts,
          "3:46: `resume.tool_calls` must be `hold` or `off`"}},
        {rest + "resume: {attempts: 101, transcript: 1023, probe: often}\n",
         {"3:20: `resume.attempts` " + attempts, "3:37: `resume.transcript` " + size,
          "3:50: `resume.probe` must be `on_first_break` or `never`"}},
        {rest + "resume: {mode: exakt}\n",
         {"3:16: `resume.mode` must be `off`, `exact` or `whole`; did you mean `exact`?"}},
        {rest + "models: {m: {resume: {transcript: 2GiB}}}\n", {"3:35: `models.m.resume.transcript` " + size}},
        {rest + "models: {m: {resume: exact}}\n", {"3:22: `models.m.resume` must be a map (`key: value` lines)"}},
        {rest + "stream: {assemble: on}\n", {"3:20: `stream.assemble` must be `off`, `auto` or `always`"}},
        {rest + "resume:\n  mode: exact\n  mode: whole\n",
         {"5:3: `resume.mode` is given twice; it first stands in line 4"}},
    });
}

BOOST_AUTO_TEST_CASE(mistakes_of_a_capability_are_told_at_their_place) {
    check({
        {"upstreams:\n  o:\n    preset: ollama\n    resume:\n      capability: {prefil: prefix, seam: exakt}\n",
         {"5:20: `upstreams.o.resume.capability.prefil` is not a known key; did you mean `prefill`?",
          "5:42: `upstreams.o.resume.capability.seam` must be `exact`, `echo` or `unknown`; did you mean `exact`?"}},
        {rest + "models: {m: {resume: {capability: {prefill: yes, deterministic: maybe, finish_reason: never}}}}\n",
         {"3:45: `models.m.resume.capability.prefill` must be `none`, `trailing`, `prefix`, `partial` or "
          "`continue_final_message`",
          "3:65: `models.m.resume.capability.deterministic` must be `true` or `false`",
          "3:87: `models.m.resume.capability.finish_reason` must be `required` or `optional`"}},
        {rest + "models: {m: {resume: {capability: none}}}\n",
         {"3:35: `models.m.resume.capability` must be a map (`key: value` lines)"}},
    });
}

BOOST_AUTO_TEST_CASE(wrong_types_are_told_at_the_value) {
    check({
        {rest + "limits: 5\n", {"3:9: `limits` must be a map (`key: value` lines)"}},
        {rest + "listen: \"127.0.0.1:1\"\n", {"3:9: `listen` must be a list, like `[a, b]`"}},
        {rest + "listen: []\n", {"3:9: `listen` must have at least one element"}},
        {rest + "listen: [[::1]:8817]\n",
         {"3:10: `listen[0]` must be one address; an IPv6 one needs quotes: `\"[::1]:8817\"`"}},
        {rest + "clients: {a: b}\n", {"3:10: `clients` must be a list (`- …` lines)"}},
        {rest + "clients: [a]\n", {"3:11: `clients[0]` must be a map, like `{name: …}`"}},
        {rest + "drain: [1]\n", {"3:8: `drain` must be a single value"}},
        {rest + "drain:\n", {"3:1: `drain` has no value"}},
        {"upstreams: [a]\n", {"1:12: `upstreams` must be a map (`key: value` lines)"}},
        {"- a\n", {"1:1: the file must be a map (`key: value` lines)"}},
        {rest + "[a]: b\n", {"3:1: the file has a key that is no text"}},
    });
}

BOOST_AUTO_TEST_CASE(bad_values_say_what_is_expected) {
    const std::string duration =
        "must be a duration such as `250ms`, `5s`, `10m` or `2h` (one unit, no fraction), or `off`";
    check({
        {rest + "drain: 30\n", {"3:8: `drain` " + duration}},
        {rest + "timeouts: {connect: 0s, total: never}\n",
         {"3:21: `timeouts.connect` must be longer than 0, or `off`", "3:32: `timeouts.total` " + duration}},
        {rest + "limits: {head: 1, body: 64MB, connections: 0}\n",
         {"3:16: `limits.head` must be from 1KiB to 16MiB",
          "3:25: `limits.body` must be a size such as `64KiB`, `64MiB`, `1GiB` or a number of bytes",
          "3:44: `limits.connections` must be a whole number from 1 to 1000000"}},
        {rest + "log: {level: verbose, format: jsn}\n",
         {"3:14: `log.level` must be `error`, `warning`, `info` or `debug`",
          "3:31: `log.format` must be `auto`, `text` or `json`; did you mean `json`?"}},
        {rest + "metrics: {model_labels: many}\n",
         {"3:25: `metrics.model_labels` must be a whole number from 0 to 10000"}},
        {rest + "listen: [\"localhost\"]\n",
         {"3:10: `listen[0]` must be `ADDRESS:PORT` with an IP address (`127.0.0.1:8817`), `[IPV6]:PORT`, or "
          "`unix:/path` (at most 107 bytes)"}},
        {rest + "allowed_origins: [\"*\", \"https://a.b/\", a]\n",
         {"3:19: `allowed_origins[0]` must be one origin; there are no wildcards",
          "3:24: `allowed_origins[1]` is more than an origin: scheme, host and port alone, no `/` at the end",
          "3:40: `allowed_origins[2]` is no origin; write it like `https://app.example`"}},
        {"upstreams:\n  o: {preset: olama}\n",
         {"2:15: `upstreams.o.preset` must be `apertis`, `t-systems`, `llmai`, `openrouter`, `openai`, `anthropic`, "
          "`deepseek`, `mistral`, `moonshot`, `ollama` or `generic`; did you mean `ollama`?"}},
        {"upstreams:\n  o: {preset: ollama, proxy: \"https://p:1\", cleartext: yes}\n",
         {"2:30: `upstreams.o.proxy` must be `env`, `none` or `http://host:port`",
          "2:56: `upstreams.o.cleartext` must be `true` or `false`"}},
        {"upstreams:\n  o: {base_url: x.org/v1, auth: none}\n",
         {"2:17: `upstreams.o.base_url` is no URL; did you mean `https://x.org/v1`?"}},
        {"upstreams:\n  a/b: {preset: ollama}\n",
         {"2:3: `upstreams.a/b` must have another name: letters, digits, '.', '_' and '-', at most 64, no dot or dash "
          "first"}},
    });
}

BOOST_AUTO_TEST_CASE(duplicates_are_mistakes) {
    const Folder folder;
    folder.write("t", "token-1234567890");
    BOOST_TEST(folder.mistakes(rest + "drain: 1s\ndrain: 2s\n") ==
                   (Lines{"4:1: `drain` is given twice; it first stands in line 3"}),
               boost::test_tools::per_element());
    BOOST_TEST(folder.mistakes(rest + "  o: {preset: ollama}\n") ==
                   (Lines{"3:3: `upstreams.o` is given twice; it first stands in line 2"}),
               boost::test_tools::per_element());
    BOOST_TEST(folder.mistakes(rest + "listen: [\"127.0.0.1:1\", \"127.0.0.1:1\"]\n") ==
                   (Lines{"3:25: `listen` has 127.0.0.1:1 twice"}),
               boost::test_tools::per_element());
    BOOST_TEST(folder.mistakes(rest + "clients:\n  - {name: a, token_file: t}\n  - {name: a, token_file: t}\n") ==
                   (Lines{"5:12: two clients are named `a`"}),
               boost::test_tools::per_element());
    BOOST_TEST(folder.mistakes(rest + "clients:\n  - {name: a, token_file: t}\n  - {name: b, token_file: t}\n") ==
                   (Lines{"5:27: client `b` has the token of client `a`; nobody could tell them apart"}),
               boost::test_tools::per_element());
    const test::Environment key("STREAMKEEPER_TEST_KEY", "sk-1");
    const std::string entry = "{name: k, env: STREAMKEEPER_TEST_KEY}";
    BOOST_TEST(folder.mistakes("upstreams:\n  o: {preset: openai, keys: [" + entry + ", " + entry + "]}\n") ==
                   (Lines{"2:76: `upstreams.o` has two keys named `k`"}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(references_and_loops_are_checked_over_the_whole_file) {
    const std::string two = "upstreams:\n  one: {preset: ollama}\n  two: {preset: ollama}\n";
    check({
        {two, {"1:1: `default_upstream` is required with several upstreams"}},
        {two + "default_upstream: tow\n",
         {"4:19: `default_upstream` names an unknown upstream `tow`; did you mean `two`?"}},
        {rest + "models: {m: {upstream: zebra}}\n", {"3:24: `models.m.upstream` names an unknown upstream `zebra`"}},
        {rest + "aliases:\n  x: a\n  a: b\n  b: a\n  c: c\n  d: gone/x\n  e: o/x\n",
         {"5:6: `aliases.a` is a loop: a → b → a", "7:6: `aliases.c` is a loop: c → c"}},
        {"drain: 1s\n", {"1:1: the file lacks `upstreams`"}},
        {"", {"1:1: the file lacks `upstreams`"}},
        {"upstreams: {}\n", {"1:1: `upstreams` is empty; at least one is needed"}},
    });
}

BOOST_AUTO_TEST_CASE(what_opens_the_door_needs_tokens) {
    const std::string open = "can be reached from other machines, so `clients` with tokens are required";
    check({
        {rest + "listen: [\"127.0.0.1:1\", \"0.0.0.0:2\"]\n", {"3:25: `listen` 0.0.0.0:2 " + open}},
        {rest + "listen: [\"[::]:2\"]\nclients: []\n", {"3:10: `listen` [::]:2 " + open}},
        {rest + "allowed_hosts: [my.example]\n",
         {"3:16: `allowed_hosts` lets other names in, so `clients` with tokens are required"}},
        {rest + "metrics: {listen: \"0.0.0.0:9\"}\n",
         {"3:19: `metrics.listen` must be a loopback or Unix address: metrics are shown to this machine alone"}},
        {rest + "metrics: {listen: \"127.0.0.1:8817\"}\n", {"3:19: `metrics.listen` is one of `listen`; write `same`"}},
        {rest + "listen: [\"[::1]:0\", \"unix:/run/x\"]\n", {}},
    });
    const Folder folder;
    folder.write("t", "token-1234567890");
    BOOST_TEST(
        folder.mistakes(rest + "listen: [\"0.0.0.0:1\"]\nallowed_hosts: [a.b]\nclients: [{name: c, token_file: t}]\n")
            .empty());
}

BOOST_AUTO_TEST_CASE(upstreams_are_judged_as_a_whole) {
    const test::Environment key("STREAMKEEPER_TEST_KEY", "sk-1");
    const std::string keys = "keys: [{name: k, env: STREAMKEEPER_TEST_KEY}]";
    const std::string cleartext =
        "would send its key unencrypted over http://; use https://, or allow it with `cleartext: true`";
    const std::string own = "requests would go round in circles";
    const auto one = [](const std::string& inside) { return "upstreams:\n  u: {" + inside + "}\n"; };
    check({
        {one("preset: openai"), {"2:3: `upstreams.u` has no `keys`; add one, or say `auth: none`"}},
        {one(keys), {"2:3: `upstreams.u` lacks `base_url`, which the preset `generic` can't know"}},
        {one("base_url: \"http://10.0.0.1/v1\", " + keys), {"2:17: `upstreams.u` " + cleartext}},
        {one("base_url: \"http://10.0.0.1/v1\", cleartext: true, " + keys), {}},
        {one("base_url: \"http://10.0.0.1/v1\", auth: none"), {}},
        {one("base_url: \"http://[::1]:1/v1\", " + keys), {}},
        {one("base_url: \"http://localhost:1/v1\""), {}},
        {one("preset: ollama, auth: none, " + keys),
         {"2:29: `upstreams.u` has keys, which `auth: none` never sends; remove one of the two"}},
        {one("base_url: \"http://localhost:8817/v1\""),
         {"2:17: `upstreams.u` is streamkeeper's own listener 127.0.0.1:8817; " + own}},
        {one("base_url: \"http://[::1]:8817/v1\""),
         {"2:17: `upstreams.u` is streamkeeper's own listener [::1]:8817; " + own}},
        {one("base_url: \"http://127.0.0.2:8817/v1\""), {}},
    });
}

BOOST_AUTO_TEST_CASE(syntax_errors_have_a_place) {
    check({
        {"a: 1\n\tb: 2\n", {"2:1: YAML syntax: illegal tab when looking for indentation"}},
        {"a: b: c\n", {"1:5: YAML syntax: illegal map value"}},
        {"upstreams:\n  f: *nope\n", {"2:6: YAML syntax: the referenced anchor is not defined"}},
        {rest + "---\nx: 1\n", {"4:1: the file has a second YAML document; only one is read"}},
    });
    const Folder folder;
    const Lines open_quote = folder.mistakes(rest + "drain: \"30s\n");
    BOOST_REQUIRE(open_quote.size() == 1);
    BOOST_TEST(open_quote[0].find("YAML syntax: illegal EOF in scalar") != std::string::npos);
    // Hostile: endless nesting, and an anchor that contains itself.
    BOOST_TEST(folder.mistakes("a: " + std::string(100'000, '[')).size() == 1u);
    BOOST_TEST(!folder.mistakes("upstreams: &a {x: *a}\n").empty());
}

BOOST_AUTO_TEST_CASE(all_mistakes_are_told_in_one_go_in_the_order_of_the_file) {
    check({{"listn: 1\ndrain: x\nupstreams:\n  a: {preset: openai}\n  b: {}\nmodels: {m: {upstream: c}}\n",
            {"1:1: `listn` is not a known key; did you mean `listen`?",
             "2:8: `drain` must be a duration such as `250ms`, `5s`, `10m` or `2h` (one unit, no fraction), or `off`",
             "3:1: `default_upstream` is required with several upstreams",
             "4:3: `upstreams.a` has no `keys`; add one, or say `auth: none`",
             "5:3: `upstreams.b` lacks `base_url`, which the preset `generic` can't know",
             "6:24: `models.m.upstream` names an unknown upstream `c`; did you mean `a`?"}}});
}

BOOST_AUTO_TEST_CASE(a_file_that_can_not_be_read_is_one_mistake) {
    const Folder folder;
    const LoadResult missing = load_config(folder.path() / "none.yaml");
    BOOST_REQUIRE(missing.mistakes.size() == 1);
    BOOST_TEST(missing.mistakes[0].text() == folder.at("none.yaml") + ": cannot be read: No such file or directory");
    const LoadResult directory = load_config(folder.path());
    BOOST_REQUIRE(directory.mistakes.size() == 1);
    BOOST_TEST(directory.mistakes[0].text() == folder.path().string() + ": is a directory, not a configuration file");
}

BOOST_AUTO_TEST_CASE(a_message_can_not_command_the_terminal) {
    const Folder folder;
    const Lines all = folder.mistakes(rest + "\"a\\e[31m\": 1\n");
    BOOST_REQUIRE(all.size() == 1);
    BOOST_TEST(all[0] == "3:1: `a?[31m` is not a known key");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace streamkeeper
