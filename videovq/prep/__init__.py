"""From an environment or a folder of videos to an EpisodeStore."""
