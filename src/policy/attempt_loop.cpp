// What an outcome means for the request, for its targets and for everybody else.
#include "streamkeeper/attempt_loop.hpp"

#include <algorithm>
#include <cmath>

#include "policy/correction.hpp"
#include "policy/final_status.hpp"

namespace streamkeeper {

namespace {

bool went_well(const Outcome& outcome) { return outcome.cause == Cause::answered && outcome.status < 400; }

/// Nobody is left to be told, or nothing may be said any more.
bool beyond_retry(const Outcome& outcome, GoOn go_on) {
    return go_on == GoOn::never || (outcome.phase == Phase::after_output && go_on == GoOn::freely) ||
           outcome.cause == Cause::client_gone || outcome.cause == Cause::client_error ||
           outcome.cause == Cause::client_slow || outcome.cause == Cause::shutdown;
}

/// The words of a failure count the same whenever it came.
Judgement judge_words(Outcome outcome, GoOn go_on) {
    const bool goes_on = go_on == GoOn::anew || go_on == GoOn::same_model;
    if (goes_on && outcome.cause == Cause::stream_error) outcome.phase = Phase::before_output;
    return judge(outcome);
}

/// Counts for `failing`: failures that may be the model's own; 4xx and 429 never.
bool model_failed(const Outcome& outcome, const Judgement& judged) {
    if (judged.verdict != Verdict::retry_same && judged.verdict != Verdict::other_model) return false;
    const bool status =
        outcome.cause == Cause::answered || outcome.cause == Cause::stream_error || outcome.cause == Cause::not_an_api;
    return status ? outcome.error.eff_status >= 500 : judged.verdict == Verdict::retry_same;
}

/// Another upstream need not share it: a wrong base URL, a certificate, a firewall's page.
bool upstreams_own(const Outcome& outcome, std::string_view reason) {
    return outcome.cause == Cause::not_an_api || reason == "not_an_api" || reason == "tls" || reason == "proxy" ||
           reason == "geo";
}

/// A vendor's code is shown again in other requests' answers, so it must be a code and no text.
std::string word(const std::string& code) {
    const bool plain = code.size() <= 64 && std::all_of(code.begin(), code.end(), [](unsigned char c) {
                           return std::isalnum(c) || c == '_' || c == '.' || c == '-';
                       });
    return plain ? code : std::string();
}

}  // namespace

/// A pooled connection that the upstream had closed meanwhile: replaced once, free, if nothing of an answer came.
bool AttemptLoop::stale(const Outcome& outcome) const {
    return !replaced_ && outcome.cause == Cause::closed && outcome.connection_was_reused && !outcome.answer_began;
}

Action AttemptLoop::on(const Outcome& outcome, TimePoint now, GoOn go_on) {
    Traffic& traffic = *targets_[current_].traffic;
    ended_reason_ = {};
    if (went_well(outcome)) {
        traffic.keys.worked(targets_[current_].slot);
        traffic.gates.succeed(lane_of(targets_[current_]));
        pass_.give_back();
        return {};
    }
    if (stale(outcome)) {
        replaced_ = true;
        ended_reason_ = "network";
        pass_.give_back();  // it counted as a send; the next one asks the gates like any other
        return at_once(now);
    }
    last_ = std::make_unique<Failure>(Failure{outcome, judge_words(outcome, go_on)});
    nearest_.clear();
    const Judgement judged = last_->judged;
    ended_reason_ = judged.reason;
    const bool beyond = beyond_retry(outcome, go_on);
    if (!beyond) teach(outcome, judged, now);
    pass_.give_back();
    const bool possible = settings_.replayable || outcome.phase == Phase::connecting;
    Action action = beyond || !possible     ? fail(now)
                    : go_on == GoOn::freely ? after_failure(judged, now)
                                            : after_break(outcome, judged, go_on, now);
    if (action.reason.empty()) action.reason = judged.reason;
    return action;
}

Action AttemptLoop::after_failure(const Judgement& judged, TimePoint now) {
    if (judged.verdict == Verdict::retry_after_wait) return choose(now, std::nullopt);
    ++attempts_;
    ++targets_[current_].tries;
    const bool our_fault = judged.reason == "unsupported_param" && !usage_refused_;
    if (attempts_ >= settings_.retry.attempts && !our_fault) return fail(now);
    switch (judged.verdict) {
        case Verdict::retry_same: return same_again(judged, now);
        case Verdict::retry_after_wait: break;
        case Verdict::other_key: targets_[current_].out = true; break;
        case Verdict::other_model:
            if (judged.reason == "context_length")
                window_needed_ = std::max(window_needed_.value_or(0), settings_.context_window(targets_[current_]));
            leave_group();
            break;
        case Verdict::refresh_model_list: {
            if (targets_[current_].renamed || settings_.pass_through) {
                leave_group();
                break;
            }
            Action refresh;
            refresh.kind = Action::Kind::refresh_models;
            refresh.target = current_;
            return refresh;
        }
        case Verdict::fail_now:
            if (judged.reason == "content_policy") {
                policy_only_ = true;
                leave_group();
            } else if (upstreams_own(last_->outcome, judged.reason)) {
                leave_upstream();
            } else {
                return fail(now);
            }
            break;
    }
    return choose(now, std::nullopt);
}

/// Output was shown. The call that broke is none of `resume.attempts`; those that follow are.
Action AttemptLoop::after_break(const Outcome& outcome, const Judgement& judged, GoOn go_on, TimePoint now) {
    same_model_ = go_on == GoOn::same_model;
    const bool waits = judged.verdict == Verdict::retry_after_wait;
    if (resuming_ && !waits && judged.reason != "unsupported_param") ++resumes_;
    resuming_ = true;
    if (resumes_ >= resume_attempts_) return fail(now);
    // What the upstream says in the middle of an answer and no other call would change is the last word; a call that
    // was to go on with it may still try another key.
    const bool in_answer = outcome.phase == Phase::after_output;
    switch (judged.verdict) {
        case Verdict::retry_same: return resume(judged, now);
        case Verdict::retry_after_wait: return choose(now, std::nullopt);
        case Verdict::other_key:
            if (in_answer) return fail(now);
            targets_[current_].out = true;
            return choose(now, std::nullopt);
        case Verdict::other_model:
        case Verdict::refresh_model_list:
        case Verdict::fail_now: break;
    }
    if (in_answer || same_model_ || judged.verdict == Verdict::fail_now) return fail(now);
    leave_group();
    return choose(now, std::nullopt);
}

/// The first one starts at once, unless the vendor asked to wait; later ones pause as retries do.
Action AttemptLoop::resume(const Judgement& judged, TimePoint now) {
    if (judged.reason == "unsupported_param") usage_refused_ = true;
    if (judged.reason == "unsupported_param" || (resumes_ == 0 && !judged.wait)) return at_once(now);
    const TimePoint until = now + pause_before(resumes_ + 1, judged.wait);
    if (until > deadline_) return fail(now);
    Action pause;
    pause.kind = Action::Kind::pause;
    pause.until = until;
    return pause;
}

Action AttemptLoop::refused_way(const Outcome& outcome, TimePoint now, bool another) {
    resuming_ = true;
    ++resumes_;
    ended_reason_ = judge(outcome).reason;
    pass_.give_back();
    return !another || resumes_ >= resume_attempts_ ? fail(now) : at_once(now);
}

Action AttemptLoop::once_more(TimePoint now) {
    pass_.give_back();
    return choose(now, current_);
}

std::optional<Action> AttemptLoop::after_probe(const Outcome& outcome, TimePoint now) {
    Traffic& traffic = *targets_[current_].traffic;
    if (went_well(outcome)) {
        traffic.keys.worked(targets_[current_].slot);
        traffic.gates.succeed(lane_of(targets_[current_]));
        return std::nullopt;
    }
    const Judgement judged = judge(outcome);
    if (!beyond_retry(outcome, GoOn::same_model)) teach(outcome, judged, now);
    pass_.give_back();
    switch (judged.verdict) {
        case Verdict::retry_after_wait: return choose(now, current_);
        case Verdict::other_key: targets_[current_].out = true; return choose(now, std::nullopt);
        case Verdict::retry_same: break;
        case Verdict::other_model:
        case Verdict::refresh_model_list:
        case Verdict::fail_now: return std::nullopt;
    }
    const TimePoint until = now + pause_before(++probes_, judged.wait);
    if (probes_ >= std::max(resume_attempts_, 1U) || until > deadline_) return std::nullopt;
    Action pause;
    pause.kind = Action::Kind::pause;
    pause.until = until;
    return pause;
}

Action AttemptLoop::give_up(TimePoint now) {
    pass_.give_back();
    return fail(now);
}

/// The same target once more, without a pause, unless a gate or the key has closed meanwhile.
Action AttemptLoop::at_once(TimePoint now) {
    const Target& target = targets_[current_];
    const bool lost = key_was_usable_ && target.traffic->keys.state(target.slot) != KeyState::usable;
    if (!lost && target.traffic->gates.try_pass(lane_of(target), now, pass_)) return send(current_, now);
    return choose(now, current_);
}

/// The caps of errors.md count only while another target is left.
bool AttemptLoop::spent(const Judgement& judged) const {
    const int tries = targets_[current_].tries;
    const bool short_cap =
        judged.reason == "timeout" || judged.reason == "overload" || last_->outcome.cause == Cause::dns;
    return tries >= static_cast<int>(settings_.retry.per_target) || (short_cap && tries >= 2);
}

Action AttemptLoop::same_again(const Judgement& judged, TimePoint now) {
    if (judged.reason == "unsupported_param") {
        // It was our own wish that was refused: that is no failure which a deadline or a pause has to bound.
        usage_refused_ = true;
        return at_once(now);
    }
    const std::size_t others = untried(now), left = settings_.retry.attempts - attempts_;
    const TimePoint until = now + pause_before(attempts_ + 1, judged.wait);
    const bool too_long = until > deadline_;
    if (others > 0 && (spent(judged) || left <= others || too_long)) {
        targets_[current_].rested = true;
        targets_[current_].not_before = until;
        return choose(now, std::nullopt, true);
    }
    if (too_long) return fail(now);
    const std::optional<Closed> closed = targets_[current_].traffic->gates.closed(lane_of(targets_[current_]), now);
    if (closed && closed->until && *closed->until > deadline_) return choose(now, current_);  // known already
    Action pause;
    pause.kind = Action::Kind::pause;
    pause.until = until;
    return pause;
}

/// Contract, "Retry": a hint is a floor, never the whole wait.
std::chrono::nanoseconds AttemptLoop::pause_before(unsigned attempt, std::optional<Wait> floor) const {
    const double base = std::chrono::duration<double>(settings_.retry.base).count();
    const double cap = std::chrono::duration<double>(settings_.retry.cap).count();
    const double own = (0.5 + 0.5 * settings_.uniform()) * std::min(cap, base * std::exp2(std::min(attempt - 1, 40U)));
    const double asked = floor ? std::chrono::duration<double>(*floor).count() * (1 + 0.25 * settings_.uniform()) : 0;
    const double seconds = std::min(std::max(own, asked), 1e9);
    return std::chrono::nanoseconds(static_cast<std::int64_t>(std::ceil(seconds * 1e9)));
}

void AttemptLoop::teach(const Outcome& outcome, const Judgement& judged, TimePoint now) {
    Traffic& traffic = *targets_[current_].traffic;
    const Lane lane = lane_of(targets_[current_]);
    const int status = outcome.error.eff_status;
    if (judged.verdict == Verdict::retry_after_wait)
        traffic.gates.refuse(
            pass_, lane, judged.reason == "overload", status,
            [&](unsigned in_a_row) { return pause_before(in_a_row + 1, judged.wait); }, now);
    if (judged.verdict == Verdict::other_key) refuse_key(outcome, judged, now);
    if (outcome.phase != Phase::after_output && model_failed(outcome, judged))
        traffic.gates.fail(pass_, lane, status, now);
}

void AttemptLoop::refuse_key(const Outcome& outcome, const Judgement& judged, TimePoint now) {
    const Target& target = targets_[current_];
    if (!target.key) return;
    KeyStates& keys = target.traffic->keys;
    const VendorError& error = outcome.error;
    KeyRefusal refusal{final_status(outcome, judged).status, word(error.type), word(error.code), now};
    const bool one_model = error.eff_status == 403 || error.type == "key_model_access_denied";
    if (judged.reason == "billing")
        keys.park(target.slot, std::move(refusal));
    else if (error.code == "ip_not_allowed" || error.code == "account_suspended")
        keys.forbid(target.slot, {}, std::move(refusal));
    else if (one_model)
        keys.forbid(target.slot, target.model, std::move(refusal));
    else
        keys.retire(target.slot, std::move(refusal));
}

void AttemptLoop::leave_group() {
    const std::size_t group = targets_[current_].group;
    for (Target& target : targets_)
        if (target.group == group) target.out = true;
}

void AttemptLoop::leave_upstream() {
    const Upstream* const upstream = targets_[current_].upstream.get();
    for (Target& target : targets_)
        if (target.upstream.get() == upstream) target.out = true;
}

Action AttemptLoop::models_known(std::span<const std::string_view> ids, TimePoint now) {
    Target& refused = targets_[current_];
    const std::string asked = refused.model;
    const std::optional<std::string_view> right = correction(asked, ids, settings_.model_names);
    if (!right) {
        nearest_ = nearest_names(asked, ids);
        leave_group();
        return choose(now, std::nullopt);
    }
    if (*right != asked) refused.traffic->corrected[asked] = *right;
    for (Target& target : targets_) {
        if (target.group != refused.group) continue;
        target.model = *right;
        target.renamed = true;
    }
    return choose(now, current_);
}

}  // namespace streamkeeper
