"""The crash matrix: every crash point of the protocol under every fault."""
