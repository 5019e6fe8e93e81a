#include "streamkeeper/json_scan.hpp"

#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>
#include <random>

#include "http/byte_scan.hpp"

namespace json = streamkeeper::json;
using namespace std::string_view_literals;
namespace {

using Random = std::mt19937;

std::size_t below(Random& random, std::size_t n) { return random() % n; }

bool accepts(std::string_view text) { return !json::scan(text); }

/// Surrogate escapes become `\\u0041`: the grammar allows halves, Boost.JSON does not.
std::string without_surrogates(std::string_view text) {
    std::string result(text);
    for (std::size_t at = 0; (at = result.find("\\u", at)) != std::string::npos; ++at) {
        const std::string hex = result.substr(at + 2, 4);
        const bool digits = hex.size() == 4 && hex.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
        if (digits && (hex[0] | 0x20) == 'd' && hex[1] >= '8') result.replace(at + 2, 4, "0041");
    }
    return result;
}

bool boost_accepts(std::string_view text) {
    boost::json::parse_options options;
    options.max_depth = json::max_depth;
    boost::json::error_code error;
    boost::json::parse(without_surrogates(text), error, {}, options);
    // The grammar allows any exponent; Boost.JSON does not, and is no judge of that.
    if (error == boost::json::error::exponent_overflow) return accepts(text);
    return !error;
}

std::string space(Random& random) {
    static const char* const spaces[] = {"", "", "", " ", "\n", "\t \r\n", "                  "};
    return spaces[below(random, std::size(spaces))];
}

std::string random_string(Random& random) {
    static const char* const pieces[] = {"a",
                                         "plain text that is a little longer than one block of sixteen",
                                         "\\n",
                                         "\\\"",
                                         "\\\\",
                                         "\\/",
                                         "\\u0041",
                                         "\\ud83d\\ude00",
                                         "\\uD800\\uDC00",
                                         "é",
                                         "漢字",
                                         "😀",
                                         "\xf4\x8f\xbf\xbf",
                                         "\xed\x9f\xbf",
                                         "\\u0000",
                                         "model",
                                         " ",
                                         "{",
                                         "]",
                                         ":",
                                         ","};
    std::string text = "\"";
    for (std::size_t n = below(random, 6); n > 0; --n) text += pieces[below(random, std::size(pieces))];
    return text + "\"";
}

std::string random_value(Random& random, int depth) {
    static const char* const scalars[] = {"null",
                                          "true",
                                          "false",
                                          "0",
                                          "-0",
                                          "12",
                                          "-3.25",
                                          "1e5",
                                          "1E-7",
                                          "0.5e+10",
                                          "123456789012345678901234567890",
                                          "1e2147483647",
                                          "1.0",
                                          "-0.0e0"};
    const std::size_t kind = below(random, depth > 0 ? 6 : 4);
    if (kind < 2) return scalars[below(random, std::size(scalars))];
    if (kind < 4) return random_string(random);
    const bool object = kind == 4;
    std::string text = object ? "{" : "[";
    const std::size_t count = below(random, 5);
    for (std::size_t i = 0; i < count; ++i) {
        if (i > 0) text += ",";
        text += space(random);
        if (object) text += random_string(random) + space(random) + ":" + space(random);
        text += random_value(random, depth - 1) + space(random);
    }
    return text + space(random) + (object ? "}" : "]");
}

std::string random_document(Random& random) { return space(random) + random_value(random, 4) + space(random); }

std::string mutated(std::string text, Random& random) {
    static constexpr std::string_view bytes =
        "\"\\{}[]:,0123456789eE+-.tfn u\x00\x1f\x7f\x80\xbf\xc0\xc1\xe0\xed\xf0\xf5\xff"sv;
    for (std::size_t n = 1 + below(random, 3); n > 0; --n) {
        const std::size_t at = below(random, text.size() + 1);
        const char byte = bytes[below(random, bytes.size())];
        switch (below(random, 4)) {
            case 0: text.insert(at, 1, byte); break;
            case 1:
                if (at < text.size()) text[at] = byte;
                break;
            case 2: text.erase(at, 1 + below(random, 3)); break;
            default: text.resize(at); break;
        }
    }
    return text;
}

/// Members by Boost.JSON must be the members by spans, name by name and value by value.
void check_members(const std::string& text) {
    std::vector<json::Member> members;
    BOOST_REQUIRE_MESSAGE(!json::scan(text, &members), text);
    boost::json::parse_options options;
    options.max_depth = json::max_depth;
    const boost::json::value parsed = boost::json::parse(text, {}, options);
    BOOST_REQUIRE(parsed.is_object() || members.empty());
    boost::json::object rebuilt;
    for (const json::Member& member : members) {
        const std::string name = json::unquote(member.key.in(text));
        BOOST_TEST(json::key_is(text, member, name));
        const boost::json::value value = boost::json::parse(std::string(member.value.in(text)), {}, options);
        BOOST_TEST((member.kind == json::Kind::object) == value.is_object());
        BOOST_TEST((member.kind == json::Kind::array) == value.is_array());
        BOOST_TEST((member.kind == json::Kind::string) == value.is_string());
        BOOST_TEST((member.kind == json::Kind::number) == value.is_number());
        BOOST_TEST((member.kind == json::Kind::boolean) == value.is_bool());
        BOOST_TEST((member.kind == json::Kind::null) == value.is_null());
        if (value.is_string()) BOOST_TEST(json::unquote(member.value.in(text)) == std::string(value.get_string()));
        if (!rebuilt.contains(name)) BOOST_TEST(json::find(text, name) == member.value.in(text));
        rebuilt[name] = value;
    }
    if (parsed.is_object()) BOOST_TEST((boost::json::value(rebuilt) == parsed), text);
}

json::Mistake mistake_in(std::string_view text) {
    const auto mistake = json::scan(text);
    BOOST_REQUIRE_MESSAGE(mistake, text);
    return *mistake;
}

void expect_mistake(std::string_view text, std::size_t offset, std::string_view what) {
    const json::Mistake mistake = mistake_in(text);
    BOOST_TEST(mistake.offset == offset, text << " at " << mistake.offset);
    BOOST_TEST(std::string_view(mistake.what) == what);
    BOOST_TEST(!boost_accepts(text), text);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(json_scan)

BOOST_AUTO_TEST_CASE(random_documents_are_valid_and_their_spans_are_their_members) {
    Random random(1);
    for (int i = 0; i < 8000; ++i) {
        const std::string text = random_document(random);
        if (boost_accepts(text))
            check_members(text);
        else
            BOOST_TEST(!accepts(text), text);
    }
}

BOOST_AUTO_TEST_CASE(random_damage_is_judged_as_boost_judges_it) {
    Random random(2);
    int valid = 0;
    for (int i = 0; i < 60000; ++i) {
        const std::string text = mutated(random_document(random), random);
        const bool good = boost_accepts(text);
        BOOST_TEST(accepts(text) == good, text);
        valid += good;
    }
    BOOST_TEST(valid > 3000);
    BOOST_TEST(valid < 57000);
}

BOOST_AUTO_TEST_CASE(every_short_byte_sequence_in_a_string_is_judged_as_boost_judges_it) {
    for (unsigned a = 0; a < 256; ++a) {
        for (unsigned b = 0; b < 256; ++b) {
            const std::string pair{static_cast<char>(a), static_cast<char>(b)};
            for (const char* rest : {"", "\x80", "\xbf\x80", "x"}) {
                const std::string text = "\"" + pair + rest + "\"";
                if (accepts(text) != boost_accepts(text)) BOOST_ERROR("bytes " << a << " " << b);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(every_beginning_of_a_document_is_a_mistake_at_its_end) {
    const std::string text = R"({"a":[1,{"b":"c\u0041\ud83d\ude00d"}],"e":-1.5e3,"f":true,"é":null})";
    for (std::size_t n = 0; n < text.size(); ++n) {
        const json::Mistake mistake = mistake_in(std::string_view(text).substr(0, n));
        BOOST_TEST(mistake.offset <= n);
        BOOST_TEST(mistake.offset + 6 >= n);
    }
    BOOST_TEST(accepts(text));
}

BOOST_AUTO_TEST_CASE(mistakes_say_where_and_what) {
    expect_mistake("", 0, "unexpected end of the text");
    expect_mistake("{\"a\":1", 6, "unexpected end of the text");
    expect_mistake(R"({"a":1 "b":2})", 7, "expected ',' or '}'");
    expect_mistake(R"([1 2])", 3, "expected ',' or ']'");
    expect_mistake(R"({"a":1,})", 7, "trailing comma");
    expect_mistake(R"([1,])", 3, "trailing comma");
    expect_mistake(R"({a:1})", 1, "expected a member name in double quotes");
    expect_mistake(R"({'a':1})", 1, "expected a member name in double quotes");
    expect_mistake(R"({"a" 1})", 5, "expected ':'");
    expect_mistake(R"({"a":})", 5, "expected a value");
    expect_mistake(R"({"a":nul})", 8, "expected a value");
    expect_mistake(R"({"a":NaN})", 5, "expected a value");
    expect_mistake(R"([01])", 2, "a number must not begin with 0");
    expect_mistake(R"([1.])", 3, "expected a digit");
    expect_mistake(R"([1e+])", 4, "expected a digit");
    expect_mistake(R"([-])", 2, "expected a digit");
    expect_mistake(R"([+1])", 1, "expected a value");
    expect_mistake("\"a\nb\"", 2, "a control character in a string must be escaped");
    expect_mistake(R"("\x")", 2, "unknown escape in a string");
    expect_mistake(R"("\u00g0")", 3, "expected four hexadecimal digits");
    expect_mistake("\"ab\xc0\x80\"", 3, "invalid UTF-8");
    expect_mistake("\"\xed\xa0\x80\"", 1, "invalid UTF-8");
    expect_mistake("\"\xf4\x90\x80\x80\"", 1, "invalid UTF-8");
    expect_mistake("{} x", 3, "text after the value");
    expect_mistake("{}{}", 2, "text after the value");
    expect_mistake("\xEF\xBB\xBF{}", 0, "a byte order mark is not JSON");
    expect_mistake(std::string_view("{}\0", 3), 2, "text after the value");
    expect_mistake("]", 0, "expected a value");
    expect_mistake("// no\n1", 0, "expected a value");
}

BOOST_AUTO_TEST_CASE(what_the_grammar_allows_is_valid_even_if_it_makes_no_sense) {
    for (const char* const text :
         {R"("\ud800x")", R"("\udc00")", R"("\ud83d\u0041")", "[1e2147483648]", "[-0.0e-99999999999]"})
        BOOST_TEST(accepts(text), text);
}

BOOST_AUTO_TEST_CASE(the_depth_is_bounded_without_recursion) {
    const std::string deepest = std::string(512, '[') + std::string(512, ']');
    BOOST_TEST(accepts(deepest));
    BOOST_TEST(boost_accepts(deepest));
    expect_mistake(std::string(513, '[') + std::string(513, ']'), 512, "nested too deeply");
    BOOST_TEST(mistake_in(std::string(1000000, '{')).offset == 1u);
    BOOST_TEST(mistake_in(std::string(1000000, '[')).offset == 512u);
}

BOOST_AUTO_TEST_CASE(only_members_of_the_outermost_object_are_given) {
    std::vector<json::Member> members;
    const std::string_view text = R"( {"a":{"model":1},"b":[{"model":2}],"mo\u0064el":"x","model":3} )";
    BOOST_REQUIRE(!json::scan(text, &members));
    BOOST_REQUIRE(members.size() == 4u);
    BOOST_TEST(members[0].value.in(text) == R"({"model":1})");
    BOOST_TEST(members[1].value.in(text) == R"([{"model":2}])");
    BOOST_TEST(members[2].key_escaped);
    BOOST_TEST(json::key_is(text, members[2], "model"));
    BOOST_TEST(!json::key_is(text, members[2], "mode"));
    BOOST_TEST(members[2].value.in(text) == R"("x")");
    BOOST_TEST(json::key_is(text, members[3], "model"));
    BOOST_TEST(!json::key_is(text, members[3], "mod"));
    members.clear();
    BOOST_TEST(!json::scan(R"([{"model":1}])", &members));
    BOOST_TEST(members.empty());
}

BOOST_AUTO_TEST_CASE(values_are_found_by_name) {
    const std::string_view text = R"({ "a" : "x\"}" , "b":[1,"]",{"c":2}],"\u0063" : { "d" : -1.5e3 } ,"e":null})";
    BOOST_TEST(json::find(text, "a") == R"("x\"}")");
    BOOST_TEST(json::find(text, "b") == R"([1,"]",{"c":2}])");
    BOOST_TEST(json::find(json::find(text, "c"), "d") == "-1.5e3");
    BOOST_TEST(json::find(text, "e") == "null");
    BOOST_TEST(json::find(text, "d").empty());
    BOOST_TEST(json::find("[1]", "d").empty());
    BOOST_TEST(json::find("{}", "d").empty());
    std::vector<std::string> seen;
    json::for_each_element(
        json::find(text, "b"),
        [](std::string_view element, void* context) {
            static_cast<std::vector<std::string>*>(context)->emplace_back(element);
        },
        &seen);
    BOOST_TEST((seen == std::vector<std::string>{"1", "\"]\"", "{\"c\":2}"}));
    json::for_each_element(" [ ] ", [](std::string_view, void*) { BOOST_ERROR("no element"); }, nullptr);
}

BOOST_AUTO_TEST_CASE(looking_into_text_that_is_no_json_stays_inside_it) {
    Random random(3);
    for (int i = 0; i < 20000; ++i) {
        // An exact heap block, so that AddressSanitizer sees a byte too many.
        const std::string text = mutated(random_document(random), random);
        const std::vector<char> exact(text.begin(), text.end());
        const std::string_view view(exact.data(), exact.size());
        json::find(view, "model");
        json::unquote(view);
        json::for_each_element(view, [](std::string_view element, void*) { json::unquote(element); }, nullptr);
    }
}

BOOST_AUTO_TEST_CASE(quoting_and_unquoting_are_inverse) {
    Random random(4);
    for (int i = 0; i < 20000; ++i) {
        const std::string quoted = random_string(random);
        const std::string text = json::unquote(quoted);
        const boost::json::value parsed = boost::json::parse(quoted);
        BOOST_TEST(text == std::string(parsed.get_string()));
        BOOST_TEST(json::unquote(json::quote(text)) == text);
        BOOST_TEST(accepts(json::quote(text)));
        BOOST_TEST(accepts(json::quote(mutated(text, random))));
    }
    BOOST_TEST(json::quote("a\"\\\n\x01\xff b") == "\"a\\\"\\\\\\n\\u0001\xEF\xBF\xBD b\"");
    BOOST_TEST(json::unquote("12").empty());
}

BOOST_AUTO_TEST_CASE(positions_count_lines_and_bytes_from_one) {
    const auto at = [](std::string_view text, std::size_t offset) {
        const json::Position position = json::position_of(text, offset);
        return std::to_string(position.line) + ":" + std::to_string(position.column);
    };
    BOOST_TEST(at("", 0) == "1:1");
    BOOST_TEST(at("abc", 2) == "1:3");
    BOOST_TEST(at("abc", 99) == "1:4");
    BOOST_TEST(at("a\nb", 1) == "1:2");
    BOOST_TEST(at("a\nb", 2) == "2:1");
    BOOST_TEST(at("a\r\n\r\nbc", 6) == "3:2");
    const std::string_view text = "{\n  \"a\": 1,\n  \"b\" 2\n}";
    BOOST_TEST(at(text, mistake_in(text).offset) == "3:7");
}

BOOST_AUTO_TEST_CASE(the_portable_loop_finds_what_the_fast_one_finds) {
    namespace byte_scan = streamkeeper::byte_scan;
    for (unsigned c = 0; c < 256; ++c) {
        for (std::size_t at = 0; at < 40; ++at) {
            std::string text(40, 'a');
            text[at] = static_cast<char>(c);
            const char* end = text.data() + text.size();
            const char* found = byte_scan::string_run(text.data(), end);
            BOOST_REQUIRE(byte_scan::string_run_portable(text.data(), end) == found);
            BOOST_REQUIRE(found ==
                          (byte_scan::special_in_string(static_cast<unsigned char>(c)) ? text.data() + at : end));
            const char* value = byte_scan::value_run(text.data(), end);
            BOOST_REQUIRE(value ==
                          (byte_scan::special_in_value(static_cast<unsigned char>(c)) ? text.data() + at : end));
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
