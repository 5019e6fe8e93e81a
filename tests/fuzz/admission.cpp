// Request heads of any shape: read, judged, and what is admitted goes nowhere but where it may.
#include "streamkeeper/admission.hpp"

#include "target.hpp"

using namespace streamkeeper;
using namespace streamkeeper::http;

namespace {

AdmissionRules rules(unsigned choice) {
    Config config;
    config.listen = {*parse_listen("127.0.0.1:8817")};
    if (choice & 1) config.clients.push_back({"ann", Secret("token-of-ann"), {}});
    return admission_rules(config, *parse_listen(choice & 2 ? "192.0.2.1:8817" : "127.0.0.1:8817"), choice & 4);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    fuzz::Input input(bytes, size);
    const unsigned choice = input.choice();
    const std::string_view text = input.rest();
    const auto head = read_request_head(text, 1 << 16);
    if (!std::holds_alternative<RequestHead>(head)) return 0;
    const auto verdict = admit(std::get<RequestHead>(head), rules(choice));
    if (const Refusal* refusal = std::get_if<Refusal>(&verdict)) {
        fuzz::require(refusal->status >= 400 && refusal->status < 600, "a refusal is an error", text);
        return 0;
    }
    const Admitted& asked = std::get<Admitted>(verdict);
    const bool page = asked.surface == Surface::healthz || asked.surface == Surface::readyz ||
                      asked.surface == Surface::preflight || asked.surface == Surface::metrics;
    if ((choice & 1) && !page) fuzz::require(asked.client == "ann", "who is admitted is known", text);
    if (choice & 4) fuzz::require(page, "the listener of metrics shows no more", text);
    if (asked.surface != Surface::proxied) return 0;
    fuzz::require(asked.suffix.starts_with('/'), "a path begins with a slash", text);
    fuzz::require(asked.query.empty() || asked.query.starts_with('?'), "a query begins with its mark", text);
    for (const std::string& part : {asked.suffix, asked.query, asked.upstream})
        fuzz::require(part.find_first_of(std::string_view("\r\n \0", 4)) == part.npos,
                      "nothing breaks out of the request line", text);
    if ((choice & 1)) fuzz::require(asked.query.find("token-of-ann") == asked.query.npos, "no token goes on", text);
    return 0;
}
