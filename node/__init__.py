"""Make this device match what was signed for it."""
