"""What a signed rollout allows: waves, windows, evidence. The same on every party."""
