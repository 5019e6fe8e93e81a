// Obeys the attempt loop: sends, pauses, waits at gates, asks for names, and says what came of it.
#include <algorithm>
#include <charconv>

#include "net/exchange.hpp"

namespace streamkeeper::net {

namespace {

/// Whose turn it is at a gate: the configured client, else the tool that its User-Agent names.
std::string waiting_as(const Exchange& exchange) {
    if (!exchange.record.client.empty()) return exchange.record.client;
    return std::string(exchange.head.fields.get("user-agent").substr(0, 64));
}

std::string place(const Target& target) { return target.upstream->name + "/" + target.model; }

}  // namespace

Known Exchange::known_of(const std::shared_ptr<const Upstream>& upstream) const {
    return core.state_of(upstream)->known();
}

/// The configured size counts, else what the upstream's list says under one of its names (vendors.md, 6).
std::uint64_t Exchange::context_window(const Target& target) const {
    const auto configured = config->models.find(target.model);
    if (configured != config->models.end() && configured->second.context > 0) return configured->second.context;
    return core.state_of(target.upstream)->models.context(target.model);
}

LoopSettings Exchange::loop_settings() {
    LoopSettings settings;
    settings.retry = config->retry;
    settings.deadline = deadline;
    settings.pass_through = !asked.policy;
    settings.replayable = asked.policy || repeatable(head);
    settings.model_names = config->model_names;
    settings.uniform = [this] { return core.uniform(); };
    settings.context_window = [this](const Target& target) { return context_window(target); };
    return settings;
}

Task<void> Exchange::loop_attempts() {
    const LoopSettings settings = loop_settings();
    AttemptLoop loop(plan.targets, settings);
    Action action = loop.start(core.reactor.now());
    while (action.kind != Action::Kind::finish && action.kind != Action::Kind::fail) {
        if (action.kind == Action::Kind::send && wants_probe()) {
            co_await probe_seam(loop, action);
        } else if (action.kind == Action::Kind::send) {
            co_await attempt(loop, action);
        } else if (action.kind == Action::Kind::pause) {
            co_await pause(loop, action);
        } else if (action.kind == Action::Kind::queue) {
            co_await wait_at_gates(loop, action);
        } else {
            co_await ask_for_names(loop, action);
        }
        if (client_gone) co_return;
    }
    session.deadlines.clear_attempt();
    conclude(action, loop.last());
}

void Exchange::begin_attempt(const AttemptLoop& loop, const Action& action) {
    const Target& target = plan.targets[action.target];
    const Target& first = plan.targets.front();
    // Where the request was before: at the last attempt's target, or where the client wanted it.
    const std::string_view upstream = record.attempts.empty() ? first.upstream->name : record.upstream;
    const std::string_view model = record.attempts.empty() ? first.model : record.model;
    record.fallback = loop.fallback_reason();
    if (target.group != last_group && asked.policy) {
        record.fallbacks.push_back({std::string(upstream).append("/").append(model), place(target), record.fallback});
        if (record.fallbacks.back().reason.empty()) record.fallbacks.back().reason = action.reason;
    }
    last_group = target.group;
    if (action.target != 0 || !record.attempts.empty()) {
        record.upstream = target.upstream->name;
        record.model = target.model;
    }
    record.key = target.key ? target.key->name : std::string();
    record.usage = {};
    record.stream = committed && facts.stream;  // what the client was promised
    record.stream_end.clear();
    timeouts = timeouts_for(*config, *target.upstream, target.model);
    be_patient(target);
    if (first_byte_override > Duration(0)) timeouts.first_byte = first_byte_override;
}

/// Where closing a connection does not end the billing, a stalled stream is waited for twice as long.
void Exchange::be_patient(const Target& target) {
    if (!facts.stream || timeouts.stream_idle == no_limit) return;
    const Resume resume = resume_for(*config, *target.upstream, target.model);
    if (!resume.configured.cancel_stops_billing.value_or(resume.preset.cancel_stops_billing.value_or(true)))
        timeouts.stream_idle *= 2;
}

/// What an action becomes when the daemon's end cuts a wait short.
Action Exchange::stopping() {
    Action action;
    action.kind = Action::Kind::fail;
    action.status = 503;
    action.code = "shutting_down";
    action.reason = "shutdown";
    action.message = "streamkeeper is stopping";
    return action;
}

Task<void> Exchange::pause(AttemptLoop& loop, Action& action) {
    const TimePoint began = core.reactor.now();
    session.deadlines.set(Deadline::pause, action.until, Duration(0));
    Wake why = Wake::ready;
    while (!client_gone && why != Wake::shutdown && !session.deadlines.passed(Deadline::pause, core.reactor.now())) {
        why = co_await session.wait();
        client_gone = why == Wake::client_gone;
    }
    session.deadlines.clear(Deadline::pause);
    note_wait("backoff", began);
    action = why == Wake::shutdown ? stopping() : loop.go_on(core.reactor.now());
}

Task<void> Exchange::wait_at_gates(AttemptLoop& loop, Action& action) {
    const TimePoint began = core.reactor.now();
    const std::string_view cause = gate_cause_label(loop.waiting_for());
    if (body_read && session.in.empty()) session.in.release();
    head.fields.all.shrink_to_fit();  // thousands may wait
    Waiter waiter(waiting_as(*this), going_on(), deadline, [this] { core.wake_in_turn(session); });
    bool entered = false;
    for (const auto& [traffic, lanes] : loop.lanes()) {
        const bool in = traffic->gates.enter(waiter, lanes, began);
        entered = entered || in;
    }
    session.deadlines.set(Deadline::pause, deadline, Duration(0));
    Wake why = Wake::ready;
    while (entered && !waiter.grant && !waiter.hopeless) {
        why = co_await session.wait();
        client_gone = why == Wake::client_gone;
        const bool late = session.deadlines.passed(Deadline::pause, core.reactor.now());
        if (client_gone || why == Wake::shutdown || late) break;
    }
    session.deadlines.clear(Deadline::pause);
    if (entered) note_wait(cause, began);
    waiter.leave();
    const TimePoint now = core.reactor.now();
    if (!entered)
        action = loop.queue_full();
    else if (why == Wake::shutdown)
        action = stopping();
    else if (waiter.grant && !client_gone)
        action = loop.granted(std::move(*waiter.grant), now);
    else
        action = loop.too_late(now);
}

Task<void> Exchange::ask_for_names(AttemptLoop& loop, Action& action) {
    const std::shared_ptr<const Upstream> upstream = plan.targets[action.target].upstream;
    co_await refresh_models(upstream, Need::names);
    if (session.ending()) {  // the list may have been cut short, so what the vendor said is not the last word
        action = stopping();
        co_return;
    }
    std::vector<std::string_view> ids;
    const std::shared_ptr<UpstreamState> state = core.state_of(upstream);
    for (const ListedModel& model : state->models.models) ids.push_back(model.id);
    action = loop.models_known(ids, core.reactor.now());
}

void Exchange::note_wait(std::string_view cause, TimePoint began) {
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(core.reactor.now() - began);
    record.waits.push_back({record.upstream, cause, took});
}

void Exchange::note(const Leg& leg, const AttemptLoop& loop) {
    AttemptRecord attempt;
    attempt.upstream = record.upstream;
    attempt.key = record.key;
    attempt.model = record.model;
    attempt.status = leg.outcome.status;
    attempt.reason = loop.ended_reason();
    attempt.error_class = error_class(leg.outcome);
    attempt.detail = leg.outcome.detail;
    attempt.took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - leg.began);
    attempt.usage = record.usage;
    record.attempts.push_back(std::move(attempt));
    if (leg.outcome.usage_was_injected && record.attempts.back().reason == "unsupported_param") {
        leg.state->usage_refused = true;
        core.log(LogLevel::info,
                 "upstream " + record.upstream + " refuses stream_options; its streams are not metered from now on");
    }
    if (core.config->log.level == LogLevel::debug)
        core.log(LogLevel::debug, attempt_line(record, record.attempts.back(), leg));
}

/// Tells the client how it ended, if it does not know yet.
void Exchange::conclude(const Action& action, const Outcome* last) {
    if (last && last->cause == Cause::client_gone) client_gone = true;
    if (client_gone || action.kind == Action::Kind::finish) return;
    if (!asked.policy && conclude_raw(action, last)) return;
    note_end_of_resuming();
    if (committed)
        give_up(action, last);
    else
        send_error(action, last);
}

}  // namespace streamkeeper::net
