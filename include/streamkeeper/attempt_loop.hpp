/// The attempt loop: which target to try now, what to do when a try has ended, when to wait and when to give up
/// (contract, section 2 "Retry" and section 4). Pure: time and chance are handed in; the network only obeys.
///
///     start ─► send ─► on(outcome) ─► send | pause ─► go_on | queue ─► granted | refresh_models ─► models_known
///                                     └► finish | fail
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "streamkeeper/judge.hpp"
#include "streamkeeper/plan.hpp"
#include "streamkeeper/traffic.hpp"

namespace streamkeeper {

/// What to do now.
struct Action {
    enum class Kind {
        finish,          ///< record; nothing is left to do
        send,            ///< one attempt at `target`; the loop's `pass` is its permission
        pause,           ///< wait until `until`, then `go_on`
        queue,           ///< wait at the gates of `lanes()`, then `granted`
        refresh_models,  ///< fetch `target`'s model list unless it is new, then `models_known`
        fail,            ///< tell the client: with `status` and `code` if nothing was shown, else as after a commit
    };
    Kind kind = Kind::finish;
    std::size_t target = 0;
    /// Of `send`.
    struct How {
        bool fresh_connection = false;  ///< the pooled one was stale
        bool without_usage = false;     ///< this upstream has refused the option that we added
    } how{};
    TimePoint until{};               ///< of `pause`
    int status = 0;                  ///< of `fail`
    std::string_view code;           ///< of `fail`; empty: the vendor's
    std::string_view reason;         ///< a label: why the attempt failed, or why none was made
    std::optional<int> retry_after;  ///< of `fail` with 429 or 503: whole seconds, 1 to 60
    std::string_view message;        ///< of `fail` without an outcome to show; valid as long as the loop
    std::string_view hint;           ///< of `fail`: what the user can do
};

/// What may follow a failure, by what the client has seen of the answer.
enum class GoOn {
    freely,      ///< it has seen nothing: any target may answer
    anew,        ///< it has seen reasoning: any target may answer, and it counts for `resume.attempts`
    same_model,  ///< it has seen text: only the upstream and model that wrote it may go on; counts likewise
    never,       ///< nothing
};

/// What one request may do.
struct LoopSettings {
    Retry retry;
    TimePoint deadline = TimePoint::max();  ///< past it no wait and no attempt begins
    bool replayable = true;                 ///< false: the body can't be sent twice, so only a connect failure is
    bool pass_through = false;
    ModelNames model_names = ModelNames::fix;
    std::function<double()> uniform;                             ///< chance: [0, 1)
    std::function<std::uint64_t(const Target&)> context_window;  ///< tokens; 0: unknown
};

class AttemptLoop {
public:
    /// Both outlive the loop.
    AttemptLoop(std::vector<Target>& targets, const LoopSettings& settings)
        : targets_(targets), settings_(settings), deadline_(settings.deadline) {}

    Action start(TimePoint now) { return choose(now, std::nullopt); }
    /// An attempt has ended. The pass is given back.
    Action on(const Outcome&, TimePoint now, GoOn go_on = GoOn::freely);
    /// Output was shown, and the answer broke: what counts from now on. `attempts` are the calls that may follow.
    void extend(TimePoint deadline, unsigned attempts) {
        deadline_ = deadline;
        resume_attempts_ = attempts;
    }
    /// The upstream refused how it was asked to go on: it is asked in another way at once, if there is one. What ends
    /// the request otherwise is the break, not that refusal of our own wish.
    Action refused_way(const Outcome&, TimePoint now, bool another);
    /// The pass was spent on something else than the attempt (a probe): asks for another one.
    Action once_more(TimePoint now);
    /// A probe has ended without a result: what comes before the next one, as for any call, though it counts for no
    /// attempts. Nothing: there is to be none, or it went well.
    std::optional<Action> after_probe(const Outcome&, TimePoint now);
    /// There is no way to go on after all.
    Action give_up(TimePoint now);
    /// A pause is over.
    Action go_on(TimePoint now) { return choose(now, current_); }
    /// A gate let the request go.
    Action granted(Grant, TimePoint now);
    /// The deadline has passed, or every gate is known to stay closed beyond it.
    Action too_late(TimePoint now);
    /// `queue` requests wait already.
    Action queue_full() const;
    /// The ids that the upstream of the last attempt lists; empty: the list can't be had.
    Action models_known(std::span<const std::string_view> ids, TimePoint now);

    Pass& pass() { return pass_; }
    /// Of the attempt that failed last; null if none did.
    const Outcome* last() const { return last_ ? &last_->outcome : nullptr; }
    /// Why the attempt that has just ended failed; empty if it went well.
    std::string_view ended_reason() const { return ended_reason_; }
    /// Where `queue` waits.
    using Lanes = std::vector<std::pair<Traffic*, std::vector<Lane>>>;
    const Lanes& lanes() const { return lanes_; }
    /// What closed the first of them.
    GateCause waiting_for() const { return closed_ ? closed_->cause : GateCause::in_flight; }
    /// Why the last attempt's target differs from the one asked for; empty if it does not.
    std::string_view fallback_reason() const { return fallback_reason_; }

private:
    /// The last attempt that failed.
    struct Failure {
        Outcome outcome;
        Judgement judged;
    };
    // ---- attempt_loop.cpp: what an outcome means for this request
    Action after_failure(const Judgement&, TimePoint now);
    Action after_break(const Outcome&, const Judgement&, GoOn go_on, TimePoint now);
    Action resume(const Judgement&, TimePoint now);
    Action same_again(const Judgement&, TimePoint now);
    Action at_once(TimePoint now);
    void teach(const Outcome&, const Judgement&, TimePoint now);
    void refuse_key(const Outcome&, const Judgement&, TimePoint now);
    void leave_group();
    void leave_upstream();
    bool spent(const Judgement&) const;
    bool stale(const Outcome&) const;
    std::chrono::nanoseconds pause_before(unsigned attempt, std::optional<Wait> floor) const;
    // ---- attempt_choice.cpp: which target now, or why none
    Action choose(TimePoint now, std::optional<std::size_t> preferred, bool other_group_first = false);
    std::optional<Action> try_targets(const std::vector<std::size_t>& order, TimePoint now);
    std::optional<Action> back_to_rested(TimePoint now);
    std::vector<std::size_t> order_of(std::optional<std::size_t> preferred, bool other_group_first) const;
    /// With the pass that was just taken.
    Action send(std::size_t target, TimePoint now);
    Action fail(TimePoint now) const;
    Action refuse_waiting(TimePoint now) const;
    Action no_usable_key(TimePoint now) const;
    bool eligible(const Target&) const;
    std::size_t untried(TimePoint now) const;
    Lane lane_of(const Target& target) const;

    std::vector<Target>& targets_;
    const LoopSettings& settings_;
    TimePoint deadline_;
    Pass pass_;
    std::size_t current_ = 0;
    unsigned attempts_ = 0;  ///< upstream calls that count
    bool replaced_ = false;  ///< the one free replacement of a stale pooled connection is used
    unsigned resume_attempts_ = 0;
    unsigned resumes_ = 0;  ///< calls after output was shown that failed
    unsigned probes_ = 0;   ///< probes that failed, but for those that had to wait
    bool resuming_ = false, same_model_ = false;
    bool usage_refused_ = false, sent_any_ = false, policy_only_ = false;
    std::optional<std::uint64_t> window_needed_;  ///< a model's context was too small: only larger ones
    std::unique_ptr<Failure> last_;
    Lanes lanes_;
    std::optional<Closed> closed_;  ///< the gate that stands in the way
    bool any_candidate_ = false;
    bool key_was_usable_ = true;  ///< when the last attempt was sent
    bool needed_ = false;         ///< no other key is left: a refused one may be tried again
    std::string_view fallback_reason_, ended_reason_;
    mutable std::string message_;  ///< of the last action
    std::string nearest_;          ///< names that the user may have meant
};

}  // namespace streamkeeper
