"""The plugin file as it lies on disk. Nothing here knows an emulator."""
