#include "streamkeeper/judge.hpp"

#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <map>
#include <sstream>

#include "judged.hpp"

using namespace streamkeeper;
using namespace streamkeeper::judged;
namespace {

struct Fixture {
    std::string id, expected;  ///< without the row
    Outcome outcome;
};

std::vector<Fixture> load() {
    std::ifstream file(SOURCE_DIR "/tests/fixtures/upstream_errors.json");
    std::stringstream text;
    text << file.rdbuf();
    std::vector<Fixture> fixtures;
    const boost::json::value all = boost::json::parse(text.str());
    for (const auto& item : all.as_array()) {
        Answer answer{static_cast<int>(item.at("status").as_int64()), {}, std::string(item.at("body").as_string())};
        for (const auto& header : item.at("headers").as_object())
            answer.headers.emplace_back(header.key(), header.value().as_string());
        Fixture fixture;
        fixture.id = std::string(item.at("id").as_string());
        fixture.expected = " " + std::string(item.at("expect_class").as_string()) + " " +
                           std::string(item.at("expect_reason").as_string());
        if (const auto& wait = item.at("expect_wait_s"); !wait.is_null())
            fixture.expected += " " + std::to_string(std::llround(wait.to_number<double>() * 1e6));
        const std::chrono::seconds now(item.at("now_epoch").as_int64());
        fixture.outcome = outcome_of(answer, hints::SystemTime(now));
        fixtures.push_back(std::move(fixture));
    }
    return fixtures;
}
const std::vector<Fixture>& fixtures() {
    static const auto all = load();
    return all;
}

std::string without_row(const Judgement& judged) {
    const std::string text = text_of(judged);
    return text.substr(text.find(' '));
}

/// For rows that no fixture needs: another row says the same of it, or no answer belongs to it.
std::vector<Outcome> further_cases() {
    using H = hints::Headers;
    std::vector<Outcome> cases;
    for (const Answer& answer : {
             Answer{302, H{{"Location", "https://example.com/"}}, ""},
             Answer{400,
                    {},
                    R"([{"error":{"code":400,"message":"API key expired. Please renew the API key.",)"
                    R"("status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}])"},
             Answer{503,
                    {},
                    R"({"error":{"code":503,"message":"No capacity available for model x",)"
                    R"("status":"UNAVAILABLE","details":[{"reason":"MODEL_CAPACITY_EXHAUSTED"}]}})"},
             Answer{412, {}, R"({"error":{"message":"Account x is suspended, possibly due to reaching its limit"}})"},
             Answer{
                 403, {}, "<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head></html>"},
             Answer{503, {}, R"({"error":{"code":503,"message":"Loading model","type":"unavailable_error"}})"},
         })
        cases.push_back(outcome_of(answer));
    for (const auto& [phase, cause] :
         std::initializer_list<std::pair<Phase, Cause>>{{Phase::connecting, Cause::dns},
                                                        {Phase::connecting, Cause::certificate},
                                                        {Phase::connecting, Cause::proxy},
                                                        {Phase::awaiting_head, Cause::timeout},
                                                        {Phase::before_output, Cause::timeout},
                                                        {Phase::after_output, Cause::closed}})
        cases.push_back(ended(phase, cause));
    return cases;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(judge_table)

BOOST_AUTO_TEST_CASE(every_fixture_is_judged_as_expected) {
    BOOST_TEST(fixtures().size() == 96u);
    for (const Fixture& fixture : fixtures())
        BOOST_TEST(without_row(judge(fixture.outcome)) == fixture.expected, fixture.id);
}

BOOST_AUTO_TEST_CASE(no_row_is_superfluous) {
    const std::vector<Outcome> more = further_cases();
    for (const Rule& rule : rules()) {
        const auto differs = [&](const Outcome& outcome) {
            return without_row(judge(outcome)) != without_row(judge(outcome, rule.row));
        };
        bool needed = std::any_of(more.begin(), more.end(), differs);
        for (const Fixture& fixture : fixtures()) needed = needed || differs(fixture.outcome);
        BOOST_TEST(needed, rule.row);
    }
}

BOOST_AUTO_TEST_CASE(the_rows_stand_in_the_order_of_the_specification) {
    std::string order;
    for (const Rule& rule : rules()) {
        order.append(rule.row).append(" ");
        BOOST_TEST(!rule.source.empty());
        BOOST_TEST(rule.hint.size() > 20, rule.row);
        BOOST_TEST((rule.reason.empty() == (rule.row == "R0d")), rule.row);
    }
    BOOST_TEST(order ==
               "R0a R0b R0c R0d R1a R1b R1c R1d R2a R2b R2c R2d R2e R2f R3a R3b R3c R4 R5 R6 R7a R7b R8a R8b R8c R8d "
               "R9a R9b R9c R9c' R9d R9e R9g R9f R9h N1 N2 N3 N4 N5 N6 ");
    BOOST_TEST(text_of(judge(further_cases().front())) == "R0c fail_now not_an_api");
}

BOOST_AUTO_TEST_CASE(what_the_network_did) {
    const auto said = [](Phase phase, Cause cause) { return text_of(judge(ended(phase, cause))); };
    for (const Cause cause : {Cause::dns, Cause::connect, Cause::tls, Cause::timeout})
        BOOST_TEST(said(Phase::connecting, cause) == "N1 retry_same network");
    for (const Phase phase : {Phase::sending, Phase::awaiting_head})
        for (const Cause cause : {Cause::closed, Cause::bad_head})
            BOOST_TEST(said(phase, cause) == "N1 retry_same network");
    BOOST_TEST(said(Phase::before_output, Cause::closed) == "N1 retry_same network");
    BOOST_TEST(said(Phase::before_output, Cause::bad_body) == "N1 retry_same network");
    BOOST_TEST(said(Phase::connecting, Cause::certificate) == "N2 fail_now tls");
    BOOST_TEST(said(Phase::sending, Cause::timeout) == "N3 retry_same timeout");
    BOOST_TEST(said(Phase::awaiting_head, Cause::timeout) == "N3 retry_same timeout");
    BOOST_TEST(said(Phase::before_output, Cause::timeout) == "N4 retry_same timeout");
    BOOST_TEST(said(Phase::connecting, Cause::proxy) == "N6 fail_now proxy");
    for (const Cause cause : {Cause::closed, Cause::timeout, Cause::bad_body, Cause::stream_error, Cause::answered})
        BOOST_TEST(said(Phase::after_output, cause) == "N5 retry_same stream_interrupted");
}

BOOST_AUTO_TEST_CASE(an_error_after_output_is_a_broken_stream_whatever_it_says) {
    Outcome outcome =
        outcome_of({200, {{"Content-Type", "text/event-stream"}}, "data: {\"error\":{\"code\":401}}\n\n"});
    BOOST_TEST(text_of(judge(outcome)) == "R8a other_key auth");
    outcome.phase = Phase::after_output;
    BOOST_TEST(text_of(judge(outcome)) == "N5 retry_same stream_interrupted");
}

BOOST_AUTO_TEST_CASE(an_error_event_of_which_nothing_can_be_read_is_the_servers) {
    Outcome outcome = ended(Phase::before_output, Cause::stream_error);
    outcome.status = outcome.error.http_status = outcome.error.eff_status = 200;
    BOOST_TEST(text_of(judge(outcome)) == "R9f retry_same server");
}

BOOST_AUTO_TEST_CASE(what_is_not_the_upstreams_doing_is_not_judged) {
    for (const Phase phase : {Phase::connecting, Phase::before_output, Phase::after_output}) {
        BOOST_TEST(text_of(judge(ended(phase, Cause::client_gone))) == " fail_now client_closed");
        BOOST_TEST(text_of(judge(ended(phase, Cause::client_error))) == " fail_now bad_request");
        BOOST_TEST(text_of(judge(ended(phase, Cause::client_slow))) == " fail_now bad_request");
        BOOST_TEST(text_of(judge(ended(phase, Cause::shutdown))) == " fail_now shutdown");
    }
}

BOOST_AUTO_TEST_CASE(a_stream_without_output_is_empty) {
    Outcome outcome = ended(Phase::before_output, Cause::closed);
    outcome.status = 200;
    BOOST_TEST(text_of(judge(outcome)) == "N1 retry_same network");
    outcome.event_stream = true;
    BOOST_TEST(text_of(judge(outcome)) == "R0a retry_same empty_stream");
    outcome.cause = Cause::bad_body;
    BOOST_TEST(text_of(judge(outcome)) == "N1 retry_same network");
}

BOOST_AUTO_TEST_CASE(pages_and_redirects_by_status) {
    const auto page = [](int status) {
        return text_of(judge(outcome_of({status, {{"Content-Type", "text/html"}}, "<html></html>"})));
    };
    BOOST_TEST(page(200) == "R0b fail_now not_an_api");
    BOOST_TEST(page(301) == "R0c fail_now not_an_api");
    BOOST_TEST(page(403) == "R8b fail_now not_an_api");
    BOOST_TEST(page(413) == "R3b fail_now request_too_large");
    BOOST_TEST(page(502) == "R9f retry_same server");
    BOOST_TEST(page(503) == "R9d retry_same overload");
    BOOST_TEST(page(429) == "R9b retry_after_wait rate_limit");
    BOOST_TEST(page(404) == "R9h fail_now bad_request");
    Outcome unread = ended(Phase::before_output, Cause::not_an_api);  // the page's body was not read
    unread.status = 200;
    BOOST_TEST(text_of(judge(unread)) == "R0b fail_now not_an_api");
    unread.status = 308;
    BOOST_TEST(text_of(judge(unread)) == "R0c fail_now not_an_api");
}

BOOST_AUTO_TEST_CASE(the_header_decides_over_the_table) {
    const hints::Headers no = {{"x-should-retry", "false"}}, yes = {{"x-should-retry", "true"}};
    BOOST_TEST(judge_json(503, "{}", no) == "R0d other_model overload");
    BOOST_TEST(judge_json(500, "{}", no) == "R0d other_model server");
    BOOST_TEST(judge_json(429, "{}", {{"x-should-retry", "false"}, {"Retry-After", "9"}}) ==
               "R0d other_model rate_limit 9000000");
    BOOST_TEST(judge_json(401, "{}", no) == "R8a other_key auth");
    BOOST_TEST(judge_json(400, "{}", no) == "R9h fail_now bad_request");
    BOOST_TEST(judge_json(400, "{}", yes) == "R0d retry_same server");
    BOOST_TEST(judge_json(422, "{}", {{"x-should-retry", "true"}, {"Retry-After", "9"}}) ==
               "R0d retry_same server 9000000");
    BOOST_TEST(judge_json(401, "{}", yes) == "R8a other_key auth");
    BOOST_TEST(judge_json(402, "{}", yes) == "R2b other_key billing");
    BOOST_TEST(judge_json(501, "{}", yes) == "R9g fail_now bad_request");
    // Without our own option it is another request.
    BOOST_TEST(judge_json(400, R"({"error":{"message":"Unknown parameter: 'stream_options'."}})", no) ==
               "R6 retry_same unsupported_param");
    Outcome empty = ended(Phase::before_output, Cause::closed);
    empty.status = 200;
    empty.event_stream = true;
    empty.should_retry = false;
    BOOST_TEST(text_of(judge(empty)) == "R0d other_model empty_stream");
}

BOOST_AUTO_TEST_CASE(an_option_that_the_client_sent_itself_is_its_own_mistake) {
    Outcome outcome = outcome_of({422, {}, R"({"error":{"message":"extra field: include_usage"}})"});
    BOOST_TEST(text_of(judge(outcome)) == "R6 retry_same unsupported_param");
    outcome.usage_was_injected = false;
    BOOST_TEST(text_of(judge(outcome)) == "R9h fail_now bad_request");
}

BOOST_AUTO_TEST_CASE(a_wait_is_told_where_waiting_helps) {
    const hints::Headers nine = {{"Retry-After", "9"}};
    BOOST_TEST(judge_json(500, "{}", nine) == "R9f retry_same server 9000000");
    BOOST_TEST(judge_json(408, "{}", nine) == "R9e retry_same timeout 9000000");
    BOOST_TEST(judge_json(503, "{}", nine) == "R9c retry_after_wait overload 9000000");
    BOOST_TEST(judge_json(529, "{}", {{"Retry-After", "0"}}) == "R9c retry_after_wait overload 0");
    BOOST_TEST(judge_json(498, "{}", nine) == "R9d retry_same overload 9000000");
    BOOST_TEST(judge_json(402, "{}", nine) == "R2a retry_after_wait rate_limit 9000000");
    BOOST_TEST(judge_json(402, "{}", {{"Retry-After", "nan"}}) == "R2b other_key billing");
    for (const int status : {400, 401, 403, 404, 410, 413, 501}) {
        const std::string text = judge_json(status, "{}", nine);
        BOOST_TEST(text.find('9', text.find(' ')) == text.npos, text);
    }
    const std::string loading = R"({"error":{"code":503,"message":"Loading model","type":"unavailable_error"}})";
    BOOST_TEST(judge_json(503, loading) == "R9c' retry_after_wait overload 2000000");
    BOOST_TEST(judge_json(503, loading, nine) == "R9c retry_after_wait overload 9000000");
}

BOOST_AUTO_TEST_CASE(no_status_is_left_without_a_row) {
    for (int status = 300; status < 600; ++status) BOOST_TEST(judge_json(status, "{}").front() == 'R', status);
    // What is no failure has no row, and is nothing to try again.
    BOOST_TEST(text_of(judge(ended(Phase::before_output, Cause::answered))) == " fail_now server");
}

BOOST_AUTO_TEST_SUITE_END()
