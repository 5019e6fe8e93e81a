// Tool calls of chat: held until the finish, shown whole, however a vendor cuts them (resumption.md, "What is held";
// resumption_facts.md, section 5).
#include <boost/test/unit_test.hpp>

#include "splicer_play.hpp"

using namespace streamkeeper;
using namespace streamkeeper::splicing;

namespace {

const std::string calls_end = chunk("", "\"tool_calls\"");

std::string head(std::string_view index, std::string_view id, std::string_view name, std::string_view arguments = "") {
    std::string call = "{";
    if (!index.empty()) call.append("\"index\":").append(index).append(",");
    call.append("\"id\":").append(id).append(",\"type\":\"function\",\"function\":{\"name\":\"").append(name);
    return call.append("\",\"arguments\":\"").append(arguments).append("\"}}");
}
std::string more(std::string_view index, std::string_view arguments) {
    const std::string function = "\"function\":{\"arguments\":\"" + std::string(arguments) + "\"}}";
    return index.empty() ? "{" + function : "{\"index\":" + std::string(index) + "," + function;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(splicer_calls)

BOOST_AUTO_TEST_CASE(a_call_is_shown_whole_with_its_finish) {
    Watched stream;
    BOOST_TEST(stream.take(role() + piece(head("0", "\"t1\"", "run")) + piece(more("0", "{\\\"a\\\"")) +
                           piece(more("0", ":1}"))) == "");
    BOOST_TEST(stream.splicer.began());
    BOOST_TEST((stream.splicer.seen() == Seen::nothing));
    BOOST_TEST(stream.splicer.held_bytes() > 0u);
    BOOST_TEST(stream.take(calls_end + done) ==
               role() + piece(head("0", "\"t1\"", "run", "{\\\"a\\\":1}")) + calls_end + done);
}

BOOST_AUTO_TEST_CASE(text_before_a_call_is_shown_at_once) {
    Watched stream;
    BOOST_TEST(stream.take(role() + text("Look:") + piece(head("0", "\"t1\"", "run")) + piece(more("0", "{}"))) ==
               role() + text("Look:"));
    BOOST_TEST((stream.splicer.seen() == Seen::text));
    BOOST_TEST(stream.take(calls_end) == piece(head("0", "\"t1\"", "run", "{}")) + calls_end);
}

BOOST_AUTO_TEST_CASE(a_call_that_came_in_one_piece_is_not_touched_but_numbered) {
    const auto odd = [](std::string_view index) {
        return piece("{" + std::string(index) +
                     R"("function":{"arguments":"{}","name":"run"},"id":"t1","extra":null})");
    };
    Watched stream;
    BOOST_TEST(stream.take(odd("\"index\":0,")) == "");
    BOOST_TEST(stream.take(calls_end) == odd("\"index\":0,") + calls_end);
    for (const char* index : {"", "\"index\":3,", "\"index\":null,"}) {
        Watched other;
        other.take(odd(index));
        BOOST_TEST(other.take(calls_end) == odd("\"index\":0,") + calls_end);
    }
    Watched two;
    const std::string both = head("0", "\"t1\"", "run", "{}") + "," + head("1", "\"t2\"", "run", "{}");
    BOOST_TEST(two.take(piece(both) + calls_end) == piece(both) + calls_end);
}

BOOST_AUTO_TEST_CASE(a_call_and_its_finish_in_one_chunk_are_not_touched) {
    Watched stream;
    const std::string event = piece(head("0", "\"t1\"", "run", "{}"), "\"tool_calls\"");
    BOOST_TEST(stream.take(role() + event + done) == role() + event + done);
    for (const std::string_view given : {"", "3", "null"}) {
        Watched other;
        const auto both = [](std::string_view one, std::string_view two) {
            return chunk(R"("role":"assistant","tool_calls":[)" + head(one, "\"t1\"", "run", "{}") + "," +
                             head(two, "\"t2\"", "run", "{}") + "]",
                         "\"tool_calls\"", {}, ",\"usage\":{\"total_tokens\":1}");
        };
        BOOST_TEST(other.take(both(given, given) + done) == both("0", "1") + done);
    }
}

BOOST_AUTO_TEST_CASE(the_last_piece_may_come_with_the_finish) {
    Watched stream;
    stream.take(role() + piece(head("0", "\"t1\"", "run", "{")));
    BOOST_TEST(stream.take(piece(more("0", "}"), "\"tool_calls\"")) ==
               role() + piece(head("0", "\"t1\"", "run", "{}")) + calls_end);
}

BOOST_AUTO_TEST_CASE(two_calls_come_one_after_another_or_interleaved) {
    const std::string whole =
        piece(head("0", "\"t1\"", "run", "{1}")) + piece(head("1", "\"t2\"", "say", "{2}")) + calls_end;
    Watched stream;
    BOOST_TEST(stream.take(piece(head("0", "\"t1\"", "run")) + piece(more("0", "{1}")) +
                           piece(head("1", "\"t2\"", "say")) + piece(more("1", "{2}")) + calls_end) == whole);
    Watched mixed;
    BOOST_TEST(mixed.take(piece(head("0", "\"t1\"", "run") + "," + head("1", "\"t2\"", "say")) + piece(more("1", "{")) +
                          piece(more("0", "{1")) + piece(more("1", "2}") + "," + more("0", "}")) + calls_end) == whole);
}

BOOST_AUTO_TEST_CASE(indices_that_are_missing_or_always_0_are_dense_for_the_client) {
    const std::string whole =
        piece(head("0", "\"t1\"", "run", "{1}")) + piece(head("1", "\"t2\"", "say", "{2}")) + calls_end;
    for (const char* index : {"", "0", "null"}) {
        Watched stream;
        BOOST_TEST(stream.take(piece(head(index, "\"t1\"", "run", "{")) + piece(more(index, "1}")) +
                               piece(head(index, "\"t2\"", "say", "{")) + piece(more(index, "2}")) + calls_end) ==
                   whole);
    }
}

BOOST_AUTO_TEST_CASE(indices_that_begin_elsewhere_are_dense_for_the_client) {
    Watched stream;
    BOOST_TEST(stream.take(piece(head("3", "\"t1\"", "run", "{")) + piece(more("3", "1}")) +
                           piece(head("7", "\"t2\"", "say", "{2}")) + calls_end) ==
               piece(head("0", "\"t1\"", "run", "{1}")) + piece(head("1", "\"t2\"", "say", "{2}")) + calls_end);
}

BOOST_AUTO_TEST_CASE(ids_and_names_that_come_again_are_told_once) {
    Watched stream;
    BOOST_TEST(stream.take(piece(head("0", "\"t1\"", "run", "{")) + piece(head("0", "\"t1\"", "run", "}")) +
                           calls_end) == piece(head("0", "\"t1\"", "run", "{}")) + calls_end);
}

BOOST_AUTO_TEST_CASE(null_ids_of_later_pieces_belong_to_the_call) {
    Watched stream;
    BOOST_TEST(stream.take(piece(head("0", "\"t1\"", "run", "{")) +
                           piece(R"({"index":0,"id":null,"type":null,"function":{"name":null,"arguments":"}"}})") +
                           calls_end) == piece(head("0", "\"t1\"", "run", "{}")) + calls_end);
}

BOOST_AUTO_TEST_CASE(whole_calls_without_index_and_id_are_calls_of_their_own) {
    Watched stream;
    BOOST_TEST(stream.take(piece(head("", "\"\"", "run", "{\\\"a\\\":1}")) +
                           piece(head("", "\"\"", "run", "{\\\"a\\\":2}")) + calls_end) ==
               piece(head("0", "\"\"", "run", "{\\\"a\\\":1}")) + piece(head("1", "\"\"", "run", "{\\\"a\\\":2}")) +
                   calls_end);
}

BOOST_AUTO_TEST_CASE(text_and_a_call_in_one_chunk_come_apart) {
    const std::string both = chunk("\"content\":\"So:\",\"tool_calls\":[" + head("0", "\"t1\"", "run", "{") + "]");
    Watched stream;
    BOOST_TEST(stream.take(both) == text("So:"));
    BOOST_TEST(stream.splicer.transcript().text() == "So:");
    const std::string rest = stream.take(piece(more("0", "}")) + calls_end);
    BOOST_TEST(rest == chunk("\"content\":\"\",\"tool_calls\":[" + head("0", "\"t1\"", "run", "{}") + "]") + calls_end);
}

BOOST_AUTO_TEST_CASE(white_space_before_a_call_waits_with_it) {
    Watched stream;
    BOOST_TEST(stream.take(text("a") + text("\\n") + piece(head("0", "\"t1\"", "run", "{}"))) == text("a"));
    BOOST_TEST(stream.take(calls_end) == text("\\n") + piece(head("0", "\"t1\"", "run", "{}")) + calls_end);
}

BOOST_AUTO_TEST_CASE(text_behind_a_call_keeps_its_place) {
    Watched stream;
    stream.take(text("a") + piece(head("0", "\"t1\"", "run", "{")) + text("b") + piece(more("0", "}")));
    BOOST_TEST(stream.splicer.transcript().text() == "a");
    BOOST_TEST(stream.take(calls_end) == piece(head("0", "\"t1\"", "run", "{}")) + text("b") + calls_end);
}

BOOST_AUTO_TEST_CASE(the_role_of_a_call_chunk_is_told_once_before_the_calls) {
    Watched stream;
    const auto first = [](std::string_view call) {
        return chunk("\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" + std::string(call) + "]");
    };
    const std::string start = first(head("0", "\"t1\"", "run", "{"));
    BOOST_TEST(stream.take(start + first(more("0", "}")) + first(head("1", "\"t2\"", "run", "{}")) + calls_end) ==
               chunk(R"("role":"assistant","content":null)") +
                   chunk("\"content\":null,\"tool_calls\":[" + head("0", "\"t1\"", "run", "{}") + "]") +
                   chunk("\"content\":null,\"tool_calls\":[" + head("1", "\"t2\"", "run", "{}") + "]") + calls_end);
}

BOOST_AUTO_TEST_CASE(a_call_that_broke_was_never_seen) {
    Watched stream;
    stream.take(role() + piece(head("0", "\"t1\"", "run", "{")));
    stream.begin();
    BOOST_TEST((stream.splicer.seen() == Seen::nothing));
    BOOST_TEST(stream.splicer.held_bytes() == 0u);
    BOOST_TEST(stream.take(role(others) + piece(head("0", "\"t9\"", "run", "{}"), "null", others) + stop(others)) ==
               role(others) + piece(head("0", "\"t9\"", "run", "{}"), "null", others) + stop(others));
    Watched behind_text;
    behind_text.take(role() + text("a") + piece(head("0", "\"t1\"", "run", "{")));
    behind_text.begin(going_on());
    BOOST_TEST((behind_text.splicer.seen() == Seen::text));
    BOOST_TEST(behind_text.splicer.transcript().text() == "a");
    BOOST_TEST(behind_text.take(role(others) + piece(head("0", "\"t9\"", "run", "{"), "null", others) +
                                piece(more("0", "}"), "\"tool_calls\"", others)) ==
               piece(head("0", "\"t9\"", "run", "{}")) + calls_end);
}

BOOST_AUTO_TEST_CASE(done_behind_an_unfinished_call_is_a_break) {
    Watched stream;
    BOOST_TEST(stream.take(piece(head("0", "\"t1\"", "run", "{}")) + done) == "");
    BOOST_TEST((stream.splicer.fault() == Fault::ended_early));
}

BOOST_AUTO_TEST_CASE(legacy_function_calls_are_held_likewise) {
    const auto function = [](std::string_view members, std::string_view finish = "null") {
        return chunk("\"function_call\":{" + std::string(members) + "}", finish);
    };
    const std::string end = chunk("", "\"function_call\"");
    Watched stream;
    BOOST_TEST(stream.take(role() + function(R"("name":"run","arguments":"")") + function(R"("arguments":"{")") +
                           function(R"("arguments":"}")")) == "");
    BOOST_TEST(stream.take(end) == role() + function(R"("name":"run","arguments":"{}")") + end);
}

BOOST_AUTO_TEST_CASE(calls_that_are_not_held_are_shown_at_once_and_can_not_be_gone_on_with) {
    SplicerSettings settings;
    settings.hold_calls = false;
    Watched stream(Endpoint::chat_completions, settings);
    const std::string events = role() + piece(head("0", "\"t1\"", "run")) + piece(more("0", "{"));
    BOOST_TEST(stream.take(events) == events);
    BOOST_TEST((stream.splicer.seen() == Seen::fixed));
}

BOOST_AUTO_TEST_CASE(in_whole_mode_calls_are_told_whole_too) {
    Watched stream(Endpoint::chat_completions, in_mode(ResumeMode::whole));
    BOOST_TEST(stream.take(role() + text("a") + piece(head("0", "\"t1\"", "run", "{")) + piece(more("0", "}"))) == "");
    BOOST_TEST(stream.take(calls_end) == role() + text("a") + piece(head("0", "\"t1\"", "run", "{}")) + calls_end);
}

BOOST_AUTO_TEST_CASE(calls_that_are_released_go_on_under_their_own_index) {
    Watched stream;
    stream.take(piece(head("0", "\"t1\"", "run", "{}")) + piece(head("1", "\"t2\"", "run", "{")));
    BOOST_TEST(stream.release() == piece(head("0", "\"t1\"", "run", "{}")) + piece(head("1", "\"t2\"", "run", "{")));
    BOOST_TEST((stream.splicer.seen() == Seen::fixed));
    const std::string rest = piece(more("1", "1")) + piece(more("1", "}"));
    BOOST_TEST(stream.take(rest + calls_end) == rest + calls_end);
}

BOOST_AUTO_TEST_CASE(the_index_of_a_released_call_is_the_upstreams_though_numbers_are_missing) {
    const auto both = [](std::string_view first, std::string_view second) {
        return piece(head(first, "\"t1\"", "run", "{}")) + piece(head(second, "\"t2\"", "run", "{"));
    };
    Watched stream;
    stream.take(both("1", "4"));
    BOOST_TEST(stream.release() == both("1", "4"));
    BOOST_TEST(stream.take(piece(more("4", "}")) + calls_end) == piece(more("4", "}")) + calls_end);
    Watched held;
    held.take(both("1", "4") + piece(more("4", "}")));
    BOOST_TEST(held.take(calls_end) ==
               piece(head("0", "\"t1\"", "run", "{}")) + piece(head("1", "\"t2\"", "run", "{}")) + calls_end);
    Watched alike;
    alike.take(both("0", "0"));
    BOOST_TEST(alike.release() == both("0", "1"));
}

BOOST_AUTO_TEST_SUITE_END()
