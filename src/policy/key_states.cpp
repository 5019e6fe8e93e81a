#include "streamkeeper/key_states.hpp"

#include <algorithm>

namespace streamkeeper {

namespace {

constexpr std::chrono::minutes first_pause{1}, longest_pause{10}, forbidden_for{10};
constexpr std::size_t most_forbidden = 256;

}  // namespace

std::string_view key_state_label(KeyState state) {
    switch (state) {
        case KeyState::usable: return "usable";
        case KeyState::retired: return "retired";
        case KeyState::parked: return "parked";
    }
    return "usable";
}

std::vector<unsigned> KeyStates::adopt(const std::vector<Key>& keys) {
    std::vector<unsigned> slots;
    for (const Key& key : keys) {
        const std::string print = key.secret.fingerprint();
        const auto known =
            std::find_if(slots_.begin(), slots_.end(), [&](const Slot& slot) { return slot.fingerprint == print; });
        slots.push_back(static_cast<unsigned>(known - slots_.begin()));
        if (known == slots_.end()) slots_.emplace_back().fingerprint = print;
    }
    if (slots_.empty()) slots_.emplace_back();
    return slots;
}

const KeyStates::Forbidden* KeyStates::forbidden(const Slot& slot, std::string_view model, TimePoint now) const {
    if (slot.forbidden.empty()) return nullptr;
    for (const std::string_view name : {model, std::string_view()}) {
        const auto found = slot.forbidden.find(name);
        if (found != slot.forbidden.end() && now < found->second.until) return &found->second;
    }
    return nullptr;
}

bool KeyStates::may_use(unsigned slot, std::string_view model, bool needed, TimePoint now) const {
    if (slot >= slots_.size()) return true;
    const Slot& key = slots_[slot];
    if (forbidden(key, model, now)) return false;
    if (key.state == KeyState::usable) return true;
    return now >= (needed ? key.when_needed : key.when_spare);
}

void KeyStates::tried(unsigned slot, TimePoint now) {
    if (state(slot) == KeyState::usable) return;
    Slot& key = slots_[slot];
    if (now >= key.when_spare) key.pause = std::min<std::chrono::minutes>(2 * key.pause, longest_pause);
    key.when_needed = key.when_spare = now + key.pause;
}

void KeyStates::worked(unsigned slot) {
    if (state(slot) == KeyState::usable) return;
    slots_[slot].state = KeyState::usable;
}

void KeyStates::refuse(unsigned slot, KeyState state, KeyRefusal refusal) {
    if (slot >= slots_.size()) return;
    Slot& key = slots_[slot];
    if (key.state == KeyState::usable) {
        key.pause = first_pause;
        key.when_needed = refusal.at;
        key.when_spare = refusal.at + first_pause;
    }
    key.state = state;
    key.refusal = std::move(refusal);
}

void KeyStates::forbid(unsigned slot, std::string_view model, KeyRefusal refusal) {
    if (slot >= slots_.size()) return;
    Slot& key = slots_[slot];
    const TimePoint now = refusal.at;
    std::erase_if(key.forbidden, [now](const auto& entry) { return now >= entry.second.until; });
    if (key.forbidden.size() >= most_forbidden) key.forbidden.erase(key.forbidden.begin());
    key.forbidden[std::string(model)] = {now + forbidden_for, std::move(refusal)};
}

const KeyRefusal* KeyStates::refusal(unsigned slot, std::string_view model, TimePoint now) const {
    if (slot >= slots_.size()) return nullptr;
    const Slot& key = slots_[slot];
    if (const Forbidden* const found = forbidden(key, model, now)) return &found->refusal;
    return key.state == KeyState::usable ? nullptr : &key.refusal;
}

}  // namespace streamkeeper
