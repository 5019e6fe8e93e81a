// Random streams: events that are known by their form are shown as those that were read; how bytes come changes
// nothing; no client sees what none may see.
#include <boost/test/unit_test.hpp>
#include <random>

#include "splicer_client.hpp"
#include "splicer_play.hpp"

using namespace streamkeeper;
using namespace streamkeeper::splicing;

namespace {

std::mt19937 dice(20'260'901);
bool chance(int of) { return dice() % static_cast<unsigned>(of) == 0; }
template <std::size_t size>
std::string one_of(const char* const (&words)[size]) {
    return words[dice() % size];
}

constexpr const char* all_words[] = {"a",
                                     "bc",
                                     " d",
                                     "e ",
                                     " ",
                                     "\\n",
                                     "\\n\\n",
                                     "\xE4\xBD\xA0",
                                     "\\u4f60",
                                     "\xF0\x9F\x98\x80",
                                     "\\\"",
                                     "\\\\n",
                                     "\\ud83d\\ude00",
                                     "\\t",
                                     "the",
                                     " the",
                                     ".",
                                     "\\u0020",
                                     "\xE3\x80\x80",
                                     "x\\u00a0"};

std::string chat_event(const Names& names) {
    const Names own = chance(5) ? others : names;
    switch (dice() % 14) {
        case 0:  // one without anything may be left out of a later attempt
            return names.id == others.id ? reasoning("r", own) : chunk("", "null", own);
        case 1: return role(own);
        case 2: return chance(3) ? reasoning(one_of(all_words), own) : text(one_of(all_words), own);
        case 3: return chunk("\"role\":\"assistant\",\"content\":\"" + one_of(all_words) + "\"", "null", own);
        case 4:
            return chance(4) ? piece(R"({"index":0,"id":"t","function":{"name":"f","arguments":"{"}})", "null", own)
                             : text(one_of(all_words), own);
        case 5:
            return chance(6) ? piece(R"({"index":0,"function":{"arguments":"}"}})", "null", own)
                             : text(one_of(all_words), own);
        case 6: return chance(8) ? usage("{\"total_tokens\":1}", own) : text(one_of(all_words), names);
        case 7: return chance(40) ? line_of("{\"error\":{}") : text(one_of(all_words), names);
        default: return text(one_of(all_words), names);
    }
}

std::vector<std::string> chat_stream(const Names& names) {
    std::vector<std::string> events;
    for (unsigned left = dice() % 24; left > 0; --left) events.push_back(chat_event(names));
    if (!chance(3)) events.push_back(stop(names));
    if (!chance(3)) events.push_back(usage("{\"total_tokens\":2}", names));
    if (chance(4)) events.push_back(text("late", names));
    events.push_back(done);
    return events;
}

std::string block_event(std::string_view type, std::string_view more) {
    return named(type, "{\"type\":\"" + std::string(type) + "\"" + std::string(more) + "}");
}

/// Some blocks, each whole.
std::vector<std::string> message_stream() {
    std::vector<std::string> events{block_event("message_start", R"(,"message":{"id":"m","model":"c"})")};
    int index = 0;
    for (unsigned left = 1 + dice() % 3; left > 0; --left, ++index) {
        const std::string at = ",\"index\":" + std::to_string(index);
        const unsigned kind = dice() % 4;
        const bool thinks = kind == 0, calls = kind == 1;
        events.push_back(block_event("content_block_start", at + ",\"content_block\":{\"type\":\"" +
                                                                (thinks  ? "thinking"
                                                                 : calls ? "tool_use"
                                                                         : "text") +
                                                                "\"}"));
        for (unsigned deltas = dice() % 6; deltas > 0; --deltas) {
            const std::string member = thinks  ? R"("type":"thinking_delta","thinking":")"
                                       : calls ? R"("type":"input_json_delta","partial_json":")"
                                               : R"("type":"text_delta","text":")";
            events.push_back(
                block_event("content_block_delta", at + ",\"delta\":{" + member + one_of(all_words) + "\"}"));
            if (chance(6)) events.push_back(block_event("ping", ""));
        }
        events.push_back(block_event("content_block_stop", at));
    }
    events.push_back(block_event("message_delta", R"(,"delta":{"stop_reason":"end_turn"})"));
    events.push_back(block_event("message_stop", ""));
    return events;
}

std::vector<std::string> stream_of(Endpoint endpoint, bool second) {
    if (endpoint == Endpoint::messages) return message_stream();
    return chat_stream(second ? others : Names());
}

/// The same event in bytes that no other event has: it has to be read, and is shown without them.
std::string marked(const std::string& event) {
    static int number = 0;
    return ": " + std::to_string(++number) + "\n" + event;
}

SplicerSettings some_settings() {
    SplicerSettings settings;
    settings.hold_calls = !chance(5);
    settings.mode = chance(6) ? ResumeMode::whole : chance(6) ? ResumeMode::off : ResumeMode::exact;
    return settings;
}

/// How the next attempt may join, as net decides it.
Join some_join(const Splicer& splicer, std::string& expected, bool& possible) {
    Join join;
    expected = splicer.transcript().text();
    possible = splicer.seen() != Seen::fixed && (splicer.continuable() || !splicer.shown());
    if (splicer.seen() != Seen::text) return join;
    join.continued = chance(2);
    if (!join.continued) join.expected = expected;
    join.doubtful = join.continued && chance(3);
    return join;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(splicer_random)

BOOST_AUTO_TEST_CASE(events_known_by_their_form_are_shown_as_those_that_were_read) {
    for (int round = 0; round < 1500; ++round) {
        const Endpoint endpoint = chance(3) ? Endpoint::messages : Endpoint::chat_completions;
        const SplicerSettings settings = some_settings();
        Watched known(endpoint, settings), read(endpoint, settings);
        for (int attempt = 0; attempt < 3; ++attempt) {
            std::vector<std::string> events = stream_of(endpoint, attempt > 0);
            if (chance(2)) events.resize(dice() % events.size());
            for (const std::string& event : events) {
                const std::string ours = known.take(event), theirs = read.take(marked(event));
                BOOST_REQUIRE_EQUAL(ours, theirs);
                BOOST_REQUIRE((known.splicer.fault() == read.splicer.fault()));
            }
            BOOST_REQUIRE_EQUAL(known.splicer.transcript().text(), read.splicer.transcript().text());
            BOOST_REQUIRE_EQUAL(known.splicer.prefix(64), read.splicer.prefix(64));
            BOOST_REQUIRE_EQUAL(known.splicer.tokens(), read.splicer.tokens());
            BOOST_REQUIRE((known.splicer.seen() == read.splicer.seen()));
            if (known.splicer.finished()) break;
            bool possible = false;
            std::string expected;
            const Join join = some_join(known.splicer, expected, possible);
            if (!possible) break;
            known.begin(join);
            read.begin(join);
        }
    }
}

BOOST_AUTO_TEST_CASE(no_client_sees_what_none_may_see) {
    int recovered = 0;
    for (int round = 0; round < 2500; ++round) {
        const Endpoint endpoint = chance(3) ? Endpoint::messages : Endpoint::chat_completions;
        SplicerSettings settings = some_settings();
        settings.hold_calls = true;
        Watched stream(endpoint, settings);
        StrictClient client(endpoint);
        std::string before;
        for (int attempt = 0; attempt < 4; ++attempt) {
            std::vector<std::string> events = stream_of(endpoint, attempt > 0);
            if (chance(2)) events.resize(dice() % events.size());
            for (const std::string& event : events) client.read(stream.take(event));
            BOOST_REQUIRE_MESSAGE(client.problem.empty(), client.problem);
            BOOST_REQUIRE(client.text.starts_with(before));
            BOOST_REQUIRE(stream.splicer.finished() == (client.finishes > 0));
            before = client.text;
            if (stream.splicer.finished()) break;
            bool possible = false;
            std::string expected;
            const Join join = some_join(stream.splicer, expected, possible);
            if (!possible) break;
            if (endpoint == Endpoint::messages && stream.splicer.reasoning_shown() && join.continued) break;
            stream.begin(join);
            if (attempt == 0 && !client.text.empty()) ++recovered;
        }
    }
    BOOST_TEST(recovered > 200);
}

BOOST_AUTO_TEST_CASE(how_the_bytes_come_changes_nothing) {
    for (int round = 0; round < 60; ++round) {
        const Endpoint endpoint = chance(3) ? Endpoint::messages : Endpoint::chat_completions;
        std::string bytes;
        for (const std::string& event : stream_of(endpoint, false)) bytes += event;
        Watched whole(endpoint);
        whole.take(bytes);
        for (const std::string_view line_end : {"\n", "\r\n", "\r"}) {
            for (const bool comments : {false, true}) {
                std::string other;
                for (std::size_t at = 0; at < bytes.size(); ++at) {
                    if (comments && (at == 0 || bytes[at - 1] == '\n') && chance(4))
                        other.append(": hb").append(line_end);
                    if (bytes[at] == '\n')
                        other += line_end;
                    else
                        other += bytes[at];
                }
                const std::size_t step = 1 + other.size() / 40;
                for (std::size_t cut = 1 + dice() % step; cut < other.size(); cut += step) {
                    Watched stream(endpoint);
                    sse::Splitter splitter;
                    std::string shown;
                    for (const std::string& part : {other.substr(0, cut), other.substr(cut)}) {
                        splitter.feed(part);
                        for (std::string_view event; splitter.next(event);)
                            if (stream.splicer.fault() == Fault::none) {
                                const Splicer::Step taken = stream.splicer.take(event);
                                shown.append(taken.before).append(taken.event);
                            }
                    }
                    BOOST_REQUIRE_EQUAL(in_lf(shown), whole.shown);
                }
            }
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
