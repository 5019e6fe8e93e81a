/// A vendor's failure, whatever its shape, as the one record that the judge reads (errors.md, "Normalised record").
#pragma once

#include <string>
#include <string_view>

namespace streamkeeper {

/// Nothing is interpreted here beyond finding the fields: whether one may retry is the judge's business. Fields that a
/// vendor leaves out, or fills with null, "" or "None" (LiteLLM), are empty. Every text may echo a prompt or a key:
/// it goes to the calling client alone, masked.
struct VendorError {
    int http_status = 0;
    int eff_status = 0;  ///< `http_status`; for a 2xx that carries an error, the status that the body means
    /// Where the error was found: `openai`, `anthropic`, `google`, `responses`, `string` ({"error":"…"}), `array`,
    /// `detail` (FastAPI), `fault`, `top_level`, `choice`, `text`, `html`, `empty`; no text: this is no error.
    std::string shape;
    std::string type, code, param, message;
    std::string error_type;  ///< `error_type` beside or inside the error (TGI, Together), or in OpenRouter's metadata
    std::string gstatus;     ///< Google's canonical word, "RESOURCE_EXHAUSTED"
    std::string details;     ///< JSON of `details`, `innererror` or a list in `detail`; empty if there is none
    std::string metadata;    ///< JSON of OpenRouter's `metadata`
    std::string request_id;  ///< the vendor's, if the body names one
    bool html = false;       ///< a web page: a wrong base URL, a firewall, a proxy's error page

    bool found() const { return !shape.empty(); }
};

/// Longest `message` kept of a body that is plain text, in bytes.
inline constexpr std::size_t max_plain_message = 2048;

/// Reads a whole answer's body, or the bytes of an event stream, of which the first error event counts. Leading blank
/// lines and a BOM are skipped. A body is never refused: what is no JSON is text.
VendorError read_vendor_error(int status, std::string_view content_type, std::string_view body);

}  // namespace streamkeeper
