"""Messages between a widget and its page, and the background jobs and event loop behind them."""
