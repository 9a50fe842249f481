import Testing

@testable import CoordinatorAPI

@Suite("Times by RFC 3339")
struct TimestampWriting {
    @Test(
        "Known times are written and read",
        arguments: [
            (0, 0, "1970-01-01T00:00:00.000000Z"), (951_782_400, 1, "2000-02-29T00:00:00.000001Z"),
            (1_772_366_400, 250, "2026-03-01T12:00:00.000250Z"),
            (-1, 999_999, "1969-12-31T23:59:59.999999Z"),
            (4_107_542_399, 0, "2100-02-28T23:59:59.000000Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000000Z"),
            (-62_167_219_200, 0, "0000-01-01T00:00:00.000000Z"),
            (253_402_300_799, 999_999, "9999-12-31T23:59:59.999999Z"),
        ] as [(Int64, Int64, String)])
    func known(_ seconds: Int64, _ microseconds: Int64, _ text: String) {
        let time = UTCTime(seconds: seconds, microseconds: microseconds)
        #expect(time.text == text)
        #expect(UTCTime(parsing: text) == time)
    }

    @Test("Every day of eight centuries comes back from its text")
    func days() {
        for day in stride(from: Int64(-150_000), to: 150_000, by: 1) {
            let time = UTCTime(seconds: day * 86_400 + 86_399)
            #expect(UTCTime(parsing: time.text) == time)
        }
    }

    @Test("What cannot be written is written as the nearest time that can")
    func clamped() {
        #expect(UTCTime(microseconds: .max).text == "9999-12-31T23:59:59.999999Z")
        #expect(UTCTime(microseconds: .min).text == "0000-01-01T00:00:00.000000Z")
    }

    @Test(
        "All forms of the RFC",
        arguments: [
            ("2026-03-01T13:00:00+01:00", "2026-03-01T12:00:00.000000Z"),
            ("2026-03-01t06:30:00.5-05:30", "2026-03-01T12:00:00.500000Z"),
            ("2026-03-01T12:00:00.123456789z", "2026-03-01T12:00:00.123456Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000Z"),
            ("2026-01-01T00:00:00-00:00", "2026-01-01T00:00:00.000000Z"),
        ])
    func forms(_ text: String, _ expected: String) {
        #expect(UTCTime(parsing: text)?.text == expected)
    }

    @Test(
        "What is no time",
        arguments: [
            "", "2026-03-01", "2026-03-01T12:00:00", "2026-03-01 12:00:00Z", "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-03-00T00:00:00Z",
            "2026-03-01T24:00:00Z", "2026-03-01T12:60:00Z", "2026-03-01T12:00:61Z",
            "2026-03-01T12:00:00.Z", "2026-03-01T12:00:00+0100", "2026-03-01T12:00:00Zx",
            "26-03-01T12:00:00Z", "1900-02-29T00:00:00Z", "2026-03-01T12:00:00+24:00", "1772366400",
        ])
    func wrong(_ text: String) {
        #expect(UTCTime(parsing: text) == nil)
    }
}
