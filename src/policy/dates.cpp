#include <array>

#include "policy/moments.hpp"

namespace streamkeeper::moments {
namespace {

using std::chrono::seconds;

constexpr std::array<std::string_view, 12> months = {"jan", "feb", "mar", "apr", "may", "jun",
                                                     "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> days = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
constexpr std::array<std::string_view, 7> long_days = {"sunday",   "monday", "tuesday", "wednesday",
                                                       "thursday", "friday", "saturday"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool same(std::string_view text, std::string_view lower) {
    if (text.size() != lower.size()) return false;
    for (std::size_t i = 0; i < text.size(); ++i)
        if ((text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]) != lower[i]) return false;
    return true;
}

/// A text read from the front; the first thing that is not as expected makes it fail for good.
struct Reader {
    std::string_view rest;
    bool failed = false;

    int digits(std::size_t count) {
        int value = 0;
        if (rest.size() < count) failed = true;
        for (std::size_t i = 0; !failed && i < count; ++i) {
            if (!is_digit(rest[i])) failed = true;
            value = value * 10 + (rest[i] - '0');
        }
        if (!failed) rest.remove_prefix(count);
        return failed ? 0 : value;
    }
    void expect(std::string_view text) {
        if (failed || rest.size() < text.size() || !same(rest.substr(0, text.size()), text)) {
            failed = true;
            return;
        }
        rest.remove_prefix(text.size());
    }
    bool has(std::string_view text) const { return !failed && same(rest.substr(0, text.size()), text); }
    template <std::size_t N>
    bool skip_one_of(const std::array<std::string_view, N>& names) {
        for (const std::string_view name : names)
            if (has(name)) return expect(name), true;
        return false;
    }
    int month() {
        for (std::size_t i = 0; i < months.size(); ++i)
            if (has(months[i])) return expect(months[i]), static_cast<int>(i) + 1;
        failed = true;
        return 1;
    }
    seconds time() {
        const int h = digits(2);
        expect(":");
        const int m = digits(2);
        expect(":");
        const int s = digits(2);
        if (h > 23 || m > 59 || s > 60) failed = true;  // 60: a leap second
        return seconds(h * 3600 + m * 60 + s);
    }
};

std::optional<Moment> moment(bool failed, int year, int month, int day, seconds time) {
    const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day))};
    // Nanoseconds since 1970 last until 2262; before 1970 no vendor answered.
    if (failed || !date.ok() || year < 1970 || year > 2261) return std::nullopt;
    return Moment(std::chrono::sys_days(date)) + time;
}

/// Fri, 29 Dec 2023 23:59:35 GMT
std::optional<Moment> imf_fixdate(std::string_view text) {
    Reader in{text};
    if (!in.skip_one_of(days)) return std::nullopt;
    in.expect(", ");
    const int day = in.digits(2);
    in.expect(" ");
    const int month = in.month();
    in.expect(" ");
    const int year = in.digits(4);
    in.expect(" ");
    const seconds time = in.time();
    in.expect(in.has(" utc") ? " utc" : " gmt");
    return moment(in.failed || !in.rest.empty(), year, month, day, time);
}

/// Friday, 29-Dec-23 23:59:35 GMT
std::optional<Moment> rfc850(std::string_view text, Moment now) {
    Reader in{text};
    if (!in.skip_one_of(long_days)) return std::nullopt;
    in.expect(", ");
    const int day = in.digits(2);
    in.expect("-");
    const int month = in.month();
    in.expect("-");
    int year = in.digits(2);
    in.expect(" ");
    const seconds time = in.time();
    in.expect(in.has(" utc") ? " utc" : " gmt");
    // RFC 9110, 5.6.7: what seems to be more than 50 years ahead is the most recent year in the past with these digits.
    const int present =
        static_cast<int>(std::chrono::year_month_day(std::chrono::floor<std::chrono::days>(now)).year());
    year += present / 100 * 100;
    if (year > present + 50) year -= 100;
    return moment(in.failed || !in.rest.empty(), year, month, day, time);
}

/// Fri Dec 29 23:59:35 2023, the day of one digit after two blanks
std::optional<Moment> asctime(std::string_view text) {
    Reader in{text};
    if (!in.skip_one_of(days)) return std::nullopt;
    in.expect(" ");
    const int month = in.month();
    in.expect(" ");
    const bool blank = in.has(" ");
    if (blank) in.expect(" ");
    const int day = in.digits(blank ? 1 : 2);
    in.expect(" ");
    const seconds time = in.time();
    in.expect(" ");
    const int year = in.digits(4);
    return moment(in.failed || !in.rest.empty(), year, month, day, time);
}

Length fraction(Reader& in) {
    if (!in.has(".")) return Length::zero();
    std::size_t end = 1;
    while (end < in.rest.size() && is_digit(in.rest[end])) ++end;
    const std::optional<Length> part = number("0" + std::string(in.rest.substr(0, end)), seconds(1));
    in.failed = in.failed || !part || end == 1;
    in.rest.remove_prefix(end);
    return part.value_or(Length::zero());
}

seconds offset(Reader& in) {
    if (in.has("z")) return in.expect("z"), seconds(0);
    const bool west = in.has("-");
    in.expect(west ? "-" : "+");
    const int hours = in.digits(2);
    in.expect(":");
    const int minutes = in.digits(2);
    if (hours > 23 || minutes > 59) in.failed = true;
    const seconds east(hours * 3600 + minutes * 60);
    return west ? -east : east;
}

}  // namespace

std::optional<Moment> http_date(std::string_view text, Moment now) {
    if (const std::optional<Moment> found = imf_fixdate(text)) return found;
    if (const std::optional<Moment> found = rfc850(text, now)) return found;
    return asctime(text);
}

std::optional<Moment> rfc3339(std::string_view text) {
    Reader in{text};
    const int year = in.digits(4);
    in.expect("-");
    const int month = in.digits(2);
    in.expect("-");
    const int day = in.digits(2);
    in.expect(in.has(" ") ? " " : "t");
    const seconds time = in.time();
    const Length part = fraction(in);
    const seconds ahead = offset(in);
    const std::optional<Moment> found = moment(in.failed || !in.rest.empty(), year, month, day, time);
    return found ? std::optional<Moment>(*found + part - ahead) : std::nullopt;
}

}  // namespace streamkeeper::moments
