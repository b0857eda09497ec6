"""Benchmarks of the agent: scripts, not tests. `make bench` runs them and writes the table of docs/performance.md."""
