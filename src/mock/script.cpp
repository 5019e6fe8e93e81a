#include "mock/script.hpp"

#include <algorithm>

#include "config/values.hpp"
#include "mock/play.hpp"
#include "mock/script_rules.hpp"
#include "mock/values.hpp"

namespace streamkeeper::mock {
namespace {

class ScriptReader {
public:
    explicit ScriptReader(Report& report) : report_(report) {}

    Script read(const Spot& file) {
        Spot rules;
        read_map(file,
                 {{"models", [&](const Spot& value) { list(value, [&](const Spot& one) { model(one); }); }},
                  {"keys", [&](const Spot& value) { list(value, [&](const Spot& one) { key(one); }); }},
                  {"limits", [&](const Spot& value) { list(value, [&](const Spot& one) { limit(one); }); }},
                  // Rules name keys, which may stand behind them.
                  {"rules", [&](const Spot& value) { rules = value; }},
                  {"errors", [&](const Spot& value) { errors(value); }},
                  {"max_body", [&](const Spot& value) { max_body(value); }},
                  {"delay", [&](const Spot& value) { script_.delay = duration(value); }},
                  {"jitter", [&](const Spot& value) { script_.jitter = duration(value); }}},
                 report_);
        std::vector<std::string> names = {"default", "any"};
        for (const auto& each : script_.keys) names.push_back(each.name);
        if (rules.place.line != 0)
            list(rules, [&](const Spot& one) { script_.rules.push_back(read_rule(one, names, report_)); });
        return std::move(script_);
    }

private:
    void list(const Spot& spot, const std::function<void(const Spot&)>& each) { read_list(spot, each, report_); }

    std::chrono::milliseconds duration(const Spot& spot) {
        return read_duration(spot, report_).value_or(std::chrono::milliseconds(0));
    }

    void errors(const Spot& spot) {
        script_.errors = error_shape(read_text(spot, report_).value_or(""));
        if (!script_.errors) report_.mistake(spot.place, "`errors` must be " + std::string(error_shape_words));
    }

    void max_body(const Spot& spot) {
        script_.max_body = parse_size(read_text(spot, report_).value_or(""));
        if (!script_.max_body) report_.mistake(spot.place, "`max_body` must be a size like 500, 64KiB or 1MiB");
    }

    void model(const Spot& spot) {
        Model made;
        if (spot.node.IsScalar()) {
            made.name = spot.node.Scalar();
        } else {
            read_map(spot,
                     {{"name", [&](const Spot& value) { made.name = read_text(value, report_).value_or(""); }},
                      {"context_length",
                       [&](const Spot& value) { made.context_length = read_number(value, 1, report_).value_or(0); }}},
                     report_);
        }
        if (!script_.models) script_.models.emplace();
        for (const auto& other : *script_.models)
            if (other.name == made.name) report_.mistake(spot.place, "the model `" + made.name + "` is listed twice");
        if (made.name.empty()) report_.mistake(spot.place, "a model needs a name");
        script_.models->push_back(std::move(made));
    }

    void key(const Spot& spot) {
        KeyRule made;
        read_map(
            spot,
            {{"name", [&](const Spot& value) { made.name = read_text(value, report_).value_or(""); }},
             {"secret", [&](const Spot& value) { made.secret = read_text(value, report_).value_or(""); }},
             {"quota", [&](const Spot& value) { made.quota = read_number(value, 0, report_); }},
             {"when_empty", [&](const Spot& value) { made.when_empty = read_refusal(value, Speaker::key, report_); }},
             {"refuse", [&](const Spot& value) { made.refuse = read_refusal(value, Speaker::key, report_); }},
             {"models", [&](const Spot& value) { made.models = read_texts(value, report_); }},
             {"ips", [&](const Spot& value) { made.ips = read_texts(value, report_); }}},
            report_);
        if (made.name.empty() || made.secret.empty())
            report_.mistake(spot.place, "a key needs a `name` and a `secret`");
        for (const auto& other : script_.keys)
            if (other.name == made.name || other.secret == made.secret)
                report_.mistake(spot.place,
                                "the key `" + made.name + "` has the name or the secret of `" + other.name + '`');
        script_.keys.push_back(std::move(made));
    }

    void limit(const Spot& spot) {
        LimitRule made;
        if (spot.node.IsScalar()) {
            const std::string mistake = read_limit(spot.node.Scalar(), made);
            if (!mistake.empty()) report_.mistake(spot.place, mistake);
        } else {
            limit_map(spot, made);
        }
        script_.limits.push_back(std::move(made));
    }

    void limit_map(const Spot& spot, LimitRule& made) {
        read_map(spot,
                 {{"requests", [&](const Spot& value) { made.requests = read_number(value, 1, report_).value_or(1); }},
                  {"per", [&](const Spot& value) { made.per = duration(value); }},
                  {"scope", [&](const Spot& value) { scope(value, made); }},
                  {"counts_refused",
                   [&](const Spot& value) { made.counts_refused = read_flag(value, report_).value_or(false); }},
                  {"answer", [&](const Spot& value) { made.answer = read_refusal(value, Speaker::limit, report_); }}},
                 report_);
        if (made.requests == 0 || made.per.count() == 0)
            report_.mistake(spot.place, "a limit needs `requests` and `per`, like `{requests: 1500, per: 3m}`");
        complete(made);
    }

    void scope(const Spot& spot, LimitRule& made) {
        const std::string word = read_text(spot, report_).value_or("");
        if (word == "key") {
            made.scope = LimitScope::key;
        } else if (word == "all") {
            made.scope = LimitScope::all;
        } else if (word != "ip") {
            report_.mistake(spot.place, "`scope` must be ip, key or all");
        }
    }

    Report& report_;
    Script script_;
};

constexpr std::string_view limit_form = "a limit is written `1500/3m per ip` (or `per key`, `per all`)";

std::vector<std::string_view> words_of(std::string_view text) {
    std::vector<std::string_view> words;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        if (end != 0) words.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return words;
}

}  // namespace

void complete(LimitRule& rule) {
    // Apertis sends its reset alone, as its troubleshooting page shows (vendors.md 1.1).
    if (!rule.answer) rule.answer = read_fault("429+reset", Speaker::limit).fault;
    const std::string_view scope = rule.scope == LimitScope::ip ? "ip" : rule.scope == LimitScope::key ? "key" : "all";
    rule.text =
        std::to_string(rule.requests) + '/' + configuration::format_duration(rule.per) + " per " + std::string(scope);
}

std::string read_limit(std::string_view text, LimitRule& rule) {
    const auto words = words_of(text);
    const std::string_view rate = words.empty() ? std::string_view() : words[0];
    const std::size_t slash = std::min(rate.find('/'), rate.size());
    const auto requests = whole_number(rate.substr(0, slash));
    const auto per = slash == rate.size() ? std::nullopt : parse_duration(rate.substr(slash + 1));
    if (!requests || *requests == 0 || !per || *per == no_limit || per->count() == 0) return std::string(limit_form);
    rule.requests = *requests;
    rule.per = *per;
    std::size_t next = 1;
    if (words.size() > 2 && words[1] == "per") {
        if (words[2] != "ip" && words[2] != "key" && words[2] != "all") return std::string(limit_form);
        rule.scope = words[2] == "ip" ? LimitScope::ip : words[2] == "key" ? LimitScope::key : LimitScope::all;
        next = 3;
    }
    if (words.size() > next + 1) return std::string(limit_form);
    if (words.size() > next) {
        FaultReading reading = read_fault(words[next], Speaker::limit);
        if (!reading.mistake.empty()) return reading.mistake;
        rule.answer = std::move(reading.fault);
    }
    complete(rule);
    return {};
}

ScriptReading read_script(const std::string& text, const std::string& file) {
    Report report{file, {}, {}};
    ScriptReading reading;
    try {
        // yaml-cpp 0.7 takes a quote that is still open after the last newline as closed; a comment behind it can't be.
        const YAML::Node node = YAML::Load(text + "\n#");
        const Spot root{node, place_of(node, {1, 1}), "the script"};
        if (!node.IsNull()) reading.script = ScriptReader(report).read(root);
    } catch (const YAML::Exception& error) {
        const bool known = !error.mark.is_null();
        report.mistake(known ? Place{error.mark.line + 1, error.mark.column + 1} : Place{},
                       "YAML syntax: " + error.msg);
    }
    reading.mistakes = std::move(report.mistakes);
    std::stable_sort(reading.mistakes.begin(), reading.mistakes.end(), [](const auto& a, const auto& b) {
        return std::pair(a.line, a.column) < std::pair(b.line, b.column);
    });
    return reading;
}

}  // namespace streamkeeper::mock
