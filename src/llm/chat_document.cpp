// A whole chat completion, or legacy completion, as chunks: the role and the output of each choice (undivided), the
// finish of each, the usage for those who asked, `[DONE]`.
#include <algorithm>
#include <array>
#include <charconv>

#include "llm/document_parts.hpp"
#include "llm/event_parts.hpp"

namespace streamkeeper::document_parts {
namespace {

/// What distinguishes the two.
struct Form {
    std::string_view object;  ///< what a chunk calls itself
    std::string_view output;  ///< the member of a choice that has its output
    char kind;                ///< how the value of that begins
    /// What stands in the choice's first chunk, if that has no output; else null.
    void (*write_opening)(std::string& out, std::string_view output);
    void (*write_output)(std::string& out, std::string_view output);
    std::string_view nothing;  ///< in the last chunk
};

struct Choice {
    Fields fields;
    std::string_view output, finish;
    std::size_t index = 0;
};

/// Stands in every chunk: openai-python keeps the last fingerprint it saw (resumption_facts.md, section 5).
constexpr std::string_view identity[] = {"id", "created", "model", "system_fingerprint", "service_tier"};

/// Clients join the parts of a call by `index` and openai-python demands it; in a document the place is the index,
/// whatever number the vendor wrote (Ollama: always 0).
void write_calls(std::string& out, std::string_view calls) {
    constexpr Change own_index[] = {{"index", ""}};
    std::size_t index = 0;
    out += '[';
    for (const std::string_view call : elements(calls)) {
        if (index != 0) out += ',';
        if (is_object(call)) {
            out += '{';
            append_member(out, "index", index);
            append_members(out, Fields(call), own_index);
            out += '}';
        } else {
            out += call;
        }
        ++index;
    }
    out += ']';
}

/// The role comes once, in a chunk of its own as from OpenAI: openai-node counts log probabilities twice that stand in
/// a choice's first chunk. And it comes always, because openai-node refuses an answer without it, and the API knows no
/// other than this one.
void write_role(std::string& out, std::string_view message) {
    const std::string_view role = Fields(message).find("role");
    append_name(out, "delta");
    out += '{';
    append_member(out, "role", has_text(role) ? role : "\"assistant\"");
    out += '}';
}

/// The message's members as they are, whatever the vendor calls them.
void write_delta(std::string& out, std::string_view message) {
    const Fields fields(message);
    append_name(out, "delta");
    out += '{';
    for (const json::MemberCursor& member : fields.members()) {
        if (member.is("role")) continue;
        if (out.back() != '{') out += ',';
        out.append(member.key).append(":");
        if (member.is("tool_calls") && is_array(member.value))
            write_calls(out, member.value);
        else
            out += member.value;
    }
    out += '}';
}

void write_text(std::string& out, std::string_view text) { append_member(out, "text", text); }

constexpr Form chat{"\"chat.completion.chunk\"", "message", '{', write_role, write_delta, "\"delta\":{}"};
constexpr Form completion{"\"text_completion\"", "text", '"', nullptr, write_text, "\"text\":\"\""};

/// Clients put a choice where its `index` says, and openai-python's helper wants them to begin in order: so they are
/// told in that order. Numbers that are not 0 … n-1 would merge choices or leave gaps; then the places count.
void number(std::vector<Choice>& choices) {
    std::vector<bool> taken(choices.size());
    bool usable = true;
    for (Choice& choice : choices) {
        const std::string_view text = choice.fields.find("index");
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), choice.index);
        usable = usable && error == std::errc() && end == text.data() + text.size() && choice.index < choices.size() &&
                 !taken[choice.index];
        if (!usable) break;
        taken[choice.index] = true;
    }
    const auto by_index = [](const Choice& a, const Choice& b) { return a.index < b.index; };
    if (usable) return std::sort(choices.begin(), choices.end(), by_index);
    for (std::size_t place = 0; place < choices.size(); ++place) choices[place].index = place;
}

/// Empty if one of them is no choice of this form.
std::vector<Choice> choices_of(std::string_view array, const Form& form) {
    std::vector<Choice> choices;
    for (const std::string_view text : elements(array)) {
        Choice choice{Fields(text), {}, {}};
        choice.output = choice.fields.find(form.output);
        if (!choice.output.starts_with(form.kind)) return {};
        choice.finish = choice.fields.find("finish_reason");
        if (!has_text(choice.finish)) choice.finish = {};  // some gateways write "" where the vendor writes null
        choices.push_back(std::move(choice));
    }
    number(choices);
    return choices;
}

class Chunks {
public:
    Chunks(EventWriter& events, const Fields& document, const Form& form)
        : events_(events), document_(document), form_(form) {
        std::transform(std::begin(identity), std::end(identity), values_.begin(),
                       [&](std::string_view name) { return document.find(name); });
    }

    /// Members that only this vendor knows are told once: the document's in the first chunk, a choice's in its first.
    /// There openai-python's helper keeps them.
    void output(const Choice& choice) {
        const Change told[] = {
            {form_.output, ""}, {"delta", ""}, {"index", ""}, {"logprobs", ""}, {"finish_reason", ""}};
        if (form_.write_opening != nullptr) {
            form_.write_opening(open(choice), choice.output);
            append_members(*out_, choice.fields, told);
            close("null");
        }
        form_.write_output(open(choice), choice.output);
        if (form_.write_opening == nullptr) append_members(*out_, choice.fields, told);
        if (const std::string_view logprobs = choice.fields.find("logprobs"); !logprobs.empty())
            append_member(*out_, "logprobs", logprobs);
        close("null");
    }

    void finish(const Choice& choice) {
        open(choice).append(",").append(form_.nothing).append(",\"logprobs\":null");
        close(choice.finish);
    }

    void usage(std::string_view usage) {
        open();
        append_member(*out_, "choices", "[]");
        append_member(*out_, "usage", usage);
        events_.close();
    }

private:
    static constexpr Change elsewhere[] = {
        {"id", ""},           {"created", ""}, {"model", ""},   {"system_fingerprint", ""},
        {"service_tier", ""}, {"object", ""},  {"choices", ""}, {"usage", ""}};

    void open() {
        out_ = &events_.open();
        append_member(*out_, "object", form_.object);
        for (std::size_t i = 0; i < values_.size(); ++i)
            if (!values_[i].empty()) append_member(*out_, identity[i], values_[i]);
    }

    std::string& open(const Choice& choice) {
        open();
        if (first_) append_members(*out_, document_, elsewhere);
        first_ = false;
        append_name(*out_, "choices");
        out_->append("[{");
        append_member(*out_, "index", choice.index);
        return *out_;
    }

    void close(std::string_view finish) {
        append_member(*out_, "finish_reason", finish);
        out_->append("}]");
        events_.close();
    }

    EventWriter& events_;
    const Fields& document_;
    const Form& form_;
    std::array<std::string_view, std::size(identity)> values_;
    std::string* out_ = nullptr;  ///< the open chunk
    bool first_ = true;
};

bool tell(EventWriter& events, const Fields& document, const Form& form, bool with_usage) {
    const std::vector<Choice> choices = choices_of(document.find("choices"), form);
    if (choices.empty()) return false;
    Chunks chunks(events, document, form);
    for (const Choice& choice : choices) {
        chunks.output(choice);
        if (events.full()) return false;
    }
    bool complete = true;
    for (const Choice& choice : choices) {
        // "error" is how a gateway says that it broke off: told, but it completes nothing (resumption.md).
        complete = complete && !choice.finish.empty() && choice.finish != "\"error\"";
        if (!choice.finish.empty()) chunks.finish(choice);
        if (events.full()) return false;
    }
    const std::string_view usage = document.find("usage");
    if (with_usage && event_parts::filled(usage)) chunks.usage(usage);
    if (complete) events.done_marker();
    return true;
}

}  // namespace

bool tell_chat(EventWriter& events, const Fields& document, bool with_usage) {
    return tell(events, document, chat, with_usage);
}

bool tell_completion(EventWriter& events, const Fields& document, bool with_usage) {
    return tell(events, document, completion, with_usage);
}

}  // namespace streamkeeper::document_parts
