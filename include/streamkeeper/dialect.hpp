/// A dialect: what the bytes of one API's stream mean. One value per API; the relays know no API by name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "streamkeeper/endpoint.hpp"
#include "streamkeeper/sse.hpp"

namespace streamkeeper {

/// What one event is. Cheap: decided by byte tests, parsed only where a test says so.
struct EventFacts {
    bool payload = false;     ///< text, reasoning, tool call, refusal or audio: the client has seen output after it
    bool finish = false;      ///< a choice or the message is complete
    bool terminal = false;    ///< nothing but a trailer follows ([DONE], message_stop, response.completed …)
    bool usage = false;       ///< a usage object stands in it
    bool usage_only = false;  ///< chat's extra chunk: `choices` is empty, usage is not null
    bool error = false;       ///< an error object or event: the stream is broken, whatever the status said
    bool failed = false;      ///< the whole answer failed by the dialect's own event (response.failed)
    std::string_view finish_reason;  ///< valid as long as the event; empty if none
};

/// Which parts of an answer an event adds: what resuming has to know beyond `EventFacts`. Views are valid as long as
/// the event.
struct Shows {
    bool opening = false;  ///< role, message_start, response.created and the like: shown once
    bool text = false;     ///< of the only choice
    bool reasoning = false;
    bool call = false;                    ///< a piece of a tool call
    bool other = false;                   ///< what can't be gone on with: refusal, audio, images, another choice
    std::string_view words;               ///< the inside of the JSON string that is the text
    std::string_view id, created, model;  ///< chunks: what it says of itself, raw; empty if it does not
    // ---- what differs from event to event of one form
    std::string_view inside;    ///< of the string of text or reasoning, if the event adds nothing else
    std::string_view padding;   ///< of a string that means nothing
    std::string_view sequence;  ///< the event's number
};

struct Dialect {
    std::string_view name;
    EventFacts (*read)(const sse::Event&);
    /// Of an event whose data is valid JSON.
    Shows (*shows)(const sse::Event&);
    std::string_view closing;  ///< the event that ends a complete stream; empty if the last one with content does
    /// The dialect's error event, whole, with its blank line. `error_json` is valid JSON: an answer of `render_error`
    /// for the same endpoint, or the error object alone. `sequence`: the number of the next event, where they have one.
    std::string (*error_event)(std::string_view error_json, std::int64_t sequence);
    /// A no-op that clients' watchdogs count as life (resumption.md); empty where none is allowed yet.
    std::string_view noop;
    /// Notes the choices that an event speaks of: `open[i]` is 1 from the first event of choice i until its finish. For
    /// requests with `n` > 1; null where an answer is one message.
    void (*note_choices)(std::string_view data, std::vector<char>& open) = nullptr;
};

/// Null for endpoints that do not stream.
const Dialect* dialect_of(Endpoint);

}  // namespace streamkeeper
