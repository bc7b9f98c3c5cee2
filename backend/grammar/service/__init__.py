"""What runs compilations for a server: processes of their own, and caches in memory and on disk."""
