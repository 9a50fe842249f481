import FoundationEssentials
import Testing

@testable import TwoPhaseCommit

/// Values in PostgreSQL's text form; tests with a database show that the server agrees.
@Suite struct ValueTests {
    @Test(arguments: [
        (0, "1970-01-01 00:00:00.000000+00"),
        (1_764_000_000_123_456, "2025-11-24 16:00:00.123456+00"),
        (-1, "1969-12-31 23:59:59.999999+00"),
        (951_782_400_000_000, "2000-02-29 00:00:00.000000+00"),
        (-62_135_596_800_000_001, "0001-12-31 23:59:59.999999+00 BC"),
    ])
    func `writes and reads timestamps to the microsecond`(value: Int64, text: String) {
        #expect(TimestampText.write(value) == text)
        #expect(TimestampText.read(text) == value)
    }

    @Test(
        arguments: [
            ("2025-11-24 16:00:00+02", 1_763_992_800_000_000),
            ("2025-11-24 16:00:00-03:30", 1_764_012_600_000_000),
            ("2025-11-24 16:00:00.5", 1_764_000_000_500_000), ("2025-11-24", 1_763_942_400_000_000),
            ("2025-11-24T16:00:00.123456Z", 1_764_000_000_123_456),
            ("0044-03-15 BC", -63_517_824_000_000_000),
        ] as [(String, Int64)])
    func `reads offsets, fractions and dates`(text: String, value: Int64) {
        #expect(TimestampText.read(text) == value)
    }

    @Test(arguments: [
        "infinity", "", "2025-13-01", "24/11/2025", "2025-11-24 16:00:00 and more",
        // Not PostgreSQL's output, but a text column may hold it.
        "2025-11-24T16:00:00.1234567Z", "2025-11-24T16:00:00.123456789Z", "2025-11-24 16:00:00.",
        "2025-11-24 BC and more", " BC",
        // PostgreSQL has dates beyond 64 bits of microseconds since 1970.
        "300000-01-01", "294276-12-31 23:59:59.999999+00",
    ])
    func `reads other text as nil`(text: String) {
        #expect(TimestampText.read(text) == nil)
    }

    @Test func `reads a number too large for its type as nil, but accepts infinity`() {
        #expect(Float(sqlText: "1e300") == nil)
        #expect(Double(sqlText: "-1e400") == nil)
        #expect(Double(sqlText: "-Infinity") == -.infinity)
        #expect(Float(sqlText: "NaN")?.isNaN == true)
        #expect(Double(sqlText: "0.1") == 0.1)
        #expect(Double.infinity.sqlText == "Infinity")
    }

    @Test func `writes bytes as hexadecimal digits`() {
        let data = Data([0, 15, 255])
        #expect(data.sqlText == "\\x000fff")
        #expect(Data(sqlText: "\\x000fff") == data)
        #expect(Data(sqlText: "\\x") == Data())
        #expect(Data(sqlText: "\\x0") == nil)
        #expect(Data(sqlText: "plain") == nil)
    }

    @Test func `NULL fits only optionals`() {
        #expect(Int.read(column: nil) == nil)
        #expect(Optional<Int>.read(column: nil) == .some(.none))
        #expect(Optional<Int>.read(column: "7") == 7)
        #expect(Optional<Int>.read(column: "seven") == .none)
    }

    @Test func `rejects numbers that do not fit`() {
        #expect(Int16(sqlText: "40000") == nil)
        #expect(Int64(sqlText: "9223372036854775807") == .max)
        #expect(Double(sqlText: "NaN")?.isNaN == true)
        #expect(Double.infinity.sqlText == "Infinity")
        #expect(Decimal(sqlText: "NaN") == nil)
        #expect(Decimal(sqlText: "42.50")?.sqlText == "42.5")
        #expect(Decimal(sqlText: "-0.00") == 0)
        #expect(Decimal(sqlText: "-1000.010")?.sqlText == "-1000.01")
        // A decimal holds at most 38 digits.
        let nines = String(repeating: "9", count: 38)
        #expect(Decimal(sqlText: nines)?.sqlText == nines)
        for text in [nines + "9", "0." + nines + "1", "-Infinity", "12 apples", "1.", ".", "-", ""]
        {
            #expect(Decimal(sqlText: text) == nil, "\(text)")
        }
    }
}
