"""Text in its parts, for any language: words, stems, numbers, sentences, all with exact offsets."""
