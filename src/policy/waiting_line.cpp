#include "streamkeeper/waiting_line.hpp"

#include "streamkeeper/gate.hpp"

namespace streamkeeper {

Ticket::~Ticket() {
    leave();
    if (counted_) gates_->uncount();
}

void Ticket::leave() {
    if (line_) line_->remove(*this);
}

Line::~Line() {
    for_each([](Ticket& ticket) { ticket.leave(); });
}

void Line::push(Ticket& ticket, const Standing& standing) {
    ticket.leave();
    Rank& rank = ranks_[standing.resume ? 0 : 1];
    const auto [found, is_new] = rank.queues.try_emplace(standing.client);
    Queue& queue = found->second;
    if (is_new) {
        queue.self = found;
        queue.resume = standing.resume;
        queue.turn = rank.turns.insert(rank.turns.end(), &queue);
    }
    // Who comes from another line has his place by arrival. A crowd comes in order: each one's is behind the latest.
    const auto later = [&](const Ticket& other) { return other.owner().standing().order > standing.order; };
    Ticket* before = queue.last;
    if (before && later(*before)) {
        before = queue.latest;
        while (before && later(*before)) before = before->before_;
        for (Ticket* next = before ? before->behind_ : queue.first; !later(*next); next = next->behind_) before = next;
        queue.latest = &ticket;
    }
    ticket.before_ = before;
    ticket.behind_ = before ? before->behind_ : queue.first;
    (ticket.before_ ? ticket.before_->behind_ : queue.first) = &ticket;
    (ticket.behind_ ? ticket.behind_->before_ : queue.last) = &ticket;
    ticket.line_ = this;
    ticket.queue_ = &queue;
    ++size_;
}

Ticket* Line::pop() {
    for (Rank& rank : ranks_) {
        if (rank.turns.empty()) continue;
        Queue& queue = *rank.turns.front();
        Ticket* const next = queue.first;
        rank.turns.splice(rank.turns.end(), rank.turns, rank.turns.begin());
        remove(*next);
        return next;
    }
    return nullptr;
}

void Line::remove(Ticket& ticket) {
    Queue& queue = *static_cast<Queue*>(ticket.queue_);
    (ticket.before_ ? ticket.before_->behind_ : queue.first) = ticket.behind_;
    (ticket.behind_ ? ticket.behind_->before_ : queue.last) = ticket.before_;
    if (queue.latest == &ticket) queue.latest = ticket.before_;
    ticket.line_ = nullptr;
    ticket.before_ = ticket.behind_ = nullptr;
    --size_;
    if (queue.first) return;
    Rank& rank = ranks_[queue.resume ? 0 : 1];
    rank.turns.erase(queue.turn);
    rank.queues.erase(queue.self);
}

}  // namespace streamkeeper
