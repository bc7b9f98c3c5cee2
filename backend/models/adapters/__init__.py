"""LoRA adapters (Hu et al., 2021): read as PEFT saves them, kept on the device side by side, applied row by row."""
