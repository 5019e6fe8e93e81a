// The body of a continuation, as the tests look at it.
#pragma once

#include <boost/test/unit_test.hpp>
#include <string>

#include "streamkeeper/continuation.hpp"

namespace continuation_body {

using namespace streamkeeper;

inline BodyFacts known(const std::string& body) {
    const auto read = read_body(body);
    BOOST_REQUIRE_MESSAGE(std::holds_alternative<BodyFacts>(read), body);
    return std::get<BodyFacts>(read);
}

inline ContinuationFacts facts(Endpoint endpoint, const std::string& body) {
    return read_continuation(endpoint, body, known(body));
}

inline std::string excluded(Endpoint endpoint, const std::string& body) {
    return std::string(facts(endpoint, body).excluded);
}

struct Asked {
    ContinuationWish wish;
    std::string model;  ///< the target's; empty: as the body has it
    bool with_usage = false;
};

inline std::string continued(Endpoint endpoint, const std::string& body, const Asked& asked) {
    const BodyFacts read = known(body);
    const ContinuationFacts found = read_continuation(endpoint, body, read);
    BOOST_REQUIRE_MESSAGE(found.excluded.empty(), std::string(found.excluded) + " in " + body);
    Target target;
    target.model = asked.model.empty() ? read.model : asked.model;
    std::vector<Splice> splices = splices_for(body, read, {}, target, asked.with_usage);
    add_continuation(splices, body, endpoint, read, found, asked.wish);
    std::string text;
    for (const std::string_view piece : spliced(body, splices)) text += piece;
    return text;
}

}  // namespace continuation_body
