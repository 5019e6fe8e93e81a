/// What is decided about a request before the model is asked: limits and the key when its head has arrived, models,
/// quota and faults when its body has.
#pragma once

#include <string>

#include "mock/performing.hpp"
#include "mock/world.hpp"

namespace streamkeeper::mock {

/// A model as a request names it. Both empty: it names none.
struct Named {
    std::string_view asked;  ///< as sent
    std::string_view name;   ///< without the words of a fault
    const Model* known = nullptr;
};

/// The head is there: counts it in the limits, finds its key, and whether it is to be answered without its body.
void admit(Request&, World&);

/// The body is there, too: a refusal by model or quota.
std::optional<Answer> refusal_by_key(const Request&, const Named&);

/// The fault that the request's header, a rule or its model's name asks for, counted as given; null: none.
/// `mistake` says what is wrong with the words.
std::shared_ptr<const Fault> choose_fault(const Request&, World&, const Named&, std::string& mistake);

/// How the model speaks to this request, and whether its play was asked before.
void choose_character(Request&, World&, const Named&);

/// Books the answer: quota, counters.
void settle(const Request&, const Answer&, World&, const Named&);

}  // namespace streamkeeper::mock
