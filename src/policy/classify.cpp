#include <algorithm>

#include "policy/classify_words.hpp"
#include "streamkeeper/judge.hpp"

namespace streamkeeper {
namespace {

using namespace std::chrono_literals;

/// The row that decides nothing by itself but over another one's result.
constexpr std::string_view by_header = "R0d";

/// How an exchange ended that no upstream is to blame for; nothing is tried after it.
std::string_view not_the_upstream(Cause cause) {
    switch (cause) {
        case Cause::client_gone: return "client_closed";
        case Cause::client_error:
        case Cause::client_slow: return "bad_request";
        case Cause::shutdown: return "shutdown";
        default: return {};
    }
}

/// A wait is told where the same target is to be tried again, now or by other requests: a used-up day, a used-up
/// balance or a refused request does not pass by waiting, whatever delay the vendor names beside it.
std::optional<Wait> wait_of(const Rule& rule, const Outcome& outcome) {
    const bool again = rule.verdict == Verdict::retry_same || rule.verdict == Verdict::retry_after_wait;
    if (!again && rule.reason != "overload") return std::nullopt;
    if (outcome.wait) return outcome.wait;
    if (rule.row == "R1d" && recognise::google_minute(outcome)) return 60s;
    if (rule.row == "R9c'") return 2s;
    return std::nullopt;
}

/// R0d. A resend without our own option is another request, so what the vendor says of this one does not concern it.
void obey_header(const Rule& header, bool may_retry, const Outcome& outcome, Judgement& judged) {
    const bool again = judged.verdict == Verdict::retry_same || judged.verdict == Verdict::retry_after_wait;
    if (!may_retry && again && judged.row != "R6") {
        judged.verdict = header.verdict;
        judged.row = header.row;
        judged.hint = header.hint;
    } else if (may_retry && judged.row == "R9h") {
        judged = {Verdict::retry_same, header.row, "server", outcome.wait, header.hint};
    }
}

}  // namespace

std::string_view verdict_name(Verdict verdict) {
    switch (verdict) {
        case Verdict::retry_same: return "retry_same";
        case Verdict::retry_after_wait: return "retry_after_wait";
        case Verdict::other_key: return "other_key";
        case Verdict::other_model: return "other_model";
        case Verdict::refresh_model_list: return "refresh_model_list";
        case Verdict::fail_now: return "fail_now";
    }
    return "fail_now";
}

Judgement judge(const Outcome& outcome, std::string_view without) {
    if (const std::string_view reason = not_the_upstream(outcome.cause); !reason.empty())
        return {Verdict::fail_now, {}, reason, std::nullopt, {}};
    Judgement judged{Verdict::fail_now, {}, "server", std::nullopt, {}};  // of what is no failure at all
    const Rule* header = nullptr;
    for (const Rule& rule : rules()) {
        const bool over_others = rule.row == by_header;
        if (rule.row == without || (!over_others && !judged.row.empty()) || !rule.matches(outcome)) continue;
        if (over_others)
            header = &rule;
        else
            judged = {rule.verdict, rule.row, rule.reason, wait_of(rule, outcome), rule.hint};
    }
    if (header != nullptr && !judged.row.empty()) obey_header(*header, *outcome.should_retry, outcome, judged);
    return judged;
}

}  // namespace streamkeeper
