"""What the workspace must remember: who permitted what, and from when."""
