"""Plans: which sections a video has, in which order they can be made, and what each one sees. No torch."""
