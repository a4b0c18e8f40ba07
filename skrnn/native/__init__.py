"""The recurrent layers in C, and what compiles them."""
