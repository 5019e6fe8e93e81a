#include "schema.hpp"

#include <algorithm>

#include "policy_rows.hpp"
#include "resume.hpp"

namespace streamkeeper::configuration {
namespace {

constexpr std::int64_t KiB = 1024, MiB = 1024 * KiB, GiB = 1024 * MiB;

std::vector<Entry> listener_rows() {
    return {
        {.path = "listen",
         .kind = Kind::listens,
         .fallback = R"(["127.0.0.1:8817", "[::1]:8817"])",
         .meaning = "Where clients connect: `ADDRESS:PORT`, `[IPV6]:PORT` or `unix:/path`. Sockets that systemd hands "
                    "over replace it. A non-loopback address needs `clients`. Changed by a restart, not by a reload."},
        {.path = "allowed_hosts",
         .kind = Kind::hosts,
         .fallback = "[]",
         .meaning = "Extra `Host` values that are answered, such as a tunnel's name; `localhost`, `127.0.0.1`, `[::1]` "
                    "and the listen addresses always are. Needs `clients`."},
        {.path = "allowed_origins",
         .kind = Kind::origins,
         .fallback = "[]",
         .meaning = "Web origins (`https://app.example`) whose pages may call (CORS)."},
        {.path = "clients",
         .kind = Kind::list,
         .meaning = "Who may call. With one or more, every request needs one of their tokens as `Authorization: "
                    "Bearer`, `x-api-key` or `api-key`.",
         .otherwise = "no token is asked for"},
        {.path = "clients[].name",
         .kind = Kind::name,
         .meaning = "The client's name in metrics and logs.",
         .presence = Presence::required},
        {.path = "clients[].token_file",
         .kind = Kind::path,
         .meaning = "The file with its token; group and others must have no access to it.",
         .presence = Presence::required},
    };
}

std::vector<Entry> upstream_rows() {
    return {
        {.path = "upstreams",
         .kind = Kind::names,
         .meaning = "The vendors, each under a name of your choice (`/u/NAME/v1/…` and `NAME/model` reach it).",
         .presence = Presence::required},
        {.path = "upstreams.NAME", .kind = Kind::map, .meaning = "One vendor."},
        {.path = "upstreams.NAME.preset",
         .kind = Kind::choice,
         .fallback = "generic",
         .meaning = "Known facts of a vendor, listed below. Every field can be overridden.",
         .choices = "apertis|t-systems|llmai|openrouter|openai|anthropic|deepseek|mistral|moonshot|ollama|generic"},
        {.path = "upstreams.NAME.base_url",
         .kind = Kind::url,
         .meaning = "What the part of a request's path after `/v1` is appended to. Required for `generic`. `http://` "
                    "is accepted for loopback, without keys, or with `cleartext: true`.",
         .otherwise = "the preset's"},
        {.path = "upstreams.NAME.auth",
         .kind = Kind::choice,
         .meaning = "How the key is sent: `bearer` is `Authorization: Bearer KEY`, `x-api-key` and `api-key` are "
                    "header names, `none` sends nothing.",
         .choices = "bearer|x-api-key|api-key|none",
         .otherwise = "the preset's; `none` for a loopback `generic` without keys"},
    };
}

std::vector<Entry> key_rows() {
    return {
        {.path = "upstreams.NAME.keys",
         .kind = Kind::list,
         .meaning = "The vendor's keys. Each names one place that its key is read from. White space, quotes and the "
                    "like are stripped, and said.",
         .otherwise = "none, which only `auth: none`, `ollama` and a loopback `generic` allow"},
        {.path = "upstreams.NAME.keys[].name",
         .kind = Kind::name,
         .meaning = "The key's name in logs, metrics and answers.",
         .presence = Presence::required},
        {.path = "upstreams.NAME.keys[].credential",
         .kind = Kind::name,
         .meaning = "A systemd credential: `$CREDENTIALS_DIRECTORY/ID`, or `keys_ID` there.",
         .presence = Presence::one_of},
        {.path = "upstreams.NAME.keys[].file",
         .kind = Kind::path,
         .meaning = "A file; group and others must have no access, its owner is this user or root. `streamkeeper key "
                    "set UPSTREAM/NAME` writes one.",
         .presence = Presence::one_of},
        {.path = "upstreams.NAME.keys[].env",
         .kind = Kind::text,
         .meaning = "An environment variable.",
         .presence = Presence::one_of},
        {.path = "upstreams.NAME.keys[].command",
         .kind = Kind::words,
         .meaning = "A program and its arguments, run once at load without a shell for at most 30 s; its output is "
                    "the key.",
         .presence = Presence::one_of},
    };
}

std::vector<Entry> connection_rows() {
    return {
        {.path = "upstreams.NAME.stream_usage",
         .kind = Kind::choice,
         .fallback = "auto",
         .meaning = "Ask for token usage in streams (`stream_options.include_usage`) where the client does not; the "
                    "answer is hidden from the client again. `auto` stops asking an upstream that refuses.",
         .choices = "auto|on|off"},
        {.path = "upstreams.NAME.proxy",
         .kind = Kind::proxy,
         .fallback = "env",
         .meaning = "`env` follows `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`; `none`; or "
                    "`http://HOST:PORT`."},
        {.path = "upstreams.NAME.tls", .kind = Kind::map, .meaning = "There is no switch to skip verification."},
        {.path = "upstreams.NAME.tls.ca_file",
         .kind = Kind::path,
         .meaning = "A PEM file of certificates that are trusted besides the system's.",
         .otherwise = "the system store alone"},
        {.path = "upstreams.NAME.cleartext",
         .kind = Kind::flag,
         .fallback = "false",
         .meaning = "`true` lets the key cross a network unencrypted over `http://`."},
        {.path = "upstreams.NAME.timeouts",
         .kind = Kind::map,
         .meaning = "Overrides for this upstream.",
         .otherwise = "the global ones"},
        {.path = "upstreams.NAME.resume",
         .kind = Kind::map,
         .meaning = "Overrides for this upstream, and what it can do.",
         .otherwise = "the global one"},
        {.path = "default_upstream",
         .kind = Kind::name,
         .meaning = "Where requests go that name no upstream. Required with several upstreams.",
         .otherwise = "the only upstream"},
    };
}

/// `lowest` is exclusive for durations: a timeout of nothing times everything out.
Entry timeout(std::string_view name, std::string_view fallback, std::string_view meaning) {
    return {.path = "timeouts." + std::string(name), .kind = Kind::duration, .fallback = fallback, .meaning = meaning};
}

std::vector<Entry> timeout_rows() {
    return {
        {.path = "timeouts",
         .kind = Kind::map,
         .meaning = "Patient on purpose: reasoning models are silent for minutes, and an attempt cut here is billed "
                    "and done again."},
        timeout("connect", "10s", "TCP, proxy and TLS handshake together."),
        timeout("first_byte", "300s",
                "From the request's last byte to a complete response head, and the longest silence from there to the "
                "first output. While sending: the longest time in which no byte is taken."),
        timeout("stream_idle", "120s", "The longest silence once output has begun."),
        timeout("stream_progress", "600s", "The longest time without a payload event while comments arrive."),
        timeout("total", "off", "One attempt, from its start to its end."),
        timeout("client_head", "10s", "The time a client has to send a request's head."),
        timeout("client_body_idle", "60s", "The longest silence while a client sends a body."),
        timeout("client_keepalive", "180s", "How long an idle client connection stays open."),
        timeout("pool_idle", "50s", "How long an idle upstream connection is kept for reuse."),
    };
}

std::vector<Entry> limit_rows() {
    return {
        {.path = "limits", .kind = Kind::map, .meaning = "What one process takes on."},
        {.path = "limits.head",
         .kind = Kind::size,
         .fallback = "64KiB",
         .meaning = "A request's head; a longer one is 431.",
         .lowest = KiB,
         .highest = 16 * MiB},
        {.path = "limits.body",
         .kind = Kind::size,
         .fallback = "64MiB",
         .meaning = "A request body that is held for policy; a longer one is 413.",
         .lowest = KiB,
         .highest = 4 * GiB},
        {.path = "limits.connections",
         .kind = Kind::number,
         .fallback = "4096",
         .meaning = "Client connections at a time. At the cap the longest idle one is closed, else new ones wait.",
         .lowest = 1,
         .highest = 1'000'000},
        {.path = "limits.memory",
         .kind = Kind::size,
         .fallback = "256MiB",
         .meaning = "One budget for all held bodies. A body waits unread until it fits; one larger than half of it is "
                    "413.",
         .lowest = MiB,
         .highest = 1024 * GiB},
    };
}

std::vector<Entry> report_rows() {
    return {
        {.path = "metrics", .kind = Kind::map, .meaning = "`/metrics`, for Prometheus."},
        {.path = "metrics.listen",
         .kind = Kind::listen,
         .fallback = "same",
         .meaning = "`same`: on every loopback or Unix listener. Or its own loopback or Unix address, which then "
                    "serves `/metrics` alone. Changed by a restart, not by a reload."},
        {.path = "metrics.model_labels",
         .kind = Kind::number,
         .fallback = "50",
         .meaning = "The most values of the label `model`; later ones are counted as `other`.",
         .lowest = 0,
         .highest = 10'000},
        {.path = "log", .kind = Kind::map, .meaning = "The log, on stderr. Never a prompt, an answer or a key."},
        {.path = "log.level",
         .kind = Kind::choice,
         .fallback = "info",
         .meaning = "`info` is one line per request, `debug` adds one per attempt.",
         .choices = "error|warning|info|debug"},
        {.path = "log.format",
         .kind = Kind::choice,
         .fallback = "auto",
         .meaning = "`auto`: text on a terminal, JSON otherwise.",
         .choices = "auto|text|json"},
        {.path = "drain",
         .kind = Kind::duration,
         .fallback = "30s",
         .meaning = "How long running requests may go on after SIGTERM; a second SIGTERM ends at once. `0s` does not "
                    "wait, `off` waits for all of them.",
         .lowest = -1},
    };
}

/// The keys of `timeouts` that concern an upstream.
std::vector<Entry> timeout_override_rows(std::string_view owner) {
    std::vector<Entry> all;
    for (Entry own : timeout_rows()) {
        if (own.kind == Kind::map || own.leaf().starts_with("client_")) continue;
        own.path = std::string(owner) + own.path;
        own.fallback = {};
        own.otherwise = "inherited";
        own.meaning = "As the global one.";
        all.push_back(std::move(own));
    }
    return all;
}

void insert_behind(std::vector<Entry>& all, const std::string& path, const std::vector<Entry>& rows) {
    const auto at = std::find_if(all.begin(), all.end(), [&](const Entry& entry) { return entry.path == path; });
    all.insert(at + 1, rows.begin(), rows.end());
}

std::vector<Entry> build_table() {
    std::vector<Entry> all;
    for (const auto& rows :
         {listener_rows(), upstream_rows(), key_rows(), pacing_rows(), connection_rows(), model_rows(), retry_rows(),
          timeout_rows(), stream_rows(), resume_rows(), limit_rows(), report_rows()}) {
        all.insert(all.end(), rows.begin(), rows.end());
    }
    for (const std::string owner : {"upstreams.NAME.", "models.NAME."}) {
        insert_behind(all, owner + "timeouts", timeout_override_rows(owner));
        insert_behind(all, owner + "resume", resume_override_rows(owner));
    }
    return all;
}

}  // namespace

std::string_view Entry::leaf() const { return std::string_view(path).substr(path.rfind('.') + 1); }

std::span<const Entry> entries() {
    static const std::vector<Entry> table = build_table();
    return table;
}

const Entry* find_entry(std::string_view path) {
    for (const Entry& entry : entries()) {
        if (entry.path == path) return &entry;
    }
    return nullptr;
}

std::vector<const Entry*> children(std::string_view path) {
    std::vector<const Entry*> found;
    for (const Entry& entry : entries()) {
        const std::string_view own = entry.path;
        const bool below = path.empty() || (own.starts_with(path) && own.substr(path.size()).starts_with('.'));
        if (!below || own == path) continue;
        const std::string_view rest = path.empty() ? own : own.substr(path.size() + 1);
        if (rest.find('.') == rest.npos && rest != "NAME") found.push_back(&entry);
    }
    return found;
}

}  // namespace streamkeeper::configuration
