/// Documents of all shapes by chance, in all spellings.
#pragma once

#include <algorithm>
#include <cstdio>
#include <random>

#include "document_stream.hpp"

namespace document_samples {

namespace js = boost::json;
using streamkeeper::Endpoint;

class Chance {
public:
    explicit Chance(unsigned seed) : engine_(seed) {}

    std::size_t below(std::size_t count) { return engine_() % count; }
    bool of(std::size_t many) { return below(many) == 0; }
    std::string_view one_of(std::initializer_list<std::string_view> words) {
        return words.begin()[below(words.size())];
    }

    std::string text(std::size_t most = 6) {
        std::string text;
        for (std::size_t left = below(most); left != 0; --left)
            text +=
                one_of({"a", " ", "\n", "\r\n", "\"", "\\", "{\"x\":[", "data: [DONE]\n\n", "\"finish_reason\":", "é",
                        "\u2028", "河", "🙂", "\x7f", "\t", "null", "\"delta\":{\"content\":", "event: error\n"});
        return text;
    }

    js::value value(int depth = 3) {
        switch (below(depth == 0 ? 5 : 7)) {
            case 0: return nullptr;
            case 1: return of(2);
            case 2: return static_cast<std::int64_t>(engine_()) - 1'000'000'000;
            case 3: return static_cast<double>(below(100'000)) / 128;
            case 4: return js::value(text());
            case 5: return array([&] { return value(depth - 1); });
            default: return extras({}, depth - 1);
        }
    }

    template <class Make>
    js::array array(Make make, std::size_t most = 4) {
        js::array made;
        for (std::size_t left = below(most); left != 0; --left) made.push_back(make());
        return made;
    }

    /// `object` and members that only a vendor knows, some of them called like what the writers look for elsewhere.
    js::object extras(js::object object, int depth = 2) {
        for (std::size_t left = below(3); left != 0; --left) {
            const std::string_view name = one_of({"vendor", "x-\"\n", "данные", "", "fields", "provider", "token_ids"});
            if (!object.contains(name)) object[name] = value(depth);
        }
        return object;
    }

    void shuffle(js::array& array) {
        for (std::size_t i = array.size(); i > 1; --i) std::swap(array[i - 1], array[below(i)]);
    }

private:
    std::mt19937 engine_;
};

/// Spells a document in one of the many ways that mean the same: white space, escapes, members in any order, and
/// (`decoys`) names that stood there before with another value.
class Speller {
public:
    Speller(Chance& chance, bool decoys)
        : chance_(chance), decoys_(decoys), airy_(chance.of(3)), escaped_(chance.of(3)) {}

    std::string spell(const js::value& value) {
        if (value.is_string()) return string(value.get_string());
        if (value.is_array()) return array(value.get_array());
        return value.is_object() ? object(value.get_object()) : js::serialize(value);
    }

private:
    std::string blank() { return airy_ ? std::string(chance_.one_of({"", " ", "\n", "\r\n  ", "\t"})) : std::string(); }

    std::string string(std::string_view text) {
        std::string spelt = streamkeeper::json::quote(text);
        if (!escaped_) return spelt;
        for (std::size_t at = 1; at + 1 < spelt.size(); ++at) {
            if (spelt[at] == '\\') {
                ++at;
            } else if ((spelt[at] >= 'a' && spelt[at] <= 'z') && chance_.of(4)) {
                char code[8];
                std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(spelt[at]));
                spelt.replace(at, 1, code);
                at += 5;
            }
        }
        return spelt;
    }

    std::string array(const js::array& array) {
        std::string text = "[" + blank();
        for (const js::value& element : array)
            text += (text.size() > 1 && &element != &array[0] ? "," : "") + spell(element) + blank();
        return text + "]";
    }

    std::string object(const js::object& object) {
        std::vector<const js::key_value_pair*> members;
        for (const auto& member : object) members.push_back(&member);
        for (std::size_t i = members.size(); i > 1; --i) std::swap(members[i - 1], members[chance_.below(i)]);
        std::string text = "{" + blank();
        for (const auto* member : members) {
            if (member != members.front()) text += ",";
            if (decoys_ && chance_.of(8)) text += string(member->key()) + ":" + spell(chance_.value(1)) + blank() + ",";
            text += blank() + string(member->key()) + blank() + ":" + blank() + spell(member->value()) + blank();
        }
        return text + "}";
    }

    Chance& chance_;
    bool decoys_, airy_, escaped_;
};

/// A document, and what its stream must add up to: itself, but for what `events_of` is there to normalise.
struct Sample {
    js::object document, sum;
    bool complete = true;
    std::size_t finishes = 0;
};

inline js::object chat_message(Chance& chance, js::object& sum) {
    js::object message = chance.extras({});
    if (!chance.of(8)) message["content"] = chance.text();
    if (chance.of(4)) message["content"] = nullptr;
    for (const std::string_view name : {"reasoning_content", "reasoning", "thinking", "refusal"})
        if (chance.of(4)) message[name] = chance.text();
    if (chance.of(6)) message["audio"] = chance.extras({{"data", "AAAA"}, {"transcript", chance.text()}});
    if (chance.of(6)) message["function_call"] = {{"name", "f"}, {"arguments", chance.text()}};
    if (chance.of(6)) message["annotations"] = chance.array([&] { return chance.value(2); });
    sum = message;
    sum["role"] = "assistant";
    if (!chance.of(8)) message["role"] = "assistant";
    if (!chance.of(3)) return message;
    message["tool_calls"] = chance.array([&] {
        return chance.extras(
            {{"id", chance.text()}, {"type", "function"}, {"function", {{"name", "f"}, {"arguments", chance.text()}}}});
    });
    sum["tool_calls"] = message["tool_calls"];
    std::size_t place = 0;
    for (js::value& call : sum["tool_calls"].as_array()) call.as_object()["index"] = place++;
    for (js::value& call : message["tool_calls"].as_array())
        if (chance.of(3)) call.as_object()["index"] = 0;
    return message;
}

inline js::object envelope(Chance& chance, bool chat) {
    js::object document = chance.extras({{"object", chat ? "chat.completion" : "text_completion"}});
    for (const std::string_view name : {"id", "created", "model", "system_fingerprint", "service_tier"})
        if (!chance.of(5)) document[name] = chance.value(1);
    return document;
}

inline Sample chunk_sample(Chance& chance, bool chat, bool with_usage) {
    Sample sample{envelope(chance, chat), {}};
    sample.sum = sample.document;
    js::array choices, sums;
    for (std::size_t index = 0, count = 1 + chance.below(chance.of(3) ? 4 : 1); index < count; ++index) {
        js::object choice = chance.extras({{"index", index}});
        if (chance.of(3)) choice["logprobs"] = chance.value(3);
        js::object sum = choice;
        js::object message;
        if (chat) {
            choice["message"] = chat_message(chance, message);
            sum["message"] = message;
        } else {
            choice["text"] = sum["text"] = chance.text();
        }
        if (!chance.of(12))
            choice["finish_reason"] = chance.one_of({"stop", "length", "tool_calls", "content_filter"});
        else if (chance.of(2))
            choice["finish_reason"] = nullptr;
        sum["finish_reason"] = choice.contains("finish_reason") ? choice["finish_reason"] : nullptr;
        sum["finish_reason"].is_null() ? void(sample.complete = false) : void(++sample.finishes);
        choices.push_back(std::move(choice));
        sums.push_back(std::move(sum));
    }
    if (chance.of(4)) chance.shuffle(choices);
    sample.document["choices"] = std::move(choices);
    sample.sum["choices"] = std::move(sums);
    if (chance.of(4)) return sample;
    const js::value usage = chance.of(6) ? js::value() : js::value({{"total_tokens", chance.below(100)}});
    sample.document["usage"] = usage;
    if (with_usage && usage.is_object()) sample.sum["usage"] = usage;
    return sample;
}

inline js::object block(Chance& chance) {
    const std::string_view type = chance.one_of({"text", "text", "thinking", "redacted_thinking", "tool_use",
                                                 "server_tool_use", "web_search_tool_result", "of_tomorrow"});
    js::object block = chance.extras({{"type", type}});
    if (type == "text") {
        block["text"] = chance.text();
        if (chance.of(3)) block["citations"] = nullptr;
        if (chance.of(3)) block["citations"] = chance.array([&] { return chance.extras({{"type", "char_location"}}); });
    } else if (type == "thinking") {
        block["thinking"] = chance.text();
        if (!chance.of(4)) block["signature"] = chance.text();
    } else if (type.ends_with("tool_use")) {
        block["id"] = chance.text();
        block["input"] = chance.extras({});
    } else {
        block["data"] = chance.text();
        block["content"] = chance.value();
        block["input"] = chance.value();
    }
    return block;
}

inline Sample message_sample(Chance& chance) {
    js::object message = chance.extras({{"type", "message"}, {"role", "assistant"}, {"id", chance.text()}});
    message["content"] = chance.array([&] { return block(chance); }, 6);
    if (!chance.of(6))
        message["usage"] = chance.extras({{"input_tokens", chance.below(100)}, {"output_tokens", chance.below(100)}});
    if (chance.of(6)) message["container"] = chance.value(2);
    if (chance.of(6)) message["context_management"] = chance.value(2);
    Sample sample{message, {}, !chance.of(10)};
    if (sample.complete) {
        sample.finishes = 1;
        sample.document["stop_reason"] = chance.one_of({"end_turn", "max_tokens", "tool_use", "refusal", "pause_turn"});
        if (!chance.of(6)) sample.document["stop_sequence"] = chance.value(0);
        if (chance.of(6)) sample.document["stop_details"] = chance.value(2);
    } else if (chance.of(2)) {
        sample.document["stop_reason"] = nullptr;
    }
    sample.sum = sample.document;
    if (sample.complete && !sample.sum.contains("stop_sequence")) sample.sum["stop_sequence"] = nullptr;
    return sample;
}

inline js::object part(Chance& chance, std::string_view type) {
    js::object part = chance.extras({{"type", type}});
    part[type == "refusal" ? "refusal" : "text"] = chance.text();
    if (type != "output_text") return part;
    if (!chance.of(4)) part["annotations"] = chance.array([&] { return chance.value(2); });
    if (chance.of(3)) {
        part["text"] = "Hi";
        part["logprobs"] = chance.array([&] { return chance.value(3); });
    }
    return part;
}

inline js::object item(Chance& chance) {
    const std::string_view type =
        chance.one_of({"message", "message", "reasoning", "function_call", "custom_tool_call", "mcp_call",
                       "code_interpreter_call", "image_generation_call", "web_search_call", "of_tomorrow"});
    js::object item = chance.extras({{"type", type}, {"id", chance.text()}});
    if (!chance.of(4)) item["status"] = chance.one_of({"completed", "incomplete", "failed"});
    if (type == "message") {
        item["content"] =
            chance.array([&] { return part(chance, chance.one_of({"output_text", "output_text", "refusal", "new"})); });
    } else if (type == "reasoning") {
        item["summary"] = chance.array([&] { return part(chance, "summary_text"); });
        if (chance.of(3)) item["content"] = chance.array([&] { return part(chance, "reasoning_text"); });
        if (chance.of(3)) item["content"] = nullptr;
    } else {
        for (const std::string_view name : {"arguments", "input", "code"}) item[name] = chance.text();
        for (const std::string_view name : {"output", "outputs", "error", "result"}) item[name] = chance.value(2);
    }
    return item;
}

inline Sample response_sample(Chance& chance) {
    js::object response =
        chance.extras({{"object", "response"}, {"id", chance.text()}, {"created_at", chance.value(0)}});
    response["output"] = chance.array([&] { return item(chance); }, 5);
    const std::string_view status = chance.one_of({"completed", "completed", "completed", "incomplete", "failed"});
    response["status"] = status;
    if (!chance.of(4)) response["usage"] = {{"output_tokens", 1 + chance.below(100)}};
    response["error"] = status == "failed" ? chance.value(2) : nullptr;
    response["incomplete_details"] =
        status == "incomplete" ? js::value({{"reason", "max_output_tokens"}}) : js::value();
    return {response, response, true, status == "failed" ? 0U : 1U};
}

/// A sample of the endpoint's documents.
inline Sample sample_of(Endpoint endpoint, Chance& chance, bool with_usage) {
    switch (endpoint) {
        case Endpoint::messages: return message_sample(chance);
        case Endpoint::responses: return response_sample(chance);
        default: return chunk_sample(chance, endpoint == Endpoint::chat_completions, with_usage);
    }
}

}  // namespace document_samples
