import CoordinatorAPI
import PostgresClusters
import Testing

@testable import tandem

@Suite("What a participant's database sets for every session there", .serialized)
struct DatabaseDefaults {
    private static let settings = [
        "default_transaction_isolation = 'serializable'", "default_transaction_read_only = on",
        "default_transaction_deferrable = on",
    ]

    private static let look =
        "SELECT current_setting('transaction_isolation') AS isolation, "
        + "current_setting('transaction_read_only') AS reads, "
        + "current_setting('transaction_deferrable') AS waits"

    @Test("its defaults reach no transaction that asks for nothing, and no end of one")
    func transactions() async throws {
        try await withCommitModes(keys: JournalCommitTests.keys) { first in
            await first.replica.stop()
            try await first.asStranger(
                "users",
                Self.settings.map {
                    "DO $do$BEGIN EXECUTE format($$ALTER DATABASE %I SET \($0)$$, "
                        + "current_database()); END$do$"
                })
            // Any other session has them.
            #expect(try await row(first) == ["serializable", "on", "on"])
            let (sandbox, client) = (first.sandbox, first.client)
            let replica = try await sandbox.startReplica(1, port: client.port, isQuiet: true)
            let testbed = Testbed(sandbox: sandbox, client: client, replica: replica)
            try await testbed.untilAvailable()
            for onePhase in [false, true] {
                let answer = try await testbed.post(
                    Testbed.request([Testbed.branch("users", Self.look)], onePhase: onePhase))
                #expect(Self.row(answer) == ["read committed", "off", "off"], "\(answer.text)")
            }
            let reader = try await testbed.post(
                Testbed.request([Testbed.branch("users", Self.look, readOnly: true)]))
            #expect(Self.row(reader) == ["read committed", "on", "off"], "\(reader.text)")
            #expect(try await testbed.commits(Testbed.journalled("a")))
            let user = ReplicaTestbed.body("INSERT INTO users VALUES ('b', 'x')")
            #expect(try await testbed.commits(user))
            // An abort of another incarnation is written into the journal by a session that ends branches.
            try await testbed.dies(at: "commitLocally.before.0", Testbed.journalled("c"))
            try await testbed.nextIncarnation()
            try await testbed.expectEnd("aborted")
            try await testbed.expectQuiet(users: 2, orders: 1)
        }
    }

    private func row(_ testbed: Testbed) async throws -> [String?] {
        try await Sandbox.rows(testbed.cluster("users"), Self.look).first ?? []
    }

    private static func row(_ answer: Testbed.Answer) -> [String?] {
        let row = answer.body["branches"]?[0]?["results"]?[0]?["rows"]?[0]
        return ["isolation", "reads", "waits"].map { row?[$0]?.string }
    }
}
