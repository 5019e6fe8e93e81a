/// The splicer: what the client of one stream has been shown (the transcript), what is kept back (the hold), and what
/// each event of the attempt that runs means for both (resumption.md). Pure: events in, bytes to show out.
///
///     begin ─► take(event) … ─► finished()            the answer is complete
///                 └► fault() ─► resume: begin ─► …    the attempt broke; what was held is thrown away
///
/// What was shown is only ever extended. Delivered text ends where an event of the upstream ended.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "streamkeeper/config.hpp"
#include "streamkeeper/dialect.hpp"
#include "streamkeeper/endpoint.hpp"
#include "streamkeeper/transcript.hpp"

namespace streamkeeper {

class EventForm;
struct ChunkEdit;

struct SplicerSettings {
    ResumeMode mode = ResumeMode::exact;
    bool hold_calls = true;
    unsigned choices = 1;        ///< `n` of the request
    Bytes transcript = 4 << 20;  ///< a longer text can't be continued
};

/// What the client has seen of the answer. The order counts: each includes those before it.
enum class Seen {
    nothing,    ///< comments at most
    reasoning,  ///< another attempt may answer; its reasoning is not shown
    text,       ///< only the same text can go on
    fixed,      ///< what can't be gone on with: a refusal, audio, several choices, a piece of a call
};

/// Why the attempt is over before the answer was.
enum class Fault {
    none,
    error,        ///< the upstream said so; the event is in `event()`
    malformed,    ///< an event that is no JSON value
    ended_early,  ///< `[DONE]` and its like without a finish
    diverged,     ///< it did not say again what was shown
    anew,         ///< it began the answer anew instead of going on
    other_model,  ///< another model went on
};

/// How an attempt joins what was shown.
struct Join {
    bool hide_usage = false;       ///< the usage chunk was asked for by us
    bool finish_optional = false;  ///< a vendor that never says why it stopped
    bool continued = false;        ///< it was given (a part of) the text that was shown; else it begins at the start
    bool native = false;           ///< responses: the same stream, from the event behind the last one that was shown
    std::string_view expected{};   ///< the inside of a JSON string: what it says again, and the client has seen
    bool doubtful = false;         ///< its first words are looked at: does it go on at all?
};

class Splicer {
public:
    Splicer(Endpoint, const SplicerSettings&);
    ~Splicer();
    Splicer(const Splicer&) = delete;
    Splicer& operator=(const Splicer&) = delete;

    /// An attempt begins. What an earlier one left in the hold is thrown away.
    void begin(const Join&);

    /// What to show now, in this order. `before` is valid until the next call; `event` may be the event that was taken.
    struct Step {
        std::string_view before, event;
        bool empty() const { return before.empty() && event.empty(); }
    };
    /// Takes one event, its blank line included. After a fault nothing more is to be given.
    Step take(std::string_view event);
    /// The first words of a doubtful attempt have had their time: they are judged by what there is, if there are any.
    Step judge_seam();
    /// Memory, or a bound, does not allow to keep more: what is held is shown, and the stream can't be resumed.
    Step release();

    // ---- of the event that was taken
    Fault fault() const { return fault_; }
    const sse::Event& event() const { return event_; }
    const EventFacts& facts() const { return facts_; }

    // ---- of the attempt
    bool began() const { return began_; }        ///< it has sent output, shown or not
    bool finished() const { return finished_; }  ///< every choice has its finish: what follows is a trailer
    bool terminal() const { return terminal_; }  ///< nothing follows
    bool doubting() const;                       ///< it has said words, which are looked at
    bool joined() const { return joined_; }      ///< it has added to what was shown, or finished it
    std::string_view finish_reason() const { return finish_reason_; }

    // ---- of the stream
    Seen seen() const;
    bool reasoning_shown() const { return reasoning_shown_; }
    bool shown() const { return shown_; }            ///< some of the answer
    bool continuable() const { return resumable_; }  ///< false: memory or a bound forbids it, or it is `off`
    const Transcript& transcript() const { return text_; }
    /// The part of it that an upstream can be asked to go on with: up to an event that does not end in white space, if
    /// no more than `most` bytes follow it, else without the white space at its end.
    std::string prefix(std::size_t most) const;
    std::size_t tokens() const { return tokens_; }  ///< events of text and reasoning that were shown, or about that
    /// Those that `prefix(most)` contains: the others are said, and paid for, once more.
    std::size_t tokens_of_prefix(std::size_t most) const { return ends_solid(most) ? solid_tokens_ : tokens_; }
    std::size_t held_bytes() const;
    std::size_t transcript_bytes() const { return text_.bytes(); }
    /// `"id":…,"created":…,"model":…` as the client knows them, for a no-op; empty: none was shown. Responses: the last
    /// sequence number.
    std::string names() const;
    /// Responses: the answer's id, once it is known.
    std::string_view response_id() const;
    /// Responses: the number of the event that was shown last; -1: none.
    std::int64_t last_sequence() const;
    /// Responses: the client's number of the next event.
    std::int64_t next_sequence() const;

private:
    struct Chunks;
    struct Blocks;
    struct Items;
    // ---- splicer.cpp: reading, and where an event goes
    Step take_known(std::string_view event, std::string_view inside);
    bool read();
    void note_finish();
    bool all_closed() const;
    Step fail(Fault fault);
    /// The event in the form in which it is shown: one line of data, nothing else.
    std::string_view normal(std::string_view event);
    bool plain(std::string_view event) const;
    void learn_form(std::string_view event, std::string_view retold, std::size_t text_at);
    bool expecting() const { return said_again_ < expected_.size(); }
    /// White space at a seam matters only where a prefix is sent.
    bool holds_blanks() const { return endpoint_ != Endpoint::responses; }
    // ---- splicer_chunks.cpp, splicer_blocks.cpp, splicer_items.cpp: one dialect each
    Step take_chunk(std::string_view event);
    Step take_chunk_trailer(std::string_view event);
    bool edit_chunk(ChunkEdit&, std::string_view& words);
    Step take_block(std::string_view event);
    Step open_block(std::string_view event, std::size_t index);
    Step grow_block(std::string_view event, std::size_t index);
    Step close_block(std::string_view event, std::size_t index);
    void close_text();
    std::string_view renumbered(std::string_view event, int number);
    Step take_item(std::string_view event);
    // ---- splicer_hold.cpp: what is shown, what is kept
    Step place(std::string_view event, std::string_view words);
    Step put_text(std::string_view event, std::string_view words);
    Step put_payload(std::string_view event);
    Step put(std::string_view event);
    Step finish_with(std::string_view event);
    void keep(std::string_view event, std::string_view words = {});
    Step show(std::string_view event);
    Step flush(std::string_view event);
    void add_shown_text(std::string_view words, std::size_t solid);
    bool ends_solid(std::size_t most) const { return solid_ > 0 && text_.size() - solid_ <= most; }
    void drop_hold();
    bool skip(std::string_view& words);
    Step judge_seam(std::string_view event);

    const Endpoint endpoint_;
    const Dialect& dialect_;
    const SplicerSettings settings_;
    std::unique_ptr<Chunks> chunks_;
    std::unique_ptr<Blocks> blocks_;
    std::unique_ptr<Items> items_;
    std::unique_ptr<EventForm> form_;
    // the event
    sse::Event event_;
    EventFacts facts_;
    Shows shows_;
    Fault fault_ = Fault::none;
    std::string joined_data_, made_, out_;  ///< storage: of `event_`, of what is shown in its place, of what was held
    // the attempt
    Join join_;
    std::u16string expected_;     ///< what it has to say again, as UTF-16
    std::size_t said_again_ = 0;  ///< of that
    std::string first_words_;     ///< of a doubtful one, decoded
    std::vector<char> open_choices_;
    std::string finish_reason_;
    bool began_ = false, finished_ = false, a_finish_ = false, terminal_ = false, doubting_ = false, joined_ = false,
         usage_seen_ = false;
    // the hold
    std::string held_, held_text_;
    std::size_t held_solid_ = 0, held_tokens_ = 0, held_solid_tokens_ = 0;
    bool held_fixed_ = false, held_reasoning_ = false;  ///< of what is held: fixed_, reasoning_shown_
    bool hold_calls_;
    bool holding_ = false;  ///< everything is kept: a call, a thinking block, the whole answer
    // the stream
    Transcript text_;
    std::size_t solid_ = 0, tokens_ = 0, solid_tokens_ = 0;
    bool shown_ = false, text_shown_ = false, reasoning_shown_ = false, fixed_ = false, resumable_ = true,
         whole_ = false, later_ = false, restarted_ = false, usage_told_ = false;
};

}  // namespace streamkeeper
