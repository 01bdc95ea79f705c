"""The live cluster: its status read as pure functions, one client behind a port, what to do next as a state machine.

Everything here yields values and events and prints nothing. `client.py` alone knows the package `kubernetes`.
"""
