"""`python -m k8sdeployment.cli`, which is what the program `snopair` runs."""

import sys

from k8sdeployment.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
