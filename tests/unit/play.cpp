#include "play.hpp"

#include <cstdio>
#include <sstream>

namespace streamkeeper::play {

namespace {

std::string seconds(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", value);
    return text;
}

std::vector<std::string> words(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> all;
    for (std::string word; in >> word;) all.push_back(word);
    return all;
}

void add(std::string& told, const std::string& more) { told += (told.empty() ? "" : ", ") + more; }

}  // namespace

Play::Play(const std::string& cast) {
    std::istringstream in(cast);
    for (std::string line; std::getline(in, line, ';');) {
        const std::size_t colon = line.find(':'), slash = line.find('/');
        auto made = std::make_shared<Upstream>();
        made->name = words(line.substr(0, colon)).at(0);
        for (const std::string& key : words(line.substr(colon + 1, slash - colon - 1)))
            made->keys.push_back({key, Secret("sk-" + made->name + key), {}});
        auto traffic = std::make_unique<Traffic>();
        traffic->gates.configure(*made);
        const std::vector<unsigned> slots = traffic->keys.adopt(made->keys);
        for (const std::string& model : words(line.substr(slash + 1))) {
            Target target{made, nullptr, model, traffic.get()};
            target.group = plan.targets.empty() ? 0 : plan.targets.back().group + 1;
            for (std::size_t i = 0; i < made->keys.size(); ++i) {
                target.key = &made->keys[i];
                target.slot = slots[i];
                plan.targets.push_back(target);
            }
            if (made->keys.empty()) plan.targets.push_back(target);
        }
        upstreams[made->name] = made;
        traffics[made->name] = std::move(traffic);
    }
}

void Play::answers(const std::string& target, std::deque<std::string> lines) { script_[target] = std::move(lines); }

std::string Play::next_answer(const std::string& where) {
    std::deque<std::string>& lines = script_[where];
    if (lines.empty()) return "200";
    std::string line = lines.front();
    if (lines.size() > 1) lines.pop_front();
    return line;
}

Outcome Play::outcome_of(const std::string& answer) {
    Outcome outcome;
    for (const std::string& word : words(answer)) {
        const std::size_t equals = word.find('=');
        const std::string name = word.substr(0, equals), value = equals == word.npos ? "" : word.substr(equals + 1);
        if (name == "wait")
            outcome.wait = Wait(static_cast<std::int64_t>(std::stod(value) * 1e6));
        else if (name == "code")
            outcome.error.code = value;
        else if (name == "type")
            outcome.error.type = value;
        else if (name == "no-retry")
            outcome.should_retry = false;
        else if (name == "model")
            outcome.error.code = "model_not_found";
        else if (name == "context")
            outcome.error.code = "context_length_exceeded";
        else if (name == "policy")
            outcome.error.code = "content_filter";
        else if (name == "usage")
            outcome.error.message = "unknown field stream_options", outcome.usage_was_injected = true;
        else if (name == "refused")
            outcome.cause = Cause::connect;
        else if (name == "certificate")
            outcome.cause = Cause::certificate;
        else if (name == "timeout")
            outcome.cause = Cause::timeout, outcome.phase = Phase::awaiting_head;
        else if (name == "cut")
            outcome.cause = Cause::closed, outcome.connection_was_reused = true;
        else if (name == "broken")
            outcome.cause = Cause::closed, outcome.phase = Phase::after_output;
        else if (name == "html")
            outcome.cause = Cause::not_an_api, outcome.error.html = true;
        else if (name == "slow")
            pass(std::stod(value));
        else
            outcome.status = std::stoi(name);
    }
    if (outcome.status != 0 && outcome.phase == Phase::connecting) outcome.phase = Phase::before_output;
    outcome.error.http_status = outcome.error.eff_status = outcome.status;
    if (outcome.status >= 400) outcome.error.shape = "openai";
    return outcome;
}

Action Play::send(AttemptLoop& loop, const Action& action, const Target& target, std::string& told) {
    const std::string where = target.upstream->name + "/" + (target.key ? target.key->name : "-") + "/" + target.model;
    calls.push_back({now(), where});
    const std::string answer = next_answer(where);
    loop.pass().sent(clock);
    const Outcome outcome = outcome_of(answer);
    if (outcome.status != 0) loop.pass().answered(outcome.status < 300, clock);
    add(told, where + " " + answer + (action.without_usage ? " without usage" : "") +
                  (action.fresh_connection ? " fresh" : ""));
    return loop.on(outcome, clock);
}

Action Play::wait(AttemptLoop& loop, TimePoint until, std::string& told) {
    const TimePoint start = clock;
    const std::string cause(gate_cause_label(loop.waiting_for()));
    Waiter waiter("client", false, until, [] {});
    bool entered = false;
    for (const auto& [traffic, lanes] : loop.lanes()) entered = traffic->gates.enter(waiter, lanes, clock) || entered;
    if (!entered) return loop.queue_full();
    const auto serve = [&] {
        TimePoint next = TimePoint::max();
        for (const auto& [traffic, lanes] : loop.lanes()) {
            traffic->gates.serve(clock, 100);
            next = std::min(next, traffic->gates.next_opening(clock));
        }
        return next;
    };
    for (TimePoint next = serve(); !waiter.grant && !waiter.hopeless; next = serve()) {
        if (next >= until || next == TimePoint::max()) {
            clock = until;
            break;
        }
        clock = next;
    }
    add(told, "wait " + cause + " " + seconds(std::chrono::duration<double>(clock - start).count()));
    waiter.leave();
    return waiter.grant ? loop.granted(std::move(*waiter.grant), clock) : loop.too_late(clock);
}

std::string Play::ask() {
    LoopSettings settings;
    settings.retry = retry;
    const TimePoint last =
        deadline ? clock + std::chrono::duration_cast<TimePoint::duration>(std::chrono::duration<double>(*deadline))
                 : clock + 240s;
    settings.deadline = last;
    settings.replayable = replayable;
    settings.pass_through = pass_through;
    settings.uniform = [this] { return chance; };
    settings.context_window = [this](const Target& target) { return windows[target.model]; };
    std::vector<Target> targets = plan.targets;
    AttemptLoop loop(targets, settings);
    std::string told;
    ended.reset();
    Action action = loop.start(clock);
    for (int steps = 0; steps < 1000; ++steps) {
        if (action.kind == Action::Kind::send) {
            action = send(loop, action, targets[action.target], told);
        } else if (action.kind == Action::Kind::pause) {
            add(told, "wait backoff " + seconds(std::chrono::duration<double>(action.until - clock).count()));
            clock = action.until;
            action = loop.go_on(clock);
        } else if (action.kind == Action::Kind::queue) {
            action = wait(loop, last, told);
        } else if (action.kind == Action::Kind::refresh_models) {
            add(told, "list");
            const std::vector<std::string_view> ids(listed.begin(), listed.end());
            action = loop.models_known(ids, clock);
        } else {
            break;
        }
    }
    fallback = loop.fallback_reason();
    if (action.kind != Action::Kind::fail) return told;
    ended = action;
    const std::string code = action.code.empty() && loop.last() ? loop.last()->error.code : std::string(action.code);
    return told + " -> " + std::to_string(action.status) + (code.empty() ? "" : " " + code) +
           (action.retry_after ? " retry-after=" + std::to_string(*action.retry_after) : "");
}

}  // namespace streamkeeper::play
