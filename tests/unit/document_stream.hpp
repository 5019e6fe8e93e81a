/// A document's events read back: cut as the relay cuts them, judged by the dialect's reader, and put together again as
/// SDKs do, by a way of their own (the deltas, not the events that repeat the whole).
#pragma once

#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "streamkeeper/dialect.hpp"
#include "streamkeeper/document_events.hpp"
#include "streamkeeper/json_scan.hpp"

namespace document_stream {

namespace js = boost::json;
using streamkeeper::Endpoint;

struct Piece {
    std::string name, data, finish_reason;
    streamkeeper::EventFacts facts;
    js::value json;  ///< null for `[DONE]`

    const js::object& object() const { return json.as_object(); }
    bool is_done() const { return data == "[DONE]"; }
};

using Stream = std::vector<Piece>;

/// Checks on its way what every stream must be: whole events of one line of valid JSON, named by their type in messages
/// and responses and not named in the other two, and nothing the reader calls an error.
inline Stream read(Endpoint endpoint, std::string_view text) {
    namespace sse = streamkeeper::sse;
    const bool typed = endpoint == Endpoint::messages || endpoint == Endpoint::responses;
    Stream stream;
    sse::Splitter splitter;
    splitter.feed(text);
    std::string joined;
    for (std::string_view bytes; splitter.next(bytes);) {
        const sse::Event event = sse::read(bytes, joined);
        Piece piece{std::string(event.name), std::string(event.data), {}, {}, {}};
        BOOST_REQUIRE_EQUAL(bytes, (typed ? "event: " + piece.name + "\n" : "") + "data: " + piece.data + "\n\n");
        piece.facts = streamkeeper::dialect_of(endpoint)->read(event);
        piece.finish_reason = piece.facts.finish_reason;
        BOOST_TEST_REQUIRE(!piece.facts.error);
        if (!piece.is_done()) {
            BOOST_TEST_REQUIRE(!streamkeeper::json::scan(piece.data));
            piece.json = js::parse(piece.data, {}, {.max_depth = 600});
            if (typed) BOOST_REQUIRE_EQUAL(piece.object().at("type").as_string(), piece.name);
        }
        stream.push_back(std::move(piece));
    }
    BOOST_REQUIRE_EQUAL(splitter.pending(), 0U);
    return stream;
}

inline Stream stream_of(Endpoint endpoint, std::string_view document, bool with_usage = true) {
    const auto events = streamkeeper::events_of(endpoint, document, with_usage);
    BOOST_TEST_REQUIRE(events.has_value());
    return read(endpoint, *events);
}

/// What a stream says, one word an event: the choice's number or the event's name, and the reader's facts.
inline std::string outline(const Stream& stream) {
    std::string text;
    for (const Piece& piece : stream) {
        text += text.empty() ? "" : " ";
        if (!piece.name.empty()) {
            text += piece.name;
        } else if (piece.is_done()) {
            text += "[DONE]";
        } else {
            const js::array& choices = piece.object().at("choices").as_array();
            text += choices.empty() ? "-" : js::serialize(choices[0].at("index"));
        }
        const streamkeeper::EventFacts& facts = piece.facts;
        const std::pair<bool, std::string> marks[] = {{facts.payload, "!"},
                                                      {facts.usage, "u"},
                                                      {facts.failed, "failed"},
                                                      {facts.finish, "=" + piece.finish_reason},
                                                      {facts.terminal, "."}};
        for (const auto& [set, mark] : marks) text += set ? mark : "";
    }
    return text;
}

/// The same for a document.
inline std::string outline_of(Endpoint endpoint, std::string_view document, bool with_usage = false) {
    return outline(stream_of(endpoint, document, with_usage));
}

/// The events as they are.
inline std::string events(Endpoint endpoint, std::string_view document, bool with_usage = false) {
    return streamkeeper::events_of(endpoint, document, with_usage).value_or("nothing");
}

/// A response with these items.
inline std::string response(std::string_view items, std::string_view status = "completed") {
    return R"({"id":"resp_1","object":"response","status":")" + std::string(status) + R"(","output":[)" +
           std::string(items) + R"(],"usage":{"input_tokens":3,"output_tokens":5,"total_tokens":8}})";
}

inline void extend(js::value& text, const js::value& delta) { text.as_string() += delta.as_string(); }

/// Adds one part of a chunk to its choice. What follows the first part brings output, then the finish, each once.
inline void join_choice(js::object& known, const js::object& part, bool chat) {
    BOOST_TEST_REQUIRE(known.at("finish_reason").is_null());
    known["finish_reason"] = part.at("finish_reason");
    const bool last = !part.at("finish_reason").is_null();
    if (last) BOOST_TEST((part.at("logprobs").is_null()));
    if (last) BOOST_TEST((chat ? part.at("delta") == js::value(js::object()) : part.at("text") == js::value("")));
    if (last) return;
    BOOST_TEST_REQUIRE(chat);
    if (part.contains("logprobs")) known["logprobs"] = part.at("logprobs");
    js::object& message = known.at("message").as_object();
    for (const auto& [name, value] : part.at("delta").as_object()) BOOST_TEST(message.emplace(name, value).second);
}

/// The document that chunks of chat (or of legacy completions) add up to.
inline js::value join_chunks(const Stream& stream, bool chat) {
    js::object document;
    js::array choices;
    for (const Piece& piece : stream) {
        if (piece.is_done()) continue;
        js::object chunk = piece.object();
        const js::array parts = chunk.at("choices").as_array();
        chunk.erase("choices");
        for (const auto& [name, value] : chunk) document[name] = value;
        for (const js::value& part : parts) {
            const std::size_t index = part.at("index").to_number<std::size_t>();
            BOOST_REQUIRE_LE(index, choices.size());
            if (index < choices.size()) {
                join_choice(choices[index].as_object(), part.as_object(), chat);
                continue;
            }
            js::object choice = part.as_object();
            if (chat) {
                choice.erase("delta");
                choice["message"] = part.at("delta");
            }
            choices.push_back(choice);
        }
    }
    document["object"] = chat ? "chat.completion" : "text_completion";
    document["choices"] = std::move(choices);
    return document;
}

inline void join_block(js::object& block, const js::object& delta, std::string& input) {
    const std::string_view type = delta.at("type").as_string();
    if (type == "text_delta") return extend(block.at("text"), delta.at("text"));
    if (type == "thinking_delta") return extend(block.at("thinking"), delta.at("thinking"));
    if (type == "signature_delta") return extend(block.at("signature"), delta.at("signature"));
    if (type == "citations_delta") return block.at("citations").as_array().push_back(delta.at("citation"));
    BOOST_REQUIRE_EQUAL(type, "input_json_delta");
    input += std::string_view(delta.at("partial_json").as_string());
}

inline js::value join_message(const Stream& stream) {
    js::object message = stream.at(0).object().at("message").as_object();
    std::string input;
    for (const Piece& piece : stream) {
        const js::object& event = piece.object();
        js::array& content = message.at("content").as_array();
        if (piece.name == "content_block_start") {
            BOOST_REQUIRE_EQUAL(event.at("index").to_number<std::size_t>(), content.size());
            content.push_back(event.at("content_block"));
        } else if (piece.name == "content_block_delta") {
            BOOST_REQUIRE_EQUAL(event.at("index").to_number<std::size_t>() + 1, content.size());
            join_block(content.back().as_object(), event.at("delta").as_object(), input);
        } else if (piece.name == "content_block_stop" && !input.empty()) {
            BOOST_TEST_REQUIRE((content.back().at("input") == js::value(js::object())));
            content.back().as_object()["input"] = js::parse(input, {}, {.max_depth = 600});
            input.clear();
        } else if (piece.name == "message_delta") {
            for (const auto& [name, value] : event.at("delta").as_object()) message[name] = value;
            for (const auto& [name, value] : event)
                if (name != "type" && name != "delta") message[name] = value;
        }
    }
    return message;
}

/// The part that an event of Responses is about.
inline js::object& part_of(js::object& item, const js::object& event) {
    const bool summary = event.contains("summary_index");
    const auto index = event.at(summary ? "summary_index" : "content_index").to_number<std::size_t>();
    return item.at(summary ? "summary" : "content").as_array().at(index).as_object();
}

/// Adds one event to an item; parts and growing members come from deltas only.
inline void join_item(js::object& item, const Piece& piece) {
    const std::string_view name = piece.name;
    const js::object& event = piece.object();
    if (name.ends_with("part.added")) {
        const bool summary = event.contains("summary_index");
        js::array& parts = item.at(summary ? "summary" : "content").as_array();
        BOOST_REQUIRE_EQUAL(event.at(summary ? "summary_index" : "content_index").to_number<std::size_t>(),
                            parts.size());
        parts.push_back(event.at("part"));
    } else if (name.ends_with("part.done")) {
        BOOST_TEST((js::value(part_of(item, event)) == event.at("part")));
    } else if (name == "response.output_text.annotation.added") {
        js::array& annotations = part_of(item, event).at("annotations").as_array();
        BOOST_REQUIRE_EQUAL(event.at("annotation_index").to_number<std::size_t>(), annotations.size());
        annotations.push_back(event.at("annotation"));
    } else if (name.ends_with(".delta")) {
        const bool in_part = event.contains("content_index") || event.contains("summary_index");
        js::object& grows = in_part ? part_of(item, event) : item;
        const char* member = name.starts_with("response.refusal")              ? "refusal"
                             : in_part                                         ? "text"
                             : name.starts_with("response.custom_tool_call")   ? "input"
                             : name.starts_with("response.code_interpreter_c") ? "code"
                                                                               : "arguments";
        extend(grows.at(member), event.at("delta"));
        if (grows.contains("logprobs")) grows["logprobs"] = event.at("logprobs");
    }
}

/// The document that the last event repeats, once the items that the deltas add up to are found to be its own: but for
/// what only a finished item has (`late`).
inline js::value join_response(const Stream& stream) {
    static constexpr std::string_view late[] = {"status", "output", "outputs", "error", "result"};
    js::array items;
    for (std::size_t number = 0; number < stream.size(); ++number) {
        const Piece& piece = stream[number];
        const js::object& event = piece.object();
        BOOST_REQUIRE_EQUAL(event.at("sequence_number").to_number<std::size_t>(), number);
        if (!event.contains("output_index")) continue;
        const auto index = event.at("output_index").to_number<std::size_t>();
        if (piece.name == "response.output_item.added") {
            BOOST_REQUIRE_EQUAL(index, items.size());
            items.push_back(event.at("item"));
            continue;
        }
        BOOST_REQUIRE_EQUAL(index + 1, items.size());
        js::object& item = items.back().as_object();
        if (piece.name != "response.output_item.done") {
            BOOST_TEST((event.at("item_id") == item.at("id")));
            join_item(item, piece);
            continue;
        }
        for (const std::string_view name : late)
            if (event.at("item").as_object().contains(name)) item[name] = event.at("item").at(name);
        BOOST_TEST((js::value(item) == event.at("item")));
    }
    const js::value document = stream.back().object().at("response");
    if (document.at("output").is_array()) BOOST_TEST((js::value(items) == document.at("output")));
    return document;
}

inline js::value join(Endpoint endpoint, const Stream& stream) {
    switch (endpoint) {
        case Endpoint::messages: return join_message(stream);
        case Endpoint::responses: return join_response(stream);
        default: return join_chunks(stream, endpoint == Endpoint::chat_completions);
    }
}

}  // namespace document_stream
