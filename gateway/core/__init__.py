"""Values and arithmetic. Nothing here does I/O or reads a clock."""
