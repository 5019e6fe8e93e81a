#include "mock/stored_responses.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "mock/values.hpp"

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

constexpr std::size_t most_responses = 64;
constexpr auto kept_for = std::chrono::minutes(10);  // what the vendor keeps (resumption_facts.md 1)
constexpr std::string_view folder = "/responses/", cancel = "/cancel";

/// The value of a query's parameter, or empty.
std::string_view parameter(std::string_view target, std::string_view name) {
    std::size_t at = target.find('?');
    while (at < target.size()) {
        const std::string_view pair = target.substr(at + 1, target.find('&', at + 1) - at - 1);
        if (pair.starts_with(name) && pair.size() > name.size() && pair[name.size()] == '=')
            return pair.substr(name.size() + 1);
        at = target.find('&', at + 1);
    }
    return {};
}

Answer cancelled(const StoredResponse& stored) {
    json::value document = json::parse(stored.document);
    document.as_object()["status"] = "cancelled";
    Answer answer;
    answer.body = json::serialize(document);
    return answer;
}

Answer stream_of(const Request& request, const StoredResponse& stored) {
    const std::string_view after = parameter(request.target, "starting_after");
    const auto number = whole_number(after);
    if (!after.empty() && !number)
        return refuse(request, 400, "Invalid value for 'starting_after'.", "invalid_parameter", "starting_after");
    // An event's place is its sequence_number (response_events.cpp).
    const std::size_t first = number ? std::min(*number + 1, stored.events) : 0;
    Answer answer;
    answer.content_type = "text/event-stream; charset=utf-8";
    answer.events = stored.events - first;
    answer.event = [event = stored.event, first](std::size_t step, std::string& out) {
        return event(first + step, out);
    };
    return answer;
}

}  // namespace

void StoredResponses::keep(StoredResponse made) {
    std::erase_if(all_, [&](const StoredResponse& each) { return each.id == made.id; });
    if (all_.size() == most_responses) all_.pop_front();
    all_.push_back(std::move(made));
}

const StoredResponse* StoredResponses::find(std::string_view id, Instant now) const {
    const auto fits = [&](const StoredResponse& each) { return each.id == id && now - each.at <= kept_for; };
    const auto it = std::find_if(all_.begin(), all_.end(), fits);
    return it == all_.end() ? nullptr : &*it;
}

std::string_view response_id(std::string_view path) {
    if (!path.starts_with(folder)) return {};
    path.remove_prefix(folder.size());
    if (path.ends_with(cancel)) path.remove_suffix(cancel.size());
    return path.find('/') == path.npos ? path : std::string_view();
}

Answer show_response(const Request& request, const StoredResponses& all, std::string_view path) {
    const std::string_view id = response_id(path);
    const StoredResponse* const stored = all.find(id, request.at);
    if (!stored)
        return refuse(request, 404, "Response with id '" + std::string(id) + "' not found.", "response_not_found");
    if (path.ends_with(cancel)) return cancelled(*stored);
    if (parameter(request.target, "stream") == "true") return stream_of(request, *stored);
    Answer answer;
    answer.body = stored->document;
    return answer;
}

}  // namespace streamkeeper::mock
