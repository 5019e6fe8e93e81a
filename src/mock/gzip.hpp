/// Content-Encoding: gzip, a piece at a time.
#pragma once

#include <memory>
#include <string>
#include <string_view>

struct z_stream_s;

namespace streamkeeper::mock {

class Gzip {
public:
    Gzip();
    /// What may be sent once this much is known; `last` closes the encoding.
    std::string encode(std::string_view, bool last);

private:
    struct Close {
        void operator()(z_stream_s*) const;
    };
    std::unique_ptr<z_stream_s, Close> stream_;
};

}  // namespace streamkeeper::mock
