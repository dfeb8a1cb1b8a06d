"""What data is: roles, declarations, requests, policies, manifests. No algorithms, no files."""
