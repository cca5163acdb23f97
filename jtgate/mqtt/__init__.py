"""MQTT behind a small interface: who the broker is, and a connection that acknowledges when it is told to."""
