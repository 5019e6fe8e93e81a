#define BOOST_TEST_MODULE streamkeeper
#include <boost/test/unit_test.hpp>
