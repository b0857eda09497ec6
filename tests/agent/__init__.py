"""The agent's tests: no Kubernetes needed; the kernel, TLS and processes are real."""
