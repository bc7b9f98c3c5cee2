"""From what a block of steps gave to the events that a request's owner sees."""

from backend.engine.request_state import SequenceState
from backend.engine.state import Block
from backend.request import FinishReason, RequestFailed, TokenEvent


def events_of(sequence: SequenceState, block: Block, row: int) -> list[TokenEvent]:
    """The tokens that `row` drew for `sequence` in a block of numpy arrays, as one event each, in order.

    The last has the finish reason if the row is done. Log-probabilities are there where the request asks for them.
    """
    request, choice, count = sequence.request, sequence.choice, int(block.count[row])
    tokens = block.tokens[row, :count].tolist()
    reasons: list[FinishReason | None] = [None] * count
    is_end = [False] * count
    if count and block.done[row]:
        is_end[-1] = tokens[-1] in request.sampling.end_tokens
        reasons[-1] = "stop" if block.complete[row] else "length"
    if request.top_logprobs is None:
        return [
            TokenEvent(choice, token, finish_reason=reason, is_end=end)
            for token, reason, end in zip(tokens, reasons, is_end, strict=True)
        ]
    kept = slice(request.top_logprobs)
    return [
        TokenEvent(
            choice=choice,
            token=token,
            logprob=float(block.logprobs[row, i]),
            top_logprobs=tuple(
                zip(block.top_ids[row, i, kept].tolist(), block.top_logprobs[row, i, kept].tolist(), strict=True)
            ),
            finish_reason=reason,
            is_end=end,
        )
        for i, (token, reason, end) in enumerate(zip(tokens, reasons, is_end, strict=True))
    ]


def failure_of(block: Block, row: int) -> RequestFailed | None:
    """Why the request of `row` cannot go on after a block of numpy arrays, None where it can."""
    return not_finite() if block.failed[row] else None


def not_finite() -> RequestFailed:
    """Why a request cannot go on for which such logits were computed."""
    failure = RequestFailed("the model computed logits that are not finite")
    failure.__cause__ = FloatingPointError("logits are not finite: weights or activations overflow, or the device errs")
    return failure
