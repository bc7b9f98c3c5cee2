"""Speed beside that of peers, one command each. Both sides take turns within a run, so they meet the same machine."""
