"""Regular languages of characters: regular expressions, word lists, numbers by value and formats as small automata."""
