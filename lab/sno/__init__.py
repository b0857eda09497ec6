"""What runs inside a site: its first process and the daemons of a single-node cluster. Standard library alone."""
