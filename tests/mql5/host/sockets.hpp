// Sockets. What the documents leave open can be had in its worst form, each by a variable of the environment:
//   MQL_SOCKET_READ_FULL      a read waits for all that it may take, or for its time-out
//   MQL_SOCKET_ALWAYS_ONE     SocketIsReadable answers 1 on an empty buffer each time, and not only the first
//   MQL_SOCKET_TIMEOUT_ERROR  a mere time-out sets 5273
//   MQL_SOCKET_SHORT_SEND     a send takes 7 bytes at most
//   MQL_SOCKET_ONE_BYTE_READS a read gives one byte at most
//   MQL_SOCKET_NAGLE          small packets wait
// Addresses have to be listed: MQL_ALLOW, with commas; 127.0.0.1 and localhost if unset. Others give 4014.
#pragma once

#include <string>

#include "arrays.hpp"
#include "text.hpp"

namespace mql
{
int SocketCreate(uint flags = 0);
bool SocketClose(int handle);
bool SocketConnect(int handle, const string server, uint port, uint timeout_ms);
bool SocketIsConnected(int handle);
uint SocketIsReadable(int handle);
bool SocketIsWritable(int handle);
bool SocketTimeouts(int handle, uint send_ms, uint receive_ms);

// TLS is not here: each of these fails with 5274.
bool SocketTlsHandshake(int handle, const string host);
bool SocketTlsCertificate(int handle, string &subject, string &issuer, string &serial, string &thumbprint, datetime &expiration);

namespace detail
{
int socket_read(int handle, std::string &to, uint most, uint timeout_ms);
int socket_send(int handle, const void *from, std::size_t there, uint count);
int no_tls();
}

// -1 on a time-out and on an error; a time-out of 0 is two minutes. A dynamic array grows by what was read.
template <bytes A>
  requires writable<A>
int SocketRead(int handle, A &&to, uint most, uint timeout_ms)
{
  std::string got;
  int count = detail::socket_read(handle, got, most, timeout_ms);
  if (count <= 0)
    return count;
  if (to.size() < count && !to.resize(count))
    count = int(to.size());
  std::memcpy(to.data(), got.data(), std::size_t(count));
  return count;
}

template <bytes A>
int SocketSend(int handle, const A &from, uint count)
{
  return detail::socket_send(handle, from.data(), std::size_t(from.size()), count);
}

template <bytes A>
int SocketTlsRead(int, A &&, uint)
{
  return detail::no_tls();
}
template <bytes A>
int SocketTlsReadAvailable(int, A &&, uint)
{
  return detail::no_tls();
}
template <bytes A>
int SocketTlsSend(int, const A &, uint)
{
  return detail::no_tls();
}
}
