"""The conductor: files and threads are real, the cluster's programs are real in tests/lab."""
