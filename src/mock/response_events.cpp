// The events of a streamed response. Event number and sequence_number are the same, so every event is a function of
// its number: created, in_progress, [the reasoning item], the message, the calls, completed or incomplete.
#include <memory>

#include "mock/responses.hpp"
#include "mock/words.hpp"

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

/// Events around an item's deltas: two announce it (item, part), three end it (text, part, item).
constexpr std::size_t around_text = 5;
constexpr std::size_t around_call = 3;

class Events {
public:
    explicit Events(ResponseShape shape) : shape_(std::move(shape)) {}

    std::size_t count() const {
        std::size_t events = 2 + reasoning_events() + message_events() + (shape_.reply.finishes ? 1 : 0);
        for (const ToolCall& call : shape_.reply.calls) events += call.arguments.size() + around_call;
        return events;
    }

    bool append(std::size_t step, std::string& out) const {
        const std::size_t number = step;
        if (step < 2) return whole(out, number, step == 0 ? "response.created" : "response.in_progress", false);
        step -= 2;
        if (step < reasoning_events()) return reasoning(out, number, step);
        step -= reasoning_events();
        if (step < message_events()) return message(out, number, step);
        step -= message_events();
        for (std::size_t i = 0; i < shape_.reply.calls.size(); ++i) {
            const std::size_t own = shape_.reply.calls[i].arguments.size() + around_call;
            if (step < own) return call(out, number, i, step);
            step -= own;
        }
        return whole(out, number, shape_.reply.cut ? "response.incomplete" : "response.completed", true);
    }

private:
    std::size_t reasoning_events() const {
        return shape_.reply.reasoning == 0 ? 0 : shape_.reply.reasoning + around_text;
    }
    std::size_t message_events() const { return shape_.reply.is_call() ? 0 : shape_.reply.text.size() + around_text; }
    std::size_t call_index(std::size_t call) const { return output_index() + (shape_.reply.is_call() ? 0 : 1) + call; }
    std::size_t output_index() const { return shape_.reply.reasoning == 0 ? 0 : 1; }

    static bool event(std::string& out, std::size_t number, std::string_view type, json::object fields) {
        fields["type"] = type;
        fields["sequence_number"] = number;
        out.append("event: ").append(type).append("\ndata: ").append(json::serialize(fields)).append("\n\n");
        return false;
    }

    bool whole(std::string& out, std::size_t number, std::string_view type, bool done) const {
        return event(out, number, type, {{"response", shape_.response(done)}});
    }

    static bool item(std::string& out, std::size_t number, std::size_t index, json::object item, bool done) {
        const std::string_view type = done ? "response.output_item.done" : "response.output_item.added";
        return event(out, number, type, {{"output_index", index}, {"item", std::move(item)}});
    }

    /// A delta is built by hand: it is what a benchmark sends most.
    static bool delta(std::string& out, std::size_t number, std::string_view type, std::string_view place,
                      std::string_view literal) {
        out.append("event: ").append(type).append("\ndata: {\"type\":\"").append(type);
        out.append(R"(","sequence_number":)").append(std::to_string(number)).append(",").append(place);
        out.append(R"("delta":)").append(literal).append("}\n\n");
        return true;
    }

    bool reasoning(std::string& out, std::size_t number, std::size_t step) const {
        const std::size_t tokens = shape_.reply.reasoning;
        const std::string id = shape_.reasoning_id();
        json::object place{{"item_id", id}, {"output_index", 0}, {"summary_index", 0}};
        if (step == 0) return item(out, number, 0, shape_.reasoning_item(false), false);
        if (step >= 2 && step < 2 + tokens) {
            std::string literal(1, '"');
            append_token(literal, shape_.reply.reasoning_seed(), step - 2);
            const std::string where = R"("item_id":")" + id + R"(","output_index":0,"summary_index":0,)";
            return delta(out, number, "response.reasoning_summary_text.delta", where, literal + '"');
        }
        if (step == 1) {
            place["part"] = shape_.summary_part(false);
            return event(out, number, "response.reasoning_summary_part.added", std::move(place));
        }
        if (step == 2 + tokens) {
            place["text"] = shape_.reply.reasoning_text();
            return event(out, number, "response.reasoning_summary_text.done", std::move(place));
        }
        if (step == 3 + tokens) {
            place["part"] = shape_.summary_part(true);
            return event(out, number, "response.reasoning_summary_part.done", std::move(place));
        }
        return item(out, number, 0, shape_.reasoning_item(true), true);
    }

    bool message(std::string& out, std::size_t number, std::size_t step) const {
        const std::size_t tokens = shape_.reply.text.size();
        if (step >= 2 && step < 2 + tokens) {
            std::string literal(1, '"');
            shape_.reply.text.append(literal, step - 2);
            const std::string where = R"("item_id":")" + shape_.message_id() + R"(","output_index":)" +
                                      std::to_string(output_index()) + R"(,"content_index":0,"logprobs":[],)";
            return delta(out, number, "response.output_text.delta", where, literal + '"');
        }
        json::object place{{"item_id", shape_.message_id()}, {"output_index", output_index()}, {"content_index", 0}};
        if (step == 0) return item(out, number, output_index(), shape_.message_item(false), false);
        if (step == 1) {
            place["part"] = shape_.text_part(false);
            return event(out, number, "response.content_part.added", std::move(place));
        }
        if (step == 2 + tokens) {
            place["text"] = shape_.reply.answer_text();
            place["logprobs"] = json::array();
            return event(out, number, "response.output_text.done", std::move(place));
        }
        if (step == 3 + tokens) {
            place["part"] = shape_.text_part(true);
            return event(out, number, "response.content_part.done", std::move(place));
        }
        return item(out, number, output_index(), shape_.message_item(true), true);
    }

    bool call(std::string& out, std::size_t number, std::size_t index, std::size_t step) const {
        const ToolCall& made = shape_.reply.calls[index];
        const std::size_t pieces = made.arguments.size(), place = call_index(index);
        if (step == 0) return item(out, number, place, shape_.call_item(index, false), false);
        if (step <= pieces) {
            const std::string where =
                R"("item_id":")" + shape_.call_id(index) + R"(","output_index":)" + std::to_string(place) + ",";
            return delta(out, number, "response.function_call_arguments.delta", where,
                         json_text(made.arguments[step - 1]));
        }
        if (step == pieces + 1) {
            return event(out, number, "response.function_call_arguments.done",
                         {{"item_id", shape_.call_id(index)},
                          {"output_index", place},
                          {"name", made.name},
                          {"arguments", made.arguments_text()}});
        }
        return item(out, number, place, shape_.call_item(index, true), true);
    }

    ResponseShape shape_;
};

}  // namespace

Answer stream_of(ResponseShape shape) {
    const auto events = std::make_shared<const Events>(std::move(shape));
    Answer answer;
    answer.content_type = "text/event-stream; charset=utf-8";
    answer.events = events->count();
    answer.event = [events](std::size_t step, std::string& out) { return events->append(step, out); };
    return answer;
}

}  // namespace streamkeeper::mock
