// libFuzzer on a ZMTP session: zmtp_fuzz.mqh says what must hold.
#include MQL_PROGRAM_FILE

static void hold(const mql::string &wrong)
{
    if (mql::StringLen(wrong) == 0)
        return;
    mql::Print(wrong);
    abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mql::array<uchar> bytes;
    mql::ArrayResize(bytes, (int)size);
    for (size_t i = 0; i < size; i++)
        bytes[(long)i] = data[i];
    hold(prog::FuzzSession(bytes, (int)size));
    hold(prog::FuzzWire(bytes, (int)size));
    return 0;
}
