// Reading an event of the attempt that runs, and where it goes.
#include "streamkeeper/splicer.hpp"

#include <algorithm>

#include "llm/event_parts.hpp"
#include "policy/mutation.hpp"
#include "policy/splicer_parts.hpp"
#include "streamkeeper/json_scan.hpp"

namespace streamkeeper {

Splicer::Splicer(Endpoint endpoint, const SplicerSettings& settings)
    : endpoint_(endpoint),
      dialect_(*dialect_of(endpoint)),
      settings_(settings),
      form_(std::make_unique<EventForm>()),
      hold_calls_(settings.hold_calls),
      resumable_(settings.mode == ResumeMode::exact && settings.choices <= 1),
      whole_(settings.mode == ResumeMode::whole || (mutated('e') && resumable_)) {
    if (endpoint == Endpoint::messages)
        blocks_ = std::make_unique<Blocks>();
    else if (endpoint == Endpoint::responses)
        items_ = std::make_unique<Items>();
    else
        chunks_ = std::make_unique<Chunks>();
}

Splicer::~Splicer() = default;

void Splicer::begin(const Join& join) {
    join_ = join;
    join_.expected = {};
    expected_ = inside::units_of(join.expected);
    said_again_ = 0;
    first_words_.clear();
    open_choices_.clear();
    finish_reason_.clear();
    fault_ = Fault::none;
    began_ = finished_ = a_finish_ = terminal_ = joined_ = usage_seen_ = false;
    doubting_ = join.doubtful;
    later_ = shown_;
    restarted_ = shown_ && !text_shown_;
    if (restarted_) tokens_ = solid_tokens_ = 0;  // the limit is this attempt's
    if (!shown_) fixed_ = false;
    form_->forget();
    drop_hold();
    if (chunks_) chunks_->begin(shown_);
    if (blocks_) blocks_->begin(shown_);
    if (items_) items_->begin(shown_);
}

Splicer::Step Splicer::fail(Fault fault) {
    fault_ = fault;
    finished_ = a_finish_ = false;  // a finish that comes with a fault finishes nothing
    return {};
}

Splicer::Step Splicer::take(std::string_view event) {
    EventForm::Match match;
    if (!finished_ && form_->matches(event, match)) {
        if (items_) items_->count(match.sequence);
        return take_known(event, match.inside);
    }
    facts_ = {};
    shows_ = {};
    event_ = sse::read(event, joined_data_);
    // Comments and fields that no client may see (resumption_facts.md, section 6) are signs of life and nothing else.
    const bool nothing = !event_.has_data && event_.error.empty();
    if (terminal_ || (nothing && event_.name != "error")) return {};
    if (!read()) return {};
    if (chunks_) return finished_ ? take_chunk_trailer(event) : take_chunk(event);
    return blocks_ ? take_block(event) : take_item(event);
}

/// False: the event is dealt with.
bool Splicer::read() {
    const bool done = event_.data.starts_with("[DONE]");
    const bool blank = event_.data.find_first_not_of(" \t\r\n") == std::string_view::npos;
    if (blank && event_.error.empty() && event_.name != "error") return false;
    const bool valid = done || !json::scan(event_.data);
    facts_ = valid || !event_.error.empty() || event_.name == "error" ? dialect_.read(event_) : EventFacts{};
    if (facts_.error || facts_.failed) {
        // After completion every fault is ignored (resumption.md, "When is an attempt over").
        if (!finished_) fail(Fault::error);
        return false;
    }
    if (!valid) {
        if (!finished_) fail(Fault::malformed);
        return false;
    }
    if (!done && event_.data[event_.data.find_first_not_of(" \t\r\n")] != '{') return false;  // `data: null`
    if (facts_.terminal && done) {
        // `[DONE]` proves nothing, except where a vendor never says more.
        const bool end_enough = chunks_ && (join_.finish_optional || mutated('c')) && began_;
        if (end_enough && expecting()) {
            fail(Fault::diverged);
            return false;
        }
        if (end_enough) finished_ = true;
        finished_ = finished_ || (a_finish_ && all_closed());  // a vendor that knows no `n` sends fewer choices
        if (!finished_) fail(Fault::ended_early);
        if (!finished_) return false;
    }
    if (!done) shows_ = dialect_.shows(event_);
    return true;
}

/// Of several choices each needs its own finish.
void Splicer::note_finish() {
    if (facts_.finish && finish_reason_.empty()) finish_reason_ = facts_.finish_reason;
    a_finish_ = a_finish_ || facts_.finish;
    finished_ = a_finish_;
    if (settings_.choices <= 1 || !dialect_.note_choices) return;
    dialect_.note_choices(event_.data, open_choices_);
    finished_ = a_finish_ && open_choices_.size() >= settings_.choices && all_closed();
}

bool Splicer::all_closed() const {
    return std::find(open_choices_.begin(), open_choices_.end(), 1) == open_choices_.end();
}

Splicer::Step Splicer::take_known(std::string_view event, std::string_view inside) {
    facts_ = {};
    facts_.payload = true;
    began_ = true;
    shows_ = form_->shows();
    std::string_view shown = event;
    if (!form_->as_it_came()) {
        made_.clear();
        form_->retell(inside, made_);
        shown = made_;
    }
    return shows_.text ? put_text(shown, inside) : put_payload(shown);
}

/// The next event of this form need not be read.
void Splicer::learn_form(std::string_view event, std::string_view retold, std::size_t text_at) {
    const bool plain = !shows_.inside.empty() && (shows_.text || shows_.reasoning) && !shows_.call && !shows_.other &&
                       !shows_.opening && !facts_.finish && !facts_.usage && settings_.choices <= 1 && !expecting();
    if (plain && (retold.empty() || text_at != 0)) form_->learn(event, shows_, retold, text_at);
}

/// One line of data, behind the event's name where clients read it, and nothing else; any line ends.
bool Splicer::plain(std::string_view event) const {
    // The LF of a CRLF that two reads tore apart may never be shown.
    if (event.ends_with('\r') && event.find('\n') != event.npos) return false;
    const auto skip_ends = [&event] { event.remove_prefix(std::min(event.find_first_not_of("\r\n"), event.size())); };
    skip_ends();  // a LF that was torn off the event before
    if (!chunks_) {
        if (event_.name.empty() || !event.starts_with("event: ")) return false;
        event.remove_prefix(7);
        if (!event.starts_with(event_.name)) return false;
        event.remove_prefix(event_.name.size());
        skip_ends();
    }
    const std::string_view data = event_.data;
    if (!event.starts_with("data: ") || data.data() != event.data() + 6) return false;
    event.remove_prefix(6 + data.size());
    skip_ends();
    return event.empty();
}

std::string_view Splicer::normal(std::string_view event) {
    if (plain(event)) return event;
    const std::string_view data = event_.data;
    const bool named = !chunks_;  // clients of chunks read `data` lines alone
    made_.clear();
    if (named) {
        std::string_view type = event_.name;
        if (type.empty()) type = event_parts::bare(json::find(data, "type"));
        if (!type.empty()) made_.append("event: ").append(type).append("\n");
    }
    made_ += "data: ";
    made_ += data;
    std::replace_if(
        made_.end() - static_cast<std::ptrdiff_t>(data.size()), made_.end(),
        [](char c) { return c == '\n' || c == '\r'; }, ' ');
    made_ += "\n\n";
    return made_;
}

Seen Splicer::seen() const {
    if (!shown_) return Seen::nothing;
    if (fixed_) return Seen::fixed;
    return text_shown_ ? Seen::text : Seen::reasoning;
}

bool Splicer::doubting() const { return doubting_ && first_words_.find_first_not_of(" \t\r\n") != first_words_.npos; }

std::size_t Splicer::held_bytes() const {
    return held_.size() + held_text_.size() + (chunks_ ? chunks_->calls.bytes() : 0);
}

std::string Splicer::names() const {
    if (items_ && items_->shown_sequence >= 0) return "\"sequence_number\":" + std::to_string(items_->shown_sequence);
    if (!chunks_ || !shown_) return {};
    std::string text;
    const auto add = [&text](std::string_view name, const std::string& value) {
        if (value.empty() || value.find_first_of("\r\n") != value.npos) return;
        text.append(text.empty() ? "\"" : ",\"").append(name).append("\":").append(value);
    };
    add("id", chunks_->shown.names.id);
    add("created", chunks_->shown.names.created);
    add("model", chunks_->shown.names.model);
    return text;
}

std::string_view Splicer::response_id() const {
    return items_ ? std::string_view(items_->known.id) : std::string_view();
}

std::int64_t Splicer::next_sequence() const { return items_ ? items_->shown_sequence + 1 : 0; }

std::int64_t Splicer::last_sequence() const { return items_ ? items_->shown_upstream_sequence : -1; }

}  // namespace streamkeeper
