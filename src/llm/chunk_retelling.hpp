/// A chunk of a later attempt, or of a vendor with habits of its own, as the client of this stream may see it: under
/// the names that were shown first, with the role once (resumption.md, "What the client must never see").
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "streamkeeper/dialect.hpp"

namespace streamkeeper {

/// What every chunk of a stream repeats, as raw JSON values; empty: not said yet.
struct ChunkNames {
    std::string id, created, model;
    /// Keeps what this chunk says and is not known yet. Azure's first chunk names nothing.
    void learn(const Shows&);
    /// Whether the chunk says something else.
    bool differ(const Shows&) const;
};

struct ChunkEdit {
    const ChunkNames& names;
    bool without_role = false, without_reasoning = false, without_calls = false, without_finish = false,
         without_text = false, without_null_usage = false;
    bool bare = false;                       ///< of the chunk's members only what every chunk has
    std::optional<std::string_view> text{};  ///< the inside of a JSON string, in place of the text
    std::string_view calls{};                ///< a raw array in place of `tool_calls`; empty: as it is
};

struct RetoldChunk {
    std::string event;        ///< whole, with its blank line
    std::size_t text_at = 0;  ///< where the inside of the text or the reasoning stands; 0: there is none
    bool empty = true;        ///< nothing is left that a client could miss
};

/// `data` is a valid JSON object.
RetoldChunk retell_chunk(std::string_view data, const ChunkEdit&);

}  // namespace streamkeeper
