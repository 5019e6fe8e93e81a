// Asio is compiled once, here (BOOST_ASIO_SEPARATE_COMPILATION), so that the few files that use it stay quick to build.
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
