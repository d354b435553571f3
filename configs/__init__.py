"""Configs of the programs, one file a search space."""
