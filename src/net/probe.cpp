// The probe: one small call that shows how an upstream goes on with an open turn (resumption.md, "Probe").
#include <algorithm>

#include "net/exchange.hpp"
#include "net/resumption.hpp"
#include "streamkeeper/forwarding.hpp"
#include "streamkeeper/usage.hpp"

namespace streamkeeper::net {

namespace {

constexpr Duration probe_may_take{30'000};
constexpr std::size_t largest_probe_answer = 64u << 10;

/// Some vendors say with a 400 what time or another key would mend.
bool is_last_word(const Outcome& outcome) {
    switch (judge(outcome).verdict) {
        case Verdict::fail_now:
        case Verdict::other_model:
        case Verdict::refresh_model_list: return true;
        case Verdict::retry_same:
        case Verdict::retry_after_wait:
        case Verdict::other_key: return false;
    }
    return true;
}

}  // namespace

bool Exchange::wants_probe() const {
    return going_on() && resumption->strategy == Strategy::prefix && resumption->how.seam == Seam::unknown;
}

/// Asks once how this upstream goes on with an open turn, or waits for somebody who asks; then decides anew.
Task<void> Exchange::probe_seam(AttemptLoop& loop, Action& action) {
    const Target target = plan.targets[action.target];
    Capabilities& known = target.traffic->capabilities;
    const std::string kind = resumption->facts->kind;
    const auto own = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(this));
    bool over = false;
    const bool mine = known.begin_probe(target.model, kind, own, [this, &over] {
        over = true;
        core.wake_in_turn(session);
    });
    std::optional<Action> before_next;
    if (mine) {
        co_await make_probe(loop, target, before_next);
        known.end_probe(target.model, kind);
    } else {
        loop.pass().give_back();
        Wake why = Wake::ready;
        session.deadlines.set(Deadline::pause, core.reactor.now(), probe_may_take);
        while (!over && !client_gone && why != Wake::shutdown &&
               !session.deadlines.passed(Deadline::pause, core.reactor.now())) {
            why = co_await session.wait();
            client_gone = why == Wake::client_gone;
        }
        session.deadlines.clear(Deadline::pause);
        if (!over) known.leave_probe(own);
    }
    if (client_gone) co_return;
    if (session.ending()) {
        action = stopping();
        co_return;
    }
    const bool learnt = known.learnt(target.model, kind, core.reactor.now()).has_value();
    if (mine && !learnt && before_next) {  // a probe may fail like any other call; then it is made again
        action = std::move(*before_next);
        co_return;
    }
    resumption->refused = resumption->refused || (mine && !learnt);
    resumption->due = choose_strategy() != GoOn::never;
    if (learnt && wants_probe()) {  // its answer is not to be had
        resumption->refused = true;
        resumption->due = choose_strategy() != GoOn::never;
    }
    action = resumption->due ? loop.once_more(core.reactor.now()) : loop.give_up(core.reactor.now());
}

Task<void> Exchange::make_probe(AttemptLoop& loop, const Target& target, std::optional<Action>& before_next) {
    Leg leg;
    leg.pass = &loop.pass();
    leg.state = core.state_of(target.upstream);
    const Timeouts kept = timeouts;
    timeouts.first_byte = std::min(timeouts.first_byte, probe_may_take);
    timeouts.total = std::min(timeouts.total, probe_may_take);
    const std::string text =
        probe_body(asked.endpoint, target.model, resumption->how.prefill, resumption->facts->probe_members);
    std::string answer;
    const bool opened = co_await open(leg, true);  // a stale connection would spend the probe
    if (opened) {
        http::UpstreamHead to{"POST", {}, target.upstream.get(), target.key, {}, true, false};
        const std::string path = target.upstream->base_url.path + asked.suffix + asked.query;
        to.target = path;
        to.same_request = false;
        to.body = {http::Framing::Kind::length, text.size()};
        leg.request.emplace(http::upstream_head(head, to), std::vector<std::string_view>{text});
        const bool answered = co_await send_and_read_head(leg);
        const int status = answered ? leg.answer->head().status : 0;
        if (answered && status < 400) co_await read_probe_answer(leg, answer);
        if (answered && status >= 400) co_await read_error(leg);
        // Not at the head, as for answers that are shown: an error may hide in a 200.
        if (answered) leg.pass->answered(status < 300 && leg.outcome.cause == Cause::answered, Clock::now());
    }
    if (leg.outcome.cause == Cause::client_gone) client_gone = true;
    learn_from_probe(leg, target, answer);
    before_next = loop.after_probe(leg.outcome, core.reactor.now());
    timeouts = kept;
    settle(leg);
}

Task<void> Exchange::read_probe_answer(Leg& leg, std::string& answer) {
    leg.undo_encoding();
    while (answer.size() < largest_probe_answer) {
        const Payload next = co_await next_payload(leg, Phase::before_output);
        if (next.state != Payload::State::run) break;
        answer.append(next.bytes);
    }
    // An error in a 200 (errors.md, trap 4) says nothing about turns.
    if (leg.outcome.cause != Cause::answered || !json::find(answer, "choices").empty() ||
        !json::find(answer, "content").empty())
        co_return;
    const http::ResponseHead& from = leg.answer->head();
    VendorError error = read_vendor_error(from.status, from.fields.get("content-type"), answer);
    if (!error.found() || error.html) co_return;
    leg.fail(Phase::before_output, Cause::stream_error, "");
    leg.outcome.error = std::move(error);
    read_waits(leg);
}

void Exchange::learn_from_probe(const Leg& leg, const Target& target, std::string_view answer) {
    Capabilities& known = target.traffic->capabilities;
    const TimePoint now = core.reactor.now();
    const int status = leg.outcome.status;
    const bool told = leg.outcome.cause == Cause::answered;
    const Prefill asked_with = resumption->how.prefill;
    std::string_view meaning = "no answer";
    if (told && status == 200) {
        ProbeRecord made{target.upstream->name, target.model, {}};
        read_usage(answer, made.usage);
        record.probes.push_back(std::move(made));
        const Resume settings = resume_settings();
        const bool echoes =
            settings.configured.seam.value_or(settings.preset.seam.value_or(Seam::unknown)) == Seam::echo;
        const std::optional<Seam> seam = read_probe(asked.endpoint, answer, echoes);
        known.probed(target.model, resumption->facts->kind, seam ? asked_with : Prefill::none,
                     seam.value_or(Seam::unknown), now);
        meaning = !seam ? "the turn is closed" : *seam == Seam::echo ? "it repeats the prefix" : "it goes on exactly";
    } else if (told && (status == 400 || status == 404 || status == 422) && is_last_word(leg.outcome)) {
        known.probed(target.model, resumption->facts->kind, Prefill::none, Seam::unknown, now);
        meaning = "it refuses";
    }
    core.log(LogLevel::info, record.id + " probe of " + target.upstream->name + "/" + target.model +
                                 " (billed, about 40 tokens): status " + std::to_string(status) + ", " +
                                 std::string(meaning));
}

}  // namespace streamkeeper::net
