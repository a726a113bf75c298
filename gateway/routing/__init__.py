"""The order among those who may."""
