"""The MQL5 programs that this package brings, and the terminals that they are put into.

`terminals` finds terminals, `sources` has what is shipped, `manifest` is what an installation leaves behind, `plan`
decides without touching a file, `install` looks at a folder and carries a plan out.
"""
