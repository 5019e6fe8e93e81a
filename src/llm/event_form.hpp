/// The form of an event: the bytes that the events of one kind share. Of a healthy stream nearly every event differs
/// from the one before it in one string alone; such an event is known to be valid JSON, and what it adds is known, by a
/// comparison of bytes and a look at that string.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "streamkeeper/dialect.hpp"

namespace streamkeeper {

class EventForm {
public:
    /// `event` was read in full, and `shows.inside` stands in it. `retold`: what a client sees instead, with the inside
    /// at `text_at`; empty: the event as it is.
    void learn(std::string_view event, const Shows& shows, std::string_view retold, std::size_t text_at);
    void forget() { known_ = false; }
    /// What differs in an event of this form: its string, which is valid and not empty, and its number, if it has one.
    struct Match {
        std::string_view inside, sequence;
    };
    /// Whether `event` has this form.
    bool matches(std::string_view event, Match& match) const;
    bool as_it_came() const { return before_.empty(); }
    /// What a client sees, if that is not the event as it came.
    void retell(std::string_view inside, std::string& out) const { out.append(before_).append(inside).append(after_); }
    const Shows& shows() const { return shows_; }

private:
    /// What varies, in order of position.
    struct Hole {
        std::size_t begin = 0, end = 0;
        bool number = false, output = false;
    };
    bool known_ = false;
    std::string text_, before_, after_;
    std::array<Hole, 3> holes_{};
    std::size_t count_ = 0;
    Shows shows_;
};

}  // namespace streamkeeper
