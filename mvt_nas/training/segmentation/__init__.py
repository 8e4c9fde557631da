"""The class of every pixel: pictures with masks, and how often which is taken for which."""
