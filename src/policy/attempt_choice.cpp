// Which target now, or why none.
#include <algorithm>

#include "policy/final_status.hpp"
#include "streamkeeper/attempt_loop.hpp"

namespace streamkeeper {

namespace {

/// Several clients ignore longer ones, or choke on them (errors.md, trap 7).
std::optional<int> retry_after(std::chrono::nanoseconds wait) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
    return static_cast<int>(std::clamp<std::int64_t>(seconds, 1, 60));
}

std::string for_people(std::chrono::nanoseconds wait) {
    return std::to_string(std::chrono::ceil<std::chrono::seconds>(wait).count()) + " s";
}

std::string why_closed(const Closed& closed) {
    switch (closed.cause) {
        case GateCause::rate_limit: return "the vendor limits requests (" + std::to_string(closed.status) + ")";
        case GateCause::pace: return "the configured rate_limits are used up";
        case GateCause::failing: return "the model has failed several times in a row";
        case GateCause::in_flight: return "max_in_flight requests are on the wire";
    }
    return {};
}

}  // namespace

Lane AttemptLoop::lane_of(const Target& target) const {
    return {target.slot, target.model, static_cast<std::size_t>(&target - targets_.data()), settings_.pass_through};
}

bool AttemptLoop::eligible(const Target& target) const {
    if (target.out || (same_model_ && target.group != targets_[current_].group)) return false;
    if (target.only_for.empty() && policy_only_) return false;
    if (target.only_for == "content_policy" && !policy_only_) return false;
    if (target.only_for == "context_length" && (!window_needed_ || policy_only_)) return false;
    if (!window_needed_) return true;
    const std::uint64_t window = settings_.context_window(target);
    // Who names a model for this very cause knows what he does, unless its window is known to be no larger.
    if (!target.only_for.empty()) return window == 0 || *window_needed_ == 0 || window > *window_needed_;
    return window > *window_needed_;
}

std::size_t AttemptLoop::untried(TimePoint now) const {
    return static_cast<std::size_t>(std::count_if(targets_.begin(), targets_.end(), [&](const Target& target) {
        if (target.tries > 0 || &target == &targets_[current_] || !eligible(target)) return false;
        if (!target.traffic->keys.may_use(target.slot, target.model, false, now)) return false;
        const std::optional<Closed> closed = target.traffic->gates.closed(lane_of(target), now);
        return !(closed && closed->until && *closed->until > deadline_);
    }));
}

std::vector<std::size_t> AttemptLoop::order_of(std::optional<std::size_t> preferred, bool other_group_first) const {
    std::vector<std::size_t> order;
    order.reserve(targets_.size());
    if (preferred) order.push_back(*preferred);
    for (std::size_t i = 0; i < targets_.size(); ++i)
        if (i != preferred) order.push_back(i);
    if (other_group_first)
        std::stable_partition(order.begin(), order.end(),
                              [&](std::size_t i) { return targets_[i].group != targets_[current_].group; });
    return order;
}

Action AttemptLoop::choose(TimePoint now, std::optional<std::size_t> preferred, bool other_group_first) {
    closed_.reset();
    any_candidate_ = false;
    lanes_.clear();
    if (!last_) {  // nearly always the first one may go at once, and then the deadline has nothing to bound
        const Target& first = targets_.front();
        if (first.traffic->keys.may_use(first.slot, first.model, false, now))
            if (first.traffic->gates.try_pass(lane_of(first), now, pass_)) return send(0, now);
    }
    if (now >= deadline_ && last_) return fail(now);
    const std::vector<std::size_t> order = order_of(preferred, other_group_first);
    for (const bool needed : {false, true}) {
        needed_ = needed;
        if (std::optional<Action> found = try_targets(order, now)) return std::move(*found);
        if (any_candidate_) break;
    }
    if (!lanes_.empty()) {
        Action queue;
        queue.kind = Action::Kind::queue;
        queue.reason = gate_cause_label(waiting_for());
        return queue;
    }
    if (std::optional<Action> again = back_to_rested(now)) return std::move(*again);
    if (any_candidate_) return refuse_waiting(now);
    return last_ ? fail(now) : no_usable_key(now);
}

/// No other target is left: one that had its `per_target` gets what is left of the attempts.
std::optional<Action> AttemptLoop::back_to_rested(TimePoint now) {
    Target* found = nullptr;
    for (Target& target : targets_)
        if (target.rested && eligible(target) && (!found || target.not_before < found->not_before)) found = &target;
    if (!found) return std::nullopt;
    const TimePoint until = std::max(now + pause_before(attempts_ + 1, std::nullopt), found->not_before);
    if (until > deadline_) return std::nullopt;
    found->rested = false;
    current_ = static_cast<std::size_t>(found - targets_.data());
    Action pause;
    pause.kind = Action::Kind::pause;
    pause.until = until;
    return pause;
}

/// The first of them that may go now. Otherwise `lanes_` are those that it makes sense to wait for.
std::optional<Action> AttemptLoop::try_targets(const std::vector<std::size_t>& order, TimePoint now) {
    for (const std::size_t i : order) {
        const Target& target = targets_[i];
        if (!eligible(target) || target.rested ||
            !target.traffic->keys.may_use(target.slot, target.model, needed_, now))
            continue;
        any_candidate_ = true;
        Gates& gates = target.traffic->gates;
        if (gates.try_pass(lane_of(target), now, pass_)) return send(i, now);
        const std::optional<Closed> closed = gates.closed(lane_of(target), now);
        if (!closed_) closed_ = closed;
        if (now >= deadline_ || (closed && closed->until && *closed->until > deadline_)) continue;
        const auto same = std::find_if(lanes_.begin(), lanes_.end(),
                                       [&](const auto& lanes) { return lanes.first == target.traffic; });
        if (same == lanes_.end())
            lanes_.push_back({target.traffic, {lane_of(target)}});
        else
            same->second.push_back(lane_of(target));
    }
    return std::nullopt;
}

Action AttemptLoop::granted(Grant grant, TimePoint now) {
    pass_ = std::move(grant.pass);
    const Target& target = targets_[grant.target];
    if (target.traffic->keys.may_use(target.slot, target.model, needed_, now)) return send(grant.target, now);
    pass_.give_back();  // the key was refused meanwhile
    return choose(now, std::nullopt);
}

Action AttemptLoop::send(std::size_t target, TimePoint now) {
    const Target& to = targets_[target];
    key_was_usable_ = to.traffic->keys.state(to.slot) == KeyState::usable;
    to.traffic->keys.tried(to.slot, now);
    const bool moved = to.group != (sent_any_ ? targets_[current_].group : 0);
    if (to.group == 0)
        fallback_reason_ = {};
    else if (moved)
        fallback_reason_ = last_ ? last_->judged.reason : closed_ ? gate_cause_label(closed_->cause) : "key";
    current_ = target;
    sent_any_ = true;
    Action action;
    action.kind = Action::Kind::send;
    action.target = target;
    action.how.without_usage = usage_refused_;
    action.how.fresh_connection = replaced_;
    action.reason = last_ ? last_->judged.reason : std::string_view();
    return action;
}

// ---- why none

Action AttemptLoop::fail(TimePoint now) const {
    const auto& [outcome, judged] = *last_;
    const FinalStatus final = final_status(outcome, judged);
    Action action;
    action.kind = Action::Kind::fail;
    action.status = final.status;
    action.code = final.code;
    action.reason = judged.reason;
    action.hint = judged.hint;
    if (!nearest_.empty()) action.hint = nearest_;
    if (judged.wait && (final.status == 429 || final.status == 503)) {
        const std::optional<Closed> closed = targets_[current_].traffic->gates.closed(lane_of(targets_[current_]), now);
        action.retry_after =
            retry_after(closed && closed->until ? std::max<std::chrono::nanoseconds>(*closed->until - now, *judged.wait)
                                                : std::chrono::nanoseconds(*judged.wait));
    }
    return action;
}

Action AttemptLoop::too_late(TimePoint now) {
    for (const auto& [traffic, lanes] : lanes_)
        for (const Lane& lane : lanes)
            if (std::optional<Closed> closed = traffic->gates.closed(lane, now)) closed_ = closed;
    return refuse_waiting(now);
}

Action AttemptLoop::refuse_waiting(TimePoint now) const {
    if (last_ && last_->judged.verdict == Verdict::retry_after_wait) return fail(now);
    const Closed closed = closed_.value_or(Closed{GateCause::in_flight, std::nullopt, 0});
    const bool failing = closed.cause == GateCause::failing;
    Action action;
    action.kind = Action::Kind::fail;
    action.status = failing ? 503 : 429;
    action.code = failing ? "upstream_failing" : "rate_limited";
    action.reason = gate_cause_label(closed.cause);
    message_ = why_closed(closed);
    if (closed.until && *closed.until > now) {
        action.retry_after = retry_after(*closed.until - now);
        message_ += "; it opens in " + for_people(*closed.until - now) + ", after this request's deadline";
    } else {
        message_ += ", and this request's deadline has passed";
    }
    action.hint =
        "A longer x-streamkeeper-max-wait, a client timeout above the wait, another key or a fallback model "
        "would get it through.";
    action.message = message_;
    return action;
}

Action AttemptLoop::queue_full() const {
    Action action;
    action.kind = Action::Kind::fail;
    action.status = 429;
    action.code = "queue_full";
    action.reason = gate_cause_label(waiting_for());
    message_ = "as many requests as `queue` allows wait already, because " +
               why_closed(closed_.value_or(Closed{GateCause::in_flight, std::nullopt, 0}));
    action.hint = "Send fewer at a time, or raise the upstream's `queue`.";
    action.message = message_;
    return action;
}

Action AttemptLoop::no_usable_key(TimePoint now) const {
    const Target* refused = &targets_.front();
    const KeyRefusal* refusal = nullptr;
    for (const Target& target : targets_) {  // the last one is told
        const KeyRefusal* const one = target.traffic->keys.refusal(target.slot, target.model, now);
        if (!one || (refusal && one->at < refusal->at)) continue;
        refusal = one;
        refused = &target;
    }
    Action action;
    action.kind = Action::Kind::fail;
    action.status = refusal ? refusal->status : 401;
    action.code = refusal ? std::string_view(refusal->code) : std::string_view();
    action.reason = action.status == 402 ? "billing" : "auth";
    const std::string name = refused->key ? refused->key->name : "the key";
    message_ = "no key is usable: " + name + " was refused with " + std::to_string(action.status);
    if (refusal && !refusal->code.empty()) message_ += " " + refusal->code;
    if (refusal) message_ += " " + for_people(now - refusal->at) + " ago";
    action.hint = action.status == 402 ? "Top up or add a key; streamkeeper tries it again at most once a minute."
                                       : "Correct or add a key; streamkeeper tries it again at most once a minute.";
    action.message = message_;
    return action;
}

}  // namespace streamkeeper
