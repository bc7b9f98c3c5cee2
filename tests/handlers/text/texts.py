"""Texts that pre-tokenizers and normalizers treat in ways of their own."""

from hypothesis import strategies as st

PIECES = (
    *("\n", "\n\n", "\r\n", "\r", "\t", " ", "  ", " " * 9, "\u00a0", "\u2003", "\u3000", "\u0085", "\u2028", "\u200b"),
    *("1", "12", "123", "1234567", "1.", "3.14", "½", "²", "٣", "一二三", "Ⅷ"),
    *("a", "one", "One", "ONE", "oneTwo", "'s", "'S", "'ll", "’re", "I'm", "don't", "ſ", "_x_", "naïve"),
    *("你好", "こんにちは", "カ゛", "안녕", "ไทยคำ", "नमस्ते", "שלום", "سلام", "ﷺ", "ΑΣ", "ß", "ﬁ", "Å", "ﾊﾟ"),
    *("😀", "👩‍👩‍👧", "🇳🇴", "❤️", "e\u0301", "a\u0300\u0316", "\u0301", "q\u0323\u0307", "Z͑ͫ̓ͪ", "\U0001f468\u200d"),
    *("\x00", "\x01", "\x07", "\x1b[0m", "\x7f", "\x9f", "\ufeff", "\ufffd", "\ufffe", "\U000e0001", "\U0010ffff"),
    *("!", "...", "!!!\n", "?!", "==", "//", "/*", " -", "--", "→", "§", "$", "`", "```py\n", "(", "])", "{}", ";\n\n"),
    *("def f(x):\n\treturn x", "http://a.b/c?d=1", "<b>", "▁", "Ġ", "Ċ", "<0x0A>", "<|", "|>", "</s>", "<unk>"),
)
NUMBERED = "a\n\n1. one\n2. two\n\n   - three\n\n\n10) ten"

texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=12).map("".join) | st.text(max_size=24)
"""Any text, and mixes of what is treated in ways of its own."""
