"""A small Linux for one emulated process. It knows the processor below it and nothing of Go."""
