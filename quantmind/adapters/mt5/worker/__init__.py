"""The process that a terminal's package runs in: it never lets other threads run, so it has one of its own."""
