/// A stream, put together as the document that the upstream would have sent without `stream: true` (contract,
/// `stream.assemble`). The way back from document_events.hpp.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "streamkeeper/endpoint.hpp"
#include "streamkeeper/sse.hpp"

namespace streamkeeper {

/// Gathers the events of one stream. Nothing is invented: every member of every event that a document of the endpoint
/// has a place for is kept as it was spelt (vendors' own members too), strings are joined, and what the stream did not
/// say is not in the document, but for the members that no document of the endpoint goes without: role, content and
/// finish reason of a chat choice, the input of a call of Messages.
class Assembly {
public:
    /// Of an endpoint that streams: `dialect_of` it is not null.
    explicit Assembly(Endpoint);
    ~Assembly();
    Assembly(Assembly&&) noexcept;
    Assembly& operator=(Assembly&&) noexcept;

    /// Takes one event whose data is one valid JSON value (the caller has checked it), or `[DONE]`, which says nothing.
    void add(const sse::Event&);
    /// Bytes kept so far, for the memory budget: what the allocator gave for them, not only what they spell. The
    /// document takes about as much once more.
    std::size_t bytes() const;
    /// The document of a stream that has come to its finish, which the caller has seen: whether the answer is complete
    /// is not asked here. Nothing if the events are no answer of this endpoint.
    std::optional<std::string> document() const;

private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

/// Whether a stream can carry what this request asks for (`body` is valid JSON): not several candidates of which the
/// best is answered (`best_of` above 1), audio, or `background` (resumption.md, "requests that a stream cannot carry").
bool can_stream(Endpoint, std::string_view body);

}  // namespace streamkeeper
