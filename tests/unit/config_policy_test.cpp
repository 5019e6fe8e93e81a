#include <boost/test/unit_test.hpp>

#include "config/presets.hpp"
#include "config_folder.hpp"

namespace streamkeeper {
namespace {

using namespace std::chrono_literals;
using test::Environment;
using test::Folder;
using Names = std::vector<std::string>;

const std::string rest = "upstreams:\n  o: {preset: ollama}\n";

std::shared_ptr<const Config> loaded(const std::string& yaml) {
    const Folder folder;
    const LoadResult result = folder.load(yaml);
    for (const auto& mistake : result.mistakes) BOOST_TEST_MESSAGE(mistake.text());
    BOOST_REQUIRE(result.config);
    return result.config;
}

/// The only upstream of a file that says `inside` of it.
std::shared_ptr<const Upstream> upstream_with(const std::string& inside) {
    return loaded("upstreams:\n  o: {" + inside + "}\n")->upstreams.front();
}

bool same(const RateLimit& limit, std::uint32_t requests, Duration per, LimitScope scope) {
    return limit.requests == requests && limit.per == per && limit.scope == scope;
}

BOOST_AUTO_TEST_SUITE(config_policy)

BOOST_AUTO_TEST_CASE(an_upstream_that_says_nothing_of_pacing_has_the_contracts_defaults) {
    const auto upstream = upstream_with("base_url: \"http://127.0.0.1:1/v1\"");
    BOOST_TEST((upstream->key_order == KeyOrder::failover));
    BOOST_TEST((upstream->limit_scope == LimitScope::key));
    BOOST_TEST(upstream->limit_per_model);
    BOOST_TEST(upstream->rate_limits.empty());
    BOOST_TEST(upstream->max_in_flight == 64u);
    BOOST_TEST(upstream->queue == 256u);
    BOOST_TEST((upstream->fallback_by == FallbackBy::client));
}

BOOST_AUTO_TEST_CASE(a_file_that_says_nothing_of_retries_has_the_contracts_defaults) {
    const auto config = loaded(rest + "models: {m: {}}\n");
    BOOST_TEST(config->retry.attempts == 6u);
    BOOST_TEST(config->retry.per_target == 4u);
    BOOST_TEST((config->retry.base == 1s && config->retry.cap == 30s));
    BOOST_TEST((config->retry.deadline_stream == 240s && config->retry.deadline_other == 110s));
    BOOST_TEST((config->stream.commit_hold == 5s && config->stream.heartbeat == 5s));
    BOOST_TEST((config->resume.on_failure == OnFailure::automatic));
    BOOST_TEST((config->model_names == ModelNames::fix));
    BOOST_TEST((config->fallback_on.context_length.empty() && config->fallback_on.content_policy.empty()));
    BOOST_TEST((config->models.at("m").fallback.empty() && config->models.at("m").context == 0));
    BOOST_TEST(config->notes.empty());
}

BOOST_AUTO_TEST_CASE(a_map_in_part_keeps_the_other_defaults) {
    const auto attempts = loaded(rest + "retry: {attempts: 2}\n");
    BOOST_TEST((attempts->retry.attempts == 2 && attempts->retry.per_target == 4 && attempts->retry.base == 1s));
    BOOST_TEST((attempts->retry.deadline_stream == 240s && attempts->notes.empty()));
    const auto deadline = loaded(rest + "retry: {deadline: {other: 5s}}\n");
    BOOST_TEST((deadline->retry.deadline_other == 5s && deadline->retry.deadline_stream == 240s));
    const auto heartbeat = loaded(rest + "stream: {heartbeat: 1s}\nfallback_on: {content_policy: [a]}\n");
    BOOST_TEST((heartbeat->stream.commit_hold == 5s && heartbeat->fallback_on.context_length.empty()));
    for (const char* map : {"retry", "stream", "resume", "fallback_on"}) {
        BOOST_TEST_CONTEXT(map) { BOOST_TEST((loaded(rest + map + ":\n")->retry.attempts == 6)); }
    }
}

BOOST_AUTO_TEST_CASE(every_word_arrives_as_what_it_means) {
    const std::string ollama = "preset: ollama, ";
    for (const auto& [word, order] :
         {std::pair("failover", KeyOrder::failover), {"round_robin", KeyOrder::round_robin}}) {
        BOOST_TEST((upstream_with(ollama + "key_order: " + word)->key_order == order), word);
    }
    for (const auto& [word, scope] :
         {std::pair("key", LimitScope::key), {"account", LimitScope::account}, {"ip", LimitScope::ip}}) {
        BOOST_TEST((upstream_with(ollama + "limit_scope: " + word)->limit_scope == scope), word);
    }
    for (const auto& [word, walker] :
         {std::pair("client", FallbackBy::client), {"vendor", FallbackBy::vendor}, {"off", FallbackBy::off}}) {
        BOOST_TEST((upstream_with(ollama + "fallback_by: " + word)->fallback_by == walker), word);
    }
    BOOST_TEST(upstream_with(ollama + "limit_per_model: true")->limit_per_model);
    BOOST_TEST(!upstream_with(ollama + "limit_per_model: false")->limit_per_model);
    for (const auto& [word, names] : {std::pair("exact", ModelNames::exact), {"fix", ModelNames::fix}}) {
        BOOST_TEST((loaded(rest + "model_names: " + word + "\n")->model_names == names), word);
    }
    for (const auto& [word, end] :
         {std::pair("auto", OnFailure::automatic), {"abort", OnFailure::abort}, {"error", OnFailure::error}}) {
        BOOST_TEST((loaded(rest + "resume: {on_failure: " + word + "}\n")->resume.on_failure == end), word);
    }
}

BOOST_AUTO_TEST_CASE(every_number_and_duration_arrives) {
    const auto upstream = upstream_with("preset: ollama, max_in_flight: 3, queue: 0");
    BOOST_TEST((upstream->max_in_flight == 3 && upstream->queue == 0));
    const auto config = loaded(rest + R"(
models: {gpt-4.1: {context: 1047576, fallback: [b, o/c, x/d]}}
fallback_on: {context_length: [long, longer], content_policy: [lenient]}
retry: {attempts: 7, per_target: 9, base: 20ms, cap: 2m, deadline: {stream: 3m, other: 45s}}
stream: {commit_hold: 700ms, heartbeat: 10s}
)");
    const Retry& retry = config->retry;
    // More calls at one target than in all is no mistake: it means that one target may have them all.
    BOOST_TEST((retry.attempts == 7 && retry.per_target == 9 && retry.base == 20ms && retry.cap == 2min));
    BOOST_TEST((retry.deadline_stream == 3min && retry.deadline_other == 45s));
    BOOST_TEST((config->stream.commit_hold == 700ms && config->stream.heartbeat == 10s));
    BOOST_TEST(config->models.at("gpt-4.1").context == 1'047'576u);
    BOOST_TEST(config->models.at("gpt-4.1").fallback == (Names{"b", "o/c", "x/d"}), boost::test_tools::per_element());
    BOOST_TEST(config->fallback_on.context_length == (Names{"long", "longer"}), boost::test_tools::per_element());
    BOOST_TEST(config->fallback_on.content_policy == Names{"lenient"}, boost::test_tools::per_element());
    BOOST_TEST(config->notes.empty());
}

BOOST_AUTO_TEST_CASE(off_is_no_bound_where_that_makes_sense_and_a_hold_may_be_nothing) {
    const auto config =
        loaded(rest + "retry: {deadline: {stream: off, other: off}}\nstream: {commit_hold: off, heartbeat: off}\n");
    BOOST_TEST((config->retry.deadline_stream == no_limit && config->retry.deadline_other == no_limit));
    BOOST_TEST((config->stream.commit_hold == no_limit && config->stream.heartbeat == no_limit));
    BOOST_TEST((loaded(rest + "stream: {commit_hold: 0s}\n")->stream.commit_hold == 0s));
}

BOOST_AUTO_TEST_CASE(a_cap_below_the_base_is_noted_and_accepted) {
    const auto below = loaded(rest + "retry: {base: 5s, cap: 2s}\n");
    BOOST_REQUIRE(below->notes.size() == 1);
    BOOST_TEST(below->notes[0] == "retry.cap (2s) is shorter than retry.base (5s); every pause is bounded by the cap");
    BOOST_TEST(loaded(rest + "retry: {base: 5s, cap: 5s}\n")->notes.empty());
}

BOOST_AUTO_TEST_CASE(each_preset_knows_who_shares_its_vendors_limits) {
    const Folder folder;
    folder.write("key", "sk-abcdefghijkl1234");
    const auto scope_of = [&](const std::string& preset) {
        const std::string url = preset == "generic" ? ", base_url: \"https://x.example/v1\"" : "";
        const auto config =
            folder.load("upstreams: {o: {preset: " + preset + url + ", keys: [{name: k, file: key}]}}\n").config;
        BOOST_REQUIRE(config);
        BOOST_TEST(config->upstreams[0]->rate_limits.size() == (preset == "apertis" ? 2u : 0u), preset);
        return config->upstreams[0]->limit_scope;
    };
    BOOST_TEST((scope_of("apertis") == LimitScope::ip));
    for (const char* preset : {"t-systems", "openai", "anthropic", "openrouter", "deepseek", "mistral", "moonshot"}) {
        BOOST_TEST((scope_of(preset) == LimitScope::account), preset);
    }
    for (const char* preset : {"llmai", "ollama", "generic"}) {
        BOOST_TEST((scope_of(preset) == LimitScope::key), preset);
    }
    BOOST_TEST(configuration::presets().size() == 11u);
}

BOOST_AUTO_TEST_CASE(apertis_is_paced_by_address_and_by_key_unless_the_file_says_otherwise) {
    const Environment key("STREAMKEEPER_TEST_KEY", "sk-abcdefghijkl1234");
    const std::string apertis = "preset: apertis, keys: [{name: k, env: STREAMKEEPER_TEST_KEY}]";
    const auto plain = upstream_with(apertis);
    BOOST_REQUIRE(plain->rate_limits.size() == 2);
    BOOST_TEST(same(plain->rate_limits[0], 1500, 3min, LimitScope::ip));
    BOOST_TEST(same(plain->rate_limits[1], 3000, 1min, LimitScope::key));
    const auto own = upstream_with(apertis + ", rate_limits: [{requests: 3, per: 250ms, scope: account}]");
    BOOST_REQUIRE(own->rate_limits.size() == 1);
    BOOST_TEST(same(own->rate_limits[0], 3, 250ms, LimitScope::account));
    BOOST_TEST(upstream_with(apertis + ", rate_limits: []")->rate_limits.empty());
    BOOST_TEST((upstream_with(apertis + ", limit_scope: key")->limit_scope == LimitScope::key));
    BOOST_TEST(upstream_with(apertis + ", limit_scope: key")->rate_limits.size() == 2u);
    const Folder folder;
    folder.write("key", "sk-abcdefghijkl1234");
    const auto quick = quick_config({"https://api.apertis.ai/v1", folder.at("key"), {}}).config;
    BOOST_REQUIRE(quick);
    BOOST_TEST(quick->upstreams[0]->rate_limits.size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_rate_limit_without_a_scope_has_its_upstreams) {
    const std::string limits = "rate_limits: [{requests: 20, per: 1m}, {requests: 1, per: 1s, scope: ip}]";
    const auto own = upstream_with("preset: ollama, limit_scope: account, " + limits);
    BOOST_REQUIRE(own->rate_limits.size() == 2);
    BOOST_TEST(same(own->rate_limits[0], 20, 1min, LimitScope::account));
    BOOST_TEST(same(own->rate_limits[1], 1, 1s, LimitScope::ip));
    const Environment key("STREAMKEEPER_TEST_KEY", "sk-abcdefghijkl1234");
    const auto preset = upstream_with("preset: t-systems, keys: [{name: k, env: STREAMKEEPER_TEST_KEY}], " + limits);
    BOOST_TEST(same(preset->rate_limits[0], 20, 1min, LimitScope::account));
    BOOST_TEST(same(upstream_with("preset: ollama, " + limits)->rate_limits[0], 20, 1min, LimitScope::key));
}

BOOST_AUTO_TEST_CASE(everything_about_policy_is_shown_and_read_back) {
    const auto first = loaded(R"(
upstreams:
  o: {preset: ollama, key_order: round_robin, limit_scope: ip, limit_per_model: false, max_in_flight: 5, queue: 6, fallback_by: vendor, rate_limits: [{requests: 8, per: 90s, scope: account}]}
models: {m: {fallback: ["a: b", o/c], context: 12}}
fallback_on: {context_length: [d], content_policy: [e]}
model_names: exact
retry: {attempts: 2, per_target: 3, base: 4s, cap: 5s, deadline: {stream: 6s, other: off}}
stream: {commit_hold: 0s, heartbeat: 8s}
resume: {on_failure: abort}
)");
    const auto second = loaded(show_config(*first));
    const Upstream& o = *second->upstreams[0];
    BOOST_TEST((o.key_order == KeyOrder::round_robin && o.limit_scope == LimitScope::ip && !o.limit_per_model));
    BOOST_TEST((o.max_in_flight == 5 && o.queue == 6 && o.fallback_by == FallbackBy::vendor));
    BOOST_REQUIRE(o.rate_limits.size() == 1);
    BOOST_TEST(same(o.rate_limits[0], 8, 90s, LimitScope::account));
    BOOST_TEST(second->models.at("m").fallback == (Names{"a: b", "o/c"}), boost::test_tools::per_element());
    BOOST_TEST(second->models.at("m").context == 12u);
    BOOST_TEST(second->fallback_on.context_length == Names{"d"}, boost::test_tools::per_element());
    BOOST_TEST(second->fallback_on.content_policy == Names{"e"}, boost::test_tools::per_element());
    BOOST_TEST((second->model_names == ModelNames::exact && second->resume.on_failure == OnFailure::abort));
    const Retry& retry = second->retry;
    BOOST_TEST((retry.attempts == 2 && retry.per_target == 3 && retry.base == 4s && retry.cap == 5s));
    BOOST_TEST((retry.deadline_stream == 6s && retry.deadline_other == no_limit));
    BOOST_TEST((second->stream.commit_hold == 0s && second->stream.heartbeat == 8s));
}

BOOST_AUTO_TEST_CASE(no_rate_limits_are_shown_as_none_so_that_the_preset_stays_out) {
    const Environment key("STREAMKEEPER_TEST_KEY", "sk-abcdefghijkl1234");
    const auto first =
        loaded("upstreams: {o: {preset: apertis, keys: [{name: k, env: STREAMKEEPER_TEST_KEY}], rate_limits: []}}\n");
    BOOST_TEST(loaded(show_config(*first))->upstreams[0]->rate_limits.empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace streamkeeper
