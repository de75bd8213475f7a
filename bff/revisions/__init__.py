"""Immutable versions of functions: snapshots, modules, names."""
