/// A request as the mock's endpoints see it, and what they answer: plain values, no sockets.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mock/character.hpp"
#include "mock/fault.hpp"
#include "mock/knobs.hpp"
#include "mock/multipart.hpp"

namespace streamkeeper::mock {

class Document;
class Models;
struct Key;
struct Testimony;

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
    std::string_view ip;              ///< of the client
    Instant at{0};                    ///< when the head had arrived

    // What the door found (door.cpp).
    Key* key = nullptr;                     ///< the one presented; nullptr: none that is known
    std::shared_ptr<const Fault> fault;     ///< decided already, by the head alone
    std::optional<Instant> limit_wait;      ///< set: a limiter refuses, and opens after that long
    std::size_t limit = 0;                  ///< its number of requests
    std::optional<ErrorShape> error_shape;  ///< of all errors, when the script chose one
    struct {
        unsigned status = 0;  ///< 0: let in
        std::string_view message, code;
    } refusal;
    bool early = false;  ///< to be answered without its body

    Character character;           ///< how the model speaks: of the name, the headers and the fault
    std::size_t asked_before = 0;  ///< requests of the same play before this one

    const Models* models = nullptr;
    const Document* document = nullptr;  ///< the JSON body, where an endpoint takes one
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
    std::size_t coalesce = 1;  ///< events a chunk
    bool gzip = false;         ///< encoded so
    bool http10 = false;       ///< as HTTP/1.0 writes it
    Wire wire;
    std::chrono::milliseconds delay{0};    ///< before the head
    std::optional<std::int64_t> date;      ///< the second that Date names; none: the current one
    std::shared_ptr<const Fault> fault;    ///< what made it so, if anything did; `content_type` may point into it
    std::shared_ptr<Testimony> testimony;  ///< what tests ask about it later; null: of no model

    bool is_silent() const { return wire.ending != Ending::none && wire.ends_here(); }  ///< not a byte of it is sent
};

/// Whose error shape and event names a path speaks.
enum class Shape {
    openai,    ///< {"error":{message,type,param,code}}
    anthropic  ///< {"type":"error","error":{type,message},"request_id"}
};
Shape shape_of(std::string_view path);

/// An error in the shape of the request's path, or the script's. An empty code means the usual one of that status.
Answer refuse(const Request&, unsigned status, std::string_view message, std::string_view code = {},
              std::string_view param = {});

}  // namespace streamkeeper::mock
