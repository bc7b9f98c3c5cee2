"""The HTTP layer, which knows neither models nor chats: errors, checked bodies, event streams, lifecycle, deadlines."""
