"""The pair as values: the CR's model, corosync.conf, the peer pod's manifests, Pacemaker's configuration.

Pure: values in, values out. Nothing here reads a file, asks an API or starts a process; whoever does (the operator,
the conductor, the lab) imports from here, and this room imports nothing but the agent's.
"""
