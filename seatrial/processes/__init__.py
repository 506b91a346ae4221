"""One command starts the house: the supervisor opens the sockets, starts the rooms by module name and keeps them up."""
