#include "mock/hints.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "mock/values.hpp"

namespace streamkeeper::mock {
namespace {

constexpr std::array table{
    HintWord{"retry_after", HintForm::retry_after, false},
    HintWord{"retry_after_ms", HintForm::retry_after_ms, false},
    HintWord{"retry_after_date", HintForm::retry_after_date, true},
    HintWord{"retry_after_rfc850", HintForm::retry_after_rfc850, true},
    HintWord{"retry_after_asctime", HintForm::retry_after_asctime, true},
    HintWord{"reset", HintForm::reset, true},
    HintWord{"reset_ms", HintForm::reset_ms, true},
    HintWord{"reset_in", HintForm::reset_in, false},
    HintWord{"reset_requests", HintForm::reset_requests, false},
    HintWord{"reset_tokens", HintForm::reset_tokens, false},
    HintWord{"anthropic_reset", HintForm::anthropic_reset, true},
    HintWord{"ratelimit_reset", HintForm::ratelimit_reset, false},
    HintWord{"ratelimit", HintForm::ratelimit, false},
    HintWord{"try_again", HintForm::try_again, false},
    HintWord{"retry_delay", HintForm::retry_delay, false},
    HintWord{"retry_after_seconds", HintForm::retry_after_seconds, false},
};

// True waits are rounded up: whoever waits until then is admitted.

std::int64_t wait_ms(const Moment& moment) { return std::chrono::ceil<std::chrono::milliseconds>(moment.wait).count(); }
std::int64_t wait_seconds(const Moment& moment) { return std::chrono::ceil<std::chrono::seconds>(moment.wait).count(); }

double seconds_of(const Hint& hint) { return seconds_number(hint.value).value_or(0); }

/// A second since 1970, by the clock that Date shows.
std::int64_t instant(const Hint& hint, const Moment& moment) {
    if (!hint.value.empty()) return moment.shown() + static_cast<std::int64_t>(std::ceil(seconds_of(hint)));
    return std::chrono::ceil<std::chrono::seconds>(moment.now_since_1970 + moment.wait).count() + moment.skew.count();
}

/// The same in milliseconds.
std::int64_t instant_ms(const Hint& hint, const Moment& moment) {
    const auto ahead = hint.value.empty() ? moment.wait : Instant(std::llround(seconds_of(hint) * 1'000'000));
    return std::chrono::ceil<std::chrono::milliseconds>(moment.now_since_1970 + moment.skew + ahead).count();
}

/// The true wait as the form writes it.
std::string true_wait(HintForm form, const Moment& moment) {
    const std::string in_ms = std::to_string(wait_ms(moment));
    switch (form) {
        case HintForm::retry_after_ms: return in_ms;
        case HintForm::reset_requests:
        case HintForm::reset_tokens:
        case HintForm::try_again: return in_ms + "ms";
        case HintForm::retry_delay: return std::to_string(wait_seconds(moment)) + 's';
        default: return std::to_string(wait_seconds(moment));
    }
}

/// Limit and remaining stand beside a reset, which says nothing without them (errors.md, pitfalls).
void append_reset(std::string& out, std::array<std::string_view, 3> names, std::array<std::string_view, 3> values) {
    for (std::size_t i = 0; i < names.size(); ++i) out.append(names[i]).append(": ").append(values[i]).append("\r\n");
}

}  // namespace

std::span<const HintWord> hint_words() { return table; }

const HintWord* hint_named(std::string_view name) {
    const auto* it = std::find_if(table.begin(), table.end(), [name](const auto& each) { return each.name == name; });
    return it == table.end() ? nullptr : it;
}

Moment Moment::now() {
    return {std::chrono::duration_cast<Instant>(std::chrono::system_clock::now().time_since_epoch()), {}, {}};
}

std::string date_text(std::int64_t second, const char* form) {
    std::array<char, 64> text{};
    const auto time = static_cast<std::time_t>(second);
    std::tm broken{};
    gmtime_r(&time, &broken);
    return {text.data(), std::strftime(text.data(), text.size(), form, &broken)};
}

std::string value_of(const Hint& hint, const Moment& moment) {
    switch (hint.form) {
        case HintForm::retry_after_date: return date_text(instant(hint, moment));
        case HintForm::retry_after_rfc850: return date_text(instant(hint, moment), "%A, %d-%b-%y %H:%M:%S GMT");
        case HintForm::retry_after_asctime: return date_text(instant(hint, moment), "%a %b %e %H:%M:%S %Y");
        case HintForm::reset: return std::to_string(instant(hint, moment));
        case HintForm::reset_ms: return std::to_string(instant_ms(hint, moment));
        case HintForm::anthropic_reset: return date_text(instant(hint, moment), "%Y-%m-%dT%H:%M:%SZ");
        default: return hint.value.empty() ? true_wait(hint.form, moment) : hint.value;
    }
}

void append_fields(std::string& out, const Hint& hint, const Fault& fault, const Moment& moment,
                   std::string_view limit) {
    const std::string value = value_of(hint, moment);
    const std::string_view remaining = fault.remaining.empty() ? "0" : std::string_view(fault.remaining);
    const auto line = [&](std::string_view name) { out.append(name).append(": ").append(value).append("\r\n"); };
    const auto reset = [&](std::array<std::string_view, 3> names) {
        append_reset(out, names, {limit, remaining, value});
    };
    switch (hint.form) {
        case HintForm::retry_after:
        case HintForm::retry_after_date:
        case HintForm::retry_after_rfc850:
        case HintForm::retry_after_asctime: return line("Retry-After");
        case HintForm::retry_after_ms: return line("retry-after-ms");
        case HintForm::reset:
        case HintForm::reset_ms:
        case HintForm::reset_in: return reset({"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"});
        case HintForm::reset_requests:
            return reset(
                {"x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"});
        case HintForm::reset_tokens:
            return reset({"x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"});
        case HintForm::anthropic_reset:
            return reset({"anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining",
                          "anthropic-ratelimit-requests-reset"});
        case HintForm::ratelimit_reset: return reset({"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"});
        case HintForm::ratelimit: {
            out.append("RateLimit: \"default\";r=").append(remaining).append(";t=").append(value).append("\r\n");
            return;
        }
        case HintForm::try_again:
        case HintForm::retry_delay:
        case HintForm::retry_after_seconds: return;
    }
}

}  // namespace streamkeeper::mock
