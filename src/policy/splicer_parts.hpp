/// What the splicer knows of one dialect's stream: `now` as of the event that was taken last, `shown` as the client
/// knows it. A break makes `now` what was shown.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "llm/chunk_retelling.hpp"
#include "llm/event_form.hpp"
#include "llm/held_calls.hpp"
#include "policy/inside.hpp"
#include "streamkeeper/splicer.hpp"

namespace streamkeeper {

/// Chat and legacy completions.
struct Splicer::Chunks {
    struct Known {
        ChunkNames names;
        bool role = false;
    };
    Known now, shown;
    bool changed = false;  ///< `now` since it was shown
    HeldCalls calls;
    HeldCalls::Numbers numbers = HeldCalls::Numbers::dense;
    std::string envelope;      ///< the data of the first chunk with a piece of a call
    std::size_t calls_at = 0;  ///< where the calls stand in the hold
    bool envelope_role = false;

    void begin(bool was_shown);
    void commit();
    void learn(const Shows&, bool role);
    bool other_model(std::string_view model) const;
    void hold_calls(std::string_view data, std::size_t at);
    /// Puts the whole calls where their first piece stood.
    void put_calls(std::string& held);
};

/// Messages.
struct Splicer::Blocks {
    enum class Kind { text, thinking, call, other };
    struct Known {
        std::string model;
        int count = 0;  ///< blocks that the client knows
        int open = -1;  ///< the number of the one that is open for it
        int texts = 0;  ///< blocks of text
        Kind kind = Kind::other;
    };
    Known now, shown;
    bool changed = false;        ///< `now` since it was shown
    bool joined = false;         ///< the attempt's first text has begun
    bool thinking = false;       ///< a block of it is held
    bool calling = false;        ///< a call is held
    std::vector<int> number_of;  ///< the client's number of the attempt's blocks; -1: not shown
    std::vector<Kind> kind_of;

    void begin(bool was_shown);
    void commit();
    enum class Opened {
        hidden,  ///< not shown
        joined,  ///< it goes on in the block that is open
        anew,
    };
    Opened open(std::size_t index, Kind kind, bool later);
};

/// Responses.
struct Splicer::Items {
    struct Known {
        std::string id, created_at;                     ///< of the response: without quotes; raw
        std::vector<std::string> item_ids, item_kinds;  ///< by output index
        std::set<std::string> told;                     ///< events that come once, and were shown
    };
    Known known;
    std::vector<std::pair<std::string, std::string>> renamed;  ///< ids of the attempt that runs → those that were shown
    std::vector<std::string> untold;                           ///< of events that come once, not shown yet
    std::int64_t sequence = -1;                                ///< the client's last one
    std::int64_t shown_sequence = -1;
    std::int64_t upstream_sequence = -1, shown_upstream_sequence = -1;

    void begin(bool was_shown);
    void commit();
    /// False: another kind of item stands where the client knows one.
    bool learn(std::string_view data, bool later);
    /// An event of the first attempt, by its number.
    void count(std::string_view number);
};

}  // namespace streamkeeper
