#include "link.hpp"

#include "json.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace mql::terminal
{
namespace
{
constexpr const char *kValue = "value";
constexpr int kSendFailed = -10001;
constexpr int kReceiveFailed = -10002;
constexpr int kNoConnection = -10004;
constexpr int kEnded = 70;
constexpr std::uint32_t kMost = 64u * 1024 * 1024;

int g_socket = -1;

struct Gone : std::runtime_error
{
  using std::runtime_error::runtime_error;
};

[[noreturn]] void critical(const std::string &why)
{
  std::fprintf(stderr, "critical error: %s\n", why.c_str());
  std::fflush(nullptr);
  _exit(kEnded);
}

void close_socket()
{
  if (g_socket >= 0)
    ::close(g_socket);
  g_socket = -1;
}

void send_all(const char *data, std::size_t size)
{
  while (size > 0)
  {
    const ssize_t sent = ::send(g_socket, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR)
      continue;
    if (sent <= 0)
      throw Gone("the terminal has closed the connection");
    data += sent;
    size -= std::size_t(sent);
  }
}

void receive_all(char *data, std::size_t size)
{
  while (size > 0)
  {
    const ssize_t got = ::recv(g_socket, data, size, 0);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      throw Gone("the terminal has closed the connection");
    data += got;
    size -= std::size_t(got);
  }
}

// Four bytes of length, then JSON.
void send_message(const nlohmann::json &message)
{
  const std::string text = message.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  const std::uint32_t length = htonl(std::uint32_t(text.size()));
  std::string data(reinterpret_cast<const char *>(&length), sizeof length);
  data += text;
  send_all(data.data(), data.size());
}

nlohmann::json receive_message()
{
  std::uint32_t length = 0;
  receive_all(reinterpret_cast<char *>(&length), sizeof length);
  length = ntohl(length);
  if (length > kMost)
    throw Gone("the terminal's answer is too long");
  std::string text(length, '\0');
  receive_all(text.data(), text.size());
  auto message = nlohmann::json::parse(text, nullptr, false);
  if (!message.is_object())
    throw Gone("the terminal's answer is no JSON object");
  return message;
}

void connect_to(const std::string &file)
{
  std::ifstream opened(file);
  const auto said = nlohmann::json::parse(opened, nullptr, false);
  if (!said.is_object() || !said.contains("port") || !said.contains("key"))
    throw Gone("the file " + file + " does not lead to a terminal");
  g_socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(said["port"].get<std::uint16_t>());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(g_socket, reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0)
    throw Gone("no terminal listens where " + file + " says");
  const int on = 1;
  ::setsockopt(g_socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  send_message(said["key"]);
}

void hold(double seconds)
{
  ::usleep(useconds_t(seconds * 1'000'000));
}

Answer exchange(nlohmann::json message)
{
  while (true)
  {
    send_message(message);
    nlohmann::json said;
    try
    {
      said = receive_message();
    }
    catch (const Gone &gone)
    {
      close_socket();
      return Answer{kReceiveFailed, gone.what(), Row()};
    }
    hold(said.value("freeze", 0.0));
    if (said.value("again", false))
    {
      message["thawed"] = true;
      continue;
    }
    const auto &error = said["error"];
    Answer answer{error.at(0).get<int>(), error.at(1).get<std::string>(), Row()};
    auto &result = said["result"];
    // Lists and single values are under one name, so that a row holds them, too.
    nlohmann::json shown = result.is_object() ? std::move(result) : nlohmann::json{{kValue, std::move(result)}};
    answer.result = Row(std::make_shared<Json>(Json{std::move(shown)}));
    return answer;
  }
}
}

bool is_there()
{
  const char *file = std::getenv("MQL_TERMINAL");
  return file != nullptr && *file != '\0';
}

Answer call(const char *name, const Arguments &arguments)
{
  if (!is_there())
    critical(std::string("the program calls its terminal (") + name + ") and MQL_TERMINAL names none");
  try
  {
    if (g_socket < 0)
      connect_to(std::getenv("MQL_TERMINAL"));
  }
  catch (const Gone &gone)
  {
    close_socket();
    return Answer{kNoConnection, gone.what(), Row()};
  }
  try
  {
    return exchange({{"call", name}, {"arguments", arguments.json().value}});
  }
  catch (const Gone &gone)
  {
    close_socket();
    return Answer{kSendFailed, gone.what(), Row()};
  }
}

Rows list_of(const Answer &answer)
{
  return answer.result.rows(kValue);
}

double number_of(const Answer &answer)
{
  return answer.result.number(kValue);
}
}
