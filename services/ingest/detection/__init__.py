"""What kind of document some bytes are, whatever their name says."""
