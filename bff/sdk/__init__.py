"""What function authors import, and what binds and encodes for them."""
