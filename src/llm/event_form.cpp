#include "llm/event_form.hpp"

#include <algorithm>
#include <cstring>

#include "streamkeeper/json_scan.hpp"

namespace streamkeeper {

void EventForm::learn(std::string_view event, const Shows& shows, std::string_view retold, std::size_t text_at) {
    known_ = false;
    count_ = 0;
    for (const std::string_view part : {shows.inside, shows.padding, shows.sequence}) {
        if (part.empty()) continue;
        if (part.data() < event.data() || part.data() + part.size() > event.data() + event.size()) return;
        const auto at = static_cast<std::size_t>(part.data() - event.data());
        holes_[count_++] = {at, at + part.size(), part.data() == shows.sequence.data(),
                            part.data() == shows.inside.data()};
    }
    const auto end = holes_.begin() + static_cast<std::ptrdiff_t>(count_);
    std::sort(holes_.begin(), end, [](const Hole& a, const Hole& b) { return a.begin < b.begin; });
    text_ = event;
    before_.clear();
    after_.clear();
    if (!retold.empty()) {
        before_ = retold.substr(0, text_at);
        after_ = retold.substr(text_at + shows.inside.size());
    }
    shows_ = shows;
    shows_.inside = shows_.padding = shows_.sequence = {};
    known_ = true;
}

bool EventForm::matches(std::string_view event, Match& match) const {
    if (!known_) return false;
    const char* p = event.data();
    const char* const end = p + event.size();
    std::size_t at = 0;
    const auto same = [&](std::size_t length) {
        if (static_cast<std::size_t>(end - p) < length || std::memcmp(p, text_.data() + at, length) != 0) return false;
        p += length;
        return true;
    };
    for (std::size_t i = 0; i < count_; ++i) {
        const Hole& hole = holes_[i];
        if (!same(hole.begin - at)) return false;
        const char* const from = p;
        if (hole.number)
            p = std::find_if(p, end, [](char c) { return c < '0' || c > '9'; });
        else
            p = json::inside_end(p, end);
        if (!p || p == from || (hole.number && *from == '0' && p != from + 1)) return false;
        const std::string_view part(from, static_cast<std::size_t>(p - from));
        if (hole.output) match.inside = part;
        if (hole.number) match.sequence = part;
        at = hole.end;
    }
    return same(text_.size() - at) && p == end;
}

}  // namespace streamkeeper
