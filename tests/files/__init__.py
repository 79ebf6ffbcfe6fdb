"""The file system of the emulated kernel."""
