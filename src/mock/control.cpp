// `/mock/…`: counters for tests, a reset between them, and quota that a call tops up.
#include <boost/json.hpp>

#include "mock/endpoints.hpp"

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

constexpr std::string_view prefix = "/mock/";

Answer json_answer(const json::object& document) {
    Answer answer;
    answer.body = json::serialize(document);
    return answer;
}

bool is_loopback(std::string_view ip) { return ip.starts_with("127.") || ip == "::1" || ip.starts_with("::ffff:127."); }

Answer top_up(const Request& request, World& world) {
    boost::system::error_code error;
    const json::value body = json::parse(request.body, error);
    const auto* wish = body.if_object();
    const auto* name = wish ? wish->if_contains("key") : nullptr;
    const auto* amount = wish ? wish->if_contains("requests") : nullptr;
    if (error || !name || !name->is_string() || !amount || !amount->is_int64() || amount->get_int64() < 0)
        return refuse(request, 400, R"(Wanted: {"key": NAME, "requests": N})");
    const std::string_view text = name->get_string();
    Key* key = world.keys.find_named(text);
    if (!key) key = world.keys.find(text);
    if (!key) return refuse(request, 404, "The mock has no such key.", "key_not_found");
    if (!key->left) return refuse(request, 400, "This key has no quota.");
    *key->left += static_cast<std::uint64_t>(amount->get_int64());
    return json_answer({{"key", key->rule.name}, {"left", *key->left}});
}

}  // namespace

bool is_control(std::string_view path) { return path.starts_with(prefix); }

Answer control(const Request& request, World& world) {
    if (!is_loopback(request.ip) && !request.key)
        return refuse(request, 401, "From elsewhere than this machine a key is needed.");
    const std::string_view what = request.path.substr(prefix.size());
    if (what == "state" && (request.method == "GET" || request.method == "HEAD")) return json_answer(world.state());
    if (what == "topup" && request.method == "POST") return top_up(request, world);
    if (what == "reset" && request.method == "POST") {
        world.clear();
        return json_answer({{"ok", true}});
    }
    return refuse(request, 404, "The mock knows GET /mock/state, POST /mock/topup and POST /mock/reset.");
}

}  // namespace streamkeeper::mock
