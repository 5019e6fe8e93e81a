// `/v1/models`: what the upstreams offer, merged (contract, section 3). Lists are fetched on demand and kept for five
// minutes; an upstream that fails keeps its last one.
#include <algorithm>

#include "net/exchange.hpp"
#include "streamkeeper/forwarding.hpp"

namespace streamkeeper::net {

namespace {

constexpr std::chrono::minutes list_stays_fresh{5}, names_stay_fresh{1};
/// A list that can't be had delays nobody for long, and not everybody again and again.
constexpr Duration list_may_take{10'000}, try_again{30'000};
constexpr std::size_t largest_list = 16u << 20;

/// `data` of an OpenAI-style list, or the array itself; entries without an `id` are passed over (vendors.md: Apertis
/// shows `{"data":[{"id","name"}]}`).
std::vector<ListedModel> read_list(std::string_view text) {
    std::vector<ListedModel> models;
    if (json::scan(text)) return models;
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    std::string_view list = text[first] == '{' ? json::find(text.substr(first), "data") : text.substr(first);
    if (list.empty() && text[first] == '{') list = json::find(text.substr(first), "models");
    if (!list.starts_with('[')) return models;
    json::for_each_element(
        list,
        [](std::string_view element, void* context) {
            if (!element.starts_with('{')) return;
            std::string id = json::unquote(json::find(element, "id"));
            if (!id.empty())
                static_cast<std::vector<ListedModel>*>(context)->push_back({std::move(id), std::string(element)});
        },
        &models);
    return models;
}

/// The entry with another id, and with the fields that strict clients demand (JetBrains Koog: `created`).
std::string entry_as(const ListedModel& model, const std::string& id, const std::string& owner) {
    std::string entry = R"({"id":)" + json::quote(id);
    std::vector<json::Member> members;
    json::scan(model.entry, &members);
    bool object = false, created = false, owned = false;
    for (const json::Member& member : members) {
        if (json::key_is(model.entry, member, "id")) continue;
        object = object || json::key_is(model.entry, member, "object");
        created = created || json::key_is(model.entry, member, "created");
        owned = owned || json::key_is(model.entry, member, "owned_by");
        entry.append(",").append(member.key.in(model.entry)).append(":").append(member.value.in(model.entry));
    }
    if (!object) entry += R"(,"object":"model")";
    if (!created) entry += R"(,"created":0)";
    if (!owned) entry += R"(,"owned_by":)" + json::quote(owner);
    return entry + "}";
}

std::string alias_entry(const std::string& alias) {
    return R"({"id":)" + json::quote(alias) + R"(,"object":"model","created":0,"owned_by":"streamkeeper"})";
}

}  // namespace

/// Whether the list is to be fetched now.
bool Exchange::list_is_due(ModelList& list, Need need, TimePoint now) {
    const bool had = list.fetched_at.has_value();
    if (need == Need::names && had) {
        const bool soon = list.refreshed_at && now - *list.refreshed_at < names_stay_fresh;
        if (!soon) list.refreshed_at = now;
        return !soon;
    }
    if (had && now - *list.fetched_at < list_stays_fresh) return false;
    const bool tried = list.tried_at && now - *list.tried_at < try_again;
    return !(tried && (had || need == Need::routing));
}

Task<void> Exchange::refresh_models(std::shared_ptr<const Upstream> upstream, Need need) {
    const std::shared_ptr<UpstreamState> state = core.state_of(upstream);
    const TimePoint now = core.reactor.now();
    if (!list_is_due(state->models, need, now)) co_return;
    // It is a call like any other for the vendor's limits; it never waits for one.
    Traffic& traffic = state->gates->traffic;
    const std::vector<Key>& keys = upstream->keys;
    std::size_t chosen = 0;
    while (chosen + 1 < keys.size() && !traffic.keys.may_use(state->slots[chosen], {}, false, now)) ++chosen;
    const Lane lane{keys.empty() ? 0 : state->slots[chosen], {}, 0, true};
    Pass pass;
    if (!traffic.gates.try_pass(lane, now, pass)) co_return;
    state->models.tried_at = now;
    const Key* const key = keys.empty() ? nullptr : &keys[chosen];
    for (bool fresh : {false, true}) {
        Leg leg;
        leg.state = state;
        leg.pass = &pass;
        timeouts = timeouts_for(*config, *upstream, {});
        for (Duration* const limit : {&timeouts.connect, &timeouts.first_byte, &timeouts.total})
            *limit = std::min(*limit, list_may_take);
        const bool opened = co_await open(leg, fresh);
        if (opened) co_await fetch_models(leg, key);
        const bool stale = leg.outcome.cause == Cause::closed && leg.reused && !leg.outcome.answer_began;
        if (leg.outcome.cause == Cause::client_gone)
            client_gone = true;
        else if (leg.outcome.cause != Cause::answered)
            core.log(LogLevel::warning,
                     "the model list of " + upstream->name + " can't be fetched: " + leg.outcome.detail);
        settle(leg);
        if (!stale) break;
    }
}

Task<void> Exchange::fetch_models(Leg& leg, const Key* key) {
    const Upstream& upstream = leg.state->config();
    http::RequestHead blank;
    blank.method = "GET";
    const std::string path = upstream.base_url.path + "/models";
    http::UpstreamHead to{"GET", path, &upstream, key, {}, true, false};
    std::string request = http::upstream_head(blank, to);
    if (upstream.auth == AuthStyle::x_api_key) request.insert(request.size() - 2, "anthropic-version: 2023-06-01\r\n");
    leg.request.emplace(std::move(request), std::vector<std::string_view>());
    const bool answered = co_await send_and_read_head(leg);
    if (!answered) co_return;
    leg.pass->answered(leg.answer->head().status == 200, Clock::now());
    if (!leg.undo_encoding()) co_return;
    std::string text;
    for (;;) {
        const Payload next = co_await next_payload(leg, Phase::before_output);
        if (next.state == Payload::State::failed) co_return;
        if (next.state == Payload::State::done || text.size() > largest_list) break;
        text.append(next.bytes);
    }
    std::vector<ListedModel> models = read_list(text);
    const int status = leg.answer->head().status;
    if (status != 200 || models.empty()) {
        leg.fail(Phase::before_output, Cause::not_an_api,
                 "status " + std::to_string(status) + ", " + std::to_string(models.size()) + " models");
        co_return;
    }
    leg.state->gates->traffic.corrected.clear();
    leg.state->models.models = std::move(models);
    leg.state->models.fetched_at = Clock::now();
}

Task<void> Exchange::answer_models() {
    std::size_t known = 0;
    std::vector<std::shared_ptr<UpstreamState>> states;
    for (const std::shared_ptr<const Upstream>& upstream : config->upstreams) {
        co_await refresh_models(upstream, Need::list);
        if (client_gone) co_return;
        states.push_back(core.state_of(upstream));
        known += states.back()->models.models.size();
    }
    if (known == 0) {
        send_refusal({502, "upstream_unreachable", "no upstream gave its model list; the log says why"});
        co_return;
    }
    const std::string_view preferred = default_name(*config);
    std::string text = R"({"object":"list","data":[)";
    const std::size_t empty = text.size();
    for (const std::shared_ptr<UpstreamState>& state : states) {
        const std::string& name = state->config().name;
        const std::string prefix = name == preferred ? "" : name + "/";
        for (const ListedModel& model : state->models.models) {
            if (text.size() > empty) text += ",";
            text += entry_as(model, prefix + model.id, name);
        }
    }
    for (const auto& [alias, target] : config->aliases) text += (text.size() > empty ? "," : "") + alias_entry(alias);
    text += "]}";
    send_page(200, "application/json", text);
}

}  // namespace streamkeeper::net
