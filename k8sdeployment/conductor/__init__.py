"""What runs in the peer pod beside the daemons."""
