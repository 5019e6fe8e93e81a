/// How an answer says when to come back: every form that errors.md knows, in header fields and in bodies.
#pragma once

#include <cstdint>
#include <ctime>
#include <span>
#include <string>
#include <string_view>

#include "mock/fault.hpp"

namespace streamkeeper::mock {

struct HintWord {
    std::string_view name;
    HintForm form;
    bool computed;  ///< the value is seconds from now; else it is sent as written
};

std::span<const HintWord> hint_words();
const HintWord* hint_named(std::string_view name);  ///< nullptr: no hint

/// One instant for all that an answer says about time, so that its Date and its hints agree.
struct Moment {
    std::chrono::microseconds now_since_1970{0};  ///< of the machine
    std::chrono::seconds skew{0};
    Instant wait{0};  ///< the true wait, where one is known

    static Moment now();
    std::int64_t shown() const { return now_since_1970.count() / 1'000'000 + skew.count(); }  ///< the second in Date
};

/// `Fri, 29 Dec 2023 23:59:15 GMT`, or another form of strftime.
std::string date_text(std::int64_t second, const char* form = "%a, %d %b %Y %H:%M:%S GMT");

/// The hint's header lines, each with its CRLF; nothing for one that stands in the body.
void append_fields(std::string& out, const Hint&, const Fault&, const Moment&, std::string_view limit);

/// The hint's value as it is sent.
std::string value_of(const Hint&, const Moment&);

}  // namespace streamkeeper::mock
