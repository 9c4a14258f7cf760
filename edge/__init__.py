"""The common language of Tutti: documents, trust, topics, placement.

Nothing here imports ``netmesh``, ``node`` or ``hub``.
The operator's tools (``edge.ctl``, ``edge.lab``) stand above all of them.
"""
