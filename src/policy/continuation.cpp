// What a request's body says about continuing its answer. Reasons: resumption.md, "Break to strategy"; traps:
// resumption_facts.md, section 2.
#include "streamkeeper/continuation.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "policy/exclusion.hpp"
#include "policy/probe_kind.hpp"

namespace streamkeeper {

namespace {

using exclusion::empty_container;
using exclusion::not_empty_list;
using exclusion::Value;
using json::Kind;
using Members = std::vector<json::Member>;

/// Members that change what a server's template does with an open turn.
constexpr std::string_view turn_members[] = {
    "tools",    "tool_choice",     "functions",       "function_call",        "reasoning_effort",  "reasoning",
    "thinking", "enable_thinking", "thinking_budget", "chat_template_kwargs", "include_reasoning", "reasoning_format",
    "think",    "reasoning_split", "output_config",
};

bool is_chain_member(std::string_view body, const json::Member& member) {
    for (const std::string_view name : {"models", "route", "fallback_models", "fallback_enabled"})
        if (json::key_is(body, member, name)) return true;
    return false;
}

class Reading {
public:
    Reading(Endpoint endpoint, std::string_view body, ContinuationFacts& facts)
        : endpoint_(endpoint), body_(body), facts_(facts) {
        json::scan(body, &members_);
    }

    void run(const BodyFacts& known) {
        read_rules();
        read_limits();
        read_turn_members();
        read_chain(known);
        facts_.continue_final_message = only("continue_final_message");
        facts_.add_generation_prompt = only("add_generation_prompt");
        endpoint_ == Endpoint::completions ? read_prompt() : read_messages();
    }

private:
    void exclude(std::string_view why) {
        if (facts_.excluded.empty()) facts_.excluded = why;
    }

    /// The member, if it is not null. Which of two is meant, only the vendor knows.
    std::optional<json::Member> only(std::string_view name) {
        std::optional<json::Member> found;
        for (const json::Member& member : members_) {
            if (!json::key_is(body_, member, name)) continue;
            if (found) exclude(name);
            found = member;
        }
        return found;
    }

    std::optional<Value> value(std::string_view name) {
        const std::optional<json::Member> member = only(name);
        if (!member || member->kind == Kind::null) return std::nullopt;
        return Value{member->value.in(body_), member->kind};
    }

    void read_rules() {
        for (const exclusion::Rule& rule : exclusion::rules(endpoint_))
            if (const std::optional<Value> found = value(rule.name); found && rule.excludes(*found)) exclude(rule.name);
    }

    void read_limit(std::string_view name, std::optional<json::Member>& limit) {
        const std::optional<Value> found = value(name);
        if (!found) return;
        double number = 0;
        std::from_chars(found->text.data(), found->text.data() + found->text.size(), number);
        if (found->kind != Kind::number || number != std::floor(number) || std::abs(number) > 1e15)
            return exclude(name);  // can't be reduced
        if (number < 0) return;
        limit = only(name);
        const auto tokens = static_cast<std::int64_t>(number);
        facts_.token_limit = std::min(facts_.token_limit.value_or(tokens), tokens);
    }

    void read_limits() {
        read_limit("max_tokens", facts_.max_tokens);
        if (endpoint_ != Endpoint::messages) read_limit("max_completion_tokens", facts_.max_completion_tokens);
    }

    void read_turn_members() {
        for (const std::string_view name : turn_members) {
            const std::optional<Value> found = value(name);
            if (!found) continue;
            const bool tools = name == "tools" || name == "functions";
            if (tools && !not_empty_list(*found)) continue;
            facts_.tools = facts_.tools || tools;
            facts_.probe_members.append(facts_.probe_members.empty() ? "" : ",");
            facts_.probe_members.append("\"").append(name).append("\":").append(found->text);
        }
        facts_.kind = probe_kind(endpoint_, facts_.probe_members);
    }

    void read_chain(const BodyFacts& known) {
        if (known.model.empty() && only("models")) return exclude("models");
        for (std::size_t i = 0; i < members_.size(); ++i) {
            if (!is_chain_member(body_, members_[i])) continue;
            const std::size_t first = i;
            while (i + 1 < members_.size() && is_chain_member(body_, members_[i + 1])) ++i;
            if (i + 1 < members_.size())
                facts_.vendor_chain.push_back({members_[first].key.begin, members_[i + 1].key.begin});
            else
                facts_.vendor_chain.push_back(
                    {first > 0 ? members_[first - 1].value.end : members_[0].key.begin, members_[i].value.end});
        }
    }

    void read_prompt();
    void read_messages();
    void read_last(std::string_view message);
    void read_content(std::string_view content);

    Endpoint endpoint_;
    std::string_view body_;
    ContinuationFacts& facts_;
    Members members_;
};

/// The last element of an array's text, and how many there are.
struct Elements {
    std::string_view last;
    std::size_t count = 0;
};
Elements elements_of(std::string_view array) {
    Elements elements;
    json::for_each_element(
        array,
        [](std::string_view element, void* context) {
            auto& seen = *static_cast<Elements*>(context);
            seen.last = element;
            ++seen.count;
        },
        &elements);
    return elements;
}

void Reading::read_prompt() {
    const std::optional<Value> prompt = value("prompt");
    if (!prompt) return exclude("prompt");
    std::string_view text = prompt->text;
    if (prompt->kind == Kind::array) {
        const Elements elements = elements_of(text);
        if (elements.count != 1) return exclude("prompt");
        text = elements.last;
    }
    if (!text.starts_with('"')) return exclude("prompt");  // token ids
    facts_.into_last = true;
    facts_.insert_at = static_cast<std::size_t>(text.data() - body_.data()) + text.size() - 1;
}

void Reading::read_messages() {
    const std::optional<Value> messages = value("messages");
    if (!messages || messages->kind != Kind::array) return exclude("messages");
    const Elements elements = elements_of(messages->text);
    facts_.first = elements.count == 0;
    if (elements.last.starts_with('{') && json::unquote(json::find(elements.last, "role")) == "assistant")
        return read_last(elements.last);
    facts_.insert_at = static_cast<std::size_t>(messages->text.data() - body_.data()) + messages->text.size() - 1;
}

/// The client's own prefill: text, and nothing beside it that is part of a turn.
void Reading::read_last(std::string_view message) {
    facts_.into_last = true;
    facts_.message_end = static_cast<std::size_t>(message.data() - body_.data()) + message.size() - 1;
    std::string_view content;
    json::MemberCursor at{message, {}, {}};
    bool usable = true;
    for (std::size_t roles = 0; json::next_member(at);) {
        if (at.is("role") && ++roles > 1) usable = false;
        if (at.is("content")) {
            usable = usable && content.empty();
            content = at.value;
        }
        for (const std::string_view name : {"tool_calls", "function_call", "refusal", "audio"})
            if (at.is(name) && at.value != "null" && !(at.value.front() == '[' && empty_container(at.value)))
                usable = false;
        if (at.is("prefix") || at.is("partial")) {
            facts_.flagged = true;
            usable = usable && at.value == "true";  // else the client itself closed the turn
        }
    }
    if (!usable) return exclude("messages");
    read_content(content);
}

void Reading::read_content(std::string_view content) {
    if (content.starts_with('[')) {
        const std::string_view part = elements_of(content).last;
        if (!part.starts_with('{') || json::unquote(json::find(part, "type")) != "text") return exclude("messages");
        content = json::find(part, "text");
    }
    if (!content.starts_with('"')) return exclude("messages");
    facts_.insert_at = static_cast<std::size_t>(content.data() - body_.data()) + content.size() - 1;
}

bool is_background(std::string_view body) {
    const std::size_t first = body.find_first_not_of(" \t\r\n");
    return first != body.npos && json::find(body.substr(first), "background") == "true";
}

}  // namespace

bool goes_with_own_turn(Endpoint endpoint, std::string_view body, const ContinuationFacts& facts, Prefill prefill,
                        Seam seam) {
    if (!facts.into_last || endpoint == Endpoint::completions) return true;
    if (seam == Seam::echo) return false;
    switch (prefill) {
        case Prefill::prefix:
        case Prefill::partial: return facts.flagged;
        case Prefill::continue_final_message:
            return facts.continue_final_message && facts.continue_final_message->value.in(body) == "true";
        case Prefill::none:
        case Prefill::trailing: break;
    }
    return true;
}

ContinuationFacts read_continuation(Endpoint endpoint, std::string_view body, const BodyFacts& known) {
    ContinuationFacts facts;
    facts.background = endpoint == Endpoint::responses && is_background(body);
    if (endpoint != Endpoint::chat_completions && endpoint != Endpoint::completions && endpoint != Endpoint::messages)
        facts.excluded = endpoint_label(endpoint);
    else
        Reading(endpoint, body, facts).run(known);
    return facts;
}

}  // namespace streamkeeper
