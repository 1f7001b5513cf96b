"""What tests share: transcripts, crash tests, homes, real programs, real servers."""
