/// streamkeeper in twenty lines. Read this first, then the headers beside it in the order of a request's way.
///
/// Seven nouns, one word per concept everywhere:
///   session     a client connection                          net/session
///   exchange    one request and its answer                   net/exchange
///   plan        what policy decided: targets and spans       plan.hpp
///   target      an upstream, a key and a model               plan.hpp
///   attempt     one try at a target                          net/attempt
///   outcome     how an attempt ended, in retry's words       attempt_loop.hpp
///   transcript  what the client has been shown               splicer.hpp, transcript.hpp
///
/// The way: accept ─ read head (head.hpp) ─ admit (admission.hpp) ─ read body (framing.hpp, budget.hpp) ─ plan
/// (plan.hpp, json_scan.hpp) ─ attempt loop: connect ─ send (forwarding.hpp) ─ judge (vendor_error.hpp) ─ relay by
/// events (sse.hpp, dialect.hpp, splicer.hpp), as a document, or raw ─ record (record.hpp).
///
/// Rooms depend one way: http ← llm ← policy ← net ← ops ← cli, and config is plain data that all include. http, llm
/// and policy are pure: no sockets, no clock, no Asio, no OpenSSL. net waits in one place only, for anything. What
/// people see (metrics, log, pages) leaves net through hooks (server.hpp).
///
/// Three promises decide every question: nothing invented, nothing lost, nothing leaked.
#pragma once

#include "streamkeeper/admission.hpp"
#include "streamkeeper/attempt_loop.hpp"
#include "streamkeeper/config.hpp"
#include "streamkeeper/plan.hpp"
#include "streamkeeper/server.hpp"
