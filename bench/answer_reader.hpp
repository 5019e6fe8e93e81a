#pragma once

#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>

namespace bench {

/// Finds the end of one answer and counts its events on the way, whatever the pieces it comes in.
class AnswerReader {
public:
    enum class State { head, length, chunk_size, chunk_data, trailer, complete, broken };
    State state = State::head;
    int status = 0;
    long events = 0;

    void restart() { *this = AnswerReader(); }

    void take(std::string_view data) {
        while (!data.empty() && state != State::complete && state != State::broken) {
            if (state == State::length || state == State::chunk_data)
                take_body(data);
            else
                take_line(data);
        }
    }

private:
    std::string line_;
    std::size_t left_ = 0;
    bool chunked_ = false, last_was_newline_ = false, skip_newline_ = false;

    void take_body(std::string_view& data) {
        auto now = data.substr(0, left_);
        for (char letter : now) {
            if (letter == '\n' && last_was_newline_) ++events;
            last_was_newline_ = letter == '\n' && !last_was_newline_;
        }
        data.remove_prefix(now.size());
        left_ -= now.size();
        if (left_ > 0) return;
        state = state == State::length ? State::complete : State::chunk_size;
        skip_newline_ = state == State::chunk_size;
    }

    void take_line(std::string_view& data) {
        auto end = data.find('\n');
        line_.append(data.substr(0, end));
        if (end == std::string_view::npos) {
            data = {};
            return;
        }
        data.remove_prefix(end + 1);
        if (!line_.empty() && line_.back() == '\r') line_.pop_back();
        if (skip_newline_)
            skip_newline_ = false;
        else
            on_line();
        line_.clear();
    }

    void on_line() {
        if (state == State::head) return on_head_line();
        if (state == State::trailer) {
            if (line_.empty()) state = State::complete;
            return;
        }
        auto [end, error] = std::from_chars(line_.data(), line_.data() + line_.size(), left_, 16);
        if (error != std::errc())
            state = State::broken;
        else
            state = left_ == 0 ? State::trailer : State::chunk_data;
    }

    void on_head_line() {
        for (char& letter : line_)
            if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter + 32);
        if (status == 0) {
            status = line_.size() > 12 ? std::atoi(line_.c_str() + 9) : -1;
        } else if (line_.starts_with("content-length:")) {
            left_ = static_cast<std::size_t>(std::atol(line_.c_str() + 15));
        } else if (line_.starts_with("transfer-encoding:")) {
            chunked_ = true;
        } else if (line_.empty()) {
            state = chunked_ ? State::chunk_size : left_ > 0 ? State::length : State::complete;
        }
    }
};

}  // namespace bench
