"""Objects and their boxes: the SSDLite head."""
