"""The control API and the web pages: what happens in every deployment, and the buttons to act by hand."""
