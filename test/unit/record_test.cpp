// The codec of payloads and values.
#include "bytes.h"

#include <memory>
#include <vector>

namespace tviews::core {
namespace {

std::string Field(const std::string& bytes) {
  std::string out(FieldSize(bytes.size()), '\0');
  const size_t size = PutField(reinterpret_cast<unsigned char*>(out.data()), Span(bytes).data, bytes.size());
  EXPECT_EQ(size, out.size());
  return out;
}

std::string Null() {
  unsigned char out[16];
  return {reinterpret_cast<char*>(out), PutField(out, nullptr, 0)};
}

std::string Key(PointId point, const std::string& value) {
  const DirtyKey key = {point, Span(value)};
  std::string out(DirtyKeySize(key), '\0');
  EXPECT_EQ(PutDirtyKey(reinterpret_cast<unsigned char*>(out.data()), key), out.size());
  return out;
}

// In memory of its own, so that ASan sees a byte read too many.
struct Guarded {
  explicit Guarded(const std::string& text) : size(text.size()), bytes(new unsigned char[text.size()]) {
    memcpy(bytes.get(), text.data(), text.size());
  }
  ByteSpan span() const { return {bytes.get(), size}; }
  size_t size;
  std::unique_ptr<unsigned char[]> bytes;
};

TEST(Record, FieldsComeBackInOrder) {
  const std::string value = Field("abc") + Null() + Field("") + Field(std::string(300, 'x'));
  size_t offset = 0;
  ByteSpan field;
  ASSERT_EQ(NextField(Span(value), &offset, &field), Next::kItem);
  EXPECT_EQ(Text(field), "abc");
  ASSERT_EQ(NextField(Span(value), &offset, &field), Next::kItem);
  EXPECT_EQ(field.data, nullptr);
  ASSERT_EQ(NextField(Span(value), &offset, &field), Next::kItem);
  EXPECT_NE(field.data, nullptr) << "an empty value is not NULL";
  EXPECT_EQ(field.size, 0u);
  ASSERT_EQ(NextField(Span(value), &offset, &field), Next::kItem);
  EXPECT_EQ(Text(field), std::string(300, 'x'));
  EXPECT_EQ(NextField(Span(value), &offset, &field), Next::kEnd);
  EXPECT_EQ(offset, value.size());
}

TEST(Record, NullAndTheEmptyValueHaveDifferentBytes) { EXPECT_NE(Null(), Field("")); }

TEST(Record, AFourByteFieldTakesFiveBytes) { EXPECT_EQ(FieldSize(4), 5u); }

TEST(Record, DirtyKeysComeBackInOrder) {
  const std::string payload = Key(0, "oid!") + Key(127, "") + Key(128, "b") + Key(UINT32_MAX, std::string(20000, 'y'));
  const std::vector<PlainKey> expected = {{0, "oid!"}, {127, ""}, {128, "b"}, {UINT32_MAX, std::string(20000, 'y')}};
  std::vector<PlainKey> read;
  size_t offset = 0;
  DirtyKey key;
  while (NextDirtyKey(Span(payload), &offset, &key) == Next::kItem) {
    read.emplace_back(key.point, Text(key.value));
  }
  EXPECT_EQ(read, expected);
  EXPECT_EQ(NextDirtyKey(Span(payload), &offset, &key), Next::kEnd);
}

TEST(Record, NothingIsAtItsEnd) {
  size_t offset = 0;
  DirtyKey key;
  ByteSpan field;
  EXPECT_EQ(NextDirtyKey({nullptr, 0}, &offset, &key), Next::kEnd);
  EXPECT_EQ(NextField({nullptr, 0}, &offset, &field), Next::kEnd);
}

TEST(Record, AnOffsetBehindTheEndIsMalformed) {
  size_t offset = 4;
  DirtyKey key;
  ByteSpan field;
  EXPECT_EQ(NextDirtyKey(Span("abc"), &offset, &key), Next::kMalformed);
  EXPECT_EQ(NextField(Span("abc"), &offset, &field), Next::kMalformed);
}

TEST(Record, EveryTruncationIsMalformedAndLeavesTheOffset) {
  const std::string key_bytes = Key(300, std::string(200, 'k'));
  const std::string field_bytes = Field(std::string(200, 'f'));
  for (size_t cut = 1; cut < key_bytes.size(); ++cut) {
    const Guarded bytes(key_bytes.substr(0, cut));
    size_t offset = 0;
    DirtyKey key;
    ASSERT_EQ(NextDirtyKey(bytes.span(), &offset, &key), Next::kMalformed) << cut;
    ASSERT_EQ(offset, 0u);
  }
  for (size_t cut = 1; cut < field_bytes.size(); ++cut) {
    const Guarded bytes(field_bytes.substr(0, cut));
    size_t offset = 0;
    ByteSpan field;
    ASSERT_EQ(NextField(bytes.span(), &offset, &field), Next::kMalformed) << cut;
    ASSERT_EQ(offset, 0u);
  }
}

TEST(Record, ALengthNearTheLargestNumberIsMalformed) {
  const std::string huge = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";  // 2^64 - 1
  size_t offset = 0;
  ByteSpan field;
  DirtyKey key;
  EXPECT_EQ(NextField(Span(huge + "abc"), &offset, &field), Next::kMalformed);
  EXPECT_EQ(NextDirtyKey(Span("\x01" + huge + "abc"), &offset, &key), Next::kMalformed);
}

TEST(Record, AVarintOfMoreThan64BitsIsMalformed) {
  size_t offset = 0;
  ByteSpan field;
  EXPECT_EQ(NextField(Span("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), &offset, &field), Next::kMalformed);
  EXPECT_EQ(NextField(Span("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02"), &offset, &field), Next::kMalformed) << "2^64 is not NULL";
  EXPECT_EQ(NextField(Span("\x81\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), &offset, &field), Next::kMalformed);
}

TEST(Record, AVarintLongerThanNeedBeIsMalformed) {
  size_t offset = 0;
  ByteSpan field;
  EXPECT_EQ(NextField(Span(std::string("\x80\x00", 2)), &offset, &field), Next::kMalformed);
}

TEST(Record, APointBeyond32BitsIsMalformed) {
  size_t offset = 0;
  DirtyKey key;
  EXPECT_EQ(NextDirtyKey(Span(std::string("\x80\x80\x80\x80\x10\x00", 6)), &offset, &key), Next::kMalformed);
}

TEST(Record, RandomBytesAreNeverReadOutside) {
  for (unsigned seed = 0; seed < 20000; ++seed) {
    Random random(seed);
    const Guarded bytes(random.Bytes(random.Below(24)));
    size_t offset = 0;
    DirtyKey key;
    size_t sum = 0;
    while (NextDirtyKey(bytes.span(), &offset, &key) == Next::kItem) {
      ASSERT_LE(offset, bytes.size);
      for (size_t i = 0; i < key.value.size; ++i) sum += key.value.data[i];
      size_t inner = 0;
      ByteSpan field;
      while (NextField(key.value, &inner, &field) == Next::kItem) {
        ASSERT_LE(inner, key.value.size);
        for (size_t i = 0; i < field.size; ++i) sum += field.data[i];
      }
    }
    ASSERT_LE(offset, bytes.size);
    EXPECT_LE(sum, 24u * 2 * 255);
  }
}

}  // namespace
}  // namespace tviews::core
