/// Streams that break inside, and streams that are written in another way.
#pragma once

#include "mock/answer.hpp"

namespace streamkeeper::mock {

/// early_done, garbage and torn.
void break_inside(Answer&, const Fault&);

/// What a reader must not notice: line ends, comments, how JSON is laid over lines.
void rewrite(Answer&, const Rewriting&);

/// Every character outside ASCII becomes \uXXXX, in a stream and in a document.
void escape_all(Answer&);

}  // namespace streamkeeper::mock
