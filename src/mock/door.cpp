#include "mock/door.hpp"

#include <algorithm>

#include "mock/endpoints.hpp"
#include "mock/play.hpp"
#include "mock/reply.hpp"
#include "mock/values.hpp"

namespace streamkeeper::mock {
namespace {

constexpr std::size_t most_plays = 10'000;
constexpr std::string_view own_models = "/api/models";  // needs no key at Apertis (vendors.md 1.1)

std::string_view presented_key(const Fields& fields) {
    constexpr std::string_view scheme = "bearer ";
    const std::string_view credentials = field(fields, "authorization");
    // Apertis takes both spellings anywhere and lets Authorization win (vendors.md 1.1).
    if (credentials.empty()) return field(fields, "x-api-key");
    if (credentials.size() <= scheme.size() || !same_name(credentials.substr(0, scheme.size()), scheme)) return {};
    return credentials.substr(scheme.size());
}

void refuse_at_door(Request& request, unsigned status, std::string_view message, std::string_view code) {
    request.refusal.status = status;
    request.refusal.message = message;
    request.refusal.code = code;
}

/// True: the key may come in.
bool judge_key(Request& request, std::string_view secret) {
    if (!request.key && secret.empty()) {
        refuse_at_door(request, 401, "You did not provide an API key.", "missing_api_key");
    } else if (!request.key) {
        refuse_at_door(request, 401, "Incorrect API key provided.", "invalid_api_key");
    } else if (request.key->rule.refuse) {
        request.fault = request.key->rule.refuse;
    } else if (!any_matches(request.key->rule.ips, request.ip)) {
        refuse_at_door(request, 403, "This key may not be used from your IP address.", "ip_not_allowed");
    } else {
        return true;
    }
    return false;
}

bool path_fits(const std::vector<std::string>& patterns, std::string_view path) {
    if (any_matches(patterns, path)) return true;
    const bool versioned = path.size() > 4 && path[0] == '/' && path[1] == 'v' && path[3] == '/';
    return versioned && any_matches(patterns, path.substr(4));
}

bool head_fits(const When& when, const Request& request) {
    const auto has = [&](const auto& wish) {
        const auto& [name, patterns] = wish;
        return std::any_of(request.fields.begin(), request.fields.end(),
                           [&, n = std::string_view(name)](const auto& f) {
                               return same_name(f.first, n) && any_matches(patterns, f.second);
                           });
    };
    return path_fits(when.path, request.path) && any_matches(when.method, request.method) &&
           any_matches(when.ip, request.ip) &&
           any_matches(when.key, request.key ? std::string_view(request.key->rule.name) : std::string_view()) &&
           std::all_of(when.header.begin(), when.header.end(), has);
}

bool body_fits(const When& when, const Request& request, std::string_view model) {
    if (!when.needs_body()) return true;
    const bool streams = request.document && request.document->flag("stream");
    return any_matches(when.model, model) && (!when.stream || *when.stream == streams);
}

/// Whether a fault has anything to say to this request.
bool concerns(const Fault& fault, const Request& request) {
    return !fault.stream_options_only || (request.document && request.document->find("stream_options"));
}

/// The play of that text, which is read when it is met first.
Performance* play_of(Lookup<Performance>& plays, std::string_view text, std::string_view words, Speaker speaker,
                     std::string& mistake) {
    if (const auto it = plays.find(text); it != plays.end()) return &it->second;
    if (plays.size() == most_plays) {
        mistake = "too many different plays: POST /mock/reset forgets them";
        return nullptr;
    }
    PlayReading reading = read_play(words, speaker);
    mistake = std::move(reading.mistake);
    if (!mistake.empty()) return nullptr;
    return &plays.emplace(std::string(text), Performance(std::move(reading.play))).first->second;
}

/// What has been read of a request. With its head alone only an early fault is given.
enum class Known { head, all };

std::shared_ptr<const Fault> asked_by_header(const Request& request, World& world, Known known, std::string& mistake) {
    const std::string_view words = request.knobs.fault;
    if (words.empty()) return nullptr;
    Performance* const play = play_of(world.asked, words, words, Speaker::header, mistake);
    std::shared_ptr<const Fault> fault = play ? play->current(request.at) : nullptr;
    if (!fault || !concerns(*fault, request) || (known == Known::head && !fault->early)) return nullptr;
    play->consume();
    return fault;
}

/// Rules in their order; the first that has something to say.
std::shared_ptr<const Fault> asked_by_rule(const Request& request, World& world, Known known, std::string_view model) {
    for (auto& each : world.rules) {
        const When& when = each.rule.when;
        if (!head_fits(when, request)) continue;
        if (known == Known::head && when.needs_body()) continue;
        if (!body_fits(when, request, model)) continue;
        std::shared_ptr<const Fault> fault = each.performance.current(request.at);
        if (!fault || !concerns(*fault, request)) continue;
        if (known == Known::head && !fault->early) return nullptr;
        each.performance.consume();
        ++each.given;
        return fault;
    }
    return nullptr;
}

std::shared_ptr<const Fault> asked_by_name(const Request& request, World& world, const Named& model,
                                           std::string& mistake) {
    if (model.asked.size() == model.name.size()) return nullptr;
    Performance* const play =
        play_of(world.named, model.asked, model.asked.substr(model.name.size() + 1), Speaker::name, mistake);
    std::shared_ptr<const Fault> fault = play ? play->current(request.at) : nullptr;
    if (!fault || !concerns(*fault, request)) return nullptr;
    play->consume();
    return fault;
}

/// True: a limiter refuses the request.
bool limited(Request& request, World& world) {
    if (world.limits.empty()) return false;
    const std::string_view key = request.key ? std::string_view(request.key->rule.name) : std::string_view();
    const LimitVerdict verdict = world.limits.judge(request.ip, key, request.at);
    if (!verdict.rule) return false;
    request.limit_wait = verdict.wait;
    request.limit = verdict.rule->requests;
    request.fault = verdict.rule->answer;
    return true;
}

}  // namespace

void admit(Request& request, World& world) {
    request.models = &world.models;
    request.error_shape = world.errors;
    const std::string_view secret = presented_key(request.fields);
    request.key = world.keys.find(secret);
    if (is_control(request.path)) return;
    const bool open = request.path == own_models && request.method == "GET";
    if (!limited(request, world) && !open && judge_key(request, secret) && request.knob_mistake.empty()) {
        std::string later;
        request.fault = asked_by_header(request, world, Known::head, later);
        if (!request.fault && later.empty()) request.fault = asked_by_rule(request, world, Known::head, {});
    }
    request.early = request.fault && request.fault->early;
}

std::optional<Answer> refusal_by_key(const Request& request, const Named& model) {
    if (!request.key) return std::nullopt;
    const KeyRule& rule = request.key->rule;
    if (!model.name.empty() && !any_matches(rule.models, model.name))
        return refuse(request, 403, "This key may not use the model `" + std::string(model.name) + "`.",
                      "model_access_denied", "model");
    if (request.method != "POST" || request.key->left != std::uint64_t{0}) return std::nullopt;
    if (rule.when_empty) return perform(rule.when_empty, request, [] { return Answer(); });
    return refuse(request, 402, "The quota of this key is used up.", "quota_exceeded");
}

std::shared_ptr<const Fault> choose_fault(const Request& request, World& world, const Named& model,
                                          std::string& mistake) {
    if (auto fault = asked_by_header(request, world, Known::all, mistake)) return fault;
    if (!mistake.empty()) return nullptr;
    if (auto fault = asked_by_rule(request, world, Known::all, model.name)) return fault;
    return asked_by_name(request, world, model, mistake);
}

void choose_character(Request& request, World& world, const Named& model) {
    std::string mistake;  // told by choose_fault, where the words decide
    Character& character = request.character;
    character = world.models.character_of(model.name);
    if (model.asked.size() > model.name.size()) {
        const auto* const play =
            play_of(world.named, model.asked, model.asked.substr(model.name.size() + 1), Speaker::name, mistake);
        if (play) character.merge(play->character());
    }
    const std::string_view words = request.knobs.fault;
    const auto* const play = words.empty() ? nullptr : play_of(world.asked, words, words, Speaker::header, mistake);
    if (play) character.merge(play->character());
    if (request.fault) character.merge(request.fault->character);
    if (request.knobs.text) character.text = request.knobs.text;
    if (!character.drift) return;
    if (world.drifting.size() == most_plays) world.drifting.clear();
    request.asked_before = world.drifting.at_or_new(std::string(model.asked) + '\n' + std::string(words))++;
}

void settle(const Request& request, const Answer& answer, World& world, const Named& model) {
    Tally& tally = world.tally;
    ++tally.requests;
    ++tally.statuses.at(answer.is_silent() ? 0 : answer.status);
    if (!model.name.empty()) ++tally.models.at_or_new(model.known ? model.name : "(unknown)");
    if (answer.fault) ++tally.faults.at_or_new(answer.fault->text);
    if (!request.key) return;
    ++request.key->requests;
    if (answer.status >= 400) ++request.key->refused;
    if (request.method == "POST" && answer.status < 300 && !answer.is_silent() && request.key->left.value_or(0) != 0)
        --*request.key->left;
}

}  // namespace streamkeeper::mock
