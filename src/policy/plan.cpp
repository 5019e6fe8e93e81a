#include "streamkeeper/plan.hpp"

#include <algorithm>
#include <charconv>

#include "streamkeeper/traffic.hpp"

namespace streamkeeper {

namespace {

http::Refusal invalid_json(std::string_view body, std::size_t offset, const std::string& what) {
    const json::Position at = json::position_of(body, offset);
    return {400, "invalid_json",
            "the request body is not valid JSON: line " + std::to_string(at.line) + ", column " +
                std::to_string(at.column) + ": " + what + ". It was not sent."};
}

http::Refusal invalid_parameter(std::string message) { return {400, "invalid_parameter", std::move(message)}; }

/// Apertis' own chain (vendors.md, 1.1).
bool is_fallback_field(std::string_view body, const json::Member& member) {
    return json::key_is(body, member, "fallback_models") || json::key_is(body, member, "fallback_enabled");
}

std::vector<std::string> strings_in(std::string_view array) {
    std::vector<std::string> strings;
    if (!array.starts_with('[')) return strings;
    json::for_each_element(
        array,
        [](std::string_view element, void* context) {
            std::string text = json::unquote(element);
            if (!text.empty()) static_cast<std::vector<std::string>*>(context)->push_back(std::move(text));
        },
        &strings);
    return strings;
}

/// Each run of such members with one comma: the one behind it, or the one before it at the object's end.
std::vector<Cut> fallback_cuts(std::string_view body, const std::vector<json::Member>& members) {
    std::vector<Cut> cuts;
    for (std::size_t i = 0; i < members.size(); ++i) {
        if (!is_fallback_field(body, members[i])) continue;
        const std::size_t first = i;
        while (i + 1 < members.size() && is_fallback_field(body, members[i + 1])) ++i;
        if (i + 1 < members.size())
            cuts.push_back({members[first].key.begin, members[i + 1].key.begin});
        else
            cuts.push_back({first > 0 ? members[first - 1].value.end : members[0].key.begin, members[i].value.end});
    }
    return cuts;
}

std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
    while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
    return text;
}

std::vector<std::string> names_in(std::string_view list) {
    std::vector<std::string> names;
    while (!list.empty()) {
        const std::size_t comma = list.find(',');
        if (const std::string_view name = trimmed(list.substr(0, comma)); !name.empty()) names.emplace_back(name);
        list = comma == list.npos ? std::string_view() : list.substr(comma + 1);
    }
    return names;
}

/// Puts the targets of one (upstream, model) behind the others: one for each key, in the upstream's order.
void add_group(Plan& plan, const Route& route, const KnownOf& known_of, std::string_view only_for) {
    const Known known = known_of(route.upstream);
    Target target{route.upstream, nullptr, route.model, known.traffic};
    target.group = plan.targets.empty() ? 0 : plan.targets.back().group + 1;
    target.only_for = only_for;
    if (const auto right = known.traffic->corrected.find(route.model); right != known.traffic->corrected.end())
        target.model = right->second;
    const std::vector<Key>& keys = route.upstream->keys;
    if (keys.empty()) return plan.targets.push_back(std::move(target));
    const bool turns = route.upstream->key_order == KeyOrder::round_robin && keys.size() > 1;
    const std::size_t first = turns ? known.traffic->turn++ % keys.size() : 0;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        target.key = &keys[(first + i) % keys.size()];
        target.slot = known.slots[(first + i) % keys.size()];
        if (i + 1 == keys.size()) return plan.targets.push_back(std::move(target));
        plan.targets.push_back(target);
    }
}

/// A chain's entries that are not in the plan yet.
void add_chain(Plan& plan, const Config& config, const std::vector<std::string>& chain, const KnownOf& known_of,
               std::string_view only_for) {
    if (chain.empty()) return;
    const std::shared_ptr<const Upstream> home = plan.targets.front().upstream;
    for (const std::string& entry : chain) {
        const Route next = chain_entry(config, home, entry);
        const bool there = std::any_of(plan.targets.begin(), plan.targets.end(), [&](const Target& target) {
            return target.upstream == next.upstream && target.model == next.model && target.only_for.empty();
        });
        if (!there) add_group(plan, next, known_of, only_for);
    }
}

}  // namespace

std::variant<BodyFacts, http::Refusal> read_body(std::string_view body) {
    std::vector<json::Member> members;
    members.reserve(16);
    if (const std::optional<json::Mistake> mistake = json::scan(body, &members))
        return invalid_json(body, mistake->offset, mistake->what);
    const std::size_t first = body.find_first_not_of(" \t\r\n");
    if (body[first] != '{') return invalid_json(body, first, "expected an object");
    BodyFacts facts;
    facts.closing_brace = body.find_last_of('}');
    facts.members = members.size();
    for (const json::Member& member : members) {
        const std::string_view value = member.value.in(body);
        if (json::key_is(body, member, "model")) {
            if (facts.model_span.size() > 0) return invalid_parameter("the body has more than one 'model'");
            if (member.kind != json::Kind::string) return invalid_parameter("'model' must be a string");
            facts.model_span = member.value;
            facts.model = json::unquote(value);
        } else if (json::key_is(body, member, "stream")) {
            facts.stream = value == "true";
            facts.stream_member = member;
        } else if (json::key_is(body, member, "n")) {
            std::from_chars(value.data(), value.data() + value.size(), facts.choices);
        } else if (json::key_is(body, member, "stream_options")) {
            facts.stream_options = member;
            facts.usage_asked = member.kind == json::Kind::object && json::find(value, "include_usage") == "true";
        } else if (is_fallback_field(body, member)) {
            ++facts.fallback_members;
            if (json::key_is(body, member, "fallback_models")) facts.fallback_models = strings_in(value);
        }
    }
    if (facts.fallback_members > 0) facts.fallback_fields = fallback_cuts(body, members);
    return facts;
}

Timeouts timeouts_for(const Config& config, const Upstream& upstream, std::string_view model) {
    Timeouts timeouts = upstream.timeouts.over(config.timeouts);
    const auto configured = config.models.find(std::string(model));
    return configured == config.models.end() ? timeouts : configured->second.timeouts.over(timeouts);
}

Resume resume_for(const Config& config, const Upstream& upstream, std::string_view model) {
    Resume resume = upstream.resume.over(config.resume);
    resume.preset = upstream.preset_capability;
    const auto configured = config.models.find(std::string(model));
    return configured == config.models.end() ? resume : configured->second.resume.over(resume);
}

Plan make_plan(const Config& config, const Route& chosen, const BodyFacts& facts,
               std::optional<std::string_view> fallback_header, const KnownOf& known_of) {
    Plan plan;
    add_group(plan, chosen, known_of, {});
    const FallbackBy by = chosen.upstream->fallback_by;
    if (by == FallbackBy::off || (fallback_header && *fallback_header == "off")) return plan;
    const auto configured = config.models.find(chosen.model);
    const std::vector<std::string> none;
    const std::vector<std::string>& own = configured == config.models.end() ? none : configured->second.fallback;
    if (by == FallbackBy::vendor) {
        plan.vendor_chain = fallback_header                 ? names_in(*fallback_header)
                            : facts.fallback_models.empty() ? own
                                                            : facts.fallback_models;
        return plan;
    }
    if (!fallback_header && facts.fallback_models.empty() && own.empty() && config.fallback_on.context_length.empty() &&
        config.fallback_on.content_policy.empty())
        return plan;
    if (fallback_header) {
        add_chain(plan, config, names_in(*fallback_header), known_of, {});
    } else if (!facts.fallback_models.empty()) {
        add_chain(plan, config, facts.fallback_models, known_of, {});
    } else {
        add_chain(plan, config, config.fallback_on.context_length, known_of, "context_length");
        add_chain(plan, config, config.fallback_on.content_policy, known_of, "content_policy");
        add_chain(plan, config, own, known_of, {});
    }
    return plan;
}

Plan make_plan(const Route& chosen, const KnownOf& known_of) {
    Plan plan;
    add_group(plan, chosen, known_of, {});
    return plan;
}

}  // namespace streamkeeper
