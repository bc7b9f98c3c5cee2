"""The engine's programs compiled for accelerators that are not there, and what the compiler's output says of them.

XLA compiles for TPUs with the wheel `libtpu` and for NVIDIA GPUs with the CUDA plugin and three wheels of CUDA's
compiler, on any machine. Nothing is run: what is read is the optimised program. docs/accelerators.md has the figures.
"""
