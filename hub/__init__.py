"""Decide what the fleet should be, inside what the operator signed."""
