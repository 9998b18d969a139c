"""How everything is: for operators in the public contract, and for whoever sends calls here."""
