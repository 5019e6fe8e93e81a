/// How the demo's steps look into what came, and fail if it is not what it should be.
#pragma once

#include <boost/json/value.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "cli/demo_client.hpp"

namespace streamkeeper::demo {

constexpr const char* chat_path = "/v1/chat/completions";
constexpr const char* tools_key = "Authorization: Bearer any-key-the-tool-has\r\n";

/// Throws Failure.
void require(bool holds, const std::string& what);
/// Throws Failure if it is no JSON.
boost::json::value parsed(const std::string& text);
/// The string at a JSON pointer; empty if there is none.
std::string at(const boost::json::value&, const char* pointer);
/// At most so many bytes, cut at a character.
std::string shortened(const std::string& text, std::size_t most);
/// `200 in 3 ms`.
std::string status_of(const Reply&);
/// `2.3 s`.
std::string seconds(std::chrono::milliseconds);
/// A reply's header field, by its name in lower case; empty if there is none.
std::string field(const Reply&, const std::string& name);
/// The `data:` of each event in a piece of a stream; streamkeeper sends events whole.
void for_each_event(std::string_view piece, const std::function<void(std::string_view)>& then);
/// A chat request of one question.
std::string question(const std::string& model, const std::string& text, bool stream = false);

}  // namespace streamkeeper::demo
