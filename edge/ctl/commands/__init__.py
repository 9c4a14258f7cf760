"""One module for each group of commands; `edge.ctl.main` imports the one that is used.

A command reads what was typed, opens the fleet, asks the pure modules what to do, does
it, and prints. It decides nothing itself.
"""
