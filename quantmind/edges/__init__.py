"""The gateway's own doors: WebSocket, ZeroMQ commands and data, HTTP. They hold addresses of actors, no actor."""
