"""The operator of a site: from the SNOPair to the peer, and what it waits for back into the SNOPair's status."""
