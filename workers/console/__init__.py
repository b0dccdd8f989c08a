"""The review console: people see flags, decide them, and are looked after."""
