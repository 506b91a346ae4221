"""What travels: bodies, features, tensors and answers, decoded and encoded; no input or output here."""
