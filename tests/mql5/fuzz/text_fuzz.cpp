// libFuzzer on texts: bytes to a text and back, at all places of an array. What holds is said in text_fuzz.mqh.
#include MQL_PROGRAM_FILE

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  mql::array<uchar> bytes;
  bytes.resize(long(size));
  for (size_t at = 0; at < size; at++)
    bytes[at] = data[at];
  const mql::string wrong = prog::FuzzText(bytes, int(size));
  if (mql::StringLen(wrong) > 0)
    mql::critical(mql::to_utf8(wrong));
  return 0;
}
