"""Bytes to typed messages and back, without I/O. Every decoder gives a value or a fault that says what was wrong."""
