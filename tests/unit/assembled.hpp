/// Streams by hand or by chance, put together.
#pragma once

#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "streamkeeper/assembly.hpp"
#include "streamkeeper/json_scan.hpp"

namespace assembled {

namespace js = boost::json;
using streamkeeper::Assembly;
using streamkeeper::Endpoint;

/// Feeds a stream's text, cut as the relay cuts it.
inline void feed(Assembly& assembly, std::string_view text) {
    namespace sse = streamkeeper::sse;
    sse::Splitter splitter;
    splitter.feed(text);
    std::string joined;
    for (std::string_view bytes; splitter.next(bytes);) assembly.add(sse::read(bytes, joined));
    BOOST_REQUIRE_EQUAL(splitter.pending(), 0U);
}

/// The document, which is valid JSON; "nothing" if there is none.
inline std::string document_of(const Assembly& assembly) {
    const std::optional<std::string> document = assembly.document();
    if (!document) return "nothing";
    BOOST_TEST_REQUIRE(!streamkeeper::json::scan(*document), *document);
    return *document;
}

inline std::string from_text(Endpoint endpoint, std::string_view text) {
    Assembly assembly(endpoint);
    feed(assembly, text);
    return document_of(assembly);
}

/// Of a stream with this data, one an event.
inline std::string from(Endpoint endpoint, std::initializer_list<std::string_view> data) {
    std::string text;
    for (const std::string_view each : data) text.append("data: ").append(each).append("\n\n");
    return from_text(endpoint, text);
}

}  // namespace assembled
