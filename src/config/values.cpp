#include "values.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace streamkeeper {
namespace configuration {
namespace {

struct Unit {
    std::string_view name;
    std::int64_t factor;
};

constexpr std::array<Unit, 4> duration_units{{{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}};
constexpr std::array<Unit, 4> size_units{{{"", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}}};

/// Far beyond any use, and far from overflow when a clock in nanoseconds adds it.
constexpr std::int64_t longest = 10'000LL * 3'600'000;

std::optional<std::int64_t> parse_amount(std::string_view text, std::span<const Unit> units) {
    std::int64_t amount = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), amount);
    if (error != std::errc() || amount < 0 || text[0] == '-') return std::nullopt;
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    for (const Unit& known : units) {
        if (unit != known.name) continue;
        if (amount > std::numeric_limits<std::int64_t>::max() / known.factor) return std::nullopt;
        return amount * known.factor;
    }
    return std::nullopt;
}

std::string format_amount(std::int64_t amount, std::span<const Unit> units) {
    const Unit* best = &units.front();
    for (const Unit& unit : units) {
        if (amount != 0 && amount % unit.factor == 0) best = &unit;
    }
    return std::to_string(amount / best->factor) + std::string(best->name);
}

constexpr std::array<TimeoutField, 9> fields{{
    {"connect", &Timeouts::connect, &TimeoutOverrides::connect},
    {"first_byte", &Timeouts::first_byte, &TimeoutOverrides::first_byte},
    {"stream_idle", &Timeouts::stream_idle, &TimeoutOverrides::stream_idle},
    {"stream_progress", &Timeouts::stream_progress, &TimeoutOverrides::stream_progress},
    {"total", &Timeouts::total, &TimeoutOverrides::total},
    {"client_head", &Timeouts::client_head, nullptr},
    {"client_body_idle", &Timeouts::client_body_idle, nullptr},
    {"client_keepalive", &Timeouts::client_keepalive, nullptr},
    {"pool_idle", &Timeouts::pool_idle, &TimeoutOverrides::pool_idle},
}};

template <typename Enum, std::size_t size>
using Words = std::array<std::pair<std::string_view, Enum>, size>;

constexpr Words<AuthStyle, 4> auth_words{{{"bearer", AuthStyle::bearer},
                                          {"x-api-key", AuthStyle::x_api_key},
                                          {"api-key", AuthStyle::api_key},
                                          {"none", AuthStyle::none}}};
constexpr Words<StreamUsage, 3> usage_words{
    {{"auto", StreamUsage::automatic}, {"on", StreamUsage::on}, {"off", StreamUsage::off}}};
constexpr Words<KeyOrder, 2> order_words{{{"failover", KeyOrder::failover}, {"round_robin", KeyOrder::round_robin}}};
constexpr Words<LimitScope, 3> scope_words{
    {{"key", LimitScope::key}, {"account", LimitScope::account}, {"ip", LimitScope::ip}}};
constexpr Words<FallbackBy, 3> walker_words{
    {{"client", FallbackBy::client}, {"vendor", FallbackBy::vendor}, {"off", FallbackBy::off}}};
constexpr Words<ModelNames, 2> model_name_words{{{"exact", ModelNames::exact}, {"fix", ModelNames::fix}}};
constexpr Words<OnFailure, 3> ending_words{
    {{"auto", OnFailure::automatic}, {"abort", OnFailure::abort}, {"error", OnFailure::error}}};
constexpr Words<Assemble, 3> assembly_words{
    {{"auto", Assemble::automatic}, {"off", Assemble::off}, {"always", Assemble::always}}};
constexpr Words<LogLevel, 4> level_words{
    {{"error", LogLevel::error}, {"warning", LogLevel::warning}, {"info", LogLevel::info}, {"debug", LogLevel::debug}}};
constexpr Words<LogFormat, 3> format_words{
    {{"auto", LogFormat::automatic}, {"text", LogFormat::text}, {"json", LogFormat::json}}};

}  // namespace

std::string format_duration(Duration value) {
    if (value == no_limit) return "off";
    if (value.count() == 0) return "0s";
    // In seconds up to an hour, as the defaults are written.
    static constexpr std::array<Unit, 3> shown{{duration_units[0], duration_units[1], duration_units[3]}};
    return format_amount(value.count(), shown);
}

std::string format_size(Bytes value) { return format_amount(static_cast<std::int64_t>(value), size_units); }

std::string format_rate_limit(const RateLimit& limit) {
    return "{requests: " + std::to_string(limit.requests) + ", per: " + format_duration(limit.per) +
           ", scope: " + std::string(spelling_of(limit_scopes(), limit.scope)) + '}';
}

std::uint64_t read_number(std::string_view text) {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

std::span<const TimeoutField> timeout_fields() { return fields; }
Spellings<AuthStyle> auth_styles() { return auth_words; }
Spellings<StreamUsage> stream_usages() { return usage_words; }
Spellings<KeyOrder> key_orders() { return order_words; }
Spellings<LimitScope> limit_scopes() { return scope_words; }
Spellings<FallbackBy> fallback_walkers() { return walker_words; }
Spellings<ModelNames> model_name_rules() { return model_name_words; }
Spellings<OnFailure> stream_endings() { return ending_words; }
Spellings<Assemble> assemblies() { return assembly_words; }
Spellings<LogLevel> log_levels() { return level_words; }
Spellings<LogFormat> log_formats() { return format_words; }

bool is_name(std::string_view text) {
    const auto inside = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
               c == '-';
    };
    return !text.empty() && text.size() <= 64 && text[0] != '.' && text[0] != '-' &&
           std::all_of(text.begin(), text.end(), inside);
}

std::string enumerate(std::span<const std::string> words) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) text += i + 1 == words.size() ? " and " : ", ";
        text += words[i];
    }
    return text;
}

}  // namespace configuration

std::optional<Duration> parse_duration(std::string_view text) {
    if (text == "off") return no_limit;
    const auto amount = configuration::parse_amount(text, configuration::duration_units);
    if (!amount || *amount > configuration::longest) return std::nullopt;
    return Duration(*amount);
}

std::optional<Bytes> parse_size(std::string_view text) {
    const auto amount = configuration::parse_amount(text, configuration::size_units);
    if (!amount) return std::nullopt;
    return static_cast<Bytes>(*amount);
}

Timeouts TimeoutOverrides::over(Timeouts base) const {
    for (const auto& field : configuration::timeout_fields()) {
        if (field.override_of == nullptr) continue;
        if (const auto& own = this->*field.override_of) base.*field.global = *own;
    }
    return base;
}

std::string Upstream::registry_key() const {
    std::string key = name + '|' + base_url.text;
    for (const Key& each : keys) key += '|' + each.secret.fingerprint();
    return key;
}

const Upstream* Config::upstream(std::string_view name) const { return upstream_ptr(name).get(); }

std::shared_ptr<const Upstream> Config::upstream_ptr(std::string_view name) const {
    for (const auto& each : upstreams) {
        if (each->name == name) return each;
    }
    return nullptr;
}

std::string ConfigMistake::text() const {
    std::string place = file;
    if (line > 0) place += (place.empty() ? "" : ":") + std::to_string(line) + ':' + std::to_string(column);
    return place.empty() ? message : place + ": " + message;
}

}  // namespace streamkeeper
