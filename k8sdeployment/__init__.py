"""Two-site high availability for single-node Kubernetes: see README.md for the map of the rooms."""

__version__ = "0.1.0"
