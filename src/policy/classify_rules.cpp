// Table (a) of errors.md, row for row and in its order. The first match wins, so the order is part of the behaviour.
// The names of the sources are those of the vendors' pages and programs that show the behaviour.
#include "policy/classify_words.hpp"
#include "streamkeeper/judge.hpp"

namespace streamkeeper {
namespace {

using namespace recognise;
using O = const Outcome&;

bool success(int status) { return status >= 200 && status < 300; }
bool client_error(int status) { return status >= 400 && status < 500; }

bool before_output(O o) { return o.phase != Phase::after_output; }

bool empty_stream(O o) {
    return o.cause == Cause::closed && o.phase == Phase::before_output && o.event_stream && !o.output_began &&
           success(o.status);
}
bool web_page(O o) { return success(o.status) && refused(o) && (o.error.html || o.cause == Cause::not_an_api); }
bool redirect(O o) { return refused(o) && o.status >= 300 && o.status < 400; }
bool asked_by_header(O o) { return o.should_retry.has_value(); }

bool google_key(O o) { return detail(o, {"reason"}, "API_KEY_INVALID") || named(o, {"API_KEY_INVALID"}); }
bool google_capacity(O o) {
    constexpr std::string_view word = "MODEL_CAPACITY_EXHAUSTED";
    return detail(o, {"reason"}, word) || named(o, {word}) || quotes(o, word);
}
bool google_day(O o) { return google_limit(o) && google_daily(o); }

bool payment_wait(O o) { return status(o) == 402 && o.wait; }
bool payment(O o) { return status(o) == 402; }
bool billing_code(O o) {
    return named(
        o, {"insufficient_quota", "quota_exceeded", "credit_balance_exhausted", "organization_spend_limit_exceeded",
            "project_spend_limit_exceeded", "organization_usage_limit_exceeded", "insufficient_user_quota",
            "pre_consume_token_quota_failed", "insufficient_balance", "subscription_expired", "payment_failed",
            "billing_error", "exceeded_current_quota_error", "budget_exceeded", "spend_limit_exceeded",
            "entitlement_daily_limit_exceeded", "billing_hard_limit_reached", "billing_not_active"});
}
bool billing_text(O o) {
    return says(o, {"credit balance is too low", "exceeded your current quota", "used all available credits",
                    "monthly spending limit", "run out of credits", "insufficient balance", "insufficient credit",
                    "insufficient funds", "insufficient account balance", "specified api usage limits",
                    "exhausted all your credits", "usage limit for this billing", "monthly usage limit",
                    "key limit exceeded", "payment method", "余额不足", "额度不足", "额度已用尽", "已欠费"});
}
bool spend_limit(O o) { return status(o) == 429 && detail_is(o, {"error_code"}, "enforced_spend_limit_reached"); }
bool suspended(O o) { return status(o) == 412 && says(o, {"suspended"}); }

bool too_large_for_limit(O o) { return status_is(o, {413, 429}) && larger_than_limit(o); }
bool too_many_bytes(O o) {
    return status(o) == 413 && (o.error.html || named(o, {"request_too_large", "read_request_body_failed"}));
}
bool empty_413(O o) { return status(o) == 413 && o.error.shape == "empty"; }
bool too_long(O o) { return refused(o) && status(o) != 429 && context_length(o); }

bool content_policy(O o) {
    if (named(o, {"content_filter", "content_policy_violation", "invalid_prompt", "sensitive_words_detected",
                  "prompt_blocked", "refusal", "bio_policy", "content_policy_error", "ResponsibleAIPolicyViolation"}))
        return true;
    return detail_is(o, {"code"}, "ResponsibleAIPolicyViolation") || says_in_order(o, {"violat", "usage polic"}) ||
           says(o, {"contentpolicyviolationerror"}) || (status(o) == 403 && names_reasons(o));
}
bool own_option(O o) {
    if (!o.usage_was_injected || !status_is(o, {400, 422})) return false;
    const auto mentions = [](std::string_view text) {
        return text.find("stream_options") != text.npos || text.find("include_usage") != text.npos;
    };
    return mentions(o.error.param) || says(o, {"stream_options", "include_usage"});
}
bool country(O o) {
    return (status(o) == 403 && named(o, {"unsupported_country_region_territory"})) ||
           (status_is(o, {400, 403}) && says(o, {"user location is not supported"}));
}
bool model(O o) {
    if (named(o, {"model_not_found", "DeploymentNotFound"}) || status(o) == 410) return true;
    if (status_is(o, {400, 404, 422})) return !named(o, {"endpoint_not_found"}) && unknown_model(o);
    return status(o) >= 500 && says(o, {"no available channel", "无可用渠道", "可用渠道不存在"});
}
bool one_models_key(O o) { return named(o, {"key_model_access_denied"}); }
bool unauthorised(O o) { return status(o) == 401 && !one_models_key(o); }
bool firewall(O o) { return status(o) == 403 && o.error.html; }
bool forbidden(O o) { return status(o) == 403 || (status(o) == 401 && one_models_key(o)); }
bool bad_key(O o) {
    return status(o) == 400 &&
           (named(o, {"invalid_api_key", "organization_restricted"}) ||
            says(o, {"incorrect api key", "invalid api key", "api key not valid", "organization has been restricted"}));
}

bool overloaded_429(O o) {
    return status(o) == 429 &&
           (named(o, {"engine_overloaded_error", "overloaded", "overloaded_error", "service_tier_capacity_exceeded"}) ||
            says(o, {"overloaded", "capacity", "饱和"}));
}
bool rate_limited(O o) { return status(o) == 429; }
bool overloaded_wait(O o) { return status_is(o, {503, 529}) && o.wait; }
bool loading(O o) { return status(o) == 503 && says(o, {"loading model"}); }
bool overloaded(O o) { return status_is(o, {503, 529, 498}); }
bool slow(O o) { return status_is(o, {408, 504, 524}); }
bool never(O o) { return status_is(o, {501, 505}); }
bool server(O o) { return status(o) >= 500 || status_is(o, {409, 424, 425, 499}); }
bool bad_request(O o) { return client_error(status(o)); }

bool network(O o) {
    if (!before_output(o)) return false;
    const bool connecting = o.cause == Cause::timeout && o.phase == Phase::connecting;
    return connecting || o.cause == Cause::dns || o.cause == Cause::connect || o.cause == Cause::tls ||
           o.cause == Cause::closed || o.cause == Cause::bad_head || o.cause == Cause::bad_body;
}
bool certificate(O o) { return before_output(o) && o.cause == Cause::certificate; }
bool no_head(O o) { return o.cause == Cause::timeout && before_output(o) && o.phase != Phase::before_output; }
bool no_output(O o) { return o.cause == Cause::timeout && o.phase == Phase::before_output; }
bool interrupted(O o) { return o.phase == Phase::after_output; }
bool proxy(O o) { return before_output(o) && o.cause == Cause::proxy; }

constexpr auto S = Verdict::retry_same, W = Verdict::retry_after_wait, K = Verdict::other_key, M = Verdict::other_model,
               L = Verdict::refresh_model_list, F = Verdict::fail_now;

constexpr Rule table[] = {
    {"R0a", "opencode and Cline: a stream that ends without a finish is a failure", empty_stream, S, "empty_stream",
     "The stream ended before any output, as some vendors' do under load; it is asked again."},
    {"R0b", "one-api, new-api: a wrong path is answered with the console's page", web_page, F, "not_an_api",
     "A web page came instead of an API's answer: base_url is probably wrong (does it end in /v1 as the vendor's "
     "documentation says?)."},
    {"R0c", "RFC 9110, 15.4", redirect, F, "not_an_api",
     "The upstream redirects. The key is never carried to another host: set base_url to the address it names."},
    {"R0d", "x-should-retry of Stainless' APIs (OpenAI, Anthropic)", asked_by_header, M, "",
     "The vendor itself says in x-should-retry whether the same request may be sent again."},
    {"R1a", "Gemini: ErrorInfo.reason", google_key, K, "auth",
     "Google does not know this API key: put a valid one in its place."},
    {"R1b", "gemini-cli, googleQuotaErrors.ts", google_capacity, M, "overload",
     "The vendor has no capacity left for this model; another model may have."},
    {"R1c", "gemini-cli: a QuotaFailure per day ends all tries", google_day, M, "quota_model",
     "The day's quota of this model is used up, or there is none: use another model, or a key of another project."},
    {"R1d", "gemini-cli: RESOURCE_EXHAUSTED with RetryInfo", google_limit, W, "rate_limit",
     "A limit per minute, whatever the message says of plans and billing: it passes."},
    {"R2a", "OpenRouter: the in-flight budget is a 402 with Retry-After", payment_wait, W, "rate_limit",
     "Too much is in flight for the credit that is left; it passes when the other requests end."},
    {"R2b", "RFC 9110, 15.5.3; DeepSeek, Apertis, OpenRouter", payment, K, "billing",
     "The balance of this key is used up. Top up or add a key; streamkeeper will use it at once."},
    {"R2c", "OpenAI, Apertis, new-api, Moonshot, LiteLLM: codes for used-up money", billing_code, K, "billing",
     "The quota or balance of this key is used up, whatever the status says. Top up or add a key; streamkeeper will "
     "use it at once."},
    {"R2d", "Anthropic, xAI, OpenRouter, new-api: sentences for used-up money", billing_text, K, "billing",
     "The message speaks of used-up credit. Top up or add a key; streamkeeper will use it at once."},
    {"R2e", "Anthropic: details.error_code of a 429", spend_limit, K, "billing",
     "The organisation's own spend limit is reached until the month ends: raise it, or use a key of another one."},
    {"R2f", "Fireworks: 412 for a suspended account", suspended, K, "billing",
     "The account is suspended: see its billing page, or use a key of another account."},
    {"R3a", "OpenAI, Groq: Requested is more than Limit", too_large_for_limit, M, "request_too_large",
     "This one request is larger than the limit of a whole minute, so waiting can't help: shorten it, lower "
     "max_tokens, or use a model with a higher limit."},
    {"R3b", "Anthropic's request_too_large, new-api, nginx: too many bytes", too_many_bytes, F, "request_too_large",
     "The request has too many bytes for this upstream, often because of images: send less."},
    {"R3c", "Cerebras: an empty 413 for a prompt that is too long", empty_413, M, "context_length",
     "Probably longer than the model's context window: shorten the conversation or use a model with a larger one."},
    {"R4", "pi-mono, overflow.ts; vendors' own messages", too_long, M, "context_length",
     "The request does not fit the model's context window: shorten the conversation or use a model with a larger "
     "one."},
    {"R5", "OpenAI, Azure, OpenRouter, new-api: moderation", content_policy, F, "content_policy",
     "The vendor's content policy refused the request; the same words will be refused again."},
    {"R6", "Mistral, Azure, vLLM, Venice refuse stream_options", own_option, S, "unsupported_param",
     "The upstream does not know stream_options, which streamkeeper had added: it is sent without, and that is "
     "remembered."},
    {"R7a", "OpenAI: unsupported_country_region_territory", country, F, "geo",
     "The vendor does not serve the country this comes from; no key helps, another vendor may."},
    {"R7b", "OpenAI, Azure, vLLM, Ollama, LM Studio, one-api: unknown model", model, L, "model_not_found",
     "The upstream does not know this model: compare the name with `streamkeeper models`; case counts."},
    {"R8a", "RFC 9110, 15.5.2", unauthorised, K, "auth",
     "The upstream does not accept this key: check it, or put a valid one in its place."},
    {"R8b", "Cloudflare and other firewalls: a 403 as a web page", firewall, F, "not_an_api",
     "A firewall or proxy refused the request with a web page; the key is not to blame. Check base_url and the "
     "network."},
    {"R8c", "Apertis, Anthropic, LiteLLM: permission", forbidden, K, "auth",
     "This key may not do that: see which models and addresses it is allowed."},
    {"R8d", "xAI, Groq: a bad key is a 400", bad_key, K, "auth",
     "The upstream does not accept this key: check it, or put a valid one in its place."},
    {"R9a", "Moonshot, TGI, Mistral, one-api: overload as a 429", overloaded_429, W, "overload",
     "The vendor is overloaded; another key would not help."},
    {"R9b", "RFC 6585, 4", rate_limited, W, "rate_limit",
     "Too many requests or tokens in too short a time: it passes."},
    {"R9c", "RFC 9110, 10.2.3", overloaded_wait, W, "overload", "The vendor is overloaded and says for how long."},
    {"R9c'", "llama.cpp: 503 while a model is loaded", loading, W, "overload",
     "The server is loading the model: this takes seconds to minutes."},
    {"R9d", "RFC 9110, 15.6.4; Anthropic's 529, Groq's 498", overloaded, S, "overload",
     "The vendor or this model is overloaded or down for the moment."},
    {"R9e", "RFC 9110, 15.6.5; Cloudflare's 524", slow, S, "timeout",
     "The vendor or something before it gave up waiting; the request may have run and be billed."},
    {"R9g", "RFC 9110, 15.6.2; llama.cpp's not_supported_error", never, F, "bad_request",
     "The upstream does not support what was asked, and will not the next time."},
    {"R9f", "RFC 9110, 15.6.1", server, S, "server", "The vendor failed; it often works the next time."},
    {"R9h", "RFC 9110, 15.5", bad_request, F, "bad_request",
     "The request itself is refused: the message says what to change. A 404 without a model's name means a wrong "
     "base_url."},
    {"N1", "openai-python and others retry connection errors", network, S, "network",
     "The upstream could not be reached, or closed the connection before its answer was whole."},
    {"N2", "RFC 5280, 6", certificate, F, "tls",
     "The certificate can't be verified, which is never skipped: check the system clock, and set tls.ca_file if a "
     "company's proxy inspects TLS."},
    {"N3", "the contract's timeouts.first_byte", no_head, S, "timeout", "The upstream did not answer in time."},
    {"N4", "DeepSeek sends comments for minutes while a request is queued", no_output, S, "timeout",
     "The upstream began an answer, but no output came in time."},
    {"N5", "docs/design.md", interrupted, S, "stream_interrupted",
     "The stream broke after output had been shown; it is never begun again from the start in the client's sight."},
    {"N6", "RFC 9110, 9.3.6", proxy, F, "proxy",
     "The proxy does not let the connection through: check the proxy variables of the environment, or set "
     "'proxy: none' for this upstream."},
};

}  // namespace

std::span<const Rule> rules() { return table; }

}  // namespace streamkeeper
