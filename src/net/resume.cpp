// Going on with an answer that broke off after some of it was shown (resumption.md): what may follow, how the next call
// joins what the client has, and what came of it.
#include <algorithm>

#include "net/exchange.hpp"
#include "net/resumption.hpp"
#include "streamkeeper/forwarding.hpp"

namespace streamkeeper::net {

namespace {

/// A text that is no longer than this is asked for again even of an upstream that is not known to repeat itself.
constexpr std::size_t short_text = 200;
/// Of white space that was shown before its successor was known: more than this is not asked for again.
constexpr std::size_t most_asked_again = 64;

std::string_view label_of(Strategy strategy) {
    switch (strategy) {
        case Strategy::prefix: return "prefix";
        case Strategy::native: return "native";
        case Strategy::restart:
        case Strategy::replay: return "replay";
    }
    return {};
}

bool is_seam_fault(Fault fault) {
    return fault == Fault::diverged || fault == Fault::anew || fault == Fault::other_model;
}

}  // namespace

Resume Exchange::resume_settings() const {
    const Target& target = plan.targets[sent_target];
    Resume settings = resume_for(*config, *target.upstream, target.model);
    if (resume_override) settings.mode = *resume_override;
    if (settings.mode == ResumeMode::off) settings.attempts = 0;
    return settings;
}

SplicerSettings Exchange::splicer_settings() const {
    // Of an answer that is put together here nothing is shown, so nothing is held either.
    if (!facts.stream) return {ResumeMode::off, false, facts.choices, 0};
    const Resume settings = resume_settings();
    return {settings.mode, settings.tool_calls == ToolCalls::hold, facts.choices, settings.transcript};
}

/// How the call that has just been answered joins what the client has.
Join Exchange::join(const Leg& leg) const {
    Join how;
    how.hide_usage = leg.outcome.usage_was_injected && facts.stream;
    const Resume settings = resume_settings();
    how.finish_optional = settings.configured.finish_reason.value_or(
                              settings.preset.finish_reason.value_or(FinishReason::required)) == FinishReason::optional;
    if (!going_on()) return how;
    how.expected = resumption->expected;
    how.continued = resumption->strategy == Strategy::prefix;
    how.doubtful = how.continued && resumption->how.doubtful;
    how.native = resumption->strategy == Strategy::native;
    return how;
}

bool Exchange::going_on() const { return resumption && resumption->due; }

/// The vendor says that it gave the open turn to another model than the one that wrote what was shown.
bool Exchange::other_model_goes_on() const {
    return going_on() && resumption->strategy == Strategy::prefix && vendor_fell_back;
}

// ---- what may follow

/// An attempt has ended: what may be done next, and how.
GoOn Exchange::go_on_after(const Leg& leg, AttemptLoop& loop) {
    if (!splicer || !facts.stream || !splicer->shown() || splicer->finished()) return GoOn::freely;
    if (!resumption) resumption = std::make_unique<Resumption>();
    if (leg.outcome.phase == Phase::after_output || !resumption->due) {
        resumption->broke_at = Clock::now();
        // The client was being served until now: its patience begins anew (docs/decisions/0011).
        if (patience != no_limit) deadline = std::max(deadline, core.reactor.now() + patience);
    }
    loop.extend(deadline, resume_settings().attempts);
    const GoOn go_on = choose_strategy();
    resumption->due = go_on != GoOn::never;
    return go_on;
}

GoOn Exchange::choose_strategy() {
    const Resume settings = resume_settings();
    Resumption& next = *resumption;
    next.expected.clear();
    next.obstacle = {};
    const auto not_with = [&next](std::string_view obstacle) {
        next.obstacle = obstacle;
        return GoOn::never;
    };
    if (settings.mode == ResumeMode::off) return not_with("mode_off");
    if (is_seam_fault(splicer->fault())) return not_with("diverged");
    const Seen seen = splicer->seen();
    if (seen == Seen::nothing) return GoOn::freely;
    if (!next.facts && !body_print) next.facts = read_continuation(asked.endpoint, body.view(), facts);
    const bool native = next.facts && next.facts->background && !next.refused;
    if (native && !splicer->response_id().empty() && splicer->last_sequence() >= 0) {
        next.strategy = Strategy::native;
        return GoOn::same_model;
    }
    if (body_print || !splicer->continuable()) return not_with("transcript");
    if (seen == Seen::reasoning) {
        next.strategy = Strategy::restart;
        return GoOn::anew;
    }
    if (seen == Seen::fixed) return not_with("output");
    const std::string_view obstacle = choose_prefix(settings);
    if (obstacle.empty()) {
        next.strategy = Strategy::prefix;
        return GoOn::same_model;
    }
    const std::string text = splicer->transcript().text();
    if (!continuable_now(settings).deterministic && decoded(text).size() > short_text) return not_with(obstacle);
    next.strategy = Strategy::replay;
    next.expected = text;
    return GoOn::same_model;
}

Continuable Exchange::continuable_now(const Resume& settings) const {
    const Target& target = plan.targets[sent_target];
    return continuable(asked.endpoint, settings, target.traffic->capabilities, target.model, resumption->facts->kind,
                       core.reactor.now());
}

/// Which part of the answer so far is sent as an open turn; or why it can't be.
std::string_view Exchange::choose_prefix(const Resume& settings) {
    Resumption& next = *resumption;
    next.how = continuable_now(settings);
    if (!next.facts->excluded.empty()) return next.facts->excluded;
    if (vendor_fell_back) return "other_model";
    if (next.refused) return "refused";
    if (next.how.prefill == Prefill::none) return "no_prefill";
    if (next.how.seam == Seam::unknown && settings.probe != Probe::on_first_break) return "probe_never";
    if (!goes_with_own_turn(asked.endpoint, body.view(), *next.facts, next.how.prefill, next.how.seam))
        return "messages";
    if (asked.endpoint == Endpoint::messages && splicer->reasoning_shown()) return "thinking";
    const std::optional<std::int64_t> limit = next.facts->token_limit;
    next.tokens_used = tokens_used();
    if (limit && *limit <= next.tokens_used) return "max_tokens";
    const std::string text = splicer->transcript().text();
    next.prefix = splicer->prefix(most_asked_again);
    if (next.prefix.empty() || unrepeatable(decoded(next.prefix))) return "text";
    // What follows the prefix was shown already, so it has to come again, and is not shown a second time.
    next.expected = next.how.seam == Seam::echo ? text : text.substr(next.prefix.size());
    return {};
}

/// OpenAI, "Background mode": the same answer, from the event behind the last one that the client has.
void Exchange::make_native_request(Leg& leg, const Target& target) {
    const std::string path = target.upstream->base_url.path + "/responses/" + std::string(splicer->response_id()) +
                             "?stream=true&starting_after=" + std::to_string(splicer->last_sequence());
    http::UpstreamHead to{"GET", path, target.upstream.get(), target.key, {}, true, false};
    to.same_request = false;
    leg.request.emplace(http::upstream_head(head, to), std::vector<std::string_view>());
}

/// What the answer has cost of its limit: its events, unless they are too long for a token each; or the upstream's own
/// count of this call, if that is more (a first event of messages counts next to nothing).
std::int64_t Exchange::tokens_used() const {
    const auto events = static_cast<std::int64_t>(splicer->tokens_of_prefix(most_asked_again));
    const auto by_length = static_cast<std::int64_t>((decoded(splicer->transcript().text()).size() + 3) / 4);
    return std::max(by_length > 4 * events ? by_length : events, record.usage.completion.value_or(0));
}

// ---- what came of it

void Exchange::note_resume(const Leg& leg) {
    if (!going_on()) return;
    ResumeRecord made{record.upstream,      record.model,   label_of(resumption->strategy), "broken", resumption->cause,
                      resumption->position, resumption->gap};
    const int status = leg.outcome.status;
    if (leg.outcome.event_stream && splicer->joined() && !other_model_goes_on())
        made.outcome = "ok";
    else if (status == 200 && (is_seam_fault(splicer->fault()) || other_model_goes_on()))
        made.outcome = "diverged";
    else if (status >= 400 && status < 500 && status != 429 && status != 408)
        made.outcome = "refused";
    if (splicer->fault() == Fault::anew)
        plan.targets[sent_target].traffic->capabilities.refused(record.model, core.reactor.now());
    std::string line = record.id + " resume " + std::to_string(record.resumes.size() + 1) + ": " + made.upstream + "/" +
                       made.model + ", after " + std::string(made.cause) + ", " + std::string(made.strategy) + " at " +
                       std::to_string(made.position) + " bytes, " + std::string(made.outcome);
    if (made.gap)
        line +=
            ", gap " + std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(*made.gap).count()) + " ms";
    core.log(LogLevel::info, line);
    record.resumes.push_back(std::move(made));
}

/// Before the next call: where it begins.
void Exchange::note_break(const AttemptLoop& loop) {
    if (!resumption) return;
    resumption->cause = loop.ended_reason();
    resumption->position = decoded(splicer->transcript().text()).size();
    resumption->gap.reset();
}

/// The client may be left with a part of the answer: why.
void Exchange::note_end_of_resuming() {
    if (!resumption || !splicer || !splicer->shown() || splicer->finished()) return;
    record.not_resumed = resumption->obstacle.empty() ? "given_up" : std::string(resumption->obstacle);
    const auto told = [](const ResumeRecord& one) { return one.cause == "memory"; };
    if (resumption->obstacle == "transcript" && std::none_of(record.resumes.begin(), record.resumes.end(), told))
        record.resumes.push_back({record.upstream, record.model, "prefix", "refused", "transcript", 0, std::nullopt});
}

void Exchange::note_unresumable() {
    record.resumes.push_back({record.upstream, record.model, "prefix", "refused", "memory", 0, std::nullopt});
    core.log(LogLevel::warning, record.id + " can't be resumed any more: limits.memory has no room for what is held");
}

/// The upstream does not go on with an open turn, or has forgotten the answer; then it may repeat itself.
bool Exchange::refused_going_on(const Leg& leg) {
    if (!going_on() || leg.outcome.cause != Cause::answered) return false;
    const bool prefix = resumption->strategy == Strategy::prefix, native = resumption->strategy == Strategy::native;
    const int status = leg.outcome.status;
    if ((!prefix && !native) || (status != 400 && status != 422 && (prefix || status != 404))) return false;
    if (prefix && refuses_prefill(leg.outcome.error))
        plan.targets[sent_target].traffic->capabilities.refused(record.model, core.reactor.now());
    resumption->refused = true;
    return true;
}

}  // namespace streamkeeper::net
