/// What is known of an upstream's keys: which one was refused, and when it may be tried again (contract, section 4,
/// "Keys"). Pure: time is handed in. A key keeps its slot, and what is known of it, across reloads.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "streamkeeper/config.hpp"

namespace streamkeeper {

enum class KeyState {
    usable,
    retired,  ///< refused as a credential: 401, and 400s that mean it
    parked,   ///< nothing left to spend: 402 and its disguises
};
std::string_view key_state_label(KeyState);

/// How a vendor refused a key last; for the answer to whoever needs it meanwhile.
struct KeyRefusal {
    int status = 0;
    std::string type, code;  ///< the vendor's own words, if they are words
    std::chrono::steady_clock::time_point at{};
};

class KeyStates {
public:
    using TimePoint = std::chrono::steady_clock::time_point;

    /// The slot of each key, in order. An upstream without keys has the slot 0.
    std::vector<unsigned> adopt(const std::vector<Key>&);

    /// May this key be used for this model now? A refused key is tried again when its time has come: at most once a
    /// minute, doubling to ten. `needed`: there is no other key; then the first new try is free at once, so that a
    /// top-up works at once.
    bool may_use(unsigned slot, std::string_view model, bool needed, TimePoint now) const;
    /// It is about to be used: nobody else tries a refused key for its next interval.
    void tried(unsigned slot, TimePoint now);
    void worked(unsigned slot);
    void retire(unsigned slot, KeyRefusal refusal) { refuse(slot, KeyState::retired, std::move(refusal)); }
    void park(unsigned slot, KeyRefusal refusal) { refuse(slot, KeyState::parked, std::move(refusal)); }
    /// It may not use this model (empty: any of this upstream) for ten minutes. The key itself is not to blame.
    void forbid(unsigned slot, std::string_view model, KeyRefusal refusal);

    KeyState state(unsigned slot) const { return slot < slots_.size() ? slots_[slot].state : KeyState::usable; }
    /// The refusal that stands in the way of this model; null if none does.
    const KeyRefusal* refusal(unsigned slot, std::string_view model, TimePoint now) const;

private:
    struct Forbidden {
        TimePoint until;
        KeyRefusal refusal;
    };
    struct Slot {
        std::string fingerprint;
        KeyState state = KeyState::usable;
        KeyRefusal refusal;
        TimePoint when_needed{}, when_spare{};  ///< the earliest next try
        std::chrono::minutes pause{1};          ///< between two tries
        std::map<std::string, Forbidden, std::less<>> forbidden;
    };
    void refuse(unsigned slot, KeyState, KeyRefusal);
    const Forbidden* forbidden(const Slot&, std::string_view model, TimePoint now) const;
    std::vector<Slot> slots_;
};

}  // namespace streamkeeper
