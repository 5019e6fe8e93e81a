/// What the Responses endpoint's JSON answer and its stream have in common.
#pragma once

#include <boost/json.hpp>
#include <string>

#include "mock/answer.hpp"
#include "mock/reply.hpp"

namespace streamkeeper::mock {

/// Builds the objects of one response, each either as it is announced or as it is done.
class ResponseShape {
public:
    ResponseShape(Reply, const Document&);

    boost::json::object response(bool done) const;
    boost::json::object reasoning_item(bool done) const;
    boost::json::object message_item(bool done) const;
    boost::json::object call_item(std::size_t call, bool done) const;
    boost::json::object text_part(bool done) const;
    boost::json::object summary_part(bool done) const;

    std::string reasoning_id() const { return reply.id("rs_"); }
    std::string message_id() const { return reply.id("msg_"); }
    std::string call_id(std::size_t call) const { return reply.id("fc_", call); }

    Reply reply;

private:
    boost::json::object echo_;
};

Answer stream_of(ResponseShape);

}  // namespace streamkeeper::mock
