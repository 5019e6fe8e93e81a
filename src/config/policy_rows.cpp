#include "policy_rows.hpp"

namespace streamkeeper::configuration {
namespace {

constexpr std::int64_t second = 1000, hour = 3600 * second;

/// No list of models that a person writes is longer, and each entry may cost a call.
constexpr std::int64_t longest_chain = 16;

Entry chain(std::string path, std::string_view meaning) {
    return {
        .path = std::move(path), .kind = Kind::chain, .fallback = "[]", .meaning = meaning, .highest = longest_chain};
}

Entry calls(std::string path, std::string_view fallback, std::string_view meaning) {
    return {.path = std::move(path),
            .kind = Kind::number,
            .fallback = fallback,
            .meaning = meaning,
            .lowest = 1,
            .highest = 100};
}

/// A pause without an end would be no pause, so `off` is none.
Entry pause(std::string path, std::string_view fallback, std::string_view meaning) {
    return {.path = std::move(path), .kind = Kind::duration, .fallback = fallback, .meaning = meaning, .highest = hour};
}

std::vector<Entry> rate_limit_rows() {
    return {
        {.path = "upstreams.NAME.rate_limits",
         .kind = Kind::list,
         .meaning = "What the vendor allows, kept by waiting here instead of being refused there: in no window of "
                    "length `per` are more than `requests` sent, retries included. A list of your own replaces the "
                    "preset's; `[]` paces nothing.",
         .otherwise = "the preset's; none without one"},
        {.path = "upstreams.NAME.rate_limits[].requests",
         .kind = Kind::number,
         .meaning = "The most sends in one window.",
         .lowest = 1,
         .highest = 1'000'000,
         .presence = Presence::required},
        {.path = "upstreams.NAME.rate_limits[].per",
         .kind = Kind::duration,
         .meaning = "The window's length.",
         .highest = 31 * 24 * hour,
         .presence = Presence::required},
        {.path = "upstreams.NAME.rate_limits[].scope",
         .kind = Kind::choice,
         .meaning = "What is counted together: each `key` for itself, all keys (`account`), or all that leaves this "
                    "machine (`ip`).",
         .choices = "key|account|ip",
         .otherwise = "the upstream's `limit_scope`"},
    };
}

std::vector<Entry> scope_rows() {
    return {
        {.path = "upstreams.NAME.key_order",
         .kind = Kind::choice,
         .fallback = "failover",
         .meaning = "`failover`: the first key that is usable, in the order of `keys`; `round_robin`: each usable key "
                    "in turn.",
         .choices = "failover|round_robin"},
        {.path = "upstreams.NAME.limit_scope",
         .kind = Kind::choice,
         .meaning = "Who shares a 429 of this vendor: the `key` that met it, all keys (`account`), or all that leaves "
                    "this machine (`ip`). Another key is tried only if it is `key`.",
         .choices = "key|account|ip",
         .otherwise = "the preset's; `key` without one"},
        {.path = "upstreams.NAME.limit_per_model",
         .kind = Kind::flag,
         .fallback = "true",
         .meaning = "A 429 closes one model of that scope; `false`: the whole scope."},
    };
}

std::vector<Entry> queue_rows() {
    return {
        {.path = "upstreams.NAME.max_in_flight",
         .kind = Kind::number,
         .fallback = "64",
         .meaning = "The most requests that this upstream works on at a time; more wait.",
         .lowest = 1,
         .highest = 1'000'000},
        {.path = "upstreams.NAME.queue",
         .kind = Kind::number,
         .fallback = "256",
         .meaning = "The most requests that wait for this upstream; more are answered 429 `queue_full`. `0`: none "
                    "waits.",
         .lowest = 0,
         .highest = 1'000'000},
        {.path = "upstreams.NAME.fallback_by",
         .kind = Kind::choice,
         .fallback = "client",
         .meaning = "Who walks a chain of models that begins here. `client`: streamkeeper; `vendor`: the vendor, which "
                    "is sent `fallback_models` and `fallback_enabled: true` (Apertis knows them); `off`: nobody.",
         .choices = "client|vendor|off"},
    };
}

}  // namespace

std::vector<Entry> pacing_rows() {
    std::vector<Entry> all = scope_rows();
    for (const auto& rows : {rate_limit_rows(), queue_rows()}) all.insert(all.end(), rows.begin(), rows.end());
    return all;
}

std::vector<Entry> model_rows() {
    return {
        {.path = "models", .kind = Kind::names, .meaning = "Settings of single models, by the vendor's name of them."},
        {.path = "models.NAME", .kind = Kind::map, .meaning = "One model."},
        {.path = "models.NAME.upstream",
         .kind = Kind::name,
         .meaning = "The upstream that serves it.",
         .otherwise = "`default_upstream`"},
        chain("models.NAME.fallback",
              "The models to try, in this order, when this one fails and another may not; at most 16. How an entry is "
              "read stands below."),
        {.path = "models.NAME.context",
         .kind = Kind::number,
         .fallback = "0",
         .meaning = "Its context window in tokens; `0`: unknown. A request that is too long for one model is tried "
                    "only with a larger one.",
         .lowest = 0,
         .highest = 1'000'000'000},
        {.path = "models.NAME.timeouts",
         .kind = Kind::map,
         .meaning = "Overrides for this model; they win over its upstream's.",
         .otherwise = "its upstream's"},
        {.path = "models.NAME.resume",
         .kind = Kind::map,
         .meaning = "Overrides for this model; they win over its upstream's.",
         .otherwise = "its upstream's"},
        {.path = "aliases", .kind = Kind::names, .meaning = "The client's name of a model → the real one."},
        {.path = "aliases.NAME",
         .kind = Kind::text,
         .meaning = "The real name; it may name its upstream, as in `tsystems/Llama-3.3-70B-Instruct`, or be another "
                    "alias."},
        {.path = "model_names",
         .kind = Kind::choice,
         .fallback = "fix",
         .meaning = "After an upstream refused a model's name, `fix` tries the one name of its list that differs only "
                    "in case, spaces, `-`, `_` and `.`; `exact` tries none.",
         .choices = "exact|fix"},
        {.path = "fallback_on", .kind = Kind::map, .meaning = "Chains for one cause, tried before the model's own."},
        chain("fallback_on.context_length", "When a request is too long for its model."),
        chain("fallback_on.content_policy", "When the vendor's content filter refuses a request."),
    };
}

std::vector<Entry> retry_rows() {
    return {
        {.path = "retry", .kind = Kind::map, .meaning = "What is done again before the client has seen any output."},
        calls("retry.attempts", "6",
              "The most upstream calls for one request. A call that was answered with a wait costs none."),
        calls("retry.per_target", "4",
              "The most of them at one upstream, key and model while another is left; the only one gets all "
              "`attempts`."),
        pause(
            "retry.base", "1s",
            "The pause before attempt n is a random half to whole of `base` · 2ⁿ⁻¹, but never shorter than the vendor "
            "asked for."),
        pause("retry.cap", "30s", "The longest such pause, unless the vendor asked for a longer one."),
        {.path = "retry.deadline",
         .kind = Kind::map,
         .meaning = "Counted from the request's arrival: past it no wait and no attempt begins. A running attempt is "
                    "bounded by `timeouts` alone. `off`: no bound."},
        {.path = "retry.deadline.stream",
         .kind = Kind::duration,
         .fallback = "240s",
         .meaning = "For streams, whose clients are kept awake by comments. `0s` waits for nothing.",
         .lowest = -1},
        {.path = "retry.deadline.other",
         .kind = Kind::duration,
         .fallback = "110s",
         .meaning = "For all other requests, whose clients hear nothing until the answer. `0s` waits for nothing.",
         .lowest = -1},
    };
}

std::vector<Entry> stream_rows() {
    return {
        {.path = "stream", .kind = Kind::map, .meaning = "What a stream's client sees while streamkeeper waits."},
        {.path = "stream.commit_hold",
         .kind = Kind::duration,
         .fallback = "5s",
         .meaning = "A stream's 200 is sent with its first output or after this time; until then a failure is "
                    "invisible or a real status. `0s`: at once; `off`: with the first output alone.",
         .lowest = -1},
        {.path = "stream.heartbeat",
         .kind = Kind::duration,
         .fallback = "5s",
         .meaning = "How often a comment line (`: hb`) breaks the silence once the 200 is sent; `off`: never."},
        {.path = "stream.assemble",
         .kind = Kind::choice,
         .fallback = "auto",
         .meaning = "Whether a request for an answer in one piece is sent as a stream, which survives idle limits, and "
                    "its answer put together here. `auto`: once an attempt was cut or timed out; `always`: from the "
                    "first one; `off`: never.",
         .choices = "off|auto|always"},
    };
}

}  // namespace streamkeeper::configuration
