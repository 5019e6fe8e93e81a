// Messages: typed events around content blocks, which the client knows by their numbers.
#include <algorithm>
#include <charconv>

#include "llm/event_parts.hpp"
#include "llm/typed_retelling.hpp"
#include "policy/splicer_parts.hpp"
#include "streamkeeper/json_scan.hpp"
#include "streamkeeper/splicer.hpp"

namespace streamkeeper {

namespace {

using event_parts::bare;

std::size_t index_of(std::string_view data) {
    const std::string_view text = json::find(data, "index");
    std::size_t index = 0;
    std::from_chars(text.data(), text.data() + text.size(), index);
    return std::min<std::size_t>(index, 4095);
}

}  // namespace

void Splicer::Blocks::begin(bool was_shown) {
    if (!was_shown) shown = {};
    now = shown;
    number_of.clear();
    kind_of.clear();
    changed = joined = thinking = calling = false;
}

void Splicer::Blocks::commit() {
    if (!changed) return;
    shown = now;
    changed = false;
}

/// A block begins. The first text of an attempt that joins goes on in the block that is open for the client; new
/// thinking is not shown then.
Splicer::Blocks::Opened Splicer::Blocks::open(std::size_t index, Kind kind, bool later) {
    if (index >= number_of.size()) {
        number_of.resize(index + 1, -1);
        kind_of.resize(index + 1, Kind::other);
    }
    kind_of[index] = kind;
    changed = true;
    if (later && kind == Kind::thinking) return Opened::hidden;
    const bool joins = later && kind == Kind::text && now.open >= 0 && now.kind == Kind::text && !joined;
    joined = joined || kind == Kind::text;
    number_of[index] = joins ? now.open : now.count;
    if (joins) return Opened::joined;
    now.open = now.count++;
    now.kind = kind;
    if (kind == Kind::text) ++now.texts;
    return Opened::anew;
}

Splicer::Step Splicer::take_block(std::string_view event) {
    Blocks& blocks = *blocks_;
    const std::string_view data = event_.data;
    if (data.starts_with("[DONE]")) return {};  // some servers add it; the end has a name here
    std::string_view type = bare(json::find(data, "type"));
    if (type.empty()) type = event_.name;
    if (type == "message_stop") {
        if (!finished_) return fail(Fault::ended_early);
        terminal_ = true;
        return finish_with(normal(event));
    }
    if (type == "message_delta") {
        if (finished_) return facts_.finish ? Step{} : finish_with(normal(event));  // gateways: the usage alone
        note_finish();
        if (finished_ && expecting()) return fail(Fault::diverged);
        if (finished_ && later_) close_text();
        return place(normal(event), {});
    }
    if (finished_) return {};
    if (type == "message_start") {
        const std::string_view model = bare(json::find(json::find(data, "message"), "model"));
        if (join_.continued && !blocks.shown.model.empty() && model != blocks.shown.model)
            return fail(Fault::other_model);
        if (later_) return {};
        blocks.now.model = model;
        blocks.changed = true;
        return put(normal(event));
    }
    if (type == "content_block_start") return open_block(event, index_of(data));
    if (type == "content_block_delta") return grow_block(event, index_of(data));
    if (type == "content_block_stop") return close_block(event, index_of(data));
    return put(normal(event));  // ping
}

Splicer::Step Splicer::open_block(std::string_view event, std::size_t index) {
    using Kind = Blocks::Kind;
    Blocks& blocks = *blocks_;
    form_->forget();  // it names a block
    began_ = began_ || facts_.payload;
    const Kind kind = shows_.call        ? Kind::call
                      : shows_.reasoning ? Kind::thinking
                      : shows_.other     ? Kind::other
                                         : Kind::text;
    if (expecting() && (kind == Kind::call || kind == Kind::other)) return fail(Fault::diverged);
    const bool joins = kind == Kind::text && !blocks.joined;
    if (later_ && !joins && kind != Kind::thinking) close_text();
    const Blocks::Opened opened = blocks.open(index, kind, later_);
    if (opened == Blocks::Opened::hidden) return {};
    std::string_view words = shows_.words;
    if (expecting() && shows_.text && !skip(words)) return fail(Fault::diverged);
    if (opened == Blocks::Opened::joined && !words.empty()) {  // what the opening said is a delta to the client
        made_ = text_delta(blocks.number_of[index], words);
        return put_text(made_, words);
    }
    if (opened == Blocks::Opened::joined) return {};
    const std::string_view shown = renumbered(event, blocks.number_of[index]);
    const bool repairable = resumable_ || whole_;  // thinking is held for its signature, without which none goes on
    if ((kind == Kind::thinking && repairable) || (kind == Kind::call && hold_calls_)) {
        holding_ = true;
        (kind == Kind::thinking ? blocks.thinking : blocks.calling) = true;
    }
    if (!words.empty()) return put_text(shown, words);
    return kind == Kind::text ? put(shown) : put_payload(shown);
}

Splicer::Step Splicer::grow_block(std::string_view event, std::size_t index) {
    Blocks& blocks = *blocks_;
    began_ = true;
    if (index >= blocks.kind_of.size()) blocks.open(index, Blocks::Kind::text, later_);  // by a server that opens none
    const int number = blocks.number_of[index];
    if (number < 0) return blocks.kind_of[index] == Blocks::Kind::thinking ? Step{} : fail(Fault::malformed);
    std::string_view words = shows_.words;
    const bool again = expecting() && shows_.text;
    if (again && !skip(words)) return fail(Fault::diverged);
    if (again && words.empty()) return {};
    std::string_view shown;
    if (again) {
        made_ = text_delta(number, words);
        shown = made_;
    } else {
        shown = renumbered(event, number);
        std::size_t text_at = 0;
        if (shown.data() != event.data() && !shows_.inside.empty()) text_at = inside_at(shown, shows_.inside);
        learn_form(event, shown.data() == event.data() ? std::string_view() : shown, text_at);
    }
    return words.empty() ? put_payload(shown) : put_text(shown, words);
}

/// The end of a text that went on was thrown away with the hold, and the attempt that joined had no text of its own.
void Splicer::close_text() {
    Blocks& blocks = *blocks_;
    if (blocks.now.open < 0 || blocks.now.kind != Blocks::Kind::text) return;
    keep("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":" +
         std::to_string(blocks.now.open) + "}\n\n");
    blocks.now.open = -1;
    blocks.changed = true;
}

/// The end of a text waits: while it has not been shown, the text can be gone on with. So does nothing else, but
/// thinking, which is shown now that it is signed.
Splicer::Step Splicer::close_block(std::string_view event, std::size_t index) {
    using Kind = Blocks::Kind;
    Blocks& blocks = *blocks_;
    const int number = index < blocks.number_of.size() ? blocks.number_of[index] : -1;
    if (number < 0) return {};
    const std::string_view shown = renumbered(event, number);
    if (number == blocks.now.open) {
        blocks.now.open = -1;
        blocks.changed = true;
    }
    if (blocks.kind_of[index] == Kind::text && resumable_) {
        keep(shown);
        return {};
    }
    const bool signed_now = blocks.kind_of[index] == Kind::thinking && blocks.thinking;
    if (!signed_now || blocks.calling || whole_) return put(shown);
    blocks.thinking = holding_ = false;
    keep(shown);
    return flush({});
}

std::string_view Splicer::renumbered(std::string_view event, int number) {
    const std::string_view text = json::find(event_.data, "index");
    if (text == std::to_string(number)) return normal(event);
    made_ = with_index(event_, number);
    return made_;
}

}  // namespace streamkeeper
