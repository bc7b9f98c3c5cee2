"""How models write reasoning and tool calls: each family's syntax as data, told apart, split and enforced."""
