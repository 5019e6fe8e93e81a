#include "secrets.hpp"

#include <string.h>
#include <sys/random.h>

#include <bit>
#include <cstdio>
#include <utility>

#include "streamkeeper/config.hpp"

namespace streamkeeper {
namespace configuration {

void cleanse(std::string& text) {
    // Growing to the capacity never reallocates, and reaches bytes of a longer text that stood here before.
    text.resize(text.capacity());
    ::explicit_bzero(text.data(), text.size());
    text.clear();
}

namespace {

struct SipState {
    std::uint64_t a, b, c, d;

    void round() {
        a += b, b = std::rotl(b, 13) ^ a, a = std::rotl(a, 32);
        c += d, d = std::rotl(d, 16) ^ c;
        a += d, d = std::rotl(d, 21) ^ a;
        c += b, b = std::rotl(b, 17) ^ c, c = std::rotl(c, 32);
    }

    void absorb(std::uint64_t word) {
        d ^= word;
        round(), round();
        a ^= word;
    }
};

std::uint64_t little_endian(std::string_view bytes) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        word |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    }
    return word;
}

/// Drawn once a process: a fingerprint that was seen somewhere can't be compared with guesses made elsewhere.
HashKey process_key() {
    static const HashKey key = [] {
        // Without random bytes (a kernel before its first ones) the hash is still one-way, only its key is known.
        HashKey drawn{};
        [[maybe_unused]] const ssize_t read = ::getrandom(drawn.data(), sizeof drawn, GRND_NONBLOCK);
        return drawn;
    }();
    return key;
}

}  // namespace

std::uint64_t siphash(HashKey key, std::string_view bytes) {
    SipState state{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
                   key[1] ^ 0x7465646279746573};
    const std::uint64_t length = bytes.size();
    for (; bytes.size() >= 8; bytes.remove_prefix(8)) state.absorb(little_endian(bytes.substr(0, 8)));
    state.absorb(little_endian(bytes) | length << 56);
    state.c ^= 0xff;
    for (int i = 0; i < 4; ++i) state.round();
    return state.a ^ state.b ^ state.c ^ state.d;
}

}  // namespace configuration

Secret::Secret(Secret&& other) noexcept : text_(std::move(other.text_)) {
    // A short string is copied, not handed over, and leaves its bytes behind.
    configuration::cleanse(other.text_);
}

Secret& Secret::operator=(Secret other) noexcept {
    text_.swap(other.text_);
    return *this;
}

Secret::~Secret() { configuration::cleanse(text_); }

std::string Secret::masked() const {
    // Four shown characters of sixteen leave twelve unknown; of fewer they would tell too much.
    if (text_.size() < 16) return "…";
    // `sk-` and its like name the vendor, not the key. A prefix without a dash would be key material.
    const std::size_t dash = text_.find('-');
    const std::string prefix = dash <= 3 ? text_.substr(0, dash + 1) : std::string();
    return prefix + "…" + text_.substr(text_.size() - 4);
}

std::string Secret::fingerprint() const {
    std::array<char, 17> hex{};
    std::snprintf(hex.data(), hex.size(), "%016llx",
                  static_cast<unsigned long long>(configuration::siphash(configuration::process_key(), text_)));
    return hex.data();
}

}  // namespace streamkeeper
