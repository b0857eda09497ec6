"""The oracle's tests: its eyes on a make-believe /proc, its record, and its verdict on histories made up for it."""
