"""What runs inside a site's management controller; the lab's own power switch uses it too. Standard library alone."""
