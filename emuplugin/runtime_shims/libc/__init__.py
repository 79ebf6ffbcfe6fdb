"""The C library that a plugin is bound to: every name gets an address, and a call there is ours."""
