"""Client-side load programs: each is run by itself, against any server, and prints one JSON line."""
