"""The steps that lay the schema of the workspace's database, each once and in order."""
