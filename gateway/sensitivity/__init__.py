"""What a caller sends, and how sensitive it is."""
