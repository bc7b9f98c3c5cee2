"""What the bundled model learns: one generator per skill, and the conversations made of them."""

from backend.tiny.tasks.conversation import EXCHANGES, Conversation, conversation, exam
from backend.tiny.tasks.draw import Draw

__all__ = ["EXCHANGES", "Conversation", "Draw", "conversation", "exam"]
