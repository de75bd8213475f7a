"""How functions live: warmed when called, drained when replaced."""
