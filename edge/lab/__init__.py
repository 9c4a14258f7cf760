"""A fleet on one machine, to try things in before a real fleet gets them.

Machines are network namespaces on one bridge, each with its own Podman store; the
broker, the registry and the containers are real. What the lab starts, it ends; what it
makes, `down` removes, also after a crash of any of its parts.
"""
