// What becomes of a body: spans that are replaced, everything else as the client wrote it.
#include <algorithm>

#include "streamkeeper/plan.hpp"

namespace streamkeeper {

namespace {

/// Asks for usage; the client's other stream options stay byte for byte.
Splice usage_splice(std::string_view body, const BodyFacts& facts, bool members_before) {
    constexpr std::string_view asked = R"({"include_usage":true})";
    if (!facts.stream_options) {
        const std::string comma = members_before ? "," : "";
        return {facts.closing_brace, facts.closing_brace, comma + R"("stream_options":)" + std::string(asked)};
    }
    const json::Span span = facts.stream_options->value;
    if (facts.stream_options->kind != json::Kind::object) return {span.begin, span.end, std::string(asked)};
    const std::string_view object = span.in(body);
    std::vector<json::Member> members;
    json::scan(object, &members);
    for (const json::Member& member : members)
        if (json::key_is(object, member, "include_usage"))
            return {span.begin + member.value.begin, span.begin + member.value.end, "true"};
    const std::string comma = members.empty() ? "" : ",";
    return {span.end - 1, span.end - 1, comma + R"("include_usage":true)"};
}

/// The chain for a vendor that walks it itself (Apertis: fallback_enabled is false unless it is said).
std::string vendor_chain(const std::vector<std::string>& models) {
    std::string list;
    for (const std::string& model : models) list.append(list.empty() ? "" : ",").append(json::quote(model));
    return R"("fallback_models":[)" + list + R"(],"fallback_enabled":true)";
}

}  // namespace

bool wants_usage(const Upstream& upstream, Endpoint endpoint, const BodyFacts& facts, bool refused) {
    const bool has_option = endpoint == Endpoint::chat_completions || endpoint == Endpoint::completions;
    if (!facts.stream || !has_option || facts.usage_asked || refused) return false;
    return upstream.stream_usage != StreamUsage::off;
}

std::vector<Splice> splices_for(std::string_view body, const BodyFacts& facts, const Plan& plan, const Target& target,
                                bool with_usage) {
    std::vector<Splice> splices;
    if (target.model != facts.model && facts.model_span.size() > 0)
        splices.push_back({facts.model_span.begin, facts.model_span.end, json::quote(target.model)});
    for (const Cut& cut : facts.fallback_fields) splices.push_back({cut.begin, cut.end, {}});
    bool members = facts.members > facts.fallback_members;
    if (with_usage) splices.push_back(usage_splice(body, facts, members));
    members = members || with_usage;
    if (!plan.vendor_chain.empty())
        splices.push_back(
            {facts.closing_brace, facts.closing_brace, (members ? "," : "") + vendor_chain(plan.vendor_chain)});
    std::stable_sort(splices.begin(), splices.end(),
                     [](const Splice& a, const Splice& b) { return a.begin < b.begin; });
    return splices;
}

void add_stream(std::vector<Splice>& splices, const BodyFacts& facts) {
    Splice splice{facts.closing_brace, facts.closing_brace, R"(,"stream":true)"};
    if (facts.stream_member) splice = {facts.stream_member->value.begin, facts.stream_member->value.end, "true"};
    const auto behind = std::upper_bound(splices.begin(), splices.end(), splice.begin,
                                         [](std::size_t at, const Splice& other) { return at < other.begin; });
    splices.insert(behind, std::move(splice));
}

std::vector<std::string_view> spliced(std::string_view body, const std::vector<Splice>& splices) {
    std::vector<std::string_view> pieces;
    pieces.reserve(2 * splices.size() + 1);
    std::size_t at = 0;
    for (const Splice& splice : splices) {
        if (splice.begin > at) pieces.push_back(body.substr(at, splice.begin - at));
        if (!splice.text.empty()) pieces.push_back(splice.text);
        at = splice.end;
    }
    if (at < body.size()) pieces.push_back(body.substr(at));
    return pieces;
}

}  // namespace streamkeeper
