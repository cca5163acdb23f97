"""What was stored, told to others in order: the feed, and the brokers it goes to."""
