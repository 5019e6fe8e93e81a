#include <ctime>

#include "mock/hints.hpp"
#include "mock/session.hpp"

namespace streamkeeper::mock {

const std::string& Shared::date() {
    const std::time_t now = std::time(nullptr);
    if (now != date_second_) {
        date_second_ = now;
        date_ = "Date: " + date_text(now) + "\r\n";
    }
    return date_;
}

Instant Shared::now() const { return std::chrono::duration_cast<Instant>(std::chrono::steady_clock::now() - began_); }

}  // namespace streamkeeper::mock
