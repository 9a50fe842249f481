import CoordinatorAPI
import Foundation
import Glibc
import PostgresClusters
import Testing

@testable import tandem

@Suite("I7: what bears our name and is not ours to end is reported, and not touched", .serialized)
struct LeftToOperatorTests {
    /// A participant's entry for a prepared transaction that is left to an operator.
    static func entry(_ gid: String, in name: String, _ testbed: Testbed) async throws -> JSONValue
    {
        var found: JSONValue?
        try await testbed.until("\(gid) is reported") {
            let body = try await testbed.get("/v1/participants/\(name)").body
            guard case .array(let entries)? = body["unresolved"] else { return false }
            found = entries.first { $0["gid"]?.string == gid }
            return found != nil
        }
        return try #require(found)
    }

    static func prepare(_ gid: String, _ row: String, as role: String = "postgres") -> String {
        "SET ROLE \(role); BEGIN; INSERT INTO users VALUES ('\(row)', 'x'); "
            + "PREPARE TRANSACTION '\(gid)'"
    }

    @Test("without a row: under another role, in another database, with a name that is not ours")
    func rowless() async throws {
        try await withTestbed(settings: ResolutionTests.quick) { testbed in
            let users = try testbed.cluster("users")
            let installation = try #require(
                try await testbed.value("state", "SELECT id FROM tandem.installation"))
            let prefix = "tandem:\(installation):"
            let (role, place, name) = (
                "\(prefix)900001-00000000000000ab:0", "\(prefix)900002-00000000000000ab:0",
                "\(prefix)what''s this"
            )
            _ = try await users.psql("CREATE ROLE other SUPERUSER")
            _ = try await users.psql("CREATE DATABASE elsewhere")
            _ = try await users.psql(Self.prepare(role, "r", as: "other"))
            _ = try await users.psql(Self.prepare(name, "n"))
            _ = try await users.psql(
                "BEGIN; CREATE TABLE t (); PREPARE TRANSACTION '\(place)'", database: "elsewhere")
            let other = try await Self.entry(role, in: "users", testbed)
            #expect(other["role"]?.string == "other")
            #expect(other["database"]?.string == "postgres")
            #expect(other["preparedAt"]?.string != nil)
            #expect(
                other["remedy"]?.string
                    == "Nothing says that it was committed: as role \"other\" or a superuser, in "
                    + "database \"postgres\", run ROLLBACK PREPARED '\(role)'.")
            let distant = try await Self.entry(place, in: "users", testbed)
            #expect(distant["reason"]?.string?.contains("\"elsewhere\"") == true)
            let strange = try await Self.entry(
                name.replacing("''", with: "'"), in: "users", testbed)
            #expect(strange["remedy"]?.string?.contains("ROLLBACK PREPARED '\(name)'") == true)
            // No resolution touches what is another's.
            let answer = try await testbed.post(
                "/v1/transactions/900001-00000000000000ab/resolution",
                ResolutionTests.body(0, "rolledBack"), fields: ["If-Match: *"])
            #expect(answer.status == 409)
            #expect(
                try await testbed.value("users", "SELECT count(*) FROM pg_prepared_xacts") == "3")
            #expect(
                try await testbed.value("state", "SELECT count(*) FROM tandem.transactions") == "0")
            let ready = try await testbed.get("/readyz?verbose")
            #expect(ready.status == 200)
            #expect(ready.text.contains("3 prepared transactions there need an operator"))
            for gid in [role, place] {
                let lines = testbed.log(of: 1).split(separator: "\n").filter { $0.contains(gid) }
                #expect(lines.count == 1, "\(lines)")
            }
            let check = try await testbed.sandbox.runProgram(["check"])
            for gid in [role, place, "what''s this"] {
                #expect(check.output.contains("ROLLBACK PREPARED '"), "\(check.output)")
                #expect(check.output.contains(gid), "\(check.output)")
            }
            // What the remedies say ends them, and the reports with them.
            for gid in [role, name] { _ = try await users.psql("ROLLBACK PREPARED '\(gid)'") }
            _ = try await users.psql("ROLLBACK PREPARED '\(place)'", database: "elsewhere")
            try await testbed.until("nothing is reported") {
                let text = try await testbed.get("/v1/participants/users").text
                return text.contains(#""unresolved":[]"#)
            }
        }
    }

    @Test("a decided branch that another role prepared: the status says who ends it, and how")
    func decidedUnderAnotherRole() async throws {
        try await withTestbed(settings: ResolutionTests.quick) { testbed in
            let id = try await testbed.leaveInDoubt("u1", "o1")
            let gid = try await testbed.gid(1)
            // From now on tandem works there as a role that may not end what the former one prepared.
            _ = try await testbed.cluster("users").psql("CREATE ROLE plain LOGIN")
            testbed.sandbox.addresses["users"] = try testbed.cluster("users").connectionString(
                user: "plain")
            try await testbed.startAgain()
            let sql = "COMMIT PREPARED '\(gid)'"
            let status = try await testbed.status(id, "the branch says what to do") {
                $0["branches"]?[0]?["lastError"]?.string?.contains(sql) == true
            }
            #expect(
                status["branches"]?[0]?["lastError"]?.string?.contains("role \"postgres\"") == true)
            #expect(status["state"]?.string == "committing")
            let entry = try await Self.entry(gid, in: "users", testbed)
            #expect(entry["remedy"]?.string?.contains(sql) == true)
            #expect(
                entry["remedy"]?.string?.hasPrefix("The decision is to commit: ") == true)
            _ = try await testbed.cluster("users").psql(sql)
            _ = try await testbed.status(id, "it is committed") {
                $0["state"]?.string == "committed"
            }
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("a branch that the row does not name is reported while the row is open")
    func noSuchBranch() async throws {
        try await withTestbed(settings: ResolutionTests.quick) { testbed in
            try await testbed.untilAvailable()
            let frozen = try await testbed.freezeFinishers(of: "orders")
            let id = try #require(
                try await testbed.post(Testbed.pair("u1", "o1")).body["id"]?.string)
            let installation = try await testbed.value(
                "state", "SELECT id FROM tandem.installation")
            let gid = "tandem:\(try #require(installation)):\(id):7"
            _ = try await testbed.cluster("users").psql(Self.prepare(gid, "s"))
            let entry = try await Self.entry(gid, in: "users", testbed)
            #expect(entry["reason"]?.string?.contains("names no such branch") == true)
            #expect(entry["remedy"]?.string?.contains("ROLLBACK PREPARED '\(gid)'") == true)
            for pid in frozen { kill(pid, SIGCONT) }
            _ = try await testbed.status(id, "it is committed") {
                $0["state"]?.string == "committed"
            }
            _ = try await testbed.cluster("users").psql("ROLLBACK PREPARED '\(gid)'")
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }
}
