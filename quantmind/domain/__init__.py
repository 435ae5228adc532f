"""What the product is about, as pure values and functions: no I/O, no Trio, no clock reads."""
