// What the dialects read of an event: whatever stands in it, they read inside of it, and never more than it says.
#include <algorithm>

#include "policy/inside.hpp"
#include "streamkeeper/continuation.hpp"
#include "streamkeeper/dialect.hpp"
#include "streamkeeper/document_events.hpp"
#include "streamkeeper/json_scan.hpp"
#include "streamkeeper/usage.hpp"
#include "streamkeeper/vendor_error.hpp"
#include "target.hpp"

using namespace streamkeeper;

namespace {

bool within(std::string_view part, std::string_view all) {
    return part.empty() || (part.data() >= all.data() && part.data() + part.size() <= all.data() + all.size());
}

void look_at_inside(std::string_view words) {
    const std::string quoted = '"' + std::string(words) + '"';
    fuzz::require(!json::scan(quoted), "the words are the inside of a string", words);
    const std::u16string units = inside::units_of(words);
    for (std::size_t count = 0; count <= units.size() && count < 40; ++count) {
        const std::size_t at = inside::offset_of(words, count);
        fuzz::require(inside::units_of(words.substr(0, at)) + inside::units_of(words.substr(at)) == units,
                      "a text can be cut at each unit", words);
    }
    const std::string_view kept = inside::without_blank_tail(words);
    fuzz::require(words.starts_with(kept) && inside::tail_of(kept) != inside::Tail::blank, "white space is cut off",
                  words);
    // Half a surrogate pair is no text, and each may make of it what it likes.
    const bool half =
        std::any_of(units.begin(), units.end(), [](char16_t unit) { return unit >= 0xd800 && unit <= 0xdfff; });
    fuzz::require(half || decoded(words) == json::unquote(quoted), "one text has one meaning", words);
}

void look_at(const Dialect& dialect, const sse::Event& event) {
    const bool done = event.data.starts_with("[DONE]");
    const bool valid = done || !json::scan(event.data);
    if (!valid && event.error.empty() && event.name != "error") return;
    const EventFacts facts = dialect.read(event);
    fuzz::require(within(facts.finish_reason, event.data) || facts.finish_reason.size() < 16, "a reason that was read");
    fuzz::require(facts.finish == !facts.finish_reason.empty(), "a finish has a reason");
    fuzz::require(!facts.usage_only || facts.usage, "a usage chunk has usage");
    if (!valid || done || event.data.empty()) return;
    const Shows shows = dialect.shows(event);
    for (const std::string_view part : {shows.words, shows.inside, shows.padding, shows.sequence})
        fuzz::require(within(part, event.data), "what is shown stands in the event", event.data);
    if (shows.text && !shows.other) fuzz::require(facts.payload || facts.failed, "text is output", event.data);
    look_at_inside(shows.words);
    std::vector<char> open;
    if (dialect.note_choices) dialect.note_choices(event.data, open);
    Usage usage;
    read_usage(event.data, usage);
    const TokenCounts counts = disjoint(usage);
    fuzz::require(counts.input >= 0 && counts.output >= 0 && counts.cache_read >= 0 && counts.cache_write >= 0 &&
                      counts.reasoning >= 0,
                  "no count is negative", event.data);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    constexpr Endpoint endpoints[] = {Endpoint::chat_completions, Endpoint::completions, Endpoint::responses,
                                      Endpoint::messages};
    fuzz::Input input(bytes, size);
    const Endpoint endpoint = endpoints[input.choice() % 4];
    const Dialect& dialect = *dialect_of(endpoint);
    const std::string_view text = input.rest();
    sse::Splitter splitter;
    splitter.feed(text);
    for (std::string_view event; splitter.next(event);) {
        std::string joined;
        look_at(dialect, sse::read(event, joined));
    }
    if (!json::scan(text) && text.find('{') != text.npos &&
        text.substr(text.find_first_not_of(" \t\r\n")).starts_with('{'))
        if (const auto told = events_of(endpoint, text, true)) {
            splitter = {};
            splitter.feed(*told);
            for (std::string_view event; splitter.next(event);) {
                std::string joined;
                const sse::Event fields = sse::read(event, joined);
                fuzz::require(fields.data == "[DONE]" || !json::scan(fields.data), "a told event is JSON", event);
            }
            fuzz::require(splitter.pending() == 0, "a told answer ends with a whole event", *told);
        }
    for (const char* type : {"application/json", "text/event-stream", "text/html"}) read_vendor_error(200, type, text);
    return 0;
}
