#include "policy/final_status.hpp"

namespace streamkeeper {

FinalStatus final_status(const Outcome& outcome, const Judgement& judged) {
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
        case Cause::stream_error: {
            const int status = outcome.error.eff_status >= 400 ? outcome.error.eff_status : 502;
            // A hard quota dressed as 429 would be hammered by every client.
            return {status == 429 && judged.reason == "billing" ? 402 : status, {}};
        }
        case Cause::client_gone: return {499, "client_closed"};
        case Cause::client_error: return {400, "bad_request"};
        case Cause::client_slow: return {408, "request_timeout"};
        case Cause::shutdown: return {503, "shutting_down"};
    }
    return {502, "upstream_closed"};
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
