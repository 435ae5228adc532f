#include "tcp.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>

#include "../constants.hpp"
#include "../runtime.hpp"

namespace mql
{
namespace
{
bool is_listed(const std::string &wanted)
{
  std::istringstream listed(setting("MQL_ALLOW", "127.0.0.1,localhost"));
  for (std::string one; std::getline(listed, one, ',');)
    if (one == wanted)
      return true;
  return false;
}

bool finish_connecting(int socket, long timeout_ms)
{
  int failure = 0;
  socklen_t size = sizeof failure;
  return tcp_wait(socket, true, timeout_ms) && ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 && failure == 0;
}

int connect_to(const addrinfo &address, long timeout_ms)
{
  const int made = ::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (made < 0)
    return -1;
  const bool at_once = ::connect(made, address.ai_addr, address.ai_addrlen) == 0;
  if (!at_once && (errno != EINPROGRESS || !finish_connecting(made, timeout_ms)))
  {
    ::close(made);
    return -1;
  }
  const int one = 1;
  if (!flag("MQL_SOCKET_NAGLE"))
    ::setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return made;
}
}

bool network_allowed()
{
  if (!flag("MQL_TESTER"))
    return true;
  // The Strategy Tester does not execute these functions; that it says 4014 is a reading.
  set_error(ERR_FUNCTION_NOT_ALLOWED);
  return false;
}

bool address_allowed(const std::string &host, uint port)
{
  if (is_listed(host) || is_listed(host + ":" + std::to_string(port)))
    return true;
  set_error(ERR_FUNCTION_NOT_ALLOWED);
  return false;
}

int tcp_connect(const std::string &host, uint port, long timeout_ms)
{
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo *found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0)
    return -1;
  const int made = connect_to(*found, timeout_ms);
  ::freeaddrinfo(found);
  return made;
}

bool tcp_wait(int socket, bool to_write, long timeout_ms)
{
  pollfd one{socket, short(to_write ? POLLOUT : POLLIN), 0};
  const double end = real_seconds() + double(timeout_ms) / 1000.0;
  while (true)
  {
    const double left_ms = (end - real_seconds()) * 1000.0;
    const int ready = ::poll(&one, 1, timeout_ms < 0 ? -1 : left_ms > 0.0 ? int(left_ms + 0.999) : 0);
    if (ready >= 0 || errno != EINTR || stop_flag != 0)
      return ready > 0;
  }
}

double real_seconds()
{
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return double(now.tv_sec) + double(now.tv_nsec) * 1e-9;
}
}
