// Which events have the form of one that was read.
#include "llm/event_form.hpp"

#include <boost/test/unit_test.hpp>

using namespace streamkeeper;

namespace {

/// The form of an event whose parts are marked: `<inside>`, `(padding)`, `[sequence]`.
struct Formed {
    explicit Formed(const std::string& marked) {
        for (const char c : marked)
            if (std::string_view("<>()[]").find(c) == std::string_view::npos) event += c;
        const auto part = [&](char from, char to) {
            const std::size_t begin = marked.find(from);
            if (begin == marked.npos) return std::string_view();
            std::size_t at = 0;
            for (std::size_t i = 0; i < begin; ++i)
                at += std::string_view("<>()[]").find(marked[i]) == std::string_view::npos;
            return std::string_view(event).substr(at, marked.find(to) - begin - 1);
        };
        Shows shows;
        shows.text = true;
        shows.inside = part('<', '>');
        shows.padding = part('(', ')');
        shows.sequence = part('[', ']');
        form.learn(event, shows, {}, 0);
    }
    /// `inside|sequence` of an event of this form; "no" of another.
    std::string match(std::string_view other) const {
        EventForm::Match match;
        if (!form.matches(other, match)) return "no";
        return std::string(match.inside) + "|" + std::string(match.sequence);
    }
    std::string event;
    EventForm form;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(event_form)

BOOST_AUTO_TEST_CASE(only_the_string_may_differ) {
    const Formed one("data: {'text':\"<hello>\",'x':1}\n\n");
    BOOST_TEST(one.match("data: {'text':\"hello\",'x':1}\n\n") == "hello|");
    BOOST_TEST(one.match("data: {'text':\"a much longer one\",'x':1}\n\n") == "a much longer one|");
    BOOST_TEST(one.match("data: {'text':\"\xE4\xBD\xA0\\n\\u00e9\\\"\",'x':1}\n\n") == "\xE4\xBD\xA0\\n\\u00e9\\\"|");
    for (const char* other :
         {"data: {'text':\"a\",'x':2}\n\n", "data: {'test':\"a\",'x':1}\n\n", "data: {'text':\"a\",'x':1}\n\n\n",
          "data: {'text':\"a\",'x':1}\n", "data: {'text':\"\",'x':1}\n\n", "data: {'text':null,'x':1}\n\n",
          "data:{'text':\"a\",'x':1}\n\n", "", "data: {'text':\"a", "data: {'text':\"a\",'x':1,'text':\"b\",'x':1}\n\n",
          "data: {'text':\"a\n\",'x':1}\n\n", "data: {'text':\"\xFF\",'x':1}\n\n", "data: {'text':\"\\x\",'x':1}\n\n",
          "data: {'text':\"\\u00g0\",'x':1}\n\n", "data: {'text':\"\\\",'x':1}\n\n",
          "data: {'text':\"\xE4\xBD\",'x':1}\n\n"})
        BOOST_TEST(one.match(other) == "no");
}

BOOST_AUTO_TEST_CASE(numbers_and_padding_may_differ_too) {
    const Formed one("{'n':[12],'text':\"<hello>\",'pad':\"(xYz)\"}");
    BOOST_TEST(one.match("{'n':13,'text':\"a\",'pad':\"q\"}") == "a|13");
    BOOST_TEST(one.match("{'n':0,'text':\"a\",'pad':\"q\"}") == "a|0");
    for (const char* other : {"{'n':,'text':\"a\",'pad':\"q\"}", "{'n':-1,'text':\"a\",'pad':\"q\"}",
                              "{'n':01,'text':\"a\",'pad':\"q\"}", "{'n':1.5,'text':\"a\",'pad':\"q\"}",
                              "{'n':1,'text':\"a\",'pad':\"\"}", "{'n':1,'text':\"a\",'pad':\"q\",'more':1}"})
        BOOST_TEST(one.match(other) == "no");
    const Formed other_order("{'pad':\"(xYz)\",'text':\"<hello>\",'n':[12]}");
    BOOST_TEST(other_order.match("{'pad':\"q\",'text':\"a\",'n':7}") == "a|7");
}

BOOST_AUTO_TEST_CASE(what_is_not_known_matches_nothing) {
    EventForm form;
    EventForm::Match match;
    BOOST_TEST(!form.matches("", match));
    Formed one("x<y>z\"");
    one.form.forget();
    BOOST_TEST(one.match(one.event) == "no");
}

BOOST_AUTO_TEST_CASE(a_part_that_stands_elsewhere_teaches_nothing) {
    EventForm form;
    const std::string elsewhere = "b";
    Shows shows;
    shows.inside = elsewhere;
    form.learn("a\"b\"c", shows, {}, 0);
    EventForm::Match match;
    BOOST_TEST(!form.matches("a\"b\"c", match));
}

BOOST_AUTO_TEST_CASE(what_a_client_sees_instead_takes_the_new_string) {
    EventForm form;
    const std::string event = "{\"id\":2,\"text\":\"hello\"}";
    Shows shows;
    shows.reasoning = true;
    shows.inside = std::string_view(event).substr(16, 5);
    form.learn(event, shows, "{\"id\":1,\"text\":\"hello\"}!", 16);
    EventForm::Match match;
    BOOST_REQUIRE(form.matches("{\"id\":2,\"text\":\"you\"}", match));
    BOOST_TEST(!form.as_it_came());
    BOOST_TEST(form.shows().reasoning);
    std::string out;
    form.retell(match.inside, out);
    BOOST_TEST(out == "{\"id\":1,\"text\":\"you\"}!");
}

BOOST_AUTO_TEST_SUITE_END()
