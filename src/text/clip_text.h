// What CLIP's tokenizer does to a text before it looks at words: transformers' slow CLIPTokenizer with ftfy at hand, as
// the recorded tokens (parity/text) show. ftfy's steps that mend letters are here; its repair of text decoded with the
// wrong encoding is not, and of the HTML entities only the common ones are known.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace easel {

// Entities, ligatures, full-width letters and curly quotes in their plain form, control characters dropped, NFC, words
// joined by single spaces, lower case.
std::string clean_clip_text(std::string_view text);

// The words of CLIP's pattern in a cleaned text: special tokens, 's 't 're 've 'm 'll 'd, runs of letters, single
// digits, runs of anything else that is no space.
std::vector<std::string> split_clip_words(const std::string& text);

}  // namespace easel
