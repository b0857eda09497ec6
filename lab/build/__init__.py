"""Everything the sites are made of: Kubernetes from its Go modules, the Debian base, the images."""
