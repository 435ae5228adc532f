// Connections, below what MQL5 makes of them.
#pragma once

#include <string>

#include "../types.hpp"

namespace mql
{
// Whether the network may be used at all, and by this address; else 4014 is set.
bool network_allowed();
bool address_allowed(const std::string &host, uint port);

// A connected socket, or -1.
int tcp_connect(const std::string &host, uint port, long timeout_ms);
// Whether it can be read, or written, within so long; -1 is for ever.
bool tcp_wait(int socket, bool to_write, long timeout_ms);
double real_seconds();
}
