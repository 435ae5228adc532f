"""MetaTrader 5's shapes and ours: what the package gives as domain values, and what we ask for as its requests.

Pure and synchronous: everything that touches the package goes through `calls`.
"""
