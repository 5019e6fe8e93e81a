#include "streamkeeper/attempt_loop.hpp"

#include <boost/test/unit_test.hpp>

using namespace streamkeeper;
namespace {

using Kind = Action::Kind;

Outcome ended(Cause cause, Phase phase = Phase::connecting) {
    Outcome outcome;
    outcome.cause = cause;
    outcome.phase = phase;
    return outcome;
}

Outcome answered(int status, std::string message = {}) {
    Outcome outcome = ended(Cause::answered, Phase::before_output);
    outcome.status = outcome.error.http_status = outcome.error.eff_status = status;
    outcome.error.message = std::move(message);
    return outcome;
}

Action once(const Outcome& outcome) {
    AttemptLoop loop;
    return loop.on(outcome);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(attempt_loop_test)

BOOST_AUTO_TEST_CASE(an_answer_finishes) {
    for (int status : {200, 201, 204, 304}) BOOST_TEST((once(answered(status)).kind == Kind::finish), status);
}

BOOST_AUTO_TEST_CASE(each_cause_has_the_documented_status_and_code) {
    struct Row {
        Cause cause;
        int status;
        const char* code;
        const char* reason;
        const char* error_class;
    };
    for (const Row& row : {Row{Cause::dns, 502, "upstream_dns", "network", "network"},
                           Row{Cause::connect, 502, "upstream_unreachable", "network", "network"},
                           Row{Cause::tls, 502, "upstream_tls", "network", "network"},
                           Row{Cause::certificate, 502, "upstream_tls", "tls", "network"},
                           Row{Cause::proxy, 502, "upstream_proxy", "proxy", "network"},
                           Row{Cause::closed, 502, "upstream_closed", "network", "network"},
                           Row{Cause::bad_head, 502, "upstream_closed", "network", "network"},
                           Row{Cause::bad_body, 502, "upstream_closed", "network", "stream"},
                           Row{Cause::timeout, 504, "upstream_timeout", "timeout", "timeout"},
                           Row{Cause::not_an_api, 502, "upstream_not_an_api", "not_an_api", "network"}}) {
        const Outcome outcome = ended(row.cause);
        const Action action = once(outcome);
        BOOST_TEST((action.kind == Kind::fail), row.code);
        BOOST_TEST(action.status == row.status, row.code);
        BOOST_TEST(action.code == row.code);
        BOOST_TEST(action.reason == row.reason, row.code);
        BOOST_TEST(error_class(outcome) == row.error_class, row.code);
    }
}

BOOST_AUTO_TEST_CASE(the_vendors_status_is_kept_and_its_code_is_its_own) {
    for (int status : {400, 401, 402, 403, 404, 413, 429, 500, 503, 529}) {
        const Action action = once(answered(status, "no"));
        BOOST_TEST((action.kind == Kind::fail));
        BOOST_TEST(action.status == status);
        BOOST_TEST(action.code == "");
    }
}

BOOST_AUTO_TEST_CASE(an_error_inside_a_200_has_its_effective_status_or_502) {
    Outcome outcome = ended(Cause::stream_error, Phase::before_output);
    outcome.status = 200;
    outcome.error.eff_status = 429;
    BOOST_TEST(once(outcome).status == 429);
    BOOST_TEST(once(outcome).reason == "rate_limit");
    outcome.error.eff_status = 200;
    BOOST_TEST(once(outcome).status == 502);
    BOOST_TEST(error_class(outcome) == "stream");
}

BOOST_AUTO_TEST_CASE(a_stale_pooled_connection_is_replaced_once_if_nothing_of_an_answer_came) {
    Outcome stale = ended(Cause::closed, Phase::awaiting_head);
    stale.connection_was_reused = true;
    AttemptLoop loop;
    const Action first = loop.on(stale);
    BOOST_TEST((first.kind == Kind::send_again));
    BOOST_TEST(first.fresh_connection);
    BOOST_TEST((loop.on(stale).kind == Kind::fail));
    BOOST_TEST(loop.attempts() == 2);

    stale.answer_began = true;
    BOOST_TEST((once(stale).kind == Kind::fail));
    stale.answer_began = stale.connection_was_reused = false;
    BOOST_TEST((once(stale).kind == Kind::fail));
}

BOOST_AUTO_TEST_CASE(only_a_closed_connection_is_stale) {
    for (Cause cause : {Cause::timeout, Cause::bad_head, Cause::client_gone, Cause::shutdown, Cause::tls}) {
        Outcome outcome = ended(cause, Phase::awaiting_head);
        outcome.connection_was_reused = true;
        BOOST_TEST((once(outcome).kind == Kind::fail));
    }
}

BOOST_AUTO_TEST_CASE(usage_that_we_asked_for_and_the_vendor_refuses_is_taken_out_once) {
    for (int status : {400, 422}) {
        for (const char* word : {"Unknown parameter: stream_options", "include_usage is not allowed"}) {
            Outcome refused = answered(status, word);
            refused.usage_was_injected = true;
            AttemptLoop loop;
            const Action first = loop.on(refused);
            BOOST_TEST((first.kind == Kind::send_again));
            BOOST_TEST(first.without_usage);
            BOOST_TEST(!first.fresh_connection);
            BOOST_TEST(first.reason == "unsupported_param");
            BOOST_TEST((loop.on(refused).kind == Kind::fail));
        }
    }
    Outcome named = answered(400);
    named.usage_was_injected = true;
    named.error.param = "stream_options";
    BOOST_TEST((once(named).kind == Kind::send_again));
}

BOOST_AUTO_TEST_CASE(a_clients_own_option_or_another_mistake_is_the_clients_to_mend) {
    BOOST_TEST((once(answered(400, "stream_options")).kind == Kind::fail));
    Outcome other = answered(400, "bad temperature");
    other.usage_was_injected = true;
    BOOST_TEST((once(other).kind == Kind::fail));
    Outcome server = answered(500, "stream_options");
    server.usage_was_injected = true;
    BOOST_TEST((once(server).kind == Kind::fail));
}

BOOST_AUTO_TEST_CASE(nothing_may_be_sent_again_once_the_client_has_seen_output_or_left) {
    BOOST_TEST(ended(Cause::closed, Phase::before_output).retryable());
    BOOST_TEST(!ended(Cause::closed, Phase::after_output).retryable());
    BOOST_TEST(!ended(Cause::client_gone, Phase::connecting).retryable());
    BOOST_TEST(!ended(Cause::shutdown, Phase::connecting).retryable());
}

BOOST_AUTO_TEST_CASE(a_break_after_output_is_an_interrupted_stream) {
    for (Cause cause : {Cause::closed, Cause::bad_body, Cause::timeout})
        BOOST_TEST(reason_of(ended(cause, Phase::after_output)) == "stream_interrupted");
}

BOOST_AUTO_TEST_CASE(the_clients_own_doing_is_no_upstream_error) {
    for (Cause cause : {Cause::client_gone, Cause::client_error, Cause::shutdown})
        BOOST_TEST(error_class(ended(cause)) == "");
    BOOST_TEST(once(ended(Cause::client_gone)).reason == "client_closed");
}

BOOST_AUTO_TEST_CASE(statuses_have_reasons_and_classes) {
    const std::tuple<int, const char*, const char*> rows[] = {
        {400, "bad_request", "4xx"}, {401, "auth", "4xx"},       {402, "billing", "4xx"}, {403, "auth", "4xx"},
        {408, "timeout", "4xx"},     {429, "rate_limit", "4xx"}, {500, "server", "5xx"},  {503, "overload", "5xx"},
        {504, "timeout", "5xx"},     {529, "overload", "5xx"}};
    for (const auto& [status, reason, name] : rows) {
        BOOST_TEST(reason_of(answered(status)) == reason);
        BOOST_TEST(error_class(answered(status)) == name);
    }
    BOOST_TEST(reason_of(answered(200)) == "");
    BOOST_TEST(error_class(answered(200)) == "");
}

BOOST_AUTO_TEST_SUITE_END()
