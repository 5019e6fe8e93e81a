/// The line of requests at a closed gate: FIFO within a client, round robin among clients, resumes before new requests
/// (contract, section 4, "One waiting mechanism"). Pure, and O(1) for whoever comes, goes or leaves.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace streamkeeper {

class Gates;
class Line;
class Waiter;

/// What one request asks for: a send with this key to this model. `target` is the asker's own number for it.
struct Lane {
    unsigned key = 0;        ///< slot of the key (key_states.hpp)
    std::string_view model;  ///< the asker's, who keeps it as long as he waits
    std::size_t target = 0;
    bool pass_through = false;  ///< neither counts nor waits for `failing`
};

/// A place in one line. It must not move while it stands there.
class Ticket {
public:
    Ticket(Waiter& owner, Gates& gates) : owner_(&owner), gates_(&gates) {}
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;
    ~Ticket();

    Waiter& owner() const { return *owner_; }
    /// All that the owner would take once the gate opens, in his order.
    std::vector<Lane> lanes;
    const Line* line() const { return line_; }
    void leave();

private:
    friend class Line;
    friend class Gates;
    Waiter* owner_;
    Gates* gates_;
    bool counted_ = false;  ///< of a request's tickets at one upstream, one is counted
    Line* line_ = nullptr;
    void* queue_ = nullptr;
    Ticket *before_ = nullptr, *behind_ = nullptr;
};

/// Who waits.
struct Standing {
    std::string client;       ///< whose turn it is next is decided by this
    bool resume = false;      ///< goes before all new requests
    std::uint64_t order = 0;  ///< of arrival: who moves from one line to another keeps it
};

class Line {
public:
    Line() = default;
    Line(const Line&) = delete;
    Line& operator=(const Line&) = delete;
    ~Line();

    void push(Ticket&, const Standing&);
    /// Whose turn it is, taken out of the line; null if nobody waits.
    Ticket* pop();
    bool empty() const { return size_ == 0; }
    std::size_t size() const { return size_; }
    /// Calls `visit` for each, in no order that means anything; it may take tickets out.
    template <class Visit>
    void for_each(Visit visit) {
        for (Rank& each : ranks_) {
            for (auto queue = each.queues.begin(); queue != each.queues.end();) {
                Ticket* ticket = queue->second.first;
                ++queue;  // the queue ends with its last ticket
                while (ticket) {
                    Ticket* const next = ticket->behind_;
                    visit(*ticket);
                    ticket = next;
                }
            }
        }
    }

private:
    friend class Ticket;
    struct Queue {
        Ticket *first = nullptr, *last = nullptr;
        Ticket* latest = nullptr;  ///< who came from another line: the next of that crowd stands behind him
        std::list<Queue*>::iterator turn{};
        std::map<std::string, Queue, std::less<>>::iterator self{};
        bool resume = false;
    };
    struct Rank {
        std::map<std::string, Queue, std::less<>> queues;  ///< by client
        std::list<Queue*> turns;                           ///< whose turn is next
    };
    void remove(Ticket&);
    Rank ranks_[2];  ///< resumes, new requests
    std::size_t size_ = 0;
};

}  // namespace streamkeeper
