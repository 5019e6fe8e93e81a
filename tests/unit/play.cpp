#include "play.hpp"

#include <cstdio>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace streamkeeper::play {

namespace {

/// As many waiters as net looks at in one turn.
constexpr std::size_t one_turn = 256;
/// A request that takes more steps will never end.
constexpr int too_many_steps = 3000;

void add(std::string& told, const std::string& more) { told += (told.empty() ? "" : ", ") + more; }

}  // namespace

std::string shown(double seconds) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", seconds);
    return text;
}

Play::Play(const std::string& cast) {
    std::istringstream in(cast);
    for (std::string line; std::getline(in, line, ';');) {
        const std::size_t colon = line.find(':'), slash = line.find('/');
        auto made = std::make_shared<Upstream>();
        made->name = words(line.substr(0, colon)).at(0);
        for (const std::string& key : words(line.substr(colon + 1, slash - colon - 1)))
            made->keys.push_back({key, Secret("sk-" + made->name + key), {}});
        auto service = std::make_unique<Service>();
        service->traffic.gates.configure(*made);
        service->traffic.gates.changed = [this, one = service.get()] {
            if (!std::exchange(one->posted, true)) at(clock, [this, one] { serve(*one); });
        };
        const std::vector<unsigned> slots = service->traffic.keys.adopt(made->keys);
        for (const std::string& word : words(line.substr(slash + 1))) {
            const std::size_t sign = word.find('@');
            Target target{made, nullptr, word.substr(0, sign), &service->traffic};
            target.group = plan.targets.empty() ? 0 : plan.targets.back().group + 1;
            if (sign != word.npos) target.only_for = reasons_.emplace_back(word.substr(sign + 1));
            if (made->keys.empty()) plan.targets.push_back(target);
            for (std::size_t i = 0; i < made->keys.size(); ++i) {
                target.key = &made->keys[i];
                target.slot = slots[i];
                plan.targets.push_back(target);
            }
        }
        upstreams_[made->name] = made;
        services_[made->name] = std::move(service);
    }
}

void Play::configure() {
    for (auto& [name, one] : upstreams_) traffic(name).gates.configure(*one);
}

std::string Play::next_answer(const std::string& where) {
    if (vendor) return vendor(where);
    std::deque<std::string>& lines = script_[where];
    if (lines.empty()) return "200";
    std::string line = lines.front();
    if (lines.size() > 1) lines.pop_front();
    return line;
}

// ---- time

bool Play::next_event(TimePoint until) {
    if (events_.empty() || events_.begin()->first > until) return false;
    const auto node = events_.extract(events_.begin());
    clock = std::max(clock, node.key());
    node.mapped()();
    return true;
}

void Play::pass(double seconds) {
    const TimePoint until = clock + length(seconds);
    while (next_event(until)) continue;
    clock = until;
}

void Play::run() {
    while (next_event(TimePoint::max())) continue;
}

void Play::serve(Service& service) {
    service.posted = false;
    Gates& gates = service.traffic.gates;
    if (gates.serve(clock, one_turn)) return gates.changed();
    service.alarm = gates.next_opening(clock);
    if (service.alarm == TimePoint::max()) return;
    at(service.alarm, [this, &service, set_for = service.alarm] {
        if (service.alarm == set_for) serve(service);
    });
}

// ---- requests

Request& Play::begin(const std::string& client, bool resume) {
    LoopSettings settings;
    settings.retry = retry;
    settings.deadline = clock + (deadline ? length(*deadline) : std::chrono::nanoseconds(240s));
    settings.replayable = replayable;
    settings.pass_through = pass_through;
    settings.model_names = model_names;
    settings.uniform = [this] { return dice ? dice() : chance; };
    settings.context_window = [this](const Target& target) { return windows[target.model]; };
    requests_.push_back(std::make_unique<Request>(requests_.size(), client, resume, plan.targets, std::move(settings)));
    Request& made = *requests_.back();
    act(made, made.loop.start(clock));
    return made;
}

std::string Play::ask() {
    const Request& request = begin();
    while (!request.done)
        if (!next_event(TimePoint::max())) throw std::logic_error("a request never ended: " + request.told);
    return request.told;
}

void Play::leave(Request& request) {
    request.done = true;
    request.under_way = false;
    request.waiter.reset();
    request.loop.pass() = Pass();
}

void Play::act(Request& request, const Action& action) {
    if (++request.steps > too_many_steps) throw std::logic_error("a request never ends: " + request.told);
    switch (action.kind) {
        case Action::Kind::send: return send(request, action);
        case Action::Kind::queue: return queue(request);
        case Action::Kind::pause:
            add(request.told, "wait backoff " + shown(since(action.until) - now()));
            return at(action.until, [this, &request] {
                if (!request.done) act(request, request.loop.go_on(clock));
            });
        case Action::Kind::refresh_models: {
            add(request.told, "list");
            const std::vector<std::string_view> ids(listed.begin(), listed.end());
            return act(request, request.loop.models_known(ids, clock));
        }
        case Action::Kind::finish:
        case Action::Kind::fail: return end(request, action);
    }
}

void Play::send(Request& request, const Action& action) {
    const Target& to = request.targets[action.target];
    const std::string where = to.upstream->name + "/" + (to.key ? to.key->name : "-") + "/" + to.model;
    const std::string line = next_answer(where);
    const Answer answer = read_answer(line, !action.how.without_usage);
    add(request.told, where + " " + line + (action.how.without_usage ? " without usage" : "") +
                          (action.how.fresh_connection ? " fresh" : ""));
    const TimePoint sent = clock + answer.upload, head = sent + answer.slow, over = head + answer.lasts;
    Call call{where, line, request.number, now(), since(over)};
    const int status = answer.outcome.status;
    if (status != 0) call.head = since(head);
    call.success = status != 0 && status < 300;
    const Outcome& outcome = answer.outcome;
    const bool well = outcome.cause == Cause::answered && status < 400;
    call.free = outcome.cause == Cause::closed && outcome.connection_was_reused && !outcome.answer_began;
    if (!well) {
        const Judgement judged = judge(outcome);
        call.verdict = judged.verdict;
        call.reason = judged.reason;
    }
    if (outcome.wait) call.wait = std::chrono::duration<double>(*outcome.wait).count();
    calls.push_back(std::move(call));
    request.under_way = true;
    const auto then = [this, &request](TimePoint time, std::function<void()> what) {
        at(time, [&request, what = std::move(what)] {
            if (request.under_way) what();
        });
    };
    if (answer.reached) then(sent, [this, &request] { request.loop.pass().sent(clock); });
    if (status != 0) then(head, [this, &request, status] { request.loop.pass().answered(status < 300, clock); });
    then(over, [this, &request, outcome] {
        request.under_way = false;
        act(request, request.loop.on(outcome, clock));
    });
}

void Play::queue(Request& request) {
    request.waiter.emplace(request.client, request.resume, request.settings.deadline,
                           [this, &request] { at(clock, [this, &request] { called(request); }); });
    request.waits_since = clock;
    bool entered = false;
    for (const auto& [traffic, lanes] : request.loop.lanes())
        entered = traffic->gates.enter(*request.waiter, lanes, clock) || entered;
    if (!entered) {
        request.waiter.reset();
        return act(request, request.loop.queue_full());
    }
    at(request.settings.deadline, [this, &request, step = request.steps] {
        if (request.waiter && request.steps == step) called(request);
    });
}

/// It may go, or never may, or its deadline has passed.
void Play::called(Request& request) {
    if (!request.waiter) return;
    add(request.told, "wait " + std::string(gate_cause_label(request.loop.waiting_for())) + " " +
                          shown(since(clock) - since(request.waits_since)));
    std::optional<Grant> grant = std::move(request.waiter->grant);
    request.waiter.reset();
    act(request, grant ? request.loop.granted(std::move(*grant), clock) : request.loop.too_late(clock));
}

void Play::end(Request& request, const Action& action) {
    request.done = true;
    fallback = request.loop.fallback_reason();
    ended.reset();
    if (action.kind == Action::Kind::fail) {
        ended = request.ended = action;
        const Outcome* const last = request.loop.last();
        const std::string code = action.code.empty() && last ? last->error.code : std::string(action.code);
        request.told += std::string(request.told.empty() ? "" : " ") + "-> " + std::to_string(action.status) +
                        (code.empty() ? "" : " " + code) +
                        (action.retry_after ? " retry-after=" + std::to_string(*action.retry_after) : "");
    }
    if (finished) finished(request);
}

std::string Play::call_times() const {
    std::string text;
    for (const Call& call : calls) text += (text.empty() ? "" : " ") + shown(call.at);
    return text;
}

}  // namespace streamkeeper::play
