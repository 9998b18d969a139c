"""Where documents are kept: the seams the domain uses (`protocol`), and the engines behind them."""
