"""What programs outside the gateway use to talk to it."""
