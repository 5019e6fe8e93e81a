#include <boost/test/unit_test.hpp>

#include "config/key_source.hpp"
#include "config/schema.hpp"
#include "config/show.hpp"
#include "config_folder.hpp"

namespace streamkeeper {
namespace {

using test::Environment;
using test::Folder;

/// Every key of the table, none at its default.
const std::string full = R"(
listen: ["127.0.0.1:1", "[::1]:2", "unix:/run/a b"]
allowed_hosts: [my.example]
allowed_origins: ["https://app.example"]
clients: [{name: cline, token_file: token}]
upstreams:
  a:
    base_url: http://10.0.0.1/v1
    preset: apertis
    auth: api-key
    keys:
      - {name: one, file: "key #1"}
      - {name: two, env: STREAMKEEPER_TEST_KEY}
      - {name: three, command: [printf, "%s", "a\"b'c\\d"]}
      - {name: four, credential: cred}
    key_order: round_robin
    limit_scope: account
    limit_per_model: false
    rate_limits: [{requests: 7, per: 1500ms, scope: ip}, {requests: 9, per: 744h}]
    max_in_flight: 1
    queue: 0
    fallback_by: off
    stream_usage: off
    proxy: http://[::1]:3128
    tls: {ca_file: "key #1"}
    cleartext: true
    timeouts: {connect: 1s, first_byte: 2s, stream_idle: 3s, stream_progress: 4s, total: 5s, pool_idle: 1500ms}
    resume: {mode: off, attempts: 0, tool_calls: off, transcript: 1KiB, probe: never, on_failure: abort, capability: {prefill: partial, seam: echo, deterministic: true, finish_reason: optional, cancel_stops_billing: false}}
  "on": {preset: ollama}
default_upstream: a
models:
  "weird: [model], #1": {upstream: "on", fallback: ["a/x: y", "on/#1", plain], context: 1000000000, timeouts: {connect: 1ms, first_byte: 2h, stream_idle: 3m, stream_progress: off, total: 1s, pool_idle: 1s}, resume: {mode: whole, attempts: 100, tool_calls: hold, transcript: 1GiB, probe: on_first_break, on_failure: auto, capability: {prefill: continue_final_message, seam: unknown, deterministic: false, finish_reason: required, cancel_stops_billing: true}}}
aliases: {"null": "on/x", fast: "ünïcode \"quoted\""}
model_names: exact
fallback_on: {context_length: ["a/b/c:free"], content_policy: ["12", "off"]}
retry: {attempts: 1, per_target: 100, base: 1ms, cap: 1h, deadline: {stream: off, other: 90m}}
timeouts: {connect: 1s, first_byte: 2s, stream_idle: 3s, stream_progress: 4s, total: 5s, client_head: 6s, client_body_idle: 7s, client_keepalive: 8s, pool_idle: 9s}
stream: {commit_hold: 0s, heartbeat: off, assemble: always}
resume: {mode: whole, attempts: 9, tool_calls: off, transcript: 5KiB, probe: never, on_failure: error}
limits: {head: 2KiB, body: 3MiB, connections: 4, memory: 5000000}
metrics: {listen: "unix:/run/m", model_labels: 6}
log: {level: warning, format: text}
drain: 0s
)";

struct Full {
    Full() {
        folder.write("token", "client-token-123456");
        folder.write("key #1", "sk-abcdefghijkl1234");
        folder.write("credentials/keys_cred", "credential-key-0001");
    }
    Folder folder;
    Environment key{"STREAMKEEPER_TEST_KEY", "sk-environment-key"};
    Environment credentials{"CREDENTIALS_DIRECTORY", folder.at("credentials").c_str()};
};

BOOST_AUTO_TEST_SUITE(config_show)

BOOST_FIXTURE_TEST_CASE(what_is_shown_loads_again_and_shows_the_same, Full) {
    const LoadResult first = folder.load(full);
    for (const auto& mistake : first.mistakes) BOOST_TEST_MESSAGE(mistake.text());
    BOOST_REQUIRE(first.config);
    const std::string shown = show_config(*first.config);
    const Folder elsewhere;
    const LoadResult second = elsewhere.load(shown);
    for (const auto& mistake : second.mistakes) BOOST_TEST_MESSAGE(mistake.text());
    BOOST_REQUIRE(second.config);
    BOOST_TEST(show_config(*second.config) == shown);
    BOOST_TEST(second.config->models.contains("weird: [model], #1"));
    BOOST_TEST(second.config->aliases.at("fast") == "ünïcode \"quoted\"");
    BOOST_TEST(second.config->upstream("a")->registry_key() == first.config->upstream("a")->registry_key());
    BOOST_TEST(second.config->upstream("a")->keys[2].secret.reveal() == "a\"b'c\\d");
}

BOOST_FIXTURE_TEST_CASE(every_key_of_the_table_is_shown_and_no_secret_is, Full) {
    const LoadResult result = folder.load(full);
    BOOST_REQUIRE(result.config);
    const std::string shown = show_config(*result.config);
    for (const auto& entry : configuration::entries()) {
        const std::string leaf(entry.leaf());
        if (leaf == "NAME") continue;
        const std::string word = leaf.substr(0, leaf.find('['));
        BOOST_TEST_CONTEXT(entry.path) { BOOST_TEST(shown.find(word + ':') != std::string::npos); }
    }
    for (const char* secret : {"client-token", "sk-abcdef", "credential-key", "sk-environment"}) {
        BOOST_TEST_CONTEXT(secret) { BOOST_TEST(shown.find(secret) == std::string::npos); }
    }
    BOOST_TEST(shown.find("- {name: one, file: \"" + folder.at("key #1") + "\"}  # sk-…1234\n") != std::string::npos);
    BOOST_TEST(shown.find("- {name: four, credential: cred}  # …0001\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(scalars_are_quoted_where_yaml_would_read_something_else) {
    using configuration::scalar;
    for (const char* plain : {"abc", "/a/b", "gpt-4.1", "https://a.b:8/c", "a+b"}) BOOST_TEST(scalar(plain) == plain);
    BOOST_TEST(scalar("") == "\"\"");
    BOOST_TEST(scalar("null") == "\"null\"");
    BOOST_TEST(scalar("12") == "\"12\"");
    BOOST_TEST(scalar("a: b") == "\"a: b\"");
    BOOST_TEST(scalar("a:") == "\"a:\"");
    BOOST_TEST(scalar("#x") == "\"#x\"");
    BOOST_TEST(scalar("a\"\\\n") == "\"a\\\"\\\\\\x0a\"");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(config_quick)

BOOST_AUTO_TEST_CASE(flags_alone_make_a_configuration) {
    const Folder folder;
    folder.write("key", "sk-abcdefghijkl1234\n");
    const LoadResult result = quick_config({"https://llm.example/v1", folder.at("key"), {}});
    BOOST_REQUIRE(result.config);
    const Config& config = *result.config;
    BOOST_TEST(config.default_upstream == "default");
    BOOST_TEST(config.upstreams[0]->keys[0].secret.reveal() == "sk-abcdefghijkl1234");
    BOOST_TEST((config.upstreams[0]->auth == AuthStyle::bearer));
    BOOST_TEST(config.listen.size() == 2u);
    BOOST_TEST(config.file.empty());
    BOOST_TEST(config.notes.empty());
    const LoadResult other = quick_config({"https://llm.example/v1", folder.at("key"), {"127.0.0.1:0", "unix:/run/x"}});
    BOOST_REQUIRE(other.config);
    BOOST_TEST(other.config->listen[1].text == "unix:/run/x");
}

BOOST_AUTO_TEST_CASE(a_vendors_host_brings_its_name_and_facts) {
    const Folder folder;
    folder.write("key", "sk-abcdefghijkl1234");
    const auto anthropic = quick_config({"https://api.anthropic.com/v1", folder.at("key"), {}}).config;
    BOOST_REQUIRE(anthropic);
    BOOST_TEST(anthropic->default_upstream == "anthropic");
    BOOST_TEST((anthropic->upstreams[0]->auth == AuthStyle::x_api_key));
    const auto moved = quick_config({"https://api.stima.tech/v1", folder.at("key"), {}}).config;
    BOOST_REQUIRE(moved);
    BOOST_TEST(moved->default_upstream == "apertis");
    BOOST_TEST(moved->upstreams[0]->base_url.text == "https://api.apertis.ai/v1");
    BOOST_TEST(moved->notes.size() == 1u);
    const auto bare = quick_config({"https://llm-server.llmhub.t-systems.net", folder.at("key"), {}}).config;
    BOOST_REQUIRE(bare);
    BOOST_TEST(bare->upstreams[0]->base_url.text == "https://llm-server.llmhub.t-systems.net/v2");
    const auto local = quick_config({"http://127.0.0.1:11434/v1", "", {}}).config;
    BOOST_REQUIRE(local);
    BOOST_TEST(local->default_upstream == "ollama");
}

BOOST_AUTO_TEST_CASE(mistakes_speak_of_the_flags) {
    const Folder folder;
    folder.write("key", "sk-abcdefghijkl1234");
    const auto first = [](const LoadResult& result) {
        return result.mistakes.empty() ? std::string() : result.mistakes[0].text();
    };
    const std::string key = folder.at("key");
    BOOST_TEST(first(quick_config({"llm.example/v1", key, {}})) ==
               "--upstream: is no URL; did you mean `https://llm.example/v1`?");
    BOOST_TEST(first(quick_config({"", key, {}})).starts_with("--upstream: "));
    BOOST_TEST(first(quick_config({"https://llm.example/v1", "", {}})) ==
               "--key-file FILE is needed: this upstream asks for a key");
    BOOST_TEST(first(quick_config({"https://llm.example/v1", "/none", {}})) ==
               "--key-file: file /none cannot be read: No such file or directory");
    BOOST_TEST(
        first(quick_config({"https://llm.example/v1", key, {"8817"}})).starts_with("--listen: `listen[0]` must be"));
    BOOST_TEST(first(quick_config({"https://llm.example/v1", key, {"0.0.0.0:1"}})).starts_with("--listen: "));
    BOOST_TEST(first(quick_config({"http://llm.example/v1", key, {}})).starts_with("--upstream: would send its key"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(config_command)

BOOST_AUTO_TEST_CASE(a_program_that_lingers_is_stopped) {
    using namespace std::chrono_literals;
    const auto start = std::chrono::steady_clock::now();
    for (const char* script : {"sleep 20", "echo sk-1; exec >&-; sleep 20"}) {
        const std::vector<std::string> words{"sh", "-c", script};
        const auto output = configuration::run_command(words, 150ms);
        BOOST_TEST(output.problem == "did not end in time and was stopped");
        BOOST_TEST(output.text == "");
    }
    BOOST_TEST((std::chrono::steady_clock::now() - start < 5s));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace streamkeeper
