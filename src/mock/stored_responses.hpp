/// Responses that were asked for in the background: their events can be had again.
#pragma once

#include <deque>
#include <string>
#include <string_view>

#include "mock/answer.hpp"

namespace streamkeeper::mock {

struct StoredResponse {
    std::string id;
    std::string model;     ///< as asked, so that a later request goes on with its play
    std::string document;  ///< the finished response
    Event event;
    std::size_t events = 0;
    Instant at{0};
};

/// The newest 64, for ten minutes each.
class StoredResponses {
public:
    void keep(StoredResponse);
    const StoredResponse* find(std::string_view id, Instant now) const;  ///< nullptr: unknown, or too old
    void clear() { all_.clear(); }

private:
    std::deque<StoredResponse> all_;
};

/// The id in `/responses/ID` and `/responses/ID/cancel`, the path below the version; empty: another path.
std::string_view response_id(std::string_view path);

/// GET of a stored response, as a stream from `starting_after` on or as a document; POST of its `cancel`.
Answer show_response(const Request&, const StoredResponses&, std::string_view path);

}  // namespace streamkeeper::mock
