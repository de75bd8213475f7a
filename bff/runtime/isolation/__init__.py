"""A function in a process of its own: forked when it warms up, spoken to in frames, ended for real."""
