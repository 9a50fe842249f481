"""Databases, replicas and a proxy between them, as processes of the harness's own."""
