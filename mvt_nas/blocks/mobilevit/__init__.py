"""The MobileViT block in all its published forms and what lies between them."""
