#include "streamkeeper/usage.hpp"

#include <boost/test/unit_test.hpp>
#include <initializer_list>
#include <random>
#include <string>

using namespace streamkeeper;
namespace {

/// "input cache_read cache_write output reasoning" after all the events.
std::string counts_of(std::initializer_list<std::string_view> events) {
    Usage usage;
    for (const std::string_view event : events) read_usage(event, usage);
    const TokenCounts counts = disjoint(usage);
    std::string text;
    for (const std::int64_t count :
         {counts.input, counts.cache_read, counts.cache_write, counts.output, counts.reasoning})
        text += (text.empty() ? "" : " ") + std::to_string(count);
    return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(usage)

BOOST_AUTO_TEST_CASE(openai_chat_counts_cache_and_reasoning_inside) {
    BOOST_TEST(counts_of({R"({"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
        "prompt_tokens_details":{"cached_tokens":60,"audio_tokens":0},
        "completion_tokens_details":{"reasoning_tokens":20,"audio_tokens":0}}})"}) == "40 60 0 30 20");
    BOOST_TEST(counts_of({R"({"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}})"}) == "7 0 0 3 0");
    BOOST_TEST(counts_of({R"({"usage":{"prompt_tokens":100,"completion_tokens":5,
        "prompt_tokens_details":{"cached_tokens":10,"cache_write_tokens":30}}})"}) == "60 10 30 5 0");
}

BOOST_AUTO_TEST_CASE(openai_responses_have_their_own_names) {
    BOOST_TEST(counts_of({R"({"type":"response.created","response":{"usage":null}})",
                          R"({"type":"response.completed","response":{"usage":{"input_tokens":100,
        "input_tokens_details":{"cached_tokens":64},"output_tokens":40,"output_tokens_details":{"reasoning_tokens":32},
        "total_tokens":140}}})"}) == "36 64 0 8 32");
}

BOOST_AUTO_TEST_CASE(embeddings_have_no_completion) {
    BOOST_TEST(
        counts_of(
            {R"({"object":"list","data":[{"embedding":[0.1,0.2]}],"usage":{"prompt_tokens":8,"total_tokens":8}})"}) ==
        "8 0 0 0 0");
}

BOOST_AUTO_TEST_CASE(anthropic_is_cumulative_and_its_cache_is_extra) {
    BOOST_TEST(counts_of({R"({"type":"message_start","message":{"usage":{"input_tokens":25,"output_tokens":4,
        "cache_creation_input_tokens":100,"cache_read_input_tokens":900,
        "cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":0}}}})",
                          R"({"type":"message_delta","usage":{"output_tokens":10}})",
                          R"({"type":"message_delta","usage":{"output_tokens":15,"input_tokens":null}})"}) ==
               "25 900 100 15 0");
    BOOST_TEST(counts_of({R"({"type":"message","usage":{"input_tokens":5,"output_tokens":6}})"}) == "5 0 0 6 0");
}

BOOST_AUTO_TEST_CASE(litellm_puts_anthropics_names_beside_a_prompt_that_includes_them) {
    BOOST_TEST(counts_of({R"({"usage":{"prompt_tokens":1000,"completion_tokens":9,"cache_read_input_tokens":900,
        "cache_creation_input_tokens":50}})"}) == "50 900 50 9 0");
}

BOOST_AUTO_TEST_CASE(gemini_reports_in_every_chunk) {
    BOOST_TEST(counts_of({R"({"usageMetadata":{"promptTokenCount":30,"candidatesTokenCount":2,"totalTokenCount":32}})",
                          R"({"usageMetadata":{"promptTokenCount":30,"candidatesTokenCount":10,"thoughtsTokenCount":5,
        "cachedContentTokenCount":20,"totalTokenCount":45}})"}) == "10 20 0 10 5");
    BOOST_TEST(counts_of({R"({"usage":{"prompt_tokens":30,"completion_tokens":2}})",
                          R"({"usage":{"prompt_tokens":30,"completion_tokens":10}})"}) == "30 0 0 10 0");
}

BOOST_AUTO_TEST_CASE(xai_excludes_reasoning_and_may_report_too_much_cache) {
    BOOST_TEST(counts_of({R"({"usage":{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,
        "prompt_tokens_details":{"cached_tokens":40},"completion_tokens_details":{"reasoning_tokens":94}}})"}) ==
               "0 32 0 9 94");
    BOOST_TEST(counts_of({R"({"usage":{"prompt_tokens":10,"completion_tokens":100,"total_tokens":150,
        "completion_tokens_details":{"reasoning_tokens":40}}})"}) == "10 0 0 100 40");
    BOOST_TEST(counts_of({R"({"usage":{"prompt_tokens":10,"completion_tokens":5,
        "completion_tokens_details":{"reasoning_tokens":40}}})"}) == "10 0 0 5 40");
}

BOOST_AUTO_TEST_CASE(deepseek_splits_the_prompt_into_hit_and_miss) {
    BOOST_TEST(counts_of({R"({"usage":{"prompt_tokens":100,"completion_tokens":9,"total_tokens":109,
        "prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}})"}) == "36 64 0 9 0");
    BOOST_TEST(
        counts_of(
            {R"({"usage":{"completion_tokens":9,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}})"}) ==
        "36 64 0 9 0");
}

BOOST_AUTO_TEST_CASE(other_vendors_put_it_elsewhere) {
    // Mistral, Moonshot, Groq, OpenRouter
    BOOST_TEST(
        counts_of(
            {R"({"choices":[{"delta":{}}],"usage":{"prompt_tokens":9,"completion_tokens":3,"num_cached_tokens":4}})"}) ==
        "5 4 0 3 0");
    BOOST_TEST(
        counts_of(
            {R"({"usage":{"prompt_tokens":9,"completion_tokens":3,"prompt_token_details":{"cached_tokens":4}}})"}) ==
        "5 4 0 3 0");
    BOOST_TEST(
        counts_of(
            {R"({"choices":[{"delta":{},"usage":{"prompt_tokens":9,"completion_tokens":3,"cached_tokens":2}}]})"}) ==
        "7 2 0 3 0");
    BOOST_TEST(counts_of({R"({"choices":[],"x_groq":{"id":"r","usage":{"prompt_tokens":9,"completion_tokens":3,
        "queue_time":0.1,"total_time":0.2}}})"}) == "9 0 0 3 0");
    BOOST_TEST(counts_of({R"({"usage":{"prompt_tokens":9,"completion_tokens":3,"cost":0.01,"is_byok":false,
        "cost_details":{"x":1},"cache_write_tokens":1}})"}) == "8 0 1 3 0");
}

BOOST_AUTO_TEST_CASE(the_last_value_that_is_not_null_wins_and_nothing_is_summed) {
    BOOST_TEST(counts_of({R"({"usage":{"prompt_tokens":10,"completion_tokens":1}})", R"({"usage":null})",
                          R"({"usage":{"prompt_tokens":null,"completion_tokens":2}})", R"({"choices":[]})"}) ==
               "10 0 0 2 0");
    Usage nothing;
    read_usage(R"({"usage":null,"choices":[{"usage":null}],"message":"text","response":[1]})", nothing);
    BOOST_TEST(!nothing.any());
}

BOOST_AUTO_TEST_CASE(nonsense_is_ignored) {
    BOOST_TEST(counts_of({R"({"usage":{"prompt_tokens":12.0,"completion_tokens":-4}})"}) == "12 0 0 0 0");
    BOOST_TEST(counts_of({R"({"usage":{"prompt_tokens":"12","completion_tokens":1e3}})"}) == "0 0 0 0 0");
    BOOST_TEST(counts_of({R"({"usage":{"prompt_tokens":99999999999999999999,"completion_tokens":3}})"}) == "0 0 0 3 0");
    BOOST_TEST(counts_of({R"({"usage":[1],"x":{"usage":{"prompt_tokens":5}}})"}) == "0 0 0 0 0");
}

BOOST_AUTO_TEST_CASE(no_count_is_ever_negative) {
    std::mt19937 random(7);
    const auto maybe = [&]() -> std::optional<std::int64_t> {
        if (random() % 3 == 0) return std::nullopt;
        return random() % 100;
    };
    for (int i = 0; i < 20000; ++i) {
        Usage usage{maybe(), maybe(), maybe(),           maybe(),          maybe(),
                    maybe(), maybe(), random() % 2 == 0, random() % 2 == 0};
        const TokenCounts counts = disjoint(usage);
        BOOST_TEST(counts.input >= 0);
        BOOST_TEST(counts.cache_read >= 0);
        BOOST_TEST(counts.cache_write >= 0);
        BOOST_TEST(counts.output >= 0);
        BOOST_TEST(counts.reasoning >= 0);
        if (!usage.additive_cache && usage.prompt)
            BOOST_TEST(counts.input + counts.cache_read + counts.cache_write == *usage.prompt);
    }
}

BOOST_AUTO_TEST_SUITE_END()
