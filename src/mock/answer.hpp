/// A request as the mock's endpoints see it, and what they answer: plain values, no sockets.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "mock/knobs.hpp"
#include "mock/multipart.hpp"

namespace streamkeeper::mock {

struct Request {
    std::string_view method;
    std::string_view target;  ///< as sent, with the query
    std::string_view path;    ///< without the query
    Fields fields;
    Knobs knobs;
    std::string knob_mistake;         ///< empty: the knobs are fine
    std::string_view body;            ///< whole for JSON; the first 64 KiB of anything else
    std::uint64_t body_bytes = 0;     ///< full size
    const Multipart* form = nullptr;  ///< a multipart body, else nullptr
    std::uint64_t sequence = 0;       ///< counts requests from 1
};

/// Appends event number `step` to the string. True: the event carries a token, so a pause may come before it.
using Event = std::function<bool(std::size_t step, std::string& out)>;

struct Answer {
    unsigned status = 200;
    std::string_view content_type = "application/json";
    std::string fields;  ///< further header lines, each with its CRLF
    std::string body;    ///< used when `event` is empty
    Event event;         ///< a stream: `events` steps, one chunk each
    std::size_t events = 0;
};

/// Whose error shape and event names a path speaks.
enum class Shape {
    openai,    ///< {"error":{message,type,param,code}}
    anthropic  ///< {"type":"error","error":{type,message},"request_id"}
};
Shape shape_of(std::string_view path);

/// An error in the shape of the request's path. An empty code means the usual one of that status.
Answer refuse(const Request&, unsigned status, std::string_view message, std::string_view code = {},
              std::string_view param = {});

}  // namespace streamkeeper::mock
