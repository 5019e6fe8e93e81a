#include "streamkeeper/plan.hpp"

#include <boost/test/unit_test.hpp>

#include "streamkeeper/traffic.hpp"

using namespace streamkeeper;
namespace {

using namespace std::chrono_literals;

std::shared_ptr<Upstream> upstream(const std::string& name) {
    auto result = std::make_shared<Upstream>();
    result->name = name;
    result->base_url = *parse_base_url("https://" + name + ".example/v1");
    result->keys = {{"main", Secret("sk-" + name), {}}, {"spare", Secret("sk-spare"), {}}};
    return result;
}

Config config() {
    Config config;
    config.upstreams = {upstream("one"), upstream("two")};
    config.default_upstream = "one";
    config.aliases = {{"fast", "small"}, {"faster", "fast"}, {"far", "two/big"}, {"small", "gpt-small"}};
    config.models["pinned"].upstream = "two";
    return config;
}

bool never(std::string_view) { return false; }

/// `upstream model`, or the refusal's status and code.
std::string routed(const Config& config, std::string_view forced, std::string_view model,
                   const InDefaultList& in_list = never) {
    const auto result = route(config, forced, model, in_list);
    if (const http::Refusal* refusal = std::get_if<http::Refusal>(&result))
        return std::to_string(refusal->status) + " " + std::string(refusal->code);
    return std::get<Route>(result).upstream->name + " " + std::get<Route>(result).model;
}

Traffic traffic;

Known known(const std::shared_ptr<const Upstream>&) {
    static const std::vector<unsigned> slots = {0, 1};
    return {&traffic, slots};
}

std::string joined(const std::string& body, const std::vector<Splice>& splices) {
    std::string text;
    for (const std::string_view piece : spliced(body, splices)) text += piece;
    return text;
}

std::string sent(const Config& config, const std::string& body, Endpoint endpoint = Endpoint::chat_completions,
                 bool refused = false) {
    const BodyFacts facts = std::get<BodyFacts>(read_body(body));
    const Route chosen = std::get<Route>(route(config, {}, facts.model, never));
    const Plan plan = make_plan(config, chosen, facts, std::nullopt, known);
    const bool usage = wants_usage(*chosen.upstream, endpoint, facts, refused);
    return joined(body, splices_for(body, facts, plan, plan.targets.front(), usage));
}

/// The plan's targets as `upstream/model`, once for each group; those for one cause with it in brackets.
std::string chain(const Config& config, const std::string& body, std::optional<std::string_view> header = {}) {
    const BodyFacts facts = std::get<BodyFacts>(read_body(body));
    const Plan plan = make_plan(config, std::get<Route>(route(config, {}, facts.model, never)), facts, header, known);
    std::string text;
    std::optional<std::size_t> group;
    for (const Target& target : plan.targets) {
        if (group == target.group) continue;
        group = target.group;
        text += (text.empty() ? "" : " ") + target.upstream->name + "/" + target.model;
        if (!target.only_for.empty()) text += "[" + std::string(target.only_for) + "]";
    }
    return text;
}

std::string mistake(const std::string& body) {
    const auto result = read_body(body);
    const http::Refusal* const refusal = std::get_if<http::Refusal>(&result);
    return refusal ? std::to_string(refusal->status) + " " + std::string(refusal->code) + " " + refusal->message : "";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(plan_test)

BOOST_AUTO_TEST_CASE(a_body_tells_what_policy_needs) {
    const std::string body =
        R"({"mod\u0065l" : "gp\u0074", "stream":true, "n": 3, "stream_options":{"include_usage":true}, "x":[{"model":"no"}]})";
    const BodyFacts facts = std::get<BodyFacts>(read_body(body));
    BOOST_TEST(facts.model == "gpt");
    BOOST_TEST(facts.model_span.in(body) == R"("gp\u0074")");
    BOOST_TEST(facts.stream);
    BOOST_TEST(facts.usage_asked);
    BOOST_TEST(facts.choices == 3u);
    const BodyFacts empty = std::get<BodyFacts>(read_body(" { } "));
    BOOST_TEST(empty.model == "");
    BOOST_TEST(!empty.stream);
    BOOST_TEST(empty.members == 0u);
    BOOST_TEST(empty.choices == 1u);
}

BOOST_AUTO_TEST_CASE(mistakes_name_line_and_column) {
    BOOST_TEST(mistake("{\"a\":1,\n  \"b\":}").starts_with("400 invalid_json"));
    BOOST_TEST(mistake("{\"a\":1,\n  \"b\":}").find("line 2, column 7") != std::string::npos);
    for (const char* bad :
         {"", " ", "[]", "\"x\"", "null", "{", "{} {}", "{\"a\":1,}", "{'a':1}", "{\"a\":NaN}", "{\"a\":\"\xff\"}"})
        BOOST_TEST(mistake(bad).starts_with("400 invalid_json"), bad);
    BOOST_TEST(mistake(R"({"model":"a","model":"a"})").starts_with("400 invalid_parameter"));
    BOOST_TEST(mistake(R"({"model":"a","\u006dodel":"b"})").starts_with("400 invalid_parameter"));
    for (const char* model : {"1", "null", "[\"a\"]", "{}", "true"})
        BOOST_TEST(mistake(std::string(R"({"model":)") + model + "}").starts_with("400 invalid_parameter"), model);
}

BOOST_AUTO_TEST_CASE(routes_are_chosen_in_the_documented_order) {
    const Config it = config();
    BOOST_TEST(routed(it, "", "anything") == "one anything");
    BOOST_TEST(routed(it, "", "") == "one ");
    BOOST_TEST(routed(it, "two", "anything") == "two anything");
    BOOST_TEST(routed(it, "two", "one/x") == "two one/x");  // no prefix is interpreted under a forced upstream
    BOOST_TEST(routed(it, "", "two/x/y") == "two x/y");
    BOOST_TEST(routed(it, "", "two/x", [](std::string_view id) { return id == "two/x"; }) == "one two/x");
    BOOST_TEST(routed(it, "", "three/x") == "one three/x");
    BOOST_TEST(routed(it, "", "pinned") == "two pinned");
    BOOST_TEST(routed(it, "one", "pinned") == "one pinned");
    BOOST_TEST(routed(it, "three", "x") == "404 unknown_upstream");
}

BOOST_AUTO_TEST_CASE(aliases_are_followed_and_may_name_an_upstream) {
    const Config it = config();
    BOOST_TEST(routed(it, "", "faster") == "one gpt-small");
    BOOST_TEST(routed(it, "two", "fast") == "two gpt-small");
    BOOST_TEST(routed(it, "", "far") == "two big");
    BOOST_TEST(routed(it, "", "far", [](std::string_view) { return true; }) == "two big");
    BOOST_TEST(routed(it, "", "FAST") == "one FAST");
}

BOOST_AUTO_TEST_CASE(the_default_list_is_asked_only_where_it_matters) {
    const Config it = config();
    BOOST_TEST(needs_default_list(it, "", "two/x"));
    BOOST_TEST(!needs_default_list(it, "one", "two/x"));
    BOOST_TEST(!needs_default_list(it, "", "three/x"));
    BOOST_TEST(!needs_default_list(it, "", "x"));
    BOOST_TEST(!needs_default_list(it, "", "far"));
}

BOOST_AUTO_TEST_CASE(a_body_that_needs_no_change_is_sent_as_one_piece) {
    const std::string body = "{ \"model\":\"gpt\" , \"seed\":1.50 }\n";
    const BodyFacts facts = std::get<BodyFacts>(read_body(body));
    const Config it = config();
    const Plan plan = make_plan(it, std::get<Route>(route(it, {}, facts.model, never)), facts, std::nullopt, known);
    const std::vector<Splice> splices = splices_for(body, facts, plan, plan.targets.front(), false);
    BOOST_TEST(splices.empty());
    BOOST_TEST(spliced(body, splices).size() == 1u);
    BOOST_TEST(plan.targets.front().key->name == "main");
}

BOOST_AUTO_TEST_CASE(only_the_spans_that_policy_changes_change) {
    const Config it = config();
    BOOST_TEST(sent(it, "{ \"seed\" : 1.50,\"model\" :\"fast\" , \"x\":\"fast\"}\n") ==
               "{ \"seed\" : 1.50,\"model\" :\"gpt-small\" , \"x\":\"fast\"}\n");
    BOOST_TEST(sent(it, R"({"model":"two/a\"b"})") == R"({"model":"a\"b"})");
    BOOST_TEST(sent(it, R"({"model":"fast","stream":true} )") ==
               R"({"model":"gpt-small","stream":true,"stream_options":{"include_usage":true}} )");
    BOOST_TEST(sent(it, R"({"stream":true})") == R"({"stream":true,"stream_options":{"include_usage":true}})");
}

BOOST_AUTO_TEST_CASE(usage_is_asked_for_beside_the_clients_own_options) {
    const Config it = config();
    const std::pair<const char*, const char*> cases[] = {
        {R"({"stream":true,"stream_options":{"a":1 } })",
         R"({"stream":true,"stream_options":{"a":1 ,"include_usage":true} })"},
        {R"({"stream":true,"stream_options":{}})", R"({"stream":true,"stream_options":{"include_usage":true}})"},
        {R"({"stream":true,"stream_options":null})", R"({"stream":true,"stream_options":{"include_usage":true}})"},
        {R"({"stream":true,"stream_options":{"include_usage":false,"b":2}})",
         R"({"stream":true,"stream_options":{"include_usage":true,"b":2}})"},
        {R"({"stream":true,"stream_options":{"include_usage":true}})",
         R"({"stream":true,"stream_options":{"include_usage":true}})"}};
    for (const auto& [body, expected] : cases) {
        BOOST_TEST(sent(it, body) == expected);
        BOOST_TEST(sent(it, body, Endpoint::completions) == expected);
        BOOST_TEST(sent(it, body, Endpoint::chat_completions, true) == body);  // once the vendor has refused it
    }
}

BOOST_AUTO_TEST_CASE(usage_is_not_asked_for_where_it_is_not_wanted) {
    Config it = config();
    const std::string body = R"({"stream":true})";
    for (Endpoint endpoint : {Endpoint::messages, Endpoint::responses, Endpoint::embeddings})
        BOOST_TEST(sent(it, body, endpoint) == body);
    BOOST_TEST(sent(it, R"({"stream":false})") == R"({"stream":false})");
    BOOST_TEST(sent(it, body, Endpoint::chat_completions, true) == body);
    const auto with = [&](StreamUsage usage) {
        auto changed = std::make_shared<Upstream>(*it.upstreams[0]);
        changed->stream_usage = usage;
        it.upstreams[0] = changed;
    };
    with(StreamUsage::off);
    BOOST_TEST(sent(it, body) == body);
    with(StreamUsage::on);
    BOOST_TEST(sent(it, body) != body);
}

BOOST_AUTO_TEST_CASE(every_key_of_a_model_is_a_target_of_its_own) {
    const Config it = config();
    const BodyFacts facts = std::get<BodyFacts>(read_body(R"({"model":"m"})"));
    Route chosen{it.upstreams[0], "m"};
    const Plan plan = make_plan(it, chosen, facts, std::nullopt, known);
    BOOST_REQUIRE(plan.targets.size() == 2u);
    BOOST_TEST(plan.targets[0].key->name == "main");
    BOOST_TEST(plan.targets[1].key->name == "spare");
    auto turns = std::make_shared<Upstream>(*it.upstreams[0]);
    turns->key_order = KeyOrder::round_robin;
    chosen.upstream = turns;
    traffic.turn = 0;
    for (const std::string expected : {"main", "spare", "main"})
        BOOST_TEST(make_plan(it, chosen, facts, std::nullopt, known).targets.front().key->name == expected);
}

BOOST_AUTO_TEST_CASE(a_chain_comes_from_the_header_else_the_body_else_the_configuration) {
    Config it = config();
    it.models["m"].fallback = {"small", "two/big", "m", "pinned"};
    it.fallback_on.context_length = {"huge"};
    BOOST_TEST(chain(it, R"({"model":"m"})") == "one/m one/huge[context_length] one/gpt-small two/big two/pinned");
    BOOST_TEST(chain(it, R"({"model":"m"})", "a , two/b,,a") == "one/m one/a two/b");
    BOOST_TEST(chain(it, R"({"model":"m"})", "off") == "one/m");
    BOOST_TEST(chain(it, R"({"model":"m","fallback_models":["c"]})") == "one/m one/c");
    BOOST_TEST(chain(it, R"({"model":"m","fallback_models":["c"]})", "d") == "one/m one/d");
    BOOST_TEST(chain(it, R"({"model":"m","fallback_models":"c"})") ==
               "one/m one/huge[context_length] one/gpt-small two/big two/pinned");
}

BOOST_AUTO_TEST_CASE(a_bodys_chain_is_walked_by_one_side_only) {
    Config it = config();
    const std::pair<const char*, const char*> cases[] = {
        {R"({"fallback_models":["a"],"model":"m"})", R"({"model":"m"})"},
        {R"({"model":"m", "fallback_models":["a"]})", R"({"model":"m"})"},
        {R"({"model":"m", "fallback_models":["a"], "fallback_enabled":true,"x":1})", R"({"model":"m", "x":1})"},
        {R"({"fallback_enabled":true,"model":"m","fallback_models":[]})", R"({"model":"m"})"},
        {R"({"fallback_models":["a"],"fallback_enabled":false})", R"({})"},
        {R"({"fallback_models":["a"],"stream":true})", R"({"stream":true,"stream_options":{"include_usage":true}})"}};
    for (const auto& [body, expected] : cases) BOOST_TEST(sent(it, body) == expected);
    auto vendors = std::make_shared<Upstream>(*it.upstreams[0]);
    vendors->fallback_by = FallbackBy::vendor;
    it.upstreams[0] = vendors;
    BOOST_TEST(sent(it, R"({"model":"m","fallback_models":["a","b"]})") ==
               R"({"model":"m","fallback_models":["a","b"],"fallback_enabled":true})");
    BOOST_TEST(chain(it, R"({"model":"m","fallback_models":["a","b"]})") == "one/m");
    it.models["m"].fallback = {"c"};
    BOOST_TEST(sent(it, R"({"model":"m"})") == R"({"model":"m","fallback_models":["c"],"fallback_enabled":true})");
    vendors = std::make_shared<Upstream>(*it.upstreams[0]);
    vendors->fallback_by = FallbackBy::off;
    it.upstreams[0] = vendors;
    BOOST_TEST(chain(it, R"({"model":"m","fallback_models":["a"]})") == "one/m");
    BOOST_TEST(sent(it, R"({"model":"m","fallback_models":["a"]})") == R"({"model":"m"})");
}

BOOST_AUTO_TEST_CASE(a_models_timeouts_outrank_its_upstreams_and_those_the_global_ones) {
    Config it = config();
    it.timeouts.connect = 1s;
    auto changed = std::make_shared<Upstream>(*it.upstreams[0]);
    changed->timeouts.first_byte = 2s;
    changed->timeouts.stream_idle = 3s;
    it.upstreams[0] = changed;
    it.models["slow"].timeouts.stream_idle = 4s;
    const Timeouts slow = timeouts_for(it, *changed, "slow"), other = timeouts_for(it, *changed, "other");
    BOOST_TEST((slow.connect == 1s && slow.first_byte == 2s && slow.stream_idle == 4s));
    BOOST_TEST((other.connect == 1s && other.first_byte == 2s && other.stream_idle == 3s));
    BOOST_TEST((timeouts_for(it, *it.upstreams[1], "slow").first_byte == 300s));
}

BOOST_AUTO_TEST_CASE(a_models_resumption_outranks_its_upstreams_and_that_the_global_one) {
    Config it = config();
    it.resume.attempts = 7;
    it.resume.on_failure = OnFailure::abort;
    auto changed = std::make_shared<Upstream>(*it.upstreams[0]);
    changed->resume.mode = ResumeMode::whole;
    changed->resume.attempts = 5;
    changed->resume.capability.prefill = Prefill::partial;
    changed->resume.capability.seam = Seam::echo;
    changed->preset_capability.prefill = Prefill::prefix;
    changed->preset_capability.deterministic = true;
    it.upstreams[0] = changed;
    it.models["own"].resume.attempts = 0;
    it.models["own"].resume.capability.seam = Seam::exact;
    it.models["own"].resume.capability.cancel_stops_billing = false;
    const Resume own = resume_for(it, *changed, "own"), other = resume_for(it, *changed, "other");
    BOOST_TEST((own.mode == ResumeMode::whole && own.attempts == 0 && own.on_failure == OnFailure::abort));
    BOOST_TEST((other.mode == ResumeMode::whole && other.attempts == 5 && other.on_failure == OnFailure::abort));
    BOOST_TEST((own.configured.prefill == Prefill::partial && own.configured.seam == Seam::exact));
    BOOST_TEST((own.configured.cancel_stops_billing == false && !own.configured.deterministic));
    BOOST_TEST((other.configured.seam == Seam::echo && !other.configured.cancel_stops_billing));
    // What the file says is kept apart from the preset: what was learnt stands between the two.
    BOOST_TEST((own.preset.prefill == Prefill::prefix && own.preset.deterministic == true && !own.preset.seam));
    const Resume plain = resume_for(it, *it.upstreams[1], "other");
    BOOST_TEST((plain.mode == ResumeMode::exact && plain.attempts == 7 && !plain.preset.prefill));
    BOOST_TEST(!plain.configured.prefill);
}

BOOST_AUTO_TEST_SUITE_END()
