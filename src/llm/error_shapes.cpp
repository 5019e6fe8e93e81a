#include "llm/error_shapes.hpp"

#include <boost/json.hpp>
#include <charconv>

namespace streamkeeper::error_shapes {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;

/// Errors inside strings inside errors: gateways wrap what they get, some of them twice.
constexpr int deepest_wrapping = 3;

std::string text_of(const value* v) {
    if (v == nullptr) return {};
    if (v->is_int64()) return std::to_string(v->get_int64());
    if (v->is_uint64()) return std::to_string(v->get_uint64());
    if (!v->is_string()) return {};
    const std::string text(v->get_string());
    return text == "None" ? std::string() : text;  // LiteLLM prints Python's null
}

const value* member(const value* v, std::string_view name) {
    if (v == nullptr || !v->is_object()) return nullptr;
    return v->get_object().if_contains(name);
}

/// Neither missing nor null, false, "" nor empty.
bool filled(const value* v) {
    if (v == nullptr || v->is_null()) return false;
    if (v->is_bool()) return v->get_bool();
    if (v->is_string()) return !v->get_string().empty();
    if (v->is_array()) return !v->get_array().empty();
    if (v->is_object()) return !v->get_object().empty();
    return true;
}

class Reader {
public:
    explicit Reader(VendorError& error) : error_(error) {}
    bool body(const value& v, bool certain);
    int status() const { return status_; }

private:
    bool nested(const object& o, bool certain);
    bool loose(const object& o, bool certain);
    void error_object(const object& o);
    void error_string(const object& o, const value& text);
    void list(const array& items);
    void item(const value& v);
    void fields(const object& o);
    void message(const value& v);
    void shape(const char* name) {
        if (error_.shape.empty()) error_.shape = name;
    }
    void take(std::string& field, const value* v) {
        if (std::string text = text_of(v); !text.empty()) field = std::move(text);
    }
    void take_json(std::string& field, const value* v) {
        if (filled(v)) field = v->is_string() ? std::string(v->get_string()) : boost::json::serialize(*v);
    }
    void take_status(const value* v);

    VendorError& error_;
    int status_ = 0;  ///< 400 to 599 if the body names one
    int wrapped_ = 0;
};

void Reader::take_status(const value* v) {
    const std::string text = text_of(v);
    int status = 0;
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), status);
    if (bad == std::errc() && end == text.data() + text.size() && status >= 400 && status <= 599) status_ = status;
}

/// `code`, `type` and their company; they stand in the error object, and in some dialects around it.
void Reader::fields(const object& o) {
    const value* type = o.if_contains("type");
    if (text_of(type) != "error") take(error_.type, type);  // "error" is an event's type, not an error's
    take(error_.code, o.if_contains("code"));
    take(error_.param, o.if_contains("param"));
    take(error_.error_type, o.if_contains("error_type"));
    take(error_.request_id, o.if_contains("request_id"));
    if (const value* status = o.if_contains("status"); status != nullptr && status->is_string())
        take(error_.gstatus, status);
    for (const char* name : {"status", "code", "http_status_code", "status_code"}) take_status(o.if_contains(name));
    take_json(error_.details, o.if_contains("innererror"));
    take_json(error_.details, o.if_contains("details"));
    const value* metadata = o.if_contains("metadata");
    take_json(error_.metadata, metadata);
    if (error_.error_type.empty()) take(error_.error_type, member(metadata, "error_type"));
}

/// A message may be an object (Mistral) or a whole error as a string (Gemini's compatible endpoint, FastAPI fronts).
void Reader::message(const value& v) {
    if (v.is_string()) {
        take(error_.message, &v);
        if (wrapped_ == deepest_wrapping) return;
        const value inner = parse(std::string(v.get_string()));
        if (inner.is_null()) return;
        ++wrapped_;
        body(inner, true);
    } else if (wrapped_ < deepest_wrapping && filled(&v)) {
        ++wrapped_;
        body(v, true);
        if (error_.message.empty()) error_.message = boost::json::serialize(v);
    }
}

void Reader::item(const value& v) {
    std::string text = v.is_string() ? std::string(v.get_string()) : std::string();
    for (const char* name : {"message", "msg"})
        if (text.empty()) text = text_of(member(&v, name));
    std::string place;
    for (const char* name : {"loc", "keys", "path"}) {
        const value* parts = member(&v, name);
        if (!place.empty() || !filled(parts) || !parts->is_array()) continue;
        for (const value& part : parts->get_array()) place.append(place.empty() ? "" : ".").append(text_of(&part));
    }
    if (!text.empty() && member(&v, "loc") != nullptr && !place.empty()) text = place + ": " + text;
    if (error_.param.empty()) error_.param = place;
    for (const char* name : {"code", "type"})
        if (error_.code.empty()) error_.code = text_of(member(&v, name));
    if (!text.empty()) error_.message.append(error_.message.empty() ? "" : "; ").append(text);
}

/// FastAPI's and Venice's lists of complaints. `input`, which echoes the request, is left out of the message.
void Reader::list(const array& items) {
    constexpr std::size_t enough = 8;
    error_.message.clear();
    for (std::size_t i = 0; i < items.size() && i < enough; ++i) item(items[i]);
    if (error_.details.empty()) error_.details = boost::json::serialize(items);
}

void Reader::error_object(const object& o) {
    fields(o);
    for (const char* name : {"message", "msg", "err", "error_msg", "detail", "error"}) {
        const value* text = o.if_contains(name);
        if (!filled(text)) continue;
        if (text->is_array()) return list(text->get_array());
        return message(*text);
    }
}

/// {"error":"text"} with siblings: xAI's `code`, TGI's `error_type`, and a `message` that says more than the word.
void Reader::error_string(const object& o, const value& text) {
    fields(o);
    if (error_.type.empty()) error_.type = error_.error_type;
    const value* more = o.if_contains("message");
    if (filled(more) && more->is_string()) {
        if (error_.code.empty()) take(error_.code, &text);
        message(*more);
    } else {
        message(text);
    }
}

/// An error that stands in its own member.
bool Reader::nested(const object& o, bool certain) {
    const value* error = o.if_contains("error");
    const bool empty_error =
        error != nullptr && error->is_object() && (certain || filled(o.if_contains("status_code")));
    if (filled(error) || empty_error) {
        if (error->is_object()) {
            const bool google = filled(member(error, "status")) && member(error, "status")->is_string();
            shape(text_of(o.if_contains("type")) == "error" ? "anthropic" : google ? "google" : "openai");
            take(error_.request_id, o.if_contains("request_id"));
            take_status(o.if_contains("status_code"));
            error_object(error->get_object());
            if (error_.message.empty()) take(error_.message, o.if_contains("message"));
        } else if (error->is_array()) {
            shape("array");
            fields(o);
            list(error->get_array());
        } else {
            shape("string");
            error_string(o, *error);
        }
        return true;
    }
    for (const char* place : {"response", "x_groq"}) {
        const value* inner = member(o.if_contains(place), "error");
        if (!filled(inner)) continue;
        shape(place[0] == 'r' ? "responses" : "openai");
        if (inner->is_object())
            error_object(inner->get_object());
        else
            message(*inner);
        return true;
    }
    const value* choices = o.if_contains("choices");
    if (choices == nullptr || !choices->is_array() || choices->get_array().empty()) return false;
    const value* inner = member(&choices->get_array().front(), "error");  // OpenRouter
    if (!filled(inner) || !inner->is_object()) return false;
    shape("choice");
    error_object(inner->get_object());
    return true;
}

/// Shapes that would be no error in an answer that succeeded.
bool Reader::loose(const object& o, bool certain) {
    const std::string type = text_of(o.if_contains("type"));
    certain = certain || type == "error" || text_of(o.if_contains("object")) == "error";
    if (const value* fault = o.if_contains("fault"); filled(fault) && fault->is_object()) {  // Fireworks
        shape("fault");
        take(error_.message, member(fault, "faultstring"));
        take(error_.code, member(member(fault, "detail"), "errorcode"));
        return true;
    }
    const value* detail = o.if_contains("detail");
    if (filled(detail) && (certain || o.size() == 1)) {
        shape("detail");
        fields(o);
        if (detail->is_array())
            list(detail->get_array());
        else
            message(*detail);
        return true;
    }
    const bool names_error = filled(o.if_contains("message")) && filled(o.if_contains("code"));
    if (!certain && !names_error) return false;
    const value* header = o.if_contains("header");
    for (const value* text : {o.if_contains("message"), o.if_contains("msg"), o.if_contains("err"),
                              o.if_contains("error_msg"), member(header, "message")}) {
        if (!filled(text)) continue;
        shape(type == "error" ? "responses" : "top_level");
        fields(o);
        message(*text);
        return true;
    }
    if (const value* errors = o.if_contains("errors"); filled(errors) && errors->is_array()) {
        shape("array");
        list(errors->get_array());
        return true;
    }
    return false;
}

bool Reader::body(const value& v, bool certain) {
    if (v.is_object()) {
        const object& o = v.get_object();
        if (nested(o, certain)) return true;
        const bool answer =
            o.contains("choices") || o.contains("output") || o.contains("content") || o.contains("data");
        return !(answer && !certain) && loose(o, certain);
    }
    if (!v.is_array()) return false;
    for (const value& element : v.get_array()) {
        if (!element.is_object() || !nested(element.get_object(), certain)) continue;  // Google
        return true;
    }
    if (!certain || v.get_array().empty()) return false;
    shape("array");
    list(v.get_array());
    return true;
}

}  // namespace

value parse(std::string_view text) {
    while (!text.empty() &&
           (text.front() == ' ' || text.front() == '\n' || text.front() == '\r' || text.front() == '\t'))
        text.remove_prefix(1);
    if (text.empty() || (text.front() != '{' && text.front() != '[')) return nullptr;
    boost::json::error_code bad;
    value parsed = boost::json::parse({text.data(), text.size()}, bad);
    return bad ? value(nullptr) : parsed;
}

int read(const value& body, bool certain, VendorError& error) {
    Reader reader(error);
    reader.body(body, certain);
    return reader.status();
}

}  // namespace streamkeeper::error_shapes
