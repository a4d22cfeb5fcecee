"""The built-in sources, one file per network; none imports another."""
