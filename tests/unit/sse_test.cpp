#include "streamkeeper/sse.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <random>
#include <vector>

namespace sse = streamkeeper::sse;
namespace {

using Parts = std::vector<std::string>;

struct Cut {
    Parts events;
    std::size_t pending = 0;
    std::string bytes;  ///< the events put together
    [[maybe_unused]] friend bool operator==(const Cut&, const Cut&) = default;
};

/// Feeds the parts, each from a heap block of its own that dies at once, as a read buffer's contents do.
Cut cut(const Parts& parts) {
    Cut result;
    sse::Splitter splitter;
    for (const std::string& part : parts) {
        const std::vector<char> block(part.begin(), part.end());
        splitter.feed({block.data(), block.size()});
        for (std::string_view event; splitter.next(event);) {
            result.events.emplace_back(event);
            result.bytes += event;
        }
    }
    result.pending = splitter.pending();
    return result;
}

std::string fields_of(std::string_view event) {
    std::string joined;
    const sse::Event fields = sse::read(event, joined);
    return std::string(fields.name) + "|" + std::string(fields.data) + "|" + std::string(fields.error) + "|" +
           (fields.has_data ? "1" : "0");
}

/// What a split must not change: the number of events and the fields of each. (The LF of a torn CRLF may change hands.)
Parts meaning(const Cut& cut) {
    Parts fields;
    for (const std::string& event : cut.events) fields.push_back(fields_of(event));
    return fields;
}

void check(const std::string& stream, const Cut& whole, const Parts& parts) {
    const Cut split = cut(parts);
    BOOST_TEST(meaning(split) == meaning(whole), boost::test_tools::per_element());
    std::string rest = stream.substr(split.bytes.size());
    if (rest == "\n" && !split.bytes.empty() && split.bytes.back() == '\r') rest.clear();  // the torn LF
    BOOST_TEST(stream.starts_with(split.bytes));
    BOOST_TEST(split.pending == rest.size());
}

const Parts& streams() {
    static const Parts all{
        "data: a\n\ndata: b\n\n",
        "data: a\r\n\r\ndata: b\r\n\r\n",
        "data: a\r\rdata: b\r\r",
        "data: a\n\r\ndata: b\r\n\ndata: c\r\r\ndata: d\n\rdata: e\r\n\r",
        "\xEF\xBB\xBF"
        "data: a\n\ndata: b\n\n",
        ": hb\n\ndata:a\n\n: OPENROUTER PROCESSING\n\n",
        "event: x\ndata: 1\ndata: 2\ndata:\ndata:  4\n\ndata\n\n",
        "event: x\r\ndata: 1\r\ndata: 2\r\n\r\nevent: y\rdata: 3\r\rdata: 4",
        "\n\n\ndata: a\n\n\n\ndata: b\n\n\n",
        "\r\n\r\n\r\ndata: a\r\n\r\n\r\n\r\n",
        "data: a\n\ndata: half",
        "data: a\n\ndata: half\n",
        "data: a\r\n\r\ndata: half\r",
        "data: a\n\nid: 7\nretry: 100\nerror: {\"x\":1}\n\ndata: [DONE]\n\n",
        "",
        "\r",
    };
    return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(sse_stream)

BOOST_AUTO_TEST_CASE(events_end_with_their_blank_line) {
    BOOST_TEST(cut({streams()[0]}).events == (Parts{"data: a\n\n", "data: b\n\n"}), boost::test_tools::per_element());
    BOOST_TEST(cut({streams()[1]}).events == (Parts{"data: a\r\n\r\n", "data: b\r\n\r\n"}),
               boost::test_tools::per_element());
    BOOST_TEST(cut({streams()[2]}).events == (Parts{"data: a\r\r", "data: b\r\r"}), boost::test_tools::per_element());
    const Parts mixed{"data: a\n\r\n", "data: b\r\n\n", "data: c\r\r\n", "data: d\n\r", "data: e\r\n\r"};
    BOOST_TEST(cut({streams()[3]}).events == mixed, boost::test_tools::per_element());
    BOOST_TEST(cut({streams()[10]}).pending == 10u);
    BOOST_TEST(cut({streams()[8]}).events == (Parts{"\n", "\n", "\n", "data: a\n\n", "\n", "\n", "data: b\n\n", "\n"}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(no_split_changes_what_a_stream_means) {
    for (const std::string& stream : streams()) {
        const Cut whole = cut({stream});
        BOOST_TEST(whole.bytes.size() + whole.pending == stream.size());
        for (std::size_t i = 0; i <= stream.size(); ++i) {
            check(stream, whole, {stream.substr(0, i), stream.substr(i)});
            for (std::size_t j = i; j <= stream.size(); ++j)
                check(stream, whole, {stream.substr(0, i), stream.substr(i, j - i), stream.substr(j)});
        }
        Parts bytes;
        for (const char c : stream) bytes.emplace_back(1, c);
        check(stream, whole, bytes);
    }
}

BOOST_AUTO_TEST_CASE(random_streams_in_random_pieces_mean_the_same) {
    std::mt19937 random(5);
    static const char* const pieces[] = {"\n", "\r",   "\r\n", "data: x", "event: y",
                                         ":c", "data", "z",    "\n\n",    "\r\n\r\n"};
    for (int i = 0; i < 4000; ++i) {
        std::string stream;
        for (unsigned n = random() % 24; n > 0; --n) stream += pieces[random() % std::size(pieces)];
        const Cut whole = cut({stream});
        Parts parts;
        for (std::size_t at = 0; at < stream.size();) {
            const std::size_t size = std::min<std::size_t>(random() % 5, stream.size() - at);
            parts.push_back(stream.substr(at, size));
            at += size;
        }
        check(stream, whole, parts);
    }
}

BOOST_AUTO_TEST_CASE(an_event_is_given_in_the_call_that_feeds_its_last_byte) {
    for (const std::string end : {"\n\n", "\r\r", "\n\r", "\r\n\r", "\r\n\n"}) {
        sse::Splitter splitter;
        const std::string text = "data: a" + end;
        std::string_view event;
        for (std::size_t i = 0; i + 1 < text.size(); ++i) {
            splitter.feed(std::string_view(text).substr(i, 1));
            BOOST_TEST(!splitter.next(event));
            BOOST_TEST(splitter.pending() == i + 1);
        }
        splitter.feed(std::string_view(text).substr(text.size() - 1));
        BOOST_TEST(splitter.next(event));
        BOOST_TEST(event == text);
        BOOST_TEST(!splitter.next(event));
        BOOST_TEST(splitter.pending() == 0u);
    }
}

BOOST_AUTO_TEST_CASE(a_torn_line_feed_opens_the_next_event_and_is_never_pending) {
    const Cut torn = cut({"data: a\r\n\r", "\n", "data: b\r\n\r", "\ndata: c\r\n\r\n"});
    BOOST_TEST(torn.events == (Parts{"data: a\r\n\r", "\ndata: b\r\n\r", "\ndata: c\r\n\r\n"}),
               boost::test_tools::per_element());
    BOOST_TEST(cut({"data: [DONE]\r\n\r", "\n"}).pending == 0u);
}

BOOST_AUTO_TEST_CASE(whole_events_are_views_and_only_a_straddling_one_is_copied) {
    sse::Splitter splitter;
    const std::string first = "data: a\n\n: c\r\n\r\ndata: b", second = "b\n\ndata: d\n\n";
    std::string_view event;
    splitter.feed(first);
    BOOST_REQUIRE(splitter.next(event));
    BOOST_TEST(static_cast<const void*>(event.data()) == first.data());
    BOOST_REQUIRE(splitter.next(event));
    BOOST_TEST(static_cast<const void*>(event.data()) == first.data() + 9);
    BOOST_REQUIRE(!splitter.next(event));
    splitter.feed(second);
    BOOST_REQUIRE(splitter.next(event));
    BOOST_TEST(event == "data: bb\n\n");
    BOOST_REQUIRE(splitter.next(event));
    BOOST_TEST(static_cast<const void*>(event.data()) == second.data() + 3);
    BOOST_REQUIRE(!splitter.next(event));
}

BOOST_AUTO_TEST_CASE(an_event_without_end_becomes_too_long) {
    sse::Splitter splitter;
    const std::string block(1 << 20, 'x');
    std::string_view event;
    for (int i = 0; i < 16; ++i) {
        splitter.feed(block);
        BOOST_TEST(!splitter.next(event));
        BOOST_TEST(!splitter.too_long());
    }
    splitter.feed("x");
    BOOST_TEST(!splitter.next(event));
    BOOST_TEST(splitter.too_long());
}

BOOST_AUTO_TEST_CASE(a_megabyte_of_short_lines_is_no_attack) {
    // Quadratic searching would take minutes here.
    for (const std::string line : {"\r", "\n", "data: x\r", "data: x\r\r", "data: x\n\n", "a\r\n"}) {
        std::string stream;
        while (stream.size() < 2u << 20) stream += line;
        const Cut whole = cut({stream});
        BOOST_TEST(whole.bytes.size() + whole.pending == stream.size());
        std::string joined;
        sse::read(stream, joined);
    }
}

BOOST_AUTO_TEST_CASE(fields_are_read_as_the_standard_says) {
    BOOST_TEST(fields_of("data: a\n\n") == "|a||1");
    BOOST_TEST(fields_of("data:a\n\n") == "|a||1");
    BOOST_TEST(fields_of("data:  a \n\n") == "| a ||1");
    BOOST_TEST(fields_of("data\n\n") == "|||1");
    BOOST_TEST(fields_of("data:\n\n") == "|||1");
    BOOST_TEST(fields_of(": data: a\n\n") == "|||0");
    BOOST_TEST(fields_of("database: a\nevents: b\nerrors: c\n\n") == "|||0");
    BOOST_TEST(fields_of(" data: a\n\n") == "|||0");
    BOOST_TEST(fields_of("event: x\r\ndata: a:b\r\n\r\n") == "x|a:b||1");
    BOOST_TEST(fields_of("data: a\rdata: b\r\r") == "|a\nb||1");
    BOOST_TEST(fields_of("data:\ndata: b\n\n") == "|\nb||1");
    BOOST_TEST(fields_of("event: x\nevent: y\n\n") == "y|||0");
    BOOST_TEST(fields_of("\xEF\xBB\xBF"
                         "data: a\n\n") == "|a||1");
    BOOST_TEST(fields_of("\ndata: a\n\n") == "|a||1");
    BOOST_TEST(fields_of("error: {}\n\n") == "||{}|0");
    BOOST_TEST(fields_of("data: no end") == "|no end||1");
    BOOST_TEST(fields_of("") == "|||0");
}

BOOST_AUTO_TEST_CASE(one_data_line_is_a_view_into_the_event) {
    const std::string event = "event: e\ndata: {\"a\":1}\n\n";
    std::string joined = "untouched";
    const sse::Event fields = sse::read(event, joined);
    BOOST_TEST(static_cast<const void*>(fields.data.data()) == event.data() + 15);
    BOOST_TEST(joined == "untouched");
}

BOOST_AUTO_TEST_SUITE_END()
