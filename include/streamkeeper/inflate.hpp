/// Undoes `Content-Encoding: gzip | deflate` of an answer that is encoded although `identity` was asked for.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace streamkeeper::http {

class Inflater {
public:
    /// Null for codings other than gzip, x-gzip and deflate.
    static std::unique_ptr<Inflater> of(std::string_view content_encoding);
    ~Inflater();
    /// Appends what `in` decodes to. False: the data is broken, or grows beyond all reason.
    bool feed(std::string_view in, std::string& out);
    /// The compressed data has reached its own end; without it the answer was cut.
    bool finished() const { return finished_; }

private:
    Inflater();
    struct State;
    std::unique_ptr<State> state_;
    bool finished_ = false;
};

}  // namespace streamkeeper::http
