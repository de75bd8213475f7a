"""The gateway in other people's registries: entered, renewed, and taken out."""
