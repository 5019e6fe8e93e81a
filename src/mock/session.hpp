/// A connection of the mock: reads requests with Beast's parser, asks the endpoints, writes answers at their pace.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <string>

#include "mock/endpoints.hpp"
#include "mock/record.hpp"

namespace streamkeeper::mock {

/// The concrete executor spares an indirect call per operation.
using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

/// What all connections share; it must outlive the io_context's handlers.
struct Shared {
    World world;
    Recorder recorder;
    boost::asio::ssl::context* tls = nullptr;  ///< nullptr: plain HTTP
    std::uint64_t requests = 0;

    Shared(World all, const std::string& record_file, bool record_tokens)
        : world(std::move(all)), recorder(record_file, record_tokens) {}

    const std::string& date();  ///< the `Date` line, made once a second
    Instant now() const;

private:
    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
    std::int64_t date_second_ = -1;
    std::string date_;
};

/// Serves the connection until either side ends it. The session owns itself.
void serve(Socket, Shared&);

}  // namespace streamkeeper::mock
