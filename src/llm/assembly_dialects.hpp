/// The three ways in which a stream becomes a document.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "llm/assembly_parts.hpp"
#include "streamkeeper/sse.hpp"

namespace streamkeeper::assembly_parts {

/// Chunks of chat or of legacy completions.
class ChunkAssembly {
public:
    ChunkAssembly(bool chat, Kept&);
    void add(const sse::Event&, std::string_view data);
    std::optional<std::string> document() const;

private:
    struct Choice {
        Choice(bool chat, Kept&);
        Members fields, message;
        Value whole;  ///< a message that some vendors repeat in chunks (Perplexity, MiniMax)
    };
    void add_choice(std::string_view choice, std::uint64_t place);
    void write_choice(std::string& out, std::uint64_t index, const Choice&) const;
    std::string_view usage() const;

    bool chat_, output_ = false;
    Kept* kept_;
    Members document_;
    std::map<std::uint64_t, Choice> choices_;
};

/// Events of Messages.
class MessageAssembly {
public:
    explicit MessageAssembly(Kept&);
    void add(const sse::Event&, std::string_view data);
    std::optional<std::string> document() const;

private:
    struct Block {
        explicit Block(Kept&);
        Members fields;
        std::string opening_input;
        std::string input;  ///< `partial_json`, joined, as a JSON string
        std::uint64_t index = 0;
    };
    void open_block(std::string_view event);
    void add_delta(std::string_view event);
    void add_end(std::string_view event);
    static void write_block(std::string& out, const Block&);

    Kept* kept_;
    bool begun_ = false;
    Members message_;
    std::string opening_content_;  ///< of servers that have it there
    std::vector<Block> blocks_;
    std::unordered_map<std::uint64_t, std::size_t> by_index_;
};

/// Events of Responses.
class ResponseAssembly {
public:
    explicit ResponseAssembly(Kept& kept) : kept_(&kept) {}
    void add(const sse::Event&, std::string_view data);
    std::optional<std::string> document() const;

private:
    Kept* kept_;
    std::string response_;
    std::map<std::uint64_t, std::string> items_;  ///< until the last event shows that it has them
};

/// How the tool calls of a chunk's delta grow: `tool_calls`, and the older `function_call`.
extern const Rules calls_of_delta;

/// What an event of Messages or Responses calls itself.
std::string_view type_of(const sse::Event&, std::string_view data);

}  // namespace streamkeeper::assembly_parts
