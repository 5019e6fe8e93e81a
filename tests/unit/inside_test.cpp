// The inside of a JSON string.
#include "policy/inside.hpp"

#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>
#include <random>

using namespace streamkeeper;
using inside::Tail;

namespace {

std::string name_of(Tail tail) { return tail == Tail::solid ? "solid" : tail == Tail::blank ? "blank" : "half"; }
std::string tail(std::string_view text) { return name_of(inside::tail_of(text)); }

}  // namespace

BOOST_AUTO_TEST_SUITE(inside_of_strings)

BOOST_AUTO_TEST_CASE(white_space_is_what_unicode_and_trimming_servers_call_so) {
    for (const char* blank : {" ",        "\\t",          "\\n",          "\\r",          "\\f",
                              "\\u000b",  "\\b",          "\\u001c",      "\\u0020",      "\\u0085",
                              "\\u00A0",  "\\u1680",      "\\u2000",      "\\u200a",      "\\u2028",
                              "\\u2029",  "\\u202f",      "\\u205F",      "\\u3000",      "\\ufeff",
                              "\xC2\xA0", "\xE3\x80\x80", "\xE2\x80\xA8", "\xEF\xBB\xBF", "\xE1\x9A\x80",
                              "\xC2\x85"})
        BOOST_TEST_CONTEXT(blank) {
            BOOST_TEST(tail(blank) == "blank");
            BOOST_TEST(tail(std::string("x") + blank) == "blank");
            BOOST_TEST(tail(std::string(blank) + "x") == "solid");
            BOOST_TEST(inside::without_blank_tail(std::string("x") + blank + " " + blank) == "x");
            BOOST_TEST(inside::without_blank_tail(blank) == "");
        }
    for (const char* solid :
         {"", "x", "\\u200b", "\xE2\x80\x8B", "\\u2060", "\xF0\x9F\x98\x80", "\\u180e", "\\/", "\\\""})
        BOOST_TEST(tail(solid) == "solid");
}

BOOST_AUTO_TEST_CASE(a_backslash_is_an_escape_if_an_odd_number_stand_together) {
    BOOST_TEST(tail("\\n") == "blank");
    BOOST_TEST(tail("\\\\n") == "solid");
    BOOST_TEST(tail("\\\\\\n") == "blank");
    BOOST_TEST(tail("\\\\u0020") == "solid");
    BOOST_TEST(tail("\\\\\\u0020") == "blank");
    BOOST_TEST(tail("\\u005cn") == "solid");
    BOOST_TEST(tail("\\\\") == "solid");
    BOOST_TEST(tail("\\\\ ") == "blank");
    BOOST_TEST(inside::without_blank_tail("a\\\\n\\n\\t ") == "a\\\\n");
}

BOOST_AUTO_TEST_CASE(half_a_pair_is_the_first_half_alone) {
    BOOST_TEST(tail("\\ud83d") == "half");
    BOOST_TEST(tail("a\\uDBFF") == "half");
    BOOST_TEST(tail("\\ud83d\\ude00") == "solid");
    BOOST_TEST(tail("\\ude00") == "solid");
    BOOST_TEST(inside::without_blank_tail("\\ud83d") == "\\ud83d");
}

BOOST_AUTO_TEST_CASE(units_are_those_of_utf_16) {
    BOOST_TEST((inside::units_of("a\\u0062\\n\\\"\\/\\\\") == u"ab\n\"/\\"));
    BOOST_TEST((inside::units_of("\xC3\xA9\xE4\xBD\xA0\xF0\x9F\x98\x80") == u"\u00e9\u4f60\U0001f600"));
    BOOST_TEST((inside::units_of("\\ud83d\\uDE00") == u"\U0001f600"));
    BOOST_TEST(inside::units_of("\\ud83d").size() == 1u);
    BOOST_TEST(inside::units_of("").empty());
}

BOOST_AUTO_TEST_CASE(a_unit_begins_behind_those_before_it) {
    const std::string_view text = "a\\u0062\xE4\xBD\xA0\xF0\x9F\x98\x80\\nz";
    const std::size_t at[] = {0, 1, 7, 10};
    for (std::size_t i = 0; i < 4; ++i) BOOST_TEST(inside::offset_of(text, i) == at[i]);
    BOOST_TEST(inside::offset_of(text, 5) == 14u);
    BOOST_TEST(inside::offset_of(text, 6) == 16u);
    BOOST_TEST(inside::offset_of(text, 7) == 17u);
    BOOST_TEST(inside::offset_of(text, 99) == text.size());
}

BOOST_AUTO_TEST_CASE(random_texts_read_as_another_parser_reads_them) {
    std::mt19937 dice(7);
    constexpr const char* parts[] = {"a",
                                     " ",
                                     "\\n",
                                     "\\\\",
                                     "\\\"",
                                     "\\u0041",
                                     "\\u00e9",
                                     "\xC3\xA9",
                                     "\xE4\xBD\xA0",
                                     "\xF0\x9F\x98\x80",
                                     "\\ud83d\\ude00",
                                     "\\t",
                                     "\\/",
                                     "\\u3000"};
    for (int round = 0; round < 2000; ++round) {
        std::string text;
        for (unsigned left = dice() % 12; left > 0; --left) text += parts[dice() % std::size(parts)];
        const std::string theirs(boost::json::parse("\"" + text + "\"").as_string());
        // The same text without escapes has the same units.
        std::string plain;
        for (const char c : theirs)
            if (c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20) {
                char escape[8];
                std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
                plain += escape;
            } else {
                plain += c;
            }
        BOOST_REQUIRE((inside::units_of(text) == inside::units_of(plain)));
        BOOST_REQUIRE_EQUAL(tail(text), tail(plain));
        const std::size_t units = inside::units_of(text).size();
        for (std::size_t count = 0; count <= units; ++count) {
            const std::size_t cut = inside::offset_of(text, count);
            const auto before = inside::units_of(text.substr(0, cut));
            BOOST_REQUIRE((before.size() == count || before.size() == count + 1));
            BOOST_REQUIRE((before + inside::units_of(text.substr(cut)) == inside::units_of(text)));
        }
        const std::string_view kept = inside::without_blank_tail(text);
        BOOST_REQUIRE(text.starts_with(kept));
        BOOST_REQUIRE(tail(kept) != "blank");
    }
}

BOOST_AUTO_TEST_SUITE_END()
