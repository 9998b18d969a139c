"""Where documents are kept: the seams the domain uses (`protocol`), and the engines behind them.

`edge/` is the embedded store, `server/` the one on a Qdrant server; the rest is the same for both.
"""
