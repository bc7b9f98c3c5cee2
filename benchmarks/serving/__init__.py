"""The server under load beside other servers, and what its layers cost alone. `python -m benchmarks.serving --help`."""
