#include <boost/test/unit_test.hpp>

#include "config_folder.hpp"

namespace streamkeeper {
namespace {

using test::Environment;
using test::Folder;

const std::string key_text = "sk-abcdefghijkl1234";

std::string with_key(const std::string& key) {
    return "upstreams:\n  o: {preset: openai, keys: [{name: k, " + key + "}]}\n";
}

std::string only_mistake(const LoadResult& result) {
    BOOST_TEST(!result.config);
    return result.mistakes.size() == 1 ? result.mistakes[0].message : std::to_string(result.mistakes.size());
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

BOOST_AUTO_TEST_SUITE(config_load)

BOOST_AUTO_TEST_CASE(a_file_with_one_upstream_has_the_contracts_defaults) {
    const Folder folder;
    const LoadResult result = folder.load("upstreams:\n  local: {preset: ollama}\n");
    BOOST_REQUIRE(result.config);
    const Config& config = *result.config;
    BOOST_REQUIRE(config.listen.size() == 2);
    BOOST_TEST(config.listen[0].text == "127.0.0.1:8817");
    BOOST_TEST(config.listen[1].text == "[::1]:8817");
    BOOST_TEST((config.allowed_hosts.empty() && config.allowed_origins.empty() && config.clients.empty()));
    BOOST_TEST(config.default_upstream == "local");
    BOOST_TEST((config.models.empty() && config.aliases.empty()));
    using namespace std::chrono_literals;
    const Timeouts& t = config.timeouts;
    BOOST_TEST((t.connect == 10s && t.first_byte == 300s && t.stream_idle == 120s && t.stream_progress == 600s));
    BOOST_TEST((t.total == no_limit && t.client_head == 10s && t.client_body_idle == 60s));
    BOOST_TEST((t.client_keepalive == 180s && t.pool_idle == 50s));
    BOOST_TEST(config.limits.head == 64u << 10);
    BOOST_TEST(config.limits.body == 64u << 20);
    BOOST_TEST(config.limits.memory == 256u << 20);
    BOOST_TEST(config.limits.connections == 4096u);
    BOOST_TEST((!config.metrics.listen && config.metrics.model_labels == 50));
    BOOST_TEST((config.log.level == LogLevel::info && config.log.format == LogFormat::automatic));
    BOOST_TEST((config.drain == 30s));
    BOOST_TEST(config.file == folder.at("streamkeeper.yaml"));
    const Upstream& upstream = *config.upstream("local");
    BOOST_TEST(upstream.base_url.text == "http://127.0.0.1:11434/v1");
    BOOST_TEST((upstream.auth == AuthStyle::none && upstream.stream_usage == StreamUsage::automatic));
    BOOST_TEST((upstream.proxy.kind == ProxyChoice::Kind::env && upstream.ca_file.empty() && !upstream.cleartext));
    BOOST_TEST(config.upstream("gone") == nullptr);
}

BOOST_AUTO_TEST_CASE(the_structs_own_defaults_are_the_tables) {
    const Folder folder;
    const auto config = folder.load("upstreams: {o: {preset: ollama}}\n").config;
    BOOST_REQUIRE(config);
    Config plain;
    plain.listen = config->listen;
    plain.upstreams = config->upstreams;
    plain.default_upstream = "o";
    BOOST_TEST(show_config(plain) == show_config(*config));
}

BOOST_AUTO_TEST_CASE(everything_a_file_says_arrives) {
    const Folder folder;
    folder.write("keys/a", key_text);
    folder.write("token", "client-token-123456\n");
    folder.write("ca.pem", "x");
    const LoadResult result = folder.load(R"(
listen: ["0.0.0.0:1", "unix:/run/s"]
allowed_hosts: [My.Example, "::1"]
allowed_origins: ["https://App.example:8443"]
clients: [{name: cline, token_file: token}]
upstreams:
  a:
    preset: apertis
    auth: x-api-key
    keys: [{name: payg, file: keys/a}]
    stream_usage: on
    proxy: http://proxy:3128
    tls: {ca_file: ca.pem}
    timeouts: {connect: 1s, total: 2m}
  b: {base_url: "http://10.0.0.1:8000/v1/", auth: none, proxy: none}
default_upstream: a
models: {gpt-4.1: {upstream: b, timeouts: {first_byte: off}}, plain: {}}
aliases: {fast: b/mini}
timeouts: {connect: 3s}
limits: {memory: 1GiB, connections: 7}
metrics: {listen: "127.0.0.1:9", model_labels: 3}
log: {level: debug, format: json}
drain: off
)");
    for (const auto& mistake : result.mistakes) BOOST_TEST_MESSAGE(mistake.text());
    BOOST_REQUIRE(result.config);
    const Config& config = *result.config;
    BOOST_TEST(config.listen[1].host == "/run/s");
    BOOST_TEST(config.allowed_hosts == (std::vector<std::string>{"my.example", "[::1]"}),
               boost::test_tools::per_element());
    BOOST_TEST(config.allowed_origins[0] == "https://app.example:8443");
    BOOST_TEST(config.clients[0].token.reveal() == "client-token-123456");
    const Upstream& a = *config.upstream("a");
    BOOST_TEST((a.auth == AuthStyle::x_api_key && a.stream_usage == StreamUsage::on));
    BOOST_TEST(a.keys[0].secret.reveal() == key_text);
    BOOST_TEST(a.keys[0].source.words[0] == folder.at("keys/a"));
    BOOST_TEST(a.proxy.url.authority() == "proxy:3128");
    BOOST_TEST(a.ca_file == folder.at("ca.pem"));
    BOOST_TEST(a.timeouts.connect->count() == 1000);
    BOOST_TEST(!a.timeouts.first_byte);
    const Upstream& b = *config.upstream("b");
    BOOST_TEST(b.preset == "generic");
    BOOST_TEST(b.base_url.text == "http://10.0.0.1:8000/v1");
    BOOST_TEST((b.proxy.kind == ProxyChoice::Kind::none && b.keys.empty()));
    BOOST_TEST(config.models.at("gpt-4.1").upstream == "b");
    BOOST_TEST((config.models.at("gpt-4.1").timeouts.first_byte == no_limit));
    BOOST_TEST(config.models.at("plain").upstream == "");
    BOOST_TEST(config.aliases.at("fast") == "b/mini");
    BOOST_TEST(config.timeouts.connect.count() == 3000);
    BOOST_TEST(config.timeouts.first_byte.count() == 300'000);
    BOOST_TEST(config.limits.memory == 1u << 30);
    BOOST_TEST(config.limits.head == 64u << 10);
    BOOST_TEST(config.metrics.listen->port == 9);
    BOOST_TEST((config.log.level == LogLevel::debug && config.log.format == LogFormat::json));
    BOOST_TEST((config.drain == no_limit));
    BOOST_TEST(config.upstream_ptr("a").get() == &a);
}

BOOST_AUTO_TEST_CASE(a_generic_loopback_upstream_needs_no_key_and_ollama_sends_one_it_is_given) {
    const Folder folder;
    const Environment key("STREAMKEEPER_TEST_KEY", key_text.c_str());
    const auto near = folder.load("upstreams: {o: {base_url: \"http://localhost:1/v1\"}}\n");
    BOOST_REQUIRE(near.config);
    BOOST_TEST((near.config->upstreams[0]->auth == AuthStyle::none));
    const auto keyed = folder.load("upstreams: {o: {preset: ollama, keys: [{name: k, env: STREAMKEEPER_TEST_KEY}]}}\n");
    BOOST_REQUIRE(keyed.config);
    BOOST_TEST((keyed.config->upstreams[0]->auth == AuthStyle::bearer));
}

BOOST_AUTO_TEST_CASE(keys_come_from_all_four_places) {
    const Folder folder;
    folder.write("credentials/plain", key_text);
    folder.write("credentials/keys_dir", key_text, 0444);
    folder.write("key", key_text);
    folder.write("hand-over", "#!/bin/sh\necho " + key_text + "\n", 0700);
    const Environment key("STREAMKEEPER_TEST_KEY", key_text.c_str());
    const Environment directory("CREDENTIALS_DIRECTORY", folder.at("credentials").c_str());
    for (const char* source :
         {"file: key", "env: STREAMKEEPER_TEST_KEY", "credential: plain", "credential: dir", "command: [./hand-over]",
          "command: [sh, -c, 'read x; echo sk-abcdefghijkl1234']", "command: [printf, '%s', sk-abcdefghijkl1234]"}) {
        const LoadResult result = folder.load(with_key(source));
        BOOST_TEST_CONTEXT(source) {
            BOOST_REQUIRE(result.config);
            BOOST_TEST(result.config->upstreams[0]->keys[0].secret.reveal() == key_text);
            BOOST_TEST(result.config->notes.empty());
        }
    }
}

BOOST_AUTO_TEST_CASE(keys_that_can_not_be_had_are_mistakes_that_say_why) {
    const Folder folder;
    folder.write("credentials/x", "y");
    folder.write("empty", "\n");
    folder.write("long", std::string(70'000, 'x'));
    std::filesystem::create_directory(folder.at("folder"));
    const Environment unset("STREAMKEEPER_TEST_KEY", nullptr);
    const auto why = [&](const std::string& source) { return only_mistake(folder.load(with_key(source))); };
    BOOST_TEST(has(why("file: none"), "/none cannot be read: No such file or directory; `streamkeeper key set o/k`"));
    BOOST_TEST(has(why("file: empty"), "is empty"));
    BOOST_TEST(has(why("file: long"), "is longer than 64 KiB"));
    BOOST_TEST(has(why("file: folder"), "is no regular file"));
    BOOST_TEST(has(why("env: STREAMKEEPER_TEST_KEY"), "$STREAMKEEPER_TEST_KEY is not set"));
    BOOST_TEST(has(why("command: [false]"), "command false failed with exit code 1"));
    BOOST_TEST(has(why("command: [no-such-program-here]"), "could not be started"));
    BOOST_TEST(has(why("command: [sh, -c, 'kill -9 $$']"), "ended by signal 9"));
    BOOST_TEST(has(why("command: [head, -c, '70000', /dev/zero]"), "64 KiB"));
    BOOST_TEST(has(why("command: ['true']"), "is empty"));
    {
        const Environment directory("CREDENTIALS_DIRECTORY", nullptr);
        BOOST_TEST(has(why("credential: x"), "$CREDENTIALS_DIRECTORY, which is not set"));
    }
    const Environment directory("CREDENTIALS_DIRECTORY", folder.at("credentials").c_str());
    BOOST_TEST(has(why("credential: y"), "is neither `y` nor `keys_y`"));
    BOOST_TEST(has(why("credential: ../empty"), "must be a name"));
}

BOOST_AUTO_TEST_CASE(key_files_must_be_private) {
    const Folder folder;
    for (const mode_t mode : {0640, 0604, 0610, 0601, 0620}) {
        folder.write("key", key_text, mode);
        const std::string message = only_mistake(folder.load(with_key("file: key")));
        BOOST_TEST_CONTEXT(mode) { BOOST_TEST(has(message, "by group or others; run `chmod 600 " + folder.at("key"))); }
    }
    for (const mode_t mode : {0600, 0400, 0700}) {
        folder.write("key", key_text, mode);
        BOOST_TEST_CONTEXT(mode) { BOOST_TEST((folder.load(with_key("file: key")).config != nullptr)); }
    }
    if (::chown(folder.at("key").c_str(), 12345, 0) == 0 && ::geteuid() == 0) {
        BOOST_TEST(has(only_mistake(folder.load(with_key("file: key"))), "belongs to user id 12345"));
    }
}

BOOST_AUTO_TEST_CASE(what_was_stripped_is_noted_and_the_key_is_not) {
    const Folder folder;
    folder.write("key", "\xef\xbb\xbf\"Bearer " + key_text + "\"\r\n");
    const LoadResult result = folder.load(with_key("file: key"));
    BOOST_REQUIRE(result.config);
    BOOST_REQUIRE(result.config->notes.size() == 1);
    const std::string& note = result.config->notes[0];
    BOOST_TEST(has(note, "upstream o, key k: stripped a byte order mark, "));
    BOOST_TEST(has(note, "quotes"));
    BOOST_TEST(has(note, "`Bearer`"));
    BOOST_TEST(!has(note, "sk-"));
    BOOST_TEST(result.config->upstreams[0]->keys[0].secret.reveal() == key_text);
}

BOOST_AUTO_TEST_CASE(no_message_holds_a_key) {
    const Folder folder;
    folder.write("key", key_text + "\nsk-second-abcdefghijkl");
    folder.write("token", key_text + " x");
    const LoadResult result =
        folder.load("clients: [{name: c, token_file: token}]\n" + with_key("file: key") + "listn: 1\n");
    BOOST_TEST(result.mistakes.size() == 3u);
    for (const auto& mistake : result.mistakes) BOOST_TEST(!has(mistake.text(), "sk-"));
}

BOOST_AUTO_TEST_CASE(the_moved_apertis_host_is_corrected_with_a_note) {
    const Folder folder;
    folder.write("key", key_text);
    const LoadResult result = folder.load(
        "upstreams: {o: {preset: apertis, base_url: \"https://api.stima.tech/v1\", keys: [{name: k, file: key}]}}\n");
    BOOST_REQUIRE(result.config);
    BOOST_TEST(result.config->upstreams[0]->base_url.text == "https://api.apertis.ai/v1");
    BOOST_REQUIRE(result.config->notes.size() == 1);
    BOOST_TEST(has(result.config->notes[0], "api.stima.tech"));
}

BOOST_AUTO_TEST_CASE(bodies_that_the_memory_budget_never_takes_are_noted) {
    const Folder folder;
    const auto result = folder.load("upstreams: {o: {preset: ollama}}\nlimits: {memory: 64MiB}\n");
    BOOST_REQUIRE(result.config);
    BOOST_REQUIRE(result.config->notes.size() == 1);
    BOOST_TEST(has(result.config->notes[0], "bodies over 32MiB"));
}

BOOST_AUTO_TEST_CASE(the_configuration_is_found_where_the_contract_says) {
    const Folder folder;
    const Environment named("STREAMKEEPER_CONFIG", nullptr);
    const Environment xdg("XDG_CONFIG_HOME", folder.at("xdg").c_str());
    const Environment home("HOME", folder.at("home").c_str());
    folder.write("home/.config/streamkeeper/streamkeeper.yaml", "");
    BOOST_TEST(find_config("x.yaml").value() == "x.yaml");
    const auto elsewhere = find_config("");
    BOOST_TEST((!elsewhere || *elsewhere == "/etc/streamkeeper/streamkeeper.yaml"));
    folder.write("xdg/streamkeeper/streamkeeper.yaml", "");
    BOOST_TEST(find_config("").value() == folder.at("xdg/streamkeeper/streamkeeper.yaml"));
    {
        const Environment none("XDG_CONFIG_HOME", nullptr);
        BOOST_TEST(find_config("").value() == folder.at("home/.config/streamkeeper/streamkeeper.yaml"));
    }
    const Environment variable("STREAMKEEPER_CONFIG", "/named.yaml");
    BOOST_TEST(find_config("").value() == "/named.yaml");
    BOOST_TEST(find_config("flag.yaml").value() == "flag.yaml");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace streamkeeper
