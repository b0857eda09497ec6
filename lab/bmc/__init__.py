"""What runs inside a site's management controller, and what the lab's own power switch uses too. Standard library alone."""
