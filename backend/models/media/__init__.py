"""What families see and hear with: each has a module of its own here, behind the interface of interface.py.

A module has the configuration of its family's encoder, how checkpoints say it, what a medium becomes in a prompt and in
arrays (numpy, as transformers' own processor has it), and the encoder that turns arrays into embeddings (JAX).
`encoders.py` lists them.
"""
