/// Text that is built piece by piece for every request: a buffer that grows, is never zero-filled, and is used again.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace streamkeeper {

class Text {
public:
    void clear() { size_ = 0; }
    std::string_view view() const { return {bytes_.get(), size_}; }
    void put(std::string_view piece) {
        if (capacity_ - size_ < piece.size()) grow(piece.size());
        std::memcpy(bytes_.get() + size_, piece.data(), piece.size());
        size_ += piece.size();
    }
    void put(char c) {
        if (capacity_ == size_) grow(1);
        bytes_[size_++] = c;
    }
    void put_number(std::int64_t value) {
        if (capacity_ - size_ < 24) grow(24);
        size_ = static_cast<std::size_t>(std::to_chars(bytes_.get() + size_, bytes_.get() + capacity_, value).ptr -
                                         bytes_.get());
    }

private:
    void grow(std::size_t more) {
        const std::size_t wanted = size_ + more + (size_ < step ? step : size_ / 2);
        std::unique_ptr<char[]> larger(new char[wanted]);
        if (size_ > 0) std::memcpy(larger.get(), bytes_.get(), size_);
        bytes_ = std::move(larger);
        capacity_ = wanted;
    }
    static constexpr std::size_t step = 256;  ///< a hundred of these are kept: they shall not be half empty
    std::unique_ptr<char[]> bytes_;
    std::size_t size_ = 0, capacity_ = 0;
};

}  // namespace streamkeeper
