"""What a pair of tokenizers gives away, forecast before a teacher is asked for anything."""
