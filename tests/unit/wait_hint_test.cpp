#include "streamkeeper/wait_hint.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

#include "hints.hpp"

using namespace streamkeeper;
using namespace streamkeeper::hints;

BOOST_AUTO_TEST_SUITE(wait_hints)

BOOST_AUTO_TEST_CASE(retry_after_in_every_form) {
    BOOST_TEST(retry_after("45") == 45 * second);
    BOOST_TEST(retry_after("0") == 0);
    BOOST_TEST(retry_after("1.5") == 1'500'000);
    BOOST_TEST(retry_after("86400") == 86400 * second);
    BOOST_TEST(retry_after(" 45 ") == 45 * second);
    BOOST_TEST(retry_after("007") == 7 * second);
    for (const char* date : {"Fri, 29 Dec 2023 23:59:35 GMT", "Friday, 29-Dec-23 23:59:35 GMT",
                             "Fri Dec 29 23:59:35 2023", "fri, 29 dec 2023 23:59:35 gmt", "2023-12-29T23:59:35Z"})
        BOOST_TEST(retry_after(date) == 20 * second, date);
    BOOST_TEST(retry_after("Sat Dec 30 00:00:00 2023") == 45 * second);
    BOOST_TEST(retry_after("Mon Jan  1 00:00:00 2024") == (45 + 2 * 86400) * second);
    BOOST_TEST(retry_after("Monday, 01-Jan-24 00:00:00 GMT") == (45 + 2 * 86400) * second);
    BOOST_TEST(retry_after("Fri, 29 Dec 2023 23:58:00 GMT") == 0);
    BOOST_TEST(retry_after("Sunday, 06-Nov-94 08:49:37 GMT") == 0);  // RFC 9110's own sample: 1994, not 2094
    BOOST_TEST(retry_after("1703894400") == 45 * second);
    BOOST_TEST(retry_after("1703894400.25") == 45'250'000);
    BOOST_TEST(retry_after("1703894400000") == 45 * second);
    BOOST_TEST(retry_after("1600000000") == 0);
}

BOOST_AUTO_TEST_CASE(what_is_no_number_is_no_wait) {
    for (const char* value :
         {"",          " ",          "soon", "nan", "NaN",   "inf", "-inf", "infinity", "1e3", "1e999",
          "0x10",      "+5",         "5.",   ".5",  "1.2.3", "--5", "5 s",  "5s",       ",",   "99999999999999999999",
          "999999999", "9999999999", "1e-3", "٥"})
        BOOST_TEST(retry_after(value) == none, value);
    BOOST_TEST(retry_after("-5") == 0);
    BOOST_TEST(retry_after("-0.5") == 0);
    for (const char* date :
         {"Fri, 29 Dec 2023 23:59:35", "Fri, 32 Dec 2023 23:59:35 GMT", "Fri, 29 Foo 2023 23:59:35 GMT",
          "Fri, 29 Dec 2023 24:59:35 GMT", "Fri, 30 Feb 2024 23:59:35 GMT", "29 Dec 2023 23:59:35 GMT",
          "Fri, 29 Dec 2023 23:59:35 GMT+1", "Fri, 29 Dec 9999 23:59:35 GMT", "Fri Dec 29 23:59:35",
          "Fri, 29 Dec 0001 23:59:35 GMT", "2023-12-29T23:59:35", "2023-13-29T23:59:35Z"})
        BOOST_TEST(retry_after(date) == none, date);
}

BOOST_AUTO_TEST_CASE(names_in_every_case_and_milliseconds_first) {
    BOOST_TEST(hint({{"retry-after", "3"}}) == 3 * second);
    BOOST_TEST(hint({{"RETRY-AFTER", "3"}}) == 3 * second);
    BOOST_TEST(hint({{"retry-after-ms", "174"}}) == 174'000);
    BOOST_TEST(hint({{"x-ms-retry-after-ms", "5721"}}) == 5'721'000);
    BOOST_TEST(hint({{"Retry-After", "6"}, {"Retry-After-Ms", "5721"}}) == 5'721'000);
    BOOST_TEST(hint({{"Retry-After", "6"}, {"X-MS-Retry-After-MS", "5721.5"}}) == 5'721'500);
    BOOST_TEST(hint({{"x-ms-retry-after-ms", "9000"}, {"retry-after-ms", "174"}}) == 174'000);
    BOOST_TEST(hint({{"retry-after-ms", "nan"}, {"Retry-After", "6"}}) == 6 * second);
    BOOST_TEST(hint({{"retry-after-ms", "1703894400000"}}) == 45 * second);
    BOOST_TEST(hint({{"retry-after-ms", "1200000000"}}) == 1'200'000 * second);  // two weeks are no epoch
    BOOST_TEST(hint({{"retry-after-ms", "0.0001"}}) == 1);                       // never rounded down
    BOOST_TEST(hint({{"Retry-After", "0.0000001"}}) == 1);
    BOOST_TEST(hint({{"Retry-After", "1.00000000000000001"}}) == second + 1);
}

BOOST_AUTO_TEST_CASE(the_first_valid_of_duplicates_and_lists_counts) {
    BOOST_TEST(hint({{"Retry-After", "soon"}, {"Retry-After", "30"}, {"Retry-After", "40"}}) == 30 * second);
    BOOST_TEST(retry_after("45, 60") == 45 * second);
    BOOST_TEST(retry_after("soon, 60") == 60 * second);
    BOOST_TEST(retry_after("Fri, 29 Dec 2023 23:59:35 GMT, 60") == 20 * second);
    BOOST_TEST(retry_after("soon, Fri, 29 Dec 2023 23:59:35 GMT") == 20 * second);
    BOOST_TEST(retry_after("99999999999999999999,7") == 7 * second);
    BOOST_TEST(reset("soon, 2") == 2 * second);
}

BOOST_AUTO_TEST_CASE(absolute_times_are_told_by_the_vendors_clock) {
    const SystemTime skewed = now + std::chrono::minutes(5);
    const Headers date = {{"Date", "Fri, 29 Dec 2023 23:59:15 GMT"}};
    const auto with = [&](std::string name, std::string value) {
        Headers headers = date;
        headers.emplace_back(std::move(name), std::move(value));
        return hint(429, headers, {}, skewed);
    };
    BOOST_TEST(with("X-RateLimit-Reset", "1703894400") == 45 * second);
    BOOST_TEST(with("Retry-After", "Fri, 29 Dec 2023 23:59:35 GMT") == 20 * second);
    BOOST_TEST(with("Retry-After", "20") == 20 * second);
    BOOST_TEST(hint(429, {{"X-RateLimit-Reset", "1703894400"}}, {}, skewed) == 0);
    BOOST_TEST(hint(429, {{"Date", "yesterday"}, {"X-RateLimit-Reset", "1703894400"}}) == 45 * second);
    // The local clock has parts of a second.
    const SystemTime late = now + std::chrono::milliseconds(250);
    BOOST_TEST(hint(429, {{"X-RateLimit-Reset", "1703894400"}}, {}, late) == 44'750'000);
}

BOOST_AUTO_TEST_CASE(the_reset_of_a_whole_limit_in_three_units) {
    BOOST_TEST(reset("2") == 2 * second);
    BOOST_TEST(reset("1703894400") == 45 * second);
    BOOST_TEST(reset("1703894400000") == 45 * second);
    BOOST_TEST(reset("1703894300") == 0);
    BOOST_TEST(reset("6m0s") == 360 * second);
    BOOST_TEST(reset("2023-12-29T23:59:27Z") == 12 * second);
    BOOST_TEST(reset("2023-12-30T00:59:27+01:00") == 12 * second);
    BOOST_TEST(reset("2023-12-29t21:59:27.000001-02:00") == 12 * second + 1);
    BOOST_TEST(reset("2023-12-29T23:59:27Zx") == none);
    BOOST_TEST(reset("Fri, 29 Dec 2023 23:59:27 GMT") == 12 * second);
    for (const char* unknown : {"0", "-1", "0s", "0.0", "", "nan", "Tue Feb 16 2021 09:02:42 GMT+0100 (CET)",
                                "99999999999999999999", "9999999999"})
        BOOST_TEST(reset(unknown) == none, unknown);
    BOOST_TEST(hint({{"x-ratelimit-reset-ms", "1703894400000"}}) == 45 * second);
    BOOST_TEST(hint({{"x-ratelimit-reset-ms", "1703894400"}}) == 45 * second);
    BOOST_TEST(hint({{"x-ratelimit-reset-ms", "1500"}}) == 1'500'000);
    BOOST_TEST(hint({{"X-Rate-Limit-Reset", "1703894400"}}) == 45 * second);
    BOOST_TEST(hint({{"RateLimit-Reset", "30"}}) == 30 * second);
    BOOST_TEST(hint({{"ratelimit-reset", "1703894400"}}) == 45 * second);
    BOOST_TEST(hint({{"X-AI-RateLimit-Reset-openai", "29"}}) == none);
    BOOST_TEST(hint({{"x-ratelimit-reset", "2"}, {"ratelimit-reset", "5"}}) == 5 * second);
    // A limit that is not exhausted is not the one that was met.
    BOOST_TEST(hint({{"x-ratelimit-remaining", "7"}, {"x-ratelimit-reset", "60"}}) == none);
    BOOST_TEST(hint({{"x-ratelimit-remaining", "-1"}, {"x-ratelimit-reset", "60"}}) == 60 * second);
    BOOST_TEST(hint({{"X-RATELIMIT-REMAINING", "0"}, {"X-RateLimit-Reset", "60"}}) == 60 * second);
}

BOOST_AUTO_TEST_CASE(a_dimension_counts_only_if_nothing_remains_of_it) {
    const auto dimension = [](const char* left, const char* value) {
        return hint({{"x-ratelimit-remaining-requests", left}, {"x-ratelimit-reset-requests", value}});
    };
    BOOST_TEST(dimension("0", "6m0s") == 360 * second);
    BOOST_TEST(dimension("0", "1s") == second);
    BOOST_TEST(dimension("0", "120ms") == 120'000);
    BOOST_TEST(dimension("0", "2m59.56s") == 179'560'000);
    BOOST_TEST(dimension("0", "1h0m5s") == 3605 * second);
    BOOST_TEST(dimension("0", "1d2h3m") == (86400 + 7200 + 180) * second);
    BOOST_TEST(dimension("0", "7\xC2\xB5s") == 7);
    BOOST_TEST(dimension("0", "7\xCE\xBCs") == 7);
    BOOST_TEST(dimension("0", "1500ns") == 2);
    BOOST_TEST(dimension("0", "33011.382867") == 33'011'382'867);
    BOOST_TEST(dimension("0", "1703894400") == 45 * second);  // DigitalOcean
    BOOST_TEST(dimension("0.0", "6") == 6 * second);
    for (const char* bad : {"6x", "m", "6m0", "-1s", "1s-1s", "s", "6 m", "1.s", "0", "-1", "0s", "nan"})
        BOOST_TEST(dimension("0", bad) == none, bad);
    for (const char* left : {"1", "14100", "-1", "", "many"}) BOOST_TEST(dimension(left, "6m0s") == none, left);
    BOOST_TEST(hint({{"x-ratelimit-reset-requests", "6m0s"}}) == none);
    BOOST_TEST(hint({{"x-ratelimit-remaining-tokens", "0"}, {"x-ratelimit-reset-requests", "6m0s"}}) == none);
}

BOOST_AUTO_TEST_CASE(the_longest_of_the_exhausted_dimensions_counts) {
    BOOST_TEST(hint({{"x-ratelimit-remaining-requests-day", "0"},
                     {"x-ratelimit-reset-requests-day", "33011.4"},
                     {"x-ratelimit-remaining-tokens-minute", "0"},
                     {"x-ratelimit-reset-tokens-minute", "11.38"}}) == 33'011'400'000);
    BOOST_TEST(hint({{"x-ratelimit-remaining-requests-day", "14100"},
                     {"x-ratelimit-reset-requests-day", "33011.4"},
                     {"x-ratelimit-remaining-tokens-minute", "0"},
                     {"x-ratelimit-reset-tokens-minute", "11.382867"}}) == 11'382'867);
    const Headers anthropic = {{"anthropic-ratelimit-requests-remaining", "0"},
                               {"anthropic-ratelimit-requests-reset", "2023-12-29T23:59:27Z"},
                               {"anthropic-ratelimit-input-tokens-remaining", "0"},
                               {"anthropic-ratelimit-input-tokens-reset", "2023-12-29T23:59:28.5+00:00"},
                               {"anthropic-ratelimit-output-tokens-remaining", "8000"},
                               {"anthropic-ratelimit-output-tokens-reset", "2024-12-29T23:59:27Z"}};
    BOOST_TEST(hint(anthropic) == 13'500'000);
    // A dimension before the whole.
    BOOST_TEST(hint({{"x-ratelimit-reset", "60"},
                     {"x-ratelimit-remaining-tokens", "0"},
                     {"x-ratelimit-reset-tokens", "7.66s"}}) == 7'660'000);
    BOOST_TEST(hint({{"anthropic-ratelimit-unified-reset", "1703894400"}}) == 45 * second);
    BOOST_TEST(hint({{"anthropic-ratelimit-unified-status", "allowed_warning"},
                     {"anthropic-ratelimit-unified-reset", "1703894400"}}) == none);
    BOOST_TEST(hint(529, {{"anthropic-ratelimit-unified-reset", "1703894400"}}) == none);
    BOOST_TEST(hint(529, {{"anthropic-ratelimit-unified-status", "rejected"},
                          {"anthropic-ratelimit-unified-reset", "1703894400"}}) == 45 * second);
}

BOOST_AUTO_TEST_CASE(the_structured_field_of_the_later_drafts) {
    const auto field = [](std::string value) { return hint({{"RateLimit", std::move(value)}}); };
    BOOST_TEST(field(R"("default";r=0;t=30)") == 30 * second);
    BOOST_TEST(field(R"("default"; r=0; t=30)") == 30 * second);
    BOOST_TEST(field("default;r=0;t=30") == 30 * second);
    BOOST_TEST(field(R"("burst";r=0;t=5, "daily";r=0;t=3600)") == 3600 * second);
    BOOST_TEST(field(R"("burst";r=0;t=5, "daily";r=99;t=3600)") == 5 * second);
    BOOST_TEST(field(R"("a,b;r=9;t=1";r=0;t=5)") == 5 * second);
    BOOST_TEST(field(R"("a\";t=9";r=0;t=5)") == 5 * second);
    BOOST_TEST(field(R"("default";t=30)") == 30 * second);
    BOOST_TEST(field(R"("a";r=9;t=30, "b";t=5)") == 5 * second);
    BOOST_TEST(field("limit=10, remaining=0, reset=30") == 30 * second);
    BOOST_TEST(field(R"("default";r=5;t=30)") == none);
    for (const char* bad : {"", "\"", "\"\\", ";", ",", "=", "r", "\"default\"", "\"default\";r=0",
                            "\"default\";r=0;t=0", "\"default\";r=0;t=-1", "\"default\";r=0;t=x"})
        BOOST_TEST(field(bad) == none, bad);
    BOOST_TEST(hint({{"RateLimit", R"("default";r=0;t=30)"}, {"RateLimit-Reset", "7"}}) == 7 * second);
    BOOST_TEST(hint(503, {{"RateLimit", R"("default";t=30)"}}) == none);
    BOOST_TEST(hint(503, {{"RateLimit", R"("default";r=0;t=30)"}}) == 30 * second);
}

BOOST_AUTO_TEST_SUITE_END()
