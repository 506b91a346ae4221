"""What it costs to compare a window with a reference, beside other libraries on the same rows."""
