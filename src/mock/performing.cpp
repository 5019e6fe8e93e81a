#include "mock/performing.hpp"

#include "mock/errors.hpp"
#include "mock/hints.hpp"
#include "mock/reply.hpp"
#include "mock/rewriting.hpp"
#include "mock/words.hpp"

namespace streamkeeper::mock {
namespace {

constexpr std::string_view usual_limit = "1500";  // Apertis' per IP (vendors.md 1.1)

bool is_body_hint(HintForm form) {
    return form == HintForm::try_again || form == HintForm::retry_delay || form == HintForm::retry_after_seconds;
}

/// A body's hint says the shape, where nothing else does.
ErrorShape shape_for(const Fault& fault, const Request& request) {
    if (fault.shape) return *fault.shape;
    for (const Hint& hint : fault.hints) {
        if (hint.form == HintForm::retry_delay) return ErrorShape::google;
        if (hint.form == HintForm::retry_after_seconds) return ErrorShape::openrouter;
    }
    return usual_shape(request);
}

std::string usual_message(const Fault& fault, const Request& request, ErrorShape shape) {
    if (fault.code == "model_not_found")
        return missing_model(shape, request.document ? request.document->model() : "none");
    if (request.limit_wait) return "Too many requests: " + std::to_string(request.limit) + " are allowed at a time.";
    return "The mock was asked to fail.";
}

ErrorText text_of(const Fault& fault, const Request& request, const Moment& moment, ErrorShape shape) {
    ErrorText text{
        fault.status.value_or(500), fault.type, fault.code, fault.param, fault.message, {}, {}, request.sequence};
    if (text.message.empty()) text.message = usual_message(fault, request, shape);
    for (const Hint& hint : fault.hints) {
        if (!is_body_hint(hint.form)) continue;
        const std::string value = value_of(hint, moment);
        if (hint.form == HintForm::try_again) text.message += " Please try again in " + value + '.';
        if (hint.form == HintForm::retry_delay) text.retry_delay = value;
        if (hint.form == HintForm::retry_after_seconds) text.retry_after_seconds = value;
    }
    return text;
}

/// The first events of a healthy stream, then the error, then the end.
void break_stream(Answer& answer, const Fault& fault, const Request& request, ErrorShape shape, const ErrorText& text) {
    const std::size_t before = std::min(fault.events_before_error, answer.events);
    answer.events = before + 1;
    answer.event = [event = std::move(answer.event), before,
                    last = error_event(request, shape, text, before) + (fault.then_done ? "data: [DONE]\n\n" : "")](
                       std::size_t step, std::string& out) {
        if (step < before) return event(step, out);
        out += last;
        return false;
    };
}

Answer error_of(const Fault& fault, const Request& request, const Moment& moment,
                const std::function<Answer()>& healthy) {
    const ErrorShape shape = shape_for(fault, request);
    const ErrorText text = text_of(fault, request, moment, shape);
    if (fault.place == ErrorPlace::sse_in_200) {
        Answer answer = healthy();
        if (answer.status == 200 && answer.event) {
            break_stream(answer, fault, request, shape, text);
            return answer;
        }
    }
    Answer answer;
    answer.status = fault.place == ErrorPlace::status ? *fault.status : 200;
    ErrorBody made = render(shape, text);
    answer.content_type = made.content_type;
    answer.body = std::move(made.body);
    if (answer.status >= 300 && answer.status < 400) answer.fields += "Location: /login\r\n";
    return answer;
}

Answer own_body(const Fault& fault) {
    Answer answer;
    answer.status = fault.status.value_or(200);
    answer.content_type = fault.content_type;
    answer.body = *fault.body;
    return answer;
}

void shorten(Answer& answer, const Fault& fault) {
    if (fault.events) answer.events = std::min(answer.events, *fault.events);
    if (!fault.empty) return;
    answer.events = 0;
    answer.body.clear();
}

}  // namespace

Answer perform(std::shared_ptr<const Fault> chosen, const Request& request, const std::function<Answer()>& healthy) {
    const Fault& fault = *chosen;
    Moment moment = Moment::now();
    moment.skew = fault.clock_skew;
    moment.wait = request.limit_wait.value_or(Instant(0));
    Answer answer = fault.body ? own_body(fault) : fault.status ? error_of(fault, request, moment, healthy) : healthy();
    shorten(answer, fault);
    break_inside(answer, fault);
    rewrite(answer, fault.rewriting);
    if (!fault.content_type.empty()) answer.content_type = fault.content_type;
    const std::string limit = request.limit_wait ? std::to_string(request.limit) : std::string(usual_limit);
    for (const Hint& hint : fault.hints) append_fields(answer.fields, hint, fault, moment, limit);
    for (const auto& [name, value] : fault.headers)
        answer.fields.append(name).append(": ").append(value).append("\r\n");
    answer.date = moment.shown();
    answer.wire = fault.wire;
    answer.delay = fault.delay;
    if (fault.jitter.count() != 0)
        answer.delay += std::chrono::milliseconds(other_seed(request.sequence, 7) % (fault.jitter.count() + 1));
    answer.fault = std::move(chosen);
    return answer;
}

}  // namespace streamkeeper::mock
