"""What the tools that read and run OCF agents make of this one: Pacemaker's, pcs's, and ocf-tester."""
