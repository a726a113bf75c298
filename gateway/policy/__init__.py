"""Who may serve a request. A total function of facts: no clock, no I/O, deny by default."""
