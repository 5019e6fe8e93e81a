// The chunks of a chat completion, or of a legacy completion, as the completion.

#include "llm/assembly_dialects.hpp"
#include "llm/document_parts.hpp"
#include "llm/event_parts.hpp"

namespace streamkeeper::assembly_parts {
namespace {

using namespace document_parts;
using enum Joining;

// `obfuscation` (OpenAI) and `p` (Mistral) are padding that hides the length of a chunk.
constexpr Rule document_members[] = {{"id", first},       {"created", first},   {"model", first},
                                     {"object", dropped}, {"choices", dropped}, {"obfuscation", dropped},
                                     {"p", dropped}};
constexpr Rules document_rules{document_members};

// Azure judges each piece, and the last chunk judges nothing. `token_ids` is vLLM's.
constexpr Rules log_rules{{}, list};
constexpr Rules merged{};
constexpr Rule choice_members[] = {{"index", dropped},
                                   {"delta", dropped},
                                   {"message", dropped},
                                   {"finish_reason", filled},
                                   {"logprobs", object, &log_rules},
                                   {"content_filter_results", object, &merged},
                                   {"token_ids", list}};
constexpr Rules choice_rules{choice_members};
constexpr Rule completion_members[] = {{"index", dropped},
                                       {"text", text},
                                       {"finish_reason", filled},
                                       {"logprobs", object, &log_rules},
                                       {"content_filter_results", object, &merged},
                                       {"token_ids", list}};
constexpr Rules completion_rules{completion_members};

// A name is not joined: vendors that send it with every piece exist, vendors that cut it are not known.
constexpr Rule function_members[] = {{"name", first}, {"arguments", text}};
constexpr Rules function_rules{function_members};
constexpr Rule custom_members[] = {{"name", first}, {"input", text}};
constexpr Rules custom_rules{custom_members};
constexpr Rule call_members[] = {{"index", dropped},
                                 {"id", first},
                                 {"type", first},
                                 {"function", object, &function_rules},
                                 {"custom", object, &custom_rules}};
constexpr Rules call_rules{call_members};

constexpr Rule detail_members[] = {{"text", text}, {"summary", text}, {"signature", text}, {"data", text}};
constexpr Rules detail_rules{detail_members};

constexpr Rule inner_part_members[] = {{"text", text}};
constexpr Rules inner_part_rules{inner_part_members};
constexpr Rule part_members[] = {
    {"text", text}, {"thinking", parts, &inner_part_rules}, {"summary", parts, &inner_part_rules}};
constexpr Rules part_rules{part_members};

constexpr Rule audio_members[] = {{"id", first}, {"data", text}, {"transcript", text}};
constexpr Rules audio_rules{audio_members};

constexpr Rule message_members[] = {{"role", first},
                                    {"content", parts, &part_rules},
                                    {"refusal", text},
                                    {"reasoning_content", text},
                                    {"reasoning", text},
                                    {"reasoning_text", text},
                                    {"thinking", text},
                                    {"reasoning_details", details, &detail_rules},
                                    {"tool_calls", calls, &call_rules},
                                    {"function_call", object, &function_rules},
                                    {"audio", object, &audio_rules},
                                    {"annotations", list},
                                    {"images", list}};
constexpr Rules message_rules{message_members};
constexpr Rule whole_rule{"message", last};
constexpr Rule calls_members[] = {{"tool_calls", calls, &call_rules}, {"function_call", object, &function_rules}};

void append_value(std::string& out, std::string_view name, const Value& value) {
    append_name(out, name);
    value.write(out);
}

/// A member of the message: as the deltas had it, else as a whole message had it, else `otherwise`.
void write_member(std::string& out, std::string_view name, const Members& message, const Fields& whole,
                  std::string_view otherwise) {
    const Value* value = message.find(name);
    const std::string_view repeated = whole.find(name);
    if (value != nullptr && (value->filled() || !event_parts::filled(repeated))) return append_value(out, name, *value);
    append_member(out, name, repeated.empty() ? otherwise : repeated);
}

/// Role and content are always there: the API knows one role only, and null is how it says that no content came.
void write_message(std::string& out, const Members& message, std::string_view repeated) {
    const Fields whole(repeated);
    out += '{';
    write_member(out, "role", message, whole, "\"assistant\"");
    write_member(out, "content", message, whole, "null");
    message.write(out, 2);
    for (const json::MemberCursor& member : whole.members()) {
        if (member.is("role") || member.is("content") || message.find(json::unquote(member.key)) != nullptr) continue;
        out.append(",").append(member.key).append(":").append(member.value);
    }
    out += '}';
}

}  // namespace

const Rules calls_of_delta{calls_members};

ChunkAssembly::Choice::Choice(bool chat, Kept& kept)
    : fields(chat ? choice_rules : completion_rules, kept), message(message_rules, kept), whole(whole_rule, kept) {
    if (!chat) fields.declare({"text"});
    fields.declare({"logprobs", "finish_reason"});
    if (chat) message.declare({"role", "content"});
    kept += sizeof(Choice) + 64;
}

ChunkAssembly::ChunkAssembly(bool chat, Kept& kept) : chat_(chat), kept_(&kept), document_(document_rules, kept) {
    document_.declare({"id", "created", "model", "usage", "system_fingerprint"});
}

/// What has neither choices nor usage is no chunk, but a sign of life (`{"type":"ping"}`).
void ChunkAssembly::add(const sse::Event&, std::string_view data) {
    const Fields chunk(data);
    const std::string_view choices = chunk.find("choices");
    if (!is_array(choices) && !is_object(chunk.find("usage"))) return;
    document_.add(data);
    std::uint64_t place = 0;
    for (const std::string_view choice : elements(choices))
        if (is_object(choice)) add_choice(choice, place++);
}

void ChunkAssembly::add_choice(std::string_view text, std::uint64_t place) {
    const Fields fields(text);
    const std::uint64_t index = number_of(fields.find("index")).value_or(place);
    Choice& choice = choices_.try_emplace(index, chat_, *kept_).first->second;
    choice.fields.add(text);
    if (!chat_) {
        output_ = output_ || choice.fields.find("text") != nullptr;
        return;
    }
    const std::string_view delta = fields.find("delta"), whole = fields.find("message");
    if (is_object(delta)) choice.message.add(delta);
    if (is_object(whole)) choice.whole.add(whole);
    output_ = output_ || is_object(delta) || is_object(whole);
}

/// Groq has the usage of a stream in a member of its own, Moonshot in the choice.
std::string_view ChunkAssembly::usage() const {
    const std::string_view usual = document_.raw("usage");
    if (event_parts::filled(usual)) return usual;
    const std::string_view groq = json::find(document_.raw("x_groq"), "usage");
    if (event_parts::filled(groq)) return groq;
    for (const auto& [index, choice] : choices_)
        if (const std::string_view found = choice.fields.raw("usage"); event_parts::filled(found)) return found;
    return usual;
}

void ChunkAssembly::write_choice(std::string& out, std::uint64_t index, const Choice& choice) const {
    out += '{';
    if (!chat_) append_member(out, "text", choice.fields.find("text") ? choice.fields.raw("text") : "\"\"");
    append_member(out, "index", index);
    if (chat_) {
        append_name(out, "message");
        write_message(out, choice.message, choice.whole.raw());
    }
    choice.fields.write(out, chat_ ? 0 : 1);
    if (choice.fields.find("finish_reason") == nullptr) append_member(out, "finish_reason", "null");
    out += '}';
}

std::optional<std::string> ChunkAssembly::document() const {
    if (!output_) return std::nullopt;
    std::string out = "{";
    document_.write(out, 0, 1);
    append_member(out, "object", chat_ ? "\"chat.completion\"" : "\"text_completion\"");
    document_.write(out, 1, 3);
    append_name(out, "choices");
    out += '[';
    for (const auto& [index, choice] : choices_) {
        if (out.back() != '[') out += ',';
        write_choice(out, index, choice);
    }
    out += ']';
    if (!usage().empty()) append_member(out, "usage", usage());
    document_.write(out, 4);
    out += '}';
    return out;
}

}  // namespace streamkeeper::assembly_parts
