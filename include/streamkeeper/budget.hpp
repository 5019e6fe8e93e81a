/// The memory budget (`limits.memory`): one sum for everything whose size the outside decides.
///
/// Who does not fit waits his turn in line; nobody overtakes, so a large body is not starved by small ones.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <list>

#include "streamkeeper/config.hpp"

namespace streamkeeper {

enum class BudgetKind { bodies, transcripts, held };

class Budget {
public:
    explicit Budget(Bytes total) : total_(total) {}
    Bytes total() const { return total_; }
    Bytes used(BudgetKind kind) const { return used_[static_cast<std::size_t>(kind)]; }
    void resize(Bytes total);

    /// Takes the bytes if they fit now and nobody waits.
    bool try_take(BudgetKind, Bytes);
    void give_back(BudgetKind, Bytes);

    /// Waits in line; `granted` is called once the bytes are taken, from within somebody's give_back or resize.
    using Ticket = std::uint64_t;
    Ticket wait(BudgetKind, Bytes, std::function<void()> granted);
    /// Leaves the line. A ticket that was granted is not in it any more.
    void leave(Ticket);

private:
    struct Waiter {
        Ticket ticket;
        BudgetKind kind;
        Bytes bytes;
        std::function<void()> granted;
    };
    bool fits(Bytes bytes) const { return sum_ + bytes <= total_; }
    void take(BudgetKind, Bytes);
    void serve();

    Bytes total_, sum_ = 0;
    std::array<Bytes, 3> used_{};
    std::list<Waiter> line_;
    Ticket last_ = 0;
};

/// Bytes taken, given back when it ends.
class Reservation {
public:
    Reservation() = default;
    Reservation(Budget& budget, BudgetKind kind, Bytes bytes) : budget_(&budget), kind_(kind), bytes_(bytes) {}
    Reservation(Reservation&& other) noexcept { swap(other); }
    Reservation& operator=(Reservation&& other) noexcept {
        Reservation taken(std::move(other));
        swap(taken);
        return *this;
    }
    ~Reservation() { shrink(0); }
    Bytes bytes() const { return bytes_; }
    void shrink(Bytes to);
    /// Takes more, if it fits now.
    bool grow(Budget& budget, BudgetKind kind, Bytes by);

private:
    void swap(Reservation& other) noexcept;
    Budget* budget_ = nullptr;
    BudgetKind kind_ = BudgetKind::bodies;
    Bytes bytes_ = 0;
};

}  // namespace streamkeeper
