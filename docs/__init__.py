"""The documents, and the tables in them that are written by a program (`tables.py`)."""
