"""RPM, wheel and man page: built, looked through, installed into empty roots and run there; and Python 3.9."""
