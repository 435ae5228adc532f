// WebRequest: HTTP/1.1, without TLS, redirects or cookies. Addresses have to be listed as for sockets.
#pragma once

#include <string>

#include "arrays.hpp"
#include "text.hpp"
#include "texts.hpp"

namespace mql
{
namespace detail
{
// The status code, or -1.
int web_request(const string &method, const string &url, const string &headers, int timeout_ms, std::string_view body, std::string &answer, string &answer_headers);

template <bytes D, bytes R>
int web(const string &method, const string &url, const string &headers, int timeout_ms, const D &data, long size, R &&result, string &result_headers)
{
  std::string answer;
  const std::string_view body(reinterpret_cast<const char *>(data.data()), std::size_t(size < data.size() ? size : data.size()));
  const int status = web_request(method, url, headers, timeout_ms, body, answer, result_headers);
  result.resize(long(answer.size()));
  if (!answer.empty())
    std::memcpy(result.data(), answer.data(), std::min<std::size_t>(answer.size(), std::size_t(result.size())));
  return status;
}
}

template <bytes D, bytes R>
int WebRequest(const string method, const string url, const string headers, int timeout_ms, const D &data, R &&result, string &result_headers)
{
  return detail::web(method, url, headers, timeout_ms, data, data.size(), result, result_headers);
}

template <bytes D, bytes R>
int WebRequest(const string method, const string url, const string cookie, const string referer, int timeout_ms, const D &data, int data_size, R &&result, string &result_headers)
{
  string headers(u"");
  if (StringLen(cookie) > 0)
    headers += string(u"Cookie: ") + cookie + u"\r\n";
  if (StringLen(referer) > 0)
    headers += string(u"Referer: ") + referer + u"\r\n";
  return detail::web(method, url, headers, timeout_ms, data, data_size, result, result_headers);
}
}
