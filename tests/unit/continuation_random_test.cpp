// Bodies by chance: what is spliced must be the object that a parser would have made, in the same order, and nothing
// else may have changed a byte.
#include <algorithm>
#include <boost/json.hpp>
#include <random>

#include "continuation_body.hpp"

using namespace continuation_body;
namespace js = boost::json;

namespace {

class Chance {
public:
    explicit Chance(unsigned seed) : engine_(seed) {}
    std::size_t below(std::size_t count) { return engine_() % count; }
    bool of(std::size_t many) { return below(many) == 0; }
    std::string one_of(std::initializer_list<std::string_view> words) {
        return std::string(words.begin()[below(words.size())]);
    }
    std::string blank() { return of(2) ? "" : one_of({" ", "\n", "\t", "\r\n  "}); }
    /// The inside of a string.
    std::string inside() {
        std::string text;
        for (std::size_t left = below(6); left != 0; --left)
            text += one_of({"a", " ", "\\n", "\\\"", "\\\\", "]", "}", ",", "\\ud83d\\ude00", "é", "河", "\\/",
                            "\\\"messages\\\":[", "{\\\"role\\\":"});
        return text;
    }
    std::string string() { return "\"" + inside() + "\""; }
    /// Members in any order, each with its blanks.
    std::string object(std::vector<std::string> members) {
        std::shuffle(members.begin(), members.end(), engine_);
        std::string text = "{";
        for (const std::string& member : members)
            text.append(text == "{" ? "" : ",").append(blank()).append(member).append(blank());
        return text + "}";
    }
    std::string array(const std::vector<std::string>& elements) {
        std::string text = "[";
        for (const std::string& element : elements)
            text.append(text == "[" ? "" : ",").append(blank()).append(element).append(blank());
        return text + (elements.empty() ? blank() : "") + "]";
    }
    std::string member(const std::string& name, const std::string& value) {
        return "\"" + name + "\"" + blank() + ":" + blank() + value;
    }

private:
    std::mt19937 engine_;
};

std::string text_part(Chance& chance) {
    return chance.object({chance.member("type", "\"text\""), chance.member("text", chance.string())});
}

std::string message(Chance& chance, const std::string& role, bool flag) {
    std::vector<std::string> members = {chance.member("role", "\"" + role + "\"")};
    std::vector<std::string> parts = {text_part(chance)};
    if (chance.of(2)) parts.insert(parts.begin(), R"({"type":"image_url","image_url":{"url":"a]}"}})");
    members.push_back(chance.member("content", chance.of(3) ? chance.array(parts) : chance.string()));
    if (chance.of(3)) members.push_back(chance.member("name", chance.string()));
    if (flag && chance.of(2)) members.push_back(chance.member(chance.one_of({"prefix", "partial"}), "true"));
    return chance.object(members);
}

std::string random_messages(Chance& chance) {
    std::vector<std::string> elements;
    for (std::size_t left = chance.below(3); left != 0; --left)
        elements.push_back(message(chance, chance.one_of({"user", "assistant", "system"}), false));
    elements.push_back(message(chance, chance.of(2) ? "user" : "assistant", true));
    return chance.array(chance.of(12) ? std::vector<std::string>() : elements);
}

std::string random_body(Chance& chance, Endpoint endpoint) {
    std::vector<std::string> members;
    const auto maybe = [&](const std::string& name, std::initializer_list<std::string_view> values) {
        if (chance.of(2)) members.push_back(chance.member(name, chance.one_of(values)));
    };
    if (endpoint == Endpoint::completions)
        members.push_back(chance.member("prompt", chance.of(3) ? chance.array({chance.string()}) : chance.string()));
    else
        members.push_back(chance.member(chance.of(8) ? "m\\u0065ssages" : "messages", random_messages(chance)));
    const bool model = !chance.of(6);
    if (model) members.push_back(chance.member("model", "\"m" + chance.inside() + "\""));
    if (model) maybe("models", {"[\"a\",\"b\"]", "[]", "null"});
    maybe("route", {"\"fallback\"", "null"});
    maybe("fallback_models", {"[\"a\"]", "[ ]"});
    maybe(chance.of(8) ? "f\\u0061llback_enabled" : "fallback_enabled", {"true", "false"});
    maybe("stream", {"true"});
    maybe("stream_options", {"{}", "{ }", "null", "{\"x\":1}", "{\"include_usage\":false,\"x\":1}"});
    maybe(chance.of(8) ? "m\\u0061x_tokens" : "max_tokens", {"100", "9e1", "80.0", "null", "-1"});
    maybe("max_completion_tokens", {"100", "null"});
    maybe("continue_final_message", {"true", "false", "null", "\"content\""});
    maybe("add_generation_prompt", {"true", "false", "null"});
    maybe("provider", {"{\"order\":[\"x\"],\"models\":[1]}"});
    maybe("tools", {"[{\"type\":\"function\",\"max_tokens\":1}]"});
    maybe("metadata", {R"({"messages":[],"prompt":"a","max_tokens":1})"});
    return chance.blank() + chance.object(members) + chance.blank();
}

// ---- the oracle

std::string joined(const js::value& before, const std::string& after) {
    return std::string(before.as_string()) + after;
}

std::string_view flag_of(Endpoint endpoint, Prefill prefill) {
    if (endpoint != Endpoint::chat_completions) return {};
    return prefill == Prefill::prefix ? "prefix" : prefill == Prefill::partial ? "partial" : "";
}

bool is_prefill(const js::array& turns) {
    return !turns.empty() && turns.back().is_object() && turns.back().as_object().at("role") == "assistant";
}

void go_on(js::array& turns, const std::string& text, std::string_view flag) {
    if (!is_prefill(turns)) {
        turns.push_back({{"role", "assistant"}, {"content", text}});
    } else {
        js::value& content = turns.back().as_object().at("content");
        js::value& last = content.is_array() ? content.as_array().back().as_object().at("text") : content;
        last = joined(last, text);
        if (turns.back().as_object().contains("prefix") || turns.back().as_object().contains("partial")) return;
    }
    if (!flag.empty()) turns.back().as_object()[flag] = true;
}

js::value less(const js::value& limit, std::int64_t used) {
    const double number = limit.is_null() ? -1 : limit.to_number<double>();
    return number < 0 || used == 0 ? limit : js::value(static_cast<std::int64_t>(number) - used);
}

js::object expected(Endpoint endpoint, const js::object& before, const Asked& asked) {
    const std::string text(js::parse("\"" + std::string(asked.wish.prefix) + "\"").as_string());
    const bool final_flags =
        endpoint == Endpoint::chat_completions && asked.wish.prefill == Prefill::continue_final_message;
    bool own_prefill = endpoint == Endpoint::completions;
    if (!own_prefill) own_prefill = is_prefill(before.at("messages").as_array());
    js::object after;
    for (const auto& [name, value] : before) {
        if (name == "models" || name == "route" || name == "fallback_models" || name == "fallback_enabled") continue;
        js::value& made = after[name] = value;
        if (name == "model" && !asked.model.empty()) made = asked.model;
        if (name == "messages") go_on(made.as_array(), text, flag_of(endpoint, asked.wish.prefill));
        if (name == "prompt") {
            js::value& prompt = made.is_array() ? made.as_array()[0] : made;
            prompt = joined(prompt, text);
        }
        if (name == "max_tokens" || (name == "max_completion_tokens" && endpoint != Endpoint::messages))
            made = less(value, asked.wish.tokens_used);
        if (name == "stream_options" && asked.with_usage) {
            if (!made.is_object()) made = js::object();
            made.as_object()["include_usage"] = true;
        }
        const bool said = own_prefill && !value.is_null() && value != false;
        if (final_flags && name == "continue_final_message" && !said) made = true;
        if (final_flags && name == "add_generation_prompt") made = false;
    }
    if (asked.with_usage && !after.contains("stream_options")) after["stream_options"] = {{"include_usage", true}};
    if (final_flags && !after.contains("continue_final_message")) after["continue_final_message"] = true;
    if (final_flags && !after.contains("add_generation_prompt")) after["add_generation_prompt"] = false;
    return after;
}

/// What no splice is about stands there as it was spelt, in the same order.
bool kept(const std::string& body, const std::string& result) {
    std::vector<json::Member> members;
    json::scan(body, &members);
    std::size_t at = body.find('{');
    if (result.substr(0, at) != body.substr(0, at)) return false;
    for (const json::Member& member : members) {
        if (!json::key_is(body, member, "tools") && !json::key_is(body, member, "metadata") &&
            !json::key_is(body, member, "provider") && !json::key_is(body, member, "stream"))
            continue;
        at = result.find(body.substr(member.key.begin, member.value.end - member.key.begin), at);
        if (at == result.npos) return false;
    }
    return true;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(continuation_random)

BOOST_AUTO_TEST_CASE(what_is_spliced_is_the_object_that_was_meant) {
    constexpr std::size_t rounds = 6000;
    constexpr Prefill prefills[] = {Prefill::trailing, Prefill::prefix, Prefill::partial,
                                    Prefill::continue_final_message};
    std::size_t merged = 0, chains = 0;
    for (unsigned seed = 0; seed < rounds; ++seed) {
        Chance chance(seed);
        const Endpoint endpoint = chance.of(3)   ? Endpoint::completions
                                  : chance.of(3) ? Endpoint::messages
                                                 : Endpoint::chat_completions;
        const std::string body = random_body(chance, endpoint), prefix = chance.inside();
        const js::object before = js::parse(body).as_object();
        Asked asked{{prefills[chance.below(4)], prefix, chance.of(3) ? 0 : static_cast<std::int64_t>(chance.below(80))},
                    chance.of(2) && before.contains("model") ? "other\"model" : "",
                    endpoint != Endpoint::messages && chance.of(2)};
        const std::string result = continued(endpoint, body, asked);
        boost::system::error_code bad;
        const js::value parsed = js::parse(result, bad);
        BOOST_REQUIRE_MESSAGE(!bad, "seed " << seed << ": " << bad.message() << "\n" << body << "\n" << result);
        BOOST_REQUIRE_MESSAGE(!json::scan(result), "seed " << seed << "\n" << result);
        const std::string wanted = js::serialize(expected(endpoint, before, asked));
        BOOST_REQUIRE_MESSAGE(js::serialize(parsed) == wanted, "seed " << seed << "\n"
                                                                       << body << "\n"
                                                                       << result << "\n"
                                                                       << wanted);
        BOOST_REQUIRE_MESSAGE(kept(body, result), "seed " << seed << "\n" << body << "\n" << result);
        merged += endpoint != Endpoint::completions && is_prefill(before.at("messages").as_array());
        chains += facts(endpoint, body).vendor_chain.size() > 1;
    }
    BOOST_CHECK_GT(merged, rounds / 8);
    BOOST_CHECK_GT(chains, rounds / 8);
}

BOOST_AUTO_TEST_SUITE_END()
