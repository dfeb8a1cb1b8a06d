"""Everything that touches the world: sources, builds, packages, the command line."""
