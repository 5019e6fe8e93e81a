#include "ops/status_json.hpp"

#include <algorithm>

#include "streamkeeper/json_scan.hpp"

namespace streamkeeper {

namespace {

using Clock = std::chrono::steady_clock;

std::string seconds_until(Clock::time_point when) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(when - Clock::now()).count();
    std::string text = std::to_string(std::max<long>(0, left) / 1000) + ".";
    const std::string rest = std::to_string(std::max<long>(0, left) % 1000);
    return text + std::string(3 - rest.size(), '0') + rest;
}

std::string because(const GateSnapshot& gate) {
    switch (gate.cause) {
        case GateCause::rate_limit: return "the vendor answered " + std::to_string(gate.why.status);
        case GateCause::pace: return "the configured rate_limits are used up";
        case GateCause::failing: return "five failures in a row";
        case GateCause::in_flight: return "max_in_flight requests are on the wire";
    }
    return {};
}

std::string key_json(const KeySnapshot& key) {
    std::string text = R"({"name":)" + json::quote(key.name) + R"(,"key":)" + json::quote(key.shown) + R"(,"state":")" +
                       std::string(key_state_label(key.state)) + "\"";
    if (key.refusal.status != 0)
        text += R"(,"refused_with":{"status":)" + std::to_string(key.refusal.status) + R"(,"code":)" +
                json::quote(key.refusal.code) + "}";
    return text + "}";
}

std::string gate_json(const GateSnapshot& gate, const UpstreamSnapshot& upstream) {
    std::string text = R"({"scope":")" + std::string(scope_label(gate)) + R"(","cause":")" +
                       std::string(gate_cause_label(gate.cause)) + "\"";
    if (gate.key && *gate.key < upstream.keys.size()) text += R"(,"key":)" + json::quote(upstream.keys[*gate.key].name);
    if (!gate.model.empty()) text += R"(,"model":)" + json::quote(gate.model);
    if (gate.why.until) text += R"(,"opens_in_seconds":)" + seconds_until(*gate.why.until);
    return text + R"(,"because":)" + json::quote(because(gate)) + R"(,"waiting":)" + std::to_string(gate.waiting) + "}";
}

/// One model whose open turns were tried.
template <class Value>
std::string said(const std::optional<Value>& value, std::string_view (*label)(Value)) {
    return value ? json::quote(label(*value)) : "null";
}

std::string seam_json(const Capabilities::Row& row) {
    return R"({"model":)" + json::quote(row.model) + R"(,"kind":)" + json::quote(row.kind) + R"(,"prefill":")" +
           std::string(prefill_label(row.learnt.prefill)) + R"(","seam":")" + std::string(seam_label(row.learnt.seam)) +
           R"(","forgotten_in_seconds":)" + seconds_until(row.learnt.until) + "}";
}

}  // namespace

std::string upstream_json(const UpstreamSnapshot& upstream) {
    std::string text = R"({"name":)" + json::quote(upstream.name) + R"(,"base_url":)" + json::quote(upstream.base_url);
    text += R"(,"keys":[)";
    for (const KeySnapshot& key : upstream.keys) text += (&key == &upstream.keys.front() ? "" : ",") + key_json(key);
    text += R"(],"gates":[)";
    for (const GateSnapshot& gate : upstream.gates)
        text += (&gate == &upstream.gates.front() ? "" : ",") + gate_json(gate, upstream);
    text += R"(],"capability":{"prefill":)" + said(upstream.capability.prefill, prefill_label) + R"(,"seam":)" +
            said(upstream.capability.seam, seam_label) + R"(,"from":")" + std::string(upstream.capability_from) + "\"}";
    text += R"(,"resume":[)";
    for (const Capabilities::Row& row : upstream.seams)
        text += (&row == &upstream.seams.front() ? "" : ",") + seam_json(row);
    return text + R"(],"requests_in_flight":)" + std::to_string(upstream.in_flight) + R"(,"requests_waiting":)" +
           std::to_string(upstream.waiting) + R"(,"connections":{"idle":)" + std::to_string(upstream.idle) +
           R"(,"busy":)" + std::to_string(upstream.busy) + "}}";
}

}  // namespace streamkeeper
