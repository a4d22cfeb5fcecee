"""The built-in exporters, one file per format; none imports another."""
