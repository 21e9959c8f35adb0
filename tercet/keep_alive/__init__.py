"""When the rented GPU should be on. Pure: minutes in, decisions and their reasons out."""
