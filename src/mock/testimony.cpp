#include "mock/testimony.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "mock/reply.hpp"

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

constexpr std::size_t most_instants = 4096;

bool tells(std::string_view path) {
    for (const std::string_view end : {"/completions", "/responses", "/messages"})
        if (path.ends_with(end)) return true;
    return false;
}

json::value text_or_null(const std::optional<std::string>& text) { return text ? json::value(*text) : json::value(); }

json::value ms_or_null(const std::optional<Instant>& at) {
    return at ? json::value(static_cast<double>(at->count()) / 1000) : json::value();
}

std::size_t tokens_of(const Request& request, const Document& document, const Ask& ask) {
    std::optional<Answer> refusal;
    const auto* n = document.find("n");
    const std::int64_t choices = n && n->is_int64() ? std::min<std::int64_t>(n->get_int64(), 4) : 1;
    std::size_t tokens = 0;
    for (std::int64_t i = 0; i < choices; ++i)
        tokens += compose(request, document, ask, refusal, static_cast<std::size_t>(i)).output();
    return refusal ? 0 : tokens;
}

}  // namespace

std::shared_ptr<Testimony> testify(const Request& request) {
    if (!request.document || request.document->refusal() || !tells(request.path)) return nullptr;
    const Document& document = *request.document;
    const Ask ask = ask_of(request.path, document);
    if (!ask.conversation) return nullptr;
    auto made = std::make_shared<Testimony>();
    made->sequence = request.sequence;
    made->model = document.asked_model();
    made->prefix = opening_of(document, ask).prefix;
    made->text = whole_text(request, document, ask);
    made->stream = document.flag("stream");
    made->tokens = tokens_of(request, document, ask);
    made->started = request.at;
    for (const std::string_view key : {ask.limit_key, ask.limit_key_too}) {
        const auto* limit = key.empty() ? nullptr : document.find(key);
        if (limit && limit->is_int64() && limit->get_int64() > 0 && !made->max_tokens)
            made->max_tokens = static_cast<std::uint64_t>(limit->get_int64());
    }
    return made;
}

void Testimony::emit(std::size_t count, Instant now) {
    emitted += count;
    for (; count != 0 && at.size() < most_instants; --count) at.push_back(now);
}

void Testimony::end(Instant now, bool client_left) {
    if (ended) return;
    ended = now;
    left = client_left;
}

void add_testimony(json::object& line, const Testimony* testimony) {
    static const Testimony nothing;
    const Testimony& said = testimony ? *testimony : nothing;
    line["prefix"] = text_or_null(said.prefix);
    line["max_tokens"] = said.max_tokens ? json::value(*said.max_tokens) : json::value();
    line["stream"] = said.stream;
    line["tokens"] = said.tokens;
    line["text"] = text_or_null(said.text);
}

json::object Testimony::state() const {
    json::array emitted_ms;
    for (const Instant each : at) emitted_ms.push_back(static_cast<double>(each.count()) / 1000);
    json::object out{{"sequence", sequence}, {"model", model}};
    add_testimony(out, this);
    out["emitted"] = emitted;
    out["emitted_ms"] = std::move(emitted_ms);
    out["at_ms"] = ms_or_null(started);
    out["ended_ms"] = ms_or_null(ended);
    out["left"] = left;
    return out;
}

}  // namespace streamkeeper::mock
