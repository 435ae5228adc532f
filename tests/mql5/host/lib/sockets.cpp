#include "../sockets.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "../constants.hpp"
#include "tcp.hpp"

namespace mql
{
namespace
{
constexpr std::size_t kMostSockets = 128;
constexpr uint kTwoMinutesMs = 120000;
constexpr uint kShort = 7;

struct connection
{
  int socket = -1;
  uint send_ms = 0; // 0: for ever
  bool asked = false;
};

std::map<int, connection> g_connections;
int g_next = 1;

connection *connection_of(int handle)
{
  const auto found = g_connections.find(handle);
  if (found != g_connections.end())
    return &found->second;
  set_error(ERR_NETSOCKET_INVALIDHANDLE);
  return nullptr;
}

connection *connected(int handle)
{
  connection *one = network_allowed() ? connection_of(handle) : nullptr;
  if (one != nullptr && one->socket < 0)
  {
    set_error(ERR_NETSOCKET_IO_ERROR);
    return nullptr;
  }
  return one;
}

void close_socket(connection &one)
{
  if (one.socket >= 0)
    ::close(one.socket);
  one.socket = -1;
}

// Any error of the system ends the connection.
int broken(connection &one)
{
  close_socket(one);
  set_error(ERR_NETSOCKET_IO_ERROR);
  return -1;
}
}

int SocketCreate(uint)
{
  if (!network_allowed())
    return INVALID_HANDLE;
  if (g_connections.size() >= kMostSockets)
  {
    set_error(ERR_NETSOCKET_TOO_MANY_OPENED);
    return INVALID_HANDLE;
  }
  g_connections[g_next] = connection();
  return g_next++;
}

bool SocketClose(int handle)
{
  connection *one = network_allowed() ? connection_of(handle) : nullptr;
  if (one == nullptr)
    return false;
  close_socket(*one);
  g_connections.erase(handle);
  return true;
}

bool SocketConnect(int handle, const string server, uint port, uint timeout_ms)
{
  connection *one = network_allowed() ? connection_of(handle) : nullptr;
  const std::string host = to_utf8(server);
  if (one == nullptr || !address_allowed(host, port))
    return false;
  close_socket(*one);
  one->socket = tcp_connect(host, port, long(timeout_ms));
  one->asked = false;
  if (one->socket < 0)
    set_error(ERR_NETSOCKET_CANNOT_CONNECT);
  return one->socket >= 0;
}

bool SocketIsConnected(int handle)
{
  const connection *one = network_allowed() ? connection_of(handle) : nullptr;
  return one != nullptr && one->socket >= 0;
}

bool SocketTimeouts(int handle, uint send_ms, uint)
{
  connection *one = connected(handle);
  if (one != nullptr)
    one->send_ms = send_ms;
  return one != nullptr;
}

uint SocketIsReadable(int handle)
{
  connection *one = connected(handle);
  if (one == nullptr)
    return 0;
  pollfd state{one->socket, POLLIN, 0};
  int there = 0;
  ::poll(&state, 1, 0);
  ::ioctl(one->socket, FIONREAD, &there);
  if (there > 0)
    return uint(there);
  // A peer that has gone shows as one byte that can't be read.
  if ((state.revents & (POLLIN | POLLHUP)) != 0)
    return 1;
  const bool guess = flag("MQL_SOCKET_ALWAYS_ONE") || !one->asked;
  one->asked = true;
  return guess ? 1 : 0;
}

bool SocketIsWritable(int handle)
{
  const connection *one = connected(handle);
  return one != nullptr && tcp_wait(one->socket, true, 0);
}

bool SocketTlsHandshake(int, const string)
{
  return detail::no_tls() > 0;
}

bool SocketTlsCertificate(int, string &, string &, string &, string &, datetime &)
{
  return detail::no_tls() > 0;
}

namespace detail
{
int no_tls()
{
  set_error(ERR_NETSOCKET_HANDSHAKE_FAILED);
  return -1;
}

int socket_read(int handle, std::string &to, uint most, uint timeout_ms)
{
  connection *one = connected(handle);
  if (one == nullptr)
    return -1;
  if (most < 1)
  {
    set_error(ERR_INVALID_PARAMETER);
    return -1;
  }
  if (flag("MQL_SOCKET_ONE_BYTE_READS"))
    most = 1;
  const bool whole = flag("MQL_SOCKET_READ_FULL");
  const double end = real_seconds() + double(timeout_ms == 0 ? kTwoMinutesMs : timeout_ms) / 1000.0;
  static char part[65536];
  while (to.size() < most)
  {
    const double left_ms = std::max(0.0, (end - real_seconds()) * 1000.0);
    if (!tcp_wait(one->socket, false, long(left_ms + 0.999)))
      break;
    const ssize_t got = ::recv(one->socket, part, std::min<std::size_t>(sizeof part, most - to.size()), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
      continue;
    if (got <= 0)
    {
      if (to.empty())
        return broken(*one);
      break;
    }
    to.append(part, std::size_t(got));
    if (!whole)
      break;
  }
  if (!to.empty())
    return int(to.size());
  if (flag("MQL_SOCKET_TIMEOUT_ERROR"))
    set_error(ERR_NETSOCKET_IO_ERROR);
  return -1;
}

int socket_send(int handle, const void *from, std::size_t there, uint count)
{
  connection *one = connected(handle);
  if (one == nullptr)
    return -1;
  if (count > there)
  {
    set_error(ERR_INVALID_PARAMETER);
    return -1;
  }
  if (flag("MQL_SOCKET_SHORT_SEND"))
    count = std::min(count, kShort);
  const char *bytes = static_cast<const char *>(from);
  std::size_t sent = 0;
  while (sent < count)
  {
    const ssize_t gone = ::send(one->socket, bytes + sent, count - sent, MSG_NOSIGNAL);
    if (gone > 0)
      sent += std::size_t(gone);
    else if (gone < 0 && errno == EINTR)
      continue;
    else if (gone < 0 && errno != EAGAIN)
      return broken(*one);
    else if (!tcp_wait(one->socket, true, one->send_ms == 0 ? -1 : long(one->send_ms)))
      break;
  }
  return int(sent);
}
}
}
