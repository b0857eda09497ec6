"""Every situation of the agent's contract, against a real API server: see docs/situations.md."""
