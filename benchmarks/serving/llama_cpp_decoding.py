"""llama.cpp without a server: all rows in one batch, through its own C interface, greedily."""

import ctypes
import time
from pathlib import Path

import llama_cpp
import numpy as np

from benchmarks import machine
from benchmarks.timeline import Timeline


class LlamaCpp:
    """One GGUF file. `name` is what reports call it; `rows` sequences at most, of `context` tokens each."""

    def __init__(self, name: str, file: Path, rows: int, context: int) -> None:
        self.name = name
        llama_cpp.llama_log_set(_silent, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        self._model = llama_cpp.llama_model_load_from_file(str(file).encode(), _model_params())
        self._vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self._model))
        self._context = llama_cpp.llama_init_from_model(self._model, _context_params(rows, context))
        if not self._context:
            raise RuntimeError(f"llama.cpp made no context of {rows} rows for {file}")
        self._batch = llama_cpp.llama_batch_init(rows * context, 0, 1)

    def close(self) -> None:
        """Free what llama.cpp holds."""
        llama_cpp.llama_batch_free(self._batch)
        llama_cpp.llama_free(self._context)
        llama_cpp.llama_model_free(self._model)

    def generate(self, prompts: np.ndarray, new: int) -> Timeline:
        """Continue prompts int [B, T] greedily by `new` tokens each: the prompts in one batch, then a token per row."""
        began = time.perf_counter()
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._context), True)
        drawn, arrivals = [self._decode(prompts, 0)], [time.perf_counter() - began]
        for step in range(new - 1):
            drawn.append(self._decode(drawn[-1][:, None], prompts.shape[1] + step))
            arrivals.append(time.perf_counter() - began)
        return Timeline(np.stack(drawn, 1), np.tile(arrivals, (len(prompts), 1)))

    def _decode(self, tokens: np.ndarray, start: int) -> np.ndarray:
        """Feed int [B, T] from position `start` on; the likeliest next token of each row, int [B]."""
        rows, length = tokens.shape
        self._fill(tokens, start)
        if status := llama_cpp.llama_decode(self._context, self._batch):
            raise RuntimeError(f"llama_decode gave {status}")
        asked = [row * length + length - 1 for row in range(rows)]
        logits = [llama_cpp.llama_get_logits_ith(self._context, index) for index in asked]
        return np.array([np.ctypeslib.as_array(row, (self._vocab,)).argmax() for row in logits])

    def _fill(self, tokens: np.ndarray, start: int) -> None:
        """The batch: row after row, logits for the last token of each."""
        rows, length = tokens.shape
        batch, size = self._batch, tokens.size
        batch.n_tokens = size
        np.ctypeslib.as_array(batch.token, (size,))[:] = tokens.ravel()
        np.ctypeslib.as_array(batch.pos, (size,))[:] = np.tile(np.arange(start, start + length), rows)
        np.ctypeslib.as_array(batch.logits, (size,))[:] = np.tile(np.arange(length) == length - 1, rows)
        for index in range(size):
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = index // length


def _model_params() -> llama_cpp.llama_model_params:
    params = llama_cpp.llama_model_default_params()
    params.n_gpu_layers = 0
    return params


def _context_params(rows: int, context: int) -> llama_cpp.llama_context_params:
    params = llama_cpp.llama_context_default_params()
    params.n_ctx, params.n_seq_max, params.n_batch = rows * context, rows, rows * context
    params.n_threads = params.n_threads_batch = machine.cores()
    return params


@ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
def _silent(level: int, text: bytes, data: int) -> None:
    """Takes llama.cpp's log."""
