// The hold and the transcript: what is shown at once, what is kept, and what makes it shown.
#include <algorithm>

#include "policy/mutation.hpp"
#include "policy/splicer_parts.hpp"
#include "streamkeeper/continuation.hpp"
#include "streamkeeper/splicer.hpp"

namespace streamkeeper {

void Splicer::drop_hold() {
    held_.clear();
    held_text_.clear();
    held_solid_ = held_tokens_ = held_solid_tokens_ = 0;
    holding_ = held_fixed_ = held_reasoning_ = false;
    if (held_.capacity() > 16384) held_ = std::string();
}

void Splicer::keep(std::string_view event, std::string_view words) {
    held_.append(event);
    if (words.empty() || !resumable_) return;
    held_text_.append(words);
    ++held_tokens_;
    if (inside::tail_of(words) != inside::Tail::solid) return;
    held_solid_ = held_text_.size();
    held_solid_tokens_ = held_tokens_;
}

/// What was held, then this event. The parts' notes of what the client knows become true.
Splicer::Step Splicer::flush(std::string_view event) {
    if (chunks_) chunks_->put_calls(held_);
    out_.swap(held_);
    add_shown_text(held_text_, held_solid_);
    if (held_solid_ > 0) solid_tokens_ = tokens_ + held_solid_tokens_;
    tokens_ += held_tokens_;
    fixed_ = fixed_ || held_fixed_;
    reasoning_shown_ = reasoning_shown_ || held_reasoning_;
    drop_hold();
    show(event);
    return {out_, event};
}

Splicer::Step Splicer::show(std::string_view event) {
    shown_ = joined_ = true;
    if (chunks_) chunks_->commit();
    if (blocks_) {
        blocks_->commit();
        fixed_ = fixed_ || blocks_->shown.texts > 1;  // only one text can be sent as the turn to go on with
    }
    if (items_) items_->commit();
    return {{}, event};
}

void Splicer::add_shown_text(std::string_view words, std::size_t solid) {
    if (words.empty()) return;
    text_shown_ = true;
    if (!resumable_) return;
    if (text_.size() + words.size() > settings_.transcript) {
        resumable_ = false;
        text_.clear();
        solid_ = 0;
        return;
    }
    if (solid > 0) solid_ = text_.size() + solid;
    text_.append(words);
}

/// Text that is known to be more than white space at its end, nearly always; nothing is held then.
Splicer::Step Splicer::put_text(std::string_view event, std::string_view words) {
    began_ = true;
    const bool fixed = shows_.other || shows_.call;  // a picture, a call … beside the text
    if (holding_ || whole_) {
        held_fixed_ = held_fixed_ || fixed;
        keep(event, whole_ ? std::string_view() : words);
        return {};
    }
    if (!resumable_) {
        text_shown_ = true;
        return put_payload(event);
    }
    if (doubting_) {
        held_fixed_ = held_fixed_ || fixed;
        keep(event, words);
        first_words_ += decoded(words);
        return first_words_.size() < seam_window ? Step{} : judge_seam({});
    }
    if (!mutated('a') && holds_blanks() && inside::tail_of(words) != inside::Tail::solid) {
        // Shown when the next one comes; if the stream breaks before, the upstream says it again.
        Step step;
        if (!held_text_.empty()) step = flush({});
        held_fixed_ = held_fixed_ || fixed;
        keep(event, words);
        return step;
    }
    fixed_ = fixed_ || fixed;
    const Step step = held_.empty() ? show(event) : flush(event);
    add_shown_text(words, words.size());
    solid_tokens_ = ++tokens_;
    return step;
}

/// Output that is no text of the transcript. It is no reason to keep text that ends in white space any longer.
Splicer::Step Splicer::put_payload(std::string_view event) {
    began_ = true;
    // The end of an item repeats the text that was shown; without any it is all there is, and no transcript has it.
    const bool known = shows_.reasoning || shows_.text || text_shown_;
    const bool fixed = shows_.other || shows_.call || !known || settings_.choices > 1;
    if (holding_ || whole_ || doubting_) {
        held_fixed_ = held_fixed_ || fixed;
        held_reasoning_ = held_reasoning_ || shows_.reasoning;
        held_tokens_ += shows_.reasoning ? 1 : 0;
        keep(event);
        return {};
    }
    tokens_ += shows_.reasoning ? 1 : 0;
    fixed_ = fixed_ || fixed;
    reasoning_shown_ = reasoning_shown_ || shows_.reasoning;
    if (shows_.text) text_shown_ = true;
    return held_.empty() ? show(event) : flush(event);
}

/// An event of the attempt, in the form in which it may be shown; `words`: the text that it adds.
Splicer::Step Splicer::place(std::string_view event, std::string_view words) {
    if (finished_ && doubting_) first_words_ += decoded(words);
    if (finished_) return finish_with(event);
    if (!words.empty()) return put_text(event, words);
    return facts_.payload ? put_payload(event) : put(event);
}

/// What is no output: beside output it is shown, before it and behind what is held it waits.
Splicer::Step Splicer::put(std::string_view event) {
    if (!shown_ || !held_.empty() || holding_ || whole_ || doubting_) {
        keep(event);
        return {};
    }
    const bool joined = joined_;  // it adds nothing
    const Step step = show(event);
    joined_ = joined;
    return step;
}

/// The answer is complete: all of it is shown.
Splicer::Step Splicer::finish_with(std::string_view event) {
    if (doubting_) {
        const Step judged = judge_seam(event);
        if (fault_ != Fault::none) return judged;
    }
    whole_ = false;
    return flush(event);
}

Splicer::Step Splicer::judge_seam() { return doubting() ? judge_seam({}) : Step{}; }

Splicer::Step Splicer::judge_seam(std::string_view event) {
    doubting_ = false;
    if (starts_anew(decoded(text_.text()), first_words_)) return fail(Fault::anew);
    first_words_ = std::string();
    if (holding_ || finished_ || !event.empty()) return {};
    return flush({});
}

Splicer::Step Splicer::release() {
    if (doubting_ && starts_anew(decoded(text_.text()), first_words_)) return fail(Fault::anew);
    // What is shown before its time is no text that could be sent back.
    fixed_ = fixed_ || holding_ || whole_ || settings_.choices > 1;
    resumable_ = whole_ = doubting_ = hold_calls_ = false;
    text_.clear();
    solid_ = 0;
    if (chunks_) chunks_->numbers = HeldCalls::Numbers::given;
    return flush({});
}

std::string Splicer::prefix(std::size_t most) const {
    std::string text = text_.text();
    if (mutated('a')) return text;
    if (ends_solid(most))
        text.resize(solid_);
    else
        text.resize(inside::without_blank_tail(text).size());
    return text;
}

/// What an attempt says again is not shown again. False: it says something else.
bool Splicer::skip(std::string_view& words) {
    const std::u16string said = inside::units_of(words);
    const std::size_t again = std::min(said.size(), expected_.size() - said_again_);
    if (expected_.compare(said_again_, again, said, 0, again) != 0) return false;
    const std::string_view left = words.substr(inside::offset_of(words, again));
    // Half a character was shown, and this says it whole: the other half can't be told alone.
    if (inside::units_of(left).size() != said.size() - again) return false;
    said_again_ += again;
    words = left;
    return true;
}

}  // namespace streamkeeper
