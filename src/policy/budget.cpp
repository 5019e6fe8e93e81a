#include "streamkeeper/budget.hpp"

#include <algorithm>
#include <utility>

namespace streamkeeper {

void Budget::take(BudgetKind kind, Bytes bytes) {
    sum_ += bytes;
    used_[static_cast<std::size_t>(kind)] += bytes;
}

bool Budget::try_take(BudgetKind kind, Bytes bytes) {
    if (!line_.empty() || !fits(bytes)) return false;
    take(kind, bytes);
    return true;
}

void Budget::give_back(BudgetKind kind, Bytes bytes) {
    if (bytes == 0) return;
    sum_ -= bytes;
    used_[static_cast<std::size_t>(kind)] -= bytes;
    serve();
}

void Budget::resize(Bytes total) {
    total_ = total;
    serve();
}

Budget::Ticket Budget::wait(BudgetKind kind, Bytes bytes, std::function<void()> granted) {
    line_.push_back({++last_, kind, bytes, std::move(granted)});
    return last_;
}

void Budget::leave(Ticket ticket) {
    std::erase_if(line_, [ticket](const Waiter& waiter) { return waiter.ticket == ticket; });
    serve();
}

void Budget::serve() {
    // A body that was admitted under a larger budget, before a reload, still goes when it is alone.
    while (!line_.empty() && (fits(line_.front().bytes) || sum_ == 0)) {
        Waiter next = std::move(line_.front());
        line_.pop_front();
        take(next.kind, next.bytes);
        next.granted();
    }
}

void Reservation::swap(Reservation& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(kind_, other.kind_);
    std::swap(bytes_, other.bytes_);
}

void Reservation::shrink(Bytes to) {
    if (!budget_ || to >= bytes_) return;
    const Bytes freed = bytes_ - to;
    bytes_ = to;
    budget_->give_back(kind_, freed);
}

bool Reservation::grow(Budget& budget, BudgetKind kind, Bytes by) {
    if (!budget.try_take(kind, by)) return false;
    budget_ = &budget;
    kind_ = kind;
    bytes_ += by;
    return true;
}

}  // namespace streamkeeper
