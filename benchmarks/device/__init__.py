"""What an accelerator makes of the engine: parity of its kernels, and how fast it decodes.

`benchmarks/device.sh` runs every part in a process of its own. Weights are random, and no checkpoint is needed.
"""
