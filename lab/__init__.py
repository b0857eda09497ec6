"""Two real single-node Kubernetes sites on one machine, with two networks between them and a BMC each."""
