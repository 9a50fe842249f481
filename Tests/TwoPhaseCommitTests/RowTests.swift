import FoundationEssentials
import PostgresClusters
import Testing
import TwoPhaseCommit

extension LibraryTests {
    @Suite("Decoding rows")
    struct RowTests {
        enum Colour: String, Codable, SQLValue { case red, green }

        struct Address: Codable, Sendable, Equatable { let city: String }

        struct Parcel: Codable, Sendable, Equatable {
            let id: UUID
            let weight: Decimal
            let sent: Date
            let colour: Colour
            let address: Address
            let tags: [String]
            let note: String?
            let missing: Int?
        }

        /// A type that wraps a wrapper of an SQL value.
        struct Painted: Decodable, Sendable, Equatable {
            enum Paint: String, Decodable { case red, green }
            let paint: Paint

            init(from decoder: any Decoder) throws {
                paint = try decoder.singleValueContainer().decode(Paint.self)
            }
        }

        struct Wall: Decodable, Sendable, Equatable {
            let inside: Painted
            let outside: Painted?
        }

        struct Named: Codable, Sendable { let name: String }

        @Test func `decodes columns of all types by name`() async throws {
            let id = UUID()
            let parcels = try await inTransaction { tx in
                try await tx.query(
                    """
                    SELECT $1::uuid AS id, 12.340::numeric AS weight,
                        timestamptz '2025-11-24 16:00:00.5+00' AS sent, 'green' AS colour,
                        '{"city": "Ulm"}'::jsonb AS address, to_json(ARRAY['a', 'b,c']) AS tags,
                        NULL::text AS note, 1 AS unasked
                    """, id, as: Parcel.self)
            }
            #expect(
                parcels == [
                    Parcel(
                        id: id, weight: Decimal(string: "12.34") ?? 0,
                        sent: Date(timeIntervalSince1970: 1_764_000_000.5), colour: .green,
                        address: Address(city: "Ulm"), tags: ["a", "b,c"], note: nil, missing: nil)
                ])
        }

        @Test func `decodes nested wrappers as the value`() async throws {
            try await inTransaction { tx in
                let wall = try await tx.query(
                    "SELECT 'red' AS inside, NULL::text AS outside", as: Wall.self)
                #expect(wall.map(\.inside.paint) == [.red])
                #expect(wall.map(\.outside) == [nil])
                #expect(
                    try await tx.query("SELECT 'green'", as: Painted.self).map(\.paint)
                        == [.green])
                await refusal("in column \"inside\" cannot be read as Painted") {
                    try await tx.query("SELECT 'blue' AS inside", as: Wall.self)
                }
                let day = try await tx.query("SELECT date '0044-03-15 BC'", as: Date.self)
                #expect(day == [Date(timeIntervalSince1970: -63_517_824_000)])
            }
        }

        @Test func `decodes tuples in column order, and sends the values back unchanged`()
            async throws
        {
            try await inTransaction { tx in
                let row = try await tx.query(
                    "SELECT $1::text, $2::int, NULL::int, $3::date, $4::numeric, $5::float8",
                    Colour.red,
                    7, Date(timeIntervalSince1970: 86_400), Decimal(string: "-0.10"),
                    Double.infinity,
                    as: (Colour, Int?, Int?, Date, Decimal, Double).self
                )[0]
                #expect(row.0 == .red)
                #expect(row.1 == 7)
                #expect(row.2 == nil)
                #expect(row.3 == Date(timeIntervalSince1970: 86_400))
                #expect(row.4 == Decimal(string: "-0.1"))
                #expect(row.5 == .infinity)
            }
        }

        @Test func `a decoding error names the column, and does not prevent a commit`()
            async throws
        {
            try await inTransaction { tx in
                await refusal("NULL in column \"name\"") {
                    try await tx.query("SELECT NULL AS name", as: Named.self)
                }
                await refusal("no column \"name\"") {
                    try await tx.query("SELECT 'Ada' AS nam", as: Named.self)
                }
                await refusal("NULL in column \"a\"") {
                    try await tx.query("SELECT NULL AS a", as: Int.self)
                }
                await refusal("a value in column \"a\" cannot be read as Int") {
                    try await tx.query("SELECT 'x' AS a", as: Int.self)
                }
                await refusal("cannot be read as Int") {
                    try await tx.query("SELECT 1.5 AS a", as: Int.self)
                }
                await refusal("expected one column for a value, got 2") {
                    try await tx.query("SELECT 1, 2", as: Int.self)
                }
                await refusal("expected 2 columns for a tuple, got 3") {
                    try await tx.query("SELECT 1, 2, 3", as: (Int, Int).self)
                }
                await refusal("expected 2 columns for a tuple, got 1") {
                    try await tx.query("SELECT 1", as: (Int, Int).self)
                }
                await refusal("NULL in column \"b\"") {
                    try await tx.query("SELECT 1 AS a, NULL AS b", as: (Int, Int).self)
                }
                await refusal("column \"c\" cannot be read as Colour") {
                    try await tx.query("SELECT 'blue' AS c, 1", as: (Colour, Int).self)
                }
                let row = try await tx.query("SELECT 1 AS a")[0]
                #expect(row["a"] == "1")
                #expect(row["b"] == nil)
                await refusal("no column \"b\"") { try row.decode("b", as: Int.self) }
            }
        }

        struct Board: Decodable, Sendable, Equatable {
            let cells: [[Int]]
            let names: [String]?
            let scores: [Double?]
        }

        @Test func `reads and writes PostgreSQL arrays, and reads JSON lists`()
            async throws
        {
            try await inTransaction { tx in
                let texts = ["a", "", "NULL", #"q"u\o,t{e}"#, " blank ", "ü", "null"]
                let rows = try await tx.query(
                    "SELECT $1::text[], $2::int[], $3::uuid[], $4::timestamptz[], $5::bytea[]",
                    texts, [[1, 2], [3, 4]], [UUID](), [Date(timeIntervalSince1970: 0.5)],
                    [Data([0, 255])], as: ([String], [[Int]], [UUID], [Date], [Data]).self)
                #expect(rows[0].0 == texts)
                #expect(rows[0].1 == [[1, 2], [3, 4]])
                #expect(rows[0].2 == [])
                #expect(rows[0].3 == [Date(timeIntervalSince1970: 0.5)])
                #expect(rows[0].4 == [Data([0, 255])])
                let found = try await tx.query(
                    "SELECT n FROM generate_series(1, 9) AS n WHERE n = ANY ($1)", [7, 2, 12],
                    as: Int.self)
                #expect(found == [2, 7])
                let colours = try await tx.query(
                    "SELECT to_json($1::text[]), $1::text[]", [Colour.red, .green],
                    as: ([Colour], [Colour]).self)
                #expect(colours[0].0 == colours[0].1)
                let boards = try await tx.query(
                    "SELECT '[[1], [2, 3]]'::jsonb AS cells, NULL::text[] AS names, '[1, null]' AS scores",
                    as: Board.self)
                #expect(boards == [Board(cells: [[1], [2, 3]], names: nil, scores: [1, nil])])
                #expect(try await tx.query("SELECT ARRAY['x']", as: [String].self) == [["x"]])
            }
        }

        @Test func `rejects other arrays, and rounds no value`() async throws {
            try await inTransaction { tx in
                for value in [
                    "ARRAY['x']", "NULL", "ARRAY[1, NULL]", "ARRAY[[1]]", "'[0:1]={1,2}'::int[]",
                    "1", "to_json(ARRAY['x'])", "'{1,}'", "'{1'", "'{{1}'",
                ] {
                    await refusal("in column \"a\" cannot be read as Array<Int>") {
                        try await tx.query("SELECT \(value) AS a", as: [Int].self)
                    }
                }
                // The rows of a matrix are not texts, nor texts rows.
                for value in [
                    "ARRAY[['x']]", #"'{"x}'"#, "'{{x}'", "'{x{}'", #"'{x"}'"#, #"'{"x"y}'"#,
                ] {
                    await refusal("in column \"a\" cannot be read as Array<String>") {
                        try await tx.query("SELECT \(value) AS a", as: [String].self)
                    }
                }
                await refusal("in column \"a\" cannot be read as Array<Array<Int>>") {
                    try await tx.query("SELECT ARRAY['{1}'] AS a", as: [[Int]].self)
                }
                await refusal("expected one column for a list, got 2") {
                    try await tx.query("SELECT 1, 2", as: [Int].self)
                }
                for value in ["'NaN'", "'-Infinity'", "1e50 + 1", "0.1 + 1e-40"] {
                    await refusal("cannot be read as Decimal") {
                        try await tx.query("SELECT \(value)::numeric AS a", as: Decimal.self)
                    }
                }
                await refusal("cannot be read as Date") {
                    try await tx.query("SELECT timestamptz 'infinity' AS a", as: Date.self)
                }
            }
        }

        /// Expects a decoding error with this text.
        private func refusal<Value>(
            _ said: String, at location: SourceLocation = #_sourceLocation,
            _ read: () async throws -> Value
        ) async {
            let error = await #expect(throws: BranchError.self, sourceLocation: location) {
                _ = try await read()
            }
            #expect(error?.code == .unreadableValue, sourceLocation: location)
            #expect(error?.server == nil, sourceLocation: location)
            #expect(
                error?.message.contains(said) == true, "\(String(describing: error))",
                sourceLocation: location)
        }

        @Test func `rejects a value that PostgreSQL cannot represent`()
            async throws
        {
            try await withTestbed(log: false) { testbed in
                try await testbed.coordinate { coordinator in
                    let values: [(any SQLValue, String)] = [
                        (JSON(Double.nan), "jsonb"),
                        (Date(timeIntervalSince1970: .infinity), "timestamptz"),
                        (Date(timeIntervalSince1970: 1e300), "timestamptz"),
                    ]
                    for (value, type) in values {
                        let writing = Participant(testbed.usersDatabase) { tx in
                            try await tx.execute(
                                "INSERT INTO users SELECT 'u', $1::\(type)::text", value)
                        }
                        let error = await failure { () async throws(TransactionError) in
                            try await coordinator.run([writing])
                        }
                        #expect(error?.branchError?.server?.sqlState.hasPrefix("22") == true)
                    }
                    try await testbed.expectQuiet(users: 0, orders: 0)
                }
            }
        }

        /// The value of a closure in a committed transaction.
        @discardableResult
        private func inTransaction<Value: Sendable>(
            _ body: @escaping @Sendable (Transaction) async throws -> Value
        ) async throws -> Value {
            var value: Value?
            try await withTestbed(log: false) { testbed in
                try await testbed.coordinate { coordinator in
                    value = try await coordinator.run(
                        [Participant(testbed.usersDatabase, work: body)]
                    ).value[0]
                }
            }
            return try #require(value)
        }
    }
}
