/// What tests ask about an answer of the model: what it was begun with, what it would have said, what went out and
/// when.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mock/answer.hpp"

namespace streamkeeper::mock {

struct Testimony {
    std::uint64_t sequence = 0;
    std::string model;                        ///< as asked
    std::optional<std::string> prefix, text;  ///< the answer's beginning in the request; all of the answer's text
    std::optional<std::uint64_t> max_tokens;
    bool stream = false;
    std::size_t tokens = 0;  ///< of this call's answer when nothing goes wrong

    // While it goes out.
    std::size_t emitted = 0;         ///< tokens, each with its last byte
    std::vector<Instant> at;         ///< of the first few thousand of them
    std::optional<Instant> started;  ///< the request's head had arrived
    std::optional<Instant> ended;    ///< the answer is out, or its connection closed
    bool left = false;               ///< the client ended it

    void emit(std::size_t count, Instant now);
    void end(Instant now, bool client_left);
    boost::json::object state() const;
};

/// null: the request asks for no text.
std::shared_ptr<Testimony> testify(const Request&);

/// The members that the record's line has besides its own.
void add_testimony(boost::json::object&, const Testimony*);

}  // namespace streamkeeper::mock
