/// A Beast body that keeps JSON whole and of anything else only the beginning and a count.
#pragma once

#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/message.hpp>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "mock/multipart.hpp"

namespace streamkeeper::mock {

struct Upload {
    std::string kept;
    std::size_t keep = 64 * 1024;
    bool whole = false;  ///< more than `keep` is an error, not cut
    std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t bytes = 0;
    std::optional<Multipart> form;

    /// False: larger than may be kept.
    bool add(std::string_view piece) {
        bytes += piece.size();
        if (form) form->feed(piece);
        if (bytes > most || (whole && bytes > keep)) return false;
        kept.append(piece.substr(0, keep - kept.size()));
        return true;
    }
};

/// The Body requirements of Beast, reading side.
struct UploadBody {
    using value_type = Upload;

    class reader {
    public:
        template <bool is_request, class Fields>
        reader(boost::beast::http::header<is_request, Fields>&, value_type& upload) : upload_(upload) {}

        void init(const boost::optional<std::uint64_t>&, boost::beast::error_code& error) { error = {}; }

        template <class Buffers>
        std::size_t put(const Buffers& buffers, boost::beast::error_code& error) {
            error = {};
            std::size_t taken = 0;
            for (const auto& buffer : boost::beast::buffers_range_ref(buffers)) {
                const std::string_view piece(static_cast<const char*>(buffer.data()), buffer.size());
                if (!upload_.add(piece)) error = boost::beast::http::error::body_limit;
                taken += piece.size();
            }
            return taken;
        }

        void finish(boost::beast::error_code& error) { error = {}; }

    private:
        value_type& upload_;
    };
};

}  // namespace streamkeeper::mock
