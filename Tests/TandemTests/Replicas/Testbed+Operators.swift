import CoordinatorAPI
import Foundation
import Glibc
import PostgresClusters
import Testing

@testable import tandem

extension Testbed {
    /// Posts with more header fields.
    func post(_ path: String, _ body: String, fields: [String]) async throws -> LoopbackHTTP.Answer
    {
        try await client.post(path, body, fields: fields)
    }

    /// The entity tag of a transaction's status.
    func entityTag(_ id: String, accept: String = "application/json") async throws -> String {
        let head = try await client.send(
            "GET /v1/transactions/\(id) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                + "Accept: \(accept)\r\n\r\n"
        ).head
        let line = head.split(whereSeparator: \.isNewline).first {
            $0.lowercased().hasPrefix("etag:")
        }
        return try #require(line).dropFirst(5).trimmingCharacters(in: .whitespaces)
    }

    /// Waits until a transaction's status meets a condition, and returns it.
    func status(
        _ id: String, _ what: String, _ condition: (JSONValue) -> Bool
    ) async throws -> JSONValue {
        var last: JSONValue = .null
        try await until(what) {
            last = try await get("/v1/transactions/\(id)").body
            return condition(last)
        }
        return last
    }

    /// Kills the replica after its decision to commit a pair is durable, while both branches are
    /// prepared; returns the transaction's id.
    func leaveInDoubt(_ user: String, _ order: String) async throws -> String {
        try await untilAvailable()
        var frozen = try await freezeFinishers(of: "users", replica: 1)
        frozen += try await freezeFinishers(of: "orders", replica: 1)
        let client = client
        let request = Task { try? await client.post("/v1/transactions", Self.pair(user, order)) }
        try await until("the decision is durable") {
            try await value("state", "SELECT decision FROM tandem.transactions") == "commit"
        }
        await replica.kill()
        for pid in frozen {
            kill(pid, SIGTERM)
            kill(pid, SIGCONT)
        }
        _ = await request.value
        for name in Sandbox.participantNames {
            try await until("no session of the killed replica is left in \(name)") {
                try await value(
                    name,
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'tandem-%'")
                    == "0"
            }
        }
        let id = try await value(
            "state",
            "SELECT number || '-' || lpad(to_hex(salt), 16, '0') FROM tandem.transactions")
        return try #require(id)
    }

    /// A loaded machine may need several attempts to connect.
    func untilAvailable() async throws {
        try await until("every participant is available") {
            let text = try await get("/v1/participants").text
            return !text.contains(#""state":"unavailable""#)
                && !text.contains(#""state":"connecting""#)
        }
    }

    /// The gid of a branch of the only transaction, from 1.
    func gid(_ branch: Int) async throws -> String {
        try #require(try await value("state", "SELECT gids[\(branch)] FROM tandem.transactions"))
    }

    /// Kills the first replica and starts it again on the same port.
    func startAgain() async throws {
        await sandbox.replicas.last?.kill()
        try await sandbox.startReplica(1, port: client.port, isQuiet: true)
    }
}
