#include "net/core.hpp"

#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <random>

#include "net/session.hpp"

namespace streamkeeper::net {

namespace {
constexpr Duration sweep_interval{50}, quiet{1000};
constexpr std::string_view id_alphabet = "0123456789abcdefghjkmnpqrstvwxyz";  // Crockford's base 32

/// Descriptors for everything but sessions: the loop, listeners, log, model lists.
constexpr std::uint64_t reserved_descriptors = 24;

/// Raised to the hard limit: each session needs two, and a machine's default of 1,024 is soon used up.
std::uint64_t raise_descriptor_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur;
}
}  // namespace

Core::Core(std::shared_ptr<const Config> first, ServerHooks the_hooks)
    : hooks(std::move(the_hooks)),
      budget(first->limits.memory),
      sweep_alarm_(reactor, [this] { sweep(); }),
      drain_alarm_(reactor, [this] { stop(); }),
      accept_alarm_(reactor, [this] { accept_again(); }),
      descriptor_limit_(raise_descriptor_limit()),
      id_seed_(std::random_device{}() | static_cast<std::uint64_t>(std::random_device{}()) << 32) {
    config = std::move(first);
    mallopt(M_ARENA_MAX, 1);              // the log's writer and the resolver hardly allocate
    mallopt(M_MMAP_THRESHOLD, 4 << 20);   // bodies of some 100 KiB come again and again: no fresh pages for each
    mallopt(M_TRIM_THRESHOLD, 64 << 20);  // trim_when_quiet does it
}

Core::~Core() = default;

std::string Core::reconfigure(std::shared_ptr<const Config> next) {
    try {
        upstreams.adopt(*next);
    } catch (const std::exception& error) {
        return error.what();
    }
    std::erase_if(by_config_, [](const auto& named) { return named.second.upstream.expired(); });
    for (const std::shared_ptr<const Upstream>& upstream : next->upstreams)
        by_config_[upstream.get()] = {upstream, upstreams.find(*upstream)};
    config = std::move(next);
    budget.resize(config->limits.memory);
    refresh_rules();
    return {};
}

void Core::refresh_rules() {
    for (const std::unique_ptr<Listener>& listener : listeners_)
        listener->rules->now = std::make_shared<const http::AdmissionRules>(
            http::admission_rules(*config, listener->address, listener->metrics_only));
}

std::shared_ptr<UpstreamState> Core::state_of(const std::shared_ptr<const Upstream>& upstream) {
    return by_config_.at(upstream.get()).state;  // every configuration that lives was adopted
}

std::size_t Core::connection_cap() const {
    const std::uint64_t room =
        descriptor_limit_ > reserved_descriptors + 4 ? (descriptor_limit_ - reserved_descriptors) / 2 : 2;
    return std::min<std::uint64_t>(config->limits.connections, room);
}

void Core::enter(Session& session) { sessions_.insert(&session); }

void Core::leave(Session& session) {
    sessions_.erase(&session);
    look_for_room();
    if (draining_ && sessions_.empty()) reactor.post([this] { stop(); });
}

void Core::look_for_room() {
    if (accepting_paused_ && !accept_alarm_.pending()) accept_alarm_.set(Duration(0));
}

void Core::wake_in_turn(Session& session) {
    to_wake_.push_back(session.shared_from_this());
    if (to_wake_.size() == 1) reactor.post([this] { wake_some(); });
}

void Core::wake_some() {
    constexpr std::size_t one_turn = 8;
    for (std::size_t i = 0; i < one_turn && !to_wake_.empty(); ++i) {
        const std::shared_ptr<Session> session = std::move(to_wake_.front());
        to_wake_.pop_front();
        session->wake.notify();
    }
    if (!to_wake_.empty()) reactor.post([this] { wake_some(); });
}

namespace {
constexpr std::chrono::seconds a_moment{10};
constexpr std::size_t most_failed = 1024;
}  // namespace

/// Of a large body its ends tell it apart.
std::size_t Core::fingerprint(std::string_view client, std::string_view body) {
    constexpr std::size_t end = 64u << 10;
    const std::hash<std::string_view> hash;
    std::size_t value = hash(client) ^ body.size();
    value = value * 31 + hash(body.substr(0, end));
    return body.size() <= end ? value : value * 31 + hash(body.substr(body.size() - end));
}

void Core::note_failed(std::size_t request) {
    if (failed_.size() >= most_failed) failed_.pop_front();
    failed_.emplace_back(Clock::now(), request);
}

bool Core::is_resend(const http::RequestHead* wishes, std::string_view client, std::string_view body) {
    const std::string_view count = wishes ? wishes->fields.get("x-stainless-retry-count") : std::string_view();
    if (!count.empty() && count != "0") return true;
    while (!failed_.empty() && reactor.now() - failed_.front().first > a_moment) failed_.pop_front();
    if (failed_.empty()) return false;
    const std::size_t own = fingerprint(client, body);
    return std::any_of(failed_.begin(), failed_.end(), [own](const auto& failed) { return failed.second == own; });
}

void Core::need_sweep() {
    if (sweep_alarm_.pending()) return;
    sweep_due_ = Clock::now() + sweep_interval;
    sweep_alarm_.set(sweep_interval);
}

void Core::sweep() {
    const TimePoint now = Clock::now();
    if (hooks.loop_lag) hooks.loop_lag(std::chrono::duration<double>(now - sweep_due_).count());
    // Waking a session may end it, and others with it: the list is copied, and each is kept alive while it is woken.
    std::vector<std::shared_ptr<Session>> awake;
    for (Session* const session : sessions_)
        if (session->passed()) awake.push_back(session->shared_from_this());
    for (const std::shared_ptr<Session>& session : awake) session->sweep(now);
    bool pooled = false;
    for (const auto& [key, state] : upstreams.all()) {
        state->close_aged(now);
        pooled = pooled || state->idle() > 0;
    }
    if (hooks.tick) hooks.tick();
    trim_when_quiet(now);
    if (!sessions_.empty() || pooled || trim_due_) need_sweep();
}

/// What a burst needed goes back to the system a second after it; while there is work it is kept, because giving and
/// taking pages costs more than most requests.
void Core::trim_when_quiet(TimePoint now) {
    if (!trim_due_ || now - last_request_ < quiet) return;
    trim_due_ = false;
    Frames::release();
    malloc_trim(0);
}

void Core::drain() {
    if (draining_) return;
    draining_ = true;
    close_listeners();
    std::vector<std::shared_ptr<Session>> all;
    for (Session* const session : sessions_) all.push_back(session->shared_from_this());
    for (const std::shared_ptr<Session>& session : all) session->end_if_idle();
    if (sessions_.empty()) return stop();
    if (config->drain != no_limit) drain_alarm_.set(config->drain);
}

void Core::stop() {
    std::vector<std::shared_ptr<Session>> all;
    for (Session* const session : sessions_) all.push_back(session->shared_from_this());
    for (const std::shared_ptr<Session>& session : all) session->shut_down();
    reactor.stop();
}

ServerSnapshot Core::snapshot() const {
    ServerSnapshot snapshot;
    snapshot.sessions = sessions_.size();
    snapshot.draining = draining_;
    snapshot.bodies = budget.used(BudgetKind::bodies);
    snapshot.transcripts = budget.used(BudgetKind::transcripts);
    snapshot.held = budget.used(BudgetKind::held);
    snapshot.memory = budget.total();
    for (const std::shared_ptr<const Upstream>& upstream : config->upstreams) {
        UpstreamSnapshot one{upstream->name, upstream->base_url.text, 0, 0, 0, 0, {}, {}, {}};
        const UpstreamState& state = *by_config_.at(upstream.get()).state;
        const Traffic& traffic = state.gates->traffic;
        one.idle = state.idle();
        one.busy = state.busy;
        one.waiting = traffic.gates.waiting();
        one.gates = traffic.gates.snapshot(reactor.now());
        const Resume resume = resume_for(*config, *upstream, {});
        one.capability = resume.configured.over(resume.preset);
        one.capability_from = resume.configured.prefill || resume.configured.seam ? "configuration"
                              : resume.preset.prefill || resume.preset.seam       ? "preset"
                                                                                  : "nothing";
        one.seams = traffic.capabilities.rows(reactor.now());
        for (GateSnapshot& gate : one.gates) {  // by the key's place in the configuration
            const auto slot =
                gate.key ? std::find(state.slots.begin(), state.slots.end(), *gate.key) : state.slots.end();
            if (gate.key) gate.key = static_cast<unsigned>(slot - state.slots.begin());
        }
        if (const auto count = in_flight_.find(upstream->name); count != in_flight_.end())
            one.in_flight = count->second;
        snapshot.in_flight += static_cast<std::size_t>(one.in_flight);
        for (std::size_t i = 0; i < upstream->keys.size(); ++i) {
            const Key& key = upstream->keys[i];
            const KeyRefusal* const refusal = traffic.keys.refusal(state.slots[i], {}, reactor.now());
            one.keys.push_back(
                {key.name, key.shown(), traffic.keys.state(state.slots[i]), refusal ? *refusal : KeyRefusal{}});
        }
        snapshot.upstreams.push_back(std::move(one));
    }
    return snapshot;
}

void Core::every(Duration interval, std::function<void()> tick) {
    const std::size_t index = repeating_.size();
    repeating_.push_back(std::make_unique<Reactor::Alarm>(reactor, [this, interval, index, tick = std::move(tick)] {
        tick();
        repeating_[index]->set(interval);
    }));
    repeating_.back()->set(interval);
}

std::string Core::next_request_id() {
    // 30 random bits of this process, then a count: unique in practice, sorted within one run, and short enough that a
    // std::string holds it without an allocation.
    std::string id = "sk_";
    for (int i = 0; i < 6; ++i) id.push_back(id_alphabet[id_seed_ >> (5 * i) & 31]);
    const std::uint64_t count = id_count_++;
    for (int i = 5; i >= 0; --i) id.push_back(id_alphabet[count >> (5 * i) & 31]);
    return id;
}

}  // namespace streamkeeper::net
