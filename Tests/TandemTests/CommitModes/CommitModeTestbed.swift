import CoordinatorAPI
import Foundation
import Glibc
import PostgresClusters
import Testing

@testable import tandem

/// Like `withTestbed`, with time to connect on a slow machine.
func withCommitModes(
    settings: [String] = [], keys: [String: String] = [:],
    _ body: (Testbed) async throws -> Void
) async throws {
    var patient = keys
    for name in Sandbox.participantNames {
        let more = keys[name].map { ", \($0)" } ?? ""
        patient[name] = "connectTimeoutMilliseconds: 300000\(more)"
    }
    try await withTestbed(settings: settings, keys: patient, body)
}

/// Requests with branches that are not prepared, and what these leave in the databases.
extension Testbed {
    /// A branch as JSON.
    static func branch(
        _ participant: String, _ sql: String, rows: Int? = nil, readOnly: Bool = false
    ) -> String {
        let text = sql.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        let expected = rows.map { ",\"expectRows\":\($0)" } ?? ""
        return #"{"participant":"\#(participant)","readOnly":\#(readOnly),"statements":[{"sql":"#
            + #""\#(text)"\#(expected)}]}"#
    }

    static func request(_ branches: [String], onePhase: Bool = false) -> String {
        #"{"onePhase":\#(onePhase),"branches":[\#(branches.joined(separator: ","))]}"#
    }

    /// A write in `users` that depends on what is read in `orders`.
    static func onePhase(_ user: String, orders: Int = 0) -> String {
        request(
            [
                branch("users", "INSERT INTO users VALUES ('\(user)', 'x') RETURNING id"),
                branch("orders", "SELECT id FROM orders", rows: orders, readOnly: true),
            ], onePhase: true)
    }

    /// A user and an order, with the users' journal as commit point if there is one.
    static func journalled(_ name: String, rows: Int = 1) -> String {
        request([
            branch("users", "INSERT INTO users VALUES ('\(name)', 'x') RETURNING id"),
            branch("orders", "INSERT INTO orders VALUES ('\(name)', '\(name)', 1)", rows: rows),
        ])
    }

    /// The newest row of the state database.
    func newest(_ columns: String) async throws -> [String?] {
        try await Sandbox.rows(
            cluster("state"),
            "SELECT \(columns) FROM tandem.transactions ORDER BY number DESC LIMIT 1"
        ).first ?? []
    }

    /// Starts the first replica again, to die or stop at this point.
    func restarted(failing point: String) async throws -> Testbed {
        await replica.stop()
        let again = try await sandbox.startReplica(
            1, port: client.port, isQuiet: true, environment: ["TANDEM_FAILPOINTS": point])
        return Testbed(sandbox: sandbox, client: client, replica: again)
    }

    /// Runs a request to the point where the replica dies; the caller's connection is lost.
    func dies(at point: String, _ body: String, key: String? = nil) async throws {
        let testbed = try await restarted(failing: "\(point)=kill")
        _ = try? await testbed.client.post("/v1/transactions", body, key: key)
        #expect(await testbed.replica.process.exitStatus() == .signalled(SIGKILL))
    }

    func nextIncarnation() async throws {
        try await sandbox.startReplica(1, port: client.port, isQuiet: true)
    }

    /// What the journal in `users` holds.
    func journal() async throws -> [String?] {
        try await Sandbox.rows(
            cluster("users"), "SELECT decision FROM tandem_participant.decisions ORDER BY number"
        ).map(\.[0])
    }
}
