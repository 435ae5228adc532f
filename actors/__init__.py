"""The shape of the running system: one file an actor, their vocabulary, and the tree that supervises them."""
