"""Speed beside that of peers, one command each; both sides take turns within one run, so that they meet the same machine."""
