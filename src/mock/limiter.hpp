/// Exact sliding windows: never more than N requests admitted in any stretch of time of length `per`, measured at the
/// arrival of their heads.
#pragma once

#include <boost/json/fwd.hpp>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mock/fault.hpp"
#include "mock/lookup.hpp"

namespace streamkeeper::mock {

enum class LimitScope {
    ip,   ///< each client address has a window
    key,  ///< each valid key
    all   ///< everybody together
};

struct LimitRule {
    std::size_t requests = 0;
    std::chrono::milliseconds per{0};
    LimitScope scope = LimitScope::ip;
    bool counts_refused = false;          ///< a refused request takes a place too, as some vendors do
    std::shared_ptr<const Fault> answer;  ///< its hints without a value tell the true wait
    std::string text;                     ///< `1500/3m per ip`
};

/// What one address or key did of late. A stretch is half open: two requests exactly `per` apart do not share one.
class Window {
public:
    /// Zero: there is room now.
    Instant wait(Instant now, const LimitRule&);
    void admit(Instant now);
    void refuse(Instant now, bool counts);
    void clear() { *this = Window(); }
    boost::json::object state() const;

private:
    struct Entry {
        Instant at;
        bool admitted;
    };
    std::deque<Entry> entries_;
    std::size_t admitted_now_ = 0, largest_ = 0;
    std::uint64_t admitted_ = 0, refused_ = 0;
};

struct LimitVerdict {
    const LimitRule* rule = nullptr;  ///< nullptr: admitted
    Instant wait{0};                  ///< until it has room
};

class Limits {
public:
    explicit Limits(std::vector<LimitRule>);

    /// Admits the request everywhere or refuses it; `key` is the name of a valid key, or empty.
    LimitVerdict judge(std::string_view ip, std::string_view key, Instant now);
    bool empty() const { return limiters_.empty(); }
    void clear();
    boost::json::array state() const;

private:
    struct Limiter {
        LimitRule rule;
        Lookup<Window> windows;
    };
    std::vector<Limiter> limiters_;
};

}  // namespace streamkeeper::mock
