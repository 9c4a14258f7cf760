"""Who is there: how devices and hubs find each other on a network."""
