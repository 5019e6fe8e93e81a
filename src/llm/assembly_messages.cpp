// The events of Anthropic's Messages as the message.

#include <algorithm>

#include "llm/assembly_dialects.hpp"
#include "llm/document_parts.hpp"
#include "llm/event_parts.hpp"

namespace streamkeeper::assembly_parts {
namespace {

using namespace document_parts;
using enum Joining;

constexpr Rules usage_rules{};
constexpr Rule message_members[] = {{"content", dropped}, {"usage", object, &usage_rules}, {"stop_reason", filled}};
constexpr Rules message_rules{message_members};

/// The SDKs put the last signature in the place of the one before. Members of deltas that are not known yet grow as
/// `compaction_delta` does.
constexpr Rule block_members[] = {{"input", dropped}, {"signature", filled}, {"citations", list}};
constexpr Rules block_rules{block_members, text};

}  // namespace

std::string_view type_of(const sse::Event& event, std::string_view data) {
    const std::string_view type = event_parts::bare(Fields(data).find("type"));
    return type.empty() ? event.name : type;
}

MessageAssembly::Block::Block(Kept& kept) : fields(block_rules, kept) {}

MessageAssembly::MessageAssembly(Kept& kept) : kept_(&kept), message_(message_rules, kept) {
    message_.declare({"id", "type", "role", "model"});
}

void MessageAssembly::add(const sse::Event& event, std::string_view data) {
    const std::string_view type = type_of(event, data);
    if (type == "content_block_delta") return add_delta(data);
    if (type == "content_block_start") return open_block(data);
    if (type == "message_delta") return add_end(data);
    const std::string_view message = Fields(data).find("message");
    if (type != "message_start" || begun_ || !is_object(message)) return;
    begun_ = true;
    message_.add(message);
    keep(opening_content_, Fields(message).find("content"), *kept_);
}

void MessageAssembly::open_block(std::string_view event) {
    const Fields fields(event);
    const std::string_view block = fields.find("content_block");
    if (!is_object(block)) return;
    const std::size_t before = blocks_.capacity();
    Block& opened = blocks_.emplace_back(*kept_);
    *kept_ += (blocks_.capacity() - before) * sizeof(Block) + 48;
    opened.fields.add(block);
    keep(opened.opening_input, Fields(block).find("input"), *kept_);
    const std::uint64_t next = blocks_.size() < 2 ? 0 : blocks_[blocks_.size() - 2].index + 1;
    opened.index = number_of(fields.find("index")).value_or(next);
    by_index_[opened.index] = blocks_.size() - 1;
}

void MessageAssembly::add_delta(std::string_view event) {
    const Fields fields(event);
    const auto index = number_of(fields.find("index"));
    const auto known = index ? by_index_.find(*index) : by_index_.end();
    if (blocks_.empty()) return;
    Block& block = known == by_index_.end() ? blocks_.back() : blocks_[known->second];
    const Fields delta(fields.find("delta"));
    for (const json::MemberCursor& member : delta.members()) {
        if (member.is("partial_json") && is_string(member.value)) {
            if (!block.input.empty()) block.input.pop_back();
            keep(block.input, block.input.empty() ? member.value : member.value.substr(1), *kept_);
        } else if (member.is("citation")) {
            block.fields.add("\"citations\"", "[" + std::string(member.value) + "]");
        } else if (!member.is("type")) {
            block.fields.add(member.key, member.value);
        }
    }
}

/// What stands in the delta and beside it are members of the message, which they replace; of the usage member by
/// member, since most vendors count the input in the opening and the output here.
void MessageAssembly::add_end(std::string_view event) {
    const Fields fields(event);
    if (const std::string_view delta = fields.find("delta"); is_object(delta)) message_.add(delta);
    for (const json::MemberCursor& member : fields.members())
        if (!member.is("type") && !member.is("delta")) message_.add(member.key, member.value);
}

/// The input is the joined text, as JSON. Text that a token limit cut short is none: it stays the text it is.
void MessageAssembly::write_block(std::string& out, const Block& block) {
    out += '{';
    block.fields.write(out);
    const std::string joined = json::unquote(block.input);
    const std::string_view input = trimmed(joined);
    if (!input.empty())
        append_member(out, "input", json::scan(input) ? std::string_view(block.input) : input);
    else if (!block.opening_input.empty())
        append_member(out, "input", block.opening_input);
    else if (event_parts::bare(block.fields.raw("type")).ends_with("tool_use"))
        append_member(out, "input", "{}");
    out += '}';
}

std::optional<std::string> MessageAssembly::document() const {
    if (!begun_) return std::nullopt;
    std::vector<const Block*> blocks;
    for (const Block& block : blocks_) blocks.push_back(&block);
    std::stable_sort(blocks.begin(), blocks.end(), [](const Block* a, const Block* b) { return a->index < b->index; });
    std::string out = "{";
    message_.write(out, 0, 4);
    append_name(out, "content");
    const bool opening = blocks.empty() && is_array(opening_content_);
    out += opening ? opening_content_ : "[";
    for (const Block* block : blocks) {
        if (block != blocks.front()) out += ',';
        write_block(out, *block);
    }
    if (!opening) out += ']';
    message_.write(out, 4);
    out += '}';
    return out;
}

}  // namespace streamkeeper::assembly_parts
