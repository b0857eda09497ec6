"""The resource agent ocf:aos:k8sdeployment: Python 3.9, standard library alone, nothing from outside this package."""
