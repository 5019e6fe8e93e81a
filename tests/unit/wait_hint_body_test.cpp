// The waits that bodies name, which hints count for which status, and what holds for every hint.
#include <boost/test/unit_test.hpp>
#include <random>
#include <string>

#include "hints.hpp"

using namespace streamkeeper;
using namespace streamkeeper::hints;

BOOST_AUTO_TEST_SUITE(wait_hints)

BOOST_AUTO_TEST_CASE(openrouters_metadata) {
    const auto body = [](const std::string& metadata, Headers headers = {}, int status = 429) {
        return hint(status, headers, R"({"error":{"code":429,"message":"m","metadata":)" + metadata + "}}");
    };
    BOOST_TEST(body(R"({"retry_after_seconds":17})") == 17 * second);
    BOOST_TEST(body(R"({"retry_after_seconds":9.5})") == 9'500'000);
    BOOST_TEST(body(R"({"retry_after_seconds":"9.5"})") == 9'500'000);
    BOOST_TEST(body(R"({"retry_after_seconds":0})") == 0);
    BOOST_TEST(body(R"({"retry_after_seconds":null})") == none);
    BOOST_TEST(body(R"({"retry_after_seconds":1e300})") == none);
    BOOST_TEST(body(R"({"retry_after_seconds":[1]})") == none);
    BOOST_TEST(body(R"({"headers":{"Retry-After":"17"}})") == 17 * second);
    BOOST_TEST(body(R"({"headers":{"retry-after":17}})") == 17 * second);
    BOOST_TEST(body(R"({"headers":{"Retry-After":["17"]}})") == 17 * second);
    BOOST_TEST(body(R"({"headers":{"retry-after-ms":"174","Retry-After":"1"}})") == 174'000);
    BOOST_TEST(body(R"({"headers":{"X-RateLimit-Remaining":"0","X-RateLimit-Reset":"1703894400000"}})") == 45 * second);
    BOOST_TEST(body(R"({"headers":{"X-RateLimit-Reset":1703894400000}})") == 45 * second);
    BOOST_TEST(body(R"({"headers":"none"})") == none);
    BOOST_TEST(body(R"({"retry_after_seconds":17,"headers":{"Retry-After":"18"}})") == 17 * second);
    BOOST_TEST(body(R"({"retry_after_seconds":17})", {{"Retry-After", "5"}}) == 5 * second);
    BOOST_TEST(body(R"({"retry_after_seconds":17})", {{"x-ratelimit-reset", "5"}}) == 17 * second);
}

BOOST_AUTO_TEST_CASE(googles_retry_info) {
    const auto details = [](const std::string& delay) {
        return hint(429, {},
                    R"([{"error":{"code":429,"message":"Please retry in 9s.","status":"RESOURCE_EXHAUSTED",)"
                    R"("details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure"},)"
                    R"({"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":)" +
                        delay + "}]}}]");
    };
    BOOST_TEST(details("\"34s\"") == 34 * second);
    BOOST_TEST(details("\"34.07s\"") == 34'070'000);
    BOOST_TEST(details("\"900ms\"") == 900'000);
    BOOST_TEST(details("\"34.074824224s\"") == 34'074'825);
    BOOST_TEST(details("\"0s\"") == 0);
    BOOST_TEST(details(R"({"seconds":"34","nanos":70000000})") == 34'070'000);
    BOOST_TEST(details(R"({"seconds":34})") == 34 * second);
    for (const char* bad : {"null", "\"\"", "\"soon\"", "\"99999999999999s\"", "{}", "[]", R"({"seconds":1e99})"})
        BOOST_TEST(details(bad) == 9 * second, bad);  // then the message
}

BOOST_AUTO_TEST_CASE(messages_in_the_words_of_many_vendors) {
    BOOST_TEST(message("Limit 3, Used 3, Requested 1. Please try again in 6m0s.") == 360 * second);
    BOOST_TEST(message("Please try again in 174ms. Visit https://platform.openai.com") == 174'000);
    BOOST_TEST(message("Please try again in 9.816s. Visit") == 9'816'000);
    BOOST_TEST(message("No deployments available. Try again in 60 seconds. Passed model=x") == 60 * second);
    BOOST_TEST(message("Please retry after 6 seconds. Please contact Azure") == 6 * second);
    BOOST_TEST(message("Please retry in 34.07s") == 34'070'000);
    BOOST_TEST(message("Please retry in 9h12m3s.") == (9 * 3600 + 12 * 60 + 3) * second);
    BOOST_TEST(message("TRY AGAIN IN 2 MINUTES") == 120 * second);
    BOOST_TEST(message("try again in 1 minute and 30 seconds") == 90 * second);
    BOOST_TEST(message("try again in 1 minute, 30 seconds") == 90 * second);
    BOOST_TEST(message("try again in 1 hour") == 3600 * second);
    BOOST_TEST(message("Please try again in 500 milliseconds") == 500'000);
    BOOST_TEST(message("try again in 5 second(s)") == 5 * second);
    BOOST_TEST(message("try again in about 5 mins") == 300 * second);
    BOOST_TEST(message("Retry after: 20") == 20 * second);
    BOOST_TEST(message("retry-after: 20, later") == 20 * second);
    BOOST_TEST(message("Please wait 20 seconds before the next request") == 20 * second);
    BOOST_TEST(message("Rate limit resets in 12s") == 12 * second);
    BOOST_TEST(message(R"(litellm: VertexAI - {"details":[{"retryDelay": "34s"}]})") == 34 * second);
    BOOST_TEST(message("请求过于频繁，请在 30 秒后重试") == 30 * second);
    BOOST_TEST(message("请5分钟后再试") == 300 * second);
    for (const char* phrase :
         {"try again in", "try again after", "retry in", "retry after", "retry again in", "retry your request in",
          "retry your request after", "retry this request after", "resets in", "reset in", "reset after", "wait for",
          "wait", "retry_after:", "\"retry_after\":", "\\\"retryDelay\\\": \\\"", "try again in approximately",
          "try again in at least", "wait another"}) {
        BOOST_TEST(message("Busy. " + std::string(phrase) + " 7s, please") == 7 * second, phrase);
        BOOST_TEST(message(std::string(phrase) + " soon") == none, phrase);
    }
    for (const char* unit : {"s", "sec", "secs", "second", "seconds", "second(s)"})
        BOOST_TEST(message("retry in 7 " + std::string(unit)) == 7 * second, unit);
    for (const char* unit : {"ms", "millisecond", "milliseconds", "msec", "msecs"})
        BOOST_TEST(message("retry in 7 " + std::string(unit)) == 7'000, unit);
    for (const char* unit : {"m", "min", "mins", "minute", "minutes"})
        BOOST_TEST(message("retry in 7" + std::string(unit)) == 420 * second, unit);
    for (const char* unit : {"h", "hr", "hrs", "hour", "hours"})
        BOOST_TEST(message("(retry in 7 " + std::string(unit) + ")") == 7 * 3600 * second, unit);
    for (const char* unit : {"d", "day", "days"})
        BOOST_TEST(message("retry in 7 " + std::string(unit)) == 7 * 86400 * second, unit);
    for (const char* unit : {"week", "weeks"})
        BOOST_TEST(message("retry in 1 " + std::string(unit)) == 7 * 86400 * second, unit);
    BOOST_TEST(message("请7秒钟后再试") == 7 * second);
    BOOST_TEST(message("请7分后再试") == 420 * second);
    BOOST_TEST(message("请 2 小时后再试") == 7200 * second);
    BOOST_TEST(message("请 500 毫秒后再试") == 500'000);
    BOOST_TEST(message("retry in 7us") == 7);
    BOOST_TEST(message("try again in 6s 5 times at most") == 6 * second);
    BOOST_TEST(message("wait 3.") == none);
    BOOST_TEST(message("retry in 7ns") == 1);
    for (const char* no :
         {"", "Please try again later", "当前分组上游负载已饱和，请稍后再试", "try again in a moment",
          "try again in 3 attempts", "try again in -5s", "try again in 6x", "Please wait before making more requests.",
          "wait 3 more", "maintain a consistent rate for at least 15 minutes", "try again in nan seconds",
          "try again in inf", "try again in 99999999999999999999s", "try again in 5 years", "tokens: 5s"})
        BOOST_TEST(message(no) == none, no);
    // Not found between two halves of a prompt that is echoed, but found behind it.
    const std::string long_text(1 << 20, 'x');
    BOOST_TEST(message(long_text + " Please try again in 7s.") == 7 * second);
    BOOST_TEST(message(long_text + " try again in 7s " + long_text) == none);
}

BOOST_AUTO_TEST_CASE(hints_by_status) {
    const std::string body =
        R"({"error":{"message":"Please try again in 7s.","metadata":{"headers":{"Retry-After":"4"}}}})";
    const std::string plain = R"({"error":{"message":"Please try again in 7s."}})";
    BOOST_TEST(hint(503, {}, plain) == 7 * second);
    BOOST_TEST(hint(503, {{"Retry-After", "15"}}, plain) == 15 * second);
    BOOST_TEST(hint(503, {{"retry-after-ms", "15"}}, plain) == 15'000);
    BOOST_TEST(hint(503, {{"x-ratelimit-reset", "30"}}) == none);
    BOOST_TEST(hint(503, {{"x-ratelimit-remaining", "0"}, {"x-ratelimit-reset", "30"}}) == 30 * second);
    BOOST_TEST(hint(408, {{"X-RateLimit-Reset", "1703894400"}}) == none);
    BOOST_TEST(hint(402, {{"Retry-After", "3"}}) == 3 * second);
    BOOST_TEST(hint(402, {{"retry-after-ms", "300"}}) == 300'000);
    BOOST_TEST(hint(402, {}, body) == 4 * second);
    BOOST_TEST(hint(402, {}, plain) == none);
    BOOST_TEST(hint(402, {{"x-ratelimit-remaining", "0"}, {"x-ratelimit-reset", "30"}}) == none);
    BOOST_TEST(hint(402, {}, R"({"error":{"message":"m","metadata":{"retry_after_seconds":4}}})") == none);
    // Of an error inside a 200 the status that it means.
    BOOST_TEST(hint(200, {{"x-ratelimit-reset", "30"}}, R"({"error":{"message":"m","code":429}})") == 30 * second);
    BOOST_TEST(hint(200, {{"x-ratelimit-reset", "30"}}, R"({"error":{"message":"m","code":503}})") == none);
}

BOOST_AUTO_TEST_CASE(should_retry_takes_two_words_alone) {
    const auto asked = [](std::string value) {
        return should_retry(fields_of({{"X-Should-Retry", std::move(value)}}));
    };
    BOOST_TEST((asked("true") == std::optional(true)));
    BOOST_TEST((asked("False") == std::optional(false)));
    for (const char* other : {"", "1", "yes", "truee", "true, false"}) BOOST_TEST(!asked(other), other);
    BOOST_TEST(!should_retry({}));
    BOOST_TEST(
        (should_retry(fields_of({{"x-should-retry", "?"}, {"x-should-retry", "false"}})) == std::optional(false)));
}

BOOST_AUTO_TEST_CASE(random_fields_never_give_a_wait_that_is_absurd) {
    std::mt19937_64 random(20240229);
    const auto pick = [&](const auto& from) { return from[random() % std::size(from)]; };
    constexpr const char* names[] = {"Retry-After",
                                     "retry-after-ms",
                                     "x-ms-retry-after-ms",
                                     "x-ratelimit-reset",
                                     "x-ratelimit-remaining",
                                     "x-ratelimit-reset-ms",
                                     "x-ratelimit-reset-requests",
                                     "x-ratelimit-remaining-requests",
                                     "RateLimit",
                                     "RateLimit-Reset",
                                     "Date",
                                     "anthropic-ratelimit-tokens-reset",
                                     "anthropic-ratelimit-tokens-remaining",
                                     "x-ratelimit-",
                                     "x-ratelimit-reset-",
                                     "-reset",
                                     "anthropic-ratelimit-unified-reset"};
    constexpr const char* pieces[] = {"0",
                                      "1",
                                      "9",
                                      "99999999",
                                      "1703894400",
                                      ".",
                                      "-",
                                      ",",
                                      ";",
                                      "r=0",
                                      "t=",
                                      "\"",
                                      "s",
                                      "m",
                                      "h",
                                      "ms",
                                      "\xC2\xB5s",
                                      "nan",
                                      "inf",
                                      "e9",
                                      " ",
                                      "Fri, 29 Dec 2023 23:59:35 GMT",
                                      "2023-12-29T23:59:27Z",
                                      "+",
                                      "default",
                                      "=",
                                      "\\",
                                      "Z",
                                      ":"};
    constexpr int statuses[] = {429, 503, 402, 200, 529, 408};
    int some = 0;
    for (int i = 0; i < 50'000; ++i) {
        Headers headers;
        for (std::size_t n = random() % 4; n < 4; ++n) {
            std::string value;
            for (std::size_t p = random() % 5; p > 0; --p) value += pick(pieces);
            headers.emplace_back(pick(names), value);
        }
        VendorError error;
        error.message = "try again in " + headers.front().second;
        const auto wait = wait_hint(pick(statuses), fields_of(headers), error, now);
        if (!wait) continue;
        ++some;
        BOOST_REQUIRE(wait->count() >= 0);
        BOOST_REQUIRE(*wait <= std::chrono::hours(24 * 3660));
    }
    BOOST_TEST(some > 2'000);
}

BOOST_AUTO_TEST_CASE(no_form_of_a_wait_is_earlier_than_the_vendor_asked) {
    std::mt19937_64 random(7);
    for (int i = 0; i < 20'000; ++i) {
        const std::int64_t whole = static_cast<std::int64_t>(random() % (random() % 2 == 0 ? 100 : 300'000));
        const std::int64_t nanos = static_cast<std::int64_t>(random() % 1'000'000'000);
        const std::string fraction = std::to_string(1'000'000'000 + nanos).substr(1);
        const std::string seconds = std::to_string(whole) + "." + fraction;
        const std::int64_t asked = whole * second + (nanos + 999) / 1000;  // rounded up to a microsecond
        const auto equal = [&](std::int64_t found, std::int64_t wanted, const std::string& form) {
            BOOST_REQUIRE_MESSAGE(found == wanted, form << ": " << found << " instead of " << wanted);
        };
        equal(retry_after(seconds), asked, seconds);
        equal(reset(std::to_string(epoch + whole) + "." + fraction), asked, "epoch " + seconds);
        equal(hint({{"retry-after-ms", seconds}}), whole * 1000 + (nanos + 999'999) / 1'000'000, "ms " + seconds);
        if (asked > 0) equal(reset(seconds + "s"), asked, "go " + seconds);
        const std::string go = std::to_string(whole / 3600) + "h" + std::to_string(whole / 60 % 60) + "m" +
                               std::to_string(whole % 60) + "." + fraction + "s";
        if (asked > 0) equal(reset(go), asked, go);
        equal(message("Please try again in " + go + "."), asked, go);
        equal(message("retry after " + seconds + " seconds."), asked, seconds);
    }
}

BOOST_AUTO_TEST_CASE(limits_are_read_for_the_gauges) {
    const auto seen = [](const Headers& headers) {
        std::vector<RateLimitSeen> limits;
        read_limits(fields_of(headers), now, limits);
        std::string text;
        for (const RateLimitSeen& one : limits)
            text += std::string(one.dimension) + "=" + std::to_string(static_cast<std::int64_t>(one.remaining)) + "@" +
                    std::to_string(static_cast<std::int64_t>(one.reset_epoch)) + " ";
        return text;
    };
    BOOST_TEST(seen({{"x-ratelimit-remaining-requests", "59"},
                     {"x-ratelimit-remaining-tokens", "149984"},
                     {"x-ratelimit-limit-requests", "60"},
                     {"x-ratelimit-reset-tokens", "6m0s"}}) == "requests=59@-1 tokens=149984@1703894715 ");
    BOOST_TEST(seen({{"X-RateLimit-Remaining", "7"}, {"X-RateLimit-Reset", "1703894400"}}) == "requests=7@1703894400 ");
    BOOST_TEST(seen({{"X-RateLimit-Remaining", "7"}, {"X-RateLimit-Reset", "1703894400000"}}) ==
               "requests=7@1703894400 ");
    BOOST_TEST(seen({{"RateLimit-Remaining", "7"}, {"RateLimit-Reset", "30"}}) == "requests=7@1703894385 ");
    BOOST_TEST(seen({{"anthropic-ratelimit-input-tokens-remaining", "5"},
                     {"anthropic-ratelimit-input-tokens-reset", "2023-12-29T23:59:27Z"},
                     {"anthropic-ratelimit-output-tokens-remaining", "6"},
                     {"anthropic-ratelimit-requests-remaining", "7"}}) ==
               "input_tokens=5@1703894367 output_tokens=6@-1 requests=7@-1 ");
    BOOST_TEST(seen({{"x-ratelimit-remaining-req-minute", "3"}, {"x-ratelimit-remaining-tokens-minute", "4"}}) ==
               "requests=3@-1 tokens=4@-1 ");
    // Of two windows the tighter one.
    BOOST_TEST(seen({{"x-ratelimit-remaining-requests-day", "14100"},
                     {"x-ratelimit-remaining-requests-minute", "3"},
                     {"x-ratelimit-reset-requests-minute", "12"}}) == "requests=3@1703894367 ");
    for (const char* name : {"x-ratelimit-remaining-", "x-ratelimit-remaining-images", "x-ratelimit-limit-requests",
                             "x-ratelimit-remainingness", "content-security-policy", "anthropic-ratelimit-remaining-x",
                             "x-ratelimit-requests_remaining", "access-control-expose-headers", "ratelimit-remainin"})
        BOOST_TEST(seen({{name, "7"}}) == "", name);
    for (const char* value : {"", "many", "-5", "nan", "1e3", "99999999999999999999"})
        BOOST_TEST(seen({{"x-ratelimit-remaining-requests", value}}) == "", value);
    BOOST_TEST(seen({{"x-ratelimit-remaining", "7"}, {"x-ratelimit-reset", "0"}}) == "requests=7@-1 ");
}

BOOST_AUTO_TEST_SUITE_END()
