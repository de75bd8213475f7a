"""The public door: from bytes on a socket to a call of the invoker, and back."""
