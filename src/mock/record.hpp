/// The list of requests that arrived, for tests that ask what was really sent.
#pragma once

#include <fstream>
#include <string>

#include "mock/answer.hpp"

namespace streamkeeper::mock {

/// One line of JSON a request, flushed at once:
/// {"sequence","method","target","headers":{name in lower case: value, repeated ones joined by ", "},"body_bytes",
///  "body": first 64 KiB as text, "body_encoding": "utf-8", or "latin-1" when the bytes are no UTF-8,
///  "at_ms": when the head had arrived, since the mock began, "key": its name or null,
///  "status": of the answer, null if none is sent, "fault": in the words that asked for it, or null,
///  "prefix", "max_tokens", "stream", "tokens", "text": testimony.hpp}
class Recorder {
public:
    /// No file: records nothing. Throws std::system_error if it cannot open.
    explicit Recorder(const std::string& file, bool with_tokens = false);
    void write(const Request&, const Answer&);
    void write_end(
        const Testimony&);  ///< when tokens are wanted: {"end_of": sequence, …} behind an answer of the model

private:
    bool with_tokens_;
    std::ofstream out_;
};

}  // namespace streamkeeper::mock
