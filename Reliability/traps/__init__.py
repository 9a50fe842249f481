"""Facts of the table in docs/PROTOCOL.md, each as a scene with real processes."""
