"""The house's rules: which way imports point, what the agent may load, how large things may grow."""
