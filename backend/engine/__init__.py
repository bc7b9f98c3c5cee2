"""The engine: a device-resident decode state, the few programs that advance it, and the thread that schedules them."""
