"""What the bundled model learns: one generator per skill, and the conversations made of them."""

from training.tiny.tasks.conversation import EXCHANGES, Conversation, conversation, exam

__all__ = ["EXCHANGES", "Conversation", "conversation", "exam"]
