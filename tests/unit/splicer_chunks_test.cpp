// Chat chunks as vendors send them, and what a client may see of them (resumption.md, "What the client must never see";
// resumption_facts.md, sections 6 and 7).
#include <boost/test/unit_test.hpp>

#include "splicer_play.hpp"

using namespace streamkeeper;
using namespace streamkeeper::splicing;

namespace {

Join hiding_usage() {
    Join join;
    join.hide_usage = true;
    return join;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(splicer_chunks)

// ---- lines

BOOST_AUTO_TEST_CASE(an_event_is_told_in_one_form_however_it_came) {
    const std::string json = R"({"id":"c","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"x"}}]})";
    for (const std::string& event :
         {"data:" + json + "\n\n", "data:" + json + "\r\n\r\n", ": hi\ndata: " + json + "\n\n",
          "id: 7\ndata: " + json + "\nretry: 5\n\n", "event: message\ndata: " + json + "\n\n",
          "\xEF\xBB\xBF"
          "data: " +
              json + "\n\n",
          "data:  " + json + " \n\n"}) {
        Watched stream;
        const std::string got = stream.take(event);
        BOOST_TEST_CONTEXT(event) {
            BOOST_TEST((got == "data: " + json + "\n\n" || got == "data:  " + json + " \n\n"));
            // The next one need not be read in full, and is shown likewise.
            BOOST_TEST(stream.take(event) == got);
        }
    }
}

BOOST_AUTO_TEST_CASE(line_ends_of_a_plain_event_stay_as_they_came) {
    const std::string json = R"({"choices":[{"index":0,"delta":{"content":"x"}}]})";
    for (const std::string line_end : {"\n", "\r\n", "\r"}) {
        Watched stream;
        const std::string event = "data: " + json + line_end + line_end;
        BOOST_TEST(stream.take(event + event) == event + event);
    }
}

BOOST_AUTO_TEST_CASE(json_over_several_data_lines_is_shown_on_one) {
    Watched stream;
    BOOST_TEST(stream.take("data: {\"choices\":[{\"index\":0,\ndata: \"delta\":{\"content\":\"x\"}}]}\n\n") ==
               "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n");
    Watched torn;
    torn.take("data: {\"choices\":[{\"delta\":{\"content\":\"x\ndata: y\"}}]}\n\n");
    BOOST_TEST((torn.splicer.fault() == Fault::malformed));
}

BOOST_AUTO_TEST_CASE(what_no_client_may_see_is_not_shown) {
    Watched stream;
    stream.take(text("a"));
    BOOST_TEST(stream.take(": ping\n\n: keep-alive\n\nretry: 3\n\nid: 4\n\nevent: ping\n\ndata:\n\ndata: \n\n\n\r\n") ==
               "");
    BOOST_TEST((stream.splicer.fault() == Fault::none));
    BOOST_TEST(stream.take(text("b")) == text("b"));
}

// ---- faults

BOOST_AUTO_TEST_CASE(what_is_no_json_value_breaks_the_stream) {
    for (const char* bad :
         {"{\"choices\":[", "{} {}", "DONE", "{\"choices\":[{\"delta\":{\"content\":\"\xFF\"}}]}", "nul"}) {
        Watched stream;
        stream.take(text("a"));
        BOOST_TEST(stream.take(line_of(bad) + text("b")) == "");
        BOOST_TEST((stream.splicer.fault() == Fault::malformed));
    }
}

BOOST_AUTO_TEST_CASE(an_error_in_any_shape_breaks_the_stream_and_is_not_shown) {
    for (const std::string& error :
         {line_of(R"({"error":{"message":"m","code":500}})"), line_of(R"({"error":"overloaded"})"),
          named("error", R"({"message":"m"})"), named("error", "plain words"), std::string("event: error\n\n"),
          std::string("error: {\"code\":500}\n\n"),
          line_of(R"({"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]})"),
          line_of(R"({"id":"","choices":[],"error":{"code":502}})"), line_of(R"({"object":"error","message":"m"})")}) {
        Watched stream;
        stream.take(text("a"));
        BOOST_TEST_CONTEXT(error) {
            BOOST_TEST(stream.take(error + done) == "");
            BOOST_TEST((stream.splicer.fault() == Fault::error));
            BOOST_TEST(!stream.splicer.finished());
        }
    }
}

BOOST_AUTO_TEST_CASE(done_without_a_finish_is_no_end) {
    Watched stream;
    stream.take(text("a"));
    BOOST_TEST(stream.take(done) == "");
    BOOST_TEST((stream.splicer.fault() == Fault::ended_early));
    Watched empty;
    empty.take(done);
    BOOST_TEST((empty.splicer.fault() == Fault::ended_early));
}

BOOST_AUTO_TEST_CASE(done_is_an_end_where_a_vendor_says_no_more_but_only_of_an_answer) {
    Join terse;
    terse.finish_optional = true;
    Watched stream(Endpoint::chat_completions, {}, terse);
    stream.take(text("a") + text(" "));
    BOOST_TEST(stream.take(done) == text(" ") + done);
    BOOST_TEST(stream.splicer.finished());
    Watched empty(Endpoint::chat_completions, {}, terse);
    empty.take(role() + done);
    BOOST_TEST((empty.splicer.fault() == Fault::ended_early));
}

BOOST_AUTO_TEST_CASE(whether_a_vendor_says_no_more_is_known_of_each_attempt) {
    Join terse;
    terse.finish_optional = true;
    Watched stream(Endpoint::chat_completions, {}, terse);
    stream.take(reasoning("r"));
    stream.begin();  // another vendor answers
    stream.take(text("a") + done);
    BOOST_TEST((stream.splicer.fault() == Fault::ended_early));
    Watched back;
    back.take(reasoning("r"));
    back.begin(terse);
    BOOST_TEST(back.take(text("a") + done) == text("a") + done);
    BOOST_TEST(back.splicer.finished());
}

BOOST_AUTO_TEST_CASE(after_the_finish_nothing_is_a_fault_and_no_output_is_shown) {
    Watched stream;
    stream.take(text("a") + text("b") + stop());
    BOOST_TEST(stream.take(text("c") + role() + stop() + reasoning("r") + "data: {\n\n" +
                           line_of(R"({"error":"late"})")) == "");
    BOOST_TEST((stream.splicer.fault() == Fault::none));
    BOOST_TEST(stream.take(done) == done);
    BOOST_TEST(stream.take(done + text("c") + usage()) == "");
}

// ---- role and names

BOOST_AUTO_TEST_CASE(the_role_is_told_once) {
    Watched stream;
    const std::string first = chunk(R"("role":"assistant","content":"a")");
    BOOST_TEST(stream.take(first) == first);
    BOOST_TEST(stream.take(chunk(R"("role":"assistant","content":"b")")) == text("b"));
    BOOST_TEST(stream.take(chunk(R"("role":"assistant","content":"c")")) == text("c"));
    BOOST_TEST(stream.take(chunk(R"("role":"assistant","content":"")", "\"stop\"")) ==
               chunk(R"("content":"")", "\"stop\""));
    BOOST_TEST(stream.splicer.transcript().text() == "abc");
}

BOOST_AUTO_TEST_CASE(a_role_that_a_later_attempt_says_first_is_told_once_too) {
    Watched stream;
    stream.take(reasoning("r"));
    stream.begin();
    const std::string each = chunk(R"("role":"assistant","content":"a")");
    BOOST_TEST(stream.take(each + each) == each + text("a"));
}

BOOST_AUTO_TEST_CASE(names_that_change_from_chunk_to_chunk_stay_the_first_ones) {
    Watched stream;
    BOOST_TEST(stream.take(text("a") + text("b", others) + text("c", {"\"c3\"", "9", "\"m-2\""})) ==
               text("a") + text("b") + text("c"));
    BOOST_TEST(stream.take(stop(others) + usage("{\"total_tokens\":1}", others)) ==
               stop() + usage("{\"total_tokens\":1}"));
}

BOOST_AUTO_TEST_CASE(azures_first_chunk_names_nothing_and_is_no_output) {
    Watched stream;
    const std::string first = line_of(
        R"({"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0}]})");
    BOOST_TEST(stream.take(first) == "");
    BOOST_TEST((stream.splicer.seen() == Seen::nothing));
    BOOST_TEST(stream.take(role() + text("a")) == first + role() + text("a"));
    BOOST_TEST(stream.splicer.names() == R"("id":"c1","created":1,"model":"m")");
    BOOST_TEST(stream.take(text("b", {"\"\"", "0", "\"\""})) == text("b"));
}

BOOST_AUTO_TEST_CASE(a_healthy_stream_is_shown_as_it_came) {
    const std::string odd =
        line_of(R"({ "id" : "c1", "x_vendor":{"a":[1,2]}, "created":1,"model":"m","choices":[ {"index":0,)"
                R"("delta":{"content":"x"},"logprobs":{"content":[]}} ],"usage":null })");
    Watched stream;
    BOOST_TEST(stream.take(role() + odd + odd + text("b") + stop() + usage() + done) ==
               role() + odd + odd + text("b") + stop() + usage() + done);
}

BOOST_AUTO_TEST_CASE(an_obfuscated_stream_is_shown_as_it_came) {
    const auto padded = [](std::string_view words, std::string_view padding) {
        return chunk("\"content\":\"" + std::string(words) + "\"", "null", {},
                     ",\"obfuscation\":\"" + std::string(padding) + "\"");
    };
    Watched stream;
    const std::string events = padded("a", "xYz") + padded("bc", "q") + padded("d", "") + padded("e", "rrrr");
    BOOST_TEST(stream.take(events) == events);
    BOOST_TEST(stream.splicer.transcript().text() == "abcde");
}

// ---- several choices

BOOST_AUTO_TEST_CASE(of_several_choices_each_keeps_its_role_and_finish) {
    const auto choice = [](int index, std::string_view delta, std::string_view finish = "null") {
        return line_of("{\"id\":\"c1\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":" + std::to_string(index) +
                       ",\"delta\":{" + std::string(delta) + "},\"finish_reason\":" + std::string(finish) + "}]}");
    };
    SplicerSettings settings;
    settings.choices = 2;
    Watched stream(Endpoint::chat_completions, settings);
    const std::string begun = choice(0, R"("role":"assistant")") + choice(1, R"("role":"assistant")") +
                              choice(0, R"("content":"a ")") + choice(1, R"("content":"b")") +
                              choice(0, "", "\"stop\"");
    BOOST_TEST(stream.take(begun) == begun);
    BOOST_TEST(!stream.splicer.finished());
    BOOST_TEST((stream.splicer.seen() == Seen::fixed));
    BOOST_TEST(!stream.splicer.continuable());
    const std::string rest = choice(1, R"("content":"c")") + choice(1, "", "\"length\"");
    BOOST_TEST(stream.take(rest + done) == rest + done);
    BOOST_TEST(stream.splicer.finished());
    BOOST_TEST(stream.splicer.finish_reason() == "stop");
    Watched cut(Endpoint::chat_completions, settings);
    cut.take(begun + done);
    BOOST_TEST((cut.splicer.fault() == Fault::ended_early));
    Watched one(Endpoint::chat_completions, settings);  // of a vendor that knows no `n`
    BOOST_TEST(one.take(text("a") + stop() + done) == text("a") + stop() + done);
    BOOST_TEST(one.splicer.finished());
    Watched without_done(Endpoint::chat_completions, settings);  // the end of the connection proves nothing
    without_done.take(text("a") + stop());
    BOOST_TEST(!without_done.splicer.finished());
}

BOOST_AUTO_TEST_CASE(refusals_audio_and_images_can_not_be_gone_on_with) {
    for (const char* delta : {R"("refusal":"No")", R"("audio":{"id":"a","data":"AAAA"})",
                              R"("images":[{"type":"image_url"}])", R"("content":[{"type":"text","text":"x"}])"}) {
        Watched stream;
        BOOST_TEST(stream.take(chunk(delta)) == chunk(delta));
        BOOST_TEST((stream.splicer.seen() == Seen::fixed));
    }
}

// ---- usage

BOOST_AUTO_TEST_CASE(the_usage_chunk_that_we_asked_for_is_not_shown) {
    Watched stream(Endpoint::chat_completions, {}, hiding_usage());
    stream.take(text("a"));
    BOOST_TEST(stream.take(usage()) == "");
    BOOST_TEST(stream.splicer.facts().usage);
    BOOST_TEST(stream.take(stop()) == stop());
    BOOST_TEST(stream.take(usage()) == "");
    BOOST_TEST(stream.splicer.facts().usage);
    BOOST_TEST(stream.take(done) == done);
}

BOOST_AUTO_TEST_CASE(usage_on_the_finish_chunk_stays_there) {
    const std::string finish = chunk("", "\"stop\"", {}, ",\"usage\":{\"total_tokens\":5}");
    for (const Join& join : {Join(), hiding_usage()}) {
        Watched stream(Endpoint::chat_completions, {}, join);
        stream.take(text("a"));
        BOOST_TEST(stream.take(finish + done) == finish + done);
    }
}

BOOST_AUTO_TEST_CASE(no_empty_usage_follows_a_full_one) {
    Watched stream;
    stream.take(text("a") + stop());
    BOOST_TEST(stream.take(usage() + usage("null") + done) == usage() + done);
    Watched with_finish;
    const std::string finish = chunk("", "\"stop\"", {}, ",\"usage\":{\"total_tokens\":5}");
    with_finish.take(text("a") + finish);
    BOOST_TEST(with_finish.take(usage("null") + done) == done);
}

BOOST_AUTO_TEST_CASE(a_trailing_chunk_with_usage_and_a_second_finish_keeps_only_the_usage) {
    Watched stream;
    stream.take(text("a") + stop());
    BOOST_TEST(stream.take(chunk(R"("role":"assistant","content":"")", "\"stop\"", others,
                                 ",\"usage\":{\"total_tokens\":5}")) ==
               chunk(R"("content":"")", "null", {}, ",\"usage\":{\"total_tokens\":5}"));
}

BOOST_AUTO_TEST_SUITE_END()
