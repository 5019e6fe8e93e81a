// What the words of a scripted answer mean.
#include <sstream>

#include "play.hpp"

namespace streamkeeper::play {

namespace {

struct End {
    std::string_view word;
    Cause cause;
    Phase phase;
    bool reached;
};
/// Ends without a status.
constexpr End ends[] = {
    {"dns", Cause::dns, Phase::connecting, false},
    {"refused", Cause::connect, Phase::connecting, false},
    {"handshake", Cause::tls, Phase::connecting, false},
    {"certificate", Cause::certificate, Phase::connecting, false},
    {"proxy", Cause::proxy, Phase::connecting, false},
    {"closed", Cause::closed, Phase::awaiting_head, true},
    {"timeout", Cause::timeout, Phase::awaiting_head, true},
    {"gone", Cause::client_gone, Phase::awaiting_head, true},
};

struct Named {
    std::string_view word, code, message;
};
/// Errors by their code or message.
constexpr Named named[] = {
    {"model", "model_not_found", ""},
    {"context", "context_length_exceeded", ""},
    {"policy", "content_filter", ""},
    {"geo", "unsupported_country_region_territory", ""},
    {"capacity", "MODEL_CAPACITY_EXHAUSTED", ""},
    {"overloaded", "engine_overloaded_error", ""},
    {"usage", "", "unknown field stream_options"},
    {"broke", "", "Insufficient Balance"},
};

bool read_end(const std::string& word, Answer& answer) {
    for (const End& end : ends) {
        if (word != end.word) continue;
        answer.outcome.cause = end.cause;
        answer.outcome.phase = end.phase;
        answer.reached = end.reached;
        return true;
    }
    if (word == "cut") {  // the pooled connection had been closed meanwhile
        answer.outcome.cause = Cause::closed;
        answer.outcome.phase = Phase::awaiting_head;
        answer.outcome.connection_was_reused = true;
    } else if (word == "broken") {  // the stream breaks after output
        answer.outcome.cause = Cause::closed;
        answer.outcome.phase = Phase::after_output;
    } else if (word == "html") {
        answer.outcome.cause = Cause::not_an_api;
        answer.outcome.error.html = true;
    } else if (word == "began") {  // the first bytes of an answer had come
        answer.outcome.answer_began = true;
    } else {
        return false;
    }
    return true;
}

bool read_value(const std::string& name, const std::string& value, Answer& answer) {
    Outcome& outcome = answer.outcome;
    const auto seconds = [&] { return length(std::stod(value)); };
    if (name == "wait")
        outcome.wait = std::chrono::ceil<Wait>(seconds());
    else if (name == "code")
        outcome.error.code = value;
    else if (name == "type")
        outcome.error.type = value;
    else if (name == "inside") {  // an error inside a 200
        outcome.cause = Cause::stream_error;
        outcome.error.eff_status = std::stoi(value);
    } else if (name == "upload")
        answer.upload = seconds();
    else if (name == "slow")
        answer.slow = seconds();
    else if (name == "lasts")
        answer.lasts = seconds();
    else
        return false;
    return true;
}

bool read_error(const std::string& word, Outcome& outcome) {
    if (word == "no-retry" || word == "retry") {
        outcome.should_retry = word == "retry";
        return true;
    }
    for (const Named& one : named) {
        if (word != one.word) continue;
        outcome.error.code = one.code;
        outcome.error.message = one.message;
        return true;
    }
    return false;
}

}  // namespace

std::vector<std::string> words(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> all;
    for (std::string word; in >> word;) all.push_back(word);
    return all;
}

Answer read_answer(const std::string& line, bool usage_injected) {
    Answer answer;
    Outcome& outcome = answer.outcome;
    outcome.usage_was_injected = usage_injected;
    for (const std::string& word : words(line)) {
        const std::size_t equals = word.find('=');
        const std::string value = equals == word.npos ? std::string() : word.substr(equals + 1);
        if (read_value(word.substr(0, equals), value, answer) || read_error(word, outcome) || read_end(word, answer))
            continue;
        outcome.status = std::stoi(word);
    }
    if (outcome.status != 0 && outcome.phase != Phase::after_output) outcome.phase = Phase::before_output;
    outcome.error.http_status = outcome.status;
    if (outcome.error.eff_status == 0) outcome.error.eff_status = outcome.status;
    if (outcome.error.eff_status >= 400) outcome.error.shape = "openai";
    return answer;
}

}  // namespace streamkeeper::play
