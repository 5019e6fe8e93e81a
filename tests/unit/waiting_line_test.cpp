// The line at a closed gate: FIFO within a client, round robin among clients, resumes first; and its price.
#include "streamkeeper/waiting_line.hpp"

#include <boost/test/unit_test.hpp>
#include <deque>
#include <random>

#include "gate_scene.hpp"

using namespace streamkeeper;
using gate_scene::Scene;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(waiting_line)

namespace {

/// Tickets that belong to nobody in particular.
struct Stand {
    Ticket& push(const std::string& name, bool resume = false) {
        owners.emplace_back(name, resume, TimePoint::max(), [] {});
        Ticket& ticket = tickets.emplace_back(owners.back(), gates);
        names[&ticket] = name;
        line.push(ticket, {name.substr(0, 1), resume, 0});
        return ticket;
    }
    std::string pop() {
        const Ticket* const ticket = line.pop();
        return ticket ? names.at(ticket) : std::string();
    }
    std::string all() {
        std::string order;
        for (std::string name = pop(); !name.empty(); name = pop()) order += (order.empty() ? "" : " ") + name;
        return order;
    }
    Gates gates;
    Line line;
    std::deque<Waiter> owners;
    std::deque<Ticket> tickets;
    std::map<const Ticket*, std::string> names;
};

}  // namespace

BOOST_AUTO_TEST_CASE(one_clients_requests_leave_in_the_order_of_their_arrival) {
    Stand stand;
    for (const char* name : {"a1", "a2", "a3"}) stand.push(name);
    BOOST_TEST(stand.line.size() == 3u);
    BOOST_TEST(stand.all() == "a1 a2 a3");
    BOOST_TEST(stand.line.empty());
    BOOST_TEST(stand.pop() == "");
}

BOOST_AUTO_TEST_CASE(clients_take_turns) {
    Stand stand;
    for (const char* name : {"a1", "a2", "a3", "b1", "c1", "c2"}) stand.push(name);
    BOOST_TEST(stand.pop() == "a1");
    BOOST_TEST(stand.pop() == "b1");
    stand.push("b2");  // b has had its turn, and comes after the others
    stand.push("d1");
    BOOST_TEST(stand.all() == "c1 a2 b2 d1 c2 a3");
}

BOOST_AUTO_TEST_CASE(resumes_are_a_rank_of_their_own) {
    Stand stand;
    stand.push("a1");
    stand.push("b1", true);
    stand.push("b2", true);
    stand.push("a2", true);
    BOOST_TEST(stand.all() == "b1 a2 b2 a1");
}

BOOST_AUTO_TEST_CASE(whoever_leaves_closes_the_gap) {
    for (const char* leaver : {"a1", "a2", "a3", "b1"}) {
        Stand stand;
        for (const char* name : {"a1", "a2", "a3", "b1", "c1"}) stand.push(name);
        for (Ticket& ticket : stand.tickets)
            if (stand.names[&ticket] == leaver) ticket.leave();
        BOOST_TEST(stand.line.size() == 4u);
        std::string expected = "a1 b1 c1 a2 a3";
        if (std::string(leaver) == "a1") expected = "a2 b1 c1 a3";
        if (std::string(leaver) == "a2") expected = "a1 b1 c1 a3";
        if (std::string(leaver) == "a3") expected = "a1 b1 c1 a2";
        if (std::string(leaver) == "b1") expected = "a1 c1 a2 a3";
        BOOST_TEST(stand.all() == expected);
    }
}

BOOST_AUTO_TEST_CASE(a_ticket_stands_in_one_line_at_a_time) {
    Stand one, two;
    Ticket& ticket = one.push("a1");
    two.line.push(ticket, {"a", false, 0});
    BOOST_TEST(one.line.empty());
    BOOST_TEST(two.line.size() == 1u);
    BOOST_TEST(ticket.line() == &two.line);
}

BOOST_AUTO_TEST_CASE(each_one_is_visited_once_and_may_leave_meanwhile) {
    Stand stand;
    for (const char* name : {"a1", "a2", "b1", "c1", "c2"}) stand.push(name);
    stand.push("d1", true);
    std::size_t visited = 0;
    stand.line.for_each([&](Ticket& ticket) {
        ++visited;
        if (stand.names[&ticket] != "c1") ticket.leave();
    });
    BOOST_TEST(visited == 6u);
    BOOST_TEST(stand.all() == "c1");
}

BOOST_AUTO_TEST_CASE(a_line_that_ends_lets_its_tickets_go) {
    Stand stand;
    auto line = std::make_unique<Line>();
    Ticket& ticket = stand.push("a1");
    line->push(ticket, {"a", false, 0});
    line.reset();
    BOOST_TEST(ticket.line() == nullptr);
}

/// Against a model that is obviously right: a list of clients, each with a list.
BOOST_AUTO_TEST_CASE(random_comings_and_goings_keep_the_order) {
    for (unsigned seed = 0; seed < 200; ++seed) {
        std::mt19937 random(seed);
        Stand stand;
        std::list<std::pair<std::string, std::list<Ticket*>>> model;
        for (int step = 0; step < 300; ++step) {
            if (random() % 2 == 0) {
                const std::string client(1, static_cast<char>('a' + random() % 5));
                Ticket& ticket = stand.push(client + std::to_string(step));
                auto queue = model.begin();
                while (queue != model.end() && queue->first != client) ++queue;
                if (queue == model.end()) queue = model.insert(queue, {client, {}});
                queue->second.push_back(&ticket);
            } else if (random() % 2 == 0 && !model.empty()) {
                Ticket* const popped = stand.line.pop();
                BOOST_REQUIRE(popped == model.front().second.front());
                model.front().second.pop_front();
                model.splice(model.end(), model, model.begin());
                if (model.back().second.empty()) model.pop_back();
            } else if (!model.empty()) {
                auto queue = std::next(model.begin(), static_cast<long>(random() % model.size()));
                auto leaver = std::next(queue->second.begin(), static_cast<long>(random() % queue->second.size()));
                (*leaver)->leave();
                queue->second.erase(leaver);
                if (queue->second.empty()) model.erase(queue);
            }
        }
        for (; !model.empty(); model.splice(model.end(), model, model.begin())) {
            while (!model.empty() && model.front().second.empty()) model.pop_front();
            if (model.empty()) break;
            BOOST_REQUIRE(stand.line.pop() == model.front().second.front());
            model.front().second.pop_front();
        }
        BOOST_REQUIRE(stand.line.empty());
    }
}

BOOST_AUTO_TEST_SUITE_END()
