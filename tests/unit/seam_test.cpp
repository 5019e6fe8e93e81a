#include <boost/test/unit_test.hpp>

#include "seam_texts.hpp"
#include "streamkeeper/continuation.hpp"

using namespace streamkeeper;

namespace {

bool is_border(const std::string& text, std::size_t at) {
    return at == text.size() || (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
}

/// Calls `visit(shown, rest)` for every cut between two characters from `first` on.
template <class Visit>
void cut_everywhere(const std::string& text, std::size_t first, const Visit& visit) {
    const std::string_view whole = text;
    for (std::size_t at = first; at < text.size(); ++at)
        if (is_border(text, at)) visit(whole.substr(0, at), whole.substr(at));
}

std::size_t false_alarms(const std::string& text) {
    std::size_t alarms = 0;
    cut_everywhere(text, 0, [&](std::string_view shown, std::string_view rest) {
        for (const std::size_t window : {seam_window, std::size_t{48}, std::size_t{20}, std::size_t{6}}) {
            if (!starts_anew(shown, rest.substr(0, window))) continue;
            BOOST_ERROR("false alarm: ..." << shown.substr(shown.size() - std::min<std::size_t>(shown.size(), 60))
                                           << "|" << rest.substr(0, window));
            ++alarms;
        }
    });
    return alarms;
}

/// Cuts that are held by nobody: not in white space, in text long enough to be continued at all.
struct Rate {
    std::size_t found = 0, cuts = 0;
    double percent() const {
        return 100.0 * static_cast<double>(found) / static_cast<double>(std::max<std::size_t>(cuts, 1));
    }
};
template <class Next>
Rate rate(const std::string& text, std::size_t first, const Next& next) {
    Rate rate;
    cut_everywhere(text, first, [&](std::string_view shown, std::string_view) {
        if (trailing_space(shown) > 0) return;
        ++rate.cuts;
        const std::string continuation = next(shown);
        rate.found += starts_anew(shown, std::string_view(continuation).substr(0, seam_window));
    });
    return rate;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(seam)

BOOST_AUTO_TEST_CASE(the_inside_of_a_string_is_decoded) {
    BOOST_CHECK_EQUAL(decoded(""), "");
    BOOST_CHECK_EQUAL(decoded(R"(a\"b\\c\/d\be\ff\ng\rh\ti)"), "a\"b\\c/d\be\ff\ng\rh\ti");
    BOOST_CHECK_EQUAL(decoded(R"(\u0041\u00e9\u00E9\u6cb3)"), "Aéé河");
    BOOST_CHECK_EQUAL(decoded(R"(\\u0041)"), "\\u0041");
    BOOST_CHECK_EQUAL(decoded("é河🙂"), "é河🙂");
    BOOST_CHECK_EQUAL(decoded(R"(\ud83d\ude42)"), "🙂");
    BOOST_CHECK_EQUAL(decoded(R"(\uD83D\uDE42x)"), "🙂x");
    BOOST_CHECK_EQUAL(decoded(R"(\u0000a)"), std::string("\0a", 2));
}

BOOST_AUTO_TEST_CASE(half_a_pair_is_kept) {
    BOOST_CHECK_EQUAL(decoded(R"(\ud83d)"), "\xED\xA0\xBD");
    BOOST_CHECK_EQUAL(decoded(R"(\ude42)"), "\xED\xB9\x82");
    BOOST_CHECK_EQUAL(decoded(R"(\ud83dx)"), "\xED\xA0\xBDx");
    BOOST_CHECK_EQUAL(decoded(R"(\ud83d\u0041)"),
                      "\xED\xA0\xBD"
                      "A");
    BOOST_CHECK_EQUAL(decoded(R"(\ud83d\ud83d\ude42)"),
                      "\xED\xA0\xBD"
                      "🙂");
    BOOST_CHECK_EQUAL(decoded(R"(\ude42\ud83d)"), "\xED\xB9\x82\xED\xA0\xBD");
}

BOOST_AUTO_TEST_CASE(what_cannot_be_asked_for_again_is_known) {
    for (const std::string text : {"a\xEF\xBF\xBD", "\xED\xA0\xBD", "a\xED\xB9\x82", "a\xED\xA0\xBD b"})
        BOOST_CHECK_MESSAGE(unrepeatable(text), text);
    for (const std::string text : {"", "a", "a\xEF\xBF\xBD b", "🙂", "한", "\xED\x9F\xBF", "a\xED"})
        BOOST_CHECK_MESSAGE(!unrepeatable(text), text);
}

BOOST_AUTO_TEST_CASE(all_that_some_trim_takes_is_white_space) {
    for (const std::string space :
         {" ",      "\t",     "\n",     "\r",     "\v",     "\f",     "\x1c",   "\x1f",   "\u0085", "\u00a0",
          "\u1680", "\u2000", "\u2005", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\ufeff"}) {
        BOOST_CHECK_EQUAL(trailing_space(space), space.size());
        BOOST_CHECK_EQUAL(trailing_space("河" + space + " " + space), 2 * space.size() + 1);
        BOOST_CHECK_EQUAL(trailing_space(space + "a"), 0U);
    }
    BOOST_CHECK_EQUAL(trailing_space(std::string("\0", 1)), 1U);
    for (const std::string text : {"", "a", "é", "à", "河", "🙂", "\u200b", "\u2010", "\u180e", "\xA0", "\xED\xA0\xBD"})
        BOOST_CHECK_EQUAL(trailing_space(text), 0U);
}

BOOST_AUTO_TEST_CASE(no_text_goes_on_as_if_it_began_anew) {
    std::size_t alarms = 0;
    for (const std::string& text : seam_texts::natural) alarms += false_alarms(text);
    BOOST_CHECK_EQUAL(alarms, 0U);
}

BOOST_AUTO_TEST_CASE(text_that_repeats_itself_may_go_on_with_its_beginning) {
    std::size_t alarms = 0;
    for (const std::string& text : seam_texts::repetitive) alarms += false_alarms(text);
    BOOST_CHECK_EQUAL(alarms, 0U);
}

BOOST_AUTO_TEST_CASE(an_answer_that_begins_again_is_found) {
    const auto again = [](std::string_view text) {
        const std::string whole(text);
        return rate(whole, 200, [&](std::string_view) { return whole; }).percent();
    };
    // Not found: cuts where the beginning stood before in the text itself.
    for (const std::string_view text : {seam_texts::prose, seam_texts::markdown, seam_texts::german, seam_texts::mail})
        BOOST_CHECK_GE(again(text), 99.0);
    for (const std::string_view text : {seam_texts::code, seam_texts::russian, seam_texts::chinese})
        BOOST_CHECK_GE(again(text), 95.0);
}

BOOST_AUTO_TEST_CASE(a_few_words_are_enough_in_the_middle_of_a_word) {
    BOOST_CHECK(starts_anew("The capital of France is", "The capital of France is **Paris**"));
    BOOST_CHECK(starts_anew("The capital of Fra", "The capital "));
    BOOST_CHECK(!starts_anew("The capital of Fra", "The capital"));  // too short to tell
    BOOST_CHECK(!starts_anew("The capital of Fra", "The capitals of the world"));
    BOOST_CHECK(!starts_anew("The capital of France is Paris.", "The capital of France is Paris."));
    BOOST_CHECK(!starts_anew("The capital of France is\n", "The capital of France is"));
    BOOST_CHECK(!starts_anew("The capital of Spain. The capital of Fra", "The capital of"));  // it came before
    BOOST_CHECK(!starts_anew("on and on and", " on and on and"));
    BOOST_CHECK(!starts_anew("", "The capital of France"));
    BOOST_CHECK(!starts_anew("The capital of France is", ""));
}

BOOST_AUTO_TEST_CASE(a_preamble_is_found) {
    for (const std::string preamble :
         {"Sure, here is the rest: ", "Sure! Here's the continuation:\n\n", "Certainly! Here is the rest.",
          "Certainly, let me go on.", "Of course! I'll continue.", "Here is the rest of the text:", "Here's the ",
          "I apologize for the interruption.", "I'm sorry, but", "Continuing from where I left off:", "Let me continue",
          "Let me continue.", "As I was saying, ", "Picking up where we stopped", "Okay, let's go on"})
        for (const std::string_view text :
             {seam_texts::prose, seam_texts::markdown, seam_texts::code, seam_texts::german, seam_texts::russian}) {
            std::size_t sentence_ends = 0;
            const Rate found = rate(std::string(text), 1, [&](std::string_view shown) {
                sentence_ends +=
                    std::string_view(".!?:;\"'`|-*#>=(){}[]/_^&+~%<").find(shown.back()) != std::string_view::npos;
                return preamble;
            });
            BOOST_CHECK_MESSAGE(found.found + sentence_ends >= found.cuts && found.found > found.cuts / 2, preamble);
        }
}

BOOST_AUTO_TEST_CASE(what_only_looks_like_a_preamble_is_none) {
    for (const std::string text : {"Sure", "Sure, b)", "Sure()", "Sure == true", "SureStart, here", "sure, here is",
                                   "Here is thence", "Certainly not", "Okay", "Right, left", "Continuing = true",
                                   "Of courses", "Sure,here", "Let me", " Here is the rest", "\nSure, here is"})
        BOOST_CHECK_MESSAGE(!starts_anew("if the value is", text), text);
    for (const std::string shown : {"He wrote.", "He wrote: \"", "He wrote:", "He wrote\n", "Really?", "- ", "("})
        BOOST_CHECK_MESSAGE(!starts_anew(shown, "Sure, here is the rest"), shown);
    BOOST_CHECK(starts_anew("if the value is", "Sure, here is the rest"));
    BOOST_CHECK(starts_anew("if,", "Sure, here is the rest"));
    BOOST_CHECK(starts_anew("chapter 5", "Sure, here is the rest"));
}

BOOST_AUTO_TEST_CASE(a_paragraph_in_the_middle_of_a_sentence_is_found) {
    // In the second sentence of a paragraph, where a word or a part of it ends.
    const std::string paragraph(seam_texts::prose.substr(0, seam_texts::prose.find("\n\n")));
    for (const std::string next : {"\n\nThe harbour", " \n\nThe", "\n\n\n Über", "\n\nМаяк", "\n\nA lighthouse"}) {
        std::size_t elsewhere = 0;
        const Rate found = rate(paragraph, paragraph.find("It is") + 2, [&](std::string_view shown) {
            const char end = shown.back();
            elsewhere += (end < 'a' || end > 'z') && end != ',';
            return next;
        });
        BOOST_CHECK_EQUAL(found.found + elsewhere, found.cuts);
        BOOST_CHECK_GE(found.percent(), 97.0);
    }
}

BOOST_AUTO_TEST_CASE(a_paragraph_elsewhere_is_the_texts_own) {
    const std::string line = "The light is out. It is still painted every spring, because";
    BOOST_CHECK(starts_anew(line, "\n\nThe"));
    BOOST_CHECK(starts_anew("Other words.\n\n" + line, "\n\nThe"));
    BOOST_CHECK(starts_anew("```\ncode\n```\n\n" + line, "\n\nThe"));
    BOOST_CHECK(starts_anew("No end. But it is long enough to be a sentence.\n\n" + line + ",", "\n\nThe"));
    const std::string long_line = "one sentence, without an end, " + std::string(140, 'a') + " and";
    BOOST_CHECK(starts_anew(long_line, "\n\nThe"));
    for (const std::string next : {"\nThe", "\n\nthe", "\n\n", "\n\n- The", "\n\n1", "The", "\n\n河"})
        BOOST_CHECK_MESSAGE(!starts_anew(line, next), next);
    for (const std::string before :
         {"# ", "- ", "* ", "> ", "1. ", "| ", "+ ", "    ", "```\n\n", "~~~ text\n\n", "// "})
        BOOST_CHECK_MESSAGE(!starts_anew(before + line, "\n\nThe"), before);
    for (const std::string after : {".", ":", "!", "?", " 5", ")", "*", "`", " {x} a"})
        BOOST_CHECK_MESSAGE(!starts_anew(line + after, "\n\nThe"), after);
    BOOST_CHECK(!starts_anew("Short one. It is short", "\n\nThe"));
    BOOST_CHECK(!starts_anew("A title of more than forty letters without an end", "\n\nThe"));
    BOOST_CHECK(!starts_anew("A line of a poem,\n" + line, "\n\nThe"));
    BOOST_CHECK(!starts_anew(line + "\n\n" + line, "\n\nThe"));    // its paragraphs end so
    BOOST_CHECK(!starts_anew("````\n```\n\n" + line, "\n\nThe"));  // a fence is closed by one as long
}

BOOST_AUTO_TEST_SUITE_END()
