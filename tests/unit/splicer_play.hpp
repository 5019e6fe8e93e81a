/// A stream as the splicer sees it, and as a client gets it: what the tests of the splicer share.
///
///     Watched stream;                                       // chat
///     BOOST_TEST(stream.take(text("a") + text(" ")) == text("a"));
///     stream.begin({.continued = true});                   // it broke, and somebody goes on
///     BOOST_TEST(stream.take(text("b") + stop()) == …);
#pragma once

#include <string>
#include <string_view>

#include "streamkeeper/splicer.hpp"
#include "streamkeeper/sse.hpp"

namespace streamkeeper::splicing {

inline SplicerSettings in_mode(ResumeMode mode) {
    SplicerSettings settings;
    settings.mode = mode;
    return settings;
}

inline Join going_on(std::string_view expected = {}) {
    Join join;
    join.continued = true;
    join.expected = expected;
    return join;
}
inline Join saying_again(std::string_view expected) {
    Join join;
    join.expected = expected;
    return join;
}

class Watched {
public:
    explicit Watched(Endpoint endpoint = Endpoint::chat_completions, const SplicerSettings& settings = {},
                     const Join& join = {})
        : splicer(endpoint, settings) {
        splicer.begin(join);
    }
    /// What is shown of these events; the first fault is the end.
    std::string take(std::string_view events) {
        std::string now;
        sse::Splitter splitter;
        splitter.feed(events);
        for (std::string_view event; splicer.fault() == Fault::none && splitter.next(event);)
            add(now, splicer.take(event));
        shown += now;
        return now;
    }
    void begin(const Join& join = {}) { splicer.begin(join); }
    std::string judge() { return added(splicer.judge_seam()); }
    std::string release() { return added(splicer.release()); }

    /// The text that it has, in the spelling in which it came.
    std::string said() const { return splicer.transcript().text(); }

    Splicer splicer;
    std::string shown;  ///< all that the client has got

private:
    static void add(std::string& to, const Splicer::Step& step) { to.append(step.before).append(step.event); }
    std::string added(const Splicer::Step& step) {
        std::string now;
        add(now, step);
        shown += now;
        return now;
    }
};

inline std::string line_of(std::string_view json) { return "data: " + std::string(json) + "\n\n"; }
inline std::string named(std::string_view name, std::string_view json) {
    return "event: " + std::string(name) + "\n" + line_of(json);
}
inline const std::string done = "data: [DONE]\n\n";

// ---- chat

/// Other names of the same answer: what a later attempt says of itself.
struct Names {
    std::string id = "\"c1\"", created = "1", model = "\"m\"";
};
inline const Names others{"\"c2\"", "2", "\"m\""};

inline std::string chunk(std::string_view delta, std::string_view finish = "null", const Names& names = {},
                         std::string_view more = {}) {
    return line_of("{\"id\":" + names.id + ",\"object\":\"chat.completion.chunk\",\"created\":" + names.created +
                   ",\"model\":" + names.model + ",\"choices\":[{\"index\":0,\"delta\":{" + std::string(delta) +
                   "},\"finish_reason\":" + std::string(finish) + "}]" + std::string(more) + "}");
}
inline std::string role(const Names& names = {}) { return chunk(R"("role":"assistant","content":"")", "null", names); }
inline std::string text(std::string_view words, const Names& names = {}) {
    return chunk("\"content\":\"" + std::string(words) + "\"", "null", names);
}
inline std::string reasoning(std::string_view words, const Names& names = {}) {
    return chunk("\"reasoning_content\":\"" + std::string(words) + "\"", "null", names);
}
inline std::string stop(const Names& names = {}) { return chunk("", "\"stop\"", names); }
inline std::string usage(std::string_view value = R"({"prompt_tokens":3,"completion_tokens":2,"total_tokens":5})",
                         const Names& names = {}) {
    return line_of("{\"id\":" + names.id + ",\"object\":\"chat.completion.chunk\",\"created\":" + names.created +
                   ",\"model\":" + names.model + ",\"choices\":[],\"usage\":" + std::string(value) + "}");
}
/// A chunk with one piece of a call.
inline std::string piece(std::string_view call, std::string_view finish = "null", const Names& names = {}) {
    return chunk("\"tool_calls\":[" + std::string(call) + "]", finish, names);
}

}  // namespace streamkeeper::splicing
