"""Regular languages of characters: regular expressions, lists, numbers by value and formats as small automata."""
