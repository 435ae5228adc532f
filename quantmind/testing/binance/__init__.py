"""A Binance that is made up: REST, streams and WebSocket API on localhost, with faults to order."""
