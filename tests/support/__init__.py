"""What the tests share: fixtures built on demand, and Go's own package plugin as an oracle."""
