/// Bytes that grow at the end and are consumed at the front. Unlike std::string it never zero-fills, and growing a
/// large one moves pages instead of bytes (realloc).
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>

namespace streamkeeper::net {

class Buffer {
public:
    Buffer() = default;
    Buffer(Buffer&& other) noexcept { swap(other); }
    Buffer& operator=(Buffer&& other) noexcept {
        Buffer taken(std::move(other));
        swap(taken);
        return *this;
    }
    ~Buffer() { std::free(data_); }

    std::string_view view() const { return {data_ + begin_, end_ - begin_}; }
    std::size_t size() const { return end_ - begin_; }
    std::size_t capacity() const { return capacity_; }
    bool empty() const { return begin_ == end_; }

    /// At least `room` writable bytes behind the end.
    char* prepare(std::size_t room) {
        if (capacity_ - end_ < room) make_room(room);
        return data_ + end_;
    }
    void commit(std::size_t written) { end_ += written; }
    void append(std::string_view bytes) {
        if (bytes.empty()) return;
        std::memcpy(prepare(bytes.size()), bytes.data(), bytes.size());
        commit(bytes.size());
    }
    void consume(std::size_t count) {
        begin_ += count;
        if (begin_ == end_) begin_ = end_ = 0;
    }
    /// Exactly this capacity, if it is more than there is now.
    void reserve(std::size_t total) {
        if (total > capacity_) grow(total);
    }
    void release() {
        Buffer emptied;
        swap(emptied);
    }

private:
    void swap(Buffer& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(begin_, other.begin_);
        std::swap(end_, other.end_);
        std::swap(capacity_, other.capacity_);
    }
    void make_room(std::size_t room) {
        if (begin_ > 0) {
            std::memmove(data_, data_ + begin_, size());
            end_ -= begin_;
            begin_ = 0;
        }
        if (capacity_ - end_ < room) grow(end_ + room > 2 * capacity_ ? end_ + room : 2 * capacity_);
    }
    void grow(std::size_t total) {
        void* const moved = std::realloc(data_, total);
        if (!moved) throw std::bad_alloc();
        data_ = static_cast<char*>(moved);
        capacity_ = total;
    }

    char* data_ = nullptr;
    std::size_t begin_ = 0, end_ = 0, capacity_ = 0;
};

}  // namespace streamkeeper::net
