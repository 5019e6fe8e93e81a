/// The benchmark's clients: keep-alive connections that each send the next request when the last answer is complete.
///
/// usage: bench_load KEY=VALUE...   prints one JSON object
///   port=N            of 127.0.0.1
///   connections=16    at once
///   requests=10000    in all (not counting warm=200 unmeasured ones)
///   body=2048         size of a request's body
///   events=0          > 0: ask for a stream of so many events
///   gap_us=0          between the events
///   hold=0            1: open the connections, wait for the first event of each, print the object, stay until the
///                     standard input ends
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "answer_reader.hpp"

namespace {

using bench::AnswerReader;
using Clock = std::chrono::steady_clock;

struct Options {
    std::map<std::string, long> values{{"port", 0},    {"connections", 16}, {"requests", 10000}, {"warm", 200},
                                       {"body", 2048}, {"events", 0},       {"gap_us", 0},       {"hold", 0}};
    long operator[](const char* name) const { return values.at(name); }
};

struct Client {
    int fd = -1;
    std::size_t sent = 0;
    bool waiting_to_send = false;
    Clock::time_point began;
    AnswerReader answer;
};

class Load {
public:
    explicit Load(const Options& options) : options_(options), epoll_(epoll_create1(0)) {
        std::string text(static_cast<std::size_t>(std::max(options["body"] - 90, 1L)), 'a');
        std::string body = std::string("{\"model\":\"bench\",\"stream\":") + (streaming() ? "true" : "false") +
                           ",\"messages\":[{\"role\":\"user\",\"content\":\"" + text + "\"}]}";
        request_ = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(options["port"]) +
                   "\r\nContent-Type: application/json\r\nAuthorization: Bearer placeholder\r\n";
        if (options["events"] > 0) request_ += "x-bench-events: " + std::to_string(options["events"]) + "\r\n";
        if (options["gap_us"] > 0) request_ += "x-bench-gap-us: " + std::to_string(options["gap_us"]) + "\r\n";
        if (options["hold"] > 0) request_ += "x-bench-hold: 1\r\n";
        request_ += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    }

    int run() {
        for (auto& client : clients_ = std::vector<Client>(static_cast<std::size_t>(options_["connections"]))) {
            connect_to(client);
            if (options_["hold"]) wait_for_first_event(client);
        }
        if (!options_["hold"]) {
            for (auto& client : clients_) begin(client);
            loop();
        }
        report();
        if (options_["hold"]) hold();
        return errors_ == 0 ? 0 : 1;
    }

private:
    bool streaming() const { return options_["events"] > 0 || options_["hold"] > 0; }

    void connect_to(Client& client) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(options_["port"]));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        client.fd = socket(AF_INET, SOCK_STREAM, 0);
        int on = 1;
        setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (connect(client.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
            std::perror("bench_load: connect");
            std::exit(1);
        }
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.ptr = &client;
        epoll_ctl(epoll_, EPOLL_CTL_ADD, client.fd, &event);
    }

    void begin(Client& client) {
        client.answer.restart();
        client.sent = 0;
        client.began = Clock::now();
        ++begun_;
        send_rest(client);
    }

    void send_rest(Client& client) {
        while (client.sent < request_.size()) {
            long put = send(client.fd, request_.data() + client.sent, request_.size() - client.sent, MSG_DONTWAIT);
            if (put < 0) break;
            client.sent += static_cast<std::size_t>(put);
        }
        bool waits = client.sent < request_.size();
        if (waits == client.waiting_to_send) return;
        client.waiting_to_send = waits;
        epoll_event event{};
        event.events = waits ? EPOLLIN | EPOLLOUT : EPOLLIN;
        event.data.ptr = &client;
        epoll_ctl(epoll_, EPOLL_CTL_MOD, client.fd, &event);
    }

    void loop() {
        epoll_event events[256];
        long all = options_["requests"] + options_["warm"];
        auto last_progress = Clock::now();
        while (finished_ < all && errors_ == 0) {
            int count = epoll_wait(epoll_, events, 256, 1000);
            if (count > 0) last_progress = Clock::now();
            if (Clock::now() - last_progress > std::chrono::seconds(20)) return fail("no answer for 20 s");
            for (int i = 0; i < count; ++i) {
                auto& client = *static_cast<Client*>(events[i].data.ptr);
                if (events[i].events & EPOLLOUT) send_rest(client);
                if (!receive(client)) continue;
                if (finished_ == options_["warm"]) began_ = Clock::now();
                if (begun_ < all) begin(client);
            }
        }
        ended_ = Clock::now();
    }

    /// True once the answer is complete.
    bool receive(Client& client) {
        static char buffer[1 << 18];
        long got = recv(client.fd, buffer, sizeof buffer, MSG_DONTWAIT);
        if (got < 0) return false;
        if (got == 0) return fail("closed by the server"), false;
        auto before = client.answer.events;
        client.answer.take({buffer, static_cast<std::size_t>(got)});
        auto taken = std::chrono::duration<double, std::micro>(Clock::now() - client.began).count();
        bool measured = finished_ >= options_["warm"];
        if (measured && streaming() && before == 0 && client.answer.events > 0) first_events_.push_back(taken);
        if (client.answer.state == AnswerReader::State::broken) return fail("an answer with wrong framing"), false;
        if (client.answer.state != AnswerReader::State::complete) return false;
        if (client.answer.status != 200) return fail("a status other than 200"), false;
        if (options_["events"] && client.answer.events != options_["events"] + 2)
            return fail("events are missing"), false;
        ++finished_;
        events_ += client.answer.events;
        if (measured) durations_.push_back(taken);
        return true;
    }

    void wait_for_first_event(Client& client) {
        client.began = Clock::now();
        if (send(client.fd, request_.data(), request_.size(), 0) != static_cast<long>(request_.size())) std::exit(1);
        timeval limit{20, 0};
        setsockopt(client.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        char buffer[4096];
        while (client.answer.events == 0) {
            long got = recv(client.fd, buffer, sizeof buffer, 0);
            if (got <= 0) return fail("no first event");
            client.answer.take({buffer, static_cast<std::size_t>(got)});
        }
        ++finished_;
        first_events_.push_back(std::chrono::duration<double, std::micro>(Clock::now() - client.began).count());
    }

    void hold() {
        char byte;
        while (read(STDIN_FILENO, &byte, 1) > 0) {
        }
    }

    void fail(const char* why) {
        ++errors_;
        std::fprintf(stderr, "bench_load: %s\n", why);
    }

    static double percentile(std::vector<double> values, double part) {
        if (values.empty()) return 0;
        auto at = values.begin() + static_cast<long>(part * static_cast<double>(values.size() - 1));
        std::nth_element(values.begin(), at, values.end());
        return *at;
    }

    void report() const {
        std::printf(
            "{\"requests\":%ld,\"errors\":%ld,\"events\":%ld,\"seconds\":%.6f,\"p50_us\":%.1f,\"p99_us\":%.1f,"
            "\"first_event_p50_us\":%.1f,\"first_event_p99_us\":%.1f}\n",
            finished_, errors_, events_, std::chrono::duration<double>(ended_ - began_).count(),
            percentile(durations_, 0.5), percentile(durations_, 0.99), percentile(first_events_, 0.5),
            percentile(first_events_, 0.99));
        std::fflush(stdout);
    }

    const Options& options_;
    int epoll_;
    std::string request_;
    std::vector<Client> clients_;
    long begun_ = 0, finished_ = 0, events_ = 0, errors_ = 0;
    Clock::time_point began_ = Clock::now(), ended_ = began_;
    std::vector<double> durations_, first_events_;
};

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    Options options;
    for (int i = 1; i < argc; ++i) {
        std::string argument = argv[i], name = argument.substr(0, argument.find('='));
        if (!options.values.contains(name) || name.size() == argument.size()) {
            std::fprintf(stderr, "bench_load: unknown argument %s\n", argv[i]);
            return 2;
        }
        options.values[name] = std::atol(argument.c_str() + name.size() + 1);
    }
    return Load(options).run();
}
