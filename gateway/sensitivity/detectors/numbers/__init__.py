"""Identifiers that states give to people and firms, a module for each part of the world.

The facts are those of the issuing offices: the shape, the check digits, and the names the number goes by.
"""
