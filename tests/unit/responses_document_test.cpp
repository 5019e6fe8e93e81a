// The events of a document of Responses; what all four endpoints share is in document_events_test.cpp.

#include "document_stream.hpp"

using namespace document_stream;

namespace {
constexpr Endpoint responses = Endpoint::responses;
}

BOOST_AUTO_TEST_SUITE(responses_document)

BOOST_AUTO_TEST_CASE(a_response_becomes_the_events_of_its_items) {
    const std::string document = response(
        R"({"id":"rs","type":"reasoning","summary":[{"type":"summary_text","text":"Hm"}],"encrypted_content":"e"},)"
        R"({"id":"m1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text",)"
        R"("text":"Hi","annotations":[{"type":"url_citation"}],"logprobs":[{"token":"Hi","logprob":-0.50}]},{"type":"refusal","refusal":"No"}]})");
    const Stream stream = stream_of(responses, document);
    BOOST_TEST(
        outline(stream) ==
        "response.created response.in_progress "
        "response.output_item.added response.reasoning_summary_part.added response.reasoning_summary_text.delta! "
        "response.reasoning_summary_text.done response.reasoning_summary_part.done response.output_item.done "
        "response.output_item.added response.content_part.added response.output_text.delta! "
        "response.output_text.done response.output_text.annotation.added response.content_part.done "
        "response.content_part.added response.refusal.delta! response.refusal.done response.content_part.done "
        "response.output_item.done! response.completedu=stop.");
    BOOST_TEST(stream[0].data == R"({"type":"response.created","sequence_number":0,"response":{"id":"resp_1",)"
                                 R"("object":"response","status":"in_progress","output":[],"usage":null}})");
    BOOST_TEST(stream[10].data ==
               R"({"type":"response.output_text.delta","sequence_number":10,"item_id":"m1",)"
               R"("output_index":1,"content_index":0,"delta":"Hi","logprobs":[{"token":"Hi","logprob":-0.50}]})");
    BOOST_TEST(stream[19].data == R"({"type":"response.completed","sequence_number":19,"response":)" + document + "}");
    BOOST_TEST((join(responses, stream) == js::parse(document)));
}

BOOST_AUTO_TEST_CASE(calls_of_a_response_come_in_deltas_of_their_kind) {
    const auto told = [](std::string_view item) {
        const Stream stream = stream_of(responses, response(item));
        BOOST_TEST((join(responses, stream) == js::parse(response(item))));
        std::string names;
        for (std::size_t i = 3; i + 2 < stream.size(); ++i) names += (i == 3 ? "" : " ") + stream[i].name.substr(9);
        return names;
    };
    BOOST_TEST(
        told(R"({"id":"f","type":"function_call","call_id":"c","name":"f","arguments":"{}","status":"completed"})") ==
        "function_call_arguments.delta function_call_arguments.done");
    BOOST_TEST(told(R"({"id":"f","type":"function_call","call_id":"c","name":"f","arguments":""})") ==
               "function_call_arguments.done");
    BOOST_TEST(told(R"({"id":"f","type":"custom_tool_call","call_id":"c","name":"f","input":"*** Begin"})") ==
               "custom_tool_call_input.delta custom_tool_call_input.done");
    BOOST_TEST(told(R"({"id":"f","type":"mcp_call","name":"f","arguments":"{}","output":"o","error":null})") ==
               "mcp_call_arguments.delta mcp_call_arguments.done");
    BOOST_TEST(
        told(R"({"id":"f","type":"code_interpreter_call","code":"1+1","outputs":[{"type":"logs","logs":"2"}]})") ==
        "code_interpreter_call_code.delta code_interpreter_call_code.done");
    BOOST_TEST(told(R"({"id":"f","type":"image_generation_call","status":"completed","result":"AAAA"})") == "");
    BOOST_TEST(told(R"({"id":"f","type":"of_tomorrow","content":[{"type":"output_text","text":"x"}],"input":"y"})") ==
               "");
}

BOOST_AUTO_TEST_CASE(an_item_opens_without_what_it_has_at_its_end) {
    const auto opening = [](std::string_view item) {
        const Stream stream = stream_of(responses, response(item));
        return stream[2].data.substr(stream[2].data.find(R"("item":)") + 7);
    };
    const std::string end = R"("in_progress"}})";
    BOOST_TEST(opening(R"({"type":"message","content":[{"type":"refusal","refusal":"No"}],"status":"completed"})") ==
               R"({"type":"message","content":[],"status":)" + end);
    BOOST_TEST(
        opening(R"({"type":"reasoning","summary":[{}],"content":[{}],"encrypted_content":"e","status":"completed"})") ==
        R"({"type":"reasoning","summary":[],"content":[],"encrypted_content":"e","status":)" + end);
    BOOST_TEST(opening(R"({"type":"function_call","name":"f","arguments":"{}","status":"completed"})") ==
               R"({"type":"function_call","name":"f","arguments":"","status":)" + end);
    BOOST_TEST(opening(R"({"type":"custom_tool_call","name":"f","input":"x","status":"completed"})") ==
               R"({"type":"custom_tool_call","name":"f","input":"","status":)" + end);
    BOOST_TEST(opening(R"({"type":"mcp_call","arguments":"{}","output":"o","error":{"code":1},"status":"failed"})") ==
               R"({"type":"mcp_call","arguments":"","output":null,"error":null,"status":)" + end);
    BOOST_TEST(opening(R"({"type":"code_interpreter_call","code":"1","outputs":[{}],"status":"completed"})") ==
               R"({"type":"code_interpreter_call","code":"","outputs":null,"status":)" + end);
    BOOST_TEST(opening(R"({"type":"image_generation_call","result":"AAAA","status":"completed"})") ==
               R"({"type":"image_generation_call","result":null,"status":)" + end);
    BOOST_TEST(opening(R"({"type":"web_search_call","status":"completed"})") ==
               R"({"type":"web_search_call","status":"completed"}})");
}

BOOST_AUTO_TEST_CASE(a_response_ends_as_its_status_says) {
    const auto end = [](std::string_view status) { return outline_of(responses, response("", status)).substr(38); };
    BOOST_TEST(end("completed") == "response.completedu=stop.");
    BOOST_TEST(end("incomplete") == "response.incompleteu=incomplete.");
    BOOST_TEST(end("cancelled") == "response.cancelledu=cancelled.");
    BOOST_TEST(end("failed") == "response.failedufailed");
    BOOST_TEST(outline_of(responses,
                          R"({"object":"response","status":"failed","error":{"code":"server_error"},"output":null})") ==
               "response.created response.in_progress response.failedfailed");
    // Not an answer yet.
    for (const std::string_view status : {"queued", "in_progress", "of_tomorrow", ""})
        BOOST_TEST(events(responses, response("", status)) == "nothing");
    BOOST_TEST(events(responses, R"({"object":"response","output":[]})") == "nothing");
}

BOOST_AUTO_TEST_SUITE_END()
