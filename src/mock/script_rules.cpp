#include "mock/script_rules.hpp"

#include <algorithm>

#include "config/schema.hpp"
#include "mock/play.hpp"
#include "mock/values.hpp"

namespace streamkeeper::mock {
namespace {

/// One answer as a map: every word of the vocabulary is a key; `body`, `headers`, `times` and `for` besides.
class AnswerMap {
public:
    AnswerMap(Speaker speaker, Report& report) : writer_(speaker), report_(report) {}

    /// False after a mistake.
    bool read(const Spot& spot) {
        if (!spot.node.IsMap()) {
            complain(spot.place, "an answer is a map like `{status: 429}` or a text like `429+x2`");
            return false;
        }
        for (const auto& pair : spot.node) {
            const Place place = place_of(pair.first, spot.place);
            const std::string key = pair.first.IsScalar() ? pair.first.Scalar() : std::string();
            member({pair.second, place_of(pair.second, place), key}, place);
        }
        if (times_ && lasting_.count() != 0) complain(spot.place, "`times` or `for`, but not both");
        if (good_) complain(spot.place, writer_.finish());
        return good_;
    }

    Act act(std::size_t usual_times) {
        return {std::make_shared<const Fault>(std::move(writer_.fault())), times_.value_or(usual_times), lasting_};
    }
    bool counts() const { return times_ || lasting_.count() != 0; }

private:
    void complain(Place place, const std::string& mistake) {
        if (mistake.empty()) return;
        report_.mistake(place, mistake);
        good_ = false;
    }

    void member(const Spot& spot, Place key_place) {
        if (spot.name == "body") return body(spot);
        if (spot.name == "headers") return headers(spot);
        if (spot.name == "times") {
            times_ = read_number(spot, 1, report_);
            good_ = good_ && times_;
        } else if (spot.name == "for") {
            const auto lasting = read_duration(spot, report_);
            lasting_ = lasting.value_or(lasting_);
            good_ = good_ && lasting;
        } else if (!is_word(spot.name)) {
            complain(key_place, unknown(spot.name));
        } else {
            word(spot);
        }
    }

    static std::string unknown(const std::string& name) {
        std::string_view near = nearest_word(name);
        if (near.empty()) {
            constexpr std::array<std::string_view, 4> others{"body", "headers", "times", "for"};
            near = configuration::nearest(name, others);
        }
        return '`' + name + "` is no word of the mock" +
               (near.empty() ? "" : "; did you mean `" + std::string(near) + "`?");
    }

    /// `true` and an empty value switch a word on that needs none; `false` leaves it out.
    void word(const Spot& spot) {
        if (!spot.node.IsScalar() && !spot.node.IsNull())
            return complain(spot.place, '`' + spot.name + "` must be a single value");
        const std::string value = spot.node.IsScalar() ? spot.node.Scalar() : std::string();
        const bool bare = spot.node.IsNull() || (value == "true" && !needs_value(spot.name));
        if (value == "false" && !needs_value(spot.name)) return;
        complain(spot.place, bare ? writer_.add(spot.name, std::nullopt) : writer_.add(spot.name, value));
    }

    void body(const Spot& spot) {
        const bool text = spot.node.IsScalar();
        writer_.set_body(text ? spot.node.Scalar() : json_of(spot, report_), !text);
    }

    void headers(const Spot& spot) {
        if (!spot.node.IsMap()) return complain(spot.place, "`headers` must be a map, like `{X-Thing: value}`");
        for (const auto& pair : spot.node) {
            const Place place = place_of(pair.first, spot.place);
            if (!pair.first.IsScalar() || !pair.second.IsScalar()) {
                complain(place, "a header needs one name and one value");
            } else {
                complain(place, writer_.add_header(pair.first.Scalar(), pair.second.Scalar()));
            }
        }
    }

    FaultWriter writer_;
    Report& report_;
    bool good_ = true;
    std::optional<std::size_t> times_;
    std::chrono::milliseconds lasting_{0};
};

void read_answer(const Spot& spot, Play& play, Report& report) {
    if (spot.node.IsScalar()) {
        PlayReading reading = read_play(spot.node.Scalar(), Speaker::script);
        if (reading.mistake.empty() && reading.play.then == Then::loop)
            reading.mistake = "`loop` is said by `then: loop` here";
        if (!reading.mistake.empty()) report.mistake(spot.place, reading.mistake);
        for (auto& act : reading.play.acts) play.acts.push_back(std::move(act));
        return;
    }
    AnswerMap answer(Speaker::script, report);
    if (answer.read(spot)) play.acts.push_back(answer.act(1));
}

Then read_then(const Spot& spot, Report& report) {
    const std::string word = spot.node.IsScalar() ? spot.node.Scalar() : std::string();
    if (word == "healthy") return Then::healthy;
    if (word == "repeat-last" || word == "repeat_last") return Then::repeat_last;
    if (word == "loop") return Then::loop;
    report.mistake(spot.place, "`then` must be healthy, repeat-last or loop");
    return Then::healthy;
}

void read_header_wishes(const Spot& spot, When& when, Report& report) {
    if (!spot.node.IsMap()) return report.mistake(spot.place, "`header` must be a map, like `{x-test: \"7\"}`");
    for (const auto& pair : spot.node) {
        if (!pair.first.IsScalar()) continue;
        const Spot wish{pair.second, place_of(pair.second, spot.place), pair.first.Scalar()};
        when.header.emplace_back(wish.name, read_texts(wish, report));
    }
}

void read_keys_wish(const Spot& spot, When& when, const std::vector<std::string>& names, Report& report) {
    when.key = read_texts(spot, report);
    for (const auto& pattern : when.key) {
        const auto fits = [&](const std::string& name) { return matches(pattern, name); };
        if (std::any_of(names.begin(), names.end(), fits)) continue;
        const std::vector<std::string_view> known(names.begin(), names.end());
        const std::string_view near = configuration::nearest(pattern, known);
        report.mistake(spot.place, "no key is named `" + pattern + '`' +
                                       (near.empty() ? "" : "; did you mean `" + std::string(near) + "`?"));
    }
}

When read_when(const Spot& spot, const std::vector<std::string>& names, Report& report) {
    When when;
    const auto texts = [&](std::vector<std::string>& into) {
        return [&into, &report](const Spot& value) { into = read_texts(value, report); };
    };
    read_map(spot,
             {{"model", texts(when.model)},
              {"path", texts(when.path)},
              {"method", texts(when.method)},
              {"ip", texts(when.ip)},
              {"key", [&](const Spot& value) { read_keys_wish(value, when, names, report); }},
              {"header", [&](const Spot& value) { read_header_wishes(value, when, report); }},
              {"stream", [&](const Spot& value) { when.stream = read_flag(value, report); }}},
             report);
    return when;
}

}  // namespace

Rule read_rule(const Spot& spot, const std::vector<std::string>& names, Report& report) {
    Rule rule;
    rule.line = spot.place.line;
    Place answers = spot.place;
    const std::size_t before = report.mistakes.size();
    read_map(spot,
             {{"when", [&](const Spot& value) { rule.when = read_when(value, names, report); }},
              {"answers",
               [&](const Spot& value) {
                   answers = value.place;
                   const auto each = [&](const Spot& one) { read_answer(one, rule.play, report); };
                   if (value.node.IsSequence())
                       read_list(value, each, report);
                   else
                       each(value);
               }},
              {"then", [&](const Spot& value) { rule.play.then = read_then(value, report); }}},
             report);
    if (rule.play.acts.empty() && report.mistakes.size() == before) report.mistake(answers, "a rule needs `answers`");
    for (const Act& act : rule.play.acts)
        if (act.fault->early && rule.when.needs_body())
            report.mistake(answers, "`early` comes before the body, so the rule can't ask for `model` or `stream`");
    return rule;
}

std::shared_ptr<const Fault> read_refusal(const Spot& spot, Speaker speaker, Report& report) {
    if (spot.node.IsScalar()) {
        FaultReading reading = read_fault(spot.node.Scalar(), speaker);
        if (!reading.mistake.empty()) report.mistake(spot.place, reading.mistake);
        return reading.fault;
    }
    AnswerMap answer(speaker, report);
    if (!answer.read(spot)) return nullptr;
    if (answer.counts()) report.mistake(spot.place, "a refusal has no count: it comes whenever it is due");
    return answer.act(0).fault;
}

}  // namespace streamkeeper::mock
