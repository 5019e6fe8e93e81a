#include "streamkeeper/record.hpp"

namespace streamkeeper {

std::string_view ending_label(Ending ending) {
    switch (ending) {
        case Ending::ok: return "ok";
        case Ending::error: return "error";
        case Ending::aborted: return "aborted";
        case Ending::client_closed: return "client_closed";
    }
    return "error";
}

}  // namespace streamkeeper
