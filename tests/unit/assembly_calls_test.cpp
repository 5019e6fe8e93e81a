// Tool calls that come in pieces, numbered and named in all the ways that vendors have (resumption_facts.md,
// section 5).

#include "assembled.hpp"

using namespace assembled;

namespace {

/// The calls of a stream of these deltas of `tool_calls`: `id:name(arguments)` each, more members behind it.
std::string calls(std::initializer_list<std::string_view> deltas) {
    std::string text;
    for (const std::string_view delta : deltas)
        text += R"(data: {"choices":[{"index":0,"delta":{"tool_calls":[)" + std::string(delta) + "]}}]}\n\n";
    const js::value document = js::parse(from_text(Endpoint::chat_completions, text));
    const js::object& message = document.at("choices").at(0).at("message").as_object();
    BOOST_TEST(message.at("content").is_null());
    std::string told;
    for (const js::value& each : message.at("tool_calls").as_array()) {
        js::object call = each.as_object();
        const auto take = [](js::object& from, std::string_view name) {
            const js::value* value = from.if_contains(name);
            const std::string taken = value == nullptr     ? "-"
                                      : value->is_string() ? std::string(value->get_string())
                                                           : js::serialize(*value);
            from.erase(name);
            return taken;
        };
        const std::string id = take(call, "id");
        js::object function = call.contains("function") ? call.at("function").as_object() : js::object();
        call.erase("function");
        const std::string name = take(function, "name");
        told += (told.empty() ? "" : " ") + id + ":" + name + "(" + take(function, "arguments") + ")";
        if (!function.empty()) told += js::serialize(function);
        if (!call.empty()) told += js::serialize(call);
    }
    return told;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(assembly_of_calls)

BOOST_AUTO_TEST_CASE(pieces_belong_to_the_call_of_their_index) {
    BOOST_TEST(calls({R"({"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}})",
                      R"({"index":0,"function":{"arguments":"{\"x\":"}})",
                      R"({"index":1,"id":"b","type":"function","function":{"name":"g","arguments":""}})",
                      R"({"index":1,"function":{"arguments":"{}"}},{"index":0,"function":{"arguments":" 1}"}})"}) ==
               R"(a:f({"x": 1}){"type":"function"} b:g({}){"type":"function"})");
    BOOST_TEST(calls({R"({"index":1,"id":"b","function":{"name":"g","arguments":"{}"}})",
                      R"({"index":0,"id":"a","function":{"name":"f","arguments":"{}"}})"}) == "a:f({}) b:g({})");
}

BOOST_AUTO_TEST_CASE(calls_without_an_index_are_told_apart) {
    // Gemini: whole calls, no index; older ones without an id.
    BOOST_TEST(calls({R"({"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}})",
                      R"({"id":"b","function":{"name":"f","arguments":"{}"}})"}) ==
               R"(a:f({"x":1}){"type":"function"} b:f({}))");
    BOOST_TEST(
        calls(
            {R"({"id":"","function":{"name":"f","arguments":"{\"x\":1}"}},{"id":"","function":{"name":"f","arguments":"{}"}})",
             R"({"id":"","function":{"name":"g","arguments":"{}"}})"}) == R"(:f({"x":1}) :f({}) :g({}))");
    // In pieces, the newest goes on.
    BOOST_TEST(calls({R"({"id":"a","function":{"name":"f","arguments":""}})", R"({"function":{"arguments":"{\"x\":"}})",
                      R"({"function":{"arguments":"{}}"}})", R"({"id":"b","function":{"name":"g"}})",
                      R"({"function":{"arguments":"{}"}})"}) == R"(a:f({"x":{}}) b:g({}))");
}

BOOST_AUTO_TEST_CASE(calls_that_all_have_the_index_0_are_told_apart_by_their_ids) {
    BOOST_TEST(calls({R"({"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}})",
                      R"({"index":0,"id":"b","function":{"name":"f","arguments":"{\"x\":2}"}})",
                      R"({"index":0,"id":"c","function":{"name":"g","arguments":"{"}})",
                      R"({"index":0,"function":{"arguments":"}"}})"}) == R"(a:f({"x":1}) b:f({"x":2}) c:g({}))");
    // Or, where they have none, by their names and by arguments that begin again.
    BOOST_TEST(calls({R"({"index":0,"function":{"name":"f","arguments":"{\"x\":1}"}})",
                      R"({"index":0,"function":{"name":"f","arguments":"{\"x\":2}"}})",
                      R"({"index":0,"function":{"name":"g","arguments":""}})",
                      R"({"index":0,"function":{"name":"h","arguments":"{}"}})"}) ==
               R"(-:f({"x":1}) -:f({"x":2}) -:g() -:h({}))");
}

BOOST_AUTO_TEST_CASE(an_id_or_name_that_is_repeated_stays_one) {
    BOOST_TEST(calls({R"({"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":"}})",
                      R"({"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{\"y\":"}})",
                      R"({"index":0,"id":null,"type":null,"function":{"name":"f","arguments":"{}"}})",
                      R"({"index":0,"id":"","function":{"name":"","arguments":"}"}})",
                      R"({"index":0,"id":null,"function":{"name":null,"arguments":"}"}})"}) ==
               R"(a:f({"x":{"y":{}}}){"type":"function"})");
}

BOOST_AUTO_TEST_CASE(name_and_id_may_come_after_the_arguments) {
    BOOST_TEST(calls({R"({"index":0,"id":null,"function":{"name":null,"arguments":"{"}})",
                      R"({"index":0,"function":{"arguments":"}"}})", R"({"index":0,"id":"a","type":"function"})",
                      R"({"index":0,"function":{"name":"f"}})", R"({"index":1,"function":{"arguments":"{}"}})",
                      R"({"index":1,"id":"b","function":{"name":"g"}})"}) == R"(a:f({}){"type":"function"} b:g({}))");
}

BOOST_AUTO_TEST_CASE(a_wrong_index_does_not_mix_two_calls) {
    // The second call begins with the first one's index and goes on with its own (agno#8879).
    BOOST_TEST(calls({R"({"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}})",
                      R"({"index":0,"id":"b","function":{"name":"g","arguments":"{\"y\":"}})",
                      R"({"index":1,"function":{"arguments":"[2"}})",
                      R"({"index":1,"function":{"arguments":"]}"}})"}) == R"(a:f({"x":1}) b:g({"y":[2]}))");
    // The index is the tool's place in the request (sglang#25073).
    BOOST_TEST(calls({R"({"index":3,"id":"a","function":{"name":"f","arguments":"{"}})",
                      R"({"index":3,"function":{"arguments":"}"}})",
                      R"({"index":3,"id":"b","function":{"name":"f","arguments":""}})",
                      R"({"index":3,"function":{"arguments":"{}"}})"}) == "a:f({}) b:f({})");
    // The pieces of one call are numbered on.
    BOOST_TEST(calls({R"({"index":0,"id":"a","function":{"name":"f","arguments":""}})",
                      R"({"index":1,"function":{"arguments":"{\"x\""}})",
                      R"({"index":2,"function":{"arguments":":1}"}})"}) == R"(a:f({"x":1}))");
    // A known id is its own call, whatever the index says.
    BOOST_TEST(calls({R"({"index":0,"id":"a","function":{"name":"f","arguments":"{"}})",
                      R"({"index":1,"id":"b","function":{"name":"g","arguments":"{"}})",
                      R"({"index":1,"id":"a","function":{"arguments":"}"}})",
                      R"({"index":0,"id":"b","function":{"arguments":"}"}})"}) == "a:f({}) b:g({})");
    BOOST_TEST(calls({R"({"index":0,"id":"a","function":{"name":"f","arguments":"["}})",
                      R"({"index":1,"id":"b","function":{"name":"g","arguments":"["}})",
                      R"({"index":1,"id":"a","function":{"arguments":"1"}})", R"({"function":{"arguments":"]"}})",
                      R"({"index":1,"function":{"arguments":"]"}})"}) == "a:f([1]) b:g([])");
    // All calls have the same id.
    BOOST_TEST(calls({R"({"index":0,"id":"a","function":{"name":"f","arguments":""}})",
                      R"({"index":1,"id":"a","function":{"name":"f","arguments":""}})",
                      R"({"index":0,"id":"a","function":{"arguments":"0"}})",
                      R"({"index":1,"id":"a","function":{"arguments":"1"}})"}) == "a:f(0) a:f(1)");
}

BOOST_AUTO_TEST_CASE(what_else_a_call_carries_is_kept) {
    BOOST_TEST(
        calls(
            {R"({"index":0,"id":"a","extra_content":{"google":{"thought_signature":"s"}},"function":{"name":"f","strict":null}})",
             R"({"index":0,"extra_content":null,"function":{"arguments":"{}","strict":true}})"}) ==
        R"(a:f({}){"strict":true}{"extra_content":{"google":{"thought_signature":"s"}}})");
    BOOST_TEST(calls({R"({"index":0,"id":"a","custom":{"name":"g","input":"*** "}})",
                      R"({"index":0,"custom":{"input":"Begin"}})"}) ==
               R"(a:-(-){"custom":{"name":"g","input":"*** Begin"}})");
    BOOST_TEST(calls({R"({"index":0,"id":"a","function":{"name":"f","arguments":{"x":1}}})",
                      R"({"index":0,"function":{"arguments":""}})"}) == R"(a:f({"x":1}))");
}

BOOST_AUTO_TEST_SUITE_END()
