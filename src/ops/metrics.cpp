#include "ops/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <set>
#include <unordered_map>

#include "ops/process.hpp"

namespace streamkeeper {

namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using Labels = prometheus::Labels;
using Buckets = Histogram::BucketBoundaries;

// OpenTelemetry's GenAI buckets, lengthened: durations reach 600 s (contract, section 6; vendors.md, 5.1).
const Buckets durations = {0.01, 0.02,  0.04,  0.08,  0.16,  0.32, 0.64, 1.28, 2.56,
                           5.12, 10.24, 20.48, 40.96, 81.92, 120,  180,  300,  600};
const Buckets first_token = {0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1,
                             2.5,   5,    7.5,  10,   20,   30,   60,  120,  300, 600};
const Buckets per_token = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5};
const Buckets small = {0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025,
                       0.005,   0.01,     0.025,   0.05,   0.1,     0.25,   1};

double seconds(Record::Clock::duration time) { return std::chrono::duration<double>(time).count(); }

/// Looked up by joined label values, so that the hot path builds no label map.
template <class Metric>
class Cached {
public:
    explicit Cached(Family<Metric>& family) : family_(family) {}
    template <class... Extra>
    Metric& at(std::initializer_list<std::pair<std::string_view, std::string_view>> labels, const Extra&... extra) {
        key_.clear();
        for (const auto& [name, value] : labels) key_.append(value).push_back('\x1f');
        const auto known = known_.find(key_);
        if (known != known_.end()) return *known->second;
        Labels map;
        for (const auto& [name, value] : labels) map.emplace(name, value);
        return *known_.emplace(key_, &family_.Add(map, extra...)).first->second;
    }

private:
    Family<Metric>& family_;
    std::unordered_map<std::string, Metric*> known_;
    std::string key_;
};

template <class Builder>
auto& make(prometheus::Registry& registry, Builder build, const char* name, const char* help) {
    return build().Name(std::string("streamkeeper_") + name).Help(help).Register(registry);
}
Cached<Counter> counter(prometheus::Registry& r, const char* name, const char* help) {
    return Cached<Counter>(make(r, prometheus::BuildCounter, name, help));
}
Cached<Gauge> gauge(prometheus::Registry& r, const char* name, const char* help) {
    return Cached<Gauge>(make(r, prometheus::BuildGauge, name, help));
}
Cached<Histogram> histogram(prometheus::Registry& r, const char* name, const char* help) {
    return Cached<Histogram>(make(r, prometheus::BuildHistogram, name, help));
}

std::string_view or_none(std::string_view label) { return label.empty() ? std::string_view("none") : label; }

}  // namespace

struct MetricsRegistry::Families {
    prometheus::Registry registry;
    Cached<Counter> requests = counter(registry, "requests_total", "Requests, by what the client saw.");
    Cached<Gauge> in_flight = gauge(registry, "requests_in_flight", "Requests being answered.");
    Cached<Histogram> duration =
        histogram(registry, "request_duration_seconds", "From a request's head to the last byte of its answer.");
    Cached<Histogram> ttft =
        histogram(registry, "time_to_first_token_seconds", "From a request's head to the first output shown.");
    Cached<Histogram> tpot =
        histogram(registry, "time_per_output_token_seconds", "Time per output token after the first one.");
    Cached<Histogram> overhead =
        histogram(registry, "overhead_seconds", "Time spent in streamkeeper itself, per request.");
    Histogram& all_overhead = overhead.at({}, small);
    Cached<Histogram> lag = histogram(registry, "loop_lag_seconds", "How late the event loop's timer came.");
    Cached<Counter> attempts = counter(registry, "upstream_attempts_total",
                                       "Calls to upstreams, by their status and the reason of a failure.");
    Cached<Counter> errors =
        counter(registry, "upstream_errors_total", "Failed calls to upstreams, by class and reason.");
    Cached<Counter> retries = counter(registry, "retries_total", "Calls repeated, by the reason.");
    Cached<Counter> resends = counter(registry, "resends_total", "Requests that a client had sent before.");
    Cached<Counter> fallbacks =
        counter(registry, "fallbacks_total", "Moves to another upstream or model, by the reason.");
    Cached<Counter> resumes =
        counter(registry, "resumes_total", "Calls to go on with an answer that broke off, by how and what came of it.");
    Cached<Histogram> gaps =
        histogram(registry, "resume_gap_seconds", "From a break to the first byte that was shown again.");
    Cached<Histogram> waits = histogram(registry, "wait_seconds", "Waits before an attempt, by the cause.");
    Cached<Gauge> waiting = gauge(registry, "requests_waiting", "Requests that wait at a gate.");
    Cached<Gauge> gate_closed = gauge(registry, "gate_closed", "1 while a scope is closed to new requests.");
    std::set<std::array<std::string, 3>> gates_seen;  ///< closed once: 0 when they are open
    Cached<Counter> tokens = counter(registry, "tokens_total", "Tokens billed, by kind; the kinds are disjoint.");
    Cached<Counter> usage_missing = counter(registry, "usage_missing_total", "Whole answers without token counts.");
    Cached<Counter> ends = counter(registry, "stream_ends_total", "Client streams, by how they ended.");
    Cached<Gauge> remaining = gauge(registry, "ratelimit_remaining", "What the vendor said is left of a rate limit.");
    Cached<Gauge> reset =
        gauge(registry, "ratelimit_reset_timestamp_seconds", "When the vendor said a rate limit is reset.");
    Cached<Gauge> key_usable = gauge(registry, "key_usable", "1 if the key may be used.");
    Cached<Gauge> connections = gauge(registry, "upstream_connections", "Connections to upstreams.");
    Cached<Gauge> memory = gauge(registry, "memory_budget_bytes", "Bytes taken from limits.memory.");
    Cached<Gauge> reload_ok =
        gauge(registry, "config_last_reload_successful", "1 if the last load of the configuration went well.");
    Cached<Gauge> reload_time =
        gauge(registry, "config_last_reload_timestamp_seconds", "When the configuration was last loaded well.");
    Cached<Gauge> build = gauge(registry, "build_info", "1; the label says the version.");
    ProcessMetrics process{registry};
    std::set<std::string, std::less<>> models;

    /// The series that one call in the ordinary case moves, found by one look-up.
    struct Row {
        Counter *requests, *attempts;
        Histogram* duration;
    };
    std::unordered_map<std::string, Row> rows;
    std::string row_key;
    Row& row_of(const Record&, std::string_view model);
    void count_attempts(const Record&);

    std::string_view model_label(const Record&, std::string_view model);
    std::string place_label(const Record&, std::string_view place);
    void count_tokens(const Record&, std::string_view label);
    void count_waiting(const Record&);
    void show_gates(const ServerSnapshot&);
};

/// Bounded: names from the configuration, and names that an upstream has answered to, which proves that they are on its
/// list; at most `metrics.model_labels`, then `other`.
std::string_view MetricsRegistry::Families::model_label(const Record& record, std::string_view model) {
    if (model.empty()) return "none";
    if (const auto known = models.find(model); known != models.end()) return *known;
    const Config& config = *record.config;
    const auto names = [model](std::string_view entry) {
        return entry == model || (entry.ends_with(model) && entry[entry.size() - model.size() - 1] == '/');
    };
    const bool configured =
        std::any_of(config.models.begin(), config.models.end(),
                    [&](const auto& one) {
                        const std::vector<std::string>& chain = one.second.fallback;
                        return one.first == model || std::any_of(chain.begin(), chain.end(), names);
                    }) ||
        std::any_of(config.aliases.begin(), config.aliases.end(), [&](const auto& one) { return names(one.second); });
    const bool proven = std::any_of(record.attempts.begin(), record.attempts.end(), [&](const AttemptRecord& attempt) {
        return attempt.status == 200 && attempt.model == model;
    });
    if ((!configured && !proven) || models.size() >= config.metrics.model_labels) return "other";
    return *models.insert(std::string(model)).first;
}

/// `UPSTREAM/MODEL` with the model bounded.
std::string MetricsRegistry::Families::place_label(const Record& record, std::string_view place) {
    const std::size_t slash = place.find('/');
    return std::string(place.substr(0, slash + 1)).append(model_label(record, place.substr(slash + 1)));
}

/// Each call to an upstream is billed, so each counts.
void MetricsRegistry::Families::count_tokens(const Record& record, std::string_view label) {
    if (!record.usage.any()) {
        const bool meant = record.policy && record.usage_expected && record.status == 200;
        if (meant) usage_missing.at({{"upstream", record.upstream}, {"model", label}}).Increment();
    }
    const auto count = [&](const auto& call) {
        if (!call.usage.any()) return;
        const TokenCounts counts = disjoint(call.usage);
        const std::string_view model = call.model == record.model ? label : model_label(record, call.model);
        const auto add = [&](std::string_view kind, std::int64_t number) {
            if (number > 0)
                tokens
                    .at({{"client", or_none(record.client)},
                         {"upstream", call.upstream},
                         {"model", model},
                         {"kind", kind}})
                    .Increment(static_cast<double>(number));
        };
        add("input", counts.input);
        add("cache_read", counts.cache_read);
        add("cache_write", counts.cache_write);
        add("output", counts.output);
        add("reasoning", counts.reasoning);
    };
    std::for_each(record.attempts.begin(), record.attempts.end(), count);
    std::for_each(record.probes.begin(), record.probes.end(), count);
}

void MetricsRegistry::Families::count_attempts(const Record& record) {
    for (std::size_t i = 0; i < record.attempts.size(); ++i) {
        const AttemptRecord& attempt = record.attempts[i];
        const std::string_view upstream = or_none(attempt.upstream), model = model_label(record, attempt.model);
        const std::string code = attempt.status ? std::to_string(attempt.status) : "none";
        const std::string_view reason = or_none(attempt.reason);
        attempts.at({{"upstream", upstream}, {"model", model}, {"code", code}, {"reason", reason}}).Increment();
        if (!attempt.error_class.empty())
            errors.at({{"upstream", upstream}, {"class", attempt.error_class}, {"reason", reason}}).Increment();
        if (i + 1 < record.attempts.size()) retries.at({{"upstream", upstream}, {"reason", reason}}).Increment();
    }
}

void MetricsRegistry::Families::count_waiting(const Record& record) {
    for (const WaitRecord& wait : record.waits)
        waits.at({{"upstream", wait.upstream}, {"cause", wait.cause}}, durations)
            .Observe(std::chrono::duration<double>(wait.took).count());
    for (const FallbackRecord& move : record.fallbacks)
        fallbacks
            .at({{"from", place_label(record, move.from)},
                 {"to", place_label(record, move.to)},
                 {"reason", or_none(move.reason)}})
            .Increment();
    for (const ResumeRecord& resume : record.resumes) {
        resumes
            .at({{"upstream", resume.upstream},
                 {"model", model_label(record, resume.model)},
                 {"strategy", resume.strategy},
                 {"outcome", resume.outcome}})
            .Increment();
        if (resume.gap)
            gaps.at({{"upstream", resume.upstream}}, durations)
                .Observe(std::chrono::duration<double>(*resume.gap).count());
    }
    if (record.resend) resends.at({{"client", or_none(record.client)}, {"upstream", record.upstream}}).Increment();
}

MetricsRegistry::Families::Row& MetricsRegistry::Families::row_of(const Record& record, std::string_view model) {
    const bool plain =
        record.attempts.size() == 1 && record.attempts[0].reason.empty() && record.attempts[0].error_class.empty();
    const int status = plain ? record.attempts[0].status : 0;
    row_key.assign(record.client).append(1, '\x1f').append(record.upstream).append(1, '\x1f').append(model);
    for (const int number : {static_cast<int>(record.endpoint), record.status, static_cast<int>(record.ending), status})
        row_key.append(reinterpret_cast<const char*>(&number), sizeof number);
    if (const auto known = rows.find(row_key); known != rows.end()) return known->second;
    const std::string_view upstream = or_none(record.upstream);
    Row row{};
    row.requests = &requests.at({{"client", or_none(record.client)},
                                 {"endpoint", endpoint_label(record.endpoint)},
                                 {"upstream", upstream},
                                 {"model", model},
                                 {"code", std::to_string(record.status)},
                                 {"outcome", ending_label(record.ending)}});
    if (plain)
        row.attempts = &attempts.at(
            {{"upstream", upstream}, {"model", model}, {"code", std::to_string(status)}, {"reason", "none"}});
    if (!record.upstream.empty()) row.duration = &duration.at({{"upstream", upstream}, {"model", model}}, durations);
    return rows.emplace(row_key, row).first->second;
}

MetricsRegistry::MetricsRegistry() : families_(std::make_unique<Families>()) {
    families_->build.at({{"version", STREAMKEEPER_VERSION}}).Set(1);
    families_->lag.at({}, small);
}
MetricsRegistry::~MetricsRegistry() = default;

void MetricsRegistry::record(const Record& record) {
    Families& f = *families_;
    const std::string_view upstream = or_none(record.upstream), model = f.model_label(record, record.model);
    Families::Row& row = f.row_of(record, model);
    row.requests->Increment();
    if (row.attempts)
        row.attempts->Increment();
    else
        f.count_attempts(record);
    f.count_waiting(record);
    if (record.upstream.empty()) return;
    const double took = seconds(record.ended - record.began);
    row.duration->Observe(took);
    f.all_overhead.Observe(seconds(record.own));
    if (!record.stream_end.empty())
        f.ends.at({{"upstream", upstream}, {"model", model}, {"how", record.stream_end}}).Increment();
    for (const RateLimitSeen& limit : record.limits) {
        f.remaining.at({{"upstream", upstream}, {"scope", or_none(record.key)}, {"dimension", limit.dimension}})
            .Set(limit.remaining);
        if (limit.reset_epoch > 0)
            f.reset.at({{"upstream", upstream}, {"scope", or_none(record.key)}, {"dimension", limit.dimension}})
                .Set(limit.reset_epoch);
    }
    f.count_tokens(record, model);
    if (!record.stream || record.first_output == Record::Clock::time_point{}) return;
    const double first = seconds(record.first_output - record.began);
    f.ttft.at({{"upstream", upstream}, {"model", model}}, first_token).Observe(first);
    const std::int64_t made = record.usage.any() ? disjoint(record.usage).output + disjoint(record.usage).reasoning : 0;
    if (made > 1)
        f.tpot.at({{"upstream", upstream}, {"model", model}}, per_token)
            .Observe((took - first) / static_cast<double>(made - 1));
}

/// One series for each scope that was ever closed; models would make too many.
void MetricsRegistry::Families::show_gates(const ServerSnapshot& snapshot) {
    for (const auto& [upstream, scope, cause] : gates_seen)
        gate_closed.at({{"upstream", upstream}, {"scope", scope}, {"cause", cause}}).Set(0);
    for (const UpstreamSnapshot& upstream : snapshot.upstreams)
        for (const GateSnapshot& gate : upstream.gates) {
            const std::string cause(gate_cause_label(gate.cause)), scope(scope_label(gate));
            gates_seen.insert({upstream.name, scope, cause});
            gate_closed.at({{"upstream", upstream.name}, {"scope", scope}, {"cause", cause}}).Set(1);
        }
}

void MetricsRegistry::loop_lag(double late) { families_->lag.at({}, small).Observe(std::max(0.0, late)); }

void MetricsRegistry::config_reloaded(bool well) {
    families_->reload_ok.at({}).Set(well ? 1 : 0);
    if (well) families_->reload_time.at({}).SetToCurrentTime();
}

std::string MetricsRegistry::text(const ServerSnapshot& snapshot) {
    Families& f = *families_;
    for (const UpstreamSnapshot& upstream : snapshot.upstreams) {
        f.in_flight.at({{"upstream", upstream.name}}).Set(upstream.in_flight);
        f.connections.at({{"upstream", upstream.name}, {"state", "idle"}}).Set(static_cast<double>(upstream.idle));
        f.connections.at({{"upstream", upstream.name}, {"state", "busy"}}).Set(upstream.busy);
        f.waiting.at({{"upstream", upstream.name}}).Set(static_cast<double>(upstream.waiting));
        for (const KeySnapshot& key : upstream.keys)
            f.key_usable.at({{"upstream", upstream.name}, {"key", key.name}})
                .Set(key.state == KeyState::usable ? 1 : 0);
    }
    f.show_gates(snapshot);
    f.memory.at({{"kind", "bodies"}}).Set(static_cast<double>(snapshot.bodies));
    f.memory.at({{"kind", "transcripts"}}).Set(static_cast<double>(snapshot.transcripts));
    f.memory.at({{"kind", "held"}}).Set(static_cast<double>(snapshot.held));
    f.process.update();
    return prometheus::TextSerializer().Serialize(f.registry.Collect());
}

}  // namespace streamkeeper
