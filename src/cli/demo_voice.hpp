/// What the demo says, on a terminal with or without colour.
#pragma once

#include <string>
#include <string_view>

namespace streamkeeper::demo {

class Voice {
public:
    Voice();  ///< colour if stdout is a terminal and neither NO_COLOR nor TERM=dumb asks for none

    void step(std::string_view title);     ///< a heading, counted
    void heading(std::string_view title);  ///< one that is not
    void line(std::string_view text = {});
    void sent(std::string_view text);     ///< what the tool says: `> …`
    void came(std::string_view text);     ///< what it gets: `< …`
    void matters(std::string_view text);  ///< why it was worth showing
    void quoted(std::string_view lines);  ///< a file or a command, indented
    void row(std::string_view text);      ///< of a table
    void begin_flow();                    ///< text that arrives piece by piece
    void flow(std::string_view text);
    void end_flow();
    std::string bold(std::string_view text) const { return paint("1", text); }
    std::string dim(std::string_view text) const { return paint("2", text); }
    bool lost() const;  ///< stdout took not all of it

private:
    std::string paint(const char* code, std::string_view text) const;
    bool colour_;
    int steps_ = 0;
    std::size_t column_ = 0;
};

}  // namespace streamkeeper::demo
