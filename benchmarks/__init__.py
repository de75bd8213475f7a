"""What the gateway costs, beside what its peers cost, on the same machine in the same run."""
