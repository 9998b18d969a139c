"""From provider to provider until one answers: who is asked, in which order, and what a failure means."""
