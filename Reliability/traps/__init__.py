"""Rows of the trap table of docs/PROTOCOL.md, each as a scene on real processes."""
