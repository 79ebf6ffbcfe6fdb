"""Sockets: a private loopback inside the machine, and what the sandbox lets through to the host."""
