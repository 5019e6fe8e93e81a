/// What the benchmark's upstream says, put together once.
#pragma once

#include <charconv>
#include <string>
#include <string_view>

namespace bench {

inline constexpr std::string_view event_text =
    "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"bench\","
    "\"choices\":[{\"index\":0,\"delta\":{\"content\":\" token\"},\"finish_reason\":null}]}\n\n";
inline constexpr std::string_view finish_text =
    "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"bench\","
    "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":400,"
    "\"completion_tokens\":200,\"total_tokens\":600}}\n\n";
inline constexpr std::string_view done_text = "data: [DONE]\n\n";

inline std::string chunk(std::string_view data) {
    char size[20];
    auto end = std::to_chars(size, size + sizeof size, data.size(), 16).ptr;
    return std::string(size, end).append("\r\n").append(data).append("\r\n");
}

inline std::string json_answer() {
    std::string words;
    for (int i = 0; i < 60; ++i) words += "some words ";
    std::string body =
        "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"bench\","
        "\"choices\":"
        "[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"" +
        words +
        "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":400,\"completion_tokens\":120,\"total_tokens\":"
        "520}}";
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
}

inline const std::string json_text = json_answer();
inline const std::string stream_head =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
inline const std::string event_chunk = chunk(event_text);
inline const std::string stream_end = chunk(finish_text) + chunk(done_text) + "0\r\n\r\n";

}  // namespace bench
