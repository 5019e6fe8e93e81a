// Chat and legacy completions: chunks, under the names that were shown first, calls whole.
#include "llm/event_parts.hpp"
#include "policy/mutation.hpp"
#include "policy/splicer_parts.hpp"
#include "streamkeeper/json_scan.hpp"
#include "streamkeeper/splicer.hpp"

namespace streamkeeper {

namespace {

void add_calls_of(std::string_view choice, void* context) {
    static_cast<HeldCalls*>(context)->add(json::find(choice, "delta"));
}

/// The calls of a chunk have the numbers 0, 1, 2 …, by which clients tell them apart.
bool are_numbered(std::string_view data) {
    struct Count {
        std::size_t next = 0;
        bool right = true;
    } count;
    json::for_each_element(
        json::find(data, "choices"),
        [](std::string_view choice, void* context) {
            json::for_each_element(
                json::find(json::find(choice, "delta"), "tool_calls"),
                [](std::string_view call, void* inner) {
                    auto& seen = *static_cast<Count*>(inner);
                    seen.right = seen.right && json::find(call, "index") == std::to_string(seen.next);
                    ++seen.next;
                },
                context);
        },
        &count);
    return count.right;
}

/// All of a chunk's calls as one array, numbered.
std::string numbered_calls(std::string_view data) {
    HeldCalls calls;
    json::for_each_element(json::find(data, "choices"), add_calls_of, &calls);
    std::string all = "[";
    for (const std::string& call : calls.whole()) {
        if (all.size() > 1) all += ',';
        all.append(call, 1, call.size() - 2);
    }
    return all + "]";
}

}  // namespace

void Splicer::Chunks::begin(bool was_shown) {
    if (!was_shown) shown = {};
    now = shown;
    changed = false;
    calls.clear();
    envelope.clear();
}

void Splicer::Chunks::commit() {
    if (!changed) return;
    shown = now;
    changed = false;
}

void Splicer::Chunks::learn(const Shows& shows, bool role) {
    const bool named = !now.names.id.empty() && !now.names.created.empty() && !now.names.model.empty();
    if (named && (now.role || !role)) return;
    now.names.learn(shows);
    now.role = now.role || role;
    changed = true;
}

void Splicer::Chunks::hold_calls(std::string_view data, std::size_t at) {
    if (calls.empty()) {
        envelope = data;
        envelope_role = now.role;
        calls_at = at;
    }
    json::for_each_element(json::find(data, "choices"), add_calls_of, &calls);
}

void Splicer::Chunks::put_calls(std::string& held) {
    if (calls.empty()) return;
    std::string events;
    const bool intact = calls.pieces() == 1 && are_numbered(envelope);  // a call that came whole stays as it came
    bool role = envelope_role;
    std::vector<std::string> all;
    if (!intact) all = calls.whole(numbers);
    for (std::size_t i = 0; i < (intact ? 1 : all.size()); ++i) {
        ChunkEdit edit{now.names, role, true, false, true, true};
        if (!intact) edit.calls = all[i];
        edit.bare = i > 0;
        events += retell_chunk(envelope, edit).event;
        role = true;
    }
    held.insert(std::min(calls_at, held.size()), events);
    calls.clear();
    envelope.clear();
}

/// Only the model that wrote what was shown may go on with it.
bool Splicer::Chunks::other_model(std::string_view model) const {
    return event_parts::filled(model) && !shown.names.model.empty() && model != shown.names.model;
}

/// What of the chunk the client may not see, or not now. False: it says something else than it should.
bool Splicer::edit_chunk(ChunkEdit& edit, std::string_view& words) {
    if (expecting()) {
        const bool other = shows_.call || shows_.other;
        if (other || (shows_.text && !skip(words)) || (facts_.finish && expecting())) {
            fail(Fault::diverged);
            return false;
        }
        if (shows_.text) edit.text = words;
    }
    if (mutated('b') && join_.continued && !joined_ && shows_.text)
        edit.text = words = without_overlap(text_.text(), words);
    edit.without_role = shows_.opening && chunks_->now.role && settings_.choices <= 1 && !mutated('d');
    edit.without_reasoning = later_ && shows_.reasoning;
    if (edit.without_reasoning && restarted_) ++tokens_;
    edit.without_null_usage = later_ && usage_told_ && json::find(event_.data, "usage") == "null";
    // A call that comes whole and with its finish needs no hold.
    const bool whole_call = finished_ && chunks_->calls.empty();
    if (whole_call && shows_.call && hold_calls_ && settings_.choices <= 1 && !are_numbered(event_.data)) {
        out_ = numbered_calls(event_.data);
        edit.calls = out_;
    }
    edit.without_calls = shows_.call && hold_calls_ && settings_.choices <= 1 && !whole_call && !mutated('f');
    return true;
}

Splicer::Step Splicer::take_chunk(std::string_view event) {
    Chunks& chunks = *chunks_;
    const std::string_view data = event_.data;
    note_finish();
    usage_seen_ = usage_seen_ || facts_.usage;
    if (join_.hide_usage && facts_.usage_only) return {};
    if (join_.continued && chunks.other_model(shows_.model)) return fail(Fault::other_model);
    began_ = began_ || facts_.payload;
    ChunkEdit edit{chunks.now.names};
    std::string_view words = shows_.words;
    if (!edit_chunk(edit, words)) return {};
    const bool retell = !edit.calls.empty() || edit.without_null_usage || edit.without_role || edit.without_reasoning ||
                        edit.without_calls || edit.text || chunks.now.names.differ(shows_) ||
                        normal(event).data() != event.data();
    RetoldChunk retold;
    if (retell) retold = retell_chunk(data, edit);
    const bool left = !retell || !retold.empty || !(facts_.payload || later_);
    if (!edit.text && !edit.without_reasoning) learn_form(event, retold.event, retold.text_at);
    if (edit.without_calls && finished_) chunks.hold_calls(data, held_.size());
    if (left) chunks.learn(shows_, shows_.opening);
    usage_told_ = usage_told_ || (left && facts_.usage);
    if (retell) made_ = std::move(retold.event);
    if (edit.without_calls) shows_.call = false;  // what is left of the chunk has none
    Step step;
    if (left) step = place(retell ? std::string_view(made_) : event, words);
    if (!edit.without_calls || finished_ || fault_ != Fault::none) return step;
    chunks.hold_calls(data, held_.size());
    chunks.learn(shows_, shows_.opening);
    holding_ = true;
    return step;
}

/// Behind the finish: usage, what vendors add, `[DONE]`. No output, and no finish a second time.
Splicer::Step Splicer::take_chunk_trailer(std::string_view event) {
    if (facts_.terminal) {
        terminal_ = true;
        return finish_with(event_.data == "[DONE]" ? normal(event) : dialect_.closing);
    }
    const bool usage_again = usage_seen_ && json::find(event_.data, "usage") == "null";
    usage_seen_ = usage_seen_ || facts_.usage;
    if ((join_.hide_usage && facts_.usage_only) || (usage_again && !facts_.usage)) return {};
    const bool output = facts_.payload || shows_.opening || facts_.finish;
    if (shows_.other || (output && !facts_.usage)) return {};
    chunks_->learn(shows_, false);
    if (!output && !chunks_->now.names.differ(shows_)) return finish_with(normal(event));
    const ChunkEdit edit{chunks_->now.names, true, true, true, true, true};
    made_ = retell_chunk(event_.data, edit).event;
    return finish_with(made_);
}

}  // namespace streamkeeper
