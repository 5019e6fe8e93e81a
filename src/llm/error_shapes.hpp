/// The JSON shapes in which vendors write errors (vendors.md, section 2).
#pragma once

#include <boost/json/value.hpp>

#include "streamkeeper/vendor_error.hpp"

namespace streamkeeper::error_shapes {

/// Fills `error` from a body or one event's data. `certain`: the status or the event's name says that this is an
/// error, so that loose shapes such as {"message": …} count. Returns the status that the body names, or 0.
int read(const boost::json::value& body, bool certain, VendorError& error);

/// `text` as JSON object or array; null if it is none.
boost::json::value parse(std::string_view text);

}  // namespace streamkeeper::error_shapes
