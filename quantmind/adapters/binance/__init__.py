"""Binance as a broker: a spot account, or a USD-M futures account."""
