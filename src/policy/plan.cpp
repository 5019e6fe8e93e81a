#include "streamkeeper/plan.hpp"

#include <algorithm>
#include <charconv>

namespace streamkeeper {

namespace {

http::Refusal invalid_json(std::string_view body, std::size_t offset, const std::string& what) {
    const json::Position at = json::position_of(body, offset);
    return {400, "invalid_json",
            "the request body is not valid JSON: line " + std::to_string(at.line) + ", column " +
                std::to_string(at.column) + ": " + what + ". It was not sent."};
}

http::Refusal invalid_parameter(std::string message) { return {400, "invalid_parameter", std::move(message)}; }

/// `a/b` with `a` an upstream's name.
std::optional<Route> named(const Config& config, std::string_view model) {
    const std::size_t slash = model.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    std::shared_ptr<const Upstream> upstream = config.upstream_ptr(model.substr(0, slash));
    if (!upstream) return std::nullopt;
    return Route{std::move(upstream), std::string(model.substr(slash + 1))};
}

std::string resolve_alias(const Config& config, std::string_view model) {
    std::string name(model);
    // The loader refuses loops; the bound only keeps a mistake there from hanging the daemon.
    for (int hops = 0; hops < 32; ++hops) {
        const auto alias = config.aliases.find(name);
        if (alias == config.aliases.end()) break;
        name = alias->second;
    }
    return name;
}

/// Asks for usage; the client's other stream options stay byte for byte.
Splice usage_splice(std::string_view body, const BodyFacts& facts) {
    constexpr std::string_view asked = R"({"include_usage":true})";
    if (!facts.stream_options) {
        const std::string comma = facts.has_members ? "," : "";
        return {facts.closing_brace, facts.closing_brace, comma + R"("stream_options":)" + std::string(asked), true};
    }
    const json::Span span = facts.stream_options->value;
    if (facts.stream_options->kind != json::Kind::object) return {span.begin, span.end, std::string(asked), true};
    const std::string_view object = span.in(body);
    std::vector<json::Member> members;
    json::scan(object, &members);
    for (const json::Member& member : members)
        if (json::key_is(object, member, "include_usage"))
            return {span.begin + member.value.begin, span.begin + member.value.end, "true", true};
    const std::string comma = members.empty() ? "" : ",";
    return {span.end - 1, span.end - 1, comma + R"("include_usage":true)", true};
}

}  // namespace

std::string_view default_name(const Config& config) {
    return config.default_upstream.empty() ? std::string_view(config.upstreams.front()->name)
                                           : std::string_view(config.default_upstream);
}

std::variant<BodyFacts, http::Refusal> read_body(std::string_view body) {
    std::vector<json::Member> members;
    members.reserve(16);
    if (const std::optional<json::Mistake> mistake = json::scan(body, &members))
        return invalid_json(body, mistake->offset, mistake->what);
    const std::size_t first = body.find_first_not_of(" \t\r\n");
    if (body[first] != '{') return invalid_json(body, first, "expected an object");
    BodyFacts facts;
    facts.closing_brace = body.find_last_of('}');
    facts.has_members = !members.empty();
    for (const json::Member& member : members) {
        const std::string_view value = member.value.in(body);
        if (json::key_is(body, member, "model")) {
            if (facts.model_span.size() > 0) return invalid_parameter("the body has more than one 'model'");
            if (member.kind != json::Kind::string) return invalid_parameter("'model' must be a string");
            facts.model_span = member.value;
            facts.model = json::unquote(value);
        } else if (json::key_is(body, member, "stream")) {
            facts.stream = value == "true";
        } else if (json::key_is(body, member, "n")) {
            std::from_chars(value.data(), value.data() + value.size(), facts.choices);
        } else if (json::key_is(body, member, "stream_options")) {
            facts.stream_options = member;
            facts.usage_asked = member.kind == json::Kind::object && json::find(value, "include_usage") == "true";
        }
    }
    return facts;
}

bool needs_default_list(const Config& config, std::string_view forced_upstream, std::string_view model) {
    return forced_upstream.empty() && config.aliases.find(std::string(model)) == config.aliases.end() &&
           named(config, model);
}

std::variant<Route, http::Refusal> route(const Config& config, std::string_view forced_upstream, std::string_view model,
                                         const InDefaultList& in_list) {
    if (!forced_upstream.empty()) {
        std::shared_ptr<const Upstream> upstream = config.upstream_ptr(forced_upstream);
        if (!upstream)
            return http::Refusal{
                404, "unknown_upstream",
                "there is no upstream '" + std::string(forced_upstream) + "' in streamkeeper's configuration"};
        return Route{std::move(upstream), resolve_alias(config, model)};
    }
    const std::string name = resolve_alias(config, model);
    const bool aliased = name != model;
    if (std::optional<Route> found = named(config, name); found && (aliased || !in_list(name)))
        return std::move(*found);
    const auto configured = config.models.find(name);
    if (configured != config.models.end() && !configured->second.upstream.empty())
        return Route{config.upstream_ptr(configured->second.upstream), name};
    return Route{config.upstream_ptr(default_name(config)), name};
}

Timeouts timeouts_for(const Config& config, const Upstream& upstream, std::string_view model) {
    Timeouts timeouts = upstream.timeouts.over(config.timeouts);
    const auto configured = config.models.find(std::string(model));
    return configured == config.models.end() ? timeouts : configured->second.timeouts.over(timeouts);
}

Plan make_plan(const Config& config, const Route& chosen, Endpoint endpoint, std::string_view body,
               const BodyFacts& facts, bool usage_refused) {
    Plan plan;
    const Key* const key = chosen.upstream->keys.empty() ? nullptr : &chosen.upstream->keys.front();
    plan.targets.push_back({chosen.upstream, key, chosen.model});
    plan.timeouts = timeouts_for(config, *chosen.upstream, chosen.model);
    if (chosen.model != facts.model)
        plan.splices.push_back({facts.model_span.begin, facts.model_span.end, json::quote(chosen.model)});
    const StreamUsage wish = chosen.upstream->stream_usage;
    const bool wanted = wish == StreamUsage::on || (wish == StreamUsage::automatic && !usage_refused);
    const bool has_option = endpoint == Endpoint::chat_completions || endpoint == Endpoint::completions;
    plan.usage_injected = facts.stream && has_option && wanted && !facts.usage_asked;
    if (plan.usage_injected) plan.splices.push_back(usage_splice(body, facts));
    std::sort(plan.splices.begin(), plan.splices.end(),
              [](const Splice& a, const Splice& b) { return a.begin < b.begin; });
    return plan;
}

std::vector<std::string_view> spliced(std::string_view body, const std::vector<Splice>& splices, bool with_usage) {
    std::vector<std::string_view> pieces;
    std::size_t at = 0;
    for (const Splice& splice : splices) {
        if (splice.usage && !with_usage) continue;
        if (splice.begin > at) pieces.push_back(body.substr(at, splice.begin - at));
        if (!splice.text.empty()) pieces.push_back(splice.text);
        at = splice.end;
    }
    if (at < body.size()) pieces.push_back(body.substr(at));
    return pieces;
}

}  // namespace streamkeeper
