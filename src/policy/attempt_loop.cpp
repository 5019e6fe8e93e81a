#include "streamkeeper/attempt_loop.hpp"

namespace streamkeeper {

namespace {

struct Refused {
    int status;
    std::string_view code;
};

/// Contract, section 5: what a cause becomes for the client when nothing more can be tried.
Refused final_status(const Outcome& outcome) {
    switch (outcome.cause) {
        case Cause::dns: return {502, "upstream_dns"};
        case Cause::connect: return {502, "upstream_unreachable"};
        case Cause::tls:
        case Cause::certificate: return {502, "upstream_tls"};
        case Cause::proxy: return {502, "upstream_proxy"};
        case Cause::closed:
        case Cause::bad_head:
        case Cause::bad_body: return {502, "upstream_closed"};
        case Cause::timeout: return {504, "upstream_timeout"};
        case Cause::not_an_api: return {502, "upstream_not_an_api"};
        case Cause::answered:
        case Cause::stream_error: return {outcome.error.eff_status >= 400 ? outcome.error.eff_status : 502, {}};
        case Cause::client_gone: return {499, "client_closed"};
        case Cause::client_error: return {400, "bad_request"};
        case Cause::client_slow: return {408, "request_timeout"};
        case Cause::shutdown: return {503, "shutting_down"};
    }
    return {502, "upstream_closed"};
}

/// The vendor refused the option that we added, and says so (errors.md, R6).
bool refused_usage(const Outcome& outcome) {
    if (!outcome.usage_was_injected || (outcome.status != 400 && outcome.status != 422)) return false;
    const auto mentions = [](const std::string& text) {
        return text.find("stream_options") != std::string::npos || text.find("include_usage") != std::string::npos;
    };
    return mentions(outcome.error.message) || mentions(outcome.error.param) || mentions(outcome.error.details);
}

bool error_status(const Outcome& outcome) {
    return outcome.cause == Cause::stream_error || (outcome.cause == Cause::answered && outcome.status >= 400);
}

}  // namespace

Action AttemptLoop::on(const Outcome& outcome) {
    ++attempts_;
    Action action;
    action.reason = reason_of(outcome);
    // A pooled connection that the upstream had closed meanwhile: replaced once, free, if nothing of an answer came.
    const bool stale = outcome.cause == Cause::closed && outcome.connection_was_reused && !outcome.answer_began;
    if (stale && !replaced_) {
        replaced_ = true;
        action.kind = Action::Kind::send_again;
        action.fresh_connection = true;
        return action;
    }
    if (refused_usage(outcome) && !usage_taken_out_) {
        usage_taken_out_ = true;
        action.kind = Action::Kind::send_again;
        action.without_usage = true;
        action.reason = "unsupported_param";
        return action;
    }
    if (outcome.cause == Cause::answered && !error_status(outcome)) return action;
    const Refused refused = final_status(outcome);
    action.kind = Action::Kind::fail;
    action.status = refused.status;
    action.code = refused.code;
    return action;
}

std::string_view reason_of(const Outcome& outcome) {
    switch (outcome.cause) {
        case Cause::dns:
        case Cause::connect:
        case Cause::tls:
        case Cause::bad_head: return "network";
        case Cause::closed:
        case Cause::bad_body: return outcome.phase == Phase::after_output ? "stream_interrupted" : "network";
        case Cause::certificate: return "tls";
        case Cause::proxy: return "proxy";
        case Cause::timeout: return outcome.phase == Phase::after_output ? "stream_interrupted" : "timeout";
        case Cause::not_an_api: return "not_an_api";
        case Cause::client_gone: return "client_closed";
        case Cause::client_error:
        case Cause::client_slow: return "bad_request";
        case Cause::shutdown: return "shutdown";
        case Cause::answered:
        case Cause::stream_error: break;
    }
    if (!error_status(outcome)) return "";
    switch (outcome.error.eff_status) {
        case 401:
        case 403: return "auth";
        case 402: return "billing";
        case 408:
        case 504:
        case 524: return "timeout";
        case 429: return "rate_limit";
        case 503:
        case 529: return "overload";
        default: return outcome.error.eff_status < 500 ? "bad_request" : "server";
    }
}

std::string_view error_class(const Outcome& outcome) {
    switch (outcome.cause) {
        case Cause::client_gone:
        case Cause::client_error:
        case Cause::client_slow:
        case Cause::shutdown: return "";
        case Cause::timeout: return "timeout";
        case Cause::answered:
            if (outcome.status >= 500) return "5xx";
            return outcome.status >= 400 ? "4xx" : "";
        case Cause::stream_error:
        case Cause::bad_body: return "stream";
        case Cause::closed: return outcome.answer_began ? "stream" : "network";
        default: return "network";
    }
}

}  // namespace streamkeeper
