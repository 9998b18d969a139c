"""The semantic cache as the gateway sees it: what an answer depends on, and how a kept one is told anew."""
