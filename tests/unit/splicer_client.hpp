/// A strict client of a spliced stream: reads what it is shown with another JSON parser, and says what no client may
/// see (resumption.md, "What the client must never see"). Shared by random tests and fuzz targets.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>

#include "streamkeeper/endpoint.hpp"

namespace streamkeeper::splicing {

/// Line ends of plain events stay as they came; one that two reads tore apart may be a blank line too many, which means
/// nothing to any reader.
inline std::string in_lf(std::string_view bytes) {
    std::string text;
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        if (bytes[at] == '\r' && at + 1 < bytes.size() && bytes[at + 1] == '\n') continue;
        const char c = bytes[at] == '\r' ? '\n' : bytes[at];
        if (c != '\n' || !(text.empty() || text.ends_with("\n\n"))) text += c;
    }
    return text;
}

class StrictClient {
public:
    explicit StrictClient(Endpoint endpoint) : endpoint_(endpoint) {}

    /// Whole events. Afterwards `problem` says what was wrong with one of them, if anything was.
    void read(std::string_view events) {
        while (!events.empty() && problem.empty()) {
            const std::size_t end = events.find("\n\n");
            if (end == events.npos) return complain("an event without its blank line");
            read_event(events.substr(0, end));
            if (!problem.empty()) problem += ": " + std::string(events.substr(0, end));
            events.remove_prefix(end + 2);
        }
    }

    std::string problem, text, id, model;
    int roles = 0, finishes = 0, starts = 0, blocks = 0;
    bool over = false;  ///< the last event has come

private:
    void complain(std::string what) { problem = std::move(what); }

    void read_event(std::string_view event) {
        std::string_view name;
        if (event.starts_with("event: ")) {
            const std::size_t line = event.find('\n');
            if (line == event.npos) return complain("an event without data");
            name = event.substr(7, line - 7);
            event.remove_prefix(line + 1);
        }
        if (!event.starts_with("data: ") || event.find('\n') != event.npos || event.find('\r') != event.npos)
            return complain("more than one line of data");
        if (over) return complain("something behind the end");
        const std::string_view data = event.substr(6);
        if (data == "[DONE]") {
            over = true;
            return finishes == 0 ? complain("an end without a finish") : void();
        }
        boost::system::error_code error;
        const boost::json::value value = boost::json::parse(data, error, {}, options());
        if (error) return complain("no JSON");
        if (!value.is_object()) return;
        if (endpoint_ == Endpoint::messages) return read_block(value.as_object(), name);
        if (endpoint_ == Endpoint::responses) return read_item(value.as_object(), name);
        read_chunk(value.as_object());
    }
    static boost::json::parse_options options() {
        boost::json::parse_options some;
        some.max_depth = 600;
        return some;
    }

    static std::string word(const boost::json::object& from, std::string_view name) {
        const boost::json::value* value = from.if_contains(name);
        return value && value->is_string() ? std::string(value->get_string()) : std::string();
    }
    static const boost::json::object& inner(const boost::json::object& from, std::string_view name) {
        static const boost::json::object nothing;
        const boost::json::value* value = from.if_contains(name);
        return value && value->is_object() ? value->get_object() : nothing;
    }
    void name_of(const boost::json::object& from, std::string_view member, std::string& known) {
        const std::string says = word(from, member);
        if (known.empty()) known = says;
        if (!says.empty() && says != known) complain("another " + std::string(member));
    }

    void read_chunk(const boost::json::object& chunk) {
        name_of(chunk, "id", id);
        name_of(chunk, "model", model);
        const boost::json::value* choices = chunk.if_contains("choices");
        if (!choices || !choices->is_array()) return;
        for (const boost::json::value& choice : choices->get_array())
            if (choice.is_object()) read_choice(choice.get_object());
    }
    void read_choice(const boost::json::object& choice) {
        const boost::json::object& delta = inner(choice, "delta");
        const std::string words = endpoint_ == Endpoint::completions ? word(choice, "text") : word(delta, "content");
        if (endpoint_ != Endpoint::completions && !word(delta, "role").empty() && ++roles > 1)
            return complain("a second role");
        if (finishes > 0 && !words.empty()) return complain("content behind the finish");
        text += words;
        if (!word(choice, "finish_reason").empty() && ++finishes > 1) return complain("a second finish");
    }

    void read_block(const boost::json::object& event, std::string_view name) {
        const std::string type = word(event, "type");
        if (type != name) return complain("another name than its type");
        const boost::json::value* at = event.if_contains("index");
        const int index = at && at->is_int64() ? static_cast<int>(at->get_int64()) : -1;
        if (type == "message_start" && ++starts > 1) return complain("a second message_start");
        if (type == "content_block_start" && index != blocks++) return complain("a block's number is not the next one");
        if (type == "content_block_delta" && index >= blocks) return complain("a delta of no block");
        if (type == "content_block_delta" || type == "content_block_start") {
            if (finishes > 0) return complain("content behind the finish");
            text += word(inner(event, "delta"), "text") + word(inner(event, "content_block"), "text");
        }
        if (!word(inner(event, "delta"), "stop_reason").empty() && ++finishes > 1) return complain("a second finish");
        over = type == "message_stop";
        if (over && finishes == 0) return complain("an end without a finish");
    }

    void read_item(const boost::json::object& event, std::string_view name) {
        const std::string type = word(event, "type");
        if (type != name) return complain("another name than its type");
        if (type == "response.created" && ++starts > 1) return complain("a second response.created");
        if (type == "response.output_text.delta") text += word(event, "delta");
        name_of(inner(event, "response"), "id", id);
        if (const boost::json::value* number = event.if_contains("sequence_number"); number && number->is_int64()) {
            if (number->get_int64() <= sequence_) return complain("a number that does not grow");
            sequence_ = number->get_int64();
        }
        over = type == "response.completed" || type == "response.incomplete";
        if (over) ++finishes;
    }

    const Endpoint endpoint_;
    std::int64_t sequence_ = -1;
};

}  // namespace streamkeeper::splicing
