"""Whole fleets in one process, in virtual time: our own logic, an invented world.

The brains are the real ones (membership, share, failover, leases, the hub's decisions,
signed documents); clocks, wires, disks, containers and bad luck are invented here from
one seed. The same seed gives the same trace, byte for byte.
"""
