#include "mock/limiter.hpp"

#include <algorithm>
#include <boost/json.hpp>

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

std::string_view name_of(LimitScope scope) {
    switch (scope) {
        case LimitScope::ip: return "ip";
        case LimitScope::key: return "key";
        case LimitScope::all: return "all";
    }
    return {};
}

}  // namespace

Instant Window::wait(Instant now, const LimitRule& rule) {
    while (!entries_.empty() && entries_.front().at + rule.per <= now) {
        admitted_now_ -= entries_.front().admitted ? 1U : 0U;
        entries_.pop_front();
    }
    if (entries_.size() < rule.requests) return Instant(0);
    // So many of the oldest must leave that one place is free.
    return entries_[entries_.size() - rule.requests].at + rule.per - now;
}

void Window::admit(Instant now) {
    entries_.push_back({now, true});
    largest_ = std::max(largest_, ++admitted_now_);
    ++admitted_;
}

void Window::refuse(Instant now, bool counts) {
    if (counts) entries_.push_back({now, false});
    ++refused_;
}

json::object Window::state() const { return {{"admitted", admitted_}, {"refused", refused_}, {"largest", largest_}}; }

Limits::Limits(std::vector<LimitRule> rules) {
    for (auto& rule : rules) limiters_.push_back({std::move(rule), {}});
}

LimitVerdict Limits::judge(std::string_view ip, std::string_view key, Instant now) {
    LimitVerdict verdict;
    std::vector<std::pair<Limiter*, Window*>> concerned;
    for (auto& limiter : limiters_) {
        const LimitScope scope = limiter.rule.scope;
        if (scope == LimitScope::key && key.empty()) continue;
        const std::string_view who = scope == LimitScope::ip ? ip : scope == LimitScope::key ? key : "all";
        concerned.emplace_back(&limiter, &limiter.windows.at_or_new(who));
    }
    for (const auto& [limiter, window] : concerned) {
        const Instant wait = window->wait(now, limiter->rule);
        if (wait.count() == 0) continue;
        window->refuse(now, limiter->rule.counts_refused);
        if (wait > verdict.wait) verdict = {&limiter->rule, wait};
    }
    if (verdict.rule == nullptr)
        for (const auto& [limiter, window] : concerned) window->admit(now);
    return verdict;
}

void Limits::clear() {
    for (auto& limiter : limiters_) limiter.windows.clear();
}

json::array Limits::state() const {
    json::array all;
    for (const auto& [rule, windows] : limiters_) {
        std::uint64_t admitted = 0, refused = 0;
        std::size_t largest = 0;
        json::object each;
        for (const auto& [who, window] : windows) {
            json::object state = window.state();
            admitted += state["admitted"].to_number<std::uint64_t>();
            refused += state["refused"].to_number<std::uint64_t>();
            largest = std::max(largest, state["largest"].to_number<std::size_t>());
            each[who] = std::move(state);
        }
        all.push_back(json::object{{"limit", rule.text},
                                   {"requests", rule.requests},
                                   {"per_ms", rule.per.count()},
                                   {"scope", name_of(rule.scope)},
                                   {"admitted", admitted},
                                   {"refused", refused},
                                   {"largest", largest},
                                   {"each", std::move(each)}});
    }
    return all;
}

}  // namespace streamkeeper::mock
