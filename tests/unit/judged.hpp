/// What the tests of the judge share: answers of vendors as outcomes, and a judgement in one line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hints.hpp"
#include "streamkeeper/judge.hpp"

namespace streamkeeper::judged {

struct Answer {
    int status = 0;
    hints::Headers headers;
    std::string body;
};

inline Outcome outcome_of(const Answer& answer, hints::SystemTime now = hints::now) {
    const http::Fields fields = hints::fields_of(answer.headers);
    Outcome outcome;
    outcome.phase = Phase::before_output;
    outcome.status = answer.status;
    outcome.usage_was_injected = true;
    const std::string_view type = fields.get("content-type");
    outcome.error = read_vendor_error(answer.status, type, answer.body);
    outcome.event_stream = type.starts_with("text/event-stream");
    const bool success = answer.status < 300;
    if (outcome.error.html || answer.status / 100 == 3)
        outcome.cause = Cause::not_an_api;
    else if (success)
        outcome.cause = outcome.error.eff_status >= 400 ? Cause::stream_error : Cause::closed;
    outcome.should_retry = should_retry(fields);
    outcome.wait = wait_hint(answer.status, fields, outcome.error, now);
    return outcome;
}

inline Outcome ended(Phase phase, Cause cause) {
    Outcome outcome;
    outcome.phase = phase;
    outcome.cause = cause;
    return outcome;
}

/// "R9b retry_after_wait rate_limit 17000000"; the wait in microseconds, if there is one.
inline std::string text_of(const Judgement& judged) {
    std::string text(judged.row);
    text.append(" ").append(verdict_name(judged.verdict)).append(" ").append(judged.reason);
    return judged.wait ? text + " " + std::to_string(judged.wait->count()) : text;
}

/// The same of a JSON answer.
inline std::string judge_json(int status, std::string body, hints::Headers headers = {}) {
    headers.emplace_back("Content-Type", "application/json");
    return text_of(judge(outcome_of({status, std::move(headers), std::move(body)})));
}

}  // namespace streamkeeper::judged
