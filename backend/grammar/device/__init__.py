"""Grammars on the device: which tokens may come next and where a token leads, decided inside the decode loop."""
