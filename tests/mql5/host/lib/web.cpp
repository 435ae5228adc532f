#include "../web.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <optional>

#include "../constants.hpp"
#include "tcp.hpp"

namespace mql::detail
{
namespace
{
constexpr std::size_t kLongestUrl = 1024;
constexpr int kDefaultMs = 5000; // what a terminal takes for 0 is not said

struct address
{
  std::string host;
  uint port = 80;
  std::string path = "/";
  std::string named; // as the Host header has it
};

std::optional<address> parsed(const std::string &url)
{
  static const std::string kScheme = "http://";
  if (url.compare(0, kScheme.size(), kScheme) != 0 || url.size() > kLongestUrl)
    return std::nullopt;
  address found;
  const std::size_t slash = url.find('/', kScheme.size());
  found.named = url.substr(kScheme.size(), slash == std::string::npos ? slash : slash - kScheme.size());
  if (slash != std::string::npos)
    found.path = url.substr(slash);
  const std::size_t colon = found.named.find(':');
  found.host = found.named.substr(0, colon);
  if (colon != std::string::npos)
    found.port = uint(std::strtoul(found.named.c_str() + colon + 1, nullptr, 10));
  if (found.host.empty() || found.port == 0 || found.port > 65535)
    return std::nullopt;
  return found;
}

std::string lowered(std::string text)
{
  std::transform(text.begin(), text.end(), text.begin(), [](uchar letter) { return char(letter >= 'A' && letter <= 'Z' ? letter + 32 : letter); });
  return text;
}

// The value of a header in the head of an answer, in small letters.
std::string header(const std::string &head, const std::string &name)
{
  const std::string small = lowered(head);
  const std::size_t at = small.find("\r\n" + name + ":");
  if (at == std::string::npos)
    return "";
  const std::size_t begin = small.find_first_not_of(" \t", at + name.size() + 3);
  return small.substr(begin, small.find("\r\n", begin) - begin);
}

// One answer, read from a socket until it is whole.
class answer_reader
{
public:
  answer_reader(int socket, double end, bool no_body) : socket_(socket), end_(end), no_body_(no_body)
  {
  }

  // 0, or the error.
  int read(std::string &head, std::string &body)
  {
    std::size_t end = std::string::npos;
    while ((end = in_.find("\r\n\r\n")) == std::string::npos)
      if (const int wrong = more(); wrong != 0)
        return wrong;
    head = in_.substr(0, end + 2);
    in_.erase(0, end + 4);
    if (head.compare(0, 7, "HTTP/1.") != 0)
      return ERR_WEBREQUEST_REQUEST_FAILED;
    const int status = std::atoi(head.c_str() + 9);
    if (no_body_ || status == 204 || status == 304)
      return 0;
    if (header(head, "transfer-encoding") == "chunked")
      return chunks(body);
    if (const std::string length = header(head, "content-length"); !length.empty())
      return take(std::strtoul(length.c_str(), nullptr, 10), body);
    return to_the_end(body);
  }

private:
  int more()
  {
    char part[65536];
    const double left_ms = (end_ - real_seconds()) * 1000.0;
    if (left_ms <= 0.0 || !tcp_wait(socket_, false, long(left_ms + 0.999)))
      return ERR_WEBREQUEST_TIMEOUT;
    const ssize_t got = ::recv(socket_, part, sizeof part, 0);
    if (got < 0 && errno == EAGAIN)
      return 0;
    if (got <= 0)
      return ERR_WEBREQUEST_REQUEST_FAILED;
    in_.append(part, std::size_t(got));
    return 0;
  }

  int take(std::size_t size, std::string &to)
  {
    while (in_.size() < size)
      if (const int wrong = more(); wrong != 0)
        return wrong;
    to.append(in_, 0, size);
    in_.erase(0, size);
    return 0;
  }

  int chunks(std::string &body)
  {
    while (true)
    {
      std::size_t line = std::string::npos;
      while ((line = in_.find("\r\n")) == std::string::npos)
        if (const int wrong = more(); wrong != 0)
          return wrong;
      const std::size_t size = std::strtoul(in_.c_str(), nullptr, 16);
      in_.erase(0, line + 2);
      std::string behind;
      if (const int wrong = take(size, body); wrong != 0 || size == 0)
        return wrong;
      if (const int wrong = take(2, behind); wrong != 0)
        return wrong;
    }
  }

  int to_the_end(std::string &body)
  {
    int wrong = 0;
    while ((wrong = more()) == 0)
    {
    }
    body += in_;
    return wrong == ERR_WEBREQUEST_TIMEOUT ? wrong : 0;
  }

  int socket_;
  double end_;
  bool no_body_;
  std::string in_;
};

int send_all(int socket, std::string_view bytes, double end)
{
  while (!bytes.empty())
  {
    const double left_ms = (end - real_seconds()) * 1000.0;
    if (left_ms <= 0.0 || !tcp_wait(socket, true, long(left_ms + 0.999)))
      return ERR_WEBREQUEST_TIMEOUT;
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
      return ERR_WEBREQUEST_REQUEST_FAILED;
    bytes.remove_prefix(sent > 0 ? std::size_t(sent) : 0);
  }
  return 0;
}

std::string request_of(const address &to, const std::string &method, std::string headers, std::string_view body)
{
  if (!headers.empty() && (headers.size() < 2 || headers.compare(headers.size() - 2, 2, "\r\n") != 0))
    headers += "\r\n";
  std::string text = method + " " + to.path + " HTTP/1.1\r\nHost: " + to.named + "\r\n";
  text += "Accept: */*\r\nUser-Agent: MetaTrader 5 Terminal/5.0000\r\nConnection: close\r\n";
  text += "Content-Length: " + std::to_string(body.size()) + "\r\n" + headers + "\r\n";
  return text.append(body);
}

int failed(int code)
{
  set_error(code);
  return -1;
}
}

int web_request(const string &method, const string &url, const string &headers, int timeout_ms, std::string_view body, std::string &answer, string &answer_headers)
{
  if (!network_allowed())
    return -1;
  const std::optional<address> to = parsed(to_utf8(url));
  if (!to)
    return failed(ERR_WEBREQUEST_INVALID_ADDRESS);
  if (!address_allowed(to->host, to->port))
    return -1;
  const double end = real_seconds() + double(timeout_ms > 0 ? timeout_ms : kDefaultMs) / 1000.0;
  const int socket = tcp_connect(to->host, to->port, timeout_ms > 0 ? timeout_ms : kDefaultMs);
  if (socket < 0)
    return failed(ERR_WEBREQUEST_CONNECT_FAILED);
  std::string head;
  int wrong = send_all(socket, request_of(*to, to_utf8(method), to_utf8(headers), body), end);
  if (wrong == 0)
    wrong = answer_reader(socket, end, to_utf8(method) == "HEAD").read(head, answer);
  ::close(socket);
  if (wrong != 0)
  {
    answer.clear();
    return failed(wrong);
  }
  answer_headers = from_utf8(head.substr(head.find("\r\n") + 2));
  return std::atoi(head.c_str() + 9);
}
}
