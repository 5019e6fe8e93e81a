// The splitter and the reader of event streams against a reading byte by byte (WHATWG HTML, 9.2.6).
#include "streamkeeper/sse.hpp"

#include <algorithm>
#include <vector>

#include "target.hpp"

using namespace streamkeeper;

namespace {

struct Read {
    std::string name, data, error;
    bool has_data = false;
    bool any() const { return has_data || !name.empty() || !error.empty(); }
    bool operator==(const Read&) const = default;
};

/// One line at a time, over all bytes at once.
class Reference {
public:
    explicit Reference(std::string_view bytes) {
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            const char c = bytes[i];
            if (c == '\r' || c == '\n') {
                end_line();
                if (c == '\r' && i + 1 < bytes.size() && bytes[i + 1] == '\n') ++i;
            } else {
                line_ += c;
            }
        }
    }
    std::vector<Read> events;

private:
    void end_line() {
        const std::string line = std::move(line_);
        line_.clear();
        if (line.empty()) {
            if (now_.any()) events.push_back(now_);
            now_ = {};
            return;
        }
        const std::size_t colon = std::min(line.find(':'), line.size());
        std::string value = line.substr(std::min(colon + 1, line.size()));
        if (value.starts_with(' ')) value.erase(0, 1);
        const std::string name = line.substr(0, colon);
        if (name == "data") {
            if (now_.has_data) now_.data += '\n';
            now_.data += value;
            now_.has_data = true;
        }
        if (name == "event") now_.name = value;
        if (name == "error") now_.error = value;
    }
    std::string line_;
    Read now_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    fuzz::Input input(bytes, size);
    std::size_t step = input.choice() % 23, lots = input.choice();
    const std::string_view text = input.rest();
    const bool mark = text.find("\xEF\xBB\xBF") != text.npos;  // skipped before every event, which is more than asked
    sse::Splitter splitter;
    std::string together;
    std::vector<Read> events;
    for (std::size_t at = 0; at < text.size();) {
        lots = (lots * 5 + 3) % 251;
        const std::size_t some = step == 0 ? text.size() : 1 + lots % step;
        splitter.feed(text.substr(at, some));
        at += some;
        for (std::string_view event; splitter.next(event);) {
            together += event;
            std::string joined;
            const sse::Event fields = sse::read(event, joined);
            const Read read{std::string(fields.name), std::string(fields.data), std::string(fields.error),
                            fields.has_data};
            if (read.any()) events.push_back(read);
        }
    }
    fuzz::require(text.starts_with(together), "the events are the bytes that were fed", together);
    const std::size_t left = text.size() - together.size();
    fuzz::require(splitter.pending() == left || (left == 1 && text.ends_with('\n')), "the rest is pending");
    if (!mark) fuzz::require(events == Reference(text).events, "both readings are the same", together);
    return 0;
}
