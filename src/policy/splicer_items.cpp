// Responses: typed, numbered events around output items. Later attempts are told under the first one's ids and go on
// with its numbers; what comes once (openings, ends) is told once.
#include "llm/event_parts.hpp"
#include "llm/typed_retelling.hpp"
#include "policy/splicer_parts.hpp"
#include "streamkeeper/json_scan.hpp"
#include "streamkeeper/splicer.hpp"

#include <algorithm>
#include <charconv>

namespace streamkeeper {

namespace {

using event_parts::bare;

std::int64_t number_of(std::string_view text, std::int64_t otherwise) {
    std::int64_t number = otherwise;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

/// What makes an event one that comes once: its type and where in the answer it stands.
std::string place_of(std::string_view type, std::string_view data) {
    std::string place(type);
    for (const std::string_view name : {"output_index", "content_index", "summary_index", "annotation_index"})
        place.append("/").append(json::find(data, name));
    return place;
}

}  // namespace

void Splicer::Items::begin(bool was_shown) {
    if (!was_shown) {
        known = {};
        shown_sequence = shown_upstream_sequence = -1;
    }
    sequence = shown_sequence;
    upstream_sequence = shown_upstream_sequence;
    renamed.clear();
    untold.clear();
}

void Splicer::Items::commit() {
    shown_upstream_sequence = upstream_sequence;
    shown_sequence = sequence;
    if (untold.empty()) return;
    known.told.insert(untold.begin(), untold.end());
    untold.clear();
}

void Splicer::Items::count(std::string_view number) {
    upstream_sequence = sequence = number_of(number, upstream_sequence + 1);
}

/// Learns the ids that an event names; those of a later attempt stand for the ones that were shown.
bool Splicer::Items::learn(std::string_view data, bool later) {
    const auto meet = [&](std::string& ours, std::string_view theirs) {
        if (theirs.empty()) return;
        if (!later || ours.empty())
            ours = theirs;
        else if (ours != theirs && std::find_if(renamed.begin(), renamed.end(), [theirs](const auto& pair) {
                                       return pair.first == theirs;
                                   }) == renamed.end())
            renamed.emplace_back(theirs, ours);
    };
    if (const std::string_view response = json::find(data, "response"); !response.empty()) {
        meet(known.id, bare(json::find(response, "id")));
        if (known.created_at.empty()) known.created_at = json::find(response, "created_at");
    }
    const std::string_view item = json::find(data, "item");
    const std::int64_t index = number_of(json::find(data, "output_index"), -1);
    if (item.empty() || index < 0 || index > 4095) return true;
    const auto place = static_cast<std::size_t>(index);
    if (place >= known.item_ids.size()) {
        known.item_ids.resize(place + 1);
        known.item_kinds.resize(place + 1);
    }
    const std::string_view kind = bare(json::find(item, "type"));
    std::string& known_kind = known.item_kinds[place];
    if (later && !known_kind.empty() && known_kind != kind) return false;
    known_kind = kind;
    meet(known.item_ids[place], bare(json::find(item, "id")));
    return true;
}

Splicer::Step Splicer::take_item(std::string_view event) {
    Items& items = *items_;
    const std::string_view data = event_.data;
    if (facts_.terminal && event_.data.starts_with("[DONE]")) {  // some servers add it
        terminal_ = finished_;
        return {};
    }
    const std::int64_t theirs = number_of(json::find(data, "sequence_number"), items.upstream_sequence + 1);
    if (join_.native && theirs <= items.shown_upstream_sequence) return {};  // shown before the break
    items.upstream_sequence = theirs;
    if (finished_) return {};
    const bool later = later_ && !join_.native;
    note_finish();
    began_ = began_ || facts_.payload;
    if (!items.learn(data, later)) return fail(Fault::diverged);
    std::string_view type = bare(json::find(data, "type"));
    if (type.empty()) type = event_.name;
    const bool piece = type.ends_with(".delta");
    if (!piece) {
        std::string place = place_of(type, data);
        if (later && items.known.told.contains(place)) return {};
        items.untold.push_back(std::move(place));
    }
    std::string_view words = shows_.words;
    if (later && ((shows_.opening) || (shows_.reasoning && piece))) return {};
    const bool again = expecting() && shows_.text;
    if (expecting() && (facts_.finish || shows_.other || (shows_.text && !skip(words)))) return fail(Fault::diverged);
    if (again && words.empty()) return {};
    if (shows_.call && hold_calls_) holding_ = true;
    std::string_view shown = normal(event);
    if (later) {
        made_ = retell_item(event_, {items.renamed, items.sequence + 1, items.known.created_at, again, words});
        shown = made_;
    } else if (shown.data() == event.data()) {
        learn_form(event, {}, 0);
    }
    items.sequence = later ? items.sequence + 1 : theirs;
    terminal_ = finished_;
    return place(shown, words);
}

}  // namespace streamkeeper
