"""Object detection with the SSDLite head."""
