// Documents of all shapes by chance, told as streams: what is put together from these is the document again, however
// small the pieces.

#include "assembled.hpp"
#include "document_samples.hpp"

using namespace document_samples;

namespace {

namespace json = streamkeeper::json;

/// What a stream of the document says, as a document. It has no place for the numbers of the calls, it says null where
/// a finished choice has no log probabilities, and a message has a content.
js::value expected_sum(Endpoint endpoint, const Sample& sample) {
    js::object sum = sample.sum;
    if (endpoint == Endpoint::messages || endpoint == Endpoint::responses) return sum;
    for (js::value& each : sum["choices"].as_array()) {
        js::object& choice = each.as_object();
        if (!choice["finish_reason"].is_null() && !choice.contains("logprobs")) choice["logprobs"] = nullptr;
        if (endpoint != Endpoint::chat_completions) continue;
        js::object& message = choice["message"].as_object();
        message.emplace("content", nullptr);
        if (!message.contains("tool_calls")) continue;
        for (js::value& call : message["tool_calls"].as_array()) call.as_object().erase("index");
    }
    return sum;
}

/// The smallest pieces of a JSON string: characters and escapes, half a surrogate pair included.
std::vector<std::string> units(std::string_view raw) {
    std::vector<std::string> units;
    for (std::size_t at = 1; at + 1 < raw.size();) {
        std::size_t size = 1;
        if (raw[at] == '\\')
            size = raw[at + 1] == 'u' ? 6 : 2;
        else
            while ((raw[at + size] & 0xC0) == 0x80) ++size;
        units.push_back("\"" + std::string(raw.substr(at, size)) + "\"");
        at += size;
    }
    return units;
}

/// A string of an event that may come in more pieces, and the event around each.
struct Growing {
    std::string_view raw;
    std::string before, after;
};

void grow(std::vector<Growing>& found, std::string_view raw, std::string before, std::string after) {
    if (raw.size() > 2 && raw[0] == '"') found.push_back({raw, std::move(before), std::move(after)});
}

void grow_delta(std::vector<Growing>& found, std::string_view delta, const std::string& before,
                const std::string& after) {
    for (const std::string_view name : {"content", "reasoning_content", "reasoning", "thinking", "refusal"})
        grow(found, json::find(delta, name), before + "\"" + std::string(name) + "\":", after);
    grow(found, json::find(json::find(delta, "audio"), "transcript"), before + R"("audio":{"transcript":)",
         "}" + after);
    grow(found, json::find(json::find(delta, "function_call"), "arguments"),
         before + R"("function_call":{"arguments":)", "}" + after);
    std::vector<std::string_view> calls;
    json::for_each_element(
        json::find(delta, "tool_calls"),
        [](std::string_view call, void* all) { static_cast<std::vector<std::string_view>*>(all)->push_back(call); },
        &calls);
    for (const std::string_view call : calls)
        grow(found, json::find(json::find(call, "function"), "arguments"),
             before + R"("tool_calls":[{"index":)" + std::string(json::find(call, "index")) +
                 R"(,"function":{"arguments":)",
             "}}]" + after);
}

std::vector<Growing> growing_in(Endpoint endpoint, std::string_view data) {
    std::vector<Growing> found;
    if (endpoint == Endpoint::messages) {
        const std::string head = R"({"type":"content_block_delta","index":)" + std::string(json::find(data, "index"));
        for (const std::string_view name : {"text", "thinking", "partial_json"})
            grow(found, json::find(json::find(data, "delta"), name),
                 head + R"(,"delta":{"type":")" + std::string(name) + R"(_delta",")" + std::string(name) + "\":", "}}");
        return found;
    }
    const std::string_view choices = json::find(data, "choices");
    if (choices.size() < 3) return found;
    const std::string_view choice = choices.substr(1, choices.size() - 2);
    const std::string head = R"({"choices":[{"index":)" + std::string(json::find(choice, "index"));
    if (endpoint == Endpoint::completions)
        grow(found, json::find(choice, "text"), head + R"(,"text":)", "}]}");
    else
        grow_delta(found, json::find(choice, "delta"), head + R"(,"delta":{)", "}}]}");
    return found;
}

/// The same stream in the smallest pieces: each event without its growing strings, then these, in turn.
std::string split(Endpoint endpoint, const document_stream::Stream& stream) {
    std::string text;
    const auto event = [&text](std::string_view data) { text.append("data: ").append(data).append("\n\n"); };
    for (const document_stream::Piece& piece : stream) {
        std::vector<Growing> growing = growing_in(endpoint, piece.data);
        std::sort(growing.begin(), growing.end(),
                  [](const Growing& a, const Growing& b) { return a.raw.data() > b.raw.data(); });
        std::string emptied = piece.data;
        std::vector<std::vector<std::string>> pieces;
        for (const Growing& each : growing) {
            emptied.replace(static_cast<std::size_t>(each.raw.data() - piece.data.data()), each.raw.size(), "\"\"");
            pieces.push_back(units(each.raw));
        }
        event(emptied);
        for (std::size_t turn = 0, left = growing.size(); left != 0; ++turn) {
            left = 0;
            for (std::size_t i = 0; i < growing.size(); ++i) {
                if (turn >= pieces[i].size()) continue;
                event(growing[i].before + pieces[i][turn] + growing[i].after);
                ++left;
            }
        }
    }
    return text;
}

void check(std::string_view document, const js::value& expected) {
    const js::value parsed = js::parse(document, {}, {.max_depth = 600});
    BOOST_TEST_REQUIRE((parsed == expected), document << " is not " << js::serialize(expected));
}

void run(Endpoint endpoint) {
    for (unsigned seed = 0; seed < 600; ++seed) {
        Chance chance(seed);
        const bool with_usage = chance.of(2), decoys = seed % 4 == 3;
        const Sample sample = sample_of(endpoint, chance, with_usage);
        const std::string document = Speller(chance, decoys).spell(sample.document);
        BOOST_TEST_CONTEXT("seed " << seed << ": " << document) {
            const auto events = streamkeeper::events_of(endpoint, document, with_usage);
            BOOST_TEST_REQUIRE(events.has_value());
            const std::string again = assembled::from_text(endpoint, *events);
            if (endpoint == Endpoint::responses && sample.finishes == 0) {
                BOOST_TEST_REQUIRE(again == "nothing");
                continue;
            }
            const js::value expected = expected_sum(endpoint, sample);
            check(again, expected);
            if (decoys || endpoint == Endpoint::responses) continue;
            const std::string pieces = split(endpoint, document_stream::read(endpoint, *events));
            check(assembled::from_text(endpoint, pieces), expected);
        }
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(assembly_at_random)

BOOST_AUTO_TEST_CASE(chunks_become_the_chat_completion_however_small_they_are) { run(Endpoint::chat_completions); }

BOOST_AUTO_TEST_CASE(chunks_become_the_legacy_completion_however_small_they_are) { run(Endpoint::completions); }

BOOST_AUTO_TEST_CASE(events_become_the_message_however_small_they_are) { run(Endpoint::messages); }

BOOST_AUTO_TEST_CASE(events_become_the_response) { run(Endpoint::responses); }

/// Events that are no valid JSON never come; if one did, nothing outside may be touched (sanitizers see it).
BOOST_AUTO_TEST_CASE(a_damaged_stream_does_no_harm) {
    for (unsigned seed = 0; seed < 600; ++seed) {
        Chance chance(seed);
        const Endpoint endpoint = static_cast<Endpoint>(seed % 4);
        const Sample sample = sample_of(endpoint, chance, true);
        std::string text =
            streamkeeper::events_of(endpoint, Speller(chance, true).spell(sample.document), true).value_or("");
        for (std::size_t left = chance.below(6); left != 0; --left)
            text[chance.below(text.size())] = chance.one_of({"{", "}", "[", "]", "\"", "\\", ",", ":", "x"})[0];
        streamkeeper::Assembly assembly(endpoint);
        assembled::feed(assembly, text + "\n\n");
        const auto document = assembly.document();
        BOOST_TEST((!document || document->size() <= 16U * text.size() + 1024));
    }
}

BOOST_AUTO_TEST_SUITE_END()
