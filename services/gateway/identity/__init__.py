"""Who is calling, and what it may do: API keys and the scope each method needs."""
