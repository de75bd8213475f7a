"""What operators see and may change, on a listener of its own."""
