import EventLoop
import PostgresClusters
import Testing

@testable import PostgresClient

@Suite("Arrays in PostgreSQL's binary form", .timeLimit(.minutes(20)))
@LoopActor
struct BinaryArrayTests {
    @Test("the server reads every type, NULL, an empty array, and memory that was used before")
    func isReadByServer() async throws {
        try await PostgresCluster.withTemporary { @LoopActor cluster in
            let connection = try await PostgresConnection.connect(
                ConnectionOptions(conninfo: cluster.connectionString()), timeout: .seconds(300),
                loop: .shared)
            defer { connection.close() }
            var truths = BinaryArray(of: .boolean)
            var bytes = BinaryArray(of: .bytea)
            var numbers = BinaryArray(of: .bigint)
            var texts = BinaryArray(of: .text)
            var times = BinaryArray(of: .timestamptz)
            let sql =
                "SELECT $1::boolean[], $2::bytea[], $3::bigint[], $4::text[], $5::timestamptz[]"
            for round in 0..<3 {
                for number in 0..<round {
                    truths.append(number == 0)
                    bytes.append([0, UInt8(number), 255])
                    numbers.append(number == 0 ? Int64.min : .max)
                    texts.append(number == 0 ? "a \"b\", \\ü{}" : "")
                    times.append(microseconds: number == 0 ? -1 : 1_700_000_000_123_456)
                }
                if round > 0 {
                    truths.appendNull()
                    bytes.append([UInt8]?.none)
                    numbers.appendNull()
                    texts.append(String?.none)
                    times.appendNull()
                }
                let command = Command(sql)
                    .with(arrays: [truths, bytes, numbers, texts, times])
                let replies = try await connection.execute(
                    [[Command("SET TimeZone = 'UTC'"), command]], timeout: .seconds(300))
                let result = try #require(replies[0][1].result)
                let found = (0..<5).map { result.text(row: 0, column: $0) ?? "NULL" }
                #expect(found == Self.expected[round])
                truths.removeAll()
                bytes.removeAll()
                numbers.removeAll()
                texts.removeAll()
                times.removeAll()
            }
        }
    }

    private static let expected = [
        ["{}", "{}", "{}", "{}", "{}"],
        [
            "{t,NULL}", #"{"\\x0000ff",NULL}"#, "{-9223372036854775808,NULL}",
            #"{"a \"b\", \\ü{}",NULL}"#, #"{"1969-12-31 23:59:59.999999+00",NULL}"#,
        ],
        [
            "{t,f,NULL}", #"{"\\x0000ff","\\x0001ff",NULL}"#,
            "{-9223372036854775808,9223372036854775807,NULL}", #"{"a \"b\", \\ü{}","",NULL}"#,
            #"{"1969-12-31 23:59:59.999999+00","2023-11-14 22:13:20.123456+00",NULL}"#,
        ],
    ]

    @Test("an array literal in it is read as it was written, whatever is in its elements")
    func holdsArrayLiterals() async throws {
        try await PostgresCluster.withTemporary { @LoopActor cluster in
            let connection = try await PostgresConnection.connect(
                ConnectionOptions(conninfo: cluster.connectionString()), timeout: .seconds(300),
                loop: .shared)
            defer { connection.close() }
            let lists: [[String?]] = [
                [], [nil], ["", "NULL", nil, "a,b", "{}", #"\"#, #"""#, #"x"y\z"#, "ü"],
            ]
            var array = BinaryArray(of: .text)
            for list in lists {
                array.append(literalOf: list) { text, bytes in
                    guard let text else { return false }
                    bytes.append(contentsOf: text.utf8)
                    return true
                }
            }
            let command = Command(
                "SELECT x.l::text[], cardinality(x.l::text[]) FROM unnest($1::text[]) AS x(l)"
            ).with(arrays: [array])
            let replies = try await connection.execute([[command]], timeout: .seconds(300))
            let result = try #require(replies[0][0].result)
            for (row, list) in lists.enumerated() {
                #expect(result.text(row: row, column: 0).flatMap(ArrayLiteral.read) == list)
                #expect(result.text(row: row, column: 1) == "\(list.count)")
            }
        }
    }

    @Test("numbers are written in decimal digits")
    func writesDecimals() {
        var bytes: [UInt8] = []
        bytes.append(decimal: Int64.min)
        bytes.append(decimal: 0)
        bytes.append(decimal: UInt64.max)
        #expect(
            String(decoding: bytes, as: UTF8.self) == "-9223372036854775808018446744073709551615")
    }
}
