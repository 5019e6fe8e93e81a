/// Coroutines for one thread: `Task<T>`, awaited by its caller, and `Event`, the one thing a session ever waits for.
///
/// A Task starts at once and runs until its first suspension, so a call that never has to wait costs no switch and
/// grows no stack. Errors are values in `net`: an exception that escapes a task ends the process.
/// docs/decisions/0002 says why these are not asio::awaitable.
#pragma once

#include <array>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <new>
#include <optional>
#include <utility>

namespace streamkeeper::net {

/// Resumes whoever awaits the task that just ended.
struct ResumeCaller {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
        const std::coroutine_handle<> caller = ended.promise().caller;
        return caller ? caller : std::noop_coroutine();
    }
    void await_resume() const noexcept {}
};

/// Memory of ended coroutines, kept for the next ones: a request runs about ten, and their sizes are few. One thread.
class Frames {
public:
    static void* take(std::size_t size) {
        const std::size_t kind = (size + step - 1) / step;
        if (kind >= kinds) return ::operator new(size);
        Free* const first = lists_.first[kind];
        if (!first) return ::operator new(kind * step);
        lists_.first[kind] = first->next;
        return first;
    }
    static void give(void* memory, std::size_t size) {
        const std::size_t kind = (size + step - 1) / step;
        if (kind >= kinds) return ::operator delete(memory);
        lists_.first[kind] = new (memory) Free{lists_.first[kind]};
    }
    /// Back to the allocator, after a burst.
    static void release() { lists_.release(); }

private:
    struct Free {
        Free* next;
    };
    static constexpr std::size_t step = 64;
#ifdef STREAMKEEPER_SANITIZED
    static constexpr std::size_t kinds = 1;  // none: a sanitizer must see each frame end
#else
    static constexpr std::size_t kinds = 65;  // up to 4 KiB
#endif
    struct Lists {
        std::array<Free*, kinds> first;
        void release() {
            for (Free*& list : first)
                while (list) ::operator delete(std::exchange(list, list->next));
        }
        ~Lists() { release(); }
    };
    static inline thread_local Lists lists_{};
};

struct TaskPromiseBase {
    static void* operator new(std::size_t size) { return Frames::take(size); }
    static void operator delete(void* memory, std::size_t size) { Frames::give(memory, size); }
    std::coroutine_handle<> caller;
    std::suspend_never initial_suspend() const noexcept { return {}; }
    ResumeCaller final_suspend() const noexcept { return {}; }
    void unhandled_exception() const noexcept { std::terminate(); }
};

template <class T>
struct TaskPromise : TaskPromiseBase {
    std::optional<T> result;
    std::coroutine_handle<TaskPromise> get_return_object() {
        return std::coroutine_handle<TaskPromise>::from_promise(*this);
    }
    void return_value(T value) { result.emplace(std::move(value)); }
    T take() { return std::move(*result); }
};

template <>
struct TaskPromise<void> : TaskPromiseBase {
    std::coroutine_handle<TaskPromise> get_return_object() {
        return std::coroutine_handle<TaskPromise>::from_promise(*this);
    }
    void return_void() const noexcept {}
    void take() const noexcept {}
};

/// A running call. Await it exactly once; it owns the coroutine and must not be dropped while that is suspended.
template <class T = void>
class [[nodiscard]] Task {
public:
    using promise_type = TaskPromise<T>;
    Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
    Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Task& operator=(Task&&) = delete;
    ~Task() {
        if (handle_) handle_.destroy();
    }

    bool await_ready() const noexcept { return handle_.done(); }
    void await_suspend(std::coroutine_handle<> caller) const noexcept { handle_.promise().caller = caller; }
    T await_resume() const { return handle_.promise().take(); }

private:
    std::coroutine_handle<promise_type> handle_;
};

/// A call that nobody awaits; its frame frees itself.
struct Detached {
    struct promise_type {
        Detached get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
    };
};

/// Something happened: at most one coroutine waits for it, and a notice that comes while none waits is kept.
class Event {
public:
    /// Resumes the waiter before it returns. Call it from the reactor's callbacks only, never from another session.
    void notify() {
        if (waiter_) {
            std::exchange(waiter_, nullptr).resume();
        } else {
            noticed_ = true;
        }
    }
    bool take_notice() { return std::exchange(noticed_, false); }
    void suspend(std::coroutine_handle<> waiter) { waiter_ = waiter; }

private:
    std::coroutine_handle<> waiter_;
    bool noticed_ = false;
};

}  // namespace streamkeeper::net
