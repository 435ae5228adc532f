"""Brokers and stores behind the ports of `quantmind.ports`, one package for each kind.

Adapters never import each other, an actor or an edge. Each outside library has one importer here, which also
maps its errors to `quantmind.errors`.
"""
